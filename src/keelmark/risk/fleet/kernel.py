"""Every unit of a book under one scenario: excess, worth, notional, and what closing it costs."""

import numba
import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import inlined, njit
from keelmark.book.kernels.margin import (
    STRETCH,
    Floats,
    Rows,
    Tables,
    abscissa,
    coefficient,
    excess,
    single_asset_price,
)
from keelmark.book.kernels.subset import has_jumps

Bools = npt.NDArray[np.bool_]
Int32s = npt.NDArray[np.int32]

EXCESS, ERROR, WORTH, NOTIONAL, COST = range(5)
"""Columns of what is written, valuation currency."""

CLEARED, FALLEN, UNDECIDED = 0, 1, 2


@inlined
def asset_price(asset: int, tables: Tables) -> float:
    """Return the price of a quantum of an asset."""
    terms = tables.assets[asset]
    price = float(terms["value_scale"])
    if terms["price_factor"] >= 0:
        price *= tables.prices[terms["price_factor"]]
    return price


@njit
def book_pass(
    tables: Tables,
    costs: Floats,  # (n_instruments,) fraction of the notional
    slack: float,  # quanta a balance may be off, for funding that was rounded
    values: Floats,  # (n_units, 5) valuation currency, written
    first: int,
    end: int,
) -> None:
    """Write the units from `first` to `end`. Definition: `core.excess.worth`, and the excess's."""
    for unit in range(first, end):
        row = tables.units[unit]
        price = single_asset_price(unit, tables)
        total, bound = excess(unit, 1.0, tables)
        worth = 0.0
        clock = tables.prices[tables.prices.shape[0] - 1]
        error = price * bound
        for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
            asset = tables.balances[at]["asset"]
            amount = float(tables.balances[at]["quanta"])
            amount += tables.assets[asset]["borrow_rate"] * clock * min(amount, 0.0)
            worth += asset_price(asset, tables) * amount
            error += slack * asset_price(asset, tables)
        notional = 0.0
        cost = 0.0
        for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
            position = tables.positions[at]
            terms = tables.instruments[position["instrument"]]
            value = coefficient(terms, position["lots"])
            value *= abscissa(terms, tables.prices[terms["mark_factor"]])
            settle = asset_price(terms["settle"], tables)
            worth += settle * (value - float(position["cost"]))
            notional += settle * abs(value)
            cost += settle * abs(value) * costs[position["instrument"]]
        values[unit, EXCESS] = price * total
        values[unit, ERROR] = error
        values[unit, WORTH] = worth
        values[unit, NOTIONAL] = notional
        values[unit, COST] = cost


def _book_parallel(tables: Tables, costs: Floats, slack: float, values: Floats) -> None:
    """Write what `book_pass` writes for all units, on every thread, a stretch at a time."""
    count = values.shape[0]
    for stretch in numba.prange((count + STRETCH - 1) // STRETCH):
        first = stretch * STRETCH
        book_pass(tables, costs, slack, values, first, min(first + STRETCH, count))


book_parallel = numba.njit(cache=True, error_model="numpy", fastmath=False, parallel=True)(
    _book_parallel,
)
"""Each unit has its own slots, so the result is that of one thread."""


@njit
def verdict_kernel(
    tables: Tables,
    values: Floats,  # (n_units, 5)
    held: Bools,  # (n_units,) whether a unit is an account's own and open
    verdict: npt.NDArray[np.int8],  # (n_units,) CLEARED, FALLEN or UNDECIDED, written
) -> None:
    """Write what the screen can say. Definition: `core.maintenance_excess`."""
    for unit in range(verdict.shape[0]):
        spare, error = values[unit, EXCESS], values[unit, ERROR]
        row = tables.units[unit]
        idle = row["positions_count"] == 0 and not owes(unit, tables)
        if not held[unit] or idle or spare > error:
            verdict[unit] = CLEARED
        elif spare < -error and not has_jumps(unit, tables):
            verdict[unit] = FALLEN
        else:
            verdict[unit] = UNDECIDED


@njit
def owes(unit: int, tables: Tables) -> bool:
    """Whether a unit has a negative balance."""
    row = tables.units[unit]
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        if tables.balances[at]["quanta"] < 0:
            return True
    return False


@njit
def funded_kernel(
    tables: Tables,  # at the prices now
    rates: Floats,  # (n_instruments,) what longs pay of their notional
    paid: Floats,  # (n_balance_rows,) quanta, zero before, written
) -> None:
    """Write what each balance row pays in funding. Definition: `revaluation.moved`."""
    for unit in range(tables.units.shape[0]):
        row = tables.units[unit]
        for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
            position = tables.positions[at]
            rate = rates[position["instrument"]]
            if rate == 0.0:
                continue
            terms = tables.instruments[position["instrument"]]
            value = coefficient(terms, position["lots"])
            value *= abscissa(terms, tables.prices[terms["mark_factor"]])
            amount = rate * abs(value)
            if position["lots"] < 0:
                amount = -amount
            for cash in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
                if tables.balances[cash]["asset"] == terms["settle"]:
                    paid[cash] += amount


@njit
def coin_notional_kernel(
    tables: Tables,
    chosen: Bools,  # (n_units,)
    coins: Int32s,  # (n_instruments,) coin of each
    notional: Floats,  # (n_coins, 2) long and short, valuation currency, zero before, written
) -> None:
    """Add up the notional of chosen units by coin and side."""
    for unit in range(chosen.shape[0]):
        if not chosen[unit]:
            continue
        row = tables.units[unit]
        for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
            position = tables.positions[at]
            terms = tables.instruments[position["instrument"]]
            value = abs(coefficient(terms, position["lots"]))
            value *= abscissa(terms, tables.prices[terms["mark_factor"]])
            side = 0 if position["lots"] > 0 else 1
            notional[coins[position["instrument"]], side] += value * asset_price(
                terms["settle"], tables
            )


def with_prices(tables: Tables, prices: Floats, balances: Rows | None = None) -> Tables:
    """Return the tables at other prices, and with other balances where they are given."""
    changed = tables._replace(prices=prices)
    return changed if balances is None else changed._replace(balances=balances)
