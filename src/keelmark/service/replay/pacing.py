"""Which snapshots of a recording are due, at a speed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keelmark.lab.replay.stage import Feed

AT_ONCE = 600
"""Snapshots in one message at most: what is late is caught up with in pieces."""


@dataclass(slots=True)
class Pacing:
    """Says what to send next.

    Attributes:
        feed: The recording.
        speed: Seconds of it in a second.
        clock: Seconds, never backwards.
        next: First snapshot that has not been sent.
    """

    feed: Feed
    speed: float
    clock: Callable[[], float]
    next: int = 0
    _start_s: float = 0.0
    _start_ms: int = 0

    def begin(self, time_ms: int) -> None:
        """Go on after an instant of the recording, which is now."""
        self.next = int(np.searchsorted(self.feed.times_ms, time_ms, side="right"))
        self._start_s, self._start_ms = self.clock(), time_ms

    @property
    def is_over(self) -> bool:
        """Whether everything has been sent."""
        return self.next >= len(self.feed.times_ms)

    def due(self) -> int:
        """Return the last snapshot that is due, `next - 1` if none is."""
        now_ms = self._start_ms + 1000 * self.speed * (self.clock() - self._start_s)
        last = int(np.searchsorted(self.feed.times_ms, now_ms, side="right")) - 1
        return min(max(last, self.next - 1), self.next + AT_ONCE - 1)

    def wait_s(self) -> float:
        """Return how long until the next snapshot is due."""
        if self.is_over:
            return 0.0
        ahead_ms = int(self.feed.times_ms[self.next]) - self._start_ms
        return max(ahead_ms / 1000 / self.speed - (self.clock() - self._start_s), 0.0)
