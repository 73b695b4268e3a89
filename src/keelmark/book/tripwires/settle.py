"""Look at a unit and put it into exactly one state."""

import numpy as np

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import Tables, excess
from keelmark.book.tripwires.gather import gather
from keelmark.book.tripwires.ladders import link, slot_of, touch, unlink
from keelmark.book.tripwires.net import Int32s, Net, Work
from keelmark.book.tripwires.plan import DISTANCE_MAX, plan
from keelmark.book.tripwires.store import (
    NO_BLOCK,
    capacity,
    class_for,
    give_block,
    has_room,
    take_block,
)
from keelmark.core.codes import RuleKind, UnitKind, UnitStatus, WatchState

CORE_ONLY = int(RuleKind.CORE_ONLY)
IN_HOUSE = int(UnitKind.IN_HOUSE)
CLOSED = int(UnitStatus.CLOSED)
EMPTY = int(WatchState.EMPTY)
WIRED = int(WatchState.WIRED)
SUSPECT = int(WatchState.SUSPECT)
UNWATCHABLE = int(WatchState.UNWATCHABLE)
HOT = int(WatchState.HOT)

DONE = 0
NO_ROOM = 2
STRANGE = 3

AHEAD = 16
"""Units whose rows are read together."""


@njit
def is_empty(unit: int, tables: Tables) -> bool:
    """Whether no price can hurt a unit: closed, in-house, or neither positions nor debts."""
    row = tables.units[unit]
    if row["status"] == CLOSED or row["kind"] == IN_HOUSE:
        return True
    if row["positions_count"] > 0:
        return False
    first = row["balances_start"]
    for at in range(first, first + row["balances_count"]):
        if tables.balances[at]["quanta"] < 0:
            return False
    return True


@njit
def is_unknown(unit: int, tables: Tables, net: Net) -> bool:
    """Whether a unit reads a factor whose last price was refused."""
    row = tables.units[unit]
    first = row["balances_start"]
    for at in range(first, first + row["balances_count"]):
        terms = tables.assets[tables.balances[at]["asset"]]
        reads_price = row["balances_count"] > 1 and terms["price_factor"] >= 0
        if reads_price and net.factors[terms["price_factor"]]["untrusted"]:
            return True
        reads_time = terms["borrow_rate"] != 0.0 and tables.balances[at]["quanta"] < 0
        if reads_time and net.factors[net.factors.shape[0] - 1]["untrusted"]:
            return True
    first = row["positions_start"]
    for at in range(first, first + row["positions_count"]):
        contract = tables.instruments[tables.positions[at]["instrument"]]
        if (
            net.factors[contract["mark_factor"]]["untrusted"]
            or net.factors[contract["margin_factor"]]["untrusted"]
        ):
            return True
    return False


@njit
def is_core_only(unit: int, tables: Tables) -> bool:
    """Whether a unit holds a contract whose rule kernels do not know."""
    row = tables.units[unit]
    first = row["positions_start"]
    for at in range(first, first + row["positions_count"]):
        if tables.instruments[tables.positions[at]["instrument"]]["rule_kind"] == CORE_ONLY:
            return True
    return False


@njit
def drop_wires(unit: int, net: Net) -> None:
    """Unlink every wire of a unit and return its block; the reserve dies with them."""
    row = net.watch[unit]
    for wire in range(row["wires_start"], row["wires_start"] + row["wires_count"]):
        unlink(wire, net)
    give_block(row["wires_start"], row["wires_class"], net)
    row["wires_start"] = 0
    row["wires_count"] = 0
    row["wires_class"] = NO_BLOCK
    row["reserve"] = 0.0


@njit
def enter_roster(unit: int, unknown: int, net: Net) -> None:
    """Add a unit to the suspects (0) or to those that cannot be known (1)."""
    status = net.status[0]
    if unknown:
        place = status["unknowns"]
        net.lists[place]["unknown"] = unit
        status["unknowns"] = place + 1
    else:
        place = status["suspects"]
        net.lists[place]["suspect"] = unit
        status["suspects"] = place + 1
    net.lists[unit]["place"] = place
    net.watch[unit]["reserve"] = np.nan if unknown else 0.0


@njit
def leave_roster(unit: int, net: Net) -> None:
    """Take a suspect out of its roster; the last of the roster takes its place."""
    status = net.status[0]
    place = net.lists[unit]["place"]
    if np.isnan(net.watch[unit]["reserve"]):
        status["unknowns"] -= 1
        moved = net.lists[status["unknowns"]]["unknown"]
        net.lists[place]["unknown"] = moved
    else:
        status["suspects"] -= 1
        moved = net.lists[status["suspects"]]["suspect"]
        net.lists[place]["suspect"] = moved
    net.lists[moved]["place"] = place


@njit
def enter(unit: int, state: int, net: Net) -> None:
    """Change the state of a unit that keeps no certificate."""
    row = net.watch[unit]
    if row["state"] == SUSPECT:
        leave_roster(unit, net)
    else:
        drop_wires(unit, net)
    row["state"] = state
    row["reserve"] = 0.0


