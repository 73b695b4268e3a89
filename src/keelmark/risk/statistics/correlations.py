"""Covariances and correlations of a panel, and what stress makes of them.

A correlation matrix is (k, k), symmetric, of unit diagonal and without negative eigenvalues. Its
columns are those of the returns it came from.
"""

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.filters import (
    OBSERVATIONS_MIN,
    RISK_METRICS_DECAY,
    START_DECAY,
    START_ROWS,
)
from keelmark.risk.statistics.joint_recursions import ewma_covariances_kernel
from keelmark.risk.statistics.series import Array, panel_of, share_of

CORRELATION_DECAY = 0.97
"""Correlations move slower than variances: RiskMetrics' monthly decay."""
SYMMETRY = 1e-8
"""How far two halves of a matrix may differ, and a diagonal from one, before that is named."""


def ewma_covariances(returns: Array, decay: float = RISK_METRICS_DECAY) -> Array:
    """Return the EWMA covariance forecasts, (T + 1, k, k), of returns (T, k).

    C' = decay * C + (1 - decay) * r r'; starts from the mean of the first 75 r r', weighted by
    powers of 0.94. The last matrix is for T + 1. Of returns in fractions, squared fractions.

    Raises:
        InvalidInput: The decay is not between 0 and 1, or the returns are as in `panel_of`.

    Source: RiskMetrics, Technical Document, 4th ed. (1996), section 5.2.
    """
    share_of(decay, "decay")
    panel = panel_of(returns, least=OBSERVATIONS_MIN)
    rows, columns = panel.shape
    result = np.empty((rows + 1, columns, columns))
    result[0] = _start(panel)
    ewma_covariances_kernel(panel, decay, result)
    return result


def ewma_covariance(returns: Array, decay: float = RISK_METRICS_DECAY) -> Array:
    """Return the last of `ewma_covariances`, (k, k): that for T + 1, without the others' memory.

    Raises:
        InvalidInput: As `ewma_covariances`.
    """
    share_of(decay, "decay")
    panel = panel_of(returns, least=OBSERVATIONS_MIN)
    rows = panel.shape[0]
    weights = (1.0 - decay) * decay ** np.arange(rows - 1.0, -1.0, -1.0)
    return np.asarray((panel * weights[:, None]).T @ panel + decay**rows * _start(panel))


def ewma_correlation(returns: Array, decay: float = CORRELATION_DECAY) -> Array:
    """Return the EWMA correlation forecast for the next period, (k, k), of returns (T, k).

    Better of standardised returns, which a change of volatility does not weigh.

    Raises:
        InvalidInput: As `ewma_covariances`, or a column has stood still too long.
    """
    return correlation_of(ewma_covariance(returns, decay))


def sample_correlation(returns: Array) -> Array:
    """Return the correlation of a sample, (k, k), of returns (T, k), about its means.

    Raises:
        InvalidInput: As `panel_of`.
    """
    panel = panel_of(returns, least=OBSERVATIONS_MIN)
    moved = panel - panel.mean(axis=0)
    return correlation_of(moved.T @ moved)


def correlation_of(covariance: Array) -> Array:
    """Return the correlation matrix of a covariance matrix, both (k, k).

    Raises:
        InvalidInput: Not square or not symmetric, or a variance is not above zero.
    """
    matrix = symmetric_of(covariance)
    variance = np.diagonal(matrix)
    if not bool(np.all(variance > 0.0)):
        place = int(np.flatnonzero(~(variance > 0.0))[0])
        msg = f"column {place} has a variance of {variance[place]:g}: it has no correlation"
        raise InvalidInput(msg)
    deviation = np.sqrt(variance)
    result: Array = np.clip(matrix / np.outer(deviation, deviation), -1.0, 1.0)
    np.fill_diagonal(result, 1.0)
    return result


def covariance_of(correlation: Array, deviations: Array) -> Array:
    """Return the covariance (k, k) of a correlation (k, k) and deviations (k,)."""
    return np.asarray(correlation * np.outer(deviations, deviations))


