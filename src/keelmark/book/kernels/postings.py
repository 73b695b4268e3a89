"""Apply one atomic batch of fills and transfers to the columns.

A fill at value `v` (signed settle quanta of the lots the unit gains) changes `balance - cost` of
the unit by `-v` and of the counterparty by `+v`, whatever is rounded: opening adds `v` to the cost;
closing releases a share of the cost and pays `-v - released` to the balance. The share is rounded
up, so that a realised profit is never early and a realised loss never late (INV-12); what rounding
moves between realised and unrealised is less than one quantum a fill.
"""

from keelmark.book.kernels.blocks import NO_ROOM, Int32s, Record, Rows
from keelmark.book.kernels.faults import (
    BALANCE_LIMIT,
    BALANCE_ROOM,
    BLOCK_FULL,
    CASH_LIMIT,
    CLOSED_UNIT,
    COST_LIMIT,
    LEG_CROSSED,
    LOTS_LIMIT,
    NO_LOTS,
    NOT_REDUCING,
    OK,
    POSITION_ROOM,
    UNKNOWN_ASSET,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_UNIT,
    VALUE_LIMIT,
)
from keelmark.book.kernels.jit import inlined, njit
from keelmark.book.kernels.muldiv import mul_div_kernel
from keelmark.book.kernels.rows import (
    ABSENT,
    add_balance,
    add_position,
    find_balance,
    find_position,
    remove_position,
)
from keelmark.book.kernels.undo import (
    ADDED_BALANCE,
    ADDED_POSITION,
    LENGTH,
    OUTSIDE_ROWS,
    REMOVED_POSITION,
    SET_BALANCE,
    SET_POSITION,
    STOPPED,
    Int64s,
    log_balance,
    log_position,
    roll_back_kernel,
)
from keelmark.book.records import (
    AMOUNT_LIMIT,
    FILL,
    OUTSIDE,
    REDUCING_COUNTERPARTY,
    REDUCING_UNIT,
    SIZE_LIMIT,
)

CLOSED = 1  # UnitStatus.CLOSED
CEILING = 1  # Rounding.CEILING


@inlined
def exceeds(amount: int, limit: int) -> bool:
    """Whether `|amount| > limit`; also true for the wrapped sum of two amounts at the limit."""
    return amount > limit or amount < -limit


@inlined
def change_balance(
    units: Rows,
    balances: Rows,
    heads: Int32s,
    undo: Rows,
    state: Int64s,
    unit: int,
    asset: int,
    delta: int,
) -> int:
    """Add `delta` to a balance, adding its row where there is none; return a fault."""
    if exceeds(delta, AMOUNT_LIMIT):
        return CASH_LIMIT
    row = find_balance(units, balances, unit, asset)
    if row == ABSENT:
        row = add_balance(units, balances, heads, unit)
        if row < 0:
            return BALANCE_ROOM if row == NO_ROOM else BLOCK_FULL
        log_balance(undo, state, ADDED_BALANCE, unit, 0, 0)
        balances[row]["quanta"] = delta
        balances[row]["asset"] = asset
        return OK
    quanta = balances[row]["quanta"] + delta
    if exceeds(quanta, AMOUNT_LIMIT):
        return BALANCE_LIMIT
    if delta != 0:
        slot = row - int(units[unit]["balances_start"])
        log_balance(undo, state, SET_BALANCE, unit, slot, balances[row]["quanta"])
        balances[row]["quanta"] = quanta
    return OK


@njit
def open_position(
    units: Rows,
    positions: Rows,
    heads: Int32s,
    undo: Rows,
    state: Int64s,
    unit: int,
    instrument: int,
    leg: int,
    lots: int,
    value: int,
    leverage: int,
) -> int:
    """Add the row of a new position; return a fault."""
    if leg * lots < 0:
        return LEG_CROSSED
    if exceeds(lots, SIZE_LIMIT):
        return LOTS_LIMIT
    row = add_position(units, positions, heads, unit)
    if row < 0:
        return POSITION_ROOM if row == NO_ROOM else BLOCK_FULL
    positions[row]["lots"] = lots
    positions[row]["cost"] = value
    positions[row]["instrument"] = instrument
    positions[row]["leverage"] = leverage
    positions[row]["leg"] = leg
    log_position(undo, state, ADDED_POSITION, unit, 0, positions[row])
    return OK


