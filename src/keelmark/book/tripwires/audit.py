"""Check the index against what it promises, from scratch."""

import numpy as np

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import Floats, Tables
from keelmark.book.tripwires.cash import ends_of
from keelmark.book.tripwires.corner import bound_pool, worth
from keelmark.book.tripwires.gather import NEEDED, gather
from keelmark.book.tripwires.ladders import slot_of
from keelmark.book.tripwires.net import Net, Work
from keelmark.core.codes import WatchState

WIRED = int(WatchState.WIRED)


@njit
def fresh_bound(unit: int, tables: Tables, net: Net, work: Work) -> float:
    """Return the least excess of a unit between the wires it really has."""
    level = net.watch[unit]["level"]
    gather(unit, level, tables, net, work)
    last = tables.prices.shape[0] - 1
    _, clock = ends_of(unit, last, net)
    total = 0.0
    for index in range(net.status[0]["pools"]):
        pool = work.pools[index]
        for at in range(pool["first_term"], pool["end_term"]):
            term = work.terms[at]
            low, high = ends_of(unit, int(term["factor"]), net)
            if term["inverse"]:
                low, high = 1.0 / high, (1.0 / low if low > 0.0 else np.inf)
            term["near"] = low
            term["far"] = high
            if term["far_wire"] == NEEDED and high == np.inf:
                return -np.inf
        bound_pool(pool, clock if pool["accrual"] < 0.0 else 0.0, level, tables, work)
        if pool["factor"] >= 0:
            pool["low"], pool["high"] = ends_of(unit, int(pool["factor"]), net)
        total += worth(pool)
    return total


@njit
def fresh_bounds(tables: Tables, net: Net, work: Work, result: Floats) -> None:
    """Write `fresh_bound` of every wired unit, NaN for the others."""
    for unit in range(result.shape[0]):
        result[unit] = np.nan
        if net.watch[unit]["state"] == WIRED:
            result[unit] = fresh_bound(unit, tables, net, work)


@njit
def is_in_place(wire: int, slot: int, before: int, prices: Floats, net: Net) -> bool:
    """Whether a linked wire is in its list, in its unit's block and not crossed."""
    row = net.wires[wire]
    owner = net.watch[row["unit"]]
    offset = wire - owner["wires_start"]
    price = prices[row["ladder"] >> 1]
    if row["previous"] != (before if before > 0 else -(slot + 1)):
        return False
    if slot_of(row["trip"], row["ladder"], net) != slot or not 0 <= offset < owner["wires_count"]:
        return False
    if row["trip"] == np.inf:
        return True
    return bool(price < row["trip"] if row["ladder"] & 1 else price > row["trip"])


@njit
def count_links(prices: Floats, net: Net) -> tuple[int, int]:
    """Return how many wires are linked, and how many of them are not where they belong."""
    linked = 0
    faults = 0
    for slot in range(net.heads.shape[0]):
        before = 0
        wire = net.heads[slot]
        while wire != 0 and linked <= net.wires.shape[0]:
            linked += 1
            if not is_in_place(wire - 1, slot, before, prices, net):
                faults += 1
            before = wire
            wire = net.wires[wire - 1]["next"]
    return linked, faults
