"""Follow a stream of snapshots until one of them asks for a decision.

A batch of prices is one snapshot: all are written, then crossings are collected, each unit is
evaluated once, and only then is anything reported. Bad prices are refused before anything changes.
"""

import numpy as np

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import Tables
from keelmark.book.tripwires.ladders import touch, touch_straight, walk
from keelmark.book.tripwires.net import Net, Stream, Work
from keelmark.book.tripwires.settle import NO_ROOM, STRANGE, begin, settle_touched

END = 0
DECISIONS = 1


@njit
def is_good(price: float, factor: int, net: Net) -> bool:
    """Whether a price can be taken: positive and finite; the time may be zero."""
    if factor == net.factors.shape[0] - 1:
        return bool(0.0 <= price < np.inf)
    return bool(0.0 < price < np.inf)


@njit
def trust(factor: int, good: bool, net: Net) -> None:  # noqa: FBT001 a kernel
    """Note whether the last price offered for a factor was good."""
    status = net.status[0]
    bad = 0 if good else 1
    if net.factors[factor]["untrusted"] != bad:
        net.factors[factor]["untrusted"] = bad
        status["untrusted"] += 1 if bad else -1
        status["trust_changed"] = 1
    status["refused"] += bad


@njit
def is_strange(stream: Stream, snapshot: int, net: Net) -> bool:
    """Whether a snapshot names rows or factors that are not there."""
    first = stream.offsets[snapshot]
    end = stream.offsets[snapshot + 1]
    rows = min(stream.factors.shape[0], stream.prices.shape[0])
    strange = not 0 <= first <= end <= rows
    for at in range(first, 0 if strange else end):
        strange = strange or not 0 <= stream.factors[at] < net.factors.shape[0]
    return strange


@njit
def write(stream: Stream, snapshot: int, tables: Tables, net: Net) -> None:
    """Write the good prices of a snapshot and list the factors that moved."""
    status = net.status[0]
    status["moved"] = 0
    for at in range(stream.offsets[snapshot], stream.offsets[snapshot + 1]):
        factor = stream.factors[at]
        price = stream.prices[at]
        good = is_good(price, factor, net)
        trust(factor, good, net)
        if not good:
            continue
        if net.factors[factor]["moving"] == 0:
            net.factors[factor]["moving"] = 1
            net.factors[factor]["before"] = tables.prices[factor]
            net.factors[status["moved"]]["moved"] = factor
            status["moved"] += 1
        tables.prices[factor] = price


@njit
def collect(tables: Tables, net: Net) -> None:
    """List the units to look at: crossed wires, suspects, and the unknown if trust has changed."""
    status = net.status[0]
    limit = status["visits"] + status["visits_limit"]
    for index in range(status["moved"]):
        factor = net.factors[index]["moved"]
        price = tables.prices[factor]
        before = net.factors[factor]["before"]
        if price == before:
            continue
        known = before == before  # noqa: PLR0124 not so where no price was known
        if known and not walk(factor, before, price, limit, net):
            touch_straight(tables.prices, net)
            break
    for index in range(status["moved"]):
        net.factors[net.factors[index]["moved"]]["moving"] = 0
    for index in range(status["suspects"]):
        touch(net.lists[index]["suspect"], net)
    if status["trust_changed"]:
        for index in range(status["unknowns"]):
            touch(net.lists[index]["unknown"], net)
        status["trust_changed"] = 0


@njit
def advance(
    stream: Stream,
    first: int,
    tables: Tables,
    net: Net,
    work: Work,
) -> tuple[int, int]:
    """Apply snapshots from `first` on; return why it stopped, and at which snapshot.

    After `NO_ROOM` the caller grows the store and calls again with the same snapshot. A `STRANGE`
    snapshot has not been touched.
    """
    status = net.status[0]
    for snapshot in range(first, stream.offsets.shape[0] - 1):
        if status["pending"] == 0:
            if status["touched"] > 0:
                begin(net)
            if is_strange(stream, snapshot, net):
                return STRANGE, snapshot
            write(stream, snapshot, tables, net)
            collect(tables, net)
            status["snapshots"] += 1
        if status["touched"] > 0:
            status["pending"] = 1
            if not settle_touched(tables, net, work):
                return NO_ROOM, snapshot
            status["pending"] = 0
            if status["decisions"] > 0:
                return DECISIONS, snapshot
    return END, stream.offsets.shape[0] - 1
