"""The excess over initial margin of one unit in float64, and what of it is profit: a screen.

Who is proved to have it need not be asked in `core`; everybody else is. Open orders are not read:
a unit with some must not be asked here.

Definition: `core.margin.MarginReport.excess` and `excess_to_leave`, purpose initial.
"""

from typing import NamedTuple

import numpy as np

from keelmark.book.kernels.jit import inlined, njit
from keelmark.book.kernels.margin import (
    BALANCE_BASE,
    CORE_ONLY,
    RELATIVE_ERROR,
    SCALED,
    SIZED,
    Floats,
    Record,
    Rows,
    Tables,
    abscissa,
    coefficient,
    collateral_value,
    counted,
    excess,
    requirement,
)

BY_LEVERAGE = 1
"""`INSTRUMENT.spare` of a contract whose initial margin goes by the leverage that was set."""


class InitialTables(NamedTuple):
    """Initial terms in the layout of the maintenance terms, row by row of the same contracts.

    By leverage, a tier's `rate` is what a position without a leverage of its own keeps, and its
    `deduction` the least that one with a leverage does.
    """

    instruments: Rows
    fees: Floats  # fee to close within initial margin, fraction of notional
    tiers: Rows
    assets: Rows
    segments: Rows


@inlined
def leveraged_rate(rate: float, least: float, leverage: int) -> float:
    """Return the fraction of notional by a row; the leverage is in hundredths, 0 for none."""
    return max(100.0 / leverage, least) if leverage > 0 else rate


@inlined
def rate_by_leverage(
    terms: Record, lots: int, notional: float, leverage: int, tiers: Rows
) -> float:
    """Return the fraction of notional of a position; on a floor the larger of its two rows."""
    row = terms["tier_start"]
    last = row + terms["tier_count"] - 1
    if terms["rule_kind"] == SCALED:
        scaled = tiers[row]["rate"] + terms["size_slope"] * abs(float(lots))
        return leveraged_rate(scaled, tiers[row]["deduction"], leverage)
    key = abs(float(lots)) if terms["rule_kind"] == SIZED else notional
    error = 0.0 if terms["rule_kind"] == SIZED else 1.0 + RELATIVE_ERROR * notional
    while row < last and tiers[row + 1]["floor"] <= key + error:
        row += 1
    rate = leveraged_rate(tiers[row]["rate"], tiers[row]["deduction"], leverage)
    while row > terms["tier_start"] and tiers[row]["floor"] >= key - error:
        row -= 1
        rate = max(rate, leveraged_rate(tiers[row]["rate"], tiers[row]["deduction"], leverage))
    return rate


@inlined
def initial_requirement(
    terms: Record, lots: int, notional: float, leverage: int, tiers: Rows
) -> float:
    """Return the initial margin of a position, settle quanta; NaN if `core` alone can."""
    if terms["rule_kind"] == CORE_ONLY:
        return np.nan
    if terms["spare"] == BY_LEVERAGE:
        return notional * rate_by_leverage(terms, lots, notional, leverage, tiers)
    return requirement(terms, lots, notional, tiers)


@njit
def initial_excess(unit: int, tables: Tables, initial: InitialTables) -> tuple[float, float, float]:
    """Return equity less initial margin, the bound of its error, and the profit within it.

    In the units of `kernels.margin.excess`. The bound is of the excess and of the profit each.

    Args:
        unit: Row of the unit.
        tables: The book.
        initial: The initial terms.
    """
    row = tables.units[unit]
    first = row["positions_start"]
    end = first + row["positions_count"]
    several = row["balances_count"] > 1
    unmatched = row["positions_count"]
    clock = tables.prices[tables.prices.shape[0] - 1]
    total = 0.0
    error = 0.0
    gained = 0.0
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        asset = tables.balances[at]["asset"]
        terms = initial.assets[asset]
        amount = float(tables.balances[at]["quanta"])
        quanta = 1 if terms["borrow_rate"] > 0.0 and amount < 0.0 else 0
        amount += terms["borrow_rate"] * clock * min(amount, 0.0)
        size = abs(amount)
        required = 0.0
        profits = 0.0
        if unmatched > 0:
            for i in range(first, end):
                position = tables.positions[i]
                contract = initial.instruments[position["instrument"]]
                if contract["settle"] != asset:
                    continue
                lots = position["lots"]
                cost = float(position["cost"])
                q = coefficient(contract, lots)
                value = q * abscissa(contract, tables.prices[contract["mark_factor"]])
                notional = abs(value)
                if contract["margin_factor"] != contract["mark_factor"]:
                    notional = abs(q) * abscissa(contract, tables.prices[contract["margin_factor"]])
                leverage = int(position["leverage"])
                required += initial_requirement(contract, lots, notional, leverage, initial.tiers)
                required += notional * initial.fees[position["instrument"]]
                profits += counted(value - cost, contract["pnl_weight"])
                size += abs(value) + abs(cost)
                quanta += 2
                unmatched -= 1
        apart = terms["spare"] == BALANCE_BASE
        loss = min(profits, 0.0)
        worth, steepest, intercept = collateral_value(
            terms, initial.segments, amount if apart else amount + profits, 1.0
        )
        without, _, other = collateral_value(
            terms, initial.segments, amount if apart else amount + loss, 1.0
        )
        worth += profits if apart else 0.0
        without += loss if apart else 0.0
        price = terms["value_scale"]
        if several and terms["price_factor"] >= 0:
            price *= tables.prices[terms["price_factor"]]
        total += price * (worth - required)
        gained += price * (worth - without)
        size = 2.0 * steepest * size + required + abs(intercept) + abs(other)
        error += price * (2.0 * quanta + RELATIVE_ERROR * size)
    return total, error, gained


@njit
def may_open(unit: int, level: float, tables: Tables, initial: InitialTables) -> bool:
    """Whether a unit surely keeps its initial margin, and maintenance times a level.

    Args:
        unit: Row of the unit; it has no orders.
        level: At least the level at which a liquidation of it would end.
        tables: The book.
        initial: The initial terms.
    """
    total, error, _ = initial_excess(unit, tables, initial)
    if not total > error:
        return False
    spare, bound = excess(unit, level, tables)
    return bool(spare > bound)


@njit
def may_leave(unit: int, level: float, tables: Tables, initial: InitialTables) -> bool:
    """Whether a unit surely keeps both without its unrealised profit; as `may_open`."""
    total, error, gained = initial_excess(unit, tables, initial)
    if not total - gained > 2.0 * error:
        return False
    spare, bound = excess(unit, level, tables)
    return bool(spare - gained > bound + error)
