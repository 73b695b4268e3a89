"""Ladders: wires in lists by the leading bits of their trip price.

A ladder is a factor and a direction, `2 * factor + side`; side 0 fires at or below the trip, side 1
at or above it. Buckets are exactly monotone in the price and lie on a circle: a wire of another lap
fails the exact comparison, so the width of a bucket is tuning only. A hot wire has the trip
infinity on side 0: it always fires, and lies in the extra slot.
"""

import numpy as np

from keelmark.book.kernels.jit import njit
from keelmark.book.tripwires.net import Net


@njit
def bucket(price: float, shift: int) -> int:
    """Return the leading bits of a price: monotone, the same on every machine."""
    return int(np.float64(price).view(np.int64)) >> int(shift)


@njit
def slot_of(trip: float, ladder: int, net: Net) -> int:
    """Return the list a wire belongs to."""
    slots = net.status[0]["slots"]
    start = ladder * (slots + 1)
    if trip == np.inf:
        return int(start + slots)
    return int(start + (bucket(trip, net.factors[ladder >> 1]["shift"]) & (slots - 1)))


@njit
def link(wire: int, slot: int, net: Net) -> None:
    """Put a wire at the head of its list.

    `next` is a wire + 1 or 0; `previous` a wire + 1, or -(slot + 1) at the head, 0 if unlinked.
    """
    row = net.wires[wire]
    head = net.heads[slot]
    row["next"] = head
    row["previous"] = -(slot + 1)
    if head != 0:
        net.wires[head - 1]["previous"] = wire + 1
    net.heads[slot] = wire + 1
    net.status[0]["relinked"] += 1


@njit
def unlink(wire: int, net: Net) -> None:
    """Take a wire out of its list; one that is in none stays so."""
    row = net.wires[wire]
    before = row["previous"]
    after = row["next"]
    if before == 0:
        return
    if before > 0:
        net.wires[before - 1]["next"] = after
    else:
        net.heads[-before - 1] = after
    if after != 0:
        net.wires[after - 1]["previous"] = before
    row["previous"] = 0
    row["next"] = 0


@njit
def touch(unit: int, net: Net) -> None:
    """Add a unit to the list of this snapshot, once."""
    status = net.status[0]
    row = net.watch[unit]
    if row["stamp"] != status["stamp"]:
        row["stamp"] = status["stamp"]
        net.lists[status["touched"]]["touched"] = unit
        status["touched"] += 1


@njit
def touch_list(slot: int, side: int, price: float, net: Net) -> None:
    """Touch the units of the wires of one list that fire at `price`."""
    visits = 0
    wire = net.heads[slot]
    while wire != 0:
        row = net.wires[wire - 1]
        visits += 1
        if (side == 0 and price <= row["trip"]) or (side == 1 and price >= row["trip"]):
            touch(row["unit"], net)
        wire = row["next"]
    net.status[0]["visits"] += visits


@njit
def walk(factor: int, before: float, price: float, limit: int, net: Net) -> bool:
    """Touch the units whose wires a move of one factor fires; False past `limit` visits."""
    status = net.status[0]
    slots = status["slots"]
    side = 0 if price < before else 1
    start = (2 * factor + side) * (slots + 1)
    shift = net.factors[factor]["shift"]
    low = bucket(min(price, before), shift)
    count = min(bucket(max(price, before), shift) - low + 1, slots)
    for step in range(count):
        slot = start + ((low + step) & (slots - 1))
        if net.heads[slot] != 0:
            if status["visits"] >= limit:
                return False
            touch_list(slot, side, price, net)
    hot = 2 * factor * (slots + 1) + slots
    if net.heads[hot] != 0:
        touch_list(hot, 0, price, net)
    return True


@njit
def touch_straight(prices: np.ndarray, net: Net) -> None:
    """Touch every unit with a wire that fires, in memory order: what `walk` does, wholesale."""
    status = net.status[0]
    status["passes"] += 1
    for wire in range(status["wires_end"]):
        row = net.wires[wire]
        if row["previous"] == 0:
            continue
        factor = row["ladder"] >> 1
        if net.factors[factor]["moving"] == 0:
            continue
        price = prices[factor]
        if row["ladder"] & 1:
            if price >= row["trip"]:
                touch(row["unit"], net)
        elif price <= row["trip"] and (
            row["trip"] < np.inf or price != net.factors[factor]["before"]
        ):
            touch(row["unit"], net)
