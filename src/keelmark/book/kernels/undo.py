"""The undo log of an atomic batch: write it while changing, replay it backwards on refusal.

Entries name a row by its place within the unit's block, so blocks may move in between. A block that
grew stays grown: layout is not state.
"""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import Record, Rows
from keelmark.book.kernels.jit import inlined, njit

Int64s = npt.NDArray[np.int64]

SET_POSITION = 0
ADDED_POSITION = 1
REMOVED_POSITION = 2
SET_BALANCE = 3
ADDED_BALANCE = 4

ENTRIES_PER_ROW = 5
"""A fill changes two positions and three balances at most."""

LENGTH = 0
"""`state[LENGTH]` counts the entries."""

STOPPED = 1
"""`state[STOPPED]` is the row a kernel stopped at."""

OUTSIDE_ROWS = 2
"""`state[OUTSIDE_ROWS]` counts the rows that move the vault."""

STATE_SIZE = 3


@inlined
def log_position(undo: Rows, state: Int64s, kind: int, unit: int, slot: int, row: Record) -> None:
    """Remember a position as it is, with what is about to happen to it."""
    entry = state[LENGTH]
    undo[entry]["kind"] = kind
    undo[entry]["unit"] = unit
    undo[entry]["slot"] = slot
    undo[entry]["lots"] = row["lots"]
    undo[entry]["cost"] = row["cost"]
    undo[entry]["instrument"] = row["instrument"]
    undo[entry]["leverage"] = row["leverage"]
    undo[entry]["leg"] = row["leg"]
    state[LENGTH] = entry + 1


@inlined
def log_balance(undo: Rows, state: Int64s, kind: int, unit: int, slot: int, quanta: int) -> None:
    """Remember a balance as it is, with what is about to happen to it."""
    entry = state[LENGTH]
    undo[entry]["kind"] = kind
    undo[entry]["unit"] = unit
    undo[entry]["slot"] = slot
    undo[entry]["lots"] = quanta
    state[LENGTH] = entry + 1


@njit
def restore_position(units: Rows, positions: Rows, entry: Record) -> None:
    """Write a position back, at the end of the unit's rows first where it had been removed."""
    unit = int(entry["unit"])
    start = int(units[unit]["positions_start"])
    row = start + int(entry["slot"])
    if entry["kind"] == REMOVED_POSITION:
        count = int(units[unit]["positions_count"])
        positions[start + count] = positions[row]
        units[unit]["positions_count"] = count + 1
    positions[row]["lots"] = entry["lots"]
    positions[row]["cost"] = entry["cost"]
    positions[row]["instrument"] = entry["instrument"]
    positions[row]["leverage"] = entry["leverage"]
    positions[row]["leg"] = entry["leg"]


@njit
def roll_back(units: Rows, positions: Rows, balances: Rows, undo: Rows, state: Int64s) -> None:
    """Undo the latest entry of the log."""
    state[LENGTH] -= 1
    entry = undo[state[LENGTH]]
    unit = int(entry["unit"])
    if entry["kind"] in (SET_POSITION, REMOVED_POSITION):
        restore_position(units, positions, entry)
    elif entry["kind"] == ADDED_POSITION:
        units[unit]["positions_count"] -= 1
    elif entry["kind"] == SET_BALANCE:
        row = int(units[unit]["balances_start"]) + int(entry["slot"])
        balances[row]["quanta"] = entry["lots"]
    else:
        units[unit]["balances_count"] -= 1


@njit
def roll_back_kernel(
    units: Rows,  # (n_units,) UNIT
    positions: Rows,  # (n_rows,) POSITION
    balances: Rows,  # (n_rows,) BALANCE
    undo: Rows,  # (n_entries,) UNDO
    state: Int64s,  # (STATE_SIZE,)
    length: int,  # entries to keep
) -> None:
    """Undo entries from the latest until `length` are left."""
    while state[LENGTH] > length:
        roll_back(units, positions, balances, undo, state)
