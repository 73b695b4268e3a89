"""What waits for time, and when the next of it is due."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from keelmark.core.process import Stage
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.liquidation.disposal import deleverage_backstop, dispose
from keelmark.engine.state import State

NEVER = 2**62


@dataclass(slots=True)
class Due:
    """What is due now.

    Attributes:
        recheck: Whether warned units are looked at for recovery.
        units: Units whose wait or grace has ended, sorted.
        jobs: Work of the venue's own.
        stale: Factors whose last price is too old.
    """

    recheck: bool = False
    units: list[int] = field(default_factory=list)
    jobs: list[Callable[[Desk], None]] = field(default_factory=list)
    stale: list[int] = field(default_factory=list)


class Schedule:
    """Reads from the state what is due, and when the next of it will be."""

    def __init__(self, state: State) -> None:
        self._state = state

    def next_wake(self) -> int:
        """Return the next instant at which something is due, `NEVER` if nothing is."""
        state = self._state
        instants = [case.wake_ms for case in state.cases.values() if case.wake_ms > state.time_ms]
        instants += [until for until in state.grace.values() if until > state.time_ms]
        if state.levels:
            instants.append(state.rechecked_ms + 1000 * state.rules.warn.recheck_s)
        if self._disposes():
            instants.append(state.disposed_ms + 1000 * state.rules.takeover.dispose_interval_s)
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
            {u for u, case in state.cases.items() if case.wake_ms <= now}
            | {u for u, until in state.grace.items() if until <= now},
        )
        interval = 1000 * state.rules.takeover.dispose_interval_s
        if self._disposes() and now - state.disposed_ms >= interval:
            result.jobs = [deleverage_backstop, dispose]
        if state.rules.guards.stale_s:
            old = np.flatnonzero(now - state.seen_ms >= 1000 * state.rules.guards.stale_s)
            result.stale = [f for f in old.tolist() if f not in state.untrusted]
        return result

    def _disposes(self) -> bool:
        state = self._state
        holds = bool(state.book.units[state.backstop]["positions_count"])
        return holds and state.rules.runs(Stage.TAKEOVER)
