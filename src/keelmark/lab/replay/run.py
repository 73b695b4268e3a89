"""Run a replay: draw the population, set the stage, feed the marks, keep what is asked for."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from keelmark.book.totals import totals
from keelmark.core.errors import InvariantViolated
from keelmark.core.numbers import exact
from keelmark.engine.state import State
from keelmark.lab.population import generate, load_spec
from keelmark.lab.population.values import Population
from keelmark.lab.replay.questions import (
    Ladder,
    holders_of,
    instrument_ladder,
    joint_ladder,
    open_units,
)
from keelmark.lab.replay.recorder import Recorder
from keelmark.lab.replay.spec import ReplaySpec, venue_rulebook
from keelmark.lab.replay.stage import Feed, Stage, marks_of, one_sided_interest, set_stage
from keelmark.lab.scenarios import load_scenario
from keelmark.lab.scenarios.values import Scenario
from keelmark.rulebooks.load import Rulebook

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

SAMPLE_S = 10
"""Seconds of a step of the timeline while marks come every second."""

MAP_MOVES = np.concatenate((np.arange(0.01, 0.30, 0.01), np.arange(0.30, 0.80, 0.02)))
DISTANCE_MOVES = np.concatenate((np.arange(0.01, 0.30, 0.01), np.arange(0.30, 0.95, 0.05)))
"""Sizes of the moves that are asked about, as fractions."""

MAPPED = 6
"""Instruments that get a liquidation map: those with the largest open interest."""

DISTANCE_SAMPLE = 50_000
"""Units asked for their distance at each moment."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The venue at the end of a step.

    Attributes:
        time_ms: When.
        marks: Price column.
        fund: Insurance funds, settle quanta.
        backstop: Notional the backstop holds, valuation currency.
        suspects: Units at or below the level they are watched at.
    """

    time_ms: int
    marks: Floats
    fund: int
    backstop: float
    suspects: int


@dataclass(frozen=True, slots=True, eq=False)
class MapView:
    """Who would fall if one instrument moved: longs when it falls, shorts when it rises."""

    time_ms: int
    instrument: int
    price: float
    down: Ladder
    up: Ladder


@dataclass(frozen=True, slots=True, eq=False)
class DistanceView:
    """Who would fall if everything moved alike."""

    time_ms: int
    down: Ladder
    up: Ladder


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
        samples: The venue step by step.
        maps: Liquidation maps at the moments asked for.
        distances: Distances at the moments asked for.
        residuals: Vault less claims by asset, quanta: all zero.
        digest: Of the state after the last mark.
        timings: Seconds by phase.
        endogenous: Largest part of each instrument's mark that its liquidations added, fraction.
        first: Price column at the first mark.
        lowest: Lowest and highest price of each factor on the way, and when.
    """

    spec: ReplaySpec
    scenario: Scenario
    population: Population
    rulebook: Rulebook
    stage: Stage
    recorder: Recorder
    samples: list[Sample] = field(default_factory=list)
    maps: list[MapView] = field(default_factory=list)
    distances: list[DistanceView] = field(default_factory=list)
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

    @property
    def mark_model(self) -> str:
        """Mark model used."""
        return self.spec.mark_model or self.scenario.mark_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How much is looked at on the way; none of it changes the run.

    Attributes:
        moments: Moments at which distances and maps are taken; 0 for none.
    """

    moments: int = 10


def run_replay(
    spec: ReplaySpec,
    *,
    looks: Looks | None = None,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> Replay:
    """Run a replay.

    Args:
        spec: What to run.
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
    tell("drawing accounts", 0, 1)
    scenario = load_scenario(spec.scenario, data=spec.data, seed=spec.seed)
    model = spec.mark_model or scenario.mark_model
    wanted = load_spec(spec.population)
    if spec.accounts is not None:
        wanted = wanted.with_accounts(spec.accounts)
    population = generate(wanted, scenario.opening(model), seed=spec.seed)
    watch.lap("population_s")
    tell("opening the book", 0, 1)
    with exact():
        interest = one_sided_interest(population) * scenario.settle.quantum
    rulebook = venue_rulebook(spec, scenario, wanted, interest)
    recorder = Recorder()
    stage = set_stage(spec, scenario, population, rulebook, recorder)
    watch.lap("opening_s")
    replay = Replay(
        spec=spec,
        scenario=scenario,
        population=population,
        rulebook=rulebook,
        stage=stage,
        recorder=recorder,
    )
    _drive(replay, (looks or Looks()).moments, tell, watch)
    replay.digest = stage.engine.digest()
    replay.residuals = conservation_residuals(replay.state)
    watch.lap("digest_s")
    replay.timings = watch.laps
    if any(replay.residuals.values()):
        msg = f"value was not conserved: {replay.residuals}; seed {spec.seed}"
        raise InvariantViolated(msg)
    return replay


