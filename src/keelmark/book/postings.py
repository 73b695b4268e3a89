"""Postings between units: one function a movement, every one a batch through the same kernel.

A batch is atomic: one bad row and nothing of it is posted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.book import FEES, Book
from keelmark.book.kernels.faults import BALANCE_ROOM, OK, POSITION_ROOM
from keelmark.book.kernels.muldiv import OVERFLOW
from keelmark.book.kernels.postings import post_kernel
from keelmark.book.kernels.undo import (
    ENTRIES_PER_ROW,
    OUTSIDE_ROWS,
    STATE_SIZE,
    STOPPED,
    roll_back_kernel,
)
from keelmark.book.kernels.values import value_kernel, values_kernel
from keelmark.book.kernels.wide import wide_sum
from keelmark.book.records import (
    CASH,
    FILL,
    OUTSIDE,
    POSTING,
    REDUCING_COUNTERPARTY,
    TRANSFER,
    UNDO,
)
from keelmark.book.refusals import posting_text, refused
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput, OutOfScale
from keelmark.core.numbers import Rounding

Rows = npt.NDArray[np.void]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What a posted batch touched, for whoever watches units.

    Attributes:
        postings: The batch.
    """

    postings: Rows

    @property
    def units(self) -> Int32s:
        """Units whose positions were filled, then the fees unit if paid; repeats included."""
        fills = self.postings[self.postings["kind"] == FILL]
        fees = [FEES] if fills["fee"].any() or fills["counterparty_fee"].any() else []
        return np.concatenate(
            (fills["unit"], fills["counterparty"], np.array(fees, dtype=np.int32)),
        )

    @property
    def cash(self) -> Rows:
        """`CASH` records: the balances that transfers moved; repeats included."""
        moves = self.postings[self.postings["kind"] == TRANSFER]
        cash = np.zeros(2 * len(moves), dtype=CASH)
        cash["unit"] = np.concatenate((moves["unit"], moves["counterparty"]))
        cash["asset"] = np.tile(moves["subject"], 2)
        cash["delta"] = np.concatenate((-moves["value"], moves["value"]))
        inside: Rows = cash[cash["unit"] != OUTSIDE]
        return inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Lots that change hands between two units at a value.

    Attributes:
        unit: Unit whose position changes by `lots`.
        counterparty: Unit whose position changes by `-lots`.
        instrument: Instrument index.
        lots: Signed; positive where `unit` buys.
        value: Signed settle quanta of `lots` at the price: `fill_value`.
        fee: Settle quanta `unit` pays to the fees unit; a rebate is negative.
        counterparty_fee: The same of `counterparty`.
        leg: Leg of `unit`.
        counterparty_leg: Leg of `counterparty`.
        leverage: Hundredths, stored as that of the position of `unit`; 0 leaves it.
        counterparty_leverage: The same of the counterparty.
        reducing: Bits of `records.REDUCING_UNIT` and `records.REDUCING_COUNTERPARTY`.
    """

    unit: int
    counterparty: int
    instrument: int
    lots: int
    value: int
    fee: int = 0
    counterparty_fee: int = 0
    leg: Leg = Leg.NET
    counterparty_leg: Leg = Leg.NET
    leverage: int = 0
    counterparty_leverage: int = 0
    reducing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Quanta of one asset that leave `unit` for `counterparty`; either may be `OUTSIDE`."""

    unit: int
    counterparty: int
    asset: int
    quanta: int


def posting_rows(movements: Iterable[Fill | Transfer]) -> Rows:
    """Return the records of a batch.

    Raises:
        OutOfScale: A number does not fit its column at all.
    """
    rows = [fill_row(one) if isinstance(one, Fill) else transfer_row(one) for one in movements]
    try:
        return np.array(rows, dtype=POSTING)
    except OverflowError as error:
        msg = f"a batch of {len(rows)} movements: {error}; amounts are whole numbers of 63 bits"
        raise OutOfScale(msg) from error


def fill_row(fill: Fill) -> tuple[int, ...]:
    """Return a fill in the column order of `POSTING`."""
    return (
        fill.lots,
        fill.value,
        fill.fee,
        fill.counterparty_fee,
        fill.unit,
        fill.counterparty,
        fill.instrument,
        fill.leverage,
        fill.counterparty_leverage,
        fill.leg,
        fill.counterparty_leg,
        FILL,
        fill.reducing,
        0,
    )


