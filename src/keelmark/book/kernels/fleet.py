"""Movements of every unit at one instant: funding, interest, settlement.

Two passes. The first computes what each balance row will move by and refuses before anything is
written; the second applies. Every unit's share is rounded against it, so what is left of the sums
is not negative and goes to the residue.
"""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import Int32s, Record, Rows
from keelmark.book.kernels.faults import (
    BALANCE_LIMIT,
    CASH_LIMIT,
    MISSING_BALANCE,
    OK,
    VALUE_LIMIT,
)
from keelmark.book.kernels.jit import inlined, njit
from keelmark.book.kernels.muldiv import OVERFLOW, mul_div_kernel, product_kernel
from keelmark.book.kernels.postings import exceeds
from keelmark.book.kernels.rows import ABSENT, find_balance, remove_position
from keelmark.book.kernels.values import value_kernel
from keelmark.book.kernels.wide import add_wide
from keelmark.book.records import AMOUNT_LIMIT

Int64s = npt.NDArray[np.int64]

RATE_SCALE = 10**12
"""Rates are whole numbers over this."""

IN_HOUSE = 2  # UnitKind.IN_HOUSE
FLOOR = 0  # Rounding.FLOOR
CEILING = 1  # Rounding.CEILING


@njit
def funding_payment(lots: int, ticks: int, unit_value: int, inverse: int, rate: int) -> int:
    """Return what a position pays at `rate`, rounded up (a receipt is negative), or `OVERFLOW`.

    Longs pay `notional * rate`, shorts receive it. The notional of an inverse position is rounded
    the same way first: against the holder.
    """
    signed_rate = rate if lots > 0 else -rate
    if inverse != 0:
        direction = CEILING if signed_rate > 0 else FLOOR
        notional = mul_div_kernel(abs(lots), unit_value, ticks, direction)
    else:
        notional = product_kernel(product_kernel(abs(lots), ticks), unit_value)
    return mul_div_kernel(notional, signed_rate, RATE_SCALE, CEILING)


@inlined
def collect(
    units: Rows,
    balances: Rows,
    deltas: Int64s,
    unit: int,
    asset: int,
    amount: int,
) -> int:
    """Add `amount` to what a balance will move by; return a fault."""
    if exceeds(amount, AMOUNT_LIMIT):
        return VALUE_LIMIT
    row = find_balance(units, balances, unit, asset)
    if row == ABSENT:
        return MISSING_BALANCE
    delta = deltas[row] + amount
    if exceeds(delta, AMOUNT_LIMIT):
        return CASH_LIMIT
    deltas[row] = delta
    return OK


@inlined
def collect_funding(
    units: Rows,
    balances: Rows,
    instruments: Rows,
    deltas: Int64s,
    totals: Int64s,
    unit: int,
    position: Record,
    ticks: int,
    rate: int,
) -> int:
    """Add the funding of one position to its unit's balance and to the totals; return a fault."""
    terms = instruments[position["instrument"]]
    paid = funding_payment(
        position["lots"], ticks, terms["unit_value"], int(terms["inverse"]), rate
    )
    if paid == OVERFLOW:
        return VALUE_LIMIT
    add_wide(totals, int(terms["settle"]), paid)
    return collect(units, balances, deltas, unit, int(terms["settle"]), -paid)


@njit
def funding_kernel(
    units: Rows,  # (n_units,) UNIT
    positions: Rows,  # (n_rows,) POSITION
    balances: Rows,  # (n_rows,) BALANCE
    instruments: Rows,  # (n_instruments,) INSTRUMENT
    ticks: Int64s,  # (n_instruments,) price of the notional, read where a rate is not zero
    rates: Int64s,  # (n_instruments,) over RATE_SCALE, what longs pay
    deltas: Int64s,  # (n_rows,) quanta each balance will move by, written
    totals: Int64s,  # (2 * n_assets,) two limbs: paid less received, written
    stopped: Int64s,  # (1,) unit of a fault, written
) -> int:
    """Compute a funding instant; return a fault. Definition: `tests/book/model.py`."""
    for unit in range(units.shape[0]):
        start = int(units[unit]["positions_start"])
        for row in range(start, start + int(units[unit]["positions_count"])):
            instrument = positions[row]["instrument"]
            if rates[instrument] != 0:
                fault = collect_funding(
                    units,
                    balances,
                    instruments,
                    deltas,
                    totals,
                    unit,
                    positions[row],
                    ticks[instrument],
                    rates[instrument],
                )
                if fault != OK:
                    stopped[0] = unit
                    return fault
    return OK


