"""What waits for time, and when the next of it is due."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from keelmark.core.process import Stage
from keelmark.engine.entries import Case
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.liquidation.disposal import dispose
from keelmark.engine.state import State

NEVER = 2**62


@dataclass(slots=True)
class Due:
    """What is due now.

    Attributes:
        recheck: Whether warned units are looked at for recovery.
        units: Units whose wait or grace has ended, sorted.
        jobs: Work of the venue's own.
    """

    recheck: bool = False
    units: list[int] = field(default_factory=list)
    jobs: list[Callable[[Desk], None]] = field(default_factory=list)


class Schedule:
    """Reads from the state what is due, and when the next of it will be."""

    def __init__(self, state: State) -> None:
        self._state = state

    def next_wake(self) -> int:
        """Return the next instant at which something is due, `NEVER` if nothing is."""
        state = self._state
        instants = [case.wake_ms for unit, case in state.cases.items() if unit not in state.held]
        instants += [until for unit, until in state.grace.items() if unit not in state.held]
        instants.append(state.working.next_expiry())
        if state.levels:
            instants.append(state.rechecked_ms + 1000 * state.rules.warn.recheck_s)
        if self._disposes():
            instants.append(state.disposed_ms + 1000 * state.rules.takeover.dispose_interval_s)
        retry_ms = state.backstop_retry_ms()
        if self._disposes() and state.time_ms < retry_ms:
            instants.append(retry_ms)
        if state.rules.guards.stale_s:
            fresh = [f for f in range(len(state.seen_ms)) if f not in state.untrusted]
            seen = min((int(state.seen_ms[f]) for f in fresh), default=NEVER)
            instants.append(seen + 1000 * state.rules.guards.stale_s)
        return min(instants, default=NEVER)

    def due(self) -> Due:
        """Return what is due now."""
        state, now = self._state, self._state.time_ms
        result = Due()
        if state.levels and now - state.rechecked_ms >= 1000 * state.rules.warn.recheck_s:
            result.recheck = True
        result.units = sorted(
            {u for u, case in state.cases.items() if self._is_due(case)}
            | {u for u, until in state.grace.items() if until <= now and u not in state.held},
        )
        interval = 1000 * state.rules.takeover.dispose_interval_s
        if self._disposes() and now - state.disposed_ms >= interval:
            result.jobs = [dispose]
        return result

    def _is_due(self, case: Case) -> bool:
        """Whether the wait of a liquidation is over: its time, and that for an order outside."""
        state = self._state
        if case.unit in state.held or case.wake_ms > state.time_ms:
            return False
        return not state.working.awaits(case.unit)

    def stale(self, time_ms: int) -> list[int]:
        """Return the trusted price rows whose last good price is too old at a time."""
        state = self._state
        if not state.rules.guards.stale_s:
            return []
        old = np.flatnonzero(time_ms - state.seen_ms >= 1000 * state.rules.guards.stale_s)
        return [factor for factor in old.tolist() if factor not in state.untrusted]

    def _disposes(self) -> bool:
        state = self._state
        holds = bool(state.book.units[state.backstop]["positions_count"])
        return holds and state.rules.runs(Stage.TAKEOVER)