@inlined
def changed_position(  # noqa: PLR0911 one line a case
    held: int,
    cost: int,
    leg: int,
    lots: int,
    value: int,
    reducing: int,
) -> tuple[int, int, int, int]:
    """Return fault, lots and cost after a fill of a held position, and the cash it realises."""
    if (held > 0) == (lots > 0):  # more of the same
        if reducing != 0:
            return NOT_REDUCING, 0, 0, 0
        if exceeds(held + lots, SIZE_LIMIT):
            return LOTS_LIMIT, 0, 0, 0
        if exceeds(cost + value, AMOUNT_LIMIT):
            return COST_LIMIT, 0, 0, 0
        return OK, held + lots, cost + value, 0
    if abs(lots) > abs(held):  # close all, then open the rest
        if reducing != 0:
            return NOT_REDUCING, 0, 0, 0
        if leg != 0:
            return LEG_CROSSED, 0, 0, 0
        if exceeds(held + lots, SIZE_LIMIT):
            return LOTS_LIMIT, 0, 0, 0
        closing = mul_div_kernel(value, abs(held), abs(lots), CEILING)
        return OK, held + lots, value - closing, -closing - cost
    released = cost
    if abs(lots) < abs(held):
        released = mul_div_kernel(cost, abs(lots), abs(held), CEILING)
    return OK, held + lots, cost - released, -value - released


@inlined
def change_position(
    units: Rows,
    positions: Rows,
    heads: Int32s,
    undo: Rows,
    state: Int64s,
    unit: int,
    instrument: int,
    leg: int,
    lots: int,
    value: int,
    leverage: int,
    reducing: int,
) -> tuple[int, int]:
    """Fill `lots` at `value` into a unit's position; return a fault and the cash realised."""
    row = find_position(units, positions, unit, instrument, leg)
    if row == ABSENT:
        if reducing != 0:
            return NOT_REDUCING, 0
        opened = open_position(
            units, positions, heads, undo, state, unit, instrument, leg, lots, value, leverage
        )
        return opened, 0
    held, cost = positions[row]["lots"], positions[row]["cost"]
    fault, after, cost, realised = changed_position(held, cost, leg, lots, value, reducing)
    if fault != OK:
        return fault, 0
    slot = row - int(units[unit]["positions_start"])
    if after == 0:
        log_position(undo, state, REMOVED_POSITION, unit, slot, positions[row])
        remove_position(units, positions, unit, row)
        return OK, realised
    log_position(undo, state, SET_POSITION, unit, slot, positions[row])
    if leverage != 0:
        positions[row]["leverage"] = leverage
    positions[row]["lots"] = after
    positions[row]["cost"] = cost
    return OK, realised


@inlined
def fill_side(
    units: Rows,
    positions: Rows,
    position_heads: Int32s,
    balances: Rows,
    balance_heads: Int32s,
    undo: Rows,
    state: Int64s,
    unit: int,
    instrument: int,
    settle: int,
    leg: int,
    lots: int,
    value: int,
    fee: int,
    leverage: int,
    reducing: int,
) -> int:
    """Post one side of a fill: position, realised cash and fee; return a fault."""
    fault, realised = change_position(
        units,
        positions,
        position_heads,
        undo,
        state,
        unit,
        instrument,
        leg,
        lots,
        value,
        leverage,
        reducing,
    )
    if fault != OK:
        return fault
    if exceeds(realised, AMOUNT_LIMIT):
        return CASH_LIMIT
    return change_balance(units, balances, balance_heads, undo, state, unit, settle, realised - fee)


@inlined
def unit_fault(units: Rows, unit: int) -> int:
    """Return why nothing may be posted to `unit`, or `OK`."""
    if unit < 0 or unit >= units.shape[0]:
        return UNKNOWN_UNIT
    return CLOSED_UNIT if units[unit]["status"] == CLOSED else OK


