"""What the tests say of every model of a run, which one is best, and where all of them fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

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
EXPECTED_MIN = 5.0
"""Violations expected, of right forecasts, below which models are not compared: Kupiec's test could
not even reject a model that is never violated with less than two."""
FORECASTS_MIN = 100
"""Forecasts below which they are not: the bootstrap would draw a handful of blocks."""


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
        against: Diebold-Mariano against the lowest score; `None` for that and for unranked models.
        set_p_value: Smallest level at which it leaves the model confidence set; `None` where none
            is had.
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
    set_p_value: float | None = None
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
        chosen: Those that cannot be told from the lowest score; `None` with fewer than two ranked
            and with too few forecasts.
        all_hit: Periods in which every model with a forecast was violated.
        needed: Forecasts that it takes to compare models; `None` where there are as many.
    """

    tail: float
    judged: Mapping[str, Judged]
    ranked: tuple[str, ...]
    chosen: ConfidenceSet | None
    all_hit: tuple[int, ...]
    needed: int | None = None

    @property
    def lowest(self) -> Judged | None:
        """The ranked model with the lowest score, whether it can be told from others or not."""
        return self.judged[self.ranked[0]] if self.ranked else None

    @property
    def alike(self) -> tuple[str, ...]:
        """Others of the model confidence set: they cannot be told from the lowest score."""
        if self.chosen is None:
            return ()
        return tuple(name for name in self.chosen.kept if name != self.ranked[0])

    @property
    def best(self) -> Judged | None:
        """The lowest score, where it can be told from some model; `None` where from none."""
        is_told = self.chosen is not None and len(self.chosen.kept) < len(self.ranked)
        return self.lowest if is_told else None

    @property
    def is_unknown(self) -> bool:
        """Whether no model is ranked, or too few forecasts compare those that are."""
        return not self.ranked or self.needed is not None

    @property
    def clusters(self) -> tuple[tuple[int, int, int], ...]:
        """Where all fail: first and last period of each cluster, and how many in it."""
        return clustered(self.all_hit)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backtest:
    """A run and what is to be said of it."""

    run: Run
    levels: tuple[Level, ...]

    @property
    def is_unknown(self) -> bool:
        """Whether it tells at no level how models stand."""
        return all(level.is_unknown for level in self.levels)


def forecasts_needed(tail: float) -> int:
    """Return how many forecasts it takes to compare models at a tail."""
    return max(FORECASTS_MIN, ceil(round(EXPECTED_MIN / tail, 6)))


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
    """Rank the models that forecast every period, and compare each with the lowest score."""
    whole = {name: one for name, one in found.items() if not one.missing and one.score is not None}
    ranked = sorted(whole, key=lambda name: whole[name].score or 0.0)
    needed = forecasts_needed(tail)
    is_few = len(run.profit) < needed
    chosen = None
    if len(ranked) > 1 and not is_few:
        scores = {name: whole[name].scores for name in ranked}
        chosen = confidence_set(scores, seed=run.schedule.seed)
    for name in ranked:
        against = None
        if name != ranked[0]:
            against = _against(whole[name], whole[ranked[0]], needed)
        p_value = None if chosen is None else chosen.p_values[name]
        found[name] = replace(found[name], against=against, set_p_value=p_value)
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
        needed=needed if is_few else None,
    )


def _against(one: Judged, lowest: Judged, needed: int) -> Statistic:
    """Return how a model's scores stand to the lowest, unknown with too few."""
    if one.periods < needed:
        reason = f"{one.periods:,} forecasts; at least {needed:,} are needed"
        return Statistic.unknown("Diebold-Mariano", reason)
    return diebold_mariano(one.scores, lowest.scores)
