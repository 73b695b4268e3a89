"""Follow the events of a replay and add them up: by minute, by case, by instrument.

Amounts are whole settle quanta until they are written out.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from keelmark.engine import events as e

LIQUIDATED = frozenset({"reduce", "takeover"})
"""Reasons of fills that take a liquidated unit's position away."""


@dataclass(slots=True)
class Moment:
    """What happened in one second."""

    liquidated_long: int = 0
    liquidated_short: int = 0
    deleveraged: int = 0
    fund_paid: int = 0
    started: int = 0
    stages: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class InstrumentTotals:
    """What happened in one instrument."""

    liquidated_long: int = 0
    liquidated_short: int = 0
    deleveraged: int = 0
    fund_paid: int = 0
    units: set[int] = field(default_factory=set)


class Recorder:
    """Listens to an engine.

    Attributes:
        rows: Event rows for `events.parquet`.
        cases: Events of each case, in order.
        seconds: Sums by second.
        instruments: Sums by instrument.
        ended: Closing event of each case.
        deleveraged_units: Solvent units that were closed against.
        socialised_units: Units that paid a socialised loss.
        warned: Units by the highest level they reached.
        counts: Number of events by type, and fills by reason.
    """

    def __init__(self) -> None:
        self.time_ms = 0
        self.is_on = False
        self.rows: list[tuple[Any, ...]] = []
        self.cases: defaultdict[int, list[Any]] = defaultdict(list)
        self.seconds: defaultdict[int, Moment] = defaultdict(Moment)
        self.instruments: defaultdict[int, InstrumentTotals] = defaultdict(InstrumentTotals)
        self.ended: dict[int, e.LiquidationEnded] = {}
        self.deleveraged_units: set[int] = set()
        self.socialised_units: set[int] = set()
        self.warned: dict[int, int] = {}
        self.counts: Counter[str] = Counter()

    def __call__(self, event: Any) -> None:  # noqa: ANN401 an event
        """Take one event."""
        if isinstance(event, e.MarksSet):
            self.time_ms = int(event.times_ms[-1])
            self.counts["marks"] += len(event.prices)
            return
        if not self.is_on:
            return
        self.counts[type(event).__name__] += 1
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        if getattr(event, "case", 0):
            self.cases[event.case].append(event)

    @property
    def moment(self) -> Moment:
        """Sums of the present second."""
        return self.seconds[self.time_ms // 1000]

    def row(self, kind: str, case: int, unit: int, **values: Any) -> None:  # noqa: ANN401 a cell
        """Add an event row."""
        cells = tuple(values.get(name) for name in COLUMNS[4:])
        self.rows.append((self.time_ms, kind, case, unit, *cells))

    def count_closed(self, instrument: int, unit: int, lots: int, value: int) -> None:
        """Add a liquidated position's part; `lots` is the change of the unit's position."""
        totals, moment = self.instruments[instrument], self.moment
        totals.units.add(unit)
        if lots < 0:
            totals.liquidated_long += abs(value)
            moment.liquidated_long += abs(value)
        else:
            totals.liquidated_short += abs(value)
            moment.liquidated_short += abs(value)


COLUMNS = (
    "time_ms",
    "kind",
    "case",
    "unit",
    "counterparty",
    "instrument",
    "asset",
    "lots",
    "value",
    "ticks",
    "fee",
    "text",
)


def _started(recorder: Recorder, event: e.LiquidationStarted) -> None:
    recorder.moment.started += 1
    recorder.row("liquidation_started", event.case, event.unit, text=event.equity)


def _filled(recorder: Recorder, event: e.Filled) -> None:
    recorder.counts[f"fill:{event.reason}"] += 1
    recorder.row(
        event.reason,
        event.case,
        event.unit,
        counterparty=event.counterparty,
        instrument=event.instrument,
        lots=event.lots,
        value=event.value,
        ticks=event.ticks,
        fee=event.fee,
    )
    if event.reason in LIQUIDATED:
        recorder.moment.stages[event.reason] += 1
        recorder.count_closed(event.instrument, event.unit, event.lots, event.value)


def _deleveraged(recorder: Recorder, event: e.Deleveraged) -> None:
    recorder.moment.stages["auto_deleverage"] += 1
    recorder.deleveraged_units.update(event.victims)
    closed = sum(abs(value) for value in event.values)
    recorder.moment.deleveraged += closed
    recorder.instruments[event.instrument].deleveraged += closed
    for victim, lots, value in zip(event.victims, event.lots, event.values, strict=True):
        recorder.row(
            "deleverage",
            event.case,
            event.unit,
            counterparty=victim,
            instrument=event.instrument,
            lots=lots,
            value=value,
        )
        if event.case:
            recorder.count_closed(event.instrument, event.unit, lots, value)


def _transferred(recorder: Recorder, event: e.Transferred) -> None:
    recorder.row(
        event.reason,
        event.case,
        event.source,
        counterparty=event.target,
        asset=event.asset,
        value=event.quanta,
    )
    if event.reason == "deficit":
        recorder.moment.fund_paid += event.quanta
        recorder.moment.stages["insurance"] += 1
    elif event.reason == "conversion":
        recorder.moment.stages["convert_collateral"] += 1


def _socialised(recorder: Recorder, event: e.LossSocialised) -> None:
    recorder.moment.stages["socialise"] += 1
    recorder.socialised_units.update(event.payers)
    for payer, quanta in zip(event.payers, event.quanta, strict=True):
        recorder.row(
            "socialised",
            event.case,
            payer,
            counterparty=event.unit,
            asset=event.asset,
            value=quanta,
        )


def _ended(recorder: Recorder, event: e.LiquidationEnded) -> None:
    recorder.ended[event.case] = event
    recorder.counts[f"outcome:{event.outcome}"] += 1
    recorder.row(
        "liquidation_ended",
        event.case,
        event.unit,
        asset=event.asset,
        value=event.deficit,
        text=event.outcome,
    )


def _warned(recorder: Recorder, event: e.Warned) -> None:
    recorder.moment.stages["warn"] += len(event.units)
    for unit in event.units:
        recorder.warned[unit] = max(event.level, recorder.warned.get(unit, 0))


def _cancelled(recorder: Recorder, event: e.OrdersCancelled) -> None:
    recorder.moment.stages["cancel_orders"] += 1
    recorder.row("orders_cancelled", event.case, event.unit, instrument=event.instrument)


_HANDLERS: dict[type, Any] = {
    e.LiquidationStarted: _started,
    e.Filled: _filled,
    e.Deleveraged: _deleveraged,
    e.Transferred: _transferred,
    e.LossSocialised: _socialised,
    e.LiquidationEnded: _ended,
    e.Warned: _warned,
    e.OrdersCancelled: _cancelled,
}
