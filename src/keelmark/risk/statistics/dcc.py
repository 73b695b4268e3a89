"""Dynamic conditional correlation, DCC(1,1), in two steps: variances first, correlations here.

    Q' = (1 - a - b) * target + a * z z' + b * Q,   R = Q scaled to unit diagonal

`z` are returns over their forecast deviations, `target` their sample correlation. Source: Engle,
Journal of Business and Economic Statistics 20 (2002) 339-350; targets and two steps as there.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.correlations import correlation_of
from keelmark.risk.statistics.joint_recursions import (
    dcc_correlations_kernel,
    dcc_last_kernel,
    dcc_likelihood_kernel,
    dcc_pairs_likelihood_kernel,
)
from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.statistics.nearest import eigenvalue_least
from keelmark.risk.statistics.series import Array, panel_of

FIT_OBSERVATIONS_MIN = 100
SUM_MAX = 1.0 - 1e-6
EDGE = 1e-4
_SINGULAR = 1e-10
_STARTS = ((0.01, 0.95), (0.02, 0.97), (0.05, 0.9), (0.05, 0.6), (0.15, 0.8), (0.005, 0.99))


class DccLikelihood(StrEnum):
    """What is made largest."""

    FULL = "full"
    """The normal likelihood of all columns together; needs more rows than columns."""
    PAIRS = "pairs"
    """The sum of the likelihoods of every pair; for many columns or few rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DccFit:
    """Fitted dynamics of correlations.

    Attributes:
        a: Response to the last returns.
        b: Weight of the last Q.
        target: Shape (k, k), where correlations return to.
        log_likelihood: Gain over no correlation at all; a sum over pairs where those were fitted.
        likelihood: What was made largest.
        observations: How many rows.
        converged: Whether the optimiser met its tolerance.
        notes: What to know of the fit.
    """

    a: float
    b: float
    target: Array
    log_likelihood: float
    likelihood: DccLikelihood
    observations: int
    converged: bool
    notes: tuple[str, ...] = field(default=())

    def correlations(self, z: Array) -> Array:
        """Return correlation forecasts, (T + 1, k, k), of standardised returns (T, k).

        The last is for T + 1.

        Raises:
            InvalidInput: Another number of columns.
        """
        rows = self._rows(z)
        count = self.target.shape[0]
        result = np.empty((rows.shape[0] + 1, count, count))
        dcc_correlations_kernel(rows, self.a, self.b, self.target, np.empty((count, count)), result)
        return result

    def forecast(self, z: Array, days: int = 1) -> Array:
        """Return the correlation forecast, (k, k), `days` periods after the last row of `z`.

        Q reverts to the target at the rate a + b; taking the expected z z' as Q itself is the
        approximation of Engle and Sheppard (2001), exact for one period.

        Raises:
            InvalidInput: Another number of columns, or no period.
        """
        if days < 1:
            msg = f"a forecast {days} periods ahead; give at least 1"
            raise InvalidInput(msg)
        q = np.empty(self.target.shape)
        dcc_last_kernel(self._rows(z), self.a, self.b, self.target, q)
        held = (self.a + self.b) ** (days - 1)
        return correlation_of((1.0 - held) * self.target + held * q)

    def _rows(self, z: Array) -> Array:
        rows = np.ascontiguousarray(z, dtype=np.float64)
        count = self.target.shape[0]
        if rows.ndim != 2 or rows.shape[1] != count:  # noqa: PLR2004 rows and columns
            msg = f"returns of shape {rows.shape} for correlations of {count} columns"
            raise InvalidInput(msg)
        return rows


def fit_dcc(z: Array, likelihood: DccLikelihood = DccLikelihood.FULL) -> DccFit:
    """Return the DCC(1,1) of standardised returns, by quasi maximum likelihood.

    Args:
        z: Shape (T, k), returns over their forecast deviations; two columns at least, 100 rows.
        likelihood: What is made largest.

    Raises:
        InvalidInput: One column, too few rows, gaps, or columns of which one follows from others.
        MissingExtra: scipy is not installed.

    Source: the module; pairs, Engle, Shephard and Sheppard, "Fitting vast dimensional time-varying
    covariance models", here with every pair.
    """
    panel = panel_of(z, least=FIT_OBSERVATIONS_MIN)
    target = _target(panel, likelihood)

    def loss(point: Array) -> float:
        value = dcc_log_likelihood(panel, float(point[0]), float(point[1]), target, likelihood)
        return math.inf if math.isnan(value) else -value / panel.shape[0]

    start = min((np.array(point) for point in _STARTS), key=loss)
    answer = scipy_module("optimize").minimize(
        loss,
        start,
        jac="3-point",
        method="SLSQP",
        bounds=[(0.0, SUM_MAX), (0.0, SUM_MAX)],
        constraints=[{"type": "ineq", "fun": lambda point: SUM_MAX - point.sum()}],
        options={"ftol": 1e-10, "maxiter": 200},
    )
    a, b = (float(value) for value in np.clip(answer.x, 0.0, SUM_MAX))
    notes = [] if answer.success else [f"did not converge: {answer.message}"]
    if a < EDGE:
        notes.append("no response to returns was found: correlations are constant, b means nothing")
    if a + b > SUM_MAX - EDGE:
        notes.append("a + b at 1, the edge of the search: correlations return to no level")
    return DccFit(
        a=a,
        b=b,
        target=target,
        log_likelihood=float(-answer.fun * panel.shape[0]),
        likelihood=likelihood,
        observations=panel.shape[0],
        converged=bool(answer.success),
        notes=tuple(notes),
    )


def dcc_log_likelihood(
    z: Array,
    a: float,
    b: float,
    target: Array,
    likelihood: DccLikelihood = DccLikelihood.FULL,
) -> float:
    """Return the log likelihood of `z` (T, k) less that of no correlation; `nan` where singular."""
    count = target.shape[0]
    q = np.empty((count, count))
    if likelihood is DccLikelihood.PAIRS:
        return dcc_pairs_likelihood_kernel(z, a, b, target, q)
    return dcc_likelihood_kernel(z, a, b, target, q, np.empty((count, count)), np.empty(count))


def _target(panel: Array, likelihood: DccLikelihood) -> Array:
    if panel.shape[1] < 2:  # noqa: PLR2004 a pair
        msg = "one column has no correlation; give two"
        raise InvalidInput(msg)
    target = correlation_of(panel.T @ panel)
    if likelihood is DccLikelihood.FULL and eigenvalue_least(target) < _SINGULAR:
        msg = (
            f"{panel.shape[1]} columns in {panel.shape[0]} rows, one of which follows from others: "
            "leave it out, or fit by pairs (`DccLikelihood.PAIRS`)"
        )
        raise InvalidInput(msg)
    return target
