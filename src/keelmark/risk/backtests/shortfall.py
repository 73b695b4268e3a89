"""Is the expected shortfall enough? Acerbi and Szekely's statistics, with values by simulation.

With profit X, value at risk V and shortfall E as positive losses, tail a, N violations, T periods:

    Z1   sum X 1[X < -V] / E / N + 1            given violations: unknown without one
    Z2   sum X 1[X < -V] / (T a E) + 1          counts and sizes together
    ZMB  mean of (E - V - (X + V)^- / a) / E    least moved by a wrong value at risk (ridge)

All are 0 in mean for right forecasts and negative where losses were larger than told. Sources:
Acerbi and Szekely, "Backtesting expected shortfall" (2014), "General properties of backtestable
statistics" (2017); docs/model.md, "Backtests".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.coverage import violations
from keelmark.risk.backtests.predictive import Predictive
from keelmark.risk.backtests.statistic import Array, Statistic, require_forecasts, require_tail
from keelmark.risk.scenarios import generator_of

DRAWS = 10_000
NAMES = ("Z1", "Z2", "ZMB")
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """What was forecast, beside what came; all shape (periods,).

    Attributes:
        profit: Outcomes, losses below 0.
        value_at_risk: Forecast, as a positive loss.
        shortfall: Forecast, as a positive loss no smaller than the value at risk.
        tail: Probability of a violation.
    """

    profit: Array
    value_at_risk: Array
    shortfall: Array
    tail: float

    def __post_init__(self) -> None:
        require_tail(self.tail)
        require_forecasts(self.profit, self.value_at_risk, self.shortfall)
        least = self.value_at_risk * (1.0 - _ROUNDING)
        wrong = np.flatnonzero((self.shortfall <= 0.0) | (self.shortfall < least))
        if len(wrong):
            row = wrong[0]
            msg = (
                f"period {row}: a shortfall of {self.shortfall[row]:g} beside a value at risk of "
                f"{self.value_at_risk[row]:g}; it is a positive loss and no smaller"
            )
            raise InvalidInput(msg)


def z1(told: Told) -> Statistic:
    """Return the mean of losses beyond the value at risk over the shortfall told."""
    hits = violations(told.profit, told.value_at_risk)
    if not hits.any():
        return Statistic.unknown("Z1", "no violation: it is the mean over violations")
    value = float(np.mean(told.profit[hits] / told.shortfall[hits])) + 1.0
    return Statistic(name="Z1", value=value, reason=_NO_P)


def z2(told: Told) -> Statistic:
    """Return the sum of losses beyond the value at risk over what was told of it."""
    hits = violations(told.profit, told.value_at_risk)
    total = float(np.sum(told.profit[hits] / told.shortfall[hits]))
    value = total / (len(hits) * told.tail) + 1.0
    return Statistic(name="Z2", value=value, reason=_NO_P)


def zmb(told: Told) -> Statistic:
    """Return the minimally biased (ridge) statistic."""
    beyond = np.maximum(-told.profit - told.value_at_risk, 0.0) / told.tail
    share = (told.shortfall - told.value_at_risk - beyond) / told.shortfall
    return Statistic(name="ZMB", value=float(np.mean(share)), reason=_NO_P)


_NO_P = "no distribution to draw from was given"
_STATISTICS: Mapping[str, Callable[[Told], Statistic]] = {"Z1": z1, "Z2": z2, "ZMB": zmb}


def shortfall_tests(
    told: Told, predicted: Sequence[Predictive], *, seed: int, draws: int = DRAWS
) -> dict[str, Statistic]:
    """Return Z1, Z2 and ZMB with one-sided p-values under the model's own distributions.

    Args:
        told: Forecasts and outcomes.
        predicted: What the model forecast each period, from which histories are drawn.
        seed: Of the draws.
        draws: Histories.
    """
    drawn = simulated_statistics(told, predicted, seed=seed, draws=draws)
    found: dict[str, Statistic] = {}
    for name, statistic in _STATISTICS.items():
        seen = statistic(told)
        sample = drawn[name][np.isfinite(drawn[name])]
        if seen.value is None or not len(sample):
            found[name] = seen
            continue
        below = int(np.sum(sample <= seen.value))
        p_value = (below + 1) / (len(sample) + 1)
        error = float(np.sqrt(p_value * (1.0 - p_value) / len(sample)))
        note = f"p by {len(sample)} histories of the model's own, seed {seed}, +/- {error:.4f}"
        found[name] = Statistic(name=name, value=seen.value, p_value=p_value, notes=(note,))
    return found


def simulated_statistics(
    told: Told, predicted: Sequence[Predictive], *, seed: int, draws: int = DRAWS
) -> dict[str, Array]:
    """Return each statistic of `draws` histories in which every period is as the model said.

    Only the tail is drawn: how many histories violate a period is binomial, which ones is a choice
    without repeats, how far is the model's quantile of a uniform share of the tail. Z1 of a history
    without a violation is NaN.

    Raises:
        InvalidInput: Not one distribution a period.
    """
    periods = len(told.profit)
    if len(predicted) != periods:
        msg = f"{len(predicted)} distributions for {periods} periods; give one each"
        raise InvalidInput(msg)
    draw = generator_of(seed)
    counts = draw.binomial(draws, told.tail, size=periods)
    number, losses, beyond = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    for row, (count, model) in enumerate(zip(counts, predicted, strict=True)):
        who = draw.choice(draws, size=count, replace=False, shuffle=False)
        share = told.tail * (1.0 - draw.random(count))
        outcome = np.minimum(model.quantiles(share), -told.value_at_risk[row])
        number[who] += 1.0
        losses[who] += outcome / told.shortfall[row]
        beyond[who] += (-outcome - told.value_at_risk[row]) / told.shortfall[row]
    calm = np.mean((told.shortfall - told.value_at_risk) / told.shortfall)
    with np.errstate(invalid="ignore"):
        first = losses / number + 1.0
    return {
        "Z1": first,
        "Z2": losses / (periods * told.tail) + 1.0,
        "ZMB": calm - beyond / (periods * told.tail),
    }


def critical_values(
    model: Predictive, *, periods: int, tail: float, level: float, draws: int
) -> dict[str, float]:
    """Return the values that right forecasts of equal periods fall below with probability `level`.

    Raises:
        InvalidInput: A tail or a level out of range.
    """
    require_tail(tail)
    ones = np.ones(periods)
    told = Told(
        profit=np.zeros(periods),
        value_at_risk=model.value_at_risk(tail) * ones,
        shortfall=model.shortfall(tail) * ones,
        tail=tail,
    )
    drawn = simulated_statistics(told, [model] * periods, seed=0, draws=draws)
    return {name: float(np.nanquantile(drawn[name], level)) for name in NAMES}
