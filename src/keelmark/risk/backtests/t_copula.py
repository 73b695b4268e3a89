"""Joint standardised returns of coins: each a t of its own, held together by a t copula."""

import numpy as np

from keelmark.risk.backtests.predictive import Normal, Predictive, StudentT
from keelmark.risk.backtests.statistic import Array
from keelmark.risk.scenarios import generator_of
from keelmark.risk.statistics import TCopula
from keelmark.risk.statistics.library import scipy_module

DRAWS = 10_000
_GRID = 4_001
_FAR = 1e-13
"""Rank of the lowest point of the table between two laws."""


def standard_t(freedom: float) -> Predictive:
    """Return the t of unit variance; normal where the fit says infinite degrees of freedom."""
    return StudentT(freedom) if np.isfinite(freedom) else Normal()


def joint_draws(copula: TCopula, freedoms: Array, *, seed: int, draws: int = DRAWS) -> Array:
    """Return standardised returns (draws, coins), half of them the mirror images of the others.

    Args:
        copula: Dependence.
        freedoms: Degrees of freedom of each coin's own t, (coins,).
        seed: Of the draws.
        draws: An even number.
    """
    half = copula.variates(generator_of(seed), draws // 2)
    joint = np.concatenate((half, -half))
    columns = [_remapped(joint[:, i], copula.nu, float(nu)) for i, nu in enumerate(freedoms)]
    return np.column_stack(columns)


def _remapped(values: Array, joint: float, own: float) -> Array:
    """Return variates of `joint` degrees of freedom as unit-variance ones of `own`, rank by rank.

    By a table of equal ranks, as inverting the law draw by draw takes seconds; beyond its ends the
    last point stands. Laws are symmetric: the lower half is enough.
    """
    ranks = np.exp(np.linspace(np.log(_FAR), np.log(0.5), _GRID))
    special = scipy_module("special")
    before = special.ndtri(ranks) if np.isinf(joint) else special.stdtrit(joint, ranks)
    after = standard_t(own).quantiles(ranks)
    mapped: Array = -np.sign(values) * np.interp(-np.abs(values), before, after)
    return mapped
