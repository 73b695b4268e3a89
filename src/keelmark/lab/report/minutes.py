"""The timeline by whole minutes, whatever its steps: the measure of every "worst minute"."""

from dataclasses import dataclass

import numpy as np

from keelmark.lab.report.series import Timeline

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstMinute:
    """The minute in which most was liquidated: minutes since the epoch, and both sides in it."""

    minute: int
    long: float
    short: float

    @property
    def total(self) -> float:
        """Notional liquidated in it."""
        return self.long + self.short


def worst_minute(timeline: Timeline) -> WorstMinute:
    """Return the worst minute; a step counts in the minute in which it starts."""
    minutes, first = np.unique(timeline.times_ms // MINUTE_MS, return_index=True)
    long = np.add.reduceat(timeline.liquidated_long, first)
    short = np.add.reduceat(timeline.liquidated_short, first)
    worst = int(np.argmax(long + short))
    return WorstMinute(
        minute=int(minutes[worst]), long=float(long[worst]), short=float(short[worst])
    )
