"""Follow the events of a replay and add them up: by second, by case, by instrument.

Amounts are whole settle quanta until they are written out.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from keelmark.core.process import Stage
from keelmark.engine import events as e
from keelmark.engine.state import State

LIQUIDATED = frozenset({"reduce", "takeover"})
"""Reasons of fills that take a liquidated unit's position away."""


@dataclass(slots=True)
class Moment:
    """What happened in one second.

    Attributes:
        liquidated_long: Value at which liquidated longs changed hands.
        liquidated_short: The same of shorts, unsigned.
        deleveraged: Value closed against solvent units.
        fund_paid: What insurance funds paid.
        started: Units whose liquidation began.
        stages: Units by the stage that acted on them.
    """

    liquidated_long: int = 0
    liquidated_short: int = 0
    deleveraged: int = 0
    fund_paid: int = 0
    started: set[int] = field(default_factory=set)
    stages: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class Totals:
    """What happened in one instrument, or to one unit."""

    liquidated_long: int = 0
    liquidated_short: int = 0
    deleveraged: int = 0
    fund_paid: int = 0
    socialised: int = 0
    units: set[int] = field(default_factory=set)

    @property
    def liquidated(self) -> int:
        """Both sides."""
        return self.liquidated_long + self.liquidated_short


@dataclass(slots=True, kw_only=True)
class CaseRecord:
    """One liquidation as it happened.

    Attributes:
        started: The decision.
        prices: Price of each asset at the decision, in the order of the universe's assets.
        events: (time in ms, event), in order, the decision not included.
        marks: Mark of each instrument when it was last closed against solvent units, ticks.
        ended: The end; `None` while it goes on.
        balance_end: Settle quanta the unit has at the end.
        cost_end: Cost of what it still holds then, settle quanta.
    """

    started: e.LiquidationStarted
    prices: tuple[Decimal, ...]
    events: list[tuple[int, Any]] = field(default_factory=list)
    marks: dict[int, int] = field(default_factory=dict)
    ended: e.LiquidationEnded | None = None
    balance_end: int = 0
    cost_end: int = 0

    @property
    def unit(self) -> int:
        """The unit."""
        return self.started.unit


class Recorder:
    """Listens to an engine; `watch` tells it which.

    Attributes:
        rows: Event rows for `events.parquet`, cells as `COLUMNS`.
        cases: Each liquidation, by its number.
        seconds: Sums by second.
        instruments: Sums by instrument.
        units: Sums by unit: as the liquidated one, as the one closed against, as a payer.
        warned: Units by the highest level they reached.
        counts: Number of events by type, fills by reason, ends by outcome.
    """

    def __init__(self) -> None:
        self.time_ms = 0
        self.rows: list[tuple[Any, ...]] = []
        self.cases: dict[int, CaseRecord] = {}
        self.seconds: defaultdict[int, Moment] = defaultdict(Moment)
        self.instruments: defaultdict[int, Totals] = defaultdict(Totals)
        self.units: defaultdict[int, Totals] = defaultdict(Totals)
        self.warned: dict[int, int] = {}
        self.counts: Counter[str] = Counter()
        self._state: State | None = None
        self._settle = 0
        self.call_level = 0
        self._unplaced: Counter[int] = Counter()  # what a fund paid a case, instrument not yet seen

    def watch(self, state: State, settle: int) -> None:
        """Listen from now on; what was posted before was the opening of the book."""
        self._state, self._settle = state, settle
        called = state.rules.runs(Stage.MARGIN_CALL) and state.rules.margin_call.usage < 1
        self.call_level = len(state.usages) if called else 0

    def __call__(self, event: Any) -> None:  # noqa: ANN401 an event
        """Take one event."""
        if isinstance(event, e.MarksSet):
            self.time_ms = int(event.times_ms[-1])
            self.counts["marks"] += len(event.prices)
            return
        if self._state is None:
            return
        self.counts[type(event).__name__] += 1
        case = self.cases.get(getattr(event, "case", 0))
        if case is not None:
            case.events.append((self.time_ms, event))
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    @property
    def state(self) -> State:
        """The state of the engine that is listened to."""
        if self._state is None:
            msg = "the recorder listens to no engine yet; call `watch` first"
            raise RuntimeError(msg)
        return self._state

    @property
    def moment(self) -> Moment:
        """Sums of the present second."""
        return self.seconds[self.time_ms // 1000]

    def act(self, stage: str, unit: int) -> None:
        """Note that a stage acted on a unit."""
        self.moment.stages[stage].add(unit)

    def row(self, kind: str, case: int, unit: int, **values: Any) -> None:  # noqa: ANN401 a cell
        """Add an event row."""
        cells = tuple(values.get(name) for name in COLUMNS[4:])
        self.rows.append((self.time_ms, kind, case, unit, *cells))

    def open_case(self, event: e.LiquidationStarted) -> None:
        """Begin a record, with what the assets were worth."""
        state = self.state
        rows = range(len(state.universe.assets))
        prices = tuple(state.price_of(row) for row in rows)
        self.cases[event.case] = CaseRecord(started=event, prices=prices)

    def read_end(self, record: CaseRecord) -> None:
        """Read what is left of a unit off the book."""
        view = self.state.book.unit_view(record.unit)
        settle_of = self.state.settle_of
        record.balance_end = view.balances.get(self._settle, 0)
        record.cost_end = sum(
            p.cost for p in view.positions if settle_of(p.instrument) == self._settle
        )

    def close(self) -> None:
        """Read the units whose liquidation has not ended by the last mark."""
        for record in self.cases.values():
            if record.ended is None:
                self.read_end(record)

    def count_closed(self, instrument: int, unit: int, lots: int, value: int) -> None:
        """Add a liquidated position's part; `lots` is the change of the unit's position."""
        self.instruments[instrument].units.add(unit)
        for sums in (self.instruments[instrument], self.units[unit], self.moment):
            if lots < 0:
                sums.liquidated_long += abs(value)
            else:
                sums.liquidated_short += abs(value)

    def count_fund(self, case: int, quanta: int) -> None:
        """Add what a fund paid; it is for the position that is handed over next."""
        self.moment.fund_paid += quanta
        self._unplaced[case] += quanta

    def place_fund(self, case: int, instrument: int) -> None:
        """Attribute what a fund paid to the position that is handed over now."""
        self.instruments[instrument].fund_paid += self._unplaced.pop(case, 0)


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
    "equity",
    "maintenance",
    "outcome",
    "level",
)


