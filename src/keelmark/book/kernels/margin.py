"""Maintenance excess of one unit, and of every unit, in float64: what screens and searches call.

A row of a position has the signed coefficient `q`: its value is `q * x`, where `x` is the price for
linear contracts and one over the price for inverse ones, and its notional is `|q| * x`. Every
formula is piecewise linear in `x`. The excess comes with a bound of its own error: a unit is
cleared only by `excess > error`, which no NaN passes, and `core.margin` decides about the rest.

Definition: `core.margin.maintenance_excess`.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import inlined, njit
from keelmark.core.codes import RuleKind

Rows = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]
Record = Any  # one row of a table: a pointer inside kernels, `np.void` outside

SIZED = int(RuleKind.SIZED)
SCALED = int(RuleKind.SCALED)
TIERED = int(RuleKind.TIERED)
CORE_ONLY = int(RuleKind.CORE_ONLY)

BALANCE_BASE = 1
"""`ASSET.spare` of an asset whose haircut applies to the balance alone; profit counts in full."""

RELATIVE_ERROR = 1e-11
"""Error of a sum, as a fraction of the sum of its absolute terms: a hundred thousand roundings."""


STRETCH = 4096
"""Units a thread takes at a time."""


class Tables(NamedTuple):
    """The columns that margin reads; record types in `book.records`."""

    units: Rows
    positions: Rows
    balances: Rows
    instruments: Rows
    tiers: Rows
    assets: Rows
    segments: Rows
    prices: Floats  # one row a factor; the last one is seconds since interest was posted


@inlined
def coefficient(terms: Record, lots: int) -> float:
    """Return `q`: the value of `lots` is `q * x`."""
    scale = terms["value_scale"]
    return float(-lots * scale if terms["inverse"] else lots * scale)


@inlined
def abscissa(terms: Record, price: float) -> float:
    """Return `x`: the price, or one over the price."""
    return 1.0 / price if terms["inverse"] else price


@inlined
def counted(profit: float, weight: float) -> float:
    """Return what an unrealised profit counts for: losses in full. The weight lies in [0, 1].

    Written without a branch: profits and losses alternate at random, and a wrong guess of the
    processor costs as much as the rest of a position.
    """
    return min(profit, profit * weight)


@inlined
def constant_rate(terms: Record, size: float, tiers: Rows) -> float:
    """Return the rate of a rule that is keyed on size, `SIZED` or `SCALED`."""
    row = terms["tier_start"]
    if terms["rule_kind"] == SCALED:
        return float(tiers[row]["rate"] + terms["size_slope"] * size)
    last = row + terms["tier_count"] - 1
    while row < last and (
        size > tiers[row + 1]["floor"] or (terms["edge_upper"] and size == tiers[row + 1]["floor"])
    ):
        row += 1
    return float(tiers[row]["rate"])


@inlined
def tier_amount(tiers: Rows, row: int, notional: float, kind: int) -> float:
    """Return the requirement of one row."""
    amount = notional * tiers[row]["rate"]
    return float(amount - tiers[row]["deduction"] if kind == TIERED else amount)


@inlined
def keyed_on_notional(
    kind: int,
    tiers: Rows,
    start: int,
    count: int,
    notional: float,
) -> float:
    """Return the requirement of `TIERED` and `WHOLE`; on a floor the dearer of its two rows.

    A floor counts as met within the error of the notional: one quantum and 1e-11 of it.
    """
    error = 1.0 + RELATIVE_ERROR * notional
    row = start
    last = start + count - 1
    while row < last and tiers[row + 1]["floor"] <= notional + error:
        row += 1
    amount = tier_amount(tiers, row, notional, kind)
    while row > start and tiers[row]["floor"] >= notional - error:
        row -= 1
        amount = max(amount, tier_amount(tiers, row, notional, kind))
    return amount


@inlined
def requirement(terms: Record, lots: int, notional: float, tiers: Rows) -> float:
    """Return the maintenance requirement of a position, settle quanta; NaN if `core` alone can."""
    kind = terms["rule_kind"]
    if kind == CORE_ONLY:
        return np.nan
    if kind in (SIZED, SCALED):
        return notional * constant_rate(terms, abs(float(lots)), tiers)
    return keyed_on_notional(kind, tiers, terms["tier_start"], terms["tier_count"], notional)


@inlined
def at_level(slope: float, level: float) -> float:
    """Return the slope of a collateral line at a level: what exceeds one is a loan's margin."""
    return slope + (level - 1.0) * (slope - 1.0) if slope > 1.0 else slope


