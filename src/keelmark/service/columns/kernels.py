"""Copy units into shared memory, and out of it, so that nobody sees half of one.

A unit's stamp is twice the journal position of its last change, and odd while its rows are being
written. What a group touched is marked first, then copied, then released: a block that one unit
left and another took is never seen by a reader of the first. A reader takes the stamp, copies, and
takes the stamp again: the copy counts if it is even and has not moved. A position comes once, so
an equal stamp is the same content.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit, njit_unlocked
from keelmark.book.kernels.wide import LIMB, LOW_LIMB
from keelmark.service.columns.fences import fence, load_word, store_word

Rows = npt.NDArray[np.void]
Words = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

LINE_BITS = 6
"""A line is 64 units: whoever looks for changes reads one word a line."""

DONE = 0
BUSY = 1
OUTSIDE = 2
NO_ROOM = 3
"""Answers of readers: copied; being written, ask again; beyond the mapping; larger than `out`."""

NEVER = -1
"""The stamp of a copy that holds nothing whole."""


class Columns(NamedTuple):
    """Tables of units, with what tells readers of changes.

    Attributes:
        units: `UNIT` records.
        positions: `POSITION` records, at the same places as in the book.
        balances: `BALANCE` records, likewise.
        stamps: int64 (n_units,): twice the position of the last change, odd while written.
        lines: int64 (n_lines,): the last position at which one of 64 units changed.
    """

    units: Rows
    positions: Rows
    balances: Rows
    stamps: Words
    lines: Words


class Held(NamedTuple):
    """The tables of a book."""

    units: Rows
    positions: Rows
    balances: Rows


# --- the writer ---------------------------------------------------------------------------------


@njit
def publish_kernel(
    book: Held,
    shared: Columns,
    filled: Int32s,  # (n,) units to copy whole; repeats are allowed
    paid: Int32s,  # (n,) units of which only balances moved
    position: int,
    longs: Words,  # (2 * n_instruments,) lots held long in two limbs, moved along; (0,) if unread
) -> None:
    """Copy units of a book as they are at a journal position."""
    is_counted = longs.shape[0] > 0
    for unit in filled:
        if mark(shared.stamps, unit) and is_counted:
            count_longs(shared, unit, -1, longs)
    for unit in paid:
        mark(shared.stamps, unit)
    fence()
    for unit in filled:
        copy_positions(book, shared, unit)
        copy_balances(book, shared, unit)
    for unit in paid:
        copy_balances(book, shared, unit)
    fence()
    for unit in filled:
        if release(shared, unit, position) and is_counted:
            count_longs(shared, unit, 1, longs)
    for unit in paid:
        release(shared, unit, position)


@njit
def mark(stamps: Words, unit: int) -> bool:
    """Say that a unit is being written; return whether that is news."""
    stamp = stamps[unit]
    if stamp & 1:
        return False
    store_word(stamps, unit, stamp | 1)
    return True


@njit
def release(shared: Columns, unit: int, position: int) -> bool:
    """Say that a unit is whole again; return whether that is news."""
    if not shared.stamps[unit] & 1:
        return False
    store_word(shared.stamps, unit, position << 1)
    store_word(shared.lines, unit >> LINE_BITS, position)
    return True


@njit
def count_longs(shared: Columns, unit: int, sign: int, longs: Words) -> None:
    """Add the long lots of a unit's copy to the sums, or take them out."""
    row = shared.units[unit]
    for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
        lots = shared.positions[at]["lots"]
        if lots > 0:
            place = 2 * shared.positions[at]["instrument"]
            longs[place] += sign * (lots >> LIMB)
            longs[place + 1] += sign * (lots & LOW_LIMB)


@njit
def copy_positions(book: Held, shared: Columns, unit: int) -> None:
    """Copy a unit's positions."""
    row = book.units[unit]
    for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
        shared.positions[at] = book.positions[at]


@njit
def copy_balances(book: Held, shared: Columns, unit: int) -> None:
    """Copy a unit's record and balances."""
    row = book.units[unit]
    shared.units[unit] = row
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        shared.balances[at] = book.balances[at]


# --- readers ------------------------------------------------------------------------------------


