"""Commands in batches, each accepted or refused by itself, in order, as if they came one by one.

Payments and fills are tried in columns, a stretch at a time: up to the first row that the kernels
cannot prove to pass (`book.kernels.checked`). The stretch is taken back, and happens as one event;
the row behind it is decided in `core`, and so on. Nobody a proved row touches comes near a level,
so nothing would have followed from it (docs/decisions/0029-batches-are-screened.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.book import FEES
from keelmark.book.kernels.checked import Columns, Venue, checked_kernel
from keelmark.book.kernels.faults import BALANCE_ROOM, POSITION_ROOM
from keelmark.book.kernels.muldiv import OVERFLOW
from keelmark.book.kernels.undo import (
    ENTRIES_PER_ROW,
    STATE_SIZE,
    STOPPED,
    roll_back_kernel,
)
from keelmark.book.kernels.values import values_kernel
from keelmark.book.records import AMOUNT_LIMIT, FILL, OUTSIDE, POSTING, SIZE_LIMIT, TRANSFER, UNDO
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput, Rejected
from keelmark.core.numbers import Rounding
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.codec import encoded
from keelmark.engine.keys import DIGEST_BYTES, stamp_of
from keelmark.engine.outbox import Outbox
from keelmark.engine.receipt import Receipt
from keelmark.engine.state import State

Rows = npt.NDArray[np.void]
Row = tuple[int, ...]
Outcome = Receipt | Rejected | InvalidInput
"""What became of a command."""

UNITS_MAX = 2**31 - 1
LEGS = frozenset(int(leg) for leg in Leg)
PLAIN = (e.Keyed, e.Deposited, e.Withdrawn, e.Transferred, e.Filled, e.OrderReleased)
"""Events after which only the units they name may stand otherwise than before."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Commands of a batch, in columns where they have any.

    Attributes:
        commands: The commands.
        stamps: Of each, its key's stamp; empty without a key.
        errors: What is wrong with those that are none, by place.
        rows: `POSTING` records; of what has no columns, empty ones.
        ticks: Price of each fill.
        asked: Rows that are for `core` whatever the book says.
    """

    commands: Sequence[c.Command]
    stamps: list[bytes]
    errors: dict[int, InvalidInput]
    rows: Rows
    ticks: npt.NDArray[np.int64]
    asked: npt.NDArray[np.bool_]


# --- commands to columns ------------------------------------------------------------------------


def drafted(state: State, commands: Sequence[c.Command], keys: Sequence[str]) -> Draft:
    """Lay commands out in columns.

    Raises:
        InvalidInput: There is not one key a command, where there are any.
    """
    if keys and len(keys) != len(commands):
        msg = f"{len(keys)} keys for {len(commands)} commands; give one each, empty for none"
        raise InvalidInput(msg)
    stamps, errors, rows = [], {}, []
    for index, command in enumerate(commands):
        try:
            whole = encoded(command)
            stamps.append(stamp_of(keys[index], whole) if keys and keys[index] != "" else b"")
            rows.append(_row_of(state, command))
        except InvalidInput as error:
            errors[index] = error
            del stamps[index:]
            stamps.append(b"")
            rows.append(None)
    records = np.array([EMPTY if row is None else row[:-1] for row in rows], POSTING)
    ticks = np.array([0 if row is None else row[-1] for row in rows], np.int64)
    asked = np.array([row is None for row in rows], np.bool_)
    _value(state, records, ticks, asked)
    asked |= _seen(state, stamps)
    return Draft(commands, stamps, errors, records, ticks, asked)


EMPTY: Row = (0,) * len(POSTING.names or ())


def _row_of(state: State, command: c.Command) -> Row | None:
    """Return a command as a row with its price behind it, `None` if `core` alone decides it."""
    if type(command) is c.Fill:
        return _fill_row(state, command)
    if type(command) is c.Deposit:
        return _cash_row(state, (OUTSIDE, command.unit), command.unit, command)
    if type(command) is c.Withdraw:
        return _cash_row(state, (command.unit, OUTSIDE), command.unit, command)
    if type(command) is c.Transfer and command.source != command.target:
        sides = command.source, command.target
        return _cash_row(state, sides, min(sides), command)
    return None


def _cash_row(
    state: State, sides: tuple[int, int], lowest: int, command: c.Deposit | c.Withdraw | c.Transfer
) -> Row | None:
    unit, other = sides
    fits = lowest >= 0 and max(sides) <= UNITS_MAX and 0 < command.quanta <= AMOUNT_LIMIT
    if not fits or not 0 <= command.asset < len(state.universe.assets):
        return None
    return (0, command.quanta, 0, 0, unit, other, command.asset, 0, 0, 0, 0, TRANSFER, 0, 0, 0)


def _fill_row(state: State, command: c.Fill) -> Row | None:
    """Return a fill as a row; not one that names an order or sets a leverage."""
    unit, other = command.unit, command.counterparty
    is_plain = (
        command.order is None
        and command.counterparty_order is None
        and command.leverage == command.counterparty_leverage == 0
        and command.leg in LEGS
        and command.counterparty_leg in LEGS
    )
    fits = (
        unit != other
        and 0 <= unit <= UNITS_MAX
        and 0 <= other <= UNITS_MAX
        and 0 <= command.instrument < len(state.universe.symbols)
        and 0 < abs(command.lots) <= SIZE_LIMIT
        and 1 <= command.ticks <= SIZE_LIMIT
        and max(abs(command.fee), abs(command.counterparty_fee)) <= AMOUNT_LIMIT
    )
    if not (is_plain and fits):
        return None
    legs = command.leg, command.counterparty_leg
    head = command.lots, 0, command.fee, command.counterparty_fee, unit, other, command.instrument
    return (*head, 0, 0, *legs, FILL, 0, 0, command.ticks)


def _value(
    state: State,
    rows: Rows,
    ticks: npt.NDArray[np.int64],
    asked: npt.NDArray[np.bool_],
) -> None:
    """Write the values of fills; those that do not fit, and fees beyond them, are for `core`."""
    fills = np.flatnonzero((rows["kind"] == FILL) & ~asked)
    table = state.universe.instruments
    subjects = rows["subject"][fills]
    values = np.zeros(len(fills), np.int64)
    values_kernel(
        rows["lots"][fills],
        ticks[fills],
        table["unit_value"][subjects],
        table["inverse"][subjects],
        int(Rounding.CEILING),
        values,
    )
    rows["value"][fills] = values
    fees = np.maximum(np.abs(rows["fee"][fills]), np.abs(rows["counterparty_fee"][fills]))
    wrong = (values == OVERFLOW) | (np.abs(values) > AMOUNT_LIMIT) | (fees > np.abs(values))
    asked[fills[wrong]] = True


def _seen(state: State, stamps: list[bytes]) -> npt.NDArray[np.bool_]:
    """Return which keys have been seen: before the batch, or earlier in it."""
    seen = np.zeros(len(stamps), np.bool_)
    keyed = [index for index, stamp in enumerate(stamps) if stamp]
    seen[keyed] = state.keys.known([stamps[index] for index in keyed])
    earlier: set[bytes] = set()
    for index in keyed:
        name = stamps[index][:DIGEST_BYTES]
        seen[index] |= name in earlier
        earlier.add(name)
    return seen


# --- carried out ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What of an engine a batch is carried out with.

    Attributes:
        state: Its state.
        outbox: Its events on their way into the journal.
        emit: Applies an event and writes it down.
        carry_out: Decides about a command with its stamp, and lets what follows happen; returns
            whether it did anything.
        is_backstop_due: Whether anything follows from the backstop alone.
    """

    state: State
    outbox: Outbox
    emit: Callable[[e.Checked], None]
    carry_out: Callable[[c.Command, bytes], bool]
    is_backstop_due: Callable[[], bool]


