"""Run a replay: draw the population, set the stage, feed the marks, keep what is asked for."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from keelmark.book.totals import totals
from keelmark.core.errors import InvariantViolated
from keelmark.core.numbers import exact
from keelmark.engine.state import State
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.lab.fleet.looks import MAPPED, DistanceView, MapView, distances, map_of
from keelmark.lab.fleet.questions import equities
from keelmark.lab.population import generate, load_spec
from keelmark.lab.population.values import Population
from keelmark.lab.replay.recorder import Recorder
from keelmark.lab.replay.spec import ReplaySpec, require_holdable, venue_rulebook
from keelmark.lab.replay.stage import Feed, Stage, marks_of, one_sided_interest, set_stage
from keelmark.lab.scenarios import load_scenario
from keelmark.lab.scenarios.values import Scenario
from keelmark.rulebooks.load import Rulebook

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

SAMPLE_S = 10
"""Seconds of a step of the timeline."""

WORTH_A_MAP = 0.0005
"""Part of open interest that must be liquidated in a minute before it can be the worst."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The venue at the end of a step.

    Attributes:
        time_ms: When.
        marks: Price column.
        fund: Insurance funds, settle quanta.
        backstop: Notional the backstop holds, valuation currency.
        backstop_equity: What the backstop is worth at the marks, valuation currency.
        suspects: Units at or below the level they are watched at.
    """

    time_ms: int
    marks: Floats
    fund: int
    backstop: float
    backstop_equity: float
    suspects: int


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Prices and accounts: what the runs of a comparison share."""

    scenario: Scenario
    population: Population


