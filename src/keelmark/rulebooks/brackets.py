"""A venue's full leverage brackets from a file, checked and written as a rulebook file.

Read are the venue's public payload (`GET /fapi/v1/leverageBracket`, `/dapi/v2/leverageBracket`),
ccxt's unified tiers as freqtrade keeps them (`binance_leverage_tiers.json`), and Parquet with one
row a bracket (`symbol`, `bracket`, `notional_floor`, `notional_cap`, `maintenance_rate`,
`maintenance_amount`, `max_leverage`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from keelmark.core.errors import UnknownInstrument, UnreadableData
from keelmark.core.numbers import ZERO, exact
from keelmark.core.rules import with_deductions
from keelmark.rulebooks.build import IMPORTED
from keelmark.rulebooks.load import Rulebook, load_rulebook

CENT = Decimal("0.01")
"""How far a printed amount may be from the exact one: venues round it."""

UNIFIED = re.compile(r"(?P<base>[^/]+)/(?P<quote>[^:]+):(?P<settle>[^-]+)(?:-(?P<expiry>\d{6}))?")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One row of a bracket table; floor and cap in the table's notional."""

    floor: Decimal
    cap: Decimal | None
    rate: Decimal
    amount: Decimal | None
    leverage: Decimal | None


Tables = Mapping[str, Sequence[Bracket]]
"""Brackets in rising order, by symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import found.

    Attributes:
        text: The rulebook file.
        symbols: How many contracts are in it.
        tables: How many different tables they share.
        rows: How many rows were read.
        problems: Contracts that were left out, with the row and why.
    """

    text: str
    symbols: int
    tables: int
    rows: int
    problems: tuple[str, ...]


def import_brackets(path: Path, venue: str, date: str, read: str) -> Imported:
    """Return a rulebook file that extends a built-in one with the full brackets of a file.

    Args:
        path: JSON or Parquet.
        venue: Built-in rulebook it extends.
        date: Month the brackets were in force, YYYY-MM; the newest built-in at or before it.
        read: Day the file was read at the venue, YYYY-MM-DD.

    Raises:
        UnreadableData: The file is in none of the known forms.
        UnknownRulebook: There is no such built-in rulebook.
    """
    base = load_rulebook(f"{venue}@{date}")
    tables = read_brackets(path)
    problems: list[str] = []
    kept: dict[str, Sequence[Bracket]] = {}
    for symbol, rows in tables.items():
        found = list(table_problems(rows)) or list(_contract_problems(symbol, base))
        problems += [f"{symbol}: {problem}" for problem in found]
        if not found:
            kept[symbol] = rows
    groups = _groups(kept)
    return Imported(
        text=_rulebook_text(path, base, date, read, groups),
        symbols=len(kept),
        tables=len(groups),
        rows=sum(len(rows) for rows in tables.values()),
        problems=tuple(problems),
    )


def read_brackets(path: Path) -> Tables:
    """Return the brackets in a file, in rising order, by the venue's own symbols.

    Raises:
        UnreadableData: The file is in none of the known forms; names the row.
    """
    if not path.is_file():
        msg = f"no file {path}"
        raise UnreadableData(msg)
    try:
        rows = list(_parquet(path) if path.suffix == ".parquet" else _json(path))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        msg = (
            f"{path}: cannot be read as brackets ({type(error).__name__}: {error}); known are the "
            "leverageBracket payload, ccxt's unified tiers, and Parquet with one row a bracket"
        )
        raise UnreadableData(msg) from error
    found: dict[str, list[Bracket]] = {}
    for symbol, bracket in rows:
        found.setdefault(venue_symbol(symbol), []).append(bracket)
    if not found:
        msg = f"{path}: holds no brackets"
        raise UnreadableData(msg)
    return {symbol: sorted(table, key=lambda b: b.floor) for symbol, table in found.items()}


def venue_symbol(symbol: str) -> str:
    """Return Binance's symbol of a unified one (`BTC/USDT:USDT-250926`); others as they are."""
    match = UNIFIED.fullmatch(symbol)
    if match is None:
        return symbol
    parts = match.groupdict()
    is_inverse = parts["settle"] == parts["base"]
    ending = f"_{parts['expiry']}" if parts["expiry"] else "_PERP" if is_inverse else ""
    return f"{parts['base']}{parts['quote']}{ending}"


def table_problems(rows: Sequence[Bracket]) -> Iterator[str]:
    """Say which rows of a table do not continue the row before; nothing if all do."""
    with exact():
        if rows[0].floor != ZERO:
            yield f"row 1: floor {rows[0].floor:f}; the first must be 0"
        for number, (low, high) in enumerate(pairwise(rows), start=2):
            if high.floor <= low.floor:
                yield f"row {number}: floor {high.floor:f} is that of the row before"
            if low.cap is not None and low.cap != high.floor:
                yield f"row {number}: floor {high.floor:f}; the row before ends at {low.cap:f}"
            if high.rate < low.rate:
                yield f"row {number}: rate {high.rate:f} is below {low.rate:f}, of the row before"
        exacts = with_deductions((row.floor, row.rate) for row in rows)
        for number, (row, tier) in enumerate(zip(rows, exacts, strict=True), start=1):
            if row.amount is not None and abs(row.amount - tier.deduction) > CENT:
                yield (
                    f"row {number}: amount {row.amount:f}; floors and rates give {tier.deduction:f}"
                )