def in_stretches(hands: Hands, draft: Draft) -> list[Outcome]:
    """Carry out a draft in order; return what became of each command.

    What the last stretch touched is still to be settled.
    """
    stretches, position = Stretches(hands.state, draft), hands.outbox.position + 1
    results: list[Outcome] = []
    while len(results) < len(draft.commands):
        first = len(results)
        end = first if hands.is_backstop_due() else stretches.passed(first)
        if end > first:
            hands.emit(stretches.event(first, end, position))
            results += [Receipt(position, ())] * (end - first)
        if end < len(draft.commands):
            results.append(_asked(hands, draft, end))
            if isinstance(results[-1], Receipt):
                stretches.follow(results[-1].events)
    return results


def _asked(hands: Hands, draft: Draft, index: int) -> Outcome:
    """Decide about one command in `core`, and carry it out."""
    outbox, stamp = hands.outbox, draft.stamps[index]
    before = len(outbox.events)
    try:
        if index in draft.errors:
            raise draft.errors[index]
        done = hands.state.keys.position_of(stamp) if stamp else None
        if done is not None:
            return Receipt(done, (), is_repeated=True)
        is_done = hands.carry_out(draft.commands[index], stamp)
    except (Rejected, InvalidInput) as error:
        if len(outbox.events) > before:
            raise
        return error
    events = tuple(outbox.events[before:])
    return Receipt(outbox.position + 1, events, is_repeated=not is_done)


