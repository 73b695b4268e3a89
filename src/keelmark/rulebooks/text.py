"""A rulebook as one TOML text: everything it extends merged, nothing left to be found elsewhere."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from keelmark.rulebooks.document import RulebookDocument


def rulebook_text(document: RulebookDocument) -> str:
    """Return the TOML that `read_rulebook` reads back as an equal document."""
    content = msgspec.to_builtins(document, builtin_types=(Decimal, datetime))
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in _given(content))


def _given(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what a table says; TOML has no word for nothing."""
    return [(key, value) for key, value in table.items() if value is not None]


def _key(key: str) -> str:
    return json.dumps(key)


def _value(value: Any) -> str:  # noqa: ANN401 whatever a document holds
    """Return a value on one line: tables inline, decimals as text."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in _given(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f'"{value}"'
    return json.dumps(value, ensure_ascii=False)