def transfer_row(transfer: Transfer) -> tuple[int, ...]:
    """Return a transfer in the column order of `POSTING`."""
    head = (0, transfer.quanta, 0, 0, transfer.unit, transfer.counterparty, transfer.asset)
    return (*head, 0, 0, 0, 0, TRANSFER, 0, 0)


def post(book: Book, postings: Rows) -> Changes:
    """Post a batch of `POSTING` records, in order, all or nothing.

    Raises:
        OutOfScale: A result does not fit its column; the message names the row.
        InvalidInput: A row names an unknown or closed unit, or does what it says it does not.
    """
    undo = np.empty(ENTRIES_PER_ROW * len(postings), dtype=UNDO)
    state = np.zeros(STATE_SIZE, dtype=np.int64)
    fault = run(book, postings, undo, state)
    while fault in (POSITION_ROOM, BALANCE_ROOM):
        table = book.positions if fault == POSITION_ROOM else book.balances
        table.reserve(len(table.rows) + 1 - table.used)
        fault = run(book, postings, undo, state)
    if fault != OK:
        where = posting_text(book, postings, int(state[STOPPED]))
        roll_back_kernel(book.units, book.positions.rows, book.balances.rows, undo, state, 0)
        raise refused(fault, where)
    if state[OUTSIDE_ROWS] > 0:
        move_vault(book, postings)
    return Changes(postings)


def run(book: Book, postings: Rows, undo: Rows, state: Int64s) -> int:
    """Run the kernel from the row it stopped at."""
    return post_kernel(
        postings,
        int(state[STOPPED]),
        len(postings),
        FEES,
        book.parameters.settle,
        len(book.parameters.assets),
        book.units,
        book.positions.rows,
        book.positions.heads,
        book.balances.rows,
        book.balances.heads,
        undo,
        state,
    )


def move_vault(book: Book, postings: Rows) -> None:
    """Add what came from outside to the vault and take what went there."""
    if len(postings) == 1:
        sign = 1 if postings[0]["unit"] == OUTSIDE else -1
        book.vault[int(postings[0]["subject"])] += sign * int(postings[0]["value"])
        return
    for side, sign in (("unit", 1), ("counterparty", -1)):
        moved = postings[postings[side] == OUTSIDE]
        for asset in np.unique(moved["subject"]):
            values = moved["value"][moved["subject"] == asset]
            book.vault[int(asset)] += sign * wide_sum(values)


def fill_value(
    book: Book,
    instrument: int,
    lots: int,
    ticks: int,
    rounding: Rounding = Rounding.CEILING,
) -> int:
    """Return the signed settle quanta of `lots` at `ticks`.

    Exact for linear instruments. An inverse value is rounded once, by default up: against the unit
    that gains the lots. Post the same integer to both sides.

    Raises:
        OutOfScale: The value does not fit 63 bits.
    """
    record = book.parameters.instruments[instrument]
    unit_value, inverse = int(record["unit_value"]), int(record["inverse"])
    value = value_kernel(lots, ticks, unit_value, inverse, int(rounding))
    if value == OVERFLOW:
        raise value_refused(book, instrument, lots, ticks)
    return value


def fill_values(
    book: Book,
    instruments: Int32s,
    lots: Int64s,
    ticks: Int64s,
    rounding: Rounding = Rounding.CEILING,
) -> Int64s:
    """Return `fill_value` of every row."""
    table = book.parameters.instruments
    unit_value, inverse = table["unit_value"][instruments], table["inverse"][instruments]
    values = np.empty(len(lots), dtype=np.int64)
    values_kernel(lots, ticks, unit_value, inverse, int(rounding), values)
    for row in np.flatnonzero(values == OVERFLOW)[:1]:
        error = value_refused(book, int(instruments[row]), int(lots[row]), int(ticks[row]))
        error.add_note(f"row {row} of {len(lots)}")
        raise error
    return values


def value_refused(book: Book, instrument: int, lots: int, ticks: int) -> OutOfScale:
    """Return the error of a value that does not fit."""
    name = book.parameters.instrument_names[instrument]
    msg = (
        f"{name}: the value of {lots} lots at {ticks} ticks does not fit 63 bits of settle quanta; "
        "use a coarser quantum, or split the fill (prices are at least one tick)"
    )
    return OutOfScale(msg)


