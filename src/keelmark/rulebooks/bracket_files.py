"""Leverage brackets as files hold them, in notional: read row by row, not yet checked.

Read are the venue's public payload (`GET /fapi/v1/leverageBracket`, `/dapi/v2/leverageBracket`),
ccxt's unified tiers as freqtrade keeps them (`binance_leverage_tiers.json`), and Parquet with one
row a bracket (`symbol`, `bracket`, `notional_floor`, `notional_cap`, `maintenance_rate`,
`maintenance_amount`, `max_leverage`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from keelmark.core.errors import UnreadableData
from keelmark.core.numbers import ZERO, exact

UNIFIED = re.compile(r"(?P<base>[^/]+)/(?P<quote>[^:]+):(?P<settle>[^-]+)(?:-(?P<expiry>\d{6}))?")
"""ccxt's symbol of a contract: `BTC/USDT:USDT`, `BTC/USD:BTC-250926`."""

FLOORS = ("notionalFloor", "qtylFloor", "qtyFloor")
"""Where a row begins; COIN-M's quantities are in coin, and one key is misspelt."""

_MAGNITUDE = 24
"""Powers of ten a number may have, up and down, as in account documents."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One row of a bracket table; floor and cap in the table's notional, or in size.

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


def read_brackets(path: Path) -> Tables:
    """Return the brackets in a file, in rising order, by the venue's own symbols.

    A contract whose table holds nothing is there with no brackets.

    Raises:
        UnreadableData: The file is in none of the known forms; names the row.
    """
    rows = _parquet if path.suffix == ".parquet" else lambda file: _json(json_of(file))
    found: dict[str, list[Bracket]] = {}
    for symbol, bracket in read_or_refuse(path, lambda: list(rows(path))):
        table = found.setdefault(venue_symbol(symbol), [])
        if bracket is not None:
            table.append(bracket)
    if not found:
        msg = f"{path}: holds no brackets"
        raise UnreadableData(msg)
    return {symbol: sorted(table, key=lambda b: b.floor) for symbol, table in found.items()}


def read_or_refuse(path: Path, read: Callable[[], T]) -> T:
    """Return what is read of a file; refuse, naming the forms that are known, what has none."""
    if not path.is_file():
        msg = f"no file {path}"
        raise UnreadableData(msg)
    try:
        return read()
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        msg = (
            f"{path}: cannot be read as brackets ({type(error).__name__}: {error}); known are the "
            "leverageBracket payload, OKX's position tiers, ccxt's unified tiers, and Parquet with "
            "one row a bracket"
        )
        raise UnreadableData(msg) from error


def json_of(path: Path) -> Any:  # noqa: ANN401 whatever the file holds
    """Return the JSON in a file, numbers exact, without the envelope freqtrade keeps tiers in."""
    content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    is_kept = isinstance(content, Mapping) and "updated" in content
    return content["data"] if is_kept and isinstance(content.get("data"), Mapping) else content


def venue_symbol(symbol: str) -> str:
    """Return Binance's symbol of a unified one (`BTC/USDT:USDT-250926`); others as they are."""
    match = UNIFIED.fullmatch(symbol)
    if match is None:
        return symbol
    parts = match.groupdict()
    is_inverse = parts["settle"] == parts["base"]
    ending = f"_{parts['expiry']}" if parts["expiry"] else "_PERP" if is_inverse else ""
    return f"{parts['base']}{parts['quote']}{ending}"


def _json(content: Any) -> Iterator[tuple[str, Bracket | None]]:  # noqa: ANN401 any JSON
    """Yield every row with its symbol; of a table without rows, its symbol alone."""
    if isinstance(content, Mapping) and "brackets" not in content:
        for symbol, rows in content.items():
            yield from ((symbol, _notional_bracket(row)) for row in rows)
            if not rows:
                yield symbol, None
        return
    for table in [content] if isinstance(content, Mapping) else content:
        symbol = name_of(table)
        factor = maybe_number_of(table.get("notionalCoef"))
        yield from ((symbol, _payload(row, factor)) for row in table["brackets"])
        if not table["brackets"]:
            yield symbol, None


def _notional_bracket(row: Mapping[str, Any]) -> Bracket:
    """Return a row of ccxt's tiers whose bounds are notionals."""
    if "maxSz" in (row.get("info") or {}):
        msg = "bounds are contracts (maxSz) of OKX, not notionals: --venue okx-multi"
        raise ValueError(msg)
    return unified_bracket(row)


def unified_bracket(row: Mapping[str, Any]) -> Bracket:
    """Return a row of ccxt's tiers; the venue's own amount is in its `info`.

    ccxt finds no floor under COIN-M's misspelt key: it is in `info` as well.
    """
    info = row.get("info") or {}
    floors = (row["minNotional"], *(info.get(key) for key in FLOORS))
    return Bracket(
        floor=number_of(next((value for value in floors if value is not None), None)),
        cap=maybe_number_of(row.get("maxNotional")),
        rate=number_of(row["maintenanceMarginRate"]),
        amount=maybe_number_of(info.get("cum")),
        leverage=maybe_number_of(row.get("maxLeverage")),
    )


def _payload(row: Mapping[str, Any], coefficient: Decimal | None) -> Bracket:
    """Return a row of the payload."""
    floors = (row.get(key) for key in FLOORS)
    caps = (row.get(key) for key in ("notionalCap", "qtyCap"))
    return Bracket(
        floor=number_of(next((value for value in floors if value is not None), None)),
        cap=maybe_number_of(next((value for value in caps if value is not None), None)),
        rate=number_of(row["maintMarginRatio"]),
        amount=maybe_number_of(row.get("cum")),
        leverage=maybe_number_of(row.get("initialLeverage")),
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
                floor=number_of(floor),
                cap=maybe_number_of(cap),
                rate=number_of(rate),
                amount=maybe_number_of(amount),
                leverage=maybe_number_of(leverage),
            ),
        )


def name_of(table: Mapping[str, Any]) -> str:
    """Return the symbol of a table of the payload."""
    name = table["symbol"] if "symbol" in table else table["pair"]
    if not isinstance(name, str) or not name.strip():
        msg = f"found {name!r}; the symbol of a contract is needed"
        raise ValueError(msg)
    return name


def number_of(value: object) -> Decimal:
    """Return a number as it is written; a float as its shortest digits."""
    if isinstance(value, bool) or value is None:
        msg = f"found {value!r}; a number is needed"
        raise ValueError(msg)
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite() or number < ZERO:
        msg = f"found {value!r}; a number that is not negative is needed"
        raise ValueError(msg)
    if number and abs(number.adjusted()) > _MAGNITUDE:
        msg = f"found {number!s:.60}; outside 1e-{_MAGNITUDE} to 1e{_MAGNITUDE}"
        raise ValueError(msg)
    with exact():
        return number.normalize()


def maybe_number_of(value: object) -> Decimal | None:
    """Return a number, or `None` where nothing is written."""
    return None if value in (None, "") else number_of(value)
