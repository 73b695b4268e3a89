"""How often a process that dies is started again: with pauses that grow, and within a limit."""

from collections import deque

PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses after deaths that follow each other closely; the last is repeated."""

WINDOW_S = 60.0
"""Deaths longer ago are forgotten."""

DEATHS_MAX = 5
"""Deaths within the window at which a vital process is given up."""


class Patience:
    """Remembers the deaths of one process."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque()

    def died(self, now_s: float) -> float:
        """Take note of a death; return how long to wait before the next start."""
        while self._deaths and now_s - self._deaths[0] > WINDOW_S:
            self._deaths.popleft()
        self._deaths.append(now_s)
        return PAUSES_S[min(len(self._deaths), len(PAUSES_S)) - 1]

    @property
    def is_over(self) -> bool:
        """Whether it has died too often."""
        return len(self._deaths) >= DEATHS_MAX
