"""Kernels of variance recursions, and of the likelihood of returns under them.

One recursion holds them all. With `p` the power (2 moves variances, 1 moves deviations), `e` a
return less its mean and `h` the `p`-th power of its deviation:

    h' = omega + (alpha + gamma * [e < 0]) * |e|**p + beta * h

EWMA is `omega = 0`, `alpha = 1 - beta`, `p = 2`.
"""

import math

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit

Floats = npt.NDArray[np.float64]


@njit
def variance_paths_kernel(
    returns: Floats,  # (T, k) less their means
    terms: Floats,  # (k, 4) omega, alpha, gamma, beta
    start: Floats,  # (k,) what h and |e|**p were before the first return
    power: int,  # 1 or 2
    variance: Floats,  # (T + 1, k) written
) -> None:
    """Write the variance forecast of each return and of the one after. Definition: the module."""
    for column in range(returns.shape[1]):
        omega, alpha = terms[column, 0], terms[column, 1]
        gamma, beta = terms[column, 2], terms[column, 3]
        h = omega + (alpha + 0.5 * gamma + beta) * start[column]
        for row in range(returns.shape[0]):
            variance[row, column] = h if power == 2 else h * h  # noqa: PLR2004
            e = returns[row, column]
            size = e * e if power == 2 else abs(e)  # noqa: PLR2004
            h = omega + (alpha + gamma if e < 0.0 else alpha) * size + beta * h
        variance[returns.shape[0], column] = h if power == 2 else h * h  # noqa: PLR2004


@njit
def variance_step_kernel(
    variance: Floats,  # (n, k)
    returns: Floats,  # (n, k) less their means
    terms: Floats,  # (k, 4)
    power: int,
    result: Floats,  # (n, k) written
) -> None:
    """Write the variance after each return. Definition: the module."""
    for row in range(variance.shape[0]):
        for column in range(variance.shape[1]):
            e = returns[row, column]
            rate = terms[column, 1]
            if e < 0.0:
                rate += terms[column, 2]
            if power == 2:  # noqa: PLR2004
                result[row, column] = (
                    terms[column, 0] + rate * e * e + terms[column, 3] * variance[row, column]
                )
            else:
                h = (
                    terms[column, 0]
                    + rate * abs(e)
                    + terms[column, 3] * math.sqrt(variance[row, column])
                )
                result[row, column] = h * h


@njit
def likelihood_kernel(
    returns: Floats,  # (T,)
    point: Floats,  # (6,) mean, omega, alpha, gamma, beta, nu; nu 0 is the normal law
    start: float,  # what h and |e|**p were before the first return
    power: int,  # 1 or 2
    gradient: Floats,  # (6,) written, derivatives by `point`
) -> float:
    """Return the sum of log densities less what depends on `nu` and `T` alone.

    Normal: -(log v + e^2 / v) / 2. Student t of variance one: -log(v) / 2 - (nu + 1) / 2 *
    log(1 + e^2 / (v (nu - 2))). Definition: `garch.log_density`.
    """
    mean, omega, alpha, gamma, beta, nu = point
    weight = alpha + 0.5 * gamma + beta
    h = omega + weight * start
    h_mean, h_omega, h_alpha, h_gamma, h_beta = 0.0, 1.0, start, 0.5 * start, start
    total, d_mean, d_omega, d_alpha, d_gamma, d_beta, d_nu = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(returns.shape[0]):
        e = returns[row] - mean
        v = h if power == 2 else h * h  # noqa: PLR2004
        if nu > 0.0:
            room = v * (nu - 2.0)
            growth = math.log1p(e * e / room)
            heavy = (nu + 1.0) / (room + e * e)
            total -= 0.5 * math.log(v) + 0.5 * (nu + 1.0) * growth
            by_v = 0.5 * (heavy * e * e - 1.0) / v
            by_e = -heavy * e
            d_nu += 0.5 * (heavy * e * e / (nu - 2.0) - growth)
        else:
            total -= 0.5 * (math.log(v) + e * e / v)
            by_v = 0.5 * (e * e / v - 1.0) / v
            by_e = -e / v
        by_h = by_v if power == 2 else 2.0 * h * by_v  # noqa: PLR2004
        d_mean += by_h * h_mean - by_e
        d_omega += by_h * h_omega
        d_alpha += by_h * h_alpha
        d_gamma += by_h * h_gamma
        d_beta += by_h * h_beta
        size = e * e if power == 2 else abs(e)  # noqa: PLR2004
        slope = 2.0 * e if power == 2 else (1.0 if e > 0.0 else -1.0)  # noqa: PLR2004
        down = size if e < 0.0 else 0.0
        rate = alpha + gamma if e < 0.0 else alpha
        h_mean = -rate * slope + beta * h_mean
        h_omega = 1.0 + beta * h_omega
        h_alpha = size + beta * h_alpha
        h_gamma = down + beta * h_gamma
        h_beta = h + beta * h_beta
        h = omega + rate * size + beta * h
    gradient[0], gradient[1], gradient[2] = d_mean, d_omega, d_alpha
    gradient[3], gradient[4], gradient[5] = d_gamma, d_beta, d_nu
    return total