# --- stretches ----------------------------------------------------------------------------------


class Stretches:
    """Tries the rows of a draft, a stretch at a time."""

    def __init__(self, state: State, draft: Draft) -> None:
        self._state = state
        self._draft = draft
        used = draft.rows[~draft.asked]
        units = np.unique(np.concatenate((used["unit"], used["counterparty"])))
        self._units = units[(units >= 0) & (units < state.book.units_count)].tolist()
        self._standing = np.zeros(state.book.units_count, np.int8)
        self._undo = np.empty(ENTRIES_PER_ROW * len(draft.rows), UNDO)
        self.changed()

    def changed(self) -> None:
        """Look at everything again that rows are decided by, beside the book."""
        self.stood_up(self._units)
        self._venue = _venue(self._state, self._standing)

    def follow(self, events: Sequence[Any]) -> None:
        """Look again at what the events of a row that `core` decided may have changed."""
        if not all(isinstance(event, PLAIN) for event in events):
            self.changed()
            return
        named: set[int] = set()
        for event in events:
            sides = (getattr(event, name, -1) for name in ("unit", "counterparty", "source"))
            named |= {unit for unit in sides if unit >= 0}
        self.stood_up(sorted(named))

    def stood_up(self, units: Sequence[int]) -> None:
        """Write the standing of units: the level each has reached, -1 for `core` alone."""
        for unit in units:
            if unit < len(self._standing):
                self._standing[unit] = _standing(self._state, unit)

    def passed(self, first: int) -> int:
        """Return the first row from `first` on that is for `core`; the book is as it was."""
        state, book = self._state, self._state.book
        if self._draft.asked[first]:
            return first
        if len(self._standing) < book.units_count:
            self._standing = np.zeros(book.units_count, np.int8)
            self.changed()
        log = np.zeros(STATE_SIZE, np.int64)
        log[STOPPED] = first
        while True:
            columns = Columns(book.parameters.settle, book.positions.heads, book.balances.heads)
            fault = checked_kernel(
                self._draft.rows,
                self._draft.asked,
                int(log[STOPPED]),
                state.tables(),
                state.screen.initial,
                self._venue,
                columns,
                self._undo,
                log,
            )
            if fault not in (POSITION_ROOM, BALANCE_ROOM):
                break
            table = book.positions if fault == POSITION_ROOM else book.balances
            table.reserve(len(table.rows) + 1 - table.used)
        roll_back_kernel(book.units, book.positions.rows, book.balances.rows, self._undo, log, 0)
        return int(log[STOPPED])

    def event(self, first: int, end: int, position: int) -> e.Checked:
        """Return rows as the event they are."""
        stamps = np.frombuffer(b"".join(self._draft.stamps[first:end]), np.uint8)
        return e.Checked(
            rows=self._draft.rows[first:end],
            ticks=self._draft.ticks[first:end],
            stamps=stamps,
            position=position,
        )


def _standing(state: State, unit: int) -> int:
    """Return the warning level of a unit; -1 if more than its margin may decide about it."""
    if unit in state.cases or unit in state.protections or state.orders.get(unit):
        return -1
    if unit in state.held or unit in state.grace:
        return -1
    return state.levels.get(unit, 0)


def _venue(state: State, standing: npt.NDArray[np.int8]) -> Venue:
    multiples = state.level_multiples
    trusted = np.ones(len(state.prices), np.bool_)
    trusted[list(state.untrusted)] = False
    rows = range(len(state.universe.symbols))
    untrusted = bool(state.untrusted)
    tradable = [
        not (state.is_paused(row) or (untrusted and state.untrusted & state.factors_of(row)))
        for row in rows
    ]
    screen = state.screen
    return Venue(
        standing=standing,
        multiples=np.array([max(multiples[at:], default=1.0) for at in range(len(multiples) + 1)]),
        tradable=np.array(tradable, np.bool_),
        trusted=trusted,
        is_trusted=not untrusted,
        end=screen.level,
        reduce_only=len(multiples) if state.calls_margin else len(multiples) + 1,
        liquidity=state.liquidity,
        fees=FEES,
        profit_leaves=screen.lets_profit_leave,
        knows_leaving=screen.knows_leaving,
        hedges=state.rulebook.document.hedge_mode,
        in_full=state.rulebook.document.isolated_in_full or state.model.isolated_in_full,
    )
