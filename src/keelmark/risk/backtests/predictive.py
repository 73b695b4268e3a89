"""Distributions a model forecasts a period's profit with: value at risk, shortfall, quantiles.

`Predictive` is what every model returns for a period. A loss is a negative profit; value at risk
and expected shortfall are losses written as positive numbers.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.statistic import Array
from keelmark.risk.statistics.cornish_fisher import is_in_domain
from keelmark.risk.statistics.library import scipy_module


class Predictive(Protocol):
    """The lower tail of next period's profit."""

    def value_at_risk(self, tail: float) -> float:
        """Return the loss that is exceeded with this probability."""

    def shortfall(self, tail: float) -> float:
        """Return the mean loss of the worst share."""

    def quantiles(self, shares: Array) -> Array:
        """Return the profits below which these shares lie."""


@dataclass(frozen=True, slots=True)
class Normal:
    """Standard normal."""

    def value_at_risk(self, tail: float) -> float:
        """Return minus the quantile."""
        return _normal(tail)[0]

    def shortfall(self, tail: float) -> float:
        """Return the density at the quantile over the share."""
        return _normal(tail)[1]

    def quantiles(self, shares: Array) -> Array:
        """Return the quantiles."""
        found: Array = scipy_module("special").ndtri(shares)
        return found


@dataclass(frozen=True, slots=True)
class StudentT:
    """Student t scaled to unit variance; `freedom` above 2."""

    freedom: float

    def value_at_risk(self, tail: float) -> float:
        """Return minus the quantile."""
        return _student(self.freedom, tail)[0]

    def shortfall(self, tail: float) -> float:
        """Return `f(q) (nu + q^2) / ((nu - 1) a)`, scaled as the quantile."""
        return _student(self.freedom, tail)[1]

    def quantiles(self, shares: Array) -> Array:
        """Return the quantiles."""
        quantile: Array = scipy_module("special").stdtrit(self.freedom, shares)
        return quantile * _unit_scale(self.freedom)


@dataclass(frozen=True, slots=True)
class CornishFisher:
    """Standard normal bent to a skewness and an excess kurtosis.

    Quantile `z + (z^2-1) S/6 + (z^3-3z) K/24 - (2z^3-5z) S^2/36` of the normal one `z`. Bent too
    far, larger shares have lower quantiles: such moments are refused (Maillard 2012).
    """

    skewness: float
    excess: float

    def __post_init__(self) -> None:
        if not is_in_domain(self.skewness, self.excess):
            msg = "skewness and kurtosis lie outside the domain of Cornish-Fisher"
            raise InvalidInput(msg)

    def value_at_risk(self, tail: float) -> float:
        """Return minus the quantile."""
        return -float(self._bent(np.array([-_normal(tail)[0]]))[0])

    def shortfall(self, tail: float) -> float:
        """Return minus the mean of the quantiles below, in closed form (Hermite polynomials)."""
        risk, mean = _normal(tail)
        skewness, excess = self.skewness, self.excess
        bent = 1.0 - risk * skewness / 6.0 + (risk * risk - 1.0) * excess / 24.0
        return mean * (bent - (2.0 * risk * risk - 1.0) * skewness * skewness / 36.0)

    def quantiles(self, shares: Array) -> Array:
        """Return the quantiles."""
        return self._bent(Normal().quantiles(shares))

    def _bent(self, z: Array) -> Array:
        skewness, excess = self.skewness, self.excess
        bent = z + (z**2 - 1.0) * skewness / 6.0 + (z**3 - 3.0 * z) * excess / 24.0
        found: Array = bent - (2.0 * z**3 - 5.0 * z) * skewness**2 / 36.0
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Empirical:
    """Equally likely outcomes.

    The quantile is the smallest outcome with at least the share at or below it; the shortfall
    counts that outcome for what is left of the share (Acerbi and Tasche 2002), so it is no less.
    """

    outcomes: Array

    def value_at_risk(self, tail: float) -> float:
        """Return minus the quantile."""
        place = _place(len(self.outcomes), tail)
        return -float(np.partition(self.outcomes, place)[place])

    def shortfall(self, tail: float) -> float:
        """Return minus the mean of the worst share."""
        place = _place(len(self.outcomes), tail)
        ordered = np.partition(self.outcomes, place)
        share = tail * len(self.outcomes)
        return -float((ordered[:place].sum() + (share - place) * ordered[place]) / share)

    def quantiles(self, shares: Array) -> Array:
        """Return the quantiles, each an outcome."""
        count = len(self.outcomes)
        places = np.clip(np.ceil(shares * count - _EDGE).astype(np.intp) - 1, 0, count - 1)
        found: Array = np.sort(self.outcomes)[places]
        return found


