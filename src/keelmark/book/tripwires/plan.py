"""Choose the wires of a unit: how far each price may go until the unit is looked at again.

Slack is divided by the cube root of variance over exposure, which is a choice of speed: it appears
in no result. A guess of the distances is accepted only when the corner it spans holds. A wire that
is already there stays if it is nearer than wanted by less than half: it is valid and costs no work.
"""

import numpy as np

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import Record, Tables
from keelmark.book.tripwires.corner import bound_pool, worth
from keelmark.book.tripwires.net import Net, Work

DISTANCE_MAX = 1e6
DISTANCE_MIN = 2.3e-16
"""Rounds to the last bit of one: a price times one and that much is another price."""

TRIES = 40


@njit
def inverse_cube_root(value: float) -> float:
    """Return about `value ** (-1/3)`, to some per cent: enough for a distance."""
    bits = np.float64(value).view(np.int64)
    guess = np.int64(6142909891733356544 - bits // 3).view(np.float64)
    return float(guess * (4.0 - value * guess * guess * guess) / 3.0)


@njit
def exposure(term: Record, pool: Record, level: float) -> float:
    """Return about what a whole move of the price is worth, valuation currency."""
    profit = pool["slope"] * term["turn"]
    margin = level * term["need"]
    gross = pool["slope"] * term["gross"] + margin
    return float(pool["scale"] * pool["price"] * max(abs(profit - margin), 0.01 * gross))


@njit
def weigh(excess: float, level: float, net: Net, work: Work) -> float:
    """Write the relative distance of every wire; return the loss per unit of lambda."""
    total = 0.0
    for index in range(net.status[0]["pools"]):
        pool = work.pools[index]
        for at in range(pool["first_term"], pool["end_term"]):
            term = work.terms[at]
            cost = exposure(term, pool, level)
            term["weight"] = 0.0
            if (term["near_wire"] or term["far_wire"]) and cost > 0.0:
                term["weight"] = net.factors[term["factor"]]["volatility"] * inverse_cube_root(cost)
                total += cost * term["weight"]
        pool["weight"] = 0.0
        if pool["factor"] < 0:
            continue
        value = pool["slope"] * pool["here"] * pool["scale"] * pool["price"]
        cost = abs(value)
        if pool["first_term"] < pool["end_term"]:
            cost = max(cost, abs(value - excess))
        if cost > 0.0:
            pool["weight"] = net.factors[pool["factor"]]["volatility"] * inverse_cube_root(cost)
            total += cost * pool["weight"]
    return total


@njit
def above(price: float, distance: float) -> float:
    """Return a trip at a relative distance above a price, always strictly above."""
    return float(price * (1.0 + max(distance, DISTANCE_MIN)))


@njit
def below(price: float, distance: float) -> float:
    """Return a trip at a relative distance, less than one, strictly below a price."""
    return float(price * (1.0 - max(distance, DISTANCE_MIN)))


@njit
def folded_below(price: float, distance: float) -> float:
    """Return a trip below a price where any distance has one: half, a third, ..."""
    return float(price / (1.0 + max(distance, DISTANCE_MIN)))


@njit
def add_wire(unit: int, ladder: int, trip: float, price: float, net: Net, work: Work) -> float:
    """Add a wire to the plan; return its trip: that of the old wire in its place, if it serves."""
    status = net.status[0]
    index = status["planned"]
    row = net.watch[unit]
    if index < row["wires_count"]:
        old = net.wires[row["wires_start"] + index]
        kept = old["trip"]
        if old["ladder"] == ladder and (price - kept > 0.0) == (price - trip > 0.0):
            distance = abs(trip - price)
            if 0.5 * distance <= abs(kept - price) <= distance and kept != price:
                trip = kept
    work.plan[index]["ladder"] = ladder
    work.plan[index]["trip"] = trip
    status["planned"] = index + 1
    return trip


@njit
def below_the_jump(term: Record, far: float, money: float, tables: Tables, work: Work) -> float:
    """Return the end of an interval, drawn in to just under the first floor that costs too much.

    Args:
        term: A term whose requirement jumps.
        far: Abscissa wanted.
        money: Largest jump that is taken into the box, settle quanta of requirement.
        tables: The book.
        work: The unit at hand.
    """
    at = term["needs"]
    while at >= 0:
        leg = work.legs[at]
        contract = tables.instruments[leg["instrument"]]
        start = contract["tier_start"]
        for row in range(start + 1, start + contract["tier_count"]):
            floor = tables.tiers[row]["floor"]
            under = (floor * (1.0 - 4e-11) - 4.0) / abs(leg["q"])
            jump = floor * (tables.tiers[row]["rate"] - tables.tiers[row - 1]["rate"])
            if term["x"] < under < far and jump > money:
                far = under
        at = leg["next_need"]
    return far


@njit
def set_interval(
    unit: int,
    term: Record,
    distance: float,
    money: float,
    tables: Tables,
    net: Net,
    work: Work,
) -> None:
    """Give a term its interval, and the plan its wires."""
    price = term["price"]
    inverse = term["inverse"]
    term["near"] = 0.0
    term["far"] = np.inf
    ladder = 2 * term["factor"]
    if term["near_wire"] and (inverse or distance < 1.0):
        trip = above(price, distance) if inverse else below(price, distance)
        trip = add_wire(unit, ladder + inverse, trip, price, net, work)
        term["near"] = 1.0 / trip if inverse else trip
    if term["far_wire"]:
        trip = folded_below(price, distance) if inverse else above(price, distance)
        if term["jumps"]:
            far = 1.0 / trip if inverse else trip
            drawn = below_the_jump(term, far, money, tables, work)
            if drawn < far:
                trip = 1.0 / drawn if inverse else drawn
        trip = add_wire(unit, ladder + 1 - inverse, trip, price, net, work)
        term["far"] = 1.0 / trip if inverse else trip


@njit
def set_deadline(unit: int, excess: float, tables: Tables, net: Net, work: Work) -> float:
    """Give the unit a time until which interest is allowed for; return it, now if none is owed."""
    status = net.status[0]
    speed = 0.0
    for index in range(status["pools"]):
        pool = work.pools[index]
        speed -= pool["scale"] * pool["price"] * pool["steepest"] * pool["accrual"]
    factor = tables.prices.shape[0] - 1
    now = tables.prices[factor]
    if speed == 0.0:
        return float(now)
    wait = min(status["horizon"], status["reserve_share"] * excess / speed)
    trip = max(now + wait, np.nextafter(now, np.inf))
    return add_wire(unit, 2 * factor + 1, trip, now, net, work)


@njit
def corner(
    unit: int,
    scale: float,
    excess: float,
    tables: Tables,
    net: Net,
    work: Work,
) -> float:
    """Plan the wires at one scale of distances and return the least excess inside them."""
    status = net.status[0]
    status["corners"] += 1
    status["planned"] = 0
    level = net.watch[unit]["level"]
    clock = set_deadline(unit, excess, tables, net, work)
    total = 0.0
    for index in range(status["pools"]):
        pool = work.pools[index]
        money = 0.25 * excess / (pool["scale"] * pool["price"] * level)
        for at in range(pool["first_term"], pool["end_term"]):
            term = work.terms[at]
            distance = min(scale * term["weight"], DISTANCE_MAX)
            set_interval(unit, term, distance, money, tables, net, work)
        bound_pool(pool, clock, level, tables, work)
        set_price_end(unit, pool, min(scale * pool["weight"], DISTANCE_MAX), net, work)
        total += worth(pool)
    return total


@njit
def set_price_end(unit: int, pool: Record, distance: float, net: Net, work: Work) -> None:
    """Give the price of an asset the one end that its least total needs."""
    if pool["factor"] < 0:
        return
    price = pool["price"]
    ladder = 2 * pool["factor"]
    pool["low"] = 0.0
    pool["high"] = np.inf
    if pool["worst"] < 0.0:
        trip = above(price, distance)
        pool["high"] = add_wire(unit, ladder + 1, trip, price, net, work)
    elif distance < 1.0:
        trip = below(price, distance)
        pool["low"] = add_wire(unit, ladder, trip, price, net, work)


@njit
def plan(unit: int, excess: float, tables: Tables, net: Net, work: Work) -> float:
    """Plan the wires of a gathered unit; return the least excess inside them.

    The answer is negative or NaN if not even the nearest wires hold.

    Args:
        unit: Row of the unit; `work` holds its parts.
        excess: Present excess less the bound of its error, above zero.
        tables: The book.
        net: The index.
        work: The unit at hand.
    """
    loss = weigh(excess, net.watch[unit]["level"], net, work)
    spend = excess * (1.0 - net.status[0]["reserve_share"])
    scale = spend / loss if loss > 0.0 else DISTANCE_MAX
    accepted = -1.0
    lengthened = 0
    for attempt in range(TRIES):
        bound = corner(unit, scale, excess, tables, net, work)
        if bound >= 0.0:
            if lengthened == 2 or bound <= 0.3 * excess or net.status[0]["planned"] == 0:  # noqa: PLR2004 twice
                return bound
            accepted = scale
            scale *= min(4.0, spend / max(excess - bound, 1e-3 * excess))
            lengthened += 1
        elif accepted > 0.0:
            return corner(unit, accepted, excess, tables, net, work)
        elif attempt < 4:  # noqa: PLR2004 the chord has had its tries
            scale *= max(1e-3, min(0.999 * excess / (excess - bound), 0.95))
        else:
            scale *= 0.25
    return corner(unit, 0.0, excess, tables, net, work)
