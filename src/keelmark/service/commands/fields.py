"""What the fields of the forms may be; one definition decodes them and describes them."""

from typing import Annotated, Literal

import msgspec

NAME_MAX = 200
DIGITS_MAX = 30
DECIMAL_PATTERN = rf"^-?[0-9]{{1,{DIGITS_MAX}}}(\.[0-9]{{1,{DIGITS_MAX}}})?$"
TIME_MAX = 30
REASON_MAX = 500
TEXT_MAX = 4_000_000

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

Name = _Name
Decimal = Annotated[
    str,
    msgspec.Meta(
        max_length=2 * DIGITS_MAX + 2,
        pattern=DECIMAL_PATTERN,
        description="Decimal text, no exponent.",
        examples=["100.5"],
    ),
]
Account = Annotated[
    _Name | _Number | None,
    msgspec.Meta(
        description="Name of the account, or its number as a JSON number.", examples=["alice", 7]
    ),
]
Unit = Annotated[
    _Number | _Name | None,
    msgspec.Meta(
        description="Number of the unit, or name of one of the venue's own such as "
        "`fund:default`. Left out: the cross unit of the account.",
        examples=[12],
    ),
]
Order = Annotated[
    int, msgspec.Meta(ge=0, le=2**62, description="The caller's id of the order.", examples=[1])
]
Protection = Annotated[
    int, msgspec.Meta(ge=0, le=2**62, description="The caller's id of it.", examples=[1])
]
Time = Annotated[
    str,
    msgspec.Meta(
        max_length=TIME_MAX, description="UTC, ISO 8601.", examples=["2025-10-10T21:00:00.000Z"]
    ),
]
Reason = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=REASON_MAX, description="Why, for the audit trail."),
]
Key = Annotated[
    str,
    msgspec.Meta(
        max_length=NAME_MAX,
        description="Idempotency key: sent again with the same command, nothing is done twice.",
        examples=["6f1c1a4e"],
    ),
]
LegName = Literal["net", "long", "short"]
