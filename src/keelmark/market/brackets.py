"""Leverage brackets as a venue publishes them: plain rows, exact decimals."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import polars as pl

from keelmark.core.errors import UnreadableData
from keelmark.market.files import read_table

_COLUMNS = (
    "symbol",
    "bracket",
    "notional_floor",
    "notional_cap",
    "maintenance_rate",
    "maintenance_amount",
    "max_leverage",
    "settle_asset",
)
_UNIFIED = re.compile(r"([^/]+)/([^:]+):[^-]+(?:-(\d{6}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One row: in `[floor, cap]` of notional, maintenance is `notional * rate - amount`.

    Which bracket owns its edge is a key of the rulebook, not of the table. Venues publish empty
    brackets too, with the floor at the cap.
    """

    floor: Decimal
    cap: Decimal
    maintenance_rate: Decimal
    maintenance_amount: Decimal
    max_leverage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketTable:
    """The brackets of one instrument, ascending and without holes."""

    symbol: str
    settle_asset: str
    brackets: tuple[Bracket, ...]

    @property
    def is_continuous(self) -> bool:
        """Whether each amount makes maintenance meet at the floor of its bracket."""
        return self.brackets[0].maintenance_amount == 0 and all(
            upper.maintenance_amount - lower.maintenance_amount
            == upper.floor * (upper.maintenance_rate - lower.maintenance_rate)
            for lower, upper in pairwise(self.brackets)
        )


def venue_symbol(symbol: str) -> str:
    """Return a venue's name of a unified one: BTC/USDT:USDT-251226 is BTCUSDT_251226."""
    match = _UNIFIED.fullmatch(symbol)
    if match is None:
        return symbol
    return match[1] + match[2] + (f"_{match[3]}" if match[3] else "")


def read_brackets(path: Path | str) -> Mapping[str, BracketTable]:
    """Read bracket tables, keyed by the venue's symbol.

    Raises:
        UnreadableData: Unreadable, a column missing, or tables with holes; all are named.
    """
    place = Path(path)
    table = read_table(place, _COLUMNS)
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        msg = f"{place}: no column {', '.join(missing)}; found {', '.join(table.columns)}"
        raise UnreadableData(msg)
    groups = (
        table.select(_COLUMNS).sort("symbol", "bracket").group_by("symbol", maintain_order=True)
    )
    tables = {venue_symbol(str(name)): _table(str(name), rows) for (name,), rows in groups}
    problems = tuple(problem for found in tables.values() for problem in _problems(found))
    if problems:
        title = f"{place}: {len(problems)} problem(s) in the brackets"
        raise UnreadableData("\n".join((title, *(f"  - {problem}" for problem in problems))))
    return MappingProxyType(tables)


def _table(symbol: str, rows: pl.DataFrame) -> BracketTable:
    return BracketTable(
        symbol=venue_symbol(symbol),
        settle_asset=str(rows["settle_asset"][0]),
        brackets=tuple(
            Bracket(
                floor=_exact(row["notional_floor"]),
                cap=_exact(row["notional_cap"]),
                maintenance_rate=_exact(row["maintenance_rate"]),
                maintenance_amount=_exact(row["maintenance_amount"]),
                max_leverage=int(row["max_leverage"]),
            )
            for row in rows.iter_rows(named=True)
        ),
    )


def _exact(value: float) -> Decimal:
    """Return the shortest decimal that reads back as `value`: what the venue printed."""
    number = Decimal(repr(float(value)))
    return number.to_integral_value() if number == number.to_integral_value() else number


def _problems(table: BracketTable) -> Iterable[str]:
    rows = table.brackets
    if rows[0].floor != 0:
        yield f"{table.symbol}: the first floor is {rows[0].floor}, not 0"
    for lower, upper in pairwise(rows):
        if lower.cap != upper.floor:
            yield f"{table.symbol}: a bracket ends at {lower.cap}, the next starts at {upper.floor}"
        if upper.maintenance_rate < lower.maintenance_rate:
            yield f"{table.symbol}: the rate falls at {upper.floor}"
    for row in rows:
        if row.cap < row.floor or not 0 < row.maintenance_rate <= 1 or row.max_leverage < 1:
            yield f"{table.symbol}: {row} is not a bracket"
