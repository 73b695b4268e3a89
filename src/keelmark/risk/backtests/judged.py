"""What the tests say of every model of a run, which one is best, and where all of them fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.betting import monitor
from keelmark.risk.backtests.coverage import (
    Transitions,
    conditional_coverage,
    independence,
    kupiec,
    violations,
)
from keelmark.risk.backtests.hit_regression import dynamic_quantile
from keelmark.risk.backtests.lights import TrafficLight, traffic_light
from keelmark.risk.backtests.rolling import Forecasts, Run, Tell, silent
from keelmark.risk.backtests.scores import (
    ConfidenceSet,
    confidence_set,
    diebold_mariano,
    fz0,
)
from keelmark.risk.backtests.shortfall import Told, shortfall_tests
from keelmark.risk.backtests.statistic import Array, Flags, Statistic

ALARM = 20.0
"""Wealth of the monitor that is evidence at five per cent."""
DRAWS = 2_000
NEAR = 5
"""Violations no farther apart than this many periods are one cluster."""
SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """One model at one tail.

    Attributes:
        name: Of the model.
        periods: Forecast.
        missing: Periods without a forecast.
        hits: Where the loss was larger, False where there is no forecast; (all periods,).
        light: Zone of the count.
        tests: By name; some unknown with a reason.
        score: Mean FZ0; `None` where a model has no forecast at all.
        scores: Of each period that has a forecast.
        against: Diebold-Mariano against the best; `None` for the best and for unranked models.
        evidence: The most wealth of the monitor.
        alarm: First period at which it reached twenty.
    """

    name: str
    periods: int
    missing: int
    hits: Flags
    light: TrafficLight
    tests: Mapping[str, Statistic]
    score: float | None
    scores: Array
    against: Statistic | None = None
    evidence: float = 1.0
    alarm: int | None = None

    @property
    def count(self) -> int:
        """Violations."""
        return int(self.hits.sum())

    @property
    def rejected(self) -> tuple[str, ...]:
        """Tests whose p-value is below five per cent."""
        return tuple(
            name
            for name, test in self.tests.items()
            if test.p_value is not None and test.p_value < SIGNIFICANCE
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """All models at one tail.

    Attributes:
        tail: Probability of a violation.
        judged: By model, in the order asked.
        ranked: Names of models with a forecast of every period, the lowest score first.
        chosen: Those that cannot be told from the best; `None` with fewer than two ranked.
        all_hit: Periods in which every model with a forecast was violated.
    """

    tail: float
    judged: Mapping[str, Judged]
    ranked: tuple[str, ...]
    chosen: ConfidenceSet | None
    all_hit: tuple[int, ...]

    @property
    def best(self) -> Judged | None:
        """The ranked model with the lowest score."""
        return self.judged[self.ranked[0]] if self.ranked else None

    @property
    def clusters(self) -> tuple[tuple[int, int, int], ...]:
        """Where all fail: first and last period of each cluster, and how many in it."""
        return clustered(self.all_hit)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backtest:
    """A run and what is to be said of it."""

    run: Run
    levels: tuple[Level, ...]


def judge(run: Run, *, draws: int = DRAWS, tell: Tell = silent) -> Backtest:
    """Return what the tests say of a run.

    Args:
        run: Forecasts and outcomes.
        draws: Histories behind each p-value of a shortfall.
        tell: Told how far it is.
    """
    steps = len(run.schedule.tails) * len(run.forecasts)
    levels = []
    for column, tail in enumerate(run.schedule.tails):
        found: dict[str, Judged] = {}
        for name, forecasts in run.forecasts.items():
            found[name] = _judged(run, forecasts, column, draws)
            tell("tests", column * len(run.forecasts) + len(found), steps)
        levels.append(_level(run, tail, found))
    return Backtest(run=run, levels=tuple(levels))


def clustered(periods: Sequence[int], near: int = NEAR) -> tuple[tuple[int, int, int], ...]:
    """Return first, last and number of each group of periods that lie near each other."""
    groups: list[list[int]] = []
    for period in periods:
        if groups and period - groups[-1][-1] <= near:
            groups[-1].append(period)
        else:
            groups.append([period])
    return tuple((group[0], group[-1], len(group)) for group in groups)


def _judged(run: Run, forecasts: Forecasts, column: int, draws: int) -> Judged:
    tail = run.schedule.tails[column]
    known = np.isfinite(forecasts.value_at_risk[:, column])
    hits = np.zeros(len(known), dtype=np.bool_)
    if not known.any():
        none = Statistic.unknown("all", next(iter(forecasts.reasons)))
        return Judged(
            name=forecasts.model.name,
            periods=0,
            missing=len(known),
            hits=hits,
            light=traffic_light(0, 1, tail),
            tests=dict.fromkeys(TESTS, none),
            score=None,
            scores=np.array([]),
        )
    told = Told(
        profit=run.profit[known],
        value_at_risk=forecasts.value_at_risk[known, column],
        shortfall=forecasts.shortfall[known, column],
        tail=tail,
    )
    own = violations(told.profit, told.value_at_risk)
    hits[known] = own
    count = int(own.sum())
    scores = fz0(told)
    watched = monitor(told)
    alarm = watched.alarm(ALARM)
    predicted = [p for p in forecasts.predicted if not isinstance(p, InvalidInput)]
    sizes = shortfall_tests(told, predicted, seed=run.schedule.seed, draws=draws)
    return Judged(
        name=forecasts.model.name,
        periods=len(own),
        missing=int((~known).sum()),
        hits=hits,
        light=traffic_light(count, len(own), tail),
        tests={
            "Kupiec": kupiec(count, len(own), tail),
            "independence": independence(Transitions.of(own)),
            "coverage": conditional_coverage(own, tail),
            "DQ": dynamic_quantile(told.profit, told.value_at_risk, tail),
            **sizes,
        },
        score=float(scores.mean()),
        scores=scores,
        evidence=watched.highest,
        alarm=None if alarm is None else int(np.flatnonzero(known)[alarm]),
    )


TESTS = ("Kupiec", "independence", "coverage", "DQ", "Z1", "Z2", "ZMB")


def _level(run: Run, tail: float, found: dict[str, Judged]) -> Level:
    """Rank the models that forecast every period, and compare each with the best."""
    whole = {name: one for name, one in found.items() if not one.missing and one.score is not None}
    ranked = sorted(whole, key=lambda name: whole[name].score or 0.0)
    for name in ranked[1:]:
        against = diebold_mariano(whole[name].scores, whole[ranked[0]].scores)
        found[name] = _with(found[name], against)
    chosen = None
    if len(ranked) > 1:
        scores = {name: whole[name].scores for name in ranked}
        chosen = confidence_set(scores, seed=run.schedule.seed)
    every = np.ones(len(run.profit), dtype=np.bool_)
    for name, forecasts in run.forecasts.items():
        missing = ~np.isfinite(forecasts.value_at_risk[:, 0])
        every &= found[name].hits | missing
    told = any(one.periods for one in found.values())
    return Level(
        tail=tail,
        judged=found,
        ranked=tuple(ranked),
        chosen=chosen,
        all_hit=tuple(int(row) for row in np.flatnonzero(every)) if told else (),
    )


def _with(one: Judged, against: Statistic) -> Judged:
    return replace(one, against=against)
