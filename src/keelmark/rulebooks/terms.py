"""A digest of a rulebook's terms: equal exactly when two rulebooks mean the same."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from keelmark.core.numbers import exact
from keelmark.rulebooks.load import Rulebook

DIGEST_SIZE = 16


def terms_digest(rulebook: Rulebook) -> str:
    """Return the digest of margin terms and liquidation process, as 32 hexadecimal figures.

    How a number is written and what is said about its source do not count; the order of
    instruments and assets does, because it decides their rows.
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
        parts = [plain(getattr(value, field.name)) for field in fields(value)]
        return [type(value).__name__, *parts]
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
