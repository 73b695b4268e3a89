"""Who holds one side of an instrument, with what auto-deleveraging asks about them.

Definition: `core.margin.margin_report` of each holder; the lots that may be closed are the most
after which the holder is still not below maintenance (INV-08).
"""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import (
    Record,
    Tables,
    abscissa,
    coefficient,
    excess,
    requirement,
    single_asset_price,
)
from keelmark.core.codes import UnitKind, UnitStatus

Rows = npt.NDArray[np.void]

IN_HOUSE = int(UnitKind.IN_HOUSE)
CLOSED = int(UnitStatus.CLOSED)
IN_LIQUIDATION = int(UnitStatus.IN_LIQUIDATION)

HOLDER = np.dtype(
    [
        ("unit", "i8"),
        ("lots", "i8"),  # signed
        ("cost", "i8"),  # settle quanta
        ("closable", "i8"),  # unsigned
        ("leg", "i8"),
        ("equity", "f8"),  # valuation currency
        ("maintenance", "f8"),
        ("notional", "f8"),  # of all positions
        ("price", "f8"),  # valuation currency per settle quantum
    ],
)


@njit
def gross_notional(unit: int, tables: Tables) -> float:
    """Return the sum of a unit's notionals at the mark, valuation currency."""
    row = tables.units[unit]
    total = 0.0
    for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
        contract = tables.instruments[tables.positions[at]["instrument"]]
        q = coefficient(contract, tables.positions[at]["lots"])
        x = abscissa(contract, tables.prices[contract["mark_factor"]])
        total += abs(q) * x * quantum_price(contract, tables)
    return total


@njit
def quantum_price(contract: Record, tables: Tables) -> float:
    """Return the value of one settle quantum of a contract, valuation currency."""
    asset = tables.assets[contract["settle"]]
    price = asset["value_scale"]
    if asset["price_factor"] >= 0:
        price *= tables.prices[asset["price_factor"]]
    return float(price)


@njit
def released(contract: Record, lots: int, closed: int, tables: Tables) -> float:
    """Return the maintenance that closing `closed` of `lots` (both unsigned) frees, quanta."""
    x = abscissa(contract, tables.prices[contract["margin_factor"]])
    before = requirement(contract, lots, abs(coefficient(contract, lots)) * x, tables.tiers)
    left = lots - closed
    if left == 0:
        return before
    after = requirement(contract, left, abs(coefficient(contract, left)) * x, tables.tiers)
    return before - after


@njit
def closable_lots(
    contract: Record,
    lots: int,
    spare: float,
    loss_per_lot: float,
    tables: Tables,
) -> int:
    """Return the most of `lots` (unsigned) that can be closed without using up `spare`.

    The excess after closing is concave in the lots for continuous tiers, so what is feasible is
    an interval that begins at zero; its end is found by bisection.

    Args:
        spare: Excess of the holder less its error, settle quanta.
        loss_per_lot: What the holder loses against the mark on each lot, settle quanta.
    """
    if not spare > 0.0:
        return 0
    if spare - lots * loss_per_lot + released(contract, lots, lots, tables) >= 0.0:
        return lots
    low, high = 0, lots
    while high - low > 1:
        middle = low + (high - low) // 2
        if spare - middle * loss_per_lot + released(contract, lots, middle, tables) >= 0.0:
            low = middle
        else:
            high = middle
    return low


@njit
def may_be_closed_against(unit: int, tables: Tables) -> bool:
    """Whether a unit can be a candidate at all: a client, open, and not in liquidation."""
    row = tables.units[unit]
    return bool(
        row["kind"] != IN_HOUSE and row["status"] != CLOSED and row["status"] != IN_LIQUIDATION,
    )


@njit
def holders_kernel(
    instrument: int,
    side: int,  # +1 longs, -1 shorts
    loss_per_lot: float,  # settle quanta a holder loses against the mark on each lot closed
    steepest: float,  # largest collateral slope of the settle asset
    tables: Tables,
    found: Rows,  # (capacity,) HOLDER, written
) -> int:
    """Write every candidate on one side; return how many there are, which may exceed capacity."""
    contract = tables.instruments[instrument]
    count = 0
    for unit in range(tables.units.shape[0]):
        row = tables.units[unit]
        first = row["positions_start"]
        for at in range(first, first + row["positions_count"]):
            position = tables.positions[at]
            if position["instrument"] != instrument or position["lots"] * side <= 0:
                continue
            if not may_be_closed_against(unit, tables):
                continue
            price = single_asset_price(unit, tables)
            spare, error = excess(unit, 1.0, tables)
            if not spare > error:
                continue
            if count < found.shape[0]:
                equity, _ = excess(unit, 0.0, tables)
                quantum = quantum_price(contract, tables)
                lots = abs(position["lots"])
                room = (spare - error) * price / quantum
                found[count]["unit"] = unit
                found[count]["lots"] = position["lots"]
                found[count]["cost"] = position["cost"]
                found[count]["leg"] = position["leg"]
                found[count]["equity"] = equity * price
                found[count]["maintenance"] = (equity - spare) * price
                found[count]["notional"] = gross_notional(unit, tables)
                found[count]["price"] = quantum
                found[count]["closable"] = closable_lots(
                    contract, lots, room, steepest * max(0.0, loss_per_lot), tables
                )
            count += 1
    return count