@dataclass(frozen=True, slots=True)
class Pareto:
    """Peaks over a threshold: the losses beyond it are generalised Pareto.

    `VaR = u + b/x [(a / s)^-x - 1]`, `ES = (VaR + b - x u) / (1 - x)` for a share `s` beyond `u`.

    Attributes:
        threshold: Loss `u` from which the tail is modelled.
        share: Of all outcomes, how many lie beyond it.
        shape: `x`; from 1 on there is no mean.
        scale: `b` above 0.
    """

    threshold: float
    share: float
    shape: float
    scale: float

    def value_at_risk(self, tail: float) -> float:
        """Return the loss; the share must not be wider than the modelled one."""
        if tail > self.share:
            msg = (
                f"a tail of {tail} is wider than the share {self.share:.4g} beyond the threshold; "
                "take a lower threshold or a narrower tail"
            )
            raise InvalidInput(msg)
        return -float(self.quantiles(np.array([tail]))[0])

    def shortfall(self, tail: float) -> float:
        """Return the mean loss beyond the value at risk; a tail of shape 1 or more has none."""
        if self.shape >= 1.0:
            msg = "the Pareto tail is so heavy that it has no mean"
            raise InvalidInput(msg)
        risk = self.value_at_risk(tail)
        return (risk + self.scale - self.shape * self.threshold) / (1.0 - self.shape)

    def quantiles(self, shares: Array) -> Array:
        """Return the profits; shares wider than the modelled one give the threshold."""
        ratio = np.log(np.minimum(shares / self.share, 1.0))
        is_exponential = abs(self.shape) < _EDGE
        beyond = -ratio if is_exponential else np.expm1(-self.shape * ratio) / self.shape
        found: Array = -(self.threshold + self.scale * beyond)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """A standard distribution times a volatility, beside a mean."""

    standard: Predictive
    volatility: float
    mean: float = 0.0

    def value_at_risk(self, tail: float) -> float:
        """Return the loss."""
        return self.volatility * self.standard.value_at_risk(tail) - self.mean

    def shortfall(self, tail: float) -> float:
        """Return the mean loss of the worst share."""
        return self.volatility * self.standard.shortfall(tail) - self.mean

    def quantiles(self, shares: Array) -> Array:
        """Return the profits."""
        return self.volatility * self.standard.quantiles(shares) + self.mean


_EDGE = 1e-9
"""Rounding of a share times a count."""


def _place(count: int, tail: float) -> int:
    return int(np.ceil(tail * count - _EDGE)) - 1


@lru_cache(maxsize=256)
def _normal(tail: float) -> tuple[float, float]:
    quantile = float(scipy_module("special").ndtri(tail))
    density = float(np.exp(-0.5 * quantile * quantile) / np.sqrt(2.0 * np.pi))
    return -quantile, density / tail


@lru_cache(maxsize=4096)
def _student(freedom: float, tail: float) -> tuple[float, float]:
    special = scipy_module("special")
    quantile = float(special.stdtrit(freedom, tail))
    log_density = special.gammaln((freedom + 1) / 2) - special.gammaln(freedom / 2)
    log_density -= 0.5 * np.log(freedom * np.pi)
    log_density -= (freedom + 1) / 2 * np.log1p(quantile * quantile / freedom)
    mean = float(np.exp(log_density)) * (freedom + quantile * quantile) / ((freedom - 1) * tail)
    scale = _unit_scale(freedom)
    return -quantile * scale, mean * scale


def _unit_scale(freedom: float) -> float:
    return float(np.sqrt((freedom - 2.0) / freedom))
