"""Cash that moves without a command to the unit: funding, fees, interest, paid out of the reserve.

The reserve is a lower bound of the excess inside the box. A debit lowers the total of its asset by
at most the steepest collateral line times the amount, and so the excess by at most that times the
highest price that can meet it: the low end of the box while the least total stays at or above zero,
the high end where there is one. A credit raises it by at least the flattest line at the low end.
"""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import RELATIVE_ERROR, Tables, at_level
from keelmark.book.tripwires.ladders import touch
from keelmark.book.tripwires.net import Int32s, Net, Work
from keelmark.book.tripwires.settle import (
    DONE,
    NO_ROOM,
    STRANGE,
    are_known,
    begin,
    enter,
    settle_touched,
)
from keelmark.core.codes import WatchState

EMPTY = int(WatchState.EMPTY)
WIRED = int(WatchState.WIRED)
UNWATCHABLE = int(WatchState.UNWATCHABLE)
HOT = int(WatchState.HOT)


@njit
def balance_row(unit: int, asset: int, tables: Tables) -> int:
    """Return the row of an asset in a unit, -1 where there is none."""
    row = tables.units[unit]
    first = row["balances_start"]
    for at in range(first, first + row["balances_count"]):
        if tables.balances[at]["asset"] == asset:
            return int(at)
    return -1


@njit
def ends_of(unit: int, factor: int, net: Net) -> tuple[float, float]:
    """Return the interval in which the wires of a unit hold a factor."""
    low = 0.0
    high = np.inf
    row = net.watch[unit]
    for wire in range(row["wires_start"], row["wires_start"] + row["wires_count"]):
        if net.wires[wire]["ladder"] == 2 * factor:
            low = max(low, net.wires[wire]["trip"])
        elif net.wires[wire]["ladder"] == 2 * factor + 1:
            high = min(high, net.wires[wire]["trip"])
    return low, high


@njit
def line_range(asset: int, level: float, tables: Tables) -> tuple[float, float]:
    """Return the smallest and the largest slope of the collateral lines."""
    terms = tables.assets[asset]
    flattest = np.inf
    steepest = 1.0
    for at in range(terms["segment_start"], terms["segment_start"] + terms["segment_count"]):
        slope = at_level(tables.segments[at]["slope"], level)
        flattest = min(flattest, slope)
        steepest = max(steepest, slope)
    return flattest, steepest


@njit
def spend(unit: int, row: int, amount: float, tables: Tables, net: Net) -> bool:
    """Take a posted amount (positive: received) into the reserve of a wired unit.

    Returns:
        Whether the certificate still stands.
    """
    asset = tables.balances[row]["asset"]
    terms = tables.assets[asset]
    flattest, steepest = line_range(asset, net.watch[unit]["level"], tables)
    flattest -= RELATIVE_ERROR * steepest  # larger amounts, larger errors
    steepest += RELATIVE_ERROR * steepest
    low = 1.0
    high = 1.0
    if net.lists[unit]["pools"] > 1 and terms["price_factor"] >= 0:
        low, high = ends_of(unit, int(terms["price_factor"]), net)
    if amount >= 0.0:
        net.worst[row] += flattest * amount
        net.watch[unit]["reserve"] += terms["value_scale"] * low * flattest * amount
        return True
    if terms["borrow_rate"] > 0.0 and tables.balances[row]["quanta"] < 0:
        _, deadline = ends_of(unit, tables.prices.shape[0] - 1, net)
        steepest *= 1.0 + terms["borrow_rate"] * deadline
        amount -= 1.0  # interest is known to a quantum
    net.worst[row] += steepest * amount
    price = low if net.worst[row] >= 0.0 else high
    net.watch[unit]["reserve"] += terms["value_scale"] * price * steepest * amount
    return bool(net.watch[unit]["reserve"] >= 0.0)


@njit
def post(
    units: Int32s,  # (n,)
    assets: Int32s,  # (n,)
    amounts: npt.NDArray[np.int64],  # (n,) quanta, positive received
    tables: Tables,
    net: Net,
    work: Work,
) -> int:
    """Take amounts the book has posted into the reserves; look at the units that need it.

    Returns:
        What is missing, as `settle.replace`.
    """
    if not are_known(units, net):
        return STRANGE
    begin(net)
    status = net.status[0]
    for index in range(units.shape[0]):
        unit = int(units[index])
        watch = net.watch[unit]
        if watch["stamp"] == status["stamp"]:
            continue
        amount = float(amounts[index])
        if watch["state"] == EMPTY and amount >= 0.0:
            continue
        if watch["state"] == WIRED:
            row = balance_row(unit, assets[index], tables)
            known = net.lists[unit]["pools"] == tables.units[unit]["balances_count"]
            if row >= 0 and known and spend(unit, row, amount, tables, net):
                status["spent"] += 1
                continue
        if watch["state"] in (HOT, UNWATCHABLE):  # what it reads may have changed: it may owe now
            enter(unit, EMPTY, net)
        status["exhausted"] += 1
        touch(unit, net)
    return DONE if settle_touched(tables, net, work) else NO_ROOM
