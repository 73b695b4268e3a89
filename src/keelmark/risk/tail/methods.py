"""VaR and ES of one account by each method, from one history.

| method | what it is |
| --- | --- |
| fhs | filtered history, bootstrapped through the filter's recursion; full revaluation |
| historical | past stretches as they were; full revaluation |
| scaled | past stretches at today's deviations; full revaluation |
| cornish-fisher | the four moments of `scaled`, the expansion whose law has them |
| pot | generalised Pareto tail beyond the worst tenth of `scaled` |
| t-copula | t copula of filtered shocks, each coin's own shocks; full revaluation |
| normal, t | slopes now, the filter's deviations, shrunk correlations; closed form |
| table | the built-in table: t copula, a Student t for each coin; full revaluation |

A method that cannot be had is unknown with the reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array
from keelmark.risk.scenarios.filtered import Filtered, volatility_scaled
from keelmark.risk.scenarios.historical import historical
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.scenarios.parametric import copula_law, covariance_ahead, shared_freedom
from keelmark.risk.scenarios.pegged import covariance_with, with_pegs
from keelmark.risk.scenarios.scenarios import Scenarios
from keelmark.risk.statistics import CornishFisher as Expansion
from keelmark.risk.statistics import (
    Unknown,
    excess_kurtosis,
    fit_pot,
    normal_tail,
    skewness,
    student_tail,
)
from keelmark.risk.statistics.tail_figures import TailFigures
from keelmark.risk.tail.book import RiskBook
from keelmark.risk.tail.measures import NORMAL_95, TailRisk, require_level, tail_risk

OBSERVATIONS_MIN = 100
"""Stretches the moments of which are told."""

STEPS_MAX = 300_000
"""Steps of all paths together that a method beside the leading one draws."""

PATHS_MIN = 10_000
"""Paths it draws in any case."""


class Method(StrEnum):
    """How VaR and ES are had."""

    FHS = "fhs"
    HISTORICAL = "historical"
    SCALED = "scaled"
    CORNISH_FISHER = "cornish-fisher"
    POT = "pot"
    T_COPULA = "t-copula"
    NORMAL = "normal"
    STUDENT = "t"
    TABLE = "table"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What every method answers.

    Attributes:
        book: The account.
        history: Run through a filter.
        level: Of confidence.
        days: Horizon.
        paths: Drawn by the methods that draw.
        seed: Of the draws.
        pegs: Standard deviation of a day of what the history does not hold: assets, volatilities.
    """

    book: RiskBook
    history: Filtered
    level: float
    days: float
    paths: int
    seed: int
    pegs: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Changes in a horizon."""
        return round(self.days / self.history.days)


def measured(asked: Question, method: Method) -> TailRisk | Unknown:
    """Return VaR and ES by a method, unknown with the reason where it cannot be had."""
    require_level(asked.level)
    if asked.pegs and method in PAST:
        return Unknown(f"the past does not hold what is given of {', '.join(asked.pegs)}")
    try:
        return _METHODS[method](asked)
    except InvalidInput as error:
        return Unknown(str(error))


def drawn_risk(book: RiskBook, law: ReturnModel, asked: Question) -> TailRisk:
    """Return VaR and ES of draws of a law, revalued in full.

    Fewer paths are drawn where they are long, which the interval shows.
    """
    steps = law.steps_of(asked.days)
    count = min(asked.paths, max(PATHS_MIN, STEPS_MAX // steps))
    drawn = law.scenarios(steps=steps, count=count, seed=asked.seed)
    words = f"{count:,} paths of {law.source}"
    pnl = book.pnl(book.placed(drawn))
    behind = law.outcomes_behind(steps)
    return tail_risk(pnl, asked.level, method=words, independent=behind)


def closed_risk(
    slopes: Array, covariance: Array, level: float, *, freedom: float | None = None
) -> TailRisk | Unknown:
    """Return VaR and ES of a sum with these slopes, normal or Student t, in closed form.

    Args:
        slopes: (names,) change of worth by one of return.
        covariance: (names, names) over the horizon.
        level: Of confidence.
        freedom: Degrees of freedom of a joint Student law; `None` for a normal one.
    """
    deviation = float(np.sqrt(np.maximum(0.0, slopes @ covariance @ slopes)))
    if deviation == 0.0:
        return Unknown("nothing it holds moves its worth by a slope")
    if freedom is None:
        words, found = "normal", normal_tail(level, deviation=deviation)
    else:
        words = f"Student t of {freedom:.3g} degrees of freedom"
        found = student_tail(level, freedom, deviation=deviation)
    return _figures(found, level, f"{words}, slopes of worth now, closed form")


def _figures(
    found: TailFigures, level: float, words: str, error: float | Unknown | None = None
) -> TailRisk | Unknown:
    var, es = found.var, found.es
    if isinstance(var, Unknown):
        return var
    if isinstance(es, Unknown):
        return es
    interval = None
    if isinstance(error, float):
        interval = (var - NORMAL_95 * error, var + NORMAL_95 * error)
    return TailRisk(level=level, var=var, es=es, var_interval=interval, method=words)


def past_scenarios(asked: Question, *, is_scaled: bool) -> Scenarios:
    """Return past stretches of the horizon, at today's deviations or as they were."""
    if is_scaled:
        return asked.book.placed(volatility_scaled(asked.history, rows=asked.rows))
    return asked.book.placed(historical(asked.history.returns, rows=asked.rows))