@njit
def suspect(unit: int, unknown: int, net: Net) -> None:
    """Make a unit a suspect: at its level, within the error, or not to be known."""
    row = net.watch[unit]
    if row["state"] == SUSPECT and np.isnan(row["reserve"]) == (unknown == 1):
        return
    enter(unit, SUSPECT, net)
    enter_roster(unit, unknown, net)


@njit
def find_slots(net: Net, work: Work) -> int:
    """Write the list of every wire of the plan; read what stands there, so that loads overlap."""
    seen = 0
    for index in range(net.status[0]["planned"]):
        row = work.plan[index]
        row["slot"] = slot_of(row["trip"], row["ladder"], net)
        seen += net.heads[row["slot"]]
    for index in range(net.status[0]["planned"]):
        head = net.heads[work.plan[index]["slot"]]
        if head != 0:
            seen += net.wires[head - 1]["unit"]
    return seen


@njit
def is_linked_in(wire: int, slot: int, ladder: int, net: Net) -> bool:
    """Whether a wire is already in a list, as far as its own row and trip tell."""
    row = net.wires[wire]
    return bool(row["ladder"] == ladder and slot_of(row["trip"], ladder, net) == slot)


@njit
def rewire(unit: int, net: Net, work: Work) -> None:
    """Make the wires of a unit those of the plan, with the least list work."""
    row = net.watch[unit]
    status = net.status[0]
    planned = status["planned"]
    status["ahead"] += find_slots(net, work)
    if row["wires_class"] == NO_BLOCK or capacity(int(row["wires_class"])) < planned:
        drop_wires(unit, net)
        if planned > 0:
            row["wires_class"] = class_for(planned)
            row["wires_start"] = take_block(row["wires_class"], net)
    start = row["wires_start"]
    for index in range(planned):
        plan = work.plan[index]
        wire = start + index
        if index < row["wires_count"]:
            if is_linked_in(wire, plan["slot"], plan["ladder"], net):
                net.wires[wire]["trip"] = plan["trip"]
                continue
            unlink(wire, net)
        net.wires[wire]["unit"] = unit
        net.wires[wire]["ladder"] = plan["ladder"]
        net.wires[wire]["trip"] = plan["trip"]
        link(wire, plan["slot"], net)
    for wire in range(start + planned, start + row["wires_count"]):
        unlink(wire, net)
    row["wires_count"] = planned


@njit
def nearest_distance(net: Net, work: Work) -> float:
    """Return the least relative distance that the slack allows any wire of the plan's unit."""
    least = DISTANCE_MAX
    last = net.status[0]["terms"]
    for index in range(last):
        term = work.terms[index]
        if term["near_wire"] and term["near"] > 0.0:
            least = min(least, abs(term["near"] / term["x"] - 1.0))
        if term["far_wire"] and not term["jumps"]:
            least = min(least, abs(term["far"] / term["x"] - 1.0))
    return float(least)


@njit
def plan_hot(unit: int, tables: Tables, net: Net, work: Work) -> None:
    """Plan one hot wire in every factor a gathered unit reads."""
    count = 0
    status = net.status[0]
    owes = is_core_only(unit, tables)
    for index in range(status["terms"]):
        work.plan[count]["ladder"] = 2 * work.terms[index]["factor"]
        count += 1
    for index in range(status["pools"]):
        owes = owes or work.pools[index]["accrual"] < 0.0
        if work.pools[index]["factor"] >= 0:
            work.plan[count]["ladder"] = 2 * work.pools[index]["factor"]
            count += 1
    if owes:
        work.plan[count]["ladder"] = 2 * (tables.prices.shape[0] - 1)
        count += 1
    for index in range(count):
        work.plan[index]["trip"] = np.inf
    status["planned"] = count


@njit
def place(unit: int, total: float, tables: Tables, net: Net, work: Work) -> None:
    """Wire a healthy unit, or make it hot where wires would not pay or do not hold.

    A hot unit keeps in `reserve` the excess at which wires pay again: twice the distance.
    """
    status = net.status[0]
    status["placings"] += 1
    row = net.watch[unit]
    gather(unit, row["level"], tables, net, work)
    bound = plan(unit, total, tables, net, work)
    if row["state"] == SUSPECT:
        leave_roster(unit, net)
    distance = nearest_distance(net, work)
    if bound >= 0.0 and distance >= status["hot_distance"]:
        rewire(unit, net, work)
        first = tables.units[unit]["balances_start"]
        for index in range(status["pools"]):
            net.worst[first + index] = work.pools[index]["worst"]
        net.lists[unit]["pools"] = status["pools"]
        row["reserve"] = bound
        row["state"] = WIRED
        return
    plan_hot(unit, tables, net, work)
    rewire(unit, net, work)
    row["state"] = HOT
    row["reserve"] = total * max(1.1, min(4.0, 2.0 * status["hot_distance"] / max(distance, 1e-12)))


