"""Sample covariances pulled towards a target by as much as their noise asks for."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from keelmark.risk.statistics.correlations import correlation_of, mean_correlation
from keelmark.risk.statistics.filters import OBSERVATIONS_MIN
from keelmark.risk.statistics.series import Array, panel_of


class ShrinkageTarget(StrEnum):
    """Where to."""

    IDENTITY = "identity"
    """Every variance their mean, no correlation."""
    CONSTANT_CORRELATION = "constant correlation"
    """The sample's variances, every correlation their mean."""


class Shrunk(NamedTuple):
    """A covariance that was pulled towards a target.

    Attributes:
        covariance: Shape (k, k), positive definite where the shrinkage is above 0.
        shrinkage: Weight of the target, from 0 to 1.
    """

    covariance: Array
    shrinkage: float


def ledoit_wolf(
    returns: Array, target: ShrinkageTarget = ShrinkageTarget.CONSTANT_CORRELATION
) -> Shrunk:
    """Return the covariance (k, k) of returns (T, k), about their means, shrunk to a target.

    The weight minimises the expected squared distance from the truth as T and k grow. Divides by T.

    Raises:
        InvalidInput: As `panel_of`.

    Source: identity, Ledoit and Wolf, Journal of Multivariate Analysis 88 (2004) 365-411, lemmas
    3.2 to 3.5; constant correlation, Ledoit and Wolf, Journal of Portfolio Management 30(4) (2004)
    110-119, appendix B.
    """
    panel = panel_of(returns, least=OBSERVATIONS_MIN)
    moved = panel - panel.mean(axis=0)
    if target is ShrinkageTarget.IDENTITY or panel.shape[1] == 1:
        return _to_identity(moved)
    return _to_constant_correlation(moved)


def _to_identity(moved: Array) -> Shrunk:
    rows, count = moved.shape
    sample = moved.T @ moved / rows
    level = float(np.trace(sample)) / count
    spread = float(((sample - level * np.eye(count)) ** 2).sum())
    lengths = (moved**2).sum(axis=1)
    noise = float((lengths**2).sum() / rows - (sample**2).sum()) / rows
    shrinkage = min(noise / spread, 1.0) if spread > 0.0 else 0.0
    return Shrunk((1.0 - shrinkage) * sample + shrinkage * level * np.eye(count), shrinkage)


def _to_constant_correlation(moved: Array) -> Shrunk:
    rows = moved.shape[0]
    sample = moved.T @ moved / rows
    variance = np.diagonal(sample)
    deviation = np.sqrt(variance)
    rho = mean_correlation(correlation_of(sample))
    target = rho * np.outer(deviation, deviation)
    np.fill_diagonal(target, variance)
    squares = moved**2
    noises = squares.T @ squares / rows - sample**2
    joint = (moved**3).T @ moved / rows - variance[:, None] * sample
    ratio = deviation[None, :] / deviation[:, None]
    cross = rho * ratio * joint  # ratio of i to j times the noise of variance i against s_ij
    np.fill_diagonal(cross, 0.0)
    alike = float(np.diagonal(noises).sum() + cross.sum())
    spread = float(((sample - target) ** 2).sum())
    wanted = (float(noises.sum()) - alike) / (rows * spread) if spread > 0.0 else 0.0
    shrinkage = min(max(wanted, 0.0), 1.0)
    return Shrunk((1.0 - shrinkage) * sample + shrinkage * target, shrinkage)
