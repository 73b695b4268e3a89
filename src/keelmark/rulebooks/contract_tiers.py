"""Position tiers whose bounds are contracts: OKX's, as the venue answers and as ccxt passes on.

Source: www.okx.com/docs-v5, `GET /api/v5/public/position-tiers` (`minSz` and `maxSz` are numbers
of contracts; a tier begins one step of contracts above the one before ends) and
`GET /api/v5/public/instruments` (`ctVal`, `ctMult`). ccxt puts the same bounds under `minNotional`
and `maxNotional` (its okx.py, parse_market_leverage_tiers).

Sizes of linear contracts are units of the base in this project, so bounds are multiplied by what a
contract is worth; sizes of coin-margined ones are contracts, worth a number of USD each.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from keelmark.core.errors import UnknownInstrument, UnreadableData
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.rulebooks.bracket_files import (
    UNIFIED,
    Bracket,
    json_of,
    maybe_number_of,
    name_of,
    number_of,
    read_or_refuse,
    unified_bracket,
)
from keelmark.rulebooks.load import Rulebook

_KINDS = ("SWAP", "FUTURES")
_DAY = len("250926")


@dataclass(slots=True, kw_only=True)
class SizedTables:
    """What a file says of tiers by size.

    Attributes:
        tables: Brackets by symbol; floors and caps in size.
        specs: What a contract is, as TOML, where the rulebook cannot tell it.
        worths: What one contract is worth, by symbol: base, or USD of coin-margined ones.
        problems: What was left out and why.
    """

    tables: dict[str, Sequence[Bracket]] = field(default_factory=dict)
    specs: dict[str, str] = field(default_factory=dict)
    worths: dict[str, Decimal] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    """What is in a file: tiers in contracts, and what contracts are worth."""

    tiers: dict[str, list[Bracket]] = field(default_factory=dict)
    worths: dict[str, set[Decimal]] = field(default_factory=dict)
    options: set[str] = field(default_factory=set)
    spot: set[str] = field(default_factory=set)
    notional: set[str] = field(default_factory=set)


def read_sized(path: Path, base: Rulebook, contracts: Mapping[str, Decimal]) -> SizedTables:
    """Return the tiers of a file whose bounds are contracts, by size.

    Args:
        path: JSON: answers of `position-tiers`, beside or without one of `instruments`, or ccxt's
            unified tiers of OKX.
        base: The venue's rulebook.
        contracts: What one contract is worth, by symbol, where the file does not say.

    Raises:
        UnreadableData: The file is in none of these forms.
    """
    if path.suffix == ".parquet":
        msg = f"{path}: its floors are notionals; tiers of {base.name} are bounds of contracts"
        raise UnreadableData(msg)
    file = read_or_refuse(path, lambda: _file_of(json_of(path)))
    if not (file.tiers or file.options or file.spot or file.notional):
        msg = f"{path}: holds no brackets"
        raise UnreadableData(msg)
    for symbol, worth in contracts.items():
        file.worths.setdefault(_own(symbol), set()).add(worth)
    found = SizedTables(problems=list(_left_out(file, base)))
    for name, rows in file.tiers.items():
        for symbol in _symbols(name, file, found):
            _add(found, symbol, sorted(rows, key=lambda row: row.floor), file, base)
    return found


def _left_out(file: _File, base: Rulebook) -> Iterator[str]:
    """Yield what in a file is no table of a contract here, and why."""
    for name in sorted(file.notional):
        yield (
            f"{name}: its bounds are notionals; those of {base.name} are contracts: take the "
            "answer to public/position-tiers"
        )
    for name in sorted(file.spot):
        yield f"{name}: tiers of spot margin, which no rulebook takes"
    for name in sorted(file.options):
        yield f"{name}: tiers of options have factors (optMgnFactor), which no rulebook takes"


def _symbols(name: str, file: _File, found: SizedTables) -> Iterator[str]:
    """Yield which contracts a table is of: one, or all of a family that are told apart."""
    if name.count("-") > 1:
        yield name
        return
    known = sorted(s for s in file.worths if s.startswith(f"{name}-"))
    kinds = {symbol.endswith("-SWAP") for symbol in known}
    if len(kinds) > 1:
        found.problems.append(
            f"{name}: tiers do not say whether they are of swaps or of futures, and contracts of "
            "both are given; leave the worth of those out that they are not of"
        )
        return
    yield from known or [f"{name}-SWAP"]


def _add(
    found: SizedTables, symbol: str, rows: Sequence[Bracket], file: _File, base: Rulebook
) -> None:
    """Add a table in sizes, or say why it cannot be had."""
    worths = file.worths.get(symbol, set())
    is_inverse = symbol.split("-")[1:2] == ["USD"]
    listed = _listed_worth(symbol, base) if is_inverse else None
    if len(worths | ({listed} if listed else set())) > 1:
        texts = " and ".join(f"{worth:f}" for worth in sorted(worths | {listed or ZERO}) if worth)
        found.problems.append(f"{symbol}: a contract is worth {texts} by what is given; give one")
        return
    worth = next(iter(worths), listed)
    if worth is None:
        found.problems.append(
            f"{symbol}: its bounds are contracts (maxSz) and what one is worth is not known; put "
            f"the answer to public/instruments into the file, or give --contract {symbol}=VALUE "
            "(ctVal * ctMult)"
        )
        return
    endless = [number for number, row in enumerate(rows[:-1], start=1) if row.cap is None]
    if endless:
        found.problems.append(f"{symbol}: row {endless[0]}: where it ends (maxSz) is not said")
        return
    scale = ONE if is_inverse else worth
    with exact():
        found.tables[symbol] = [_scaled(row, scale) for row in _joined(rows)]
    found.worths[symbol] = worth
    if is_inverse and listed is None:
        found.specs[symbol] = _spec(symbol, worth)


def _listed_worth(symbol: str, base: Rulebook) -> Decimal | None:
    """Return the USD of a contract that the rulebook knows."""
    try:
        return base.terms_for(symbol).instrument.contract_size
    except UnknownInstrument:
        return None


def _joined(rows: Sequence[Bracket]) -> Iterator[Bracket]:
    """Yield rows that begin where the one before ends: the next whole contract belongs to them."""
    before: Bracket | None = None
    for row in rows:
        end = None if before is None else before.cap
        is_next = end is not None and ZERO < row.floor - end <= ONE
        before = replace(row, floor=end) if is_next and end is not None else row
        yield before


def _scaled(row: Bracket, worth: Decimal) -> Bracket:
    cap = None if row.cap is None else row.cap * worth
    return replace(row, floor=row.floor * worth, cap=cap)


def _spec(symbol: str, worth: Decimal) -> str:
    """Return what a coin-margined contract is, for rulebooks that know it by no pattern."""
    coin, _, rest = symbol.partition("-")
    term = rest.partition("-")[2]
    kind, more = "inverse_perpetual", ""
    if len(term) == _DAY and term.isdigit():
        kind = "inverse_future"
        more = f", expiry = 20{term[:2]}-{term[2:4]}-{term[4:]}T08:00:00Z"
    return f'kind = "{kind}", base = "{coin}", settle = "{coin}", contract_size = "{worth:f}"{more}'


def _file_of(content: Any) -> _File:  # noqa: ANN401 any JSON
    """Return what a file holds, of every answer in it."""
    found = _File()
    for rows in _row_lists(content):
        for row in rows:
            if "ctVal" in row and "instType" in row:
                _note_worth(row, str(row["instId"]), found)
            elif "mmr" in row and "maxSz" in row:
                _note_tier(row, found)
            else:
                _note_notional(row, found)
    if isinstance(content, Mapping):
        for symbol, rows in content.items():
            if UNIFIED.fullmatch(symbol):
                _note_unified(symbol, rows, found)
    return found


def _row_lists(content: Any) -> Iterator[Iterable[Mapping[str, Any]]]:  # noqa: ANN401 any JSON
    """Yield the rows of each answer: `data` of a table, of those in it, or a list of rows."""
    if isinstance(content, list) and content and not any("data" in row for row in content):
        yield content
    elif isinstance(content, list):
        for inner in content:
            yield from _row_lists(inner)
    elif isinstance(content, Mapping) and isinstance(content.get("data"), list):
        yield content["data"]
    elif isinstance(content, Mapping):
        for inner in content.values():
            if isinstance(inner, Mapping):
                yield from _row_lists(inner)


def _note_worth(row: Mapping[str, Any], symbol: str, found: _File) -> None:
    value = maybe_number_of(row.get("ctVal"))
    if row.get("instType", "SWAP") in _KINDS and value:
        with exact():
            worth = value * (maybe_number_of(row.get("ctMult")) or ONE)
        found.worths.setdefault(symbol, set()).add(worth.normalize())


def _note_tier(row: Mapping[str, Any], found: _File) -> None:
    family, symbol = row.get("instFamily") or row.get("uly"), row.get("instId")
    name = str(symbol or family or "")
    if not name:
        msg = "a tier names neither its family (instFamily, uly) nor its instrument (instId)"
        raise ValueError(msg)
    if maybe_number_of(row.get("optMgnFactor")):
        found.options.add(name)
        return
    if not family and name.count("-") == 1:
        found.spot.add(name)
        return
    if "ctVal" in row:
        _note_worth(row, name if name.count("-") > 1 else f"{name}-SWAP", found)
    found.tiers.setdefault(name, []).append(
        Bracket(
            floor=number_of(row["minSz"]),
            cap=maybe_number_of(row["maxSz"]),
            rate=number_of(row["mmr"]),
            amount=None,
            leverage=maybe_number_of(row.get("maxLever")),
        )
    )


def _note_unified(symbol: str, rows: Iterable[Mapping[str, Any]], found: _File) -> None:
    own = _own(symbol)
    for row in rows:
        found.tiers.setdefault(own, []).append(unified_bracket(row))
        worth = maybe_number_of(row.get("contractSize"))
        if worth:
            found.worths.setdefault(own, set()).add(worth)
    if not rows:
        found.tiers[own] = []


def _note_notional(row: Mapping[str, Any], found: _File) -> None:
    found.notional.add(name_of(row))


def _own(symbol: str) -> str:
    """Return OKX's symbol of a unified one; others as they are."""
    match = UNIFIED.fullmatch(symbol)
    if match is None:
        return symbol
    parts = match.groupdict()
    return f"{parts['base']}-{parts['quote']}-{parts['expiry'] or 'SWAP'}"
