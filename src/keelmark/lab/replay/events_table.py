"""`events.parquet`: everything that happened to a unit, one row an event, in order.

What must be exact is a whole number in a column that ends in `_lots`, `_quanta` or `_ticks`, or a
decimal in text in one that ends in `_exact`; beside each of them stands the same amount as a float
in natural units, for reading and plotting. Sums that must be exact are sums of the whole numbers: a
quantum is 1e-8 of every asset of the built-in scenario. What does not apply is null.

The unit "valuation" is the currency that equity and requirements are stated in.

| column | type | unit | meaning |
|---|---|---|---|
| `time` | datetime | UTC | when, to the millisecond |
| `kind` | text | | `warn`, `margin_call`, `liquidation_started`, `reduce`, `takeover`, |
| | | | `deleverage`, `disposal`, `deficit`, `surplus`, `conversion`, `seizure`, ... |
| `case` | int | | number of the liquidation; 0 belongs to none |
| `account`, `unit`, `unit_id` | text, text, int | | whom it happened to; in-house units by name |
| `counterparty`, `counterparty_unit_id` | text, int | | the other side, where there is one |
| `instrument`, `asset` | text | | of what; the asset of a fill is its settle asset |
| `size` | float | base units | signed change of the unit's position |
| `value` | float | `asset` | signed from the side of `unit`: positive for lots bought; of a |
| | | | transfer what was moved; of `liquidation_ended` the deficit |
| `price` | float | quote per base | of a transfer of positions value over size |
| `fee` | float | `asset` | charged to the unit |
| `equity` | float | valuation | of `liquidation_started`: after haircuts, at the decision |
| `maintenance` | float | valuation | its maintenance margin then |
| `excess` | float | valuation | equity less maintenance, never positive |
| `outcome` | text | | of `liquidation_ended`: `recovered`, `taken_over`, `deleveraged`, ... |
| `level` | int | | of `warn` and `margin_call`: the level reached, from 1 |
| `size_lots`, `value_quanta`, `price_ticks`, `fee_quanta` | int | by name | the same, exact |
| `equity_exact`, `maintenance_exact`, `excess_exact` | text | valuation | the same, exact |
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from keelmark.core.numbers import exact
from keelmark.lab.replay.names import Names
from keelmark.lab.replay.recorder import COLUMNS

Column = list[Any]


def events_table(rows: Sequence[tuple[Any, ...]], names: Names) -> pl.DataFrame:
    """Return the event rows of a recorder, decoded."""
    cells = {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
    assets = [_asset(names, i, a) for i, a in zip(cells["instrument"], cells["asset"], strict=True)]
    account = _memo(names.account)
    quanta = _memo(lambda asset: float(names.amount(asset, 1)))
    lot = _memo(lambda row: float(names.size(row, 1)))
    excess = [_excess(e, m) for e, m in zip(cells["equity"], cells["maintenance"], strict=True)]
    return pl.DataFrame(
        {
            "time": pl.Series(cells["time_ms"], dtype=pl.Int64),
            "kind": pl.Series(cells["kind"], dtype=pl.String),
            "case": pl.Series(cells["case"], dtype=pl.Int64),
            "account": _strings(account, cells["unit"]),
            "unit": _strings(_memo(names.unit), cells["unit"]),
            "unit_id": pl.Series(cells["unit"], dtype=pl.Int64),
            "counterparty": _strings(account, cells["counterparty"]),
            "counterparty_unit_id": pl.Series(cells["counterparty"], dtype=pl.Int64),
            "instrument": _strings(_memo(names.symbol), cells["instrument"]),
            "asset": _strings(_memo(names.asset), assets),
            "size": _scaled(cells["lots"], lot, cells["instrument"]),
            "value": _scaled(cells["value"], quanta, assets),
            "price": _prices(names, cells),
            "fee": _scaled(cells["fee"], quanta, assets),
            "equity": _floats(cells["equity"]),
            "maintenance": _floats(cells["maintenance"]),
            "excess": _floats(excess),
            "outcome": pl.Series(cells["outcome"], dtype=pl.String),
            "level": pl.Series(cells["level"], dtype=pl.Int64),
            "size_lots": pl.Series(cells["lots"], dtype=pl.Int64),
            "value_quanta": pl.Series(cells["value"], dtype=pl.Int64),
            "price_ticks": pl.Series(cells["ticks"], dtype=pl.Int64),
            "fee_quanta": pl.Series(cells["fee"], dtype=pl.Int64),
            "equity_exact": pl.Series(cells["equity"], dtype=pl.String),
            "maintenance_exact": pl.Series(cells["maintenance"], dtype=pl.String),
            "excess_exact": pl.Series(excess, dtype=pl.String),
        },
    ).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))


def _asset(names: Names, instrument: int | None, asset: int | None) -> int | None:
    return names.state.settle_of(instrument) if asset is None and instrument is not None else asset


def _excess(equity: str | None, maintenance: str | None) -> str | None:
    """Return equity less maintenance margin, exact."""
    if equity is None or maintenance is None:
        return None
    with exact():
        return f"{Decimal(equity) - Decimal(maintenance):f}"


def _floats(values: Column) -> pl.Series:
    """Return decimals in text as floats."""
    cells = [None if value is None else float(value) for value in values]
    return pl.Series(cells, dtype=pl.Float64)


def _prices(names: Names, cells: dict[str, Column]) -> pl.Series:
    """Return at what price lots changed hands: the fill of an order, else value over size."""
    tick = _memo(lambda row: float(names.price(row, 1)))
    columns = (cells[name] for name in ("instrument", "lots", "value", "ticks"))
    prices = []
    for row, lots, value, ticks in zip(*columns, strict=True):
        average = None if ticks or not lots else names.average_price(row, lots, value)
        at = float(average) if average is not None else None
        prices.append(ticks * tick(row) if ticks else at)
    return pl.Series(prices, dtype=pl.Float64)


def _memo(of: Callable[[int], Any]) -> Callable[[int], Any]:
    """Return a function that remembers its answers."""
    known: dict[int, Any] = {}

    def answer(key: int) -> Any:  # noqa: ANN401 whatever `of` returns
        if key not in known:
            known[key] = of(key)
        return known[key]

    return answer


def _strings(of: Callable[[int], str], keys: Column) -> pl.Series:
    return pl.Series([None if key is None else of(key) for key in keys], dtype=pl.String)


def _scaled(values: Column, unit: Callable[[int], float], keys: Column) -> pl.Series:
    """Return whole numbers as floats in natural units."""
    pairs = zip(values, keys, strict=True)
    cells = [None if v is None or k is None else v * unit(k) for v, k in pairs]
    return pl.Series(cells, dtype=pl.Float64)
