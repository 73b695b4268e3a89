"""Take a unit apart into functions of one price each.

Within one asset the excess is, on each collateral line, a sum of functions of one price each: the
*terms*. A term holds every leg of the unit that settles in the asset and reads the price in one
form (itself, or one over it), so the legs of a hedge are one function. The profit of a contract
margined on an index belongs to the term of its mark, its requirement to the term of the index.
"""

import numpy as np

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import (
    BALANCE_BASE,
    Record,
    Rows,
    Tables,
    at_level,
    coefficient,
    constant_rate,
    counted,
    requirement,
)
from keelmark.book.tripwires.net import Net, Work
from keelmark.core.codes import RuleKind

TIERED = int(RuleKind.TIERED)
WHOLE = int(RuleKind.WHOLE)
NEEDED = 1
WANTED = 2
"""Why a wire stands away from zero: the function falls in the end, or a floor costs something."""

FLAT = 1e-12
"""A slope smaller than this fraction of its parts may be rounding: it counts as adverse."""


@njit
def new_pool(index: int, row: int, level: float, tables: Tables, net: Net, work: Work) -> None:
    """Begin the pool of a balance row."""
    asset = tables.balances[row]["asset"]
    terms = tables.assets[asset]
    pool = work.pools[index]
    pool["amount"] = float(tables.balances[row]["quanta"])
    pool["accrual"] = terms["borrow_rate"] * min(pool["amount"], 0.0)
    pool["here"] = pool["amount"] + pool["accrual"] * tables.prices[tables.prices.shape[0] - 1]
    pool["scale"] = terms["value_scale"]
    pool["asset"] = asset
    pool["factor"] = terms["price_factor"] if net.status[0]["pools"] > 1 else -1
    pool["price"] = tables.prices[pool["factor"]] if pool["factor"] >= 0 else 1.0
    pool["low"] = pool["price"]
    pool["high"] = pool["price"]
    pool["steepest"] = 1.0
    pool["flattest"] = np.inf
    for at in range(terms["segment_start"], terms["segment_start"] + terms["segment_count"]):
        slope = at_level(tables.segments[at]["slope"], level)
        pool["steepest"] = max(pool["steepest"], slope)
        pool["flattest"] = min(pool["flattest"], slope)
    pool["apart"] = terms["spare"] == BALANCE_BASE
    if pool["apart"]:
        pool["steepest"] = 1.0
        pool["flattest"] = 1.0
    pool["first_term"] = net.status[0]["terms"]


@njit
def term_for(factor: int, inverse: int, pool: int, tables: Tables, net: Net, work: Work) -> int:
    """Return the term of a factor and form in this pool, begun if it is new."""
    status = net.status[0]
    key = 2 * factor + inverse
    found = work.lookup[key]
    first = work.pools[pool]["first_term"]
    if first <= found < status["terms"]:
        term = work.terms[found]
        if term["factor"] == factor and term["inverse"] == inverse:
            return int(found)
    found = status["terms"]
    status["terms"] = found + 1
    work.lookup[key] = found
    term = work.terms[found]
    term["factor"] = factor
    term["inverse"] = inverse
    term["price"] = tables.prices[factor]
    term["x"] = 1.0 / term["price"] if inverse else term["price"]
    term["gains"] = -1
    term["needs"] = -1
    term["jumps"] = 0
    return int(found)


@njit
def add_leg(index: int, at: int, pool: int, tables: Tables, net: Net, work: Work) -> None:
    """Add a position to the terms it reads."""
    position = tables.positions[at]
    contract = tables.instruments[position["instrument"]]
    leg = work.legs[index]
    leg["lots"] = position["lots"]
    leg["q"] = coefficient(contract, position["lots"])
    leg["cost"] = float(position["cost"])
    leg["weight"] = contract["pnl_weight"]
    leg["instrument"] = position["instrument"]
    gains = term_for(contract["mark_factor"], contract["inverse"], pool, tables, net, work)
    needs = gains
    if contract["margin_factor"] != contract["mark_factor"]:
        needs = term_for(contract["margin_factor"], contract["inverse"], pool, tables, net, work)
    leg["next_gain"] = work.terms[gains]["gains"]
    work.terms[gains]["gains"] = index
    leg["next_need"] = work.terms[needs]["needs"]
    work.terms[needs]["needs"] = index
    if net.jumps[position["instrument"]]:
        work.terms[needs]["jumps"] = 1


@njit
def gather(unit: int, level: float, tables: Tables, net: Net, work: Work) -> None:
    """Fill `work` with the legs, terms and pools of a unit, and their adverse sides."""
    row = tables.units[unit]
    first = row["positions_start"]
    end = first + row["positions_count"]
    status = net.status[0]
    status["terms"] = 0
    status["pools"] = row["balances_count"]
    legs = 0
    for index in range(status["pools"]):
        new_pool(index, row["balances_start"] + index, level, tables, net, work)
        pool = work.pools[index]
        for at in range(first, end):
            if legs == row["positions_count"]:
                break
            contract = tables.instruments[tables.positions[at]["instrument"]]
            if contract["settle"] == pool["asset"]:
                add_leg(legs, at, index, tables, net, work)
                legs += 1
        pool["end_term"] = status["terms"]
        for term in range(pool["first_term"], pool["end_term"]):
            measure(
                work.terms[term],
                pool,
                level,
                work.legs,
                tables.instruments,
                tables.tiers,
            )
        pool["slope"] = line_slope(pool, level, tables)


