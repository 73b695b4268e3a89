"""Decay and tilt of exponentially weighted variances by maximum likelihood, one for a whole panel.

Source: docs/model.md, "Variance filters"; one decay for many series is the way of RiskMetrics,
Technical Document, 4th ed. (1996), section 5.3.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from keelmark.risk.statistics.filters import AsymmetricEwma, start_of
from keelmark.risk.statistics.garch import Innovations
from keelmark.risk.statistics.garch_fit import FIT_OBSERVATIONS_MIN, NU_MAX, NU_MIN, log_density_top
from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.statistics.recursions import likelihood_kernel
from keelmark.risk.statistics.series import Array, panel_of

DECAY_MIN, DECAY_MAX = 0.5, 0.9999
TILT_MAX = 0.99
EDGE = 1e-3
_START_DECAY, _START_TAIL = 0.94, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class EwmaFit:
    """The likeliest asymmetric EWMA of a panel.

    Attributes:
        filter: Its decay and tilt; a tilt of 0 is EWMA.
        nu: Degrees of freedom of the standardised returns; `inf` is the normal law.
        log_likelihood: Of all columns as given, each by itself.
        observations: Rows.
        converged: Whether the optimiser met its tolerance.
        notes: What to know of the fit.
    """

    filter: AsymmetricEwma
    nu: float
    log_likelihood: float
    observations: int
    converged: bool
    notes: tuple[str, ...] = field(default=())


def fit_ewma(
    returns: Array,
    innovations: Innovations = Innovations.STUDENT_T,
    *,
    tilt: float | None = None,
) -> EwmaFit:
    """Return the decay and tilt under which returns (T, k) are likeliest, the same for all columns.

    Args:
        returns: Shape (T, k), at least 100 rows; means are taken for zero.
        innovations: Law of the standardised returns.
        tilt: Kept at this where given; 0 fits EWMA.

    Raises:
        InvalidInput: A column is too short, has gaps, no variance or a start that stands still.
        MissingExtra: scipy is not installed.
    """
    panel = panel_of(returns, least=FIT_OBSERVATIONS_MIN)
    scale = panel.std(axis=0)
    columns = [np.ascontiguousarray(column) for column in (panel / scale).T]
    starts = [max(float(start_of(column[:, None], 2)[0]), 1e-12) for column in columns]
    is_free = np.array([True, tilt is None, innovations is Innovations.STUDENT_T])
    point = np.array([_START_DECAY, tilt or 0.0, _START_TAIL if is_free[2] else 0.0])

    def loss(free: Array) -> tuple[float, Array]:
        point[is_free] = free
        value, slopes = _loss(point, columns, starts)
        return value, slopes[is_free]

    bounds = np.array([(DECAY_MIN, DECAY_MAX), (-TILT_MAX, TILT_MAX), (1.0 / NU_MAX, 1.0 / NU_MIN)])
    answer = scipy_module("optimize").minimize(
        loss, point[is_free], jac=True, method="L-BFGS-B", bounds=bounds[is_free]
    )
    point[is_free] = answer.x
    decay, found_tilt, tail = (float(value) for value in point)
    count = panel.size
    return EwmaFit(
        filter=AsymmetricEwma(decay=decay, tilt=found_tilt),
        nu=1.0 / tail if tail else math.inf,
        log_likelihood=float(-answer.fun * count - panel.shape[0] * np.log(scale).sum()),
        observations=panel.shape[0],
        converged=bool(answer.success),
        notes=tuple(_notes(decay, bool(answer.success), str(answer.message))),
    )


def _loss(point: Array, columns: list[Array], starts: list[float]) -> tuple[float, Array]:
    """Return the mean negative log likelihood by decay, tilt and 1 / nu, and its gradient."""
    decay, tilt, tail = (float(value) for value in point)
    fresh, nu = 1.0 - decay, 1.0 / tail if tail else 0.0
    told = np.array([0.0, 0.0, fresh * (1.0 - tilt), 2.0 * tilt * fresh, decay, nu])
    total, slopes, own = 0.0, np.zeros(6), np.empty(6)
    for column, start in zip(columns, starts, strict=True):
        total += likelihood_kernel(column, told, start, 2, own)
        slopes += own
    count = len(columns) * columns[0].shape[0]
    top, top_slope = log_density_top(nu)
    by_decay = -(1.0 - tilt) * slopes[2] - 2.0 * tilt * slopes[3] + slopes[4]
    by_tilt = fresh * (2.0 * slopes[3] - slopes[2])
    by_tail = -nu * nu * (slopes[5] + count * top_slope)
    return -total / count - top, -np.array([by_decay, by_tilt, by_tail]) / count


def _notes(decay: float, converged: bool, message: str) -> list[str]:  # noqa: FBT001 an outcome
    notes = []
    if not converged:
        notes.append(f"did not converge: {message}; do not rely on it")
    if min(decay - DECAY_MIN, DECAY_MAX - decay) < EDGE * 0.1:
        notes.append(f"decay {decay:.4f}, the edge of the search")
    return notes
