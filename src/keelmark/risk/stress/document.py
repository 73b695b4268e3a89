"""What a file of stress scenarios may say, with its types; every problem names its path."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from keelmark.core.errors import InvalidDocument

T = TypeVar("T")


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table whose unknown keys are refused."""


class SourceTable(_Table, frozen=True):
    """`[sources.NAME]`: where figures are from, and the day they were read."""

    text: str
    read: str
    url: str = ""


class FigureTable(_Table, frozen=True):
    """A figure with a source of its own, `{ value = -0.9, source = "NAME" }`."""

    value: float
    source: str = ""


Figures = dict[str, float | FigureTable]


class BlockTable(_Table, frozen=True):
    """A block of shocks, `[scenarios.returns]` and its like.

    Attributes:
        source: Of every figure that names none of its own.
        names: Figures by coin, or by asset for collateral.
        other: What is not named.
        other_is: Where that figure comes from, in words.
        sigmas: Instead, returns alone: daily standard deviations of each coin.
        dollars: Collateral alone: assets that stand for the dollar and are not named.
        coins: Collateral alone: every other asset that is not named.
        of: Collateral alone: `price` for shocks of the whole price of a coin held, whatever its
            return; `asset` for shocks on top of its return.
    """

    source: str
    names: Figures = {}
    other: float | FigureTable | None = None
    other_is: str = ""
    sigmas: float | None = None
    dollars: float | None = None
    coins: float | None = None
    of: str = "asset"


class ScenarioTable(_Table, frozen=True):
    """`[[scenarios]]`.

    Attributes:
        name: What the command line calls it.
        title: One line for people.
        kind: `historical` or `hypothetical`.
        shape: `worst_of_each`, `joint`, `sigmas`, `against` or `set`; see `Shape`.
        days: Horizon.
        begins: First instant, `from` in the file.
        ends: Last instant, `to` in the file.
        note: What else is to be known.
    """

    name: str
    title: str
    kind: str = "hypothetical"
    shape: str = "set"
    days: float = 1.0
    begins: datetime | None = msgspec.field(default=None, name="from")
    ends: datetime | None = msgspec.field(default=None, name="to")
    note: str = ""
    returns: BlockTable | None = None
    volatility: BlockTable | None = None
    basis: BlockTable | None = None
    funding: BlockTable | None = None
    collateral: BlockTable | None = None
    depth: BlockTable | None = None


class StressFile(_Table, frozen=True):
    """A whole file."""

    sources: dict[str, SourceTable]
    scenarios: tuple[ScenarioTable, ...]


class CalmCoin(_Table, frozen=True):
    """How much a coin moves (a fraction a day) and trades (dollars a day)."""

    sigma: float
    volume: float


class OtherCoin(_Table, frozen=True):
    """What stands for a coin that was not measured."""

    sigma: float
    volume: float
    text: str = msgspec.field(name="is")


class CalmFile(_Table, frozen=True):
    """`calm.toml`: measured coins by source."""

    sources: dict[str, SourceTable]
    other: OtherCoin
    coins: dict[str, dict[str, CalmCoin]]


class KinFile(_Table, frozen=True):
    """`kin.toml`: which coin another is a wrapper of, and which stand still."""

    still: tuple[str, ...]
    kin: dict[str, str]


def parsed(text: str, title: str) -> Mapping[str, object]:
    """Return the content of a TOML text; raises `InvalidDocument` with the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        heading = f"{title}: not TOML"
        raise InvalidDocument(heading, [str(error)]) from error


def converted(text: str, kind: type[T], title: str) -> T:
    """Return a TOML text as a `kind`; raises `InvalidDocument` with the path."""
    try:
        return msgspec.convert(parsed(text, title), kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidDocument(title, [_plain(str(error))]) from error


def _plain(message: str) -> str:
    """Return the decoder's message with the path first: `scenarios[0].days: ...`."""
    text, _, path = message.partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}" if path else text
