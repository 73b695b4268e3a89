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

from keelmark.core.errors import InvalidInput, UnknownInstrument, UnreadableData, nearest
from keelmark.core.numbers import ZERO, exact
from keelmark.core.rules import with_deductions
from keelmark.rulebooks.build import IMPORTED
from keelmark.rulebooks.load import Rulebook, load_rulebook

CENT = Decimal("0.01")
"""How far a printed amount may be from the exact one: venues round it."""

COIN_QUANTUM = Decimal("0.00000001")
"""The same where tables are in coin, of which a hundredth is real money."""

BRACKET_RULES = {
    "tiered": "notional * rate - amount of the bracket it falls in",
    "whole_notional": "the whole notional * rate of the bracket it falls in",
    "size_tiers": "the whole notional * rate of the bracket that the size falls in",
}
"""What a full table can be charged by, in words."""

UNIFIED = re.compile(r"(?P<base>[^/]+)/(?P<quote>[^:]+):(?P<settle>[^-]+)(?:-(?P<expiry>\d{6}))?")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One row of a bracket table; floor and cap in the table's notional.

    Attributes:
        floor: Where it begins.
        cap: Where it ends; `None` where it is not said.
        rate: Maintenance rate.
        amount: Maintenance amount as printed.
        leverage: Largest leverage.
        coefficient: What the venue multiplies an account's floors by (`notionalCoef`).
    """

    floor: Decimal
    cap: Decimal | None
    rate: Decimal
    amount: Decimal | None
    leverage: Decimal | None
    coefficient: Decimal | None = None


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
        rule: The formula that is taken, one of `BRACKET_RULES`.
        problems: Contracts that were left out, with the row and why.
    """

    text: str
    symbols: int
    tables: int
    rows: int
    rule: str
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
        InvalidInput: The venue has no tables of brackets.
    """
    base = load_rulebook(f"{venue}@{date}")
    rule = _rule_of(base)
    tables = read_brackets(path)
    problems: list[str] = []
    kept: dict[str, Sequence[Bracket]] = {}
    for symbol, rows in tables.items():
        found = list(_contract_problems(symbol, base)) or list(
            table_problems(rows, tolerance=_tolerance(symbol, base), rule=rule)
        )
        problems += [f"{symbol}: {problem}" for problem in found]
        if not found:
            kept[symbol] = rows
    groups = _groups(kept)
    return Imported(
        text=_rulebook_text(_Head(path.name, base, date, read, rule), groups),
        symbols=len(kept),
        tables=len(groups),
        rows=sum(len(rows) for rows in tables.values()),
        rule=rule,
        problems=tuple(problems),
    )


def _rule_of(base: Rulebook) -> str:
    """Return how full tables are charged at a venue; refuse a venue that has none."""
    rule = base.document.bracket_rule
    if rule is None:
        msg = (
            f"{base.name} takes no tables of brackets: the venue does not margin by them. "
            "`keelmark venues NAME` says what it does; a rulebook file of your own can"
        )
        raise InvalidInput(msg)
    if rule not in BRACKET_RULES:
        msg = f"{base.name}: bracket_rule {rule!r}; {nearest(rule, BRACKET_RULES)}"
        raise InvalidInput(msg)
    return rule


def _tolerance(symbol: str, base: Rulebook) -> Decimal:
    """Return how far a printed amount may be off: of coin much less than of dollars."""
    instrument = base.terms_for(symbol).instrument
    return COIN_QUANTUM if instrument.kind.is_inverse else CENT


def read_brackets(path: Path) -> Tables:
    """Return the brackets in a file, in rising order, by the venue's own symbols.

    A contract whose table holds nothing is there with no brackets.

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
        table = found.setdefault(venue_symbol(symbol), [])
        if bracket is not None:
            table.append(bracket)
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


def table_problems(
    rows: Sequence[Bracket], *, tolerance: Decimal = CENT, rule: str = "tiered"
) -> Iterator[str]:
    """Say which rows of a table do not continue the row before; nothing if all do.

    Args:
        rows: Brackets in rising order.
        tolerance: How far a printed amount may be from the one floors and rates give.
        rule: What the table is charged by; amounts belong to `tiered` alone.
    """
    if not rows:
        yield "its table holds no brackets"
        return
    with exact():
        for number, row in enumerate(rows, start=1):
            yield from (f"row {number}: {problem}" for problem in _row_problems(row, rule))
        if rows[0].floor != ZERO:
            yield f"row 1: floor {rows[0].floor:f}; the first must be 0"
        for number, (low, high) in enumerate(pairwise(rows), start=2):
            yield from (f"row {number}: {problem}" for problem in _step_problems(low, high))
        if rule != "tiered":
            return
        exacts = with_deductions((row.floor, row.rate) for row in rows)
        for number, (row, tier) in enumerate(zip(rows, exacts, strict=True), start=1):
            if row.amount is not None and abs(row.amount - tier.deduction) > tolerance:
                yield (
                    f"row {number}: amount {row.amount:f}; floors and rates give {tier.deduction:f}"
                )