def equicorrelation(count: int, rho: float) -> Array:
    """Return the (k, k) matrix with every correlation `rho`.

    Raises:
        InvalidInput: No such matrix exists: `rho` is above 1 or below -1 / (k - 1).
    """
    low = -1.0 if count < 2 else -1.0 / (count - 1)  # noqa: PLR2004 a pair
    if count < 1 or not low <= rho <= 1.0:
        msg = f"{count} columns with every correlation {rho}; it lies between {low:g} and 1"
        raise InvalidInput(msg)
    result = np.full((count, count), float(rho))
    np.fill_diagonal(result, 1.0)
    return result


def blend(correlation: Array, rho: float, share: float = 1.0) -> Array:
    """Return a correlation matrix moved towards every correlation being `rho`.

    (1 - share) * R + share * E, where E has every correlation `rho`. A mean of two correlation
    matrices is one: no repair is needed. `rho=1` is the stress in which all falls together, `rho=0`
    the one in which hedges stop.

    Args:
        correlation: Shape (k, k).
        rho: Where to.
        share: How much of the way, from 0 to 1.

    Raises:
        InvalidInput: Not a correlation matrix, no such `rho`, or a share outside 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        msg = f"a share of {share} of the way; give a number from 0 to 1"
        raise InvalidInput(msg)
    matrix = correlation_matrix_of(correlation)
    return (1.0 - share) * matrix + share * equicorrelation(matrix.shape[0], rho)


def mean_correlation(correlation: Array) -> float:
    """Return the mean of the correlations off the diagonal of (k, k).

    Raises:
        InvalidInput: There is no pair.
    """
    count = correlation.shape[0]
    if count < 2:  # noqa: PLR2004 a pair
        msg = "one column has no correlation; give two"
        raise InvalidInput(msg)
    return float((correlation.sum() - np.trace(correlation)) / (count * (count - 1)))


def symmetric_of(matrix: Array) -> Array:
    """Return a matrix as floats, its halves averaged.

    Raises:
        InvalidInput: Not square, not finite, or its halves differ by more than rounding.
    """
    given = np.asarray(matrix, dtype=np.float64)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not given.size:  # noqa: PLR2004
        msg = f"a matrix of shape {given.shape}; give a square one"
        raise InvalidInput(msg)
    if not bool(np.isfinite(given).all()):
        row, column = (int(at) for at in np.argwhere(~np.isfinite(given))[0])
        msg = f"{given[row, column]} at row {row}, column {column} of a matrix; fill it"
        raise InvalidInput(msg)
    apart = np.abs(given - given.T)
    if apart.max() > SYMMETRY * max(1.0, float(np.abs(given).max())):
        row, column = (int(at) for at in np.unravel_index(int(apart.argmax()), apart.shape))
        msg = (
            f"{given[row, column]:g} at row {row}, column {column} and {given[column, row]:g} "
            "across: the two halves of the matrix differ"
        )
        raise InvalidInput(msg)
    return np.asarray((given + given.T) / 2.0)


def correlation_matrix_of(matrix: Array) -> Array:
    """Return a matrix that is symmetric, of unit diagonal and of entries from -1 to 1.

    Whether it is positive semidefinite is `nearest_psd`'s to say.

    Raises:
        InvalidInput: It is not such a matrix; what is wrong and where.
    """
    given = symmetric_of(matrix)
    off = np.abs(np.diagonal(given) - 1.0)
    if off.max() > SYMMETRY:
        place = int(off.argmax())
        msg = f"{given[place, place]:g} on the diagonal at {place}; a correlation matrix has 1"
        raise InvalidInput(msg)
    if np.abs(given).max() > 1.0 + SYMMETRY:
        row, column = (int(at) for at in np.unravel_index(int(np.abs(given).argmax()), given.shape))
        msg = f"a correlation of {given[row, column]:g} at row {row}, column {column}"
        raise InvalidInput(msg)
    result = np.clip(given, -1.0, 1.0)
    np.fill_diagonal(result, 1.0)
    return result


def _start(panel: Array) -> Array:
    weights = START_DECAY ** np.arange(min(START_ROWS, panel.shape[0]))
    early = panel[: weights.shape[0]]
    return np.asarray((early * (weights / weights.sum())[:, None]).T @ early)
