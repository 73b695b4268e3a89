"""One turn of the writer: what waits is carried out and made durable with one write.

Marks come first, and everything they cause is decided before the next command is looked at.
Outcomes are told to nobody before the write has succeeded.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from keelmark.core.errors import (
    InvalidInput,
    KeelmarkError,
    PositionConflict,
    Rejected,
    RejectionReason,
    StorageFailed,
)
from keelmark.engine.commands import AdvanceTime, Command, Deposit, Fill, Transfer, Withdraw
from keelmark.engine.engine import Engine
from keelmark.engine.events import MarksSet
from keelmark.engine.journal.port import Record
from keelmark.engine.named_prices import named_prices
from keelmark.engine.outbox import JournalBehind
from keelmark.engine.receipt import Receipt
from keelmark.engine.schedule import NEVER, Schedule
from keelmark.service.link import messages as m
from keelmark.service.link.columns import joined, unpacked
from keelmark.service.link.commands import command_of
from keelmark.service.link.failures import failure_of, refused
from keelmark.service.writer.clock import Clock
from keelmark.service.writer.lanes import CommandJob, Lanes, MarkJob
from keelmark.service.writer.meters import Meters
from keelmark.service.writer.tap import Durable, JournalTap

AHEAD_MAX_MS = 5_000
"""How far ahead of the service's clock a time may be: an engine's clock cannot be moved back."""

LATE_MAX_MS = 5_000
"""How far behind the engine's clock a venue's own time may be; less counts as that clock's."""

OLD_MAX_MS = 3_600_000
"""How far behind the service's clock it may be: an engine's first time is not a venue's mistake."""

LAG_MS = 250
"""How far the writer's own time stays behind its clock: marks may be so long on their way."""

LOOK_NS = 20_000_000
"""Time between two looks at what is due."""

RETRY_MS = 1_000
"""Time until what is due and cannot be done is tried again."""

RUN_MIN, RUN_MAX = 8, 128
"""Payments and fills that are decided together, at least and at most: some 2 ms."""

SCREENED = (Deposit, Withdraw, Transfer, Fill)


class FellBehind(Exception):
    """The journal could not be written: nothing of this turn may be acknowledged."""