def _started(recorder: Recorder, event: e.LiquidationStarted) -> None:
    recorder.open_case(event)
    recorder.moment.started.add(event.unit)
    recorder.row(
        "liquidation_started",
        event.case,
        event.unit,
        equity=event.equity,
        maintenance=event.maintenance,
    )


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
        ticks=event.ticks or None,
        fee=event.fee,
    )
    if event.reason in LIQUIDATED:
        recorder.act(event.reason, event.unit)
        recorder.count_closed(event.instrument, event.unit, event.lots, event.value)
    if event.reason == "takeover":
        recorder.place_fund(event.case, event.instrument)


def _deleveraged(recorder: Recorder, event: e.Deleveraged) -> None:
    recorder.act("auto_deleverage", event.unit)
    if event.case:
        ticks = recorder.state.ticks(event.instrument)
        recorder.cases[event.case].marks[event.instrument] = ticks
    for victim, lots, value in zip(event.victims, event.lots, event.values, strict=True):
        recorder.counts["fill:deleverage"] += 1
        recorder.row(
            "deleverage",
            event.case,
            event.unit,
            counterparty=victim,
            instrument=event.instrument,
            lots=lots,
            value=value,
        )
        closed = (recorder.instruments[event.instrument], recorder.units[victim], recorder.moment)
        for sums in closed:
            sums.deleveraged += abs(value)
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
        recorder.count_fund(event.case, event.quanta)
        recorder.act("insurance", event.target)
    elif event.reason == "conversion" and event.source != recorder.state.liquidity:
        recorder.act("convert_collateral", event.source)


def _socialised(recorder: Recorder, event: e.LossSocialised) -> None:
    recorder.act("socialise", event.unit)
    for payer, quanta in zip(event.payers, event.quanta, strict=True):
        recorder.units[payer].socialised += quanta
        recorder.row(
            "socialised",
            event.case,
            payer,
            counterparty=event.unit,
            asset=event.asset,
            value=quanta,
        )


def _ended(recorder: Recorder, event: e.LiquidationEnded) -> None:
    record = recorder.cases[event.case]
    record.ended = event
    recorder.read_end(record)
    recorder.counts[f"outcome:{event.outcome}"] += 1
    recorder.row(
        "liquidation_ended",
        event.case,
        event.unit,
        asset=event.asset if event.asset >= 0 else None,
        value=event.deficit,
        outcome=event.outcome,
    )


def _warned(recorder: Recorder, event: e.Warned) -> None:
    stage = "margin_call" if event.level == recorder.call_level else "warn"
    for unit in event.units:
        recorder.act(stage, unit)
        recorder.warned[unit] = max(event.level, recorder.warned.get(unit, 0))
        recorder.row(stage, 0, unit, level=event.level)


def _cancelled(recorder: Recorder, event: e.OrdersCancelled) -> None:
    recorder.act("cancel_orders", event.unit)
    instrument = event.instrument if event.instrument >= 0 else None
    recorder.row("orders_cancelled", event.case, event.unit, instrument=instrument)


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