@dataclass(slots=True, eq=False, kw_only=True)
class Replay:
    """A replay that has been run.

    Attributes:
        spec: What it was run with.
        scenario: Its prices.
        population: Its accounts.
        rulebook: Its rules.
        stage: The engine at the end.
        recorder: What happened.
        equity_start: Equity of each unit at the first marks, after haircuts.
        samples: The venue step by step.
        maps_before: Liquidation maps at the first mark.
        maps_worst: The same within the worst minute; none where no minute was worth one.
        distances: Distances at the moments asked for.
        liquidated: Accounts and notional (settle quanta) liquidated by each of those moments.
        residuals: Vault less claims by asset, quanta: all zero.
        digest: Of the state after the last mark.
        timings: Seconds by phase.
        endogenous: Largest part of each instrument's mark that its liquidations added, fraction.
    """

    spec: ReplaySpec
    scenario: Scenario
    population: Population
    rulebook: Rulebook
    stage: Stage
    recorder: Recorder
    equity_start: Floats
    samples: list[Sample] = field(default_factory=list)
    maps_before: list[MapView] = field(default_factory=list)
    maps_worst: list[MapView] = field(default_factory=list)
    distances: list[DistanceView] = field(default_factory=list)
    liquidated: list[tuple[int, int]] = field(default_factory=list)
    residuals: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    endogenous: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def feed(self) -> Feed:
        """The marks."""
        return self.stage.feed

    @property
    def state(self) -> State:
        """The engine's state at the end."""
        return self.stage.engine.state

    def glimpse(self) -> Glimpse:
        """Return the columns as they are now."""
        return Glimpse.of(self.state, self.stage.first_unit)

    @property
    def mark_model(self) -> str:
        """Mark model used."""
        return self.spec.mark_model or self.scenario.mark_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How much is looked at on the way; none of it changes the run.

    Attributes:
        moments: Moments at which distances are taken; 0 for none, and no maps either.
    """

    moments: int = 31


def draw_world(spec: ReplaySpec, *, progress: Progress | None = None) -> World:
    """Load the scenario and draw its accounts.

    Raises:
        InvalidDocument: A scenario or population is wrong; lists every problem.
        UnreadableData: Recorded data cannot be used.
    """
    (progress or _quiet)("drawing accounts", 0, 1)
    scenario = load_scenario(spec.scenario, data=spec.data, seed=spec.seed)
    wanted = load_spec(spec.population)
    if spec.accounts is not None:
        wanted = wanted.with_accounts(spec.accounts)
    require_holdable(wanted.accounts)
    opening = scenario.opening(spec.mark_model or scenario.mark_model)
    return World(scenario, generate(wanted, opening, seed=spec.seed))


def run_replay(
    spec: ReplaySpec,
    *,
    world: World | None = None,
    looks: Looks | None = None,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> Replay:
    """Run a replay.

    Args:
        spec: What to run.
        world: Prices and accounts, where they are drawn already; else they are drawn.
        looks: What is asked on the way.
        progress: Told how far it has come.
        clock: For the timings in the result; nothing else depends on it.

    Raises:
        InvalidDocument: A scenario, population or rulebook is wrong; lists every problem.
        UnreadableData: Recorded data cannot be used.
        InvariantViolated: Value was not conserved: our own bug.
    """
    tell = progress or _quiet
    watch = _Stopwatch(clock)
    if world is None:
        world = draw_world(spec, progress=tell)
    watch.lap("population_s")
    tell("opening the book", 0, 1)
    replay = _staged(spec, world)
    watch.lap("opening_s")
    _drive(replay, (looks or Looks()).moments, tell, watch)
    replay.recorder.close()
    replay.digest = replay.stage.engine.digest()
    _check(replay)
    watch.lap("digest_s")
    replay.timings = watch.laps
    return replay


def _staged(spec: ReplaySpec, world: World) -> Replay:
    """Return a replay whose book holds everybody at the first marks."""
    scenario, population = world.scenario, world.population
    with exact():
        interest = one_sided_interest(population) * scenario.settle.quantum
    rulebook = venue_rulebook(spec, scenario, population.spec, interest)
    recorder = Recorder()
    stage = set_stage(spec, scenario, population, rulebook, recorder)
    state = stage.engine.state
    recorder.watch(state, state.universe.asset_row(scenario.settle.asset))
    return Replay(
        spec=spec,
        scenario=scenario,
        population=population,
        rulebook=rulebook,
        stage=stage,
        recorder=recorder,
        equity_start=equities(state),
    )


def _check(replay: Replay) -> None:
    """Refuse a run in which money was made or lost (INV-01), or a side of a trade (INV-02)."""
    sums = totals(replay.state.book)
    names = replay.state.universe.assets
    replay.residuals = dict(zip(names, sums.residuals, strict=True))
    if any(replay.residuals.values()):
        msg = f"value was not conserved: {replay.residuals}; seed {replay.spec.seed}"
        raise InvariantViolated(msg)
    uneven = [long + short for long, short in zip(sums.longs, sums.shorts, strict=True)]
    if any(uneven):
        msg = f"lots held long and short differ: {uneven}; seed {replay.spec.seed}"
        raise InvariantViolated(msg)


def _quiet(what: str, done: int, total: int) -> None:
    """Tell nobody."""


class _Stopwatch:
    """Seconds by phase; looks are taken out of the phase they interrupt."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Count what has passed since the last lap under a name."""
        now = self._clock()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now


def _drive(replay: Replay, moments: int, tell: Progress, watch: _Stopwatch) -> None:
    """Feed the marks step by step."""
    feed = replay.feed
    steps = _steps(feed.times_ms)
    asked = set(_moments(feed, steps, moments))
    replay.endogenous = np.zeros(len(replay.scenario.instruments))
    worst = WORTH_A_MAP * one_sided_interest(replay.population)
    in_the_worst: Glimpse | None = None
    for number, (first, last) in enumerate(steps):
        unfed = max(first, 1)  # the opening has been fed
        if last >= unfed:
            _feed(replay, unfed, last)
        watch.lap("marks_s")
        replay.samples.append(_sample(replay))
        if number in asked:
            _look(replay)
        minute = _liquidated_this_minute(replay)
        if moments and number == 0:
            replay.maps_before = _maps(replay, replay.glimpse())
        elif moments and minute > worst:
            worst, in_the_worst = minute, replay.glimpse().kept()
        watch.lap("looks_s")
        tell("replaying marks", number + 1, len(steps))
    if in_the_worst is not None:
        replay.maps_worst = _maps(replay, in_the_worst)
    watch.lap("looks_s")