@inlined
def fill_fault(units: Rows, settle: Int32s, posting: Record) -> int:
    """Return why a fill is refused before the book is read, or `OK`."""
    fault = unit_fault(units, posting["unit"])
    if fault == OK:
        fault = unit_fault(units, posting["counterparty"])
    if fault != OK:
        return fault
    if posting["subject"] < 0 or posting["subject"] >= settle.shape[0]:
        return UNKNOWN_INSTRUMENT
    if posting["lots"] == 0:
        return NO_LOTS
    if exceeds(posting["lots"], 2 * SIZE_LIMIT):
        return LOTS_LIMIT
    if exceeds(posting["value"], AMOUNT_LIMIT):
        return VALUE_LIMIT
    fees_fit = not exceeds(posting["fee"], AMOUNT_LIMIT)
    fees_fit = fees_fit and not exceeds(posting["counterparty_fee"], AMOUNT_LIMIT)
    return OK if fees_fit else CASH_LIMIT


@inlined
def post_fill(
    posting: Record,
    fees_unit: int,
    settle: Int32s,
    units: Rows,
    positions: Rows,
    position_heads: Int32s,
    balances: Rows,
    balance_heads: Int32s,
    undo: Rows,
    state: Int64s,
) -> int:
    """Post both sides of a fill and its fees; return a fault."""
    fault = fill_fault(units, settle, posting)
    if fault != OK:
        return fault
    instrument = int(posting["subject"])
    asset = int(settle[instrument])
    for side in range(2):
        sign = 1 - 2 * side
        fault = fill_side(
            units,
            positions,
            position_heads,
            balances,
            balance_heads,
            undo,
            state,
            int(posting["counterparty"] if side else posting["unit"]),
            instrument,
            asset,
            int(posting["counterparty_leg"] if side else posting["leg"]),
            sign * posting["lots"],
            sign * posting["value"],
            posting["counterparty_fee"] if side else posting["fee"],
            int(posting["counterparty_leverage"] if side else posting["leverage"]),
            posting["reducing"] & (REDUCING_COUNTERPARTY if side else REDUCING_UNIT),
        )
        if fault != OK:
            return fault
    fees = posting["fee"] + posting["counterparty_fee"]
    if fees == 0:
        return OK
    return change_balance(units, balances, balance_heads, undo, state, fees_unit, asset, fees)


@inlined
def post_transfer(
    posting: Record,
    assets: int,
    units: Rows,
    balances: Rows,
    heads: Int32s,
    undo: Rows,
    state: Int64s,
) -> int:
    """Move cash from `unit` to `counterparty`, either of them possibly outside; return a fault."""
    asset = int(posting["subject"])
    if asset < 0 or asset >= assets:
        return UNKNOWN_ASSET
    if exceeds(posting["value"], AMOUNT_LIMIT):
        return CASH_LIMIT
    for side in range(2):
        unit = int(posting["counterparty"] if side else posting["unit"])
        if unit != OUTSIDE:
            fault = unit_fault(units, unit)
            if fault == OK:
                delta = posting["value"] if side else -posting["value"]
                fault = change_balance(units, balances, heads, undo, state, unit, asset, delta)
            if fault != OK:
                return fault
    if posting["unit"] == OUTSIDE or posting["counterparty"] == OUTSIDE:
        state[OUTSIDE_ROWS] += 1
    return OK


@njit
def post_kernel(
    postings: Rows,  # (n,) POSTING
    begin: int,  # first row to post
    end: int,  # first row after the last to post
    fees_unit: int,
    settle: Int32s,  # (n_instruments,) asset
    assets: int,  # number of assets
    units: Rows,  # (n_units,) UNIT
    positions: Rows,  # (n_rows,) POSITION
    position_heads: Int32s,
    balances: Rows,  # (n_rows,) BALANCE
    balance_heads: Int32s,
    undo: Rows,  # (ENTRIES_PER_ROW * n,) UNDO, written
    state: Int64s,  # (STATE_SIZE,), written
) -> int:
    """Post rows in order; return a fault, with the row in `state[STOPPED]` and not applied.

    Earlier rows stay applied and logged: after growing a table the caller goes on from the row, on
    any other fault it rolls the log back. Definition: `tests/book/model.py`.
    """
    for index in range(begin, end):
        length = state[LENGTH]
        if postings[index]["kind"] == FILL:
            fault = post_fill(
                postings[index],
                fees_unit,
                settle,
                units,
                positions,
                position_heads,
                balances,
                balance_heads,
                undo,
                state,
            )
        else:
            fault = post_transfer(
                postings[index], assets, units, balances, balance_heads, undo, state
            )
        if fault != OK:
            roll_back_kernel(units, positions, balances, undo, state, length)
            state[STOPPED] = index
            return fault
    return OK
