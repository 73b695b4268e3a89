"""Carry out payments and fills one after the other, as long as each surely passes every rule.

A row passes where nothing but its initial margin could speak against it, the kernels prove that,
and they prove that nobody it touches comes near a level. At the first row of which any of that is
not proved the kernel stops: the caller decides about it in `core`, and goes on behind it.

Definition: `engine.decide` and what follows a command, row by row (`tests/engine/test_checked.py`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import Int32s, Rows
from keelmark.book.kernels.faults import BALANCE_ROOM, OK, POSITION_ROOM
from keelmark.book.kernels.initial import InitialTables, may_leave, may_open
from keelmark.book.kernels.jit import inlined, njit
from keelmark.book.kernels.margin import Floats, Tables, excess
from keelmark.book.kernels.postings import post_kernel
from keelmark.book.kernels.rows import ABSENT, find_balance
from keelmark.book.kernels.undo import LENGTH, STOPPED, Int64s, roll_back_kernel
from keelmark.book.records import FILL, OUTSIDE

Bools = npt.NDArray[np.bool_]
Int8s = npt.NDArray[np.int8]

ASK = -1
"""The row at `state[STOPPED]` is for `core`; nothing of it is applied."""

ACTIVE = 0  # UnitStatus.ACTIVE
ISOLATED = 1  # UnitKind.ISOLATED
IN_HOUSE = 2  # UnitKind.IN_HOUSE

RECEIVES, OPENS, LEAVES = 0, 1, 2
"""What a unit does in a row: money comes in, a position changes, money leaves."""


class Venue(NamedTuple):
    """What the rows are decided by, beside the book.

    Attributes:
        standing: int8 (n_units,): level reached by each unit of the rows, -1 for `core` alone.
        multiples: float64 (levels + 1,): multiple of maintenance watched at each standing.
        tradable: bool (n_instruments,): neither paused nor without a price to trust.
        trusted: bool (n_factors + 1,)
        is_trusted: Whether every price is.
        end: Multiple of maintenance at which a liquidation would end.
        reduce_only: Standing from which nothing may be opened.
        liquidity: The in-house unit that trades.
        fees: The in-house unit that is paid fees.
        profit_leaves: Whether unrealised profit counts when money leaves.
        knows_leaving: Whether the kernels know everything that must stay then.
        hedges: Whether positions may be on legs.
        in_full: Whether isolated units count their collateral otherwise than the columns.
    """

    standing: Int8s
    multiples: Floats
    tradable: Bools
    trusted: Bools
    is_trusted: bool
    end: float
    reduce_only: int
    liquidity: int
    fees: int
    profit_leaves: bool
    knows_leaving: bool
    hedges: bool
    in_full: bool


class Columns(NamedTuple):
    """The tables of the book as postings change them."""

    settle: Int32s
    position_heads: Int32s
    balance_heads: Int32s


@njit
def reads_trusted(unit: int, tables: Tables, trusted: Bools) -> bool:
    """Whether every price a unit reads is trusted. Definition: `State.depends_on_untrusted`."""
    row = tables.units[unit]
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        factor = tables.assets[tables.balances[at]["asset"]]["price_factor"]
        if factor >= 0 and not trusted[factor]:
            return False
    for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
        contract = tables.instruments[tables.positions[at]["instrument"]]
        if not trusted[contract["mark_factor"]] or not trusted[contract["margin_factor"]]:
            return False
    return True


@inlined
def risks_nothing(unit: int, tables: Tables) -> bool:
    """Whether a unit holds no position and owes nothing: no margin is asked of it."""
    row = tables.units[unit]
    if row["positions_count"] > 0:
        return False
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        if tables.balances[at]["quanta"] < 0:
            return False
    return True


@njit
def is_free(unit: int, role: int, tables: Tables, venue: Venue) -> bool:
    """Whether nothing but margin can speak against a row of a unit in this role."""
    if unit < 0 or unit >= tables.units.shape[0]:
        return False
    row = tables.units[unit]
    if row["kind"] == IN_HOUSE:
        return role == OPENS and unit == venue.liquidity
    if row["status"] != ACTIVE or venue.standing[unit] < 0:
        return False
    if role == OPENS and venue.standing[unit] >= venue.reduce_only:
        return False
    if venue.in_full and row["kind"] == ISOLATED:
        return False
    return venue.is_trusted or reads_trusted(unit, tables, venue.trusted)


@njit
def is_kept(unit: int, role: int, tables: Tables, initial: InitialTables, venue: Venue) -> bool:
    """Whether a unit, as it now is, surely keeps what its role asks, and stays above its level."""
    if tables.units[unit]["kind"] == IN_HOUSE:
        return True
    if not (venue.is_trusted or reads_trusted(unit, tables, venue.trusted)):
        return False
    if risks_nothing(unit, tables):
        return True
    level = venue.multiples[venue.standing[unit]]
    if role == RECEIVES:
        spare, error = excess(unit, level, tables)
        return bool(spare > error)
    level = max(level, venue.end)
    if role == LEAVES and not venue.profit_leaves:
        return venue.knows_leaving and may_leave(unit, level, tables, initial)
    return (role == OPENS or venue.knows_leaving) and may_open(unit, level, tables, initial)


@njit
def mixes_modes(unit: int, instrument: int, leg: int, tables: Tables) -> bool:
    """Whether a unit holds the instrument in the other position mode, and not on this leg."""
    row = tables.units[unit]
    if row["kind"] == IN_HOUSE:
        return False
    mixes = False
    for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
        if tables.positions[at]["instrument"] == instrument:
            held = tables.positions[at]["leg"]
            if held == leg:
                return False
            mixes = mixes or (held == 0) != (leg == 0)
    return mixes


@inlined
def roles_of(kind: int) -> tuple[int, int]:
    """Return what the two sides of a row do; nobody is asked about the outside."""
    if kind == FILL:
        return OPENS, OPENS
    return LEAVES, RECEIVES


@njit
def may_begin(rows: Rows, index: int, tables: Tables, venue: Venue) -> bool:
    """Whether everything but margin surely allows a row, before it is posted."""
    row = rows[index]
    unit, other, subject = int(row["unit"]), int(row["counterparty"]), int(row["subject"])
    role, other_role = roles_of(row["kind"])
    if unit != OUTSIDE and not is_free(unit, role, tables, venue):
        return False
    if other != OUTSIDE and not is_free(other, other_role, tables, venue):
        return False
    if row["kind"] == FILL:
        on_legs = row["leg"] != 0 or row["counterparty_leg"] != 0
        return (
            venue.tradable[subject]
            and (venue.hedges or not on_legs)
            and not mixes_modes(unit, subject, int(row["leg"]), tables)
            and not mixes_modes(other, subject, int(row["counterparty_leg"]), tables)
        )
    factor = tables.assets[subject]["price_factor"]
    if factor >= 0 and not venue.trusted[factor]:
        return False
    if unit == OUTSIDE:
        return True
    held = find_balance(tables.units, tables.balances, unit, subject)
    return bool(held != ABSENT and tables.balances[held]["quanta"] >= row["value"])


@njit
def may_stand(rows: Rows, index: int, tables: Tables, initial: InitialTables, venue: Venue) -> bool:
    """Whether both sides of a row that was posted surely keep what they must."""
    row = rows[index]
    unit, other = int(row["unit"]), int(row["counterparty"])
    role, other_role = roles_of(row["kind"])
    if unit != OUTSIDE and not is_kept(unit, role, tables, initial, venue):
        return False
    return other == OUTSIDE or is_kept(other, other_role, tables, initial, venue)


@njit
def checked_kernel(
    rows: Rows,  # (n,) POSTING
    asked: Bools,  # (n,) rows that are for `core` whatever the book says
    begin: int,
    tables: Tables,
    initial: InitialTables,
    venue: Venue,
    columns: Columns,
    undo: Rows,  # (ENTRIES_PER_ROW * n,) UNDO, written
    state: Int64s,  # (STATE_SIZE,), written
) -> int:
    """Post rows in order as long as each surely passes; return why it stopped, `OK` at the end.

    The row it stopped at is in `state[STOPPED]` and not applied; those before it are, and logged.
    """
    for index in range(begin, rows.shape[0]):
        state[STOPPED] = index
        if asked[index] or not may_begin(rows, index, tables, venue):
            return ASK
        length = state[LENGTH]
        fault = post_kernel(
            rows,
            index,
            index + 1,
            venue.fees,
            columns.settle,
            tables.assets.shape[0],
            tables.units,
            tables.positions,
            columns.position_heads,
            tables.balances,
            columns.balance_heads,
            undo,
            state,
        )
        if fault in (POSITION_ROOM, BALANCE_ROOM):
            return int(fault)
        if fault != OK:
            return ASK
        if not may_stand(rows, index, tables, initial, venue):
            roll_back_kernel(tables.units, tables.positions, tables.balances, undo, state, length)
            return ASK
    state[STOPPED] = rows.shape[0]
    return OK