@njit
def interest_kernel(
    units: Rows,  # (n_units,) UNIT
    balances: Rows,  # (n_rows,) BALANCE
    rates: Int64s,  # (n_assets,) over RATE_SCALE, at least 0
    deltas: Int64s,  # (n_rows,) quanta each balance will move by, written
    owed: Int64s,  # (2 * n_assets,) two limbs: interest, each unit's rounded up, written
    debts: Int64s,  # (2 * n_assets,) two limbs: the debts it is taken on, written
    stopped: Int64s,  # (1,) unit of a fault, written
) -> int:
    """Compute interest on negative balances, in-house units excepted; return a fault."""
    for unit in range(units.shape[0]):
        if units[unit]["kind"] == IN_HOUSE:
            continue
        start = int(units[unit]["balances_start"])
        for row in range(start, start + int(units[unit]["balances_count"])):
            asset = int(balances[row]["asset"])
            debt = -balances[row]["quanta"]
            if debt > 0 and rates[asset] > 0:
                interest = mul_div_kernel(debt, rates[asset], RATE_SCALE, CEILING)
                if exceeds(interest, AMOUNT_LIMIT):
                    stopped[0] = unit
                    return CASH_LIMIT
                deltas[row] = -interest
                add_wide(owed, asset, interest)
                add_wide(debts, asset, debt)
    return OK


@njit
def settlement_kernel(
    units: Rows,  # (n_units,) UNIT
    positions: Rows,  # (n_rows,) POSITION
    balances: Rows,  # (n_rows,) BALANCE
    terms: Record,  # INSTRUMENT record of the instrument that is settled
    instrument: int,
    ticks: int,  # settlement price
    deltas: Int64s,  # (n_rows,) quanta each balance will move by, written
    totals: Int64s,  # (2,) two limbs: sum of the values paid out, written
    touched: Int32s,  # (n_units,) holders, written
    stopped: Int64s,  # (2,) unit of a fault, number of holders, written
) -> int:
    """Compute the settlement of every position of an instrument; return a fault.

    A value is rounded down: against the holder, long or short.
    """
    asset = int(terms["settle"])
    for unit in range(units.shape[0]):
        start = int(units[unit]["positions_start"])
        holds = False
        for row in range(start, start + int(units[unit]["positions_count"])):
            if positions[row]["instrument"] == instrument:
                holds = True
                lots = positions[row]["lots"]
                value = value_kernel(lots, ticks, terms["unit_value"], int(terms["inverse"]), FLOOR)
                fault = VALUE_LIMIT
                if not exceeds(value, AMOUNT_LIMIT):
                    realised = value - positions[row]["cost"]
                    fault = collect(units, balances, deltas, unit, asset, realised)
                if fault != OK:
                    stopped[0] = unit
                    return fault
                add_wide(totals, 0, value)
        if holds:
            touched[stopped[1]] = unit
            stopped[1] += 1
    return OK


@njit
def remove_kernel(
    units: Rows,  # (n_units,) UNIT, written
    positions: Rows,  # (n_rows,) POSITION, written
    touched: Int32s,  # (n,) units to visit
    instrument: int,
) -> None:
    """Remove every position of an instrument, both legs; the costs go with them."""
    for place in range(touched.shape[0]):
        unit = int(touched[place])
        start = int(units[unit]["positions_start"])
        for row in range(start + int(units[unit]["positions_count"]) - 1, start - 1, -1):
            if positions[row]["instrument"] == instrument:
                remove_position(units, positions, unit, row)


@njit
def check_kernel(
    units: Rows,  # (n_units,) UNIT
    balances: Rows,  # (n_rows,) BALANCE
    deltas: Int64s,  # (n_rows,)
    stopped: Int64s,  # (1,) unit of a fault, written
) -> int:
    """Return `BALANCE_LIMIT` where a balance would leave its bounds, else `OK`."""
    for unit in range(units.shape[0]):
        start = int(units[unit]["balances_start"])
        for row in range(start, start + int(units[unit]["balances_count"])):
            if exceeds(balances[row]["quanta"] + deltas[row], AMOUNT_LIMIT):
                stopped[0] = unit
                return BALANCE_LIMIT
    return OK


@njit
def apply_kernel(
    units: Rows,  # (n_units,) UNIT
    balances: Rows,  # (n_rows,) BALANCE, written
    deltas: Int64s,  # (n_rows,)
    cash: Rows,  # (n_changed,) CASH, in unit order, written
) -> None:
    """Move every balance by its delta and record the moves."""
    moved = 0
    for unit in range(units.shape[0]):
        start = int(units[unit]["balances_start"])
        for row in range(start, start + int(units[unit]["balances_count"])):
            if deltas[row] != 0:
                balances[row]["quanta"] += deltas[row]
                cash[moved]["delta"] = deltas[row]
                cash[moved]["unit"] = unit
                cash[moved]["asset"] = balances[row]["asset"]
                moved += 1
