"""The corner: the least excess while every number stays inside its interval.

On each collateral line the excess of an asset is a sum of functions of one price each, so its
infimum over a box is the sum of theirs. A concave function has its infimum at an end of the
interval, one that jumps also at the floors inside. A price times a total is least at the end that
the sign of the least total gives. There are no loss formulas here: the functions are those that
margin the unit.

Definition: `core.bound.excess_bound`.
"""

import numpy as np

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import (
    RELATIVE_ERROR,
    Record,
    Rows,
    Tables,
    at_level,
    collateral_value,
)
from keelmark.book.tripwires.gather import gain_at, need_at
from keelmark.book.tripwires.net import Work


@njit
def measure_ends(
    term: Record,
    level: float,
    legs: Rows,
    instruments: Rows,
    tiers: Rows,
) -> float:
    """Write what a term is at both ends of its interval; return the size of its parts."""
    term["gain_near"], size = gain_at(term, term["near"], legs)
    term["need_near"] = need_at(term, term["near"], legs, instruments, tiers)
    size += level * term["need_near"]
    if term["far"] < np.inf:
        term["gain_far"], larger = gain_at(term, term["far"], legs)
        term["need_far"] = need_at(term, term["far"], legs, instruments, tiers)
        size = max(size, larger + level * term["need_far"])
    return float(size)


@njit
def least_at_floors(
    term: Record,
    line: float,
    level: float,
    legs: Rows,
    instruments: Rows,
    tiers: Rows,
) -> float:
    """Return the least value of a term at the floors strictly inside its interval."""
    least = np.inf
    at = term["needs"]
    while at >= 0:
        leg = legs[at]
        contract = instruments[leg["instrument"]]
        start = contract["tier_start"]
        for row in range(start + 1, start + contract["tier_count"]):
            x = tiers[row]["floor"] / abs(leg["q"])
            if term["near"] < x < term["far"]:
                gain, _ = gain_at(term, x, legs)
                least = min(least, line * gain - level * need_at(term, x, legs, instruments, tiers))
        at = leg["next_need"]
    return least


@njit
def infimum(
    term: Record,
    line: float,
    level: float,
    legs: Rows,
    instruments: Rows,
    tiers: Rows,
) -> float:
    """Return the infimum of a term over its interval on one collateral line."""
    least = line * term["gain_near"] - level * term["need_near"]
    if term["far"] < np.inf:
        least = min(least, line * term["gain_far"] - level * term["need_far"])
    if term["jumps"]:
        least = min(least, least_at_floors(term, line, level, legs, instruments, tiers))
    return float(least)


@njit
def least_sum(pool: Record, line: float, level: float, tables: Tables, work: Work) -> float:
    """Return the sum of the infima of a pool's terms on one collateral line."""
    total = 0.0
    for index in range(pool["first_term"], pool["end_term"]):
        total += infimum(
            work.terms[index],
            line,
            level,
            work.legs,
            tables.instruments,
            tables.tiers,
        )
    return total


@njit
def bound_pool(pool: Record, clock: float, level: float, tables: Tables, work: Work) -> None:
    """Write the least total of an asset inside the box, less the bound of its error.

    Args:
        pool: The asset; its terms know their intervals.
        clock: Latest time inside the box.
        level: Multiple of maintenance.
        tables: The book.
        work: The unit at hand.
    """
    amount = pool["amount"] + pool["accrual"] * clock
    size = abs(amount)
    quanta = 1.0 if pool["accrual"] < 0.0 else 0.0
    for index in range(pool["first_term"], pool["end_term"]):
        size += measure_ends(
            work.terms[index],
            level,
            work.legs,
            tables.instruments,
            tables.tiers,
        )
        quanta += 2.0
    terms = tables.assets[pool["asset"]]
    steepest = 1.0
    intercept = 0.0
    if pool["apart"]:
        worst, steepest, intercept = collateral_value(terms, tables.segments, amount, level)
        worst += least_sum(pool, 1.0, level, tables, work)
    else:
        worst = np.inf
        for at in range(terms["segment_start"], terms["segment_start"] + terms["segment_count"]):
            line = at_level(tables.segments[at]["slope"], level)
            total = line * amount + tables.segments[at]["intercept"]
            total += least_sum(pool, line, level, tables, work)
            if not total >= worst:  # a NaN is taken over
                worst = total
            steepest = max(steepest, line)
            intercept = max(intercept, abs(tables.segments[at]["intercept"]))
    pool["worst"] = worst - quanta - RELATIVE_ERROR * (steepest * size + abs(intercept))


@njit
def worth(pool: Record) -> float:
    """Return the least value of a pool inside the box: its price is at the end that hurts."""
    price = pool["low"] if pool["worst"] >= 0.0 else pool["high"]
    return float(pool["scale"] * price * pool["worst"])
