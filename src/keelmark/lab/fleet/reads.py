"""Which units read which prices, over the whole fleet: what is not believed is told by these.

The definition, unit by unit, is `State.depends_on_untrusted`.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import Rows
from keelmark.lab.fleet.glimpse import Glimpse

Bools = npt.NDArray[np.bool_]


def readers_of(glimpse: Glimpse, rows: Iterable[int]) -> Bools:
    """Return for each unit whether it holds what is valued or margined on one of some prices."""
    chosen = list(rows)
    if not chosen:
        return np.zeros(glimpse.units, np.bool_)
    bad = np.zeros(len(glimpse.universe.factors) + 1, np.bool_)  # -1, nothing to read, is the last
    bad[chosen] = True
    tables = glimpse.tables
    contracts = np.logical_or.reduce([bad[column] for column in _read_by_contracts(glimpse)])
    assets = bad[tables.assets["price_factor"]]
    # rows of no block hold anything at all
    held = contracts.take(tables.positions["instrument"], mode="clip")
    owned = assets.take(tables.balances["asset"], mode="clip")
    return _owners(glimpse, "positions", held) | _owners(glimpse, "balances", owned)


def prices_read(glimpse: Glimpse, units: Bools) -> Bools:
    """Return for each price whether a position or a balance of some units is read by it.

    A balance of nothing counts beside positions, as it does for the engine.
    """
    tables = glimpse.tables
    rows = tables.units[: glimpse.units]
    is_held = _covered(rows[units], "positions", len(tables.positions))
    is_owned = _covered(rows[units], "balances", len(tables.balances))
    beside = _covered(rows[units & (rows["positions_count"] > 0)], "balances", len(is_owned))
    is_owned &= beside | (tables.balances["quanta"] != 0)
    found = np.zeros(len(glimpse.universe.factors) + 1, np.bool_)
    contracts = _present(tables.positions["instrument"][is_held])
    for column in _read_by_contracts(glimpse):
        found[column[contracts]] = True
    found[tables.assets["price_factor"][_present(tables.balances["asset"][is_owned])]] = True
    return found[:-1]


def _read_by_contracts(glimpse: Glimpse) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the prices that each instrument is valued, margined and settled on; -1 for none."""
    contracts, assets = glimpse.tables.instruments, glimpse.tables.assets
    settles = assets["price_factor"][contracts["settle"]]
    return contracts["mark_factor"], contracts["margin_factor"], settles


def _present(rows: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return which rows there are, rising."""
    return np.flatnonzero(np.bincount(rows))


def _owners(glimpse: Glimpse, table: str, chosen: Bools) -> Bools:
    """Return which units have a chosen row in their block of a table."""
    units = glimpse.tables.units[: glimpse.units]
    ahead = np.concatenate(([0], np.cumsum(chosen)))
    starts = units[f"{table}_start"]
    return np.asarray(ahead[starts + units[f"{table}_count"]] > ahead[starts])


def _covered(units: Rows, table: str, length: int) -> Bools:
    """Return which rows of a table lie in a block of some units."""
    starts, counts = units[f"{table}_start"], units[f"{table}_count"]
    begun = np.bincount(starts[counts > 0], minlength=length + 1)
    ended = np.bincount((starts + counts)[counts > 0], minlength=length + 1)
    return np.asarray(np.cumsum(begun - ended)[:length] > 0)


__all__ = ["prices_read", "readers_of"]