def positive(quanta: int, movement: str) -> int:
    """Return `quanta`, or refuse an amount that would move money the other way."""
    if quanta <= 0:
        msg = f"{movement} of {quanta} quanta; give a positive amount, or the opposite movement"
        raise InvalidInput(msg)
    return quanta


def deposit(book: Book, unit: int, asset: int, quanta: int) -> Changes:
    """Credit a unit with what its owner paid in."""
    amount = positive(quanta, "a deposit")
    move = Transfer(unit=OUTSIDE, counterparty=unit, asset=asset, quanta=amount)
    return post(book, posting_rows([move]))


def withdraw(book: Book, unit: int, asset: int, quanta: int) -> Changes:
    """Debit a unit with what its owner takes out; whether it may is the engine's decision."""
    amount = positive(quanta, "a withdrawal")
    move = Transfer(unit=unit, counterparty=OUTSIDE, asset=asset, quanta=amount)
    return post(book, posting_rows([move]))


def transfer(book: Book, move: Transfer) -> Changes:
    """Move quanta from one unit to another."""
    positive(move.quanta, "a transfer")
    return post(book, posting_rows([move]))


def fill(book: Book, trade: Fill) -> Changes:
    """Post one fill with its fees."""
    return post(book, posting_rows([trade]))


def takeover_rows(
    book: Book,
    unit: int,
    receiver: int,
    values: Mapping[tuple[int, Leg], int],
) -> Rows:
    """Return the postings that move a whole unit to `receiver`.

    Args:
        book: The book.
        unit: Unit that is taken over; it ends without positions and balances.
        receiver: Unit that takes the positions, at these values, and the balances left after.
        values: Signed value of each held position, by instrument and leg.

    Raises:
        InvalidInput: `values` does not name exactly the held positions.
    """
    view = book.unit_view(unit)
    held = {(position.instrument, position.leg): position.lots for position in view.positions}
    if set(held) != set(values):
        msg = (
            f"takeover of {book.unit_name(unit)}: values for {sorted(values)}, held are "
            f"{sorted(held)}; give exactly the held positions"
        )
        raise InvalidInput(msg)
    left = dict(view.balances)
    moves: list[Fill | Transfer] = []
    for position in view.positions:
        value = values[position.instrument, position.leg]
        settle = int(book.parameters.settle[position.instrument])
        left[settle] = left.get(settle, 0) + value - position.cost
        moves.append(
            Fill(
                unit=receiver,
                counterparty=unit,
                instrument=position.instrument,
                lots=position.lots,
                value=value,
                counterparty_leg=position.leg,
            ),
        )
    moves.extend(
        Transfer(unit=unit, counterparty=receiver, asset=asset, quanta=quanta)
        for asset, quanta in left.items()
        if quanta != 0
    )
    return posting_rows(moves)


def take_over(
    book: Book,
    unit: int,
    receiver: int,
    values: Mapping[tuple[int, Leg], int],
) -> Changes:
    """Move a whole unit, positions at `values` and the balances left after, to `receiver`."""
    return post(book, takeover_rows(book, unit, receiver, values))


def auto_deleverage(book: Book, closes: Iterable[Fill]) -> Changes:
    """Close lots of victims (`counterparty`) against another unit, each at its value, without fee.

    Every row must shrink the victim's position, else nothing is posted.
    """
    rows = posting_rows(closes)
    rows["reducing"] |= REDUCING_COUNTERPARTY
    if rows["fee"].any() or rows["counterparty_fee"].any():
        msg = "auto-deleveraging takes no fee; leave `fee` and `counterparty_fee` at 0"
        raise InvalidInput(msg)
    return post(book, rows)


def cut_claims(book: Book, asset: int, claims: Mapping[int, int], receiver: int) -> Changes:
    """Take quanta from units' balances to cover a loss: a haircut, or a socialised loss.

    Args:
        book: The book.
        asset: Asset of the loss.
        claims: Positive quanta each unit gives, by unit.
        receiver: Unit whose loss is covered.
    """
    moves = [
        Transfer(unit=unit, counterparty=receiver, asset=asset, quanta=positive(quanta, "a cut"))
        for unit, quanta in claims.items()
    ]
    return post(book, posting_rows(moves))
