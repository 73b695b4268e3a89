"""The time of a service: the machine's clock, made one that never goes backwards.

What it does when the machine's clock jumps:

- forward by up to an hour (a suspended machine, a correction): followed at once;
- forward by more: not followed, because an engine's clock cannot be moved back; said, and followed
  at the next start;
- backward: it goes on at half the speed until the machine's clock has caught up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

FORWARD_MAX_MS = 3_600_000
"""Longest step forward that is followed."""

AGREED_MS = 50
"""Difference that is no jump."""


class Clock(Protocol):
    """Says what time it is."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970, never less than before."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where time is read.

    Attributes:
        wall_ms: The machine's clock, which may jump.
        monotonic_ms: A clock that only ticks.
    """

    wall_ms: Callable[[], int]
    monotonic_ms: Callable[[], int]


def machine() -> Sources:
    """Return the clocks of this machine."""
    return Sources(
        wall_ms=lambda: time.time_ns() // 1_000_000,
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
    )


class SteadyClock:
    """A clock that never goes backwards, from one that may jump and one that ticks.

    Attributes:
        steps: Steps forward that were followed.
        drift_ms: By how much the machine's clock is ahead (positive) of this one.
    """

    def __init__(self, sources: Sources, *, not_before_ms: int = 0) -> None:
        self._sources = sources
        self._now = max(sources.wall_ms(), not_before_ms)
        self._ticked = sources.monotonic_ms()
        self.steps = 0
        self.drift_ms = 0

    def now_ms(self) -> int:
        """Return milliseconds since 1970, never less than before."""
        ticked, wall = self._sources.monotonic_ms(), self._sources.wall_ms()
        passed = max(ticked - self._ticked, 0)
        ahead = wall - (self._now + passed)
        if ahead > FORWARD_MAX_MS or abs(ahead) <= AGREED_MS:
            gone = passed
        elif ahead > 0:
            gone = passed + ahead
            self.steps += 1
        else:
            gone = passed // 2
        if gone or not passed:  # a single tick at half the speed is not lost
            self._now += gone
            self._ticked = ticked
        self.drift_ms = wall - self._now
        return self._now
