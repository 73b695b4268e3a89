"""Peaks over a threshold: a generalised Pareto tail of losses, and what lies far in it.

Losses are positive numbers in any unit. Beyond a threshold u the excess x = loss - u has

    P(x > y) = (1 + xi y / beta)^(-1 / xi),   exp(-y / beta) at xi = 0

so that, with `share` of all losses beyond u,

    VaR = u + beta / xi * (((1 - level) / share)^-xi - 1),   ES = (VaR + beta - xi u) / (1 - xi).

Source: McNeil, Frey and Embrechts, Quantitative Risk Management (2015), section 5.2.
"""

import math
from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.statistics.series import Array, series_of, share_of
from keelmark.risk.statistics.tail_figures import TailFigures
from keelmark.risk.statistics.unknown import Unknown

EXCESSES_MIN = 20
SHARE = 0.1
"""Part of the losses taken for the tail unless told, as McNeil and Frey (2000) take: with more of
them the Pareto law is poor, with fewer the fit is noise."""
XI_MIN = -0.5
"""Below it maximum likelihood has no normal errors (Smith 1985): the search stops there."""
ROUNDING = 1e-9
"""How far a level may lie below the threshold by rounding."""
_EXPONENTIAL = 1e-9
_GRID = np.concatenate([np.linspace(-6.0, 6.0, 97), np.linspace(6.25, 30.0, 96)])
"""log(1 + xi / beta * largest excess), from a tail that ends at it to one far heavier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpd:
    """A generalised Pareto law of excesses.

    Attributes:
        xi: Shape: the tail falls as a power of -1 / xi; 0 is exponential, below 0 it ends.
        beta: Scale, in the unit of the losses.
        xi_error: Standard error; unknown at the edge of the search.
        beta_error: Standard error.
        log_likelihood: Of the excesses.
        excesses: How many were fitted.
    """

    xi: float
    beta: float
    xi_error: float | Unknown
    beta_error: float | Unknown
    log_likelihood: float
    excesses: int

    @property
    def covariance(self) -> Array | Unknown:
        """Asymptotic covariance of xi and beta, (2, 2), for xi above -1/2 (Smith 1985)."""
        if isinstance(self.xi_error, Unknown):
            return self.xi_error
        return _covariance(self.xi, self.beta, self.excesses)


@dataclass(frozen=True, slots=True, kw_only=True)
class PotTail:
    """A tail of losses beyond a threshold.

    Attributes:
        threshold: The largest loss that is not in the tail.
        share: Part of all losses that are.
        observations: How many losses there were.
        law: Of what is beyond.
    """

    threshold: float
    share: float
    observations: int
    law: Gpd

    @property
    def choice(self) -> str:
        """How the threshold was chosen, in words."""
        return (
            f"threshold {self.threshold:.4g}: the {self.law.excesses} largest of "
            f"{self.observations:,} losses"
        )

    def tail(self, level: float) -> TailFigures:
        """Return VaR and ES at a level inside the tail.

        Unknown below the threshold, and ES where the tail has no mean (xi >= 1).

        Raises:
            InvalidInput: The level is not between 0 and 1.
        """
        return pot_figures(self.threshold, self.law.xi, self.law.beta, self.share, level)

    def var_error(self, level: float) -> float | Unknown:
        """Return the standard error of VaR by the delta method, the share's own error included.

        Raises:
            InvalidInput: The level is not between 0 and 1.
        """
        found, covariance = self.tail(level).var, self.law.covariance
        if isinstance(found, Unknown):
            return found
        if isinstance(covariance, Unknown):
            return covariance
        xi, beta = self.law.xi, self.law.beta
        ratio = self.share / (1.0 - level)
        growth, times = _growth(xi, ratio), math.log(ratio)
        if abs(xi) < _EXPONENTIAL:
            by_xi = beta * times**2 / 2.0
        else:
            by_xi = beta * (ratio**xi * times - growth) / xi
        slopes = np.array([by_xi, growth])
        by_share = beta * ratio**xi / self.share
        chance = self.share * (1.0 - self.share) / self.observations
        return math.sqrt(float(slopes @ covariance @ slopes) + by_share**2 * chance)


def fit_pot(losses: Array, share: float = SHARE) -> PotTail:
    """Return the tail of the largest `share` of losses, by maximum likelihood.

    The threshold is the largest loss outside the tail.

    Args:
        losses: Shape (T,), positive where money is lost.
        share: Part of them in the tail; at least 20 losses must be in it.

    Raises:
        InvalidInput: Fewer than 20 losses in the tail, equal ones at its edge, or gaps.
        MissingExtra: scipy is not installed.
    """
    share_of(share, "share of losses in the tail")
    series = series_of(losses, least=EXCESSES_MIN, what="losses")
    count = int(share * series.shape[0] + 1e-9)
    if count < EXCESSES_MIN:
        needed = math.ceil(EXCESSES_MIN / share)
        msg = (
            f"{count} of {series.shape[0]} losses are in a tail of {share:g}, {EXCESSES_MIN} are "
            f"needed; give {needed:,} losses or a larger share"
        )
        raise InvalidInput(msg)
    ordered = np.sort(series)
    threshold, beyond = float(ordered[-count - 1]), ordered[-count:]
    excesses = beyond[beyond > threshold] - threshold
    law = fit_gpd(excesses)
    return PotTail(
        threshold=threshold,
        share=law.excesses / series.shape[0],
        observations=series.shape[0],
        law=law,
    )


def fit_gpd(excesses: Array) -> Gpd:
    """Return the generalised Pareto law of excesses over a threshold, by maximum likelihood.

    One search over xi / beta: given it, the likeliest xi is the mean of log(1 + xi / beta * x)
    (Grimshaw 1993).

    Args:
        excesses: Shape (N,), above 0; at least 20.

    Raises:
        InvalidInput: Too few, all equal, or not above 0.
        MissingExtra: scipy is not installed.
    """
    series = series_of(excesses, least=EXCESSES_MIN, what="excesses over the threshold")
    if series.min() <= 0.0:
        msg = f"an excess of {series.min():g}; excesses over a threshold are above 0"
        raise InvalidInput(msg)
    scale = float(series.mean())
    x = series / scale
    largest = float(x.max())
    losses = np.array([_profile(place, x, largest)[0] for place in _GRID])
    at = int(losses.argmin())
    low, high = _GRID[max(at - 1, 0)], _GRID[min(at + 1, len(_GRID) - 1)]
    loss, xi, beta = _profile(_best_place(x, largest, low, high), x, largest)
    count = series.shape[0]
    xi_error: float | Unknown = Unknown(f"xi of {xi:.3f} is at the edge of the search, {XI_MIN}")
    beta_error = xi_error
    if xi > XI_MIN + 1e-3:
        variances = np.diagonal(_covariance(xi, beta * scale, count))
        xi_error, beta_error = (float(error) for error in np.sqrt(variances))
    return Gpd(
        xi=xi,
        beta=beta * scale,
        xi_error=xi_error,
        beta_error=beta_error,
        log_likelihood=-loss * count - count * math.log(scale),
        excesses=count,
    )


def pot_figures(
    threshold: float, xi: float, beta: float, share: float, level: float
) -> TailFigures:
    """Return VaR and ES of the module's formulas.

    Raises:
        InvalidInput: The level or the share is not between 0 and 1, or `beta` is not above 0.
    """
    if not beta > 0.0:
        msg = f"a Pareto law of scale {beta}; give a scale above 0"
        raise InvalidInput(msg)
    ratio = share_of(share, "share") / (1.0 - share_of(level, "level"))
    if ratio < 1.0 - ROUNDING:
        reason = Unknown(
            f"the level {level:g} lies below the threshold, beyond which are {share:.3g} of losses"
        )
        return TailFigures(reason, reason)
    var = threshold + beta * _growth(xi, ratio)
    if xi >= 1.0:
        return TailFigures(var, Unknown(f"with xi {xi:.2f} the tail has no mean"))
    return TailFigures(var, (var + beta - xi * threshold) / (1.0 - xi))


def _best_place(x: Array, largest: float, low: float, high: float) -> float:
    optimize = scipy_module("optimize")
    if _profile(low, x, largest)[1] < XI_MIN:
        low = optimize.brentq(lambda place: _profile(place, x, largest)[1] - XI_MIN, low, high)
        low += 1e-9  # inside the search, whatever the root's rounding
    answer = optimize.minimize_scalar(
        lambda place: _profile(place, x, largest)[0],
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-11},
    )
    return float(answer.x)


def _growth(xi: float, ratio: float) -> float:
    """Return (ratio^xi - 1) / xi, the logarithm at xi = 0."""
    times = math.log(max(ratio, 1.0))
    return times if abs(xi) < _EXPONENTIAL else math.expm1(xi * times) / xi


def _covariance(xi: float, beta: float, count: int) -> Array:
    grown = 1.0 + xi
    return (
        np.array([[grown * grown, -beta * grown], [-beta * grown, 2.0 * beta**2 * grown]]) / count
    )


def _profile(place: float, x: Array, largest: float) -> tuple[float, float, float]:
    """Return the mean negative log likelihood, xi and beta, best at a ratio of xi to beta."""
    ratio = math.expm1(place) / largest
    if abs(ratio) < _EXPONENTIAL:
        beta = float(x.mean())
        return math.log(beta) + 1.0, 0.0, beta
    xi = float(np.log1p(ratio * x).mean())
    if xi < XI_MIN:
        return math.inf, xi, math.nan
    beta = xi / ratio
    return math.log(beta) + 1.0 + xi, xi, beta
