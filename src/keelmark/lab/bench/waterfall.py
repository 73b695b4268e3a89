"""Liquidations in a crash of a whole fleet, through books that run dry and a fund that is spent."""

import numpy as np

from keelmark.book.totals import totals
from keelmark.core.process import Stage
from keelmark.engine import events as e
from keelmark.engine.commands import Deposit
from keelmark.engine.engine import Engine
from keelmark.engine.execution import SimulatedMarket
from keelmark.lab.bench.cases import Cases
from keelmark.lab.bench.fleet import SETTLE, Outside, fleet_engine
from keelmark.lab.bench.outcomes import outcome_rows
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.venue import QUANTUM, Shape, price_units
from keelmark.lab.bench.walk import CRASH_FALL, Walk, stream_of
from keelmark.lab.bench.watched import require
from keelmark.market.impact import FlatDensity, ImpactModel, exponential_memory

UNITS = 20_000
STAGES = tuple(stage.value for stage in Stage if stage not in {Stage.WARN, Stage.MARGIN_CALL})

DEPTH = 100_000.0
"""Money a contract's book takes within one per cent of the price: it runs dry in a crash."""

HALF_LIFE_S = 120.0
FUND_A_UNIT = 10.0
"""Money of the insurance fund at the start, a unit of the fleet."""

SIGMA = 5e-3


def liquidation_rows(size: Size) -> list[Row]:
    """Measure single liquidations by their ending, then those of a crash."""
    return [*outcome_rows(size), *crash_liquidation_rows(size)]


def crash_liquidation_rows(size: Size) -> list[Row]:
    """Let a fleet fall through thin books; time every liquidation."""
    shape = Shape(units=min(UNITS, size.units), stages=STAGES)
    cases = Cases()
    engine = fleet_engine(shape, Outside(market=thin_market(shape), listener=cases))
    money = int(FUND_A_UNIT * shape.units / QUANTUM)
    engine.submit(Deposit(unit=engine.state.fund_of(-1), asset=SETTLE, quanta=money))
    marks = falling_marks(engine, Walk(ticks=size.times(4_000, 200), sigma=SIGMA, fall=CRASH_FALL))
    cases.events = 0
    watch = Stopwatch()
    with watch:
        engine.submit_marks(marks)
    require(len(cases.seconds) > 0, "somebody is liquidated")
    require(not any(totals(engine.state.book).residuals), "value conserved")
    engine.watch.index.check()
    count = len(cases.seconds)
    ended = ", ".join(f"{n:,} {name}" for name, n in cases.outcomes.most_common())
    paid = ", ".join(f"{name} {q * QUANTUM:,.0f}" for name, q in cases.paid.most_common())
    data = (
        f"{shape}; a fall of {CRASH_FALL:.1%} in {len(marks.times_ms):,} marks through books of "
        f"{DEPTH:,.0f} within 1 %; {count:,} liquidations, {cases.events:,} events"
    )
    return [
        Row(
            name="liquidation_crash",
            what="one liquidation in a crash of a fleet, every stage it needs",
            value=cases.mean_us,
            unit="us",
            timings=cases.timings,
            data=data,
            checked=f"{cases.checked}; every wire",
            note=f"{ended}; deficits paid by: {paid or 'nobody'}",
        ),
        Row(
            name="liquidation_crash_all_in",
            what="the whole time of that crash a liquidation: index, screens, waterfall, journal",
            value=1e6 * watch.total / count,
            unit="us",
            timings=watch.timings(1e6, count=count, of="the whole crash"),
            data=data,
            note="journal in memory",
        ),
    ]


def thin_market(shape: Shape) -> SimulatedMarket:
    """Return books that hold `DEPTH` within one per cent, whatever the contract."""
    memory = exponential_memory(half_life_s=HALF_LIFE_S)
    lot_values = price_units(shape)[0] * 1e-4
    shapes = [FlatDensity(density=density) for density in (100.0 * DEPTH / lot_values).tolist()]
    return SimulatedMarket([ImpactModel(shape=one, memory=memory) for one in shapes])


def falling_marks(engine: Engine, walk: Walk) -> e.MarksSet:
    """Return a walk as the engine takes it, a price a second."""
    stream = stream_of(engine.state, walk)
    return e.MarksSet(
        times_ms=engine.state.time_ms + 1000 * np.arange(1, len(stream.factors) + 1),
        offsets=stream.offsets,
        factors=stream.factors,
        prices=stream.prices,
    )
