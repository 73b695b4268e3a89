"""Quantiles from skewness and kurtosis: the Cornish-Fisher expansion, where it is one.

    x(z) = z + S (z^2 - 1) / 6 + K (z^3 - 3 z) / 24 - S^2 (2 z^3 - 5 z) / 36

is a quantile only while it grows with z; beyond that figures are unknown. S and K are coefficients,
and the law they make has a skewness and a kurtosis beyond them. `matched` finds the coefficients
whose law has the sample's own; `textbook` takes the sample's for the coefficients.

Source: Cornish and Fisher (1938); domain and moments, Maillard, "A User's Guide to the Cornish
Fisher Expansion" (2012).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.statistics.series import Array, share_of
from keelmark.risk.statistics.tail_figures import TailFigures
from keelmark.risk.statistics.unknown import Unknown

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(8)
"""Exact for polynomials of the normal to degree 15; a fourth power of a cubic has 12."""
_MATCHED = 1e-7
_STARTS = (0.3, 0.6, 0.9, 0.1)
"""Of the coefficients, as shares of the moments wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CornishFisher:
    """An expansion that grows with z, so that it is a law.

    Attributes:
        s: Coefficient of skewness.
        k: Coefficient of excess kurtosis.
    """

    s: float
    k: float

    @classmethod
    def textbook(cls, skewness: float, kurtosis: float) -> "CornishFisher | Unknown":
        """Return the expansion with these coefficients; unknown outside its domain."""
        if not is_in_domain(skewness, kurtosis):
            return Unknown(
                f"the Cornish-Fisher expansion at skewness {skewness:.3g} and excess kurtosis "
                f"{kurtosis:.3g} falls where it should rise: it is no quantile"
            )
        return cls(s=skewness, k=kurtosis)

    @classmethod
    def matched(cls, skewness: float, kurtosis: float) -> "CornishFisher | Unknown":
        """Return the expansion whose law has this skewness and excess kurtosis.

        Raises:
            MissingExtra: scipy is not installed.
        """
        for share in _STARTS:
            answer = scipy_module("optimize").root(
                lambda point: moments_of(*point) - np.array([skewness, kurtosis]),
                np.array([share * skewness, share * kurtosis]),
                tol=1e-12,
            )
            s, k = (float(value) for value in answer.x)
            missed = np.abs(moments_of(s, k) - [skewness, kurtosis]).max()
            if missed < _MATCHED and is_in_domain(s, k):
                return cls(s=s, k=k)
        return Unknown(
            f"no Cornish-Fisher expansion that rises has skewness {skewness:.3g} and excess "
            f"kurtosis {kurtosis:.3g}"
        )

    @property
    def deviation(self) -> float:
        """Standard deviation of x(Z), at least nearly one; figures are divided by it."""
        values = _polynomial(self.s, self.k)
        return math.sqrt(_WEIGHTS @ values(_NODES) ** 2 / _WEIGHTS.sum())

    def quantile(self, probability: float) -> float:
        """Return the quantile of the law of mean zero and variance one.

        Raises:
            InvalidInput: The probability is not between 0 and 1.
        """
        share_of(probability, "probability")
        z = NormalDist().inv_cdf(probability)
        return float(_polynomial(self.s, self.k)(z)) / self.deviation

    def tail(self, level: float, *, mean: float = 0.0, deviation: float = 1.0) -> TailFigures:
        """Return VaR and ES of returns of this law.

        ES is exact: the moments of a normal below its quantile, put into the expansion.

        Args:
            level: Between 0 and 1, 0.99 for one in a hundred.
            mean: Of the returns.
            deviation: Of the returns.

        Raises:
            InvalidInput: The level is not between 0 and 1.
        """
        tail = 1.0 - share_of(level, "level")
        law = NormalDist()
        z = law.inv_cdf(tail)
        ratio = law.pdf(z) / tail
        below = np.array([1.0, -ratio, 1.0 - z * ratio, -(z * z + 2.0) * ratio])
        beyond = float(_coefficients(self.s, self.k) @ below) / self.deviation
        return TailFigures(-mean - deviation * self.quantile(tail), -mean - deviation * beyond)


def is_in_domain(s: float, k: float) -> bool:
    """Return whether the expansion with these coefficients grows with z everywhere.

    Its slope is (K/8 - S^2/6) z^2 + (S/3) z + 1 - K/8 + 5 S^2/36.
    """
    curve, level = k / 8.0 - s * s / 6.0, 1.0 - k / 8.0 + 5.0 * s * s / 36.0
    return curve >= 0.0 and level >= 0.0 and s * s / 9.0 <= 4.0 * curve * level


def moments_of(s: float, k: float) -> Array:
    """Return the skewness and excess kurtosis, (2,), of the law with these coefficients."""
    values = _polynomial(s, k)(_NODES)
    weights = _WEIGHTS / _WEIGHTS.sum()
    second, third, fourth = (float(weights @ values**power) for power in (2, 3, 4))
    return np.array([third / second**1.5, fourth / second**2 - 3.0])


def _coefficients(s: float, k: float) -> Array:
    square = s * s
    return np.array([-s / 6.0, 1.0 - k / 8.0 + 5.0 * square / 36.0, s / 6.0, k / 24 - square / 18])


def _polynomial(s: float, k: float) -> np.polynomial.Polynomial:
    return np.polynomial.Polynomial(_coefficients(s, k))
