"""Laws with parameters, fitted to a history that ran through a filter.

Variances are the filter's for the step to come, and stay over the horizon except for the copula,
whose steps follow the filter's recursion. Correlations are of filtered shocks, so that a storm does
not weigh more than a calm: Ledoit and Wolf's shrunk ones, or exponentially weighted.
"""

from enum import StrEnum

import numpy as np

from keelmark.risk.returns import Array
from keelmark.risk.scenarios.coin_estimates import freedom_of
from keelmark.risk.scenarios.draws import Copula, Draw, Empirical, Gaussian, Student
from keelmark.risk.scenarios.filtered import Filtered
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.statistics import (
    correlation_of,
    ewma_correlation,
    fit_t_copula,
    ledoit_wolf,
)


class Correlations(StrEnum):
    """How correlations are told."""

    SHRUNK = "shrunk"
    EWMA = "ewma"


def correlations_of(history: Filtered, kind: Correlations = Correlations.SHRUNK) -> Array:
    """Return the correlation of filtered shocks, (coins, coins)."""
    if kind is Correlations.EWMA:
        return ewma_correlation(history.residuals)
    return correlation_of(ledoit_wolf(history.residuals).covariance)


def covariance_ahead(history: Filtered, kind: Correlations = Correlations.SHRUNK) -> Array:
    """Return the covariance of the step to come: the filter's deviations, these correlations."""
    deviations = np.sqrt(history.variances[-1])
    found: Array = correlations_of(history, kind) * np.outer(deviations, deviations)
    return found


def normal_law(history: Filtered, kind: Correlations = Correlations.SHRUNK) -> ReturnModel:
    """Return the joint normal law of the steps to come."""
    draw = Gaussian(correlation=correlations_of(history, kind))
    return _law(history, draw, f"normal shocks ({kind} correlations)")


def student_law(history: Filtered, kind: Correlations = Correlations.SHRUNK) -> ReturnModel:
    """Return the joint Student law: one freedom for all, the median of the coins' own."""
    draw = Student(correlation=correlations_of(history, kind), freedom=shared_freedom(history))
    return _law(history, draw, f"{draw.name} ({kind} correlations)")


def shared_freedom(history: Filtered) -> float:
    """Return the median of the coins' degrees of freedom, each by maximum likelihood."""
    return float(np.median([freedom_of(own) for own in history.residuals.T]))


def copula_law(history: Filtered) -> ReturnModel:
    """Return the t copula of filtered shocks with each coin's own past shocks as its law."""
    fit = fit_t_copula(history.residuals)
    draw = Copula(
        correlation=fit.copula.correlation,
        freedom=fit.copula.nu,
        marginal=Empirical(sorted_shocks=np.sort(history.residuals, axis=0)),
    )
    return ReturnModel(
        coins=history.returns.coins,
        variance=history.variances[-1],
        draw=draw,
        recursion=history.filter,
        days=history.days,
        source=f"{draw.name} ({history.filter.name})",
        notes=(*history.returns.notes, *fit.notes),
    )


def _law(history: Filtered, draw: Draw, words: str) -> ReturnModel:
    return ReturnModel(
        coins=history.returns.coins,
        variance=history.variances[-1],
        draw=draw,
        recursion=None,
        days=history.days,
        source=words,
        notes=history.returns.notes,
    )