def conservation_residuals(state: State) -> dict[str, int]:
    """Return the vault less every claim on it, by asset, quanta."""
    return dict(zip(state.universe.assets, totals(state.book).residuals, strict=True))


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
    for number, (first, last) in enumerate(steps):
        replay.recorder.is_on = True
        unfed = max(first, 1)  # the opening has been fed
        if last >= unfed:
            _feed(replay, unfed, last)
        watch.lap("marks_s")
        replay.samples.append(_sample(replay))
        if number in asked:
            _look(replay, with_maps=True)
            watch.lap("looks_s")
        tell("replaying marks", number + 1, len(steps))


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
    prices = feed.prices[at].copy()
    if moved.any():
        shifted = prices[:count] * (1.0 + moved) / feed.price_units[:count]
        prices[:count] = np.maximum(np.rint(shifted), 1.0) * feed.price_units[:count]
    return prices


def _steps(times_ms: Int64s) -> list[tuple[int, int]]:
    """Return the snapshots of each step of the timeline, `(first, last)`."""
    step = times_ms // (1000 * SAMPLE_S)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(step)) + 1, [len(times_ms)]))
    return [(int(a), int(b) - 1) for a, b in zip(starts[:-1], starts[1:], strict=True)]


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
        suspects=len(replay.stage.engine.suspects()),
    )


def _look(replay: Replay, *, with_maps: bool) -> None:
    """Take distances, and maps of the largest instruments."""
    state, first_unit = replay.state, replay.stage.first_unit
    units = open_units(state, first_unit)
    if len(units) > DISTANCE_SAMPLE:
        rng = np.random.default_rng(np.random.SeedSequence([replay.spec.seed, 1]))
        units = np.sort(rng.choice(units, DISTANCE_SAMPLE, replace=False))
    down = joint_ladder(state, units, -DISTANCE_MOVES)
    up = joint_ladder(state, units, DISTANCE_MOVES)
    replay.distances.append(DistanceView(state.time_ms, down, up))
    if with_maps:
        for row in _largest_instruments(replay):
            replay.maps.append(_map_of(replay, row))


def _map_of(replay: Replay, row: int) -> MapView:
    state = replay.state
    units = holders_of(state, row, replay.stage.first_unit)
    price = float(state.prices[state.universe.instruments[row]["mark_factor"]])
    return MapView(
        time_ms=state.time_ms,
        instrument=row,
        price=price,
        down=instrument_ladder(state, units, row, -MAP_MOVES),
        up=instrument_ladder(state, units, row, MAP_MOVES),
    )


def _largest_instruments(replay: Replay) -> list[int]:
    rows = replay.population.positions
    notional = np.abs(rows["lots"]) * replay.population.opening.lot_notionals[rows["instrument"]]
    interest = np.bincount(rows["instrument"], notional, len(replay.scenario.instruments))
    order = np.argsort(-interest, kind="stable")
    return [int(row) for row in order[:MAPPED]]