def _liquidated_this_minute(replay: Replay) -> int:
    """Return the notional liquidated so far in the minute of the present step, settle quanta."""
    now = replay.state.time_ms // 1000
    seconds = replay.recorder.seconds
    moments = [seconds[second] for second in range(now // 60 * 60, now + 1) if second in seconds]
    return sum(moment.liquidated_long + moment.liquidated_short for moment in moments)


def _feed(replay: Replay, first: int, last: int) -> None:
    """Feed a step: as recorded, or each snapshot moved by what our own selling displaces."""
    if replay.spec.feedback == "execution":
        replay.stage.engine.submit_marks(replay.feed.snapshots(first, last))
        return
    for at in range(first, last + 1):
        replay.stage.engine.submit_marks(
            marks_of(
                replay.feed.times_ms[at : at + 1],
                replay.feed.factors,
                _displaced(replay, at)[None, :],
            ),
        )


def _displaced(replay: Replay, at: int) -> Floats:
    """Return the prices of a snapshot with the displacement of each book added, on the grid."""
    feed, market = replay.feed, replay.stage.market
    count = len(replay.scenario.instruments)
    time_ms = int(feed.times_ms[at])
    moved = np.array([market.displacement(row, time_ms) for row in range(count)])
    replay.endogenous = np.where(
        np.abs(moved) > np.abs(replay.endogenous), moved, replay.endogenous
    )
    prices: Floats = feed.prices[at].copy()
    if moved.any():
        shifted = prices[:count] * (1.0 + moved) / feed.price_units[:count]
        prices[:count] = np.maximum(np.rint(shifted), 1.0) * feed.price_units[:count]
    return prices


def _steps(times_ms: Int64s) -> list[tuple[int, int]]:
    """Return the snapshots of each step of the timeline, `(first, last)`."""
    step = times_ms // (1000 * SAMPLE_S)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(step)) + 1, [len(times_ms)]))
    return [(a, b - 1) for a, b in pairwise(starts.tolist())]


def _moments(feed: Feed, steps: list[tuple[int, int]], count: int) -> list[int]:
    """Return the steps at which to look: the first, and evenly over the part fed each second."""
    if count == 0:
        return []
    seconds = np.diff(feed.times_ms, append=feed.times_ms[-1] + 10**6)
    dense = [n for n, (first, _) in enumerate(steps) if seconds[first] <= 1000]  # noqa: PLR2004 ms
    last = dense[-1] if dense else len(steps) - 1
    return sorted({round(last * k / max(1, count - 1)) for k in range(count)})


def _sample(replay: Replay) -> Sample:
    state = replay.state
    settle = state.universe.asset_row(replay.scenario.settle.asset)
    return Sample(
        time_ms=state.time_ms,
        marks=state.prices.copy(),
        fund=sum(state.book.balance(unit, settle) for unit in state.funds.values()),
        backstop=float(state.backstop_inventory()),
        backstop_equity=float(state.backstop_equity()),
        suspects=len(replay.stage.engine.suspects()),
    )


def _look(replay: Replay) -> None:
    """Take distances, and what has been liquidated so far."""
    state, recorder = replay.state, replay.recorder
    replay.distances.append(distances(replay.glimpse(), replay.spec.seed))
    units = {record.unit for record in recorder.cases.values()}
    accounts = np.unique(state.book.units["account"][sorted(units)])
    notional = sum(sums.liquidated for sums in recorder.instruments.values())
    replay.liquidated.append((len(accounts), notional))


def _maps(replay: Replay, glimpse: Glimpse) -> list[MapView]:
    """Return maps of the instruments with the largest open interest at the start."""
    largest = np.argsort(-replay.population.open_interest(), kind="stable")[:MAPPED]
    return [map_of(glimpse, int(row)) for row in largest]
