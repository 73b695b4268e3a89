"""Where in the journal each liquidation is: an index kept from the events as they come.

It is derived: rebuilt from the journal where it has a gap, a stretch at a time, and never stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import Any

from keelmark.core.numbers import ZERO, exact
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.codec import MESSAGE, event_of
from keelmark.engine.journal.port import Journal, Record
from keelmark.engine.recovery import reading

STRETCH = 2_000
"""Batches read at once where the index has a gap."""

STAGES: dict[str, str] = {
    "deficit": "insurance",
    "surplus": "insurance",
    "conversion": "convert_collateral",
    "seizure": "takeover",
    "borne": "takeover",
    "takeover": "takeover",
    "reduce": "reduce",
    "deleverage": "auto_deleverage",
    "socialised": "socialise",
}
"""Stage by the reason of a fill or a transfer."""


@dataclass(slots=True, kw_only=True)
class CaseEntry:
    """One liquidation, in short.

    Attributes:
        case: Number of it.
        unit: The unit.
        started_ms: When it was decided.
        equity: Then, valuation currency.
        maintenance: Likewise.
        notional: Of its positions then, by instrument.
        positions: Journal positions with an event of it, rising.
        stage: That acted last; empty before any did.
        closed: Settle quanta at which its lots changed hands, by asset.
        waits_ms: Until when it waits; 0 where it does not.
        waits_for: What for.
        ended_ms: When it ended; `None` while it goes on.
        outcome: How.
        deficits: Quanta nobody of its own could pay, by asset.
    """

    case: int
    unit: int
    started_ms: int
    equity: str
    maintenance: str
    notional: dict[int, Decimal]
    positions: list[int] = field(default_factory=list)
    stage: str = ""
    closed: dict[int, int] = field(default_factory=dict)
    waits_ms: int = 0
    waits_for: str = ""
    ended_ms: int | None = None
    outcome: str = ""
    deficits: dict[int, int] = field(default_factory=dict)

    def note(self, event: Any, settles: dict[int, int]) -> None:  # noqa: ANN401 an event
        """Take note of an event of it."""
        if isinstance(event, e.Filled):
            self._act(STAGES.get(event.reason, ""))
            self._close(settles[event.instrument], abs(event.value))
        elif isinstance(event, e.Deleveraged):
            self._act("auto_deleverage")
            self._close(settles[event.instrument], sum(abs(value) for value in event.values))
        elif isinstance(event, e.Transferred):
            self._act(STAGES.get(event.reason, ""))
        elif isinstance(event, e.LossSocialised):
            self._act("socialise")
        elif isinstance(event, e.OrdersCancelled):
            self._act("cancel_orders")
        elif isinstance(event, oe.OrderSent):
            self._act("reduce")
        elif isinstance(event, e.Waiting):
            self.waits_ms, self.waits_for = event.until_ms, event.reason
        elif isinstance(event, e.LiquidationEnded):
            self.ended_ms, self.outcome, self.waits_ms = event.time_ms, event.outcome, 0
            self.deficits = {row.asset: row.deficit for row in event.bills if row.deficit}

    def _act(self, stage: str) -> None:
        self.stage = stage or self.stage

    def _close(self, asset: int, quanta: int) -> None:
        self.closed[asset] = self.closed.get(asset, 0) + quanta


class Cases:
    """Every liquidation of a journal, by number.

    Attributes:
        through: Journal position up to which everything is in the index.
        changed: Journal positions at which other rules were put in force.
    """

    def __init__(self, settles: dict[int, int]) -> None:
        """Begin with nothing.

        Args:
            settles: Row of the settle asset of each instrument's row.
        """
        self.through = 0
        self.changed: list[int] = []
        self._settles = settles
        self._entries: dict[int, CaseEntry] = {}
        self._lock = Lock()

    def note(self, position: int, records: Iterable[Record] | None) -> bool:
        """Take note of a durable batch; return whether the index reaches it.

        One that does not follow on leaves a gap, which `catch_up` closes from the journal; one
        that is known already changes nothing.
        """
        with self._lock:
            if position == self.through + 1 and records is not None:
                self._index(position, records)
            return self.through >= position

    def catch_up(self, journal: Journal, position: int) -> bool:
        """Read a stretch of what is missing; return whether the index reaches a position."""
        with self._lock:
            if self.through >= position:
                return True
            with reading(journal, after=self.through) as batches:
                for _ in range(STRETCH):
                    found = next(batches, None)
                    if found is None:
                        break
                    self._index(*found)
            return self.through >= position

    def find(self, case: int) -> CaseEntry | None:
        """Return a liquidation; nothing where none of that number is known."""
        return self._entries.get(case)

    def latest(self, limit: int, *, after: int = 0) -> list[CaseEntry]:
        """Return the liquidations that ended, the newest first; before one of them if named."""
        with self._lock:
            known = sorted(self._entries, reverse=True)
        chosen = (self._entries[case] for case in known if not after or case < after)
        ended = (entry for entry in chosen if entry.ended_ms is not None)
        return [entry for entry, _ in zip(ended, range(limit), strict=False)]

    def _index(self, position: int, records: Iterable[Record]) -> None:
        for record in records:
            if record.kind == MESSAGE:
                self._take(position, event_of(record))
        self.through = position

    def _take(self, position: int, event: Any) -> None:  # noqa: ANN401 an event
        if isinstance(event, e.RulebookSet):
            self.changed.append(position)
        if isinstance(event, e.LiquidationStarted):
            self._entries[event.case] = _opened(event)
        entry = self._entries.get(getattr(event, "case", 0))
        if entry is None:
            return
        if not entry.positions or entry.positions[-1] != position:
            entry.positions.append(position)
        entry.note(event, self._settles)


def _opened(event: e.LiquidationStarted) -> CaseEntry:
    notional: dict[int, Decimal] = {}
    with exact():
        for row in event.holdings:
            notional[row.instrument] = notional.get(row.instrument, ZERO) + Decimal(row.notional)
    return CaseEntry(
        case=event.case,
        unit=event.unit,
        started_ms=event.time_ms,
        equity=event.equity,
        maintenance=event.maintenance,
        notional=notional,
    )


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of a liquidation, where and when it is in the journal.

    Attributes:
        position: Journal position.
        time_ms: The clock there; `None` where the batch does not tell.
        event: The event.
    """

    position: int
    time_ms: int | None
    event: Any


def happenings(journal: Journal, entry: CaseEntry) -> list[Happening]:
    """Return the events of a liquidation, in order, read from the journal."""
    found: list[Happening] = []
    for position in list(entry.positions):
        with reading(journal, after=position - 1) as batches:
            _, records = next(batches)
        events = [event_of(record) for record in records]
        time_ms = next((_time_of(event) for event in events if _time_of(event)), None)
        found += [
            Happening(position, time_ms, event)
            for event in events
            if getattr(event, "case", 0) == entry.case
        ]
    return found


def _time_of(event: Any) -> int | None:  # noqa: ANN401 an event
    """Return when an event says that it is; nothing where it says nothing."""
    if isinstance(event, e.MarksSet):
        return int(event.times_ms[-1]) if len(event.times_ms) else None
    if isinstance(event, e.Event):
        told = getattr(event, "time_ms", None)
        return int(told) if told else None
    return None


__all__ = ["CaseEntry", "Cases", "Happening", "happenings"]