def _historical(asked: Question) -> TailRisk | Unknown:
    scenarios = past_scenarios(asked, is_scaled=False)
    found = tail_risk(asked.book.pnl(scenarios), asked.level, method="past stretches as they were")
    return _spread_by_overlap(found, asked.rows)


def _scaled(asked: Question) -> TailRisk | Unknown:
    words = "past stretches at today's deviations"
    found = tail_risk(_scaled_pnl(asked), asked.level, method=words)
    return _spread_by_overlap(found, asked.rows)


def _spread_by_overlap(found: TailRisk, rows: int) -> TailRisk:
    """Widen what is known of a sample of overlapping stretches: `rows` of them tell once."""
    if rows == 1 or found.var_interval is None or found.es_error is None:
        return found
    wider = rows**0.5
    low, high = (found.var + wider * (end - found.var) for end in found.var_interval)
    return replace(found, var_interval=(low, high), es_error=found.es_error * wider)


def _scaled_pnl(asked: Question) -> Array:
    return asked.book.pnl(past_scenarios(asked, is_scaled=True))


def _cornish_fisher(asked: Question) -> TailRisk | Unknown:
    pnl = _scaled_pnl(asked)
    if len(pnl) < OBSERVATIONS_MIN:
        return Unknown(f"{len(pnl)} stretches tell no four moments; {OBSERVATIONS_MIN} do")
    deviation = float(pnl.std(ddof=1))
    if deviation == 0.0:
        return Unknown("nothing it holds moves its worth")
    skew, excess = float(skewness(pnl[:, None])[0]), float(excess_kurtosis(pnl[:, None])[0])
    law = Expansion.matched(skew, excess)
    if isinstance(law, Unknown):
        return law
    words = f"Cornish-Fisher of skewness {skew:.2f}, excess kurtosis {excess:.1f}"
    return _figures(law.tail(asked.level, deviation=deviation), asked.level, words)


def _pot(asked: Question) -> TailRisk | Unknown:
    tail = fit_pot(-_scaled_pnl(asked))
    words = f"POT, xi {tail.law.xi:.2f}, {tail.law.excesses} excesses"
    error = tail.var_error(asked.level)
    if not isinstance(error, Unknown):
        error *= asked.rows**0.5
    return _figures(tail.tail(asked.level), asked.level, words, error)


def _t_copula(asked: Question) -> TailRisk | Unknown:
    if len(asked.history.returns.coins) == 1:
        return Unknown("one coin has no dependence to draw")
    return drawn_risk(asked.book, with_pegs(copula_law(asked.history), asked.pegs), asked)


def _closed(asked: Question, freedom: float | None) -> TailRisk | Unknown:
    slopes = asked.book.slopes((*asked.history.returns.coins, *asked.pegs))
    day = covariance_ahead(asked.history) / asked.history.days
    covariance = covariance_with(day, asked.pegs) * asked.days
    return closed_risk(slopes, covariance, asked.level, freedom=freedom)


def _normal(asked: Question) -> TailRisk | Unknown:
    return _closed(asked, None)


def _student(asked: Question) -> TailRisk | Unknown:
    return _closed(asked, shared_freedom(asked.history))


_METHODS: Mapping[Method, Callable[[Question], TailRisk | Unknown]] = {
    Method.HISTORICAL: _historical,
    Method.SCALED: _scaled,
    Method.CORNISH_FISHER: _cornish_fisher,
    Method.POT: _pot,
    Method.T_COPULA: _t_copula,
    Method.NORMAL: _normal,
    Method.STUDENT: _student,
}
"""Those that need no paths; filtered history and the table are simulated step by step."""

PAST = frozenset({Method.HISTORICAL, Method.SCALED, Method.CORNISH_FISHER, Method.POT})
"""Those that take past stretches, and so what moved in them."""

BESIDE = tuple(_METHODS)
