"""Are there as many violations as promised, and do they come alone? Kupiec and Christoffersen.

A violation is a period whose loss is larger than the value at risk forecast for it. Everything here
reads the flags alone. Source: docs/model.md, "Backtests".
"""

from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.statistic import Array, Flags, Statistic, require_tail
from keelmark.risk.statistics.library import scipy_module


def violations(profit: Array, value_at_risk: Array) -> Flags:
    """Return where the loss is larger than the value at risk; both shape (periods,), loss < 0."""
    flags: Flags = profit < -value_at_risk
    return flags


def kupiec(count: int, periods: int, tail: float) -> Statistic:
    """Return the likelihood ratio of the promised share of violations against the one seen.

    `-2 ln[(1-a)^(T-x) a^x / ((1-x/T)^(T-x) (x/T)^x)]`, chi-squared with one degree of freedom.

    Raises:
        InvalidInput: A tail outside (0, 0.5), or more violations than periods.
    """
    require_tail(tail)
    if not 0 <= count <= periods or periods < 1:
        msg = f"{count} violations in {periods} periods; count 0 to all of at least one"
        raise InvalidInput(msg)
    seen = count / periods
    ratio = 2.0 * (_log_likelihood(count, periods, seen) - _log_likelihood(count, periods, tail))
    return _chi_squared("Kupiec", ratio, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """How often one period followed another: `hit_calm` is a violation followed by none."""

    calm_calm: int
    calm_hit: int
    hit_calm: int
    hit_hit: int

    @classmethod
    def of(cls, hits: Flags) -> "Transitions":
        """Count the pairs of neighbours."""
        before, after = hits[:-1], hits[1:]
        return cls(
            calm_calm=int(np.sum(~before & ~after)),
            calm_hit=int(np.sum(~before & after)),
            hit_calm=int(np.sum(before & ~after)),
            hit_hit=int(np.sum(before & after)),
        )


def independence(pairs: Transitions) -> Statistic:
    """Return Christoffersen's ratio: is a violation likelier after a violation?

    Chi-squared with one degree of freedom. Unknown where no period follows a violation.
    """
    name = "Christoffersen independence"
    calm = pairs.calm_calm + pairs.calm_hit
    hit = pairs.hit_calm + pairs.hit_hit
    if not hit:
        return Statistic.unknown(name, "no violation that a period follows")
    if not calm:
        return Statistic.unknown(name, "every period is a violation")
    total = pairs.calm_hit + pairs.hit_hit
    alike = _log_likelihood(total, calm + hit, total / (calm + hit))
    apart = _log_likelihood(pairs.calm_hit, calm, pairs.calm_hit / calm)
    apart += _log_likelihood(pairs.hit_hit, hit, pairs.hit_hit / hit)
    return _chi_squared(name, 2.0 * (apart - alike), 1)


def conditional_coverage(hits: Flags, tail: float) -> Statistic:
    """Return Christoffersen's sum of both ratios, chi-squared with two degrees of freedom.

    Raises:
        InvalidInput: As `kupiec`.
    """
    name = "Christoffersen conditional coverage"
    count = kupiec(int(hits.sum()), len(hits), tail)
    alone = independence(Transitions.of(hits))
    if count.value is None or alone.value is None:
        return Statistic.unknown(name, alone.reason or count.reason or "a part of it is unknown")
    return _chi_squared(name, count.value + alone.value, 2)


def accepted_counts(periods: int, tail: float, significance: float = 0.05) -> tuple[int, int]:
    """Return the fewest and the most violations that Kupiec does not reject.

    Raises:
        InvalidInput: As `kupiec`, or nothing is accepted.
    """
    kept = [
        count
        for count in range(periods + 1)
        if (kupiec(count, periods, tail).p_value or 0.0) >= significance
    ]
    if not kept:
        msg = f"no count of violations in {periods} periods is accepted at {significance}"
        raise InvalidInput(msg)
    return kept[0], kept[-1]


def _log_likelihood(count: int, periods: int, share: float) -> float:
    """Return `x ln p + (T - x) ln(1 - p)`, where nothing times the logarithm of nothing is 0."""
    hit = count * np.log(share) if count else 0.0
    calm = (periods - count) * np.log1p(-share) if periods > count else 0.0
    return float(hit + calm)


def _chi_squared(name: str, ratio: float, freedom: int) -> Statistic:
    value = max(ratio, 0.0)  # rounding of equal likelihoods
    p_value = float(scipy_module("special").chdtrc(freedom, value))
    return Statistic(name=name, value=value, p_value=p_value)