@dataclass(slots=True, eq=False)
class Turn:
    """What was done in one turn.

    Attributes:
        durable: Batches, in order.
        answers: Requests that are done, with their outcomes.
        touched: Requests of which something was carried out, done or not.
    """

    durable: list[Durable] = field(default_factory=list)
    answers: list[tuple[CommandJob | MarkJob, tuple[m.Outcome, ...]]] = field(default_factory=list)
    touched: list[CommandJob | MarkJob] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How turns are taken.

    Attributes:
        turn_ns: Longest time for commands.
        by_marks: Whether marks alone move time; no time is then too far ahead.
    """

    turn_ns: int
    by_marks: bool


class Worker:
    """Carries out what waits, on one engine."""

    def __init__(self, engine: Engine, tap: JournalTap, clock: Clock, meters: Meters) -> None:
        self.engine = engine
        self._tap = tap
        self._clock = clock
        self._meters = meters
        self._schedule = Schedule(engine.state)
        self._looked_ns = self._wake_ms = 0
        self._shared: set[int] = set()  # positions of many commands together

    def take_turn(self, lanes: Lanes, terms: Terms) -> Turn:
        """Carry out what waits, as much as fits into a turn.

        Raises:
            FellBehind: With the turn so far in its second argument.
        """
        turn = Turn()
        begun: list[tuple[CommandJob, int]] = []
        try:
            with self.engine.group():
                if not terms.by_marks:
                    self._keep_time()
                self._carry_out_marks(lanes.next_marks(), terms, turn)
                self._carry_out_commands(lanes, terms, begun, turn)
            self._require_durable()
        except (StorageFailed, JournalBehind, PositionConflict) as error:
            for job, done in begun:
                del job.outcomes[done:]
            raise FellBehind(error, turn) from error
        self._finish(turn, begun)
        return turn

    def _require_durable(self) -> None:
        """Refuse to acknowledge what a group that ended quietly did not write.

        Raises:
            JournalBehind: A command was carried out in half, and its group given up.
        """
        if self.engine.is_behind or self.engine.durable_position != self.engine.position:
            msg = "a command was refused after it had begun; its group was given up"
            raise JournalBehind(msg)

    # --- time -----------------------------------------------------------------------------------

    def wake_in_ms(self) -> int | None:
        """Return in how many milliseconds something waits for time; `None` if nothing does."""
        due = self._due_ms()
        return None if due >= NEVER else max(due + LAG_MS - self._clock.now_ms(), 0)

    def _keep_time(self) -> None:
        """Move the engine's clock if something is due, and no mark has moved it there."""
        now = self._clock.now_ms() - LAG_MS
        if self._due_ms() <= now and now > self.engine.state.time_ms:
            self.engine.advance_time(now)
            self._looked_ns = 0
            self._meters.count("wakes")

    def _due_ms(self) -> int:
        """Return when the clock is to be moved; looked up anew every so often, for it takes time.

        What was due when the clock was moved last, and is still (a pause, a mark without trust),
        is tried again after a while: a batch at a time, not as fast as the disk is.
        """
        if time.monotonic_ns() - self._looked_ns >= LOOK_NS:
            self._looked_ns = time.monotonic_ns()
            self._wake_ms = self._schedule.next_wake()
        now = self.engine.state.time_ms
        return self._wake_ms if self._wake_ms > now else now + RETRY_MS

    def _require_present(self, time_ms: int, terms: Terms) -> None:
        """Refuse a time that lies ahead: an engine's clock cannot be moved back.

        Raises:
            Rejected: With both times.
        """
        now = self._clock.now_ms()
        if not terms.by_marks and time_ms > now + AHEAD_MAX_MS:
            msg = (
                f"{time_ms} ms lies ahead of the service's clock, {now} ms; set the sender's clock"
            )
            raise Rejected(RejectionReason.TIME_OUT_OF_RANGE, msg)

    # --- marks ----------------------------------------------------------------------------------

    def _carry_out_marks(self, jobs: Sequence[MarkJob], terms: Terms, turn: Turn) -> None:
        """Carry out the marks that wait as one stream; what is refused spoils no other."""
        turn.touched += jobs
        read: list[tuple[MarkJob, MarksSet]] = []
        for job in jobs:
            try:
                read.append((job, self._marks_of(job.request, terms)))
            except (InvalidInput, Rejected) as error:
                self._refuse_marks(job, error, turn)
        if len(read) > 1:
            try:
                self.engine.submit_marks(joined([marks for _, marks in read]))
            except (InvalidInput, Rejected):  # nothing of the stream has been applied
                pass
            else:
                self._accept_marks(read, turn)
                return
        for job, marks in read:
            try:
                self.engine.submit_marks(marks)
            except (InvalidInput, Rejected) as error:
                self._refuse_marks(job, error, turn)
            else:
                self._accept_marks([(job, marks)], turn)

    def _marks_of(self, request: m.Marks | m.Prices, terms: Terms) -> MarksSet:
        if isinstance(request, m.Marks):
            marks = unpacked(request.columns)
        else:
            marks = named_prices(
                self.engine.state.universe,
                self._time_of(request, terms),
                marks=request.marks,
                asset_prices=request.asset_prices,
                indices=request.indices,
            )
        if len(marks.times_ms):
            self._require_present(int(marks.times_ms[-1]), terms)
        return marks

    def _time_of(self, request: m.Prices, terms: Terms) -> int:
        last = self.engine.state.time_ms
        if request.time_ms is None:
            return last if terms.by_marks and last else max(self._clock.now_ms(), last)
        if not request.is_venue_time or terms.by_marks:
            return request.time_ms
        now = self._clock.now_ms()
        if request.time_ms < max(last - LATE_MAX_MS, now - OLD_MAX_MS):
            msg = (
                f"the venue's prices come more than {LATE_MAX_MS // 1000} s late by this "
                "machine's clock; set it, or look for what holds the venue's stream up"
            )
            raise Rejected(RejectionReason.TIME_OUT_OF_RANGE, msg)
        return max(min(request.time_ms, now), last)

    def _accept_marks(self, read: Sequence[tuple[MarkJob, MarksSet]], turn: Turn) -> None:
        outcome = m.Outcome(status="done", position=self.engine.position)
        turn.answers += [(job, (outcome,)) for job, _ in read]
        self._meters.count("snapshots", sum(len(marks.times_ms) for _, marks in read))
        self._meters.count("prices", sum(len(marks.prices) for _, marks in read))

    def _refuse_marks(self, job: MarkJob, error: InvalidInput | Rejected, turn: Turn) -> None:
        self._meters.count("marks_refused")
        turn.answers.append((job, (refused(error, self.engine.position),)))

    # --- commands -------------------------------------------------------------------------------

    def _carry_out_commands(
        self, lanes: Lanes, terms: Terms, begun: list[tuple[CommandJob, int]], turn: Turn
    ) -> None:
        """Carry out commands until none waits or the time of a turn is over."""
        end = time.monotonic_ns() + terms.turn_ns
        while (job := lanes.first_commands()) is not None:
            begun.append((job, len(job.outcomes)))
            turn.touched.append(job)
            while job.left:
                left = job.left
                self._go_on(job, terms, end)
                lanes.items -= left - job.left
                if time.monotonic_ns() >= end:
                    break
            if job.left:
                return
            lanes.finished()
            if time.monotonic_ns() >= end:
                return

    def _go_on(self, job: CommandJob, terms: Terms, end: int) -> None:
        """Carry out the next commands of a request, in order, until an instant.

        Payments and fills that follow each other are decided together: they are one batch.
        """
        start = len(job.outcomes)
        items = job.request.items[start : start + RUN_MAX]
        read = [self._read(item, terms) for item in items]
        at = 0
        while at < len(read):
            run = _plain_run(read, at)
            if run >= RUN_MIN:
                job.outcomes += self._screened(items[at : at + run], read[at : at + run])
            else:
                job.outcomes.append(self._outcome(items[at], read[at]))
            at = len(job.outcomes) - start
            if time.monotonic_ns() >= end:
                return

    def _read(self, item: m.Item, terms: Terms) -> Command | Rejected | InvalidInput:
        try:
            command = command_of(item.command)
            self._check(command, terms)
        except (Rejected, InvalidInput) as error:
            return error
        return command

    def _outcome(self, item: m.Item, command: Command | Rejected | InvalidInput) -> m.Outcome:
        """Carry out one command; what is refused changes nothing."""
        if not isinstance(command, Command):
            return refused(command, self.engine.position)
        try:
            receipt = self.engine.submit(command, key=item.key)
        except PositionConflict:
            raise
        except (Rejected, InvalidInput) as error:
            return refused(error, self.engine.position)
        return _accepted(receipt)

    def _screened(
        self, items: Sequence[m.Item], read: Sequence[Command | Rejected | InvalidInput]
    ) -> list[m.Outcome]:
        """Carry out a run of payments and fills: the same decisions, one batch for all of them."""
        commands = [command for command in read if isinstance(command, Command)]
        results = self.engine.submit_checked(commands, [item.key for item in items])
        position = self.engine.position
        self._shared.add(position)
        return [
            _accepted(result) if isinstance(result, Receipt) else refused(result, position)
            for result in results
        ]

    def _check(self, command: Command, terms: Terms) -> None:
        if isinstance(command, AdvanceTime):
            self._require_present(command.time_ms, terms)

    # --- the end of a turn ----------------------------------------------------------------------

    def _finish(self, turn: Turn, begun: Iterable[tuple[CommandJob, int]]) -> None:
        """Give outcomes their events now that they are durable, and count."""
        turn.durable = self._tap.taken()
        records = {
            batch.position: batch.records
            for batch in turn.durable
            if batch.position not in self._shared
        }
        self._shared.clear()
        now = time.monotonic_ns()
        for job, done in begun:
            new = [_with_events(outcome, records) for outcome in job.outcomes[done:]]
            job.outcomes[done:] = new
            self._count(new, (now - job.received_ns) // 1000)
            if not job.left:
                turn.answers.append((job, tuple(job.outcomes)))
        for answered, _ in turn.answers:
            if isinstance(answered, MarkJob):
                self._meters.count("mark_messages")
                self._meters.mark_to_decision.note((now - answered.received_ns) // 1000)
        if turn.durable:
            self._meters.count("batches", len(turn.durable))
            self._meters.commit.note(self._tap.commit_us)
            self._meters.group.note(len(turn.durable))

    def _count(self, outcomes: Sequence[m.Outcome], microseconds: int) -> None:
        names = {"done": "commands", "repeated": "repeated", "rejected": "rejected"}
        for outcome in outcomes:
            self._meters.count(names.get(outcome.status, "invalid"))
        self._meters.command_to_durable.note(microseconds, len(outcomes))


def _plain_run(read: Sequence[Command | Rejected | InvalidInput], start: int) -> int:
    """Return how many payments and fills follow each other from a place on."""
    count = 0
    while start + count < len(read) and isinstance(read[start + count], SCREENED):
        count += 1
    return count


def _accepted(receipt: Receipt) -> m.Outcome:
    status: m.OutcomeStatus = "repeated" if receipt.is_repeated else "done"
    return m.Outcome(status=status, position=receipt.position)


def _with_events(outcome: m.Outcome, records: dict[int, tuple[Record, ...]]) -> m.Outcome:
    if outcome.status != "done":
        return outcome
    return msgspec.structs.replace(outcome, events=records.get(outcome.position, ()))


def behind(error: Exception, retry_after_ms: int) -> m.Outcome:
    """Return the outcome of what could not be made durable, or was not looked at because of it."""
    failure = failure_of(error) if isinstance(error, KeelmarkError) else None
    why = failure.message if failure else str(error)
    message = f"{why}; whether it is durable is not known: send it again with the same key"
    return m.Outcome(
        status="behind",
        error=m.Failure(code="behind", message=message),
        retry_after_ms=retry_after_ms,
    )
