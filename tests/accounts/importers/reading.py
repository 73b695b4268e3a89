"""Answers as they come over the wire, and what becomes of them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts.document import read_document
from keelmark.accounts.importers import Payload, import_account
from keelmark.core.errors import InvalidDocument


def as_payload(content: object, *, kind: str | None = None, title: str = "answer") -> Payload:
    """Return an answer that went through JSON text, numbers exact."""
    parsed = json.loads(json.dumps(content), parse_float=Decimal)
    return Payload(title=title, content=parsed, kind=kind)


def imported(*contents: object, **options: Any) -> dict[str, Any]:  # noqa: ANN401 any option
    """Return the document of answers; it must be one that can be read back."""
    payloads = [c if isinstance(c, Payload) else as_payload(c) for c in contents]
    text = import_account(payloads, **options).text
    read_document(json.loads(text, parse_float=Decimal), title="imported")
    return dict(json.loads(text))


def refused(*contents: object) -> str:
    """Return why answers are refused."""
    with pytest.raises(InvalidDocument) as caught:
        imported(*contents)
    return str(caught.value)


def unknown(document: dict[str, Any]) -> dict[str, str]:
    """Return the parts that are unknown, with the reasons."""
    return {row["what"]: row["why"] for row in document.get("unknown", [])}
