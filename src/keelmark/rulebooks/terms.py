"""A digest of a rulebook's terms: equal exactly when two rulebooks mean the same."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from keelmark.core.numbers import exact
from keelmark.rulebooks.load import Rulebook

DIGEST_SIZE = 16
TOLD = frozenset({"source", "par"})
"""Fields no margin reads: where a number was read, and what stands in for a missing price."""


def terms_digest(rulebook: Rulebook) -> str:
    """Return the digest of margin terms and liquidation process, as 32 hexadecimal figures.

    How a number is written and what is said about its source do not count; the order of
    instruments and assets does, because it decides their rows. A term that is at its default does
    not count either, so that a release which knows one more term reads the journals of the last:
    defaults are part of the format and are never changed.
    """
    with exact():
        terms = [plain(rulebook.model), plain(rulebook.liquidation)]
    return blake2b(json.dumps(terms).encode(), digest_size=DIGEST_SIZE).hexdigest()


def plain(value: Any) -> Any:  # noqa: ANN401 anything a rulebook holds
    """Return a term as plain JSON values, with the names of its types.

    Raises:
        TypeError: A term of a kind that has no plain form.
    """
    if is_dataclass(value):
        said = [field for field in fields(value) if not _is_default(value, field)]
        return [type(value).__name__, {f.name: plain(getattr(value, f.name)) for f in said}]
    if isinstance(value, Decimal | datetime):
        return str(value.normalize() if isinstance(value, Decimal) else value)
    if isinstance(value, Mapping):
        return [[plain(key), plain(part)] for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, str | int):  # names of choices are text
        return value
    msg = f"a rulebook holds {value!r}; teach terms.plain about {type(value).__name__}"
    raise TypeError(msg)


def _is_default(value: Any, field: Field[Any]) -> bool:  # noqa: ANN401 as above
    """Whether a field says nothing of a margin, or is at its default."""
    if field.name in TOLD:
        return True
    found = getattr(value, field.name)
    if field.default_factory is not MISSING:
        return bool(found == field.default_factory())
    return field.default is not MISSING and bool(found == field.default)
