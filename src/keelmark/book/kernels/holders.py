"""Who holds one side of an instrument, with what auto-deleveraging asks about them.

Definition: `core.margin.margin_report` of each holder; the lots that may be closed are the most
after which the holder is still not below maintenance (INV-08).
"""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit, njit_unlocked
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
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

IN_HOUSE = int(UnitKind.IN_HOUSE)
CLOSED = int(UnitStatus.CLOSED)
IN_LIQUIDATION = int(UnitStatus.IN_LIQUIDATION)

HOLDER = np.dtype(
    [
        ("unit", "i8"),
        ("lots", "i8"),  # signed
        ("cost", "i8"),  # settle quanta
        ("leg", "i8"),
        ("equity", "f8"),  # of the unit, settle quanta, as the next three
        ("maintenance", "f8"),
        ("notional", "f8"),  # of all its positions
        ("room", "f8"),  # excess less the bound of its error; NaN where `core` alone can tell
        ("core", "i8"),  # 1 where `core` alone can tell, also how much may be closed
    ],
)
"""A candidate of auto-deleveraging."""

CLAIM = np.dtype(
    [
        ("lots", "i8"),  # signed, in the instrument of the loss
        ("cash", "i8"),  # credit balance, quanta
        ("profit", "f8"),  # unrealised, quanta, signed
        ("free", "f8"),  # excess less its error, quanta, not negative; NaN if `core` alone can tell
    ],
)
"""What a unit holds that a loss may be charged to."""


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
        contract: Terms of the instrument.
        lots: Size of the position, unsigned.
        spare: Excess of the holder less its error, settle quanta.
        loss_per_lot: What the holder loses against the mark on each lot, settle quanta.
        tables: The book.
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
def write_holder(unit: int, at: int, contract: Record, tables: Tables, row: Record) -> bool:
    """Write one candidate; return whether the unit has anything to spare, or may have."""
    price = single_asset_price(unit, tables)
    spare, error = excess(unit, 1.0, tables)
    if spare <= error:
        return False
    equity, _ = excess(unit, 0.0, tables)
    if equity <= 0.0:
        return False
    quantum = quantum_price(contract, tables)
    row["unit"] = unit
    row["lots"] = tables.positions[at]["lots"]
    row["cost"] = tables.positions[at]["cost"]
    row["leg"] = tables.positions[at]["leg"]
    row["core"] = np.isnan(spare)
    row["equity"] = equity * price / quantum
    row["maintenance"] = (equity - spare) * price / quantum
    row["notional"] = gross_notional(unit, tables) / quantum
    row["room"] = (spare - error) * price / quantum
    return True


@njit_unlocked
def members_kernel(
    instrument: int,
    side: int,  # +1 longs, -1 shorts
    units: Int32s,  # (n,) units to look at
    tables: Tables,
    members: Int32s,  # (n,) written: client units that hold the side, in the order of `units`
) -> int:
    """Write which units hold a side, candidates or not; return how many there are."""
    count = 0
    for index in range(units.shape[0]):
        row = tables.units[units[index]]
        if row["kind"] == IN_HOUSE:
            continue
        first = row["positions_start"]
        for at in range(first, first + row["positions_count"]):
            position = tables.positions[at]
            if position["instrument"] == instrument and position["lots"] * side > 0:
                members[count] = units[index]
                count += 1
                break
    return count


@njit_unlocked
def holders_kernel(
    instrument: int,
    side: int,  # +1 longs, -1 shorts
    units: Int32s,  # (n,) units to look at, each at most once
    tables: Tables,
    found: Rows,  # (n,) HOLDER, written
) -> int:
    """Write the candidates on one side among `units`; return how many there are."""
    contract = tables.instruments[instrument]
    count = 0
    for index in range(units.shape[0]):
        unit = units[index]
        if not may_be_closed_against(unit, tables):
            continue
        row = tables.units[unit]
        first = row["positions_start"]
        for at in range(first, first + row["positions_count"]):
            position = tables.positions[at]
            if position["instrument"] == instrument and position["lots"] * side > 0:
                if write_holder(unit, at, contract, tables, found[count]):
                    count += 1
                break
    return count


@njit_unlocked
def closable_kernel(
    instrument: int,
    loss_per_lot: float,  # settle quanta a holder loses against the mark on each lot closed
    steepest: float,  # largest collateral slope of the settle asset
    tables: Tables,
    found: Rows,  # (n,) HOLDER
    closable: Int64s,  # (n,) lots, written
) -> None:
    """Write the most lots of each candidate that leave it at or above maintenance."""
    contract = tables.instruments[instrument]
    loss = steepest * max(0.0, loss_per_lot)
    for index in range(found.shape[0]):
        lots = abs(found[index]["lots"])
        closable[index] = closable_lots(contract, lots, found[index]["room"], loss, tables)


@njit
def claims_kernel(
    asset: int,
    instrument: int,
    tables: Tables,
    claims: Rows,  # (n_units,) CLAIM, written
) -> None:
    """Write what every client unit holds that a loss in `asset` may be charged to."""
    for unit in range(tables.units.shape[0]):
        row = tables.units[unit]
        profit = 0.0
        lots = 0
        for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
            position = tables.positions[at]
            contract = tables.instruments[position["instrument"]]
            if contract["settle"] == asset:
                x = abscissa(contract, tables.prices[contract["mark_factor"]])
                profit += coefficient(contract, position["lots"]) * x - float(position["cost"])
            if position["instrument"] == instrument:
                lots += position["lots"]
        cash = 0
        for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
            if tables.balances[at]["asset"] == asset:
                cash = tables.balances[at]["quanta"]
        spare, error = excess(unit, 1.0, tables)
        terms = tables.assets[asset]
        quantum = terms["value_scale"]
        if terms["price_factor"] >= 0:
            quantum *= tables.prices[terms["price_factor"]]
        free = (spare - error) * single_asset_price(unit, tables) / quantum
        if free <= 0.0 or not may_be_closed_against(unit, tables):
            free = 0.0
        claims[unit]["profit"] = profit
        claims[unit]["lots"] = lots
        claims[unit]["cash"] = max(0, cash)
        claims[unit]["free"] = free