@njit
def line_slope(pool: Record, level: float, tables: Tables) -> float:
    """Return the slope of the collateral line that profits meet."""
    terms = tables.assets[pool["asset"]]
    value = np.inf
    found = 1.0
    if pool["apart"]:
        return found
    for at in range(terms["segment_start"], terms["segment_start"] + terms["segment_count"]):
        slope = at_level(tables.segments[at]["slope"], level)
        line = slope * pool["here"] + tables.segments[at]["intercept"]
        if line < value:
            value = line
            found = slope
    return found


@njit
def gain_at(term: Record, x: float, legs: Rows) -> tuple[float, float]:
    """Return the counted profit of a term at `x` and the sum of its absolute parts."""
    total = 0.0
    size = 0.0
    at = term["gains"]
    while at >= 0:
        leg = legs[at]
        value = leg["q"] * x
        total += counted(value - leg["cost"], leg["weight"])
        size += abs(value) + abs(leg["cost"])
        at = leg["next_gain"]
    return total, size


@njit
def need_at(term: Record, x: float, legs: Rows, instruments: Rows, tiers: Rows) -> float:
    """Return the requirement of a term at `x`; on a floor the dearer side."""
    total = 0.0
    at = term["needs"]
    while at >= 0:
        leg = legs[at]
        contract = instruments[leg["instrument"]]
        total += requirement(contract, leg["lots"], abs(leg["q"]) * x, tiers)
        at = leg["next_need"]
    return total


@njit
def top_rate(contract: Record, lots: int, tiers: Rows) -> float:
    """Return the slope of a requirement in the notional beyond every floor."""
    if contract["rule_kind"] in (TIERED, WHOLE):
        return float(tiers[contract["tier_start"] + contract["tier_count"] - 1]["rate"])
    return constant_rate(contract, abs(float(lots)), tiers)


@njit
def measure_gains(term: Record, legs: Rows) -> tuple[float, float, float, float]:
    """Measure the counted profit of a term.

    Returns:
        Its value here, its value here less that at zero, its slope beyond every kink, and the
        slope without signs. The term keeps what a whole move of the price is worth.
    """
    gain = 0.0
    at_zero = 0.0
    beyond = 0.0
    size = 0.0
    turn = 0.0
    at = term["gains"]
    while at >= 0:
        leg = legs[at]
        q = leg["q"]
        value = q * term["x"]
        profit = value - leg["cost"]
        gain += counted(profit, leg["weight"])
        at_zero += counted(-leg["cost"], leg["weight"])
        turn += value * leg["weight"] if profit > 0.0 else value
        beyond += q * leg["weight"] if q > 0.0 else q
        size += abs(q)
        at = leg["next_gain"]
    term["turn"] = turn
    term["gross"] = size * term["x"]
    return gain, gain - at_zero, beyond, size


@njit
def measure_needs(
    term: Record,
    legs: Rows,
    instruments: Rows,
    tiers: Rows,
) -> tuple[float, float]:
    """Return the requirement of a term here (it is nothing at zero) and its last slope."""
    need = 0.0
    beyond = 0.0
    at = term["needs"]
    while at >= 0:
        leg = legs[at]
        contract = instruments[leg["instrument"]]
        size = abs(leg["q"])
        need += requirement(contract, leg["lots"], size * term["x"], tiers)
        beyond += size * top_rate(contract, leg["lots"], tiers)
        at = leg["next_need"]
    term["need"] = need
    return need, beyond


@njit
def measure(
    term: Record,
    pool: Record,
    level: float,
    legs: Rows,
    instruments: Rows,
    tiers: Rows,
) -> None:
    """Find which sides of a term can be adverse.

    Towards zero a side needs no wire if the function is not lower there; away from zero if it never
    falls in the end. Both ask about every collateral line; the steepest and the flattest decide,
    as the functions are linear in the slope of the line. Concave terms have nothing in between.
    """
    gain, gain_above_zero, gain_beyond, size = measure_gains(term, legs)
    need, need_beyond = measure_needs(term, legs, instruments, tiers)
    pool["here"] += gain
    term["near_wire"] = 0
    term["far_wire"] = 0
    for index in range(1 if pool["steepest"] == pool["flattest"] else 2):
        line = pool["flattest"] if index else pool["steepest"]
        if line * gain_above_zero - level * need > 0.0:
            term["near_wire"] = 1
        fall = line * gain_beyond - level * need_beyond
        if fall <= FLAT * (line * size + level * need_beyond):
            term["far_wire"] = NEEDED
        if term["jumps"]:
            here = line * gain - level * need
            measure_jumps(term, line, level, here, legs, instruments, tiers)


@njit
def measure_jumps(
    term: Record,
    line: float,
    level: float,
    here: float,
    legs: Rows,
    instruments: Rows,
    tiers: Rows,
) -> None:
    """Find whether a floor on either side of the present price is adverse."""
    at = term["needs"]
    while at >= 0:
        leg = legs[at]
        contract = instruments[leg["instrument"]]
        start = contract["tier_start"]
        for row in range(start + 1, start + contract["tier_count"]):
            x = tiers[row]["floor"] / abs(leg["q"])
            below = x < term["x"]
            if (below and term["near_wire"]) or (not below and term["far_wire"]):
                continue
            gain, _ = gain_at(term, x, legs)
            if line * gain - level * need_at(term, x, legs, instruments, tiers) < here:
                if below:
                    term["near_wire"] = 1
                else:
                    term["far_wire"] = WANTED
        at = leg["next_need"]