@njit
def read_unit_kernel(
    shared: Columns,
    unit: int,
    head: Rows,  # (1,) UNIT, written
    positions: Rows,  # POSITION, written from the first row
    balances: Rows,  # BALANCE, likewise
    stamp: Words,  # (1,) written
) -> int:
    """Copy one unit out; return `DONE`, `BUSY`, `OUTSIDE` or `NO_ROOM`.

    Of a torn record nothing is followed: its places are checked against the tables first.
    """
    before = load_word(shared.stamps, unit)
    stamp[0] = before
    if before & 1:
        return BUSY
    head[0] = shared.units[unit]
    fence()
    first = head[0]["positions_start"]
    cash = head[0]["balances_start"]
    count = head[0]["positions_count"]
    cash_count = head[0]["balances_count"]
    answer = room(first, count, positions.shape[0], shared.positions.shape[0])
    answer = max(answer, room(cash, cash_count, balances.shape[0], shared.balances.shape[0]))
    if answer == DONE:
        for row in range(count):
            positions[row] = shared.positions[first + row]
        for row in range(cash_count):
            balances[row] = shared.balances[cash + row]
    fence()
    return answer if load_word(shared.stamps, unit) == before else BUSY


@njit
def room(first: int, count: int, out: int, table: int) -> int:
    """Return whether a block lies in its table, and fits what it is copied to."""
    if first < 0 or count < 0 or first + count > table:
        return OUTSIDE
    return NO_ROOM if count > out else DONE


@njit_unlocked
def refresh_kernel(
    shared: Columns,
    kept: Columns,  # a copy, at the same places; its lines are not read
    since: int,  # it holds every change up to this position
    position: int,  # the moment it shall be of
    units: int,  # number of units at that moment
    head: Rows,  # (1,) UNIT, scratch
) -> int:
    """Copy what has changed into `kept`; return how many units are still to come.

    None: the copy is that of the moment. A unit that has changed again since the moment is one to
    come, at a later moment; one that is being written counts as it was if the copy has it so.
    """
    late = 0
    for line in range((units + (1 << LINE_BITS) - 1) >> LINE_BITS):
        if load_word(shared.lines, line) <= since:
            continue
        first = line << LINE_BITS
        for unit in range(first, min(first + (1 << LINE_BITS), units)):
            stamp = load_word(shared.stamps, unit)
            if stamp & ~1 == kept.stamps[unit]:
                continue
            if stamp & 1 or stamp >> 1 > position or not keep(shared, kept, unit, stamp, head):
                late += 1
    return late


@njit
def keep(shared: Columns, kept: Columns, unit: int, stamp: int, head: Rows) -> bool:
    """Copy one unit to the same places; return whether it is whole.

    The record alone is checked before its places are written to.
    """
    head[0] = shared.units[unit]
    fence()
    if load_word(shared.stamps, unit) != stamp:
        return False
    first = head[0]["positions_start"]
    cash = head[0]["balances_start"]
    end = first + head[0]["positions_count"]
    cash_end = cash + head[0]["balances_count"]
    if max(end, 0) > kept.positions.shape[0] or max(cash_end, 0) > kept.balances.shape[0]:
        return False
    kept.stamps[unit] = NEVER
    kept.units[unit] = head[0]
    for at in range(first, end):
        kept.positions[at] = shared.positions[at]
    for at in range(cash, cash_end):
        kept.balances[at] = shared.balances[at]
    fence()
    if load_word(shared.stamps, unit) != stamp:
        return False
    kept.stamps[unit] = stamp
    return True


# --- the moment ---------------------------------------------------------------------------------


@njit
def write_words_kernel(words: Words, draft: Words, sequence: int, first: int) -> None:
    """Copy `draft` to `words[first:]` under the sequence at a row."""
    number = words[sequence] & ~1  # a word an interrupted call left odd is begun again
    store_word(words, sequence, number + 1)
    fence()
    for row in range(draft.shape[0]):
        words[first + row] = draft[row]
    fence()
    store_word(words, sequence, number + 2)


@njit
def read_words_kernel(words: Words, out: Words, sequence: int, first: int) -> int:
    """Copy `words[first:]` out under the sequence at a row; return `DONE` or `BUSY`."""
    before = load_word(words, sequence)
    if before & 1:
        return BUSY
    for row in range(out.shape[0]):
        out[row] = words[first + row]
    fence()
    return DONE if load_word(words, sequence) == before else BUSY