@inlined
def collateral_value(
    terms: Record,
    segments: Rows,
    amount: float,
    level: float,
) -> tuple[float, float, float]:
    """Return what an amount counts for, the largest slope, and the intercept used."""
    value = np.inf
    steepest = 1.0
    used = 0.0
    start = terms["segment_start"]
    for row in range(start, start + terms["segment_count"]):
        slope = at_level(segments[row]["slope"], level)
        intercept = segments[row]["intercept"]
        steepest = max(steepest, slope)
        line = slope * amount + intercept
        if not line >= value:  # a NaN is taken over
            value = line
            used = intercept
    return value, steepest, used


@njit
def excess(unit: int, level: float, tables: Tables) -> tuple[float, float]:
    """Return the maintenance excess of a unit and the bound of its error.

    In the valuation currency; for a unit with one balance row in its settle asset, whose price
    cannot change the sign and is not read.

    Args:
        unit: Row of the unit.
        level: Multiple of maintenance, 1 for liquidation.
        tables: The book.
    """
    row = tables.units[unit]
    first = row["positions_start"]
    end = first + row["positions_count"]
    several = row["balances_count"] > 1
    unmatched = row["positions_count"]
    clock = tables.prices[tables.prices.shape[0] - 1]
    total = 0.0
    error = 0.0
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        asset = tables.balances[at]["asset"]
        terms = tables.assets[asset]
        amount = float(tables.balances[at]["quanta"])
        quanta = 1 if terms["borrow_rate"] > 0.0 and amount < 0.0 else 0
        amount += terms["borrow_rate"] * clock * min(amount, 0.0)
        size = abs(amount)
        required = 0.0
        profits = 0.0
        if unmatched > 0:
            for i in range(first, end):
                position = tables.positions[i]
                contract = tables.instruments[position["instrument"]]
                if contract["settle"] != asset:
                    continue
                lots = position["lots"]
                cost = float(position["cost"])
                q = coefficient(contract, lots)
                x = abscissa(contract, tables.prices[contract["mark_factor"]])
                value = q * x
                notional = abs(value)
                if contract["margin_factor"] != contract["mark_factor"]:
                    notional = abs(q) * abscissa(contract, tables.prices[contract["margin_factor"]])
                required += requirement(contract, lots, notional, tables.tiers)
                profits += counted(value - cost, contract["pnl_weight"])
                size += abs(value) + abs(cost)
                quanta += 2
                unmatched -= 1
        apart = terms["spare"] == BALANCE_BASE
        weighed = amount if apart else amount + profits
        worth, steepest, intercept = collateral_value(terms, tables.segments, weighed, level)
        worth += profits if apart else 0.0
        price = terms["value_scale"]
        if several and terms["price_factor"] >= 0:
            price *= tables.prices[terms["price_factor"]]
        total += price * (worth - level * required)
        size = steepest * size + level * required + abs(intercept)
        error += price * (quanta + RELATIVE_ERROR * size)
    return total, error


@inlined
def single_asset_price(unit: int, tables: Tables) -> float:
    """Return the price that `excess` leaves out for a unit with one balance row, else one."""
    row = tables.units[unit]
    if row["balances_count"] != 1:
        return 1.0
    factor = tables.assets[tables.balances[row["balances_start"]]["asset"]]["price_factor"]
    return float(tables.prices[factor]) if factor >= 0 else 1.0


@njit
def excess_pass(
    tables: Tables,
    level: float,
    result: Floats,  # (n_units,) valuation currency, written
    error: Floats,  # (n_units,) valuation currency, written
    first: int,
    end: int,
) -> None:
    """Write the excess of the units from `first` to `end`, and the bound of its error."""
    for unit in range(first, end):
        price = single_asset_price(unit, tables)
        total, bound = excess(unit, level, tables)
        result[unit] = price * total
        error[unit] = price * bound


def _excess_pass_parallel(tables: Tables, level: float, result: Floats, error: Floats) -> None:
    """Write what `excess_pass` writes for all units, on every thread, a stretch at a time."""
    count = result.shape[0]
    for stretch in numba.prange((count + STRETCH - 1) // STRETCH):
        first = stretch * STRETCH
        excess_pass(tables, level, result, error, first, min(first + STRETCH, count))


excess_pass_parallel = numba.njit(cache=True, error_model="numpy", fastmath=False, parallel=True)(
    _excess_pass_parallel,
)
"""Each unit has its own slot, so the result is that of one thread."""
