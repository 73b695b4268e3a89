"""The plain method: the excess of every unit from all of its numbers, with numpy alone.

It shares no code with the kernels of the book and is what their results are compared with.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Tables
from keelmark.engine.state import State
from keelmark.lab.bench.fleet import COIN, SETTLE, required
from keelmark.lab.bench.venue import QUANTUM

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which rows belong to which unit: (rows, owner) of the positions and of the balances."""

    positions: tuple[Int64s, Int64s]
    balances: tuple[Int64s, Int64s]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(rows.nbytes for rows in (*self.positions, *self.balances))


def layout(tables: Tables) -> Layout:
    """Return where everything is, so that a pass can read it column by column."""
    return Layout(_held(tables, "positions"), _held(tables, "balances"))


def _held(tables: Tables, what: str) -> tuple[Int64s, Int64s]:
    counts = tables.units[f"{what}_count"].astype(np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    return tables.units[f"{what}_start"][owner] + place, owner


def plain_excess(state: State, where: Layout) -> Floats:
    """Return the maintenance excess of every unit, valuation currency."""
    return plain_values(state.tables(), where)[0]


def plain_values(tables: Tables, where: Layout) -> tuple[Floats, Floats]:
    """Return the maintenance excess and the worth without haircuts of every unit."""
    count = len(tables.units)
    rows, owner = where.positions
    held = tables.positions[rows]
    terms = tables.instruments[held["instrument"]]
    value = held["lots"] * terms["value_scale"] * tables.prices[terms["mark_factor"]]
    need = required(np.abs(value) * QUANTUM) / QUANTUM
    profit = np.bincount(owner, value - held["cost"], count)
    needed = np.bincount(owner, need, count)
    rows, owner = where.balances
    money = tables.balances[rows]
    settle = money["asset"] == SETTLE
    cash = np.bincount(owner[settle], money["quanta"][settle], count)
    price = _price(tables, SETTLE)
    result: Floats = price * (_worth(tables, SETTLE, (cash + profit).astype(np.float64)) - needed)
    worth: Floats = price * (cash + profit).astype(np.float64)
    if len(tables.assets) > COIN:
        coins = np.bincount(owner[~settle], money["quanta"][~settle], count)
        result += _price(tables, COIN) * _worth(tables, COIN, coins.astype(np.float64))
        worth += _price(tables, COIN) * coins
    return result, worth


def _price(tables: Tables, asset: int) -> float:
    row = tables.assets[asset]
    price = tables.prices[row["price_factor"]] if row["price_factor"] >= 0 else 1.0
    return float(price * row["value_scale"])


def _worth(tables: Tables, asset: int, quanta: Floats) -> Floats:
    """Return what amounts of an asset count for: the lowest of its lines."""
    row = tables.assets[asset]
    lines = tables.segments[row["segment_start"] :][: row["segment_count"]]
    worth: Floats = np.min([quanta * line["slope"] + line["intercept"] for line in lines], axis=0)
    return worth