def _row_problems(row: Bracket, rule: str) -> Iterator[str]:
    """Say what no bracket of a venue can be."""
    if not ZERO < row.rate <= 1:
        yield f"rate {row.rate:f} is not between 0 and 1; 0.4 % is written 0.004"
    if row.leverage is not None and row.leverage < 1:
        yield f"leverage {row.leverage:f} is below 1"
    elif row.leverage is not None and row.rate * row.leverage > 1:
        yield (
            f"rate {row.rate:f} at {row.leverage:f} times leverage: maintenance would be more than "
            "the initial margin; 0.4 % is written 0.004"
        )
    if row.coefficient not in (None, Decimal(1)):
        yield (
            f"notionalCoef {row.coefficient:f}: the account has brackets of its own; import the "
            "venue's common table, or give each position its `tier`"
        )
    if rule != "tiered" and row.amount:
        yield f"amount {row.amount:f}: the venue charges the whole notional and knows no amounts"


def _step_problems(low: Bracket, high: Bracket) -> Iterator[str]:
    """Say where a row does not follow the one before."""
    if high.floor <= low.floor:
        yield f"floor {high.floor:f} is that of the row before"
    if low.cap is not None and low.cap != high.floor:
        yield f"floor {high.floor:f}; the row before ends at {low.cap:f}"
    if high.rate < low.rate:
        yield f"rate {high.rate:f} is below {low.rate:f}, of the row before"


def _contract_problems(symbol: str, base: Rulebook) -> Iterator[str]:
    try:
        base.terms_for(symbol)
    except UnknownInstrument:
        yield f"fits none of the naming patterns of {base.name}"


def _json(path: Path) -> Iterator[tuple[str, Bracket | None]]:
    """Yield every row with its symbol; of a table without rows, its symbol alone."""
    content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    if isinstance(content, Mapping) and "brackets" not in content:
        for symbol, rows in content.items():
            yield from ((symbol, _unified(row)) for row in rows)
            if not rows:
                yield symbol, None
        return
    for table in [content] if isinstance(content, Mapping) else content:
        symbol = table["symbol"] if "symbol" in table else table["pair"]
        factor = _maybe(table.get("notionalCoef"))
        yield from ((symbol, _payload(row, factor)) for row in table["brackets"])
        if not table["brackets"]:
            yield symbol, None


def _unified(row: Mapping[str, Any]) -> Bracket:
    """Return a row of ccxt's tiers; the venue's own amount is in its `info`."""
    return Bracket(
        floor=_number(row["minNotional"]),
        cap=_maybe(row.get("maxNotional")),
        rate=_number(row["maintenanceMarginRate"]),
        amount=_maybe(row.get("info", {}).get("cum")),
        leverage=_maybe(row.get("maxLeverage")),
    )


def _payload(row: Mapping[str, Any], coefficient: Decimal | None) -> Bracket:
    """Return a row of the payload; COIN-M's quantities are in coin, and one key is misspelt."""
    floors = (row.get(key) for key in ("notionalFloor", "qtylFloor", "qtyFloor"))
    caps = (row.get(key) for key in ("notionalCap", "qtyCap"))
    return Bracket(
        floor=_number(next(value for value in floors if value is not None)),
        cap=_maybe(next((value for value in caps if value is not None), None)),
        rate=_number(row["maintMarginRatio"]),
        amount=_maybe(row.get("cum")),
        leverage=_maybe(row.get("initialLeverage")),
        coefficient=coefficient,
    )


def _parquet(path: Path) -> Iterator[tuple[str, Bracket]]:
    import polars as pl  # noqa: PLC0415 heavy, and only Parquet needs it

    names = ("notional_floor", "notional_cap", "maintenance_rate", "maintenance_amount")
    table = pl.read_parquet(path)
    wanted = ("symbol", *names, "max_leverage")
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        msg = f"no column {', '.join(missing)}"
        raise ValueError(msg)
    frame = table.select(wanted)
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


@dataclass(frozen=True, slots=True)
class _Head:
    """What the written file says before its tables."""

    file: str
    base: Rulebook
    date: str
    read: str
    rule: str


def _rulebook_text(
    head: _Head, groups: Mapping[tuple[tuple[Decimal, ...], ...], Sequence[str]]
) -> str:
    base = head.base
    told = f"{head.file}: full brackets of {base.document.name} in force in {head.date}"
    lines = [
        f'name = "{base.document.name}{IMPORTED}"',
        f'date = "{head.date}"',
        f'extends = "{base.name}"',
        f"source = {json.dumps(told, ensure_ascii=False)}",
        f'read = "{head.read}"',
    ]
    for rows, symbols in groups.items():
        lines += ["", f"[tables.{_key(_table_name(symbols))}]", f'rule = "{head.rule}"', "rows = ["]
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