def _contract_problems(symbol: str, base: Rulebook) -> Iterator[str]:
    try:
        base.terms_for(symbol)
    except UnknownInstrument:
        yield f"fits none of the naming patterns of {base.name}"


def _json(path: Path) -> Iterator[tuple[str, Bracket]]:
    content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    if isinstance(content, Mapping) and "brackets" not in content:
        for symbol, rows in content.items():
            for row in rows:
                yield symbol, _unified(row)
        return
    for table in [content] if isinstance(content, Mapping) else content:
        for row in table["brackets"]:
            yield table.get("symbol") or table["pair"], _payload(row)


def _unified(row: Mapping[str, Any]) -> Bracket:
    """Return a row of ccxt's tiers; the venue's own amount is in its `info`."""
    return Bracket(
        floor=_number(row["minNotional"]),
        cap=_maybe(row.get("maxNotional")),
        rate=_number(row["maintenanceMarginRate"]),
        amount=_maybe(row.get("info", {}).get("cum")),
        leverage=_maybe(row.get("maxLeverage")),
    )


def _payload(row: Mapping[str, Any]) -> Bracket:
    """Return a row of the payload; COIN-M's quantities are in coin, and one key is misspelt."""
    floors = (row.get(key) for key in ("notionalFloor", "qtylFloor", "qtyFloor"))
    caps = (row.get(key) for key in ("notionalCap", "qtyCap"))
    return Bracket(
        floor=_number(next(value for value in floors if value is not None)),
        cap=_maybe(next((value for value in caps if value is not None), None)),
        rate=_number(row["maintMarginRatio"]),
        amount=_maybe(row.get("cum")),
        leverage=_maybe(row.get("initialLeverage")),
    )


def _parquet(path: Path) -> Iterator[tuple[str, Bracket]]:
    import polars as pl  # noqa: PLC0415 heavy, and only Parquet needs it

    names = ("notional_floor", "notional_cap", "maintenance_rate", "maintenance_amount")
    frame = pl.read_parquet(path).select("symbol", *names, "max_leverage")
    for symbol, floor, cap, rate, amount, leverage in frame.iter_rows():
        yield (
            symbol,
            Bracket(
                floor=_number(floor),
                cap=_maybe(cap),
                rate=_number(rate),
                amount=_maybe(amount),
                leverage=_maybe(leverage),
            ),
        )


def _number(value: object) -> Decimal:
    """Return a number as it is written; a float as its shortest digits."""
    if isinstance(value, bool) or value is None:
        msg = f"found {value!r}; a number is needed"
        raise ValueError(msg)
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite() or number < ZERO:
        msg = f"found {value!r}; a number that is not negative is needed"
        raise ValueError(msg)
    with exact():
        return number.normalize()


def _maybe(value: object) -> Decimal | None:
    return None if value in (None, "") else _number(value)


def _groups(tables: Tables) -> dict[tuple[tuple[Decimal, ...], ...], list[str]]:
    """Return the symbols that share each table."""
    groups: dict[tuple[tuple[Decimal, ...], ...], list[str]] = {}
    for symbol, rows in tables.items():
        key = tuple((row.floor, row.rate, row.leverage or ZERO) for row in rows)
        groups.setdefault(key, []).append(symbol)
    return groups


def _rulebook_text(
    path: Path,
    base: Rulebook,
    date: str,
    read: str,
    groups: Mapping[tuple[tuple[Decimal, ...], ...], Sequence[str]],
) -> str:
    told = f"{path.name}: full brackets of {base.document.name} in force in {date}"
    lines = [
        f'name = "{base.document.name}{IMPORTED}"',
        f'date = "{date}"',
        f'extends = "{base.name}"',
        f"source = {json.dumps(told, ensure_ascii=False)}",
        f'read = "{read}"',
    ]
    for rows, symbols in groups.items():
        lines += ["", f"[tables.{_key(_table_name(symbols))}]", "rows = ["]
        lines += [_row(*row) for row in rows]
        lines.append("]")
    lines += ["", "[instruments]", *_instruments(groups.values())]
    return "\n".join(lines) + "\n"


def _instruments(groups: Iterable[Sequence[str]]) -> Iterator[str]:
    for symbols in groups:
        table = json.dumps(_table_name(symbols), ensure_ascii=False)
        for symbol in symbols:
            yield f"{_key(symbol)} = {{ table = {table} }}"


def _table_name(symbols: Sequence[str]) -> str:
    """Return a name that no table of the extended rulebook has."""
    return f"full_{symbols[0]}"


def _row(floor: Decimal, rate: Decimal, leverage: Decimal) -> str:
    allowed = f', leverage = "{leverage:f}"' if leverage else ""
    return f'  {{ floor = "{floor:f}", rate = "{rate:f}"{allowed} }},'


def _key(symbol: str) -> str:
    return symbol if BARE_KEY.fullmatch(symbol) else json.dumps(symbol, ensure_ascii=False)
