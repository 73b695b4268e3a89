"""`events.parquet`: everything that happened to a unit, one row an event, in order.

Exact whole numbers end in `_lots`, `_quanta` or `_ticks` (int64); beside each of them stands the
same amount as a float in natural units, for reading and plotting. Sums that must be exact are sums
of the whole numbers: a quantum is 1e-8 of every asset of the built-in scenario.

| column | meaning |
|---|---|
| `time` | UTC |
| `kind` | `warn`, `margin_call`, `liquidation_started`, `reduce`, `takeover`, `deleverage`, |
| | `disposal`, `deficit`, `surplus`, `conversion`, `seizure`, `clearance_fee`, `socialised`, ... |
| `case` | number of the liquidation; 0 belongs to none |
| `account`, `unit`, `unit_id` | whom it happened to; in-house units by their own names |
| `counterparty`, `counterparty_unit_id` | the other side, where there is one |
| `instrument`, `asset` | of what; the asset of a fill is its settle asset |
| `size` | signed change of the unit's position |
| `value` | signed from the side of `unit`: positive for lots bought; of a transfer what was moved |
| `price` | of an order; empty for a transfer value |
| `fee` | charged to the unit |
| `text` | equity at the decision, the outcome at the end, the level of a warning |
"""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

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
    tick = _memo(lambda row: float(names.price(row, 1)))
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
            "price": _scaled(cells["ticks"], tick, cells["instrument"]),
            "fee": _scaled(cells["fee"], quanta, assets),
            "size_lots": pl.Series(cells["lots"], dtype=pl.Int64),
            "value_quanta": pl.Series(cells["value"], dtype=pl.Int64),
            "price_ticks": pl.Series(cells["ticks"], dtype=pl.Int64),
            "fee_quanta": pl.Series(cells["fee"], dtype=pl.Int64),
            "text": pl.Series(cells["text"], dtype=pl.String),
        },
    ).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))


def _asset(names: Names, instrument: int | None, asset: int | None) -> int | None:
    return names.state.settle_of(instrument) if asset is None and instrument is not None else asset


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
