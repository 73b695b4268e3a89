"""Postings to every unit at one instant: funding, interest, settlement of a dated future.

All or nothing, like every batch. Each unit's share is rounded against it; the remainder goes to the
residue unit, in the same posting.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.book import RESIDUE, Book
from keelmark.book.kernels.faults import BAD_TICKS, OK
from keelmark.book.kernels.fleet import (
    RATE_SCALE,
    apply_kernel,
    check_kernel,
    funding_kernel,
    interest_kernel,
    remove_kernel,
    settlement_kernel,
)
from keelmark.book.kernels.rows import find_balance
from keelmark.book.kernels.wide import wide_value
from keelmark.book.postings import Transfer, post, posting_rows
from keelmark.book.records import AMOUNT_LIMIT, CASH, OUTSIDE, SIZE_LIMIT
from keelmark.book.refusals import refused
from keelmark.core.errors import InvalidInput, OutOfScale

Rows = npt.NDArray[np.void]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class FleetChanges:
    """What a fleet posting touched.

    Attributes:
        units: Units whose positions changed, ascending.
        cash: `CASH` records: every balance that moved, once, in unit order.
    """

    units: Int32s
    cash: Rows


def post_funding(book: Book, ticks: Int64s, rates: Int64s) -> FleetChanges:
    """Post one funding instant: longs pay `notional * rate`, shorts receive it.

    Args:
        book: The book.
        ticks: `(n_instruments,)` price of the notional (mark or oracle, as the venue says); read
            where the rate is not zero.
        rates: `(n_instruments,)` whole numbers over `RATE_SCALE` (10**12); 0 where none is due.

    Raises:
        OutOfScale: A price or a payment does not fit; nothing is posted.
    """
    check_ticks(book, ticks, rates != 0)
    assets = np.unique(book.parameters.settle[rates != 0]).tolist()
    ensure_balances(book, RESIDUE, assets)
    deltas, totals, stopped = scratch(book)
    fault = funding_kernel(
        book.units,
        book.positions.rows,
        book.balances.rows,
        book.parameters.instruments,
        ticks,
        rates,
        deltas,
        totals,
        stopped,
    )
    refuse(book, fault, stopped, "funding")
    for asset in assets:
        credit(book, deltas, RESIDUE, asset, wide_value(totals, asset))
    return FleetChanges(np.empty(0, dtype=np.int32), apply(book, deltas, "funding"))


def post_interest(book: Book, rates: Int64s, receiver: int) -> FleetChanges:
    """Post interest on the negative balances of every unit that is not in-house.

    Args:
        book: The book.
        rates: `(n_assets,)` whole numbers over `RATE_SCALE`, for the whole period; not negative.
        receiver: Unit that lends: it gets the interest on the sum of the debts, rounded down.

    Raises:
        InvalidInput: A rate is negative.
        OutOfScale: An amount does not fit; nothing is posted.
    """
    if (rates < 0).any():
        msg = f"interest rates {rates.tolist()}; a rate on debts is not negative"
        raise InvalidInput(msg)
    assets = np.flatnonzero(rates).tolist()
    ensure_balances(book, RESIDUE, assets)
    ensure_balances(book, receiver, assets)
    deltas, owed, stopped = scratch(book)
    debts = np.zeros_like(owed)
    fault = interest_kernel(book.units, book.balances.rows, rates, deltas, owed, debts, stopped)
    refuse(book, fault, stopped, "interest")
    for asset in assets:
        lent = wide_value(debts, asset) * int(rates[asset]) // RATE_SCALE
        credit(book, deltas, receiver, asset, lent)
        credit(book, deltas, RESIDUE, asset, wide_value(owed, asset) - lent)
    return FleetChanges(np.empty(0, dtype=np.int32), apply(book, deltas, "interest"))


def post_settlement(book: Book, instrument: int, ticks: int) -> FleetChanges:
    """Settle an instrument: every position is paid its value at `ticks` and removed.

    Raises:
        OutOfScale: The price or a value does not fit; nothing is posted.
    """
    name = f"settlement of {book.parameters.instrument_names[instrument]}"
    if not 1 <= ticks <= SIZE_LIMIT:
        raise refused(BAD_TICKS, f"{name} at {ticks} ticks")
    terms = book.parameters.instruments[instrument]
    asset = int(terms["settle"])
    ensure_balances(book, RESIDUE, [asset])
    deltas, totals, stopped = scratch(book)
    touched = np.empty(book.units_count, dtype=np.int32)
    fault = settlement_kernel(
        book.units,
        book.positions.rows,
        book.balances.rows,
        terms,
        instrument,
        ticks,
        deltas,
        totals,
        touched,
        stopped,
    )
    refuse(book, fault, stopped, name)
    credit(book, deltas, RESIDUE, asset, -wide_value(totals))
    holders = touched[: stopped[1]].copy()
    cash = apply(book, deltas, name)
    remove_kernel(book.units, book.positions.rows, holders, instrument)
    return FleetChanges(holders, cash)


def scratch(book: Book) -> tuple[Int64s, Int64s, Int64s]:
    """Return zeroed deltas per balance row, two-limb totals per asset, and the kernel's place."""
    deltas = np.zeros(book.balances.used, dtype=np.int64)
    totals = np.zeros(2 * len(book.parameters.assets), dtype=np.int64)
    return deltas, totals, np.zeros(2, dtype=np.int64)


def check_ticks(book: Book, ticks: Int64s, due: npt.NDArray[np.bool_]) -> None:
    """Refuse a price out of range where one is needed."""
    bad = np.flatnonzero(due & ((ticks < 1) | (ticks > SIZE_LIMIT)))
    if len(bad):
        name = book.parameters.instrument_names[int(bad[0])]
        raise refused(BAD_TICKS, f"funding of {name} at {int(ticks[bad[0]])} ticks")


def ensure_balances(book: Book, unit: int, assets: Iterable[int]) -> None:
    """Give a unit a balance row of each asset; an empty row is not a change of state."""
    moves = [
        Transfer(unit=OUTSIDE, counterparty=unit, asset=asset, quanta=0)
        for asset in assets
        if find_balance(book.units, book.balances.rows, book.known(unit), asset) < 0
    ]
    if moves:
        post(book, posting_rows(moves))


def credit(book: Book, deltas: Int64s, unit: int, asset: int, amount: int) -> None:
    """Add `amount` to what a unit's balance will move by."""
    row = find_balance(book.units, book.balances.rows, unit, asset)
    total = int(deltas[row]) + amount
    if abs(total) > AMOUNT_LIMIT:
        msg = (
            f"{book.unit_name(unit)} would receive {total} quanta of "
            f"{book.parameters.asset_names[asset]}; at most {AMOUNT_LIMIT} fit: use a coarser "
            "quantum; nothing is posted"
        )
        raise OutOfScale(msg)
    deltas[row] = total


def refuse(book: Book, fault: int, stopped: Int64s, movement: str) -> None:
    """Raise the error of a fault; nothing has been written."""
    if fault != OK:
        raise refused(fault, f"{movement} of {book.unit_name(int(stopped[0]))}")


def apply(book: Book, deltas: Int64s, movement: str) -> Rows:
    """Check every balance, then move them; return the moves."""
    stopped = np.zeros(1, dtype=np.int64)
    fault = check_kernel(book.units, book.balances.rows, deltas, stopped)
    refuse(book, fault, stopped, movement)
    cash = np.empty(np.count_nonzero(deltas), dtype=CASH)
    apply_kernel(book.units, book.balances.rows, deltas, cash)
    return cash
