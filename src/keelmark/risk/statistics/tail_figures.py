"""Value at risk and expected shortfall of a law, as losses: larger is worse."""

import math
from statistics import NormalDist
from typing import NamedTuple

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.statistics.series import share_of
from keelmark.risk.statistics.unknown import Unknown


class TailFigures(NamedTuple):
    """Two figures of one level, as losses in the unit of the returns.

    Attributes:
        var: Exceeded with probability 1 - level.
        es: Mean loss where it is exceeded; unknown where it does not exist.
    """

    var: float | Unknown
    es: float | Unknown


def normal_tail(level: float, *, mean: float = 0.0, deviation: float = 1.0) -> TailFigures:
    """Return the figures of normal returns.

    VaR = -mean + deviation * z, ES = -mean + deviation * phi(z) / (1 - level).

    Args:
        level: Between 0 and 1, 0.99 for one in a hundred.
        mean: Of the returns.
        deviation: Of the returns, above 0.

    Raises:
        InvalidInput: A level or a deviation outside its range.

    Source: McNeil, Frey and Embrechts, Quantitative Risk Management (2015), examples 2.11 and 2.14.
    """
    _check(level, deviation)
    law = NormalDist()
    z = law.inv_cdf(level)
    return TailFigures(-mean + deviation * z, -mean + deviation * law.pdf(z) / (1.0 - level))


def student_tail(
    level: float, nu: float, *, mean: float = 0.0, deviation: float = 1.0
) -> TailFigures:
    """Return the figures of returns whose law is Student t, scaled to `deviation`.

    With t the quantile of t_nu, f its density and s = sqrt((nu - 2) / nu): VaR = -mean + deviation
    * s * t, ES = -mean + deviation * s * f(t) / (1 - level) * (nu + t^2) / (nu - 1).

    Args:
        level: Between 0 and 1.
        nu: Degrees of freedom; `inf` is the normal law. At 2 and below there is no variance to
            scale by, and both figures are unknown.
        mean: Of the returns.
        deviation: Of the returns, above 0.

    Raises:
        InvalidInput: A level or a deviation outside its range.
        MissingExtra: scipy is not installed.

    Source: McNeil, Frey and Embrechts, Quantitative Risk Management (2015), examples 2.11 and 2.15.
    """
    _check(level, deviation)
    if math.isinf(nu):
        return normal_tail(level, mean=mean, deviation=deviation)
    if not nu > 2.0:  # noqa: PLR2004 no variance
        reason = Unknown(f"a t with {nu:g} degrees of freedom has no variance to scale by")
        return TailFigures(reason, reason)
    t = float(scipy_module("special").stdtrit(nu, level))
    power = math.lgamma((nu + 1.0) / 2.0) - math.lgamma(nu / 2.0)
    density = math.exp(power - 0.5 * (nu + 1.0) * math.log1p(t * t / nu)) / math.sqrt(math.pi * nu)
    scale = deviation * math.sqrt((nu - 2.0) / nu)
    mean_beyond = density / (1.0 - level) * (nu + t * t) / (nu - 1.0)
    return TailFigures(-mean + scale * t, -mean + scale * mean_beyond)


def _check(level: float, deviation: float) -> None:
    share_of(level, "level")
    if not (deviation > 0.0 and math.isfinite(deviation)):
        msg = f"a deviation of {deviation}; give a number above 0"
        raise InvalidInput(msg)
