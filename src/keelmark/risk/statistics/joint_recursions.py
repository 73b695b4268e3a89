"""Kernels of covariance recursions: EWMA, and dynamic conditional correlation."""

import math

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit

Floats = npt.NDArray[np.float64]


@njit
def ewma_covariances_kernel(
    returns: Floats,  # (T, k)
    decay: float,
    covariances: Floats,  # (T + 1, k, k) the first given, the others written
) -> None:
    """Write C' = decay C + (1 - decay) r r' from the first matrix on."""
    count = returns.shape[1]
    for row in range(returns.shape[0]):
        for i in range(count):
            for j in range(i + 1):
                fresh = returns[row, i] * returns[row, j]
                value = decay * covariances[row, i, j] + (1.0 - decay) * fresh
                covariances[row + 1, i, j] = value
                covariances[row + 1, j, i] = value


@njit
def dcc_step(
    z: Floats,  # (T, k)
    row: int,
    a: float,
    b: float,
    target: Floats,  # (k, k)
    q: Floats,  # (k, k) moved one period on
) -> None:
    """Move Q by the returns of a row: Q' = (1 - a - b) target + a z z' + b Q."""
    rest = 1.0 - a - b
    for i in range(q.shape[0]):
        for j in range(i + 1):
            value = rest * target[i, j] + a * z[row, i] * z[row, j] + b * q[i, j]
            q[i, j] = value
            q[j, i] = value


@njit
def dcc_correlations_kernel(
    z: Floats,  # (T, k) standardised returns
    a: float,
    b: float,
    target: Floats,  # (k, k)
    q: Floats,  # (k, k) scratch
    correlations: Floats,  # (T + 1, k, k) written
) -> None:
    """Write the correlation forecast of each period and of the one after."""
    count = target.shape[0]
    for i in range(count):
        for j in range(count):
            q[i, j] = target[i, j]
    for row in range(z.shape[0] + 1):
        for i in range(count):
            for j in range(i):
                rho = q[i, j] / math.sqrt(q[i, i] * q[j, j])
                correlations[row, i, j] = rho
                correlations[row, j, i] = rho
            correlations[row, i, i] = 1.0
        if row < z.shape[0]:
            dcc_step(z, row, a, b, target, q)


@njit
def dcc_last_kernel(
    z: Floats,  # (T, k) standardised returns
    a: float,
    b: float,
    target: Floats,  # (k, k)
    q: Floats,  # (k, k) written: Q of T + 1
) -> None:
    """Write Q after every row: what `dcc_correlations_kernel` scales last."""
    for i in range(q.shape[0]):
        for j in range(q.shape[0]):
            q[i, j] = target[i, j]
    for row in range(z.shape[0]):
        dcc_step(z, row, a, b, target, q)


@njit
def dcc_likelihood_kernel(
    z: Floats,  # (T, k) standardised returns
    a: float,
    b: float,
    target: Floats,  # (k, k)
    q: Floats,  # (k, k) scratch
    root: Floats,  # (k, k) scratch
    solved: Floats,  # (k,) scratch
) -> float:
    """Return -1/2 sum of log det R + z' R^-1 z - z'z; `nan` where a matrix is singular.

    R is factored by Cholesky in place of Q: det R = det Q / prod Q_ii, z' R^-1 z by the scaled z.
    """
    count = target.shape[0]
    for i in range(count):
        for j in range(count):
            q[i, j] = target[i, j]
    total = 0.0
    for row in range(z.shape[0]):
        for i in range(count):
            scaled = z[row, i] * math.sqrt(q[i, i])
            for j in range(i):
                value = q[i, j]
                for at in range(j):
                    value -= root[i, at] * root[j, at]
                value /= root[j, j]
                root[i, j] = value
                scaled -= value * solved[j]
            pivot = q[i, i]
            for at in range(i):
                pivot -= root[i, at] * root[i, at]
            if not pivot > 1e-12 * q[i, i]:
                return math.nan
            root[i, i] = math.sqrt(pivot)
            solved[i] = scaled / root[i, i]
            total += math.log(pivot / q[i, i]) + solved[i] * solved[i] - z[row, i] * z[row, i]
        dcc_step(z, row, a, b, target, q)
    return -0.5 * total


@njit
def dcc_pairs_likelihood_kernel(
    z: Floats,  # (T, k) standardised returns
    a: float,
    b: float,
    target: Floats,  # (k, k)
    q: Floats,  # (k, k) scratch
) -> float:
    """Return the same sum of every pair of columns by itself; `nan` where a pair is singular."""
    count = target.shape[0]
    for i in range(count):
        for j in range(count):
            q[i, j] = target[i, j]
    total = 0.0
    for row in range(z.shape[0]):
        for i in range(1, count):
            x = z[row, i]
            for j in range(i):
                y = z[row, j]
                rho = q[i, j] / math.sqrt(q[i, i] * q[j, j])
                room = 1.0 - rho * rho
                if not room > 1e-12:  # noqa: PLR2004 one, but for rounding
                    return math.nan
                distance = (x * x + y * y - 2.0 * rho * x * y) / room
                total += math.log(room) + distance - x * x - y * y
        dcc_step(z, row, a, b, target, q)
    return -0.5 * total
