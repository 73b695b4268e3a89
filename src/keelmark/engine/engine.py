"""The engine: commands in, events out, one state; the only place that orders things in time.

`submit` carries out one command: decide, apply, watch, liquidate, and make all of it durable as one
batch before it returns. `submit_marks` carries out a stream of snapshots: stretches in which nobody
needs a decision cost no Python; after each snapshot that needs one, everybody concerned is settled
before the next price is looked at.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from keelmark.book.tripwires.index import NOBODY
from keelmark.core.errors import PositionConflict, Rejected
from keelmark.core.numbers import exact
from keelmark.engine import events as e
from keelmark.engine.apply import Follower, Touched, apply
from keelmark.engine.bulk import require_postings
from keelmark.engine.checked import Hands, Outcome, drafted, in_stretches
from keelmark.engine.codec import encoded, event_of
from keelmark.engine.commands import (
    AdvanceTime,
    Command,
    Override,
    Resume,
    SetRulebook,
)
from keelmark.engine.compatibility import require_policies, require_symbols
from keelmark.engine.decide import decide, require_openings
from keelmark.engine.digest import state_digest
from keelmark.engine.entries import PRICE_KINDS
from keelmark.engine.execution import ExecutionVenue, MarkMarket, terms_of
from keelmark.engine.guards import Guards, Judged
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.journal.port import Journal, Record
from keelmark.engine.keys import stamp_of
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.liquidation.disposal import deleverage_backstop
from keelmark.engine.liquidation.holders import Holders
from keelmark.engine.liquidation.orders import keep_within_positions, time_out
from keelmark.engine.liquidation.process import (
    end,
    liquidate,
    take_over,
)
from keelmark.engine.named_prices import Prices, named_prices
from keelmark.engine.outbox import JournalBehind, Outbox, stretch
from keelmark.engine.protections import has_kind, run_protections
from keelmark.engine.receipt import Receipt
from keelmark.engine.recovery import opening, reading, recovered, require_new
from keelmark.engine.schedule import Schedule
from keelmark.engine.settings import Settings
from keelmark.engine.snapshot import batch_digest, save
from keelmark.engine.state import State
from keelmark.engine.turns import in_order, queue
from keelmark.engine.unknown import Unknowns
from keelmark.engine.warnings import crossings, recoveries
from keelmark.engine.watch import Watch, distinct
from keelmark.rulebooks.load import Rulebook

Int32s = npt.NDArray[np.int32]
Listener = Callable[[Any], None]


class Engine:
    """A venue's liquidation engine over one book.

    Attributes:
        state: What events have built; read it, never write it.
        follower: Told what events touch, before they are durable; it must not change anything.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        journal: Journal | None = None,
        market: ExecutionVenue | None = None,
        settings: Settings | None = None,
        listener: Listener | None = None,
    ) -> None:
        require_policies(rulebook.liquidation)
        require_symbols(rulebook)
        journal = journal if journal is not None else MemoryJournal()
        require_new(journal)
        self._settings = settings or Settings()
        self._listener = listener
        self._changed: set[int] = set()
        self.follower: Follower | None = None
        state = State(rulebook, capacity=self._settings.capacity)
        state.external = terms_of(market)
        self._bind(state, market or MarkMarket())
        self._outbox = Outbox(journal, opening(self.state))

    @classmethod
    def recover(
        cls,
        rulebook: Rulebook,
        journal: Journal,
        *,
        snapshot: Path | None = None,
        market: ExecutionVenue | None = None,
        settings: Settings | None = None,
        listener: Listener | None = None,
    ) -> Self:
        """Open an engine again from what is durable; an empty journal gives a new engine.

        What was going on goes on: liquidations, waits, grace, warnings, protections and windows
        are part of the state. The same further commands do what they would have done without the
        interruption. The listener hears only what happens from now on.

        Args:
            rulebook: The one the journal was begun under.
            journal: Where the engine left its events.
            snapshot: A file of `write_snapshot` of this journal; its tail alone is then read.
            market: As it was when the journal was begun; it is shown its fills again. `None` does
                for the frictionless one and for a market of the user's.
            settings: How the engine is run.
            listener: Called with every event.

        Raises:
            OtherTerms: Journal or snapshot was begun under another rulebook, or other terms.
            UnreadableData: The snapshot is damaged, or is none of this journal.
            CorruptJournal: A batch is damaged or cannot be applied.
            NewerFormat: A newer release wrote it.
            StorageFailed: It could not be read.
        """
        found = recovered(rulebook, journal, market, snapshot)
        engine = cls(rulebook, settings=settings, listener=listener)
        engine._outbox = Outbox(journal, found.begun, found.position)
        engine._bind(found.state, found.market)
        return engine

    def _bind(self, state: State, market: ExecutionVenue) -> None:
        """Attach everything that works on a state."""
        self.state = state
        self._watch = self._settings.watch(state, self._settings.tripwires)
        self._guards = Guards(state)
        self._schedule = Schedule(state)
        self._unknown = Unknowns(state)
        self._desk = Desk(state, market, self._emit, Holders())

    # --- commands -------------------------------------------------------------------------------

    def submit(self, command: Command, *, key: str = "") -> Receipt:
        """Carry out one command.

        Args:
            command: What to do.
            key: Idempotency key: of commands sent with the same one, the first that is not refused
                is carried out, and the others are told where (`Receipt.is_repeated`). The latest
                `engine.keys.KEYS_KEPT` are remembered; the empty key is none.

        Raises:
            Rejected: A rule says no, or the key was another command's; nothing has changed.
            InvalidInput: The command names something unknown or out of scale; nothing has changed.
            StorageFailed: It could not be made durable; the engine must be opened again.
        """
        whole = encoded(command)
        stamp = stamp_of(key, whole) if key != "" else b""
        with self._outbox.whole():
            done = self.state.keys.position_of(stamp) if stamp else None
            if done is not None:
                return Receipt(done, (), is_repeated=True)
            is_done = self._carry_out(command, stamp)
            return self._commit(is_repeated=not is_done)

    def submit_checked(
        self, commands: Sequence[Command], keys: Sequence[str] = ()
    ) -> list[Outcome]:
        """Carry out commands in order, each accepted or refused by itself, as one durable batch.

        With the decisions of one `submit` each, and what follows from them in the same order; much
        faster where most are payments and fills without orders or leverages. All that are accepted
        share one position. What was decided in columns is in the event `Checked` of the batch, not
        in its receipt.

        Args:
            commands: What to do.
            keys: Idempotency keys, one each, the empty one for none; or no keys at all.

        Returns:
            For every command its receipt, or why it was refused.

        Raises:
            InvalidInput: There is not one key for each; nothing has changed.
            StorageFailed: It could not be made durable; the engine must be opened again.
        """
        draft = drafted(self.state, commands, keys)
        with self._outbox.whole():
            hands = Hands(
                state=self.state,
                outbox=self._outbox,
                emit=self._emit,
                carry_out=self._carry_out,
                is_backstop_due=self._is_backstop_due,
            )
            results = in_stretches(hands, draft)
            self._settle(NOBODY)
            self._commit()
        return results

    def _carry_out(self, command: Command, stamp: bytes) -> bool:
        """Decide about a command and let happen what follows; return whether it did anything."""
        if isinstance(command, AdvanceTime):
            self._advance_time(command.time_ms, stamp)
            return True
        events = decide(self.state, command)
        for event in events:
            self._emit(event)
        self._remember(stamp)
        self._settle(self._follow(command))
        self._deleverage_backstop()
        return bool(events)

    def group(self) -> AbstractContextManager[None]:
        """Make the commands of a block durable together: one write for all of them.

        Inside, commands, bulks and marks are decided and applied one after the other as ever, each
        a batch of its own with its final position; none may be acknowledged before the block has
        ended. One that is refused changes nothing and leaves the others as they are. The block
        ends with the write, also when it ends with an error of its own.

        Raises:
            InvalidInput: A group is open already.
            StorageFailed: At the end: nothing of the group is durable, and the engine must be
                opened again.
        """
        return self._outbox.group()

    def submit_bulk(self, event: e.Posted | e.AccountsOpened, *, opening: bool = False) -> Receipt:
        """Carry out a batch of postings or openings, in columns: all of it or none.

        For opening a book, and for trades that were matched and margined elsewhere, by the hundred
        thousand a second. Checked on the columns is what would break an invariant or is malformed
        (`engine.bulk`). Left to the caller, and to the liquidation that follows at once where it
        is not kept: the initial margin of what fills open, whether a unit is past its margin call,
        leverages above their tier's maximum, one-way beside hedge mode, reserved orders, deposits
        of what has no price to trust. Asking those takes an exact report, or a look at every row
        of a unit, a posting: `commands.FillBatch` and the single commands do.

        Args:
            event: The columns.
            opening: The book was held elsewhere: fills state what positions cost then, payments
                what was owed. Prices are not compared with marks; clients may be left in debt.

        Raises:
            Rejected: A rule says no to a row, named in `index`; nothing has changed.
            InvalidInput: A row is malformed; nothing has changed.
            StorageFailed: It could not be made durable; the engine must be opened again.
        """
        with self._outbox.whole():
            if isinstance(event, e.AccountsOpened):
                require_openings(self.state, event)
            else:
                require_postings(self.state, event, opening=opening)
            self._emit(event)
            self._settle(NOBODY)
            self._deleverage_backstop()
            return self._commit()

    def submit_marks(self, marks: e.MarksSet) -> int:
        """Carry out a stream of snapshots; return the journal position after it.

        Each stretch up to a snapshot at which something happens is one durable batch.

        Raises:
            Rejected: Time runs backwards; nothing of the stream has been applied.
            InvalidInput: The columns do not fit, or a snapshot names a price twice; likewise.
        """
        with self._outbox.whole():
            judged = self._guards.checked(marks)
            first, count = 0, len(marks.times_ms)
            while first < count:
                first = 1 + self._advance(judged, first)
                if self._outbox.has_facts:
                    self._commit()
            self._commit()
        return self.position

    def submit_prices(
        self,
        time_ms: int,
        *,
        marks: Prices | None = None,
        asset_prices: Prices | None = None,
        indices: Prices | None = None,
    ) -> int:
        """Carry out one snapshot of prices by name; return the journal position after it.

        `submit_marks` for callers without rows; for streams, it is much faster. Arguments and
        errors are those of `engine.named_prices.named_prices`; nothing has then been applied.
        """
        universe = self.state.universe
        prices = named_prices(
            universe, time_ms, marks=marks, asset_prices=asset_prices, indices=indices
        )
        return self.submit_marks(prices)

    def _advance_time(self, time_ms: int, stamp: bytes) -> None:
        """Move the clock and run what waits for it."""
        self._guards.require_time(time_ms)
        self._remember(stamp)
        self._distrust_old(time_ms, fresh=set())
        units = self._watch.time_passes(time_ms)
        self._emit(e.TimeAdvanced(time_ms=time_ms))
        self._settle(units)
        self._run_due()

    def _advance(self, judged: Judged, first: int) -> int:
        """Carry out snapshots from `first` up to one that needs a decision; return that one."""
        self._distrust(judged.marks, first)
        if self._outbox.has_facts:
            self._commit()
        last = self._guards.horizon(judged, first, self._schedule.next_wake())
        stop, units = self._watch.advance(judged.marks, first, last)
        told = self._guards.told(judged, first, stop)
        self._apply(stretch(judged.marks, first, stop))
        for event in told:
            self._emit(event)
        self._settle(distinct([units, self._guarded_units()]))
        self._run_due()
        return stop

    def advance_time(self, time_ms: int) -> Receipt:
        """Move the clock and run what waits for it."""
        return self.submit(AdvanceTime(time_ms=time_ms))

    # --- durability -----------------------------------------------------------------------------

    def write_snapshot(self, path: Path) -> str:
        """Write everything the engine holds to one file, in one step; return the digest.

        Raises:
            JournalBehind: The memory is ahead of the journal.
            InvalidInput: So it is inside a group of commands.
        """
        self._outbox.require_durable("a snapshot")
        last = batch_digest(self._batch(self.position)) if self.position else ""
        notes = {"position": self.position, "last": last, "begun": self._outbox.begun}
        return save(self.state, self._desk.market, path, notes)

    # --- reading --------------------------------------------------------------------------------

    def events_at(self, position: int) -> tuple[Any, ...]:
        """Return what happened in the batch that ended at a position, from the journal.

        Raises:
            PositionConflict: No batch ended there, or it is not durable yet.
            CorruptJournal: It cannot be read.
        """
        events = [event_of(record) for record in self._batch(position)]
        return tuple(x for x in events if not isinstance(x, e.JournalOpened))

    def _batch(self, position: int) -> tuple[Record, ...]:
        durable = self._outbox.durable
        if not 1 <= position <= durable:
            msg = f"no batch ended at position {position}; the journal holds 1 to {durable}"
            raise PositionConflict(msg, expected=position, actual=durable)
        with reading(self.journal, after=position - 1) as batches:
            return next(batches)[1]

    def digest(self) -> str:
        """Return the digest of the state: equal states have equal digests."""
        return state_digest(self.state)

    def suspects(self) -> Int32s:
        """Return the units at or below the level they are watched at."""
        return self._watch.suspects()

    def unknown(self) -> dict[int, tuple[str, ...]]:
        """Return the units that cannot be decided, each with the prices that are missing for it.

        Units with a position or a debt that read a price which is stale, refused or was never
        there. They are neither cleared nor liquidated until it is back.
        """
        return self._unknown.read()

    @property
    def journal(self) -> Journal:
        """Where events are made durable."""
        return self._outbox.journal

    @property
    def position(self) -> int:
        """Batches so far, those of an open group included."""
        return self._outbox.position

    @property
    def durable_position(self) -> int:
        """Batches that are durable: what may be acknowledged."""
        return self._outbox.durable

    @property
    def is_behind(self) -> bool:
        """Whether the memory is ahead of the journal: nothing is accepted any more."""
        return self._outbox.is_behind

    @property
    def watch(self) -> Watch:
        """The tripwire index, for statistics and checks."""
        return self._watch

    # --- inside ---------------------------------------------------------------------------------

    def _emit(self, event: Any) -> None:  # noqa: ANN401 an event
        """Apply an event, write it down, and let everybody know what it touched."""
        witness = self._settings.witness
        if witness is not None:
            witness.before(self.state, event)
        touched = apply(self.state, event)
        self._watch.note(touched)
        self._unknown.note(touched)
        self._note_guarded(event, touched)
        self._desk.note(touched)
        if self.follower is not None:
            self.follower.note(event, touched)
        if isinstance(event, e.TimeAdvanced | e.RulebookSet):
            self._desk.holders.forget()
        self._record(event)
        if witness is not None:
            witness.after(self.state, event)

    def _apply(self, marks: e.MarksSet) -> None:
        """Apply snapshots: every candidate known so far is out of date."""
        apply(self.state, marks)
        self._desk.holders.forget()
        self._record(marks)

    def _remember(self, stamp: bytes) -> None:
        """Write down the key of a command that is carried out; it touches nobody."""
        if stamp:
            keyed = e.Keyed(stamp=stamp, position=self.position + 1)
            apply(self.state, keyed)
            self._record(keyed)

    def _record(self, event: Any) -> None:  # noqa: ANN401 an event
        self._outbox.note(event)
        if self._listener is not None:
            self._listener(event)

    def _note_guarded(self, event: Any, touched: Touched) -> None:  # noqa: ANN401 an event
        """Remember touched units that wires do not see: with stops, or in a liquidation."""
        state = self.state
        if not state.protections and not state.cases:
            return
        units = {*touched.units.tolist(), getattr(event, "unit", -1)}
        if touched.cash is not None:
            units |= set(touched.cash["unit"].tolist())
        self._changed |= {u for u in units if u in state.protections or u in state.cases}

    def _flush(self) -> Int32s:
        """Return who needs a decision after what has happened."""
        if not self._changed:
            return self._watch.flush()
        changed = np.array(sorted(self._changed), np.int32)
        self._changed.clear()
        return distinct([self._watch.flush(), changed])

    def _settle(self, units: Int32s) -> None:
        """Decide about units, and about whoever that touches, until nobody is touched."""
        rows = distinct([units, self._flush()])
        with exact():  # entered once: inside it, entering again costs nothing
            while len(rows):
                self._warn(rows)
                for unit in rows.tolist():
                    if unit in self.state.protections:
                        run_protections(self._desk, unit)
                for unit in in_order(self.state, rows):
                    liquidate(self._desk, unit)
                rows = self._flush()
        keep_within_positions(self._desk)
        for event in self._unknown.told():
            self._emit(event)

    def _follow(self, command: Command) -> Int32s:
        """Follow a command that changes how units are seen; return who to look at."""
        if isinstance(command, SetRulebook):
            self._unknown.forget()
            return distinct([self._watch.rebuild(), self._guarded_units()])
        if isinstance(command, Resume):
            return distinct([self.suspects(), self._guarded_units()])
        if isinstance(command, Override):
            self._override(command)
        return NOBODY

    def _override(self, command: Override) -> None:
        case = self.state.cases.get(command.unit)
        if command.action == "takeover":
            take_over(self._desk, command.unit)
        elif command.action == "release" and case is not None:
            end(self._desk, case, "released")

    def _warn(self, units: Int32s) -> None:
        for level, crossed in crossings(self.state, units).items():
            self._emit(e.Warned(level=level, units=crossed))

    def _run_due(self) -> None:
        """Run what waits for time."""
        time_out(self._desk)
        tasks = self._schedule.due()
        if tasks.recheck:
            self._emit(e.WorkDone(work="recheck", time_ms=self.state.time_ms))
            for level, units in recoveries(self.state).items():
                self._emit(e.WarningCleared(level=level, units=units))
        for unit in queue(self.state, tasks.units):
            liquidate(self._desk, unit)
        self._deleverage_backstop()
        if tasks.jobs:
            self._emit(e.WorkDone(work="disposal", time_ms=self.state.time_ms))
        for work in tasks.jobs:
            work(self._desk)
        self._settle(NOBODY)

    def _deleverage_backstop(self) -> None:
        """Close the backstop against winners at the snapshot at which it falls below its trigger.

        Once an interval: until it has passed, who was found has been asked.
        """
        if self._is_backstop_due():
            self._emit(e.WorkDone(work="deleverage", time_ms=self.state.time_ms))
            deleverage_backstop(self._desk)
            self._settle(NOBODY)

    def _is_backstop_due(self) -> bool:
        """Whether the backstop is below its trigger, and may be looked at."""
        limit = self.state.backstop_trigger()
        return limit is not None and self.state.backstop_equity() < limit

    def _distrust(self, marks: e.MarksSet, snapshot: int) -> None:
        """Stop believing what is too old at a snapshot and not renewed by it."""
        start, end = int(marks.offsets[snapshot]), int(marks.offsets[snapshot + 1])
        is_good = np.isfinite(marks.prices[start:end])
        fresh = set(marks.factors[start:end][is_good].tolist())
        self._distrust_old(int(marks.times_ms[snapshot]), fresh)

    def _distrust_old(self, time_ms: int, fresh: set[int]) -> None:
        """Stop believing prices that are too old: nobody is cleared or liquidated on them."""
        factors = [factor for factor in self._schedule.stale(time_ms) if factor not in fresh]
        if not factors:
            return
        for factor in factors:
            price = repr(float(self.state.prices[factor]))
            self._emit(e.MarkRefused(factor=factor, price=price, time_ms=time_ms, reason="stale"))
        unknown = e.MarksSet(
            times_ms=np.array([self.state.time_ms]),
            offsets=np.array([0, len(factors)]),
            factors=np.array(factors, np.int32),
            prices=np.full(len(factors), np.nan),
        )
        _, units = self._watch.advance(unknown, 0, 0)
        self._apply(unknown)
        self._settle(units)

    def _guarded_units(self) -> Int32s:
        """Return the units with what no wire watches: stops, recovery, orders in maintenance."""
        state = self.state
        units = {unit for unit in state.orders if state.counts_orders_of(unit)}
        units |= state.cases.keys() - state.held
        if has_kind(state, {*PRICE_KINDS, "equity_floor"}):
            units |= state.protections.keys()
        return np.array(sorted(units), np.int32)

    def _commit(self, *, is_repeated: bool = False) -> Receipt:
        """Make what happened one batch."""
        events = self._outbox.commit()
        if events:
            self._desk.holders.forget()
        return Receipt(self.position, events, is_repeated)


__all__ = ["Engine", "JournalBehind", "Receipt", "Rejected", "Settings"]
