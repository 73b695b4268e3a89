"""A venue's full leverage brackets from a file, checked and written as a rulebook file.

Bounds are notionals (`bracket_files`), or contracts where the venue's are (`contract_tiers`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from keelmark.core.errors import InvalidInput, UnknownInstrument, nearest
from keelmark.core.numbers import ZERO, exact
from keelmark.core.rules import with_deductions
from keelmark.rulebooks.bracket_files import Bracket, Tables, read_brackets
from keelmark.rulebooks.build import IMPORTED
from keelmark.rulebooks.contract_tiers import SizedTables, read_sized
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

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


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
        worths: What a contract was taken to be worth, by symbol, where bounds were contracts.
    """

    text: str
    symbols: int
    tables: int
    rows: int
    rule: str
    problems: tuple[str, ...]
    worths: Mapping[str, Decimal]


def import_brackets(
    path: Path,
    venue: str,
    date: str,
    read: str,
    contracts: Mapping[str, Decimal] | None = None,
) -> Imported:
    """Return a rulebook file that extends a built-in one with the full brackets of a file.

    Args:
        path: JSON or Parquet.
        venue: Built-in rulebook it extends.
        date: Month the brackets were in force, YYYY-MM; the newest built-in at or before it.
        read: Day the file was read at the venue, YYYY-MM-DD.
        contracts: What one contract is worth, by symbol, where bounds are contracts and the file
            does not say.

    Raises:
        UnreadableData: The file is in none of the known forms.
        UnknownRulebook: There is no such built-in rulebook.
        InvalidInput: The venue has no tables of brackets, or none in contracts.
    """
    base = load_rulebook(f"{venue}@{date}")
    rule = _rule_of(base)
    sized = _sized(path, base, rule, contracts or {})
    kept: dict[str, Sequence[Bracket]] = {}
    for symbol, rows in sized.tables.items():
        problems = [] if symbol in sized.specs else list(_contract_problems(symbol, base))
        if not problems:
            tolerance = CENT if symbol in sized.specs else _tolerance(symbol, base)
            problems += table_problems(rows, tolerance=tolerance, rule=rule)
        sized.problems += [f"{symbol}: {problem}" for problem in problems]
        if not problems:
            kept[symbol] = rows
    groups = _groups(kept)
    return Imported(
        text=_rulebook_text(_Head(path.name, base, date, read, rule), groups, sized.specs),
        symbols=len(kept),
        tables=len(groups),
        rows=sum(len(rows) for rows in sized.tables.values()),
        rule=rule,
        problems=tuple(sized.problems),
        worths={symbol: worth for symbol, worth in sized.worths.items() if symbol in kept},
    )


def _sized(path: Path, base: Rulebook, rule: str, contracts: Mapping[str, Decimal]) -> SizedTables:
    """Return the tables of a file: by size where the venue's tiers are, by notional elsewhere."""
    if rule == "size_tiers":
        return read_sized(path, base, contracts)
    if contracts:
        msg = f"brackets of {base.name} are notionals: what a contract is worth changes nothing"
        raise InvalidInput(msg)
    return SizedTables(tables=dict(read_brackets(path)))


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
    head: _Head,
    groups: Mapping[tuple[tuple[Decimal, ...], ...], Sequence[str]],
    specs: Mapping[str, str],
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
    lines += ["", "[instruments]", *_instruments(groups.values(), specs)]
    return "\n".join(lines) + "\n"


def _instruments(groups: Iterable[Sequence[str]], specs: Mapping[str, str]) -> Iterator[str]:
    for symbols in groups:
        table = json.dumps(_table_name(symbols), ensure_ascii=False)
        for symbol in symbols:
            spec = f"{specs[symbol]}, " if symbol in specs else ""
            yield f"{_key(symbol)} = {{ {spec}table = {table} }}"


def _table_name(symbols: Sequence[str]) -> str:
    """Return a name that no table of the extended rulebook has."""
    return f"full_{symbols[0]}"


def _row(floor: Decimal, rate: Decimal, leverage: Decimal) -> str:
    allowed = f', leverage = "{leverage:f}"' if leverage else ""
    return f'  {{ floor = "{floor:f}", rate = "{rate:f}"{allowed} }},'


def _key(symbol: str) -> str:
    return symbol if BARE_KEY.fullmatch(symbol) else json.dumps(symbol, ensure_ascii=False)
