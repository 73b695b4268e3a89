"""Take a unit apart into functions of one price each.

Within one asset the excess is, on each collateral line, a sum of functions of one price each: the
*terms*. A term holds every leg of the unit that settles in the asset and reads the price in one
form (itself, or one over it), so the legs of a hedge are one function. The profit of a contract
margined on an index belongs to the term of its mark, its requirement to the term of the index.
"""

import numpy as np

from keelmark.book.kernels.bare import njit_bare
from keelmark.book.kernels.margin import (
    Record,
    Tables,
    abscissa,
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


@njit_bare
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
    pool["first_term"] = net.status[0]["terms"]


@njit_bare
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


@njit_bare
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
    profit = leg["q"] * abscissa(contract, tables.prices[contract["mark_factor"]]) - leg["cost"]
    work.pools[pool]["here"] += counted(profit, leg["weight"])


@njit_bare
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
        pool["slope"] = line_slope(pool, level, tables)
        pool["exposure"] = 0.0
        for term in range(pool["first_term"], pool["end_term"]):
            measure(work.terms[term], pool, level, tables, work)


@njit_bare
def line_slope(pool: Record, level: float, tables: Tables) -> float:
    """Return the slope of the collateral line in use."""
    terms = tables.assets[pool["asset"]]
    value = np.inf
    found = 1.0
    for at in range(terms["segment_start"], terms["segment_start"] + terms["segment_count"]):
        slope = at_level(tables.segments[at]["slope"], level)
        line = slope * pool["here"] + tables.segments[at]["intercept"]
        if line < value:
            value = line
            found = slope
    return found


@njit_bare
def gain_at(term: Record, x: float, work: Work) -> tuple[float, float]:
    """Return the counted profit of a term at `x` and the sum of its absolute parts."""
    total = 0.0
    size = 0.0
    at = term["gains"]
    while at >= 0:
        leg = work.legs[at]
        value = leg["q"] * x
        total += counted(value - leg["cost"], leg["weight"])
        size += abs(value) + abs(leg["cost"])
        at = leg["next_gain"]
    return total, size


@njit_bare
def need_at(term: Record, x: float, tables: Tables, work: Work) -> float:
    """Return the requirement of a term at `x`; on a floor the dearer side."""
    total = 0.0
    at = term["needs"]
    while at >= 0:
        leg = work.legs[at]
        contract = tables.instruments[leg["instrument"]]
        total += requirement(contract, leg["lots"], abs(leg["q"]) * x, tables.tiers)
        at = leg["next_need"]
    return total


@njit_bare
def gain_slopes(term: Record, work: Work) -> tuple[float, float, float]:
    """Return the slope of the counted profit here, beyond every kink, and the sum of sizes."""
    here = 0.0
    beyond = 0.0
    size = 0.0
    at = term["gains"]
    while at >= 0:
        leg = work.legs[at]
        q = leg["q"]
        here += q * leg["weight"] if q * term["x"] > leg["cost"] else q
        beyond += q * leg["weight"] if q > 0.0 else q
        size += abs(q)
        at = leg["next_gain"]
    return here, beyond, size


@njit_bare
def need_slope(term: Record, tables: Tables, work: Work) -> float:
    """Return the slope of the requirement beyond every floor."""
    total = 0.0
    at = term["needs"]
    while at >= 0:
        leg = work.legs[at]
        contract = tables.instruments[leg["instrument"]]
        last = contract["tier_start"] + contract["tier_count"] - 1
        rate = tables.tiers[last]["rate"]
        if contract["rule_kind"] != TIERED and contract["rule_kind"] != WHOLE:
            rate = constant_rate(contract, abs(float(leg["lots"])), tables.tiers)
        total += abs(leg["q"]) * rate
        at = leg["next_need"]
    return total


@njit_bare
def measure(term: Record, pool: Record, level: float, tables: Tables, work: Work) -> None:
    """Find which sides of a term can be adverse, and how much money a move is worth.

    Towards zero a side needs no wire if the function is not lower there; away from zero if it never
    falls in the end. Both ask about every collateral line; the steepest and the flattest decide,
    as the functions are linear in the slope of the line. Concave terms have nothing in between.
    """
    gain, _ = gain_at(term, term["x"], work)
    gain_zero, _ = gain_at(term, 0.0, work)
    need = need_at(term, term["x"], tables, work)
    need_zero = need_at(term, 0.0, tables, work)
    slope, beyond, size = gain_slopes(term, work)
    need_beyond = need_slope(term, tables, work)
    term["near_wire"] = 0
    term["far_wire"] = 0
    for line in (pool["steepest"], pool["flattest"]):
        if line * (gain_zero - gain) - level * (need_zero - need) < 0.0:
            term["near_wire"] = 1
        fall = line * beyond - level * need_beyond
        if fall <= FLAT * (line * size + level * need_beyond):
            term["far_wire"] = NEEDED
        if term["jumps"]:
            measure_jumps(term, line, level, line * gain - level * need, tables, work)
    here = abs(pool["slope"] * slope * term["x"] - level * need)
    gross = pool["slope"] * size * term["x"] + level * need
    term["exposure"] = pool["scale"] * pool["price"] * max(here, 0.01 * gross)
    pool["exposure"] += term["exposure"]


@njit_bare
def measure_jumps(
    term: Record,
    line: float,
    level: float,
    here: float,
    tables: Tables,
    work: Work,
) -> None:
    """Find whether a floor on either side of the present price is adverse."""
    at = term["needs"]
    while at >= 0:
        leg = work.legs[at]
        contract = tables.instruments[leg["instrument"]]
        start = contract["tier_start"]
        for row in range(start + 1, start + contract["tier_count"]):
            x = tables.tiers[row]["floor"] / abs(leg["q"])
            gain, _ = gain_at(term, x, work)
            if line * gain - level * need_at(term, x, tables, work) < here:
                if x < term["x"]:
                    term["near_wire"] = 1
                elif term["far_wire"] == 0:
                    term["far_wire"] = WANTED
        at = leg["next_need"]
