"""Start processes in order, start those that die again, and stop all in the opposite order."""

import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from keelmark.service.supervisor.child import Child, Plan, launched
from keelmark.service.supervisor.patience import Patience

OUR_ERROR = 70
BAD_INPUT = 64
AWAY = 75

Hear = Callable[[str, dict[str, Any]], None]
"""Told the name of a process and its report."""

TICK_S = 0.1


@dataclass(slots=True, eq=False)
class _Place:
    """A process that is to run.

    Attributes:
        plan: How.
        child: It, while it runs.
        patience: How often it has died.
        next_s: When it is started (again), on the monotone clock.
        was_ready: Whether it has ever been ready.
        is_done: Whether it has ended by itself, as it may.
    """

    plan: Plan
    child: Child | None = None
    patience: Patience = field(default_factory=Patience)
    next_s: float = 0.0
    was_ready: bool = False
    is_done: bool = False

    @property
    def is_passed(self) -> bool:
        """Whether those that come after it may start."""
        return self.is_done or (self.child is not None and self.child.is_ready)


class Supervisor:
    """Keeps the processes of a service running until it is told to stop.

    Attributes:
        code: Exit code of the service.
    """

    def __init__(self, plans: Sequence[Plan], hear: Hear) -> None:
        self._places = {plan.name: _Place(plan) for plan in plans}
        self._hear = hear
        self._selector = selectors.DefaultSelector()
        self._is_stopping = False
        self.code = 0

    def run(self) -> int:
        """Run until SIGINT, SIGTERM, or a vital process is given up; return the exit code."""
        restore = self._listen_for_signals()
        try:
            while not self._is_stopping:
                self._start_due()
                self._hear_everybody(TICK_S)
                self._bury_the_dead()
        finally:
            self._stop_all()
            self._selector.close()
            restore()
        return self.code

    def stop(self) -> None:
        """Stop everything, in order."""
        self._is_stopping = True

    # --- running --------------------------------------------------------------------------------

    def _start_due(self) -> None:
        """Launch what is due, and let what has been launched begin when its turn has come."""
        now = time.monotonic()
        for place in self._places.values():
            if place.is_done or now < place.next_s:
                continue
            before = self._places.get(place.plan.after)
            may_begin = before is None or before.is_passed
            is_early = place.plan.is_early and before is not None and before.child is not None
            if place.child is None and (may_begin or is_early):
                place.child = launched(place.plan)
                self._selector.register(place.child.output, selectors.EVENT_READ, place)
            if place.child is not None and may_begin and not place.child.has_begun:
                place.child.begin()
                self._hear(place.plan.name, {"event": "started", "pid": place.child.process.pid})

    def _hear_everybody(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, _Place):
                self._hear_one(key.data)
            else:
                os.read(key.fd, 64)
                self.stop()

    def _hear_one(self, place: _Place) -> None:
        child = place.child
        reports = child.reports() if child is not None else None
        if child is None or reports is None:
            if child is not None:
                self._selector.unregister(child.output)
            return
        for report in reports:
            if report["event"] == "ready":
                child.is_ready = place.was_ready = True
            elif report["event"] == "failed":
                child.failure = str(report.get("reason", ""))
            self._hear(place.plan.name, report)

    def _bury_the_dead(self) -> None:
        for place in self._places.values():
            child = place.child
            code = child.process.poll() if child is not None else None
            if child is None or code is None:
                continue
            self._drain(place)
            place.child = None
            child.let_go()
            self._died(place, code, child.failure)

    def _died(self, place: _Place, code: int, failure: str) -> None:
        """Decide what follows from the end of a process."""
        if self._is_stopping:
            return
        if place.plan.is_once and code == 0:
            place.is_done = True
            self._hear(place.plan.name, {"event": "done"})
            return
        pause = place.patience.died(time.monotonic())
        report: dict[str, Any] = {"event": "died", "code": code, "reason": failure}
        is_away = code == AWAY and (place.was_ready or not place.plan.is_vital)
        if not place.was_ready and not is_away and code in {BAD_INPUT, AWAY}:
            self._give_up(place, report, BAD_INPUT)
        elif place.plan.is_vital and place.patience.is_over and not is_away:
            self._give_up(place, report, code if code in {BAD_INPUT, OUR_ERROR} else OUR_ERROR)
        else:
            place.next_s = time.monotonic() + pause
            self._hear(place.plan.name, {**report, "again_in_s": pause})

    def _give_up(self, place: _Place, report: dict[str, Any], code: int) -> None:
        self._hear(place.plan.name, {**report, "event": "gave_up"})
        self.code = code
        self.stop()

    # --- stopping -------------------------------------------------------------------------------

    def _stop_all(self) -> None:
        """Stop the processes in the opposite order of their plans; the writer comes last."""
        self._is_stopping = True
        for place in reversed(self._places.values()):
            child = place.child
            if child is None:
                continue
            child.stop()
            end = time.monotonic() + place.plan.stop_s
            while child.process.poll() is None and time.monotonic() < end:
                self._hear_everybody(TICK_S)
            if child.process.poll() is None:
                self._hear(place.plan.name, {"event": "killed", "after_s": place.plan.stop_s})
                child.process.kill()
                child.process.wait()
            self._drain(place)
            place.child = None
            child.let_go()

    def _drain(self, place: _Place) -> None:
        """Hear the last words of a process that has ended."""
        child = place.child
        if child is None or child.output not in self._selector.get_map():
            return
        os.set_blocking(child.output, False)
        while child.output in self._selector.get_map():
            try:
                self._hear_one(place)
            except BlockingIOError:  # a grandchild holds the pipe open
                self._selector.unregister(child.output)

    def _listen_for_signals(self) -> Callable[[], None]:
        """Stop at SIGINT and SIGTERM; return what undoes that."""
        signalled, wakes = os.pipe()
        os.set_blocking(wakes, False)
        self._selector.register(signalled, selectors.EVENT_READ)
        woken = signal.set_wakeup_fd(wakes)
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, lambda *_: None) for number in numbers]

        def restore() -> None:
            signal.set_wakeup_fd(woken)
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
            os.close(signalled)
            os.close(wakes)

        return restore
