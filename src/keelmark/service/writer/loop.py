"""The writer's loop: hear, carry out, make durable, show, answer; and go on after a failure."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keelmark.core.errors import KeelmarkError, StorageFailed
from keelmark.service.link import messages as m
from keelmark.service.writer.clock import SteadyClock
from keelmark.service.writer.hall import Hall, Heard, require_short
from keelmark.service.writer.lanes import CommandJob, Lanes, MarkJob
from keelmark.service.writer.meters import Meters
from keelmark.service.writer.opening import (
    Opened,
    Opener,
    open_engine,
    open_for_writer,
    write_stopped,
)
from keelmark.service.writer.publication import Publication
from keelmark.service.writer.report import Report
from keelmark.service.writer.settings import WriterSettings
from keelmark.service.writer.turn import FellBehind, Terms, Turn, Worker, behind

IDLE_S = 0.5
"""Longest sleep: gauges are then at most so old."""

BACKOFF_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to open the journal again; the last is repeated."""

GOODBYE_S = 2.0
"""How long a stopping writer waits for clients to read their answers."""


@dataclass(slots=True)
class _Trouble:
    """Why nothing can be carried out at present.

    Attributes:
        error: What the journal said.
        attempt: How often it was opened again in vain.
        next_ns: When it is tried next, on the monotone clock.
    """

    error: Exception
    attempt: int
    next_ns: int

    @property
    def retry_after_ms(self) -> int:
        """When a client may try again."""
        return max((self.next_ns - time.monotonic_ns()) // 1_000_000, 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a writer works with, besides its engine.

    Attributes:
        clock: Made once the engine's own time is known.
        publication: Where durable state is shown.
        report: Told what happens.
        opener: Opens a journal by its name.
    """

    clock: Callable[[int], SteadyClock]
    publication: Publication
    report: Report
    opener: Opener = open_for_writer


class Writer:
    """The process: one engine, one loop."""

    def __init__(self, settings: WriterSettings, around: Surroundings) -> None:
        self._settings = settings
        self._opener = around.opener
        self._report = around.report
        self._publication = around.publication
        self._terms = Terms(turn_ns=int(settings.turn_ms * 1e6), by_marks=settings.time == "marks")
        self._lanes = Lanes(settings.queue_items)
        require_short(settings.folder.socket)
        opened = open_engine(settings, around.report, opener=around.opener)
        self._tap = opened.tap
        self._durable = opened.engine.position
        self._clock = around.clock(opened.engine.state.time_ms)
        settings.folder.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._meters = Meters(settings.folder.counters)
        self._worker = Worker(opened.engine, opened.tap, self._clock, self._meters)
        self._trouble: _Trouble | None = None
        self._is_stopping = False
        self._publication.open(opened.engine)
        self._hall = Hall(settings.folder.socket, self._meters)
        self._greet()
        self._meters.set("started_ms", self._clock.now_ms())

    def run(self) -> None:
        """Serve until told to stop; then finish what was accepted."""
        self._report("ready", position=self._durable, pid=os.getpid())
        while not (self._is_stopping and (self._lanes.is_empty or self._trouble)):
            self._once()
        self._finish()

    def stop_when_readable(self, file: int) -> None:
        """Stop once there is something to read from a file, or its end: a pipe of ours."""
        self._hall.watch(file, self.stop)

    def stop(self) -> None:
        """Accept nothing any more, finish what was accepted, and end."""
        self._is_stopping = True
        self._hall.close_door()

    # --- one round ------------------------------------------------------------------------------

    def _once(self) -> None:
        heard = self._hall.wait(self._patience_s())
        begun = time.monotonic_ns()
        for one in heard:
            self._take(one, begun)
        if self._trouble is not None:
            self._try_again()
        elif not self._lanes.is_empty or self._is_due():
            self._turn()
            self._meters.turn.note((time.monotonic_ns() - begun) // 1000)
        self._gauge()

    def _patience_s(self) -> float:
        """Return how long nothing needs to be done."""
        if not self._lanes.is_empty or self._is_stopping:
            return 0.0
        if self._trouble is not None:
            return min(max(self._trouble.next_ns - time.monotonic_ns(), 0) / 1e9, IDLE_S)
        wake = None if self._terms.by_marks else self._worker.wake_in_ms()
        return IDLE_S if wake is None else min(wake / 1000, IDLE_S)

    def _is_due(self) -> bool:
        return not self._terms.by_marks and self._worker.wake_in_ms() == 0

    def _take(self, heard: Heard, now: int) -> None:
        """Let a request wait, or answer it at once."""
        request, peer = heard.request, heard.peer
        if isinstance(request, m.Submit):
            job = CommandJob(peer, request, now, heard.size)
            if self._trouble is not None:
                self._answer_behind(job)
            elif not self._lanes.add_commands(job):
                self._answer_busy(job, len(request.items))
        elif isinstance(request, m.Marks | m.Prices):
            marks = MarkJob(peer, request, now, heard.size)
            if self._trouble is not None:
                self._answer_behind(marks)
            elif not self._lanes.add_marks(marks):
                self._answer_busy(marks, 1)
        else:
            self._take_simple(heard)

    def _take_simple(self, heard: Heard) -> None:
        request, peer = heard.request, heard.peer
        if isinstance(request, m.Subscribe):
            peer.is_subscribed = True
            self._hall.answer(peer, m.Subscribed(id=request.id, position=self._durable))
        elif isinstance(request, m.Stop):
            self._report("stop_asked")
            self._hall.answer(peer, m.Stopping(id=request.id))
            self.stop()
        else:
            self._gauge()
            counters = m.Counters(
                id=request.id,
                position=self._durable,
                time_ms=self._worker.engine.state.time_ms,
                is_behind=self._trouble is not None,
                counters=self._meters.brief(),
            )
            self._hall.answer(peer, counters)

    def _turn(self) -> None:
        try:
            turn = self._worker.take_turn(self._lanes, self._terms)
        except FellBehind as error:
            cause, failed = error.args
            self._fall_behind(cause, failed)
            return
        if turn.durable:
            self._durable = turn.durable[-1].position
            self._publication.publish()
        for job, outcomes in turn.answers:
            self._hall.finish(job.peer, m.Done(id=job.request.id, results=outcomes))
        if turn.durable:
            self._hall.fan_out(turn.durable, self._worker.engine.state.time_ms)

    # --- trouble --------------------------------------------------------------------------------

    def _fall_behind(self, error: Exception, turn: Turn) -> None:
        """Answer everybody `behind`, and open the engine again from what is durable."""
        self._trouble = _Trouble(error, 0, time.monotonic_ns())
        self._report("behind", reason=str(error), position=self._durable)
        jobs = {id(job): job for job in [*turn.touched, *self._lanes.emptied()]}
        for job in jobs.values():
            self._answer_behind(job)
        self._tap.taken()
        try:
            self._tap.close()
        except KeelmarkError as closing:
            self._report("not_closed", reason=str(closing))

    def _try_again(self) -> None:
        """Open the engine again, if it is time to."""
        trouble = self._trouble
        if trouble is None or time.monotonic_ns() < trouble.next_ns:
            return
        try:
            opened = open_engine(
                self._settings, self._report, opener=self._opener, at_least=self._durable
            )
        except StorageFailed as error:
            pause = BACKOFF_S[min(trouble.attempt, len(BACKOFF_S) - 1)]
            trouble.error, trouble.attempt = error, trouble.attempt + 1
            trouble.next_ns = time.monotonic_ns() + int(pause * 1e9)
            self._report("still_behind", reason=str(error), attempt=trouble.attempt)
            return
        self._take_over(opened)

    def _take_over(self, opened: Opened) -> None:
        self._tap = opened.tap
        self._worker = Worker(opened.engine, opened.tap, self._clock, self._meters)
        missed = opened.engine.position != self._durable
        self._durable = opened.engine.position
        self._publication.open(opened.engine)
        if missed:  # durable after all: nobody was told, and subscribers have a gap
            self._hall.drop_subscribers(
                "batches were made durable unseen; read them in the journal"
            )
        self._trouble = None
        self._meters.count("recoveries")
        self._greet()
        self._report("going_on", position=self._durable)

    def _answer_behind(self, job: CommandJob | MarkJob) -> None:
        trouble = self._trouble
        assert trouble is not None  # noqa: S101 only while there is some
        outcome = behind(trouble.error, trouble.retry_after_ms)
        done = job.outcomes if isinstance(job, CommandJob) else []
        left = job.left if isinstance(job, CommandJob) else 1
        self._meters.count("unavailable", left)
        results = (*done, *(outcome for _ in range(left)))
        self._hall.finish(job.peer, m.Done(id=job.request.id, results=results))

    def _answer_busy(self, job: CommandJob | MarkJob, count: int) -> None:
        """Refuse what would wait too long: nothing of it has been looked at."""
        self._meters.count("busy", count)
        waiting = f"{self._lanes.items} commands and {self._lanes.marks} messages of marks wait"
        outcome = m.Outcome(
            status="busy",
            position=self._durable,
            error=m.Failure(code="busy", message=f"{waiting}; nothing was done: send it later"),
            retry_after_ms=max(10, self._lanes.items // 20),
        )
        self._hall.finish(job.peer, m.Done(id=job.request.id, results=(outcome,) * count))

    # --- the rest -------------------------------------------------------------------------------

    def _greet(self) -> None:
        rulebook = self._worker.engine.state.rulebook.name
        hello = m.Hello(
            version=m.VERSION, position=self._durable, rulebook=rulebook, pid=os.getpid()
        )
        self._hall.greet_with(hello)

    def _gauge(self) -> None:
        gauges = {
            "position": self._durable,
            "time_ms": self._worker.engine.state.time_ms,
            "is_behind": int(self._trouble is not None),
            "queue_items": self._lanes.items,
            "queue_marks": self._lanes.marks,
            "clock_drift_ms": self._clock.drift_ms,
            "clock_steps": self._clock.steps,
            "turned_ms": time.monotonic_ns() // 1_000_000,
        }
        _set_all(self._meters, gauges.items())
        self._hall.count()

    def _finish(self) -> None:
        """Let everybody read their answers, leave a note, and let go of everything."""
        self._hall.close_door()
        self._hall.say_goodbye("the service stops")
        end = time.monotonic() + GOODBYE_S
        while self._hall.has_output and time.monotonic() < end:
            self._hall.wait(0.05)
        self._hall.close()
        if self._trouble is None:
            self._leave_note()
            self._tap.close()
        else:
            self._report("stopped", position=self._durable, reason=str(self._trouble.error))
        self._publication.close()

    def _leave_note(self) -> None:
        """Leave position and digest for the next start; it can do without."""
        engine = self._worker.engine
        try:
            write_stopped(self._settings, engine)
        except OSError as error:
            self._report("not_noted", reason=str(error))
        self._report("stopped", position=engine.position, digest=engine.digest())


def _set_all(meters: Meters, gauges: Iterable[tuple[str, int]]) -> None:
    for name, amount in gauges:
        meters.set(name, amount)