@njit
def settle(unit: int, tables: Tables, net: Net, work: Work) -> None:
    """Evaluate a unit at the present prices and put it into its state."""
    status = net.status[0]
    row = net.watch[unit]
    status["evaluations"] += 1
    if is_empty(unit, tables):
        enter(unit, EMPTY, net)
        return
    if status["untrusted"] > 0 and is_unknown(unit, tables, net):
        suspect(unit, 1, net)
        return
    total, error = excess(unit, row["level"], tables)
    total -= error
    if total > 0.0:
        if row["state"] != HOT or total >= row["reserve"]:
            place(unit, total, tables, net, work)
        return
    if not is_core_only(unit, tables):
        suspect(unit, 0, net)
    elif row["state"] != UNWATCHABLE:
        enter(unit, UNWATCHABLE, net)
        gather(unit, row["level"], tables, net, work)
        plan_hot(unit, tables, net, work)
        rewire(unit, net, work)


@njit
def read_units(first: int, end: int, tables: Tables, net: Net) -> int:
    """Read the rows of listed units, then what the rows lead to."""
    seen = 0
    for index in range(first, end):
        unit = net.lists[index]["touched"]
        seen += net.watch[unit]["wires_start"] + tables.units[unit]["positions_start"]
        seen += net.lists[unit]["pools"]
    for index in range(first, end):
        unit = net.lists[index]["touched"]
        row = tables.units[unit]
        start = row["positions_start"]
        for at in range(start, start + row["positions_count"], 2):
            seen += tables.positions[at]["instrument"]
        seen += tables.balances[row["balances_start"]]["asset"]
        seen += net.worst[row["balances_start"]] > 0.0
        watch = net.watch[unit]
        start = watch["wires_start"]
        for wire in range(start, start + watch["wires_count"], 2):
            seen += net.wires[wire]["unit"]
    return seen


@njit
def read_ahead(first: int, end: int, tables: Tables, net: Net) -> int:
    """Read what the next units will need; loads that wait for memory together wait once.

    Units of a crash lie anywhere: this takes a fifth off what one costs in a large fleet.
    """
    seen = read_units(first, end, tables, net)
    for index in range(first, end):
        watch = net.watch[net.lists[index]["touched"]]
        start = watch["wires_start"]
        for wire in range(start, start + watch["wires_count"]):
            before = net.wires[wire]["previous"]
            after = net.wires[wire]["next"]
            if after > 0:
                seen += net.wires[after - 1]["unit"]
            if before > 0:
                seen += net.wires[before - 1]["unit"]
            elif before < 0:
                seen += net.heads[-before - 1]
    return seen


@njit
def has_room_for(unit: int, tables: Tables, net: Net, work: Work) -> bool:
    """Whether a unit can be placed without growing the store or the room for one unit."""
    row = tables.units[unit]
    if row["positions_count"] > work.legs.shape[0] or row["balances_count"] > work.pools.shape[0]:
        return False
    return has_room(net, 2 * work.plan.shape[0])


@njit
def settle_touched(tables: Tables, net: Net, work: Work) -> bool:
    """Settle the units on the list; False if something has to grow first."""
    status = net.status[0]
    ahead = status["settled"]
    while status["settled"] < status["touched"]:
        unit = int(net.lists[status["settled"]]["touched"])
        if not has_room_for(unit, tables, net, work):
            return False
        if status["settled"] == ahead:
            ahead = min(ahead + AHEAD, status["touched"])
            status["ahead"] += read_ahead(status["settled"], ahead, tables, net)
        settle(unit, tables, net, work)
        state = net.watch[unit]["state"]
        if state in (SUSPECT, UNWATCHABLE):
            net.lists[status["decisions"]]["decision"] = unit
            status["decisions"] += 1
        status["settled"] += 1
    return True


@njit
def begin(net: Net) -> None:
    """Begin a list of units to look at."""
    status = net.status[0]
    status["touched"] = 0
    status["settled"] = 0
    status["decisions"] = 0
    if status["stamp"] == np.iinfo(np.int32).max:
        status["stamp"] = 0
        for unit in range(net.watch.shape[0]):
            net.watch[unit]["stamp"] = 0
    status["stamp"] += 1


@njit
def are_known(units: Int32s, net: Net) -> bool:
    """Whether the index has a row for every unit."""
    known = True
    for index in range(units.shape[0]):
        known = known and 0 <= units[index] < net.watch.shape[0]
    return known


@njit
def replace(units: Int32s, tables: Tables, net: Net, work: Work) -> int:
    """Look again at units whose book has changed, each once; return what is missing.

    Wires that stand on no plan are dropped first: what the unit reads may have changed.
    """
    if not are_known(units, net):
        return STRANGE
    begin(net)
    for index in range(units.shape[0]):
        unit = int(units[index])
        touch(unit, net)
        if net.watch[unit]["state"] in (HOT, UNWATCHABLE):
            enter(unit, EMPTY, net)
    return DONE if settle_touched(tables, net, work) else NO_ROOM
