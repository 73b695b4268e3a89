"""What is looked at for health, metrics and latency: the writer's counts, notes on disk, alerts."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from keelmark.core.errors import KeelmarkError
from keelmark.lab.fleet.reads import prices_read
from keelmark.service.counters import Counters
from keelmark.service.guard_terms import guards_off
from keelmark.service.health.parts import Orders, Parts
from keelmark.service.reading import Reader
from keelmark.service.times import running_s

Counts = Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Where the state of the parts is read.

    Attributes:
        reader: What is published.
        is_connected: Whether the writer answers.
        counters: File in which the writer counts.
        follower: File in which the follower says how it is.
        recording_over: File that is there once a recording is over; `None` where none is played.
        alerts: Deliveries of alerts by what became of them; nothing where none are sent.
    """

    reader: Reader
    is_connected: Callable[[], bool]
    counters: Path
    follower: Path
    recording_over: Path | None = None
    alerts: Counts = field(default=dict)

    def cells(self) -> Mapping[str, int] | None:
        """Return the writer's counts; `None` while there are none."""
        try:
            with Counters.open(self.counters) as counters:
                return counters.read()
        except KeelmarkError:
            return None

    def is_over(self) -> bool:
        """Whether a recording was played to its end: nothing more will happen by itself."""
        return self.recording_over is not None and self.recording_over.exists()

    def prices_read(self) -> frozenset[int] | None:
        """Return the prices that a position, a debt or a balance is read by; `None` is not known.

        A pass over everybody, for the fleet's thread; nothing is asked while every price is
        trusted.
        """
        if not self.reader.state.untrusted:
            return None
        try:
            glimpse = self.reader.fleet()
        except KeelmarkError:
            return None  # whoever looks after the parts is told that the writer is gone
        everybody = np.ones(glimpse.units, np.bool_)
        return frozenset(np.flatnonzero(prices_read(glimpse, everybody)).tolist())

    def parts(self, read: frozenset[int] | None = None) -> Parts:
        """Return what is known of the parts.

        Args:
            read: Prices that somebody reads; all of them where that is not known.
        """
        state, (snapshot, age_s) = self.reader.state, self._snapshot()
        bad = sorted(state.untrusted)
        needed = [row for row in bad if read is None or row in read]
        factors, cells = state.universe.factors, self.cells()
        turned_ms = (cells or {}).get("turned_ms", 0)
        return Parts(
            is_connected=self.is_connected(),
            cells=cells,
            still_s=running_s() - turned_ms / 1000 if turned_ms else None,
            position=self.reader.position,
            snapshot=snapshot,
            snapshot_age_s=age_s,
            untrusted=tuple(factors[row].name for row in needed),
            unread=tuple(factors[row].name for row in bad if row not in needed),
            guards_off=guards_off(state.rules.guards),
            undelivered=self.alerts().get("failed", 0),
            orders=self.orders(),
            backstop_equity=self._backstop_equity(),
        )

    def _backstop_equity(self) -> float | None:
        found = self.reader.state.backstop_equity()
        return None if math.isnan(found) else found

    def orders(self) -> Orders | None:
        """Return the orders that are out; `None` where the built-in book executes."""
        state = self.reader.state
        if state.external is None:
            return None
        rows, now_ms = state.working.rows(), state.time_ms
        late = [row for row in rows if row.is_timed_out]
        return Orders(
            working=len(rows),
            timed_out=len(late),
            oldest_s=max((now_ms - row.time_ms for row in rows), default=0) / 1000,
            overdue_s=max((now_ms - row.expires_ms for row in late), default=0) / 1000,
        )

    def _snapshot(self) -> tuple[Mapping[str, object] | None, float | None]:
        """Return what the follower said last and how long ago; a damaged file says nothing."""
        try:
            found: dict[str, object] = msgspec.json.decode(self.follower.read_bytes())
            age_s = time.time_ns() / 1e9 - self.follower.stat().st_mtime
        except (OSError, msgspec.MsgspecError):
            return None, None
        return found, age_s
