"""Idempotency keys: which commands have been carried out already, and at which position.

The latest `KEYS_KEPT` of them, as digests of fixed width: what a key was and what its command said
is compared, never read back. They are part of the state, so a repeat is told as one after a
restart too. The oldest is forgotten first, by count and not by time.
"""

from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import inlined, njit
from keelmark.core.errors import InvalidInput, Rejected, RejectionReason

KEYS_KEPT = 1_000_000
"""Keys that are remembered. Part of the journal's format: another number is another state."""

KEY_LENGTH_MAX = 255
DIGEST_BYTES = 16
WIDTH = 5  # key, key, command, command, position
_FIRST_ROWS = 1024

Int64s: TypeAlias = npt.NDArray[np.int64]
Int32s: TypeAlias = npt.NDArray[np.int32]
Bools: TypeAlias = npt.NDArray[np.bool_]


def stamp_of(key: str, command: bytes) -> bytes:
    """Return what is remembered of a key and of the encoded command sent with it.

    Raises:
        InvalidInput: The key is too long, or no text.
    """
    if not isinstance(key, str) or len(key) > KEY_LENGTH_MAX:
        msg = f"an idempotency key {key!r:.60}; give a text of at most {KEY_LENGTH_MAX} characters"
        raise InvalidInput(msg)
    name = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
    return name + blake2b(command, digest_size=DIGEST_BYTES).digest()


class Keys:
    """The latest keys, in the order in which their commands were carried out."""

    def __init__(self, kept: int = KEYS_KEPT) -> None:
        self._kept = kept
        self._rows: Int64s = np.zeros((min(_FIRST_ROWS, kept), WIDTH), np.int64)
        self._slots = _slots_for(len(self._rows))
        self._count = 0  # ever added since the rows were laid out
        self._known = 0

    def __len__(self) -> int:
        return self._known

    def position_of(self, stamp: bytes) -> int | None:
        """Return the position after the command that was sent with a key, `None` for a new key.

        Raises:
            Rejected: The key was sent with another command.
        """
        if not self._known:
            return None
        wanted = np.frombuffer(stamp, np.int64)
        row = find_kernel(wanted, self._rows, self._slots)
        if row < 0:
            return None
        found = self._rows[row]
        if found[2] != wanted[2] or found[3] != wanted[3]:
            msg = (
                f"this idempotency key was sent with another command, carried out at position "
                f"{int(found[4])}; give every command a key of its own"
            )
            raise Rejected(RejectionReason.KEY_REUSED, msg)
        return int(found[4])

    def known(self, stamps: list[bytes]) -> list[bool]:
        """Return which of the keys are remembered, whatever command came with them."""
        if not self._known:
            return [False] * len(stamps)
        wanted = np.frombuffer(b"".join(stamps), np.int64).reshape(-1, WIDTH - 1)
        found = np.zeros(len(stamps), np.bool_)
        known_kernel(wanted, self._rows, self._slots, found)
        return list(found.tolist())

    def add(self, stamps: bytes, position: int) -> None:
        """Remember keys, one after the other, carried out at a position."""
        new = np.frombuffer(stamps, np.int64).reshape(-1, WIDTH - 1)
        while len(self._rows) < min(self._kept, self._known + len(new)):
            self._grow()
        remember_kernel(new, position, self._rows, self._slots, self._count)
        self._count += len(new)
        self._known = min(self._known + len(new), len(self._rows))

    def rows(self) -> Int64s:
        """Return what is remembered, oldest first: int64 (n, 5)."""
        if self._known < len(self._rows):
            return self._rows[: self._known]
        return np.roll(self._rows, -(self._count % len(self._rows)), axis=0)

    def restore(self, rows: Int64s) -> None:
        """Remember what `rows` returned elsewhere, and nothing else."""
        size = min(_FIRST_ROWS, self._kept)
        while size < min(self._kept, len(rows)):
            size = min(2 * size, self._kept)
        self._rows, self._slots = np.zeros((size, WIDTH), np.int64), _slots_for(size)
        kept = rows[len(rows) - min(len(rows), size) :]
        self._rows[: len(kept)] = kept
        index_kernel(self._rows, self._slots, len(kept))
        self._count = self._known = len(kept)

    def _grow(self) -> None:
        """Make room; before the rows are full they lie in order from the first."""
        size = min(2 * len(self._rows), self._kept)
        rows = np.zeros((size, WIDTH), np.int64)
        rows[: self._known] = self._rows[: self._known]
        self._rows, self._slots = rows, _slots_for(size)
        index_kernel(rows, self._slots, self._known)


def _slots_for(rows: int) -> Int32s:
    """Return an empty table with at least twice as many places as rows."""
    return np.zeros(1 << (2 * max(rows, 1) - 1).bit_length(), np.int32)


# --- the table: open addressing; a slot holds the row plus one, 0 is free ------------------------


@njit
def find_kernel(
    stamp: Int64s,  # (4,) its first two figures are looked for
    rows: Int64s,  # (n, 5)
    slots: Int32s,  # (power of two,)
) -> int:
    """Return the row of a key, -1 if there is none. Definition: a search through the rows."""
    mask = slots.shape[0] - 1
    place = stamp[0] & mask
    while slots[place] != 0:
        row = slots[place] - 1
        if rows[row, 0] == stamp[0] and rows[row, 1] == stamp[1]:
            return int(row)
        place = (place + 1) & mask
    return -1


@njit
def known_kernel(
    stamps: Int64s,  # (m, 4)
    rows: Int64s,  # (n, 5)
    slots: Int32s,  # (power of two,)
    found: Bools,  # (m,) written
) -> None:
    """Write which keys are there. Definition: `find_kernel`."""
    for index in range(stamps.shape[0]):
        found[index] = find_kernel(stamps[index], rows, slots) >= 0


@njit
def index_kernel(rows: Int64s, slots: Int32s, count: int) -> None:  # (n, 5), empty
    """Enter the first rows into an empty table."""
    for row in range(count):
        _enter(rows, slots, row)


@njit
def remember_kernel(
    new: Int64s,  # (m, 4)
    position: int,
    rows: Int64s,  # (n, 5) written: a ring
    slots: Int32s,  # (power of two,) written
    count: int,  # rows ever added to the ring
) -> None:
    """Write keys over the oldest of a ring. Definition: a list of which the last n are kept."""
    size = rows.shape[0]
    for index in range(new.shape[0]):
        row = (count + index) % size
        if count + index >= size:
            _leave(rows, slots, row)
        for column in range(4):
            rows[row, column] = new[index, column]
        rows[row, 4] = position
        _enter(rows, slots, row)


@inlined
def _enter(rows: Int64s, slots: Int32s, row: int) -> None:
    mask = slots.shape[0] - 1
    place = rows[row, 0] & mask
    while slots[place] != 0:
        place = (place + 1) & mask
    slots[place] = row + 1


@inlined
def _leave(rows: Int64s, slots: Int32s, row: int) -> None:
    """Free the slot of a row, and move up whoever was pushed past it."""
    mask = slots.shape[0] - 1
    hole = rows[row, 0] & mask
    while slots[hole] != row + 1:
        hole = (hole + 1) & mask
    place = hole
    while True:
        place = (place + 1) & mask
        if slots[place] == 0:
            break
        home = rows[slots[place] - 1, 0] & mask
        if (place - home) & mask >= (place - hole) & mask:
            slots[hole] = slots[place]
            hole = place
    slots[hole] = 0
