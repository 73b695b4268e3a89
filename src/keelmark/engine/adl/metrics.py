"""What an auto-deleveraging did, in numbers whose denominators are named.

`taken` and `needed` are one figure a wave; `seized`, `endowment`, `equity` one figure an account.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.engine.adl.continuous import expected_overrun
from keelmark.engine.apportion import Float64Array


def tracking(taken: Float64Array, needed: Float64Array) -> float:
    """Sum over waves of the distance between what was taken and what was needed."""
    return float(np.abs(taken - needed).sum())


def overshoot(taken: Float64Array, needed: Float64Array) -> float:
    """Sum over waves of what was taken beyond the need."""
    return float(np.maximum(taken - needed, 0).sum())


def undershoot(taken: Float64Array, needed: Float64Array) -> float:
    """Sum over waves of what was needed and not taken."""
    return float(np.maximum(needed - taken, 0).sum())


class Base(StrEnum):
    """What a haircut is a fraction of."""

    PROFIT = "profit"
    EQUITY = "equity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Haircut:
    """A fraction together with what it is a fraction of."""

    value: float
    base: Base


def haircut_max(seized: Float64Array, amounts: Float64Array, base: Base) -> Haircut:
    """Return the largest fraction anyone lost.

    Args:
        seized: (n,) what each lost.
        amounts: (n,) profit or equity of each, as `base` says; rows of zero cannot have lost.
        base: Which of the two `amounts` is.
    """
    if np.any((amounts <= 0) & (seized > 0)):
        msg = f"an account without {base} lost something; its haircut has no denominator"
        raise InvalidInput(msg)
    has_base = amounts > 0
    fractions = seized[has_base] / amounts[has_base]
    return Haircut(value=float(fractions.max(initial=0.0)), base=base)


def fairness(budget: Float64Array, haircut: Float64Array, reference: Float64Array) -> float:
    """Sum over waves of `budget * max(haircut - reference, 0)`.

    One-sided: a policy that is fairer than the reference is not charged for it.
    """
    return float((budget * np.maximum(haircut - reference, 0)).sum())


def fairness_two_sided(
    budget: Float64Array,
    haircut: Float64Array,
    reference: Float64Array,
) -> float:
    """Sum over waves of `budget * |haircut - reference|`, as published."""
    return float((budget * np.abs(haircut - reference)).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanRatio:
    """A mean over the waves in which the ratio is defined.

    Attributes:
        total: Sum of the defined ratios.
        defined: Waves with a positive denominator.
        undefined: Waves without.
    """

    total: float
    defined: int
    undefined: int

    @property
    def mean(self) -> float:
        """The mean.

        Raises:
            InvalidInput: The ratio is defined in no wave.
        """
        if self.defined == 0:
            msg = f"the ratio is undefined in all {self.undefined} waves: every denominator is zero"
            raise InvalidInput(msg)
        return self.total / self.defined


def top_profit_ratio(remaining_max: Float64Array, denominator: Float64Array) -> MeanRatio:
    """Return the mean of the largest profit left over a denominator, wave by wave.

    PTSR where the denominator is a wave's deficit, PMR where it is its largest single deficit.
    Publications differ in which deficit: the one charged to winners (`severity * deficit`) or
    the one left uncovered. Publish both.

    Args:
        remaining_max: (waves,) largest `max(endowment - seized, 0)` after each wave.
        denominator: (waves,) not negative.
    """
    is_defined = denominator > 0
    ratios = remaining_max[is_defined] / denominator[is_defined]
    return MeanRatio(
        total=float(ratios.sum()),
        defined=int(is_defined.sum()),
        undefined=int((~is_defined).sum()),
    )


def inversion_rate(before: Float64Array, after: Float64Array) -> float:
    """Return the share of adjacent survivors whose order was turned round.

    Survivors are accounts with something left; neighbours are taken in the order before, and
    a pair counts where the one that had more has less. Zero where there is no pair.
    """
    survivors = np.flatnonzero(after > 0)
    order = survivors[np.argsort(-before[survivors], kind="stable")]
    had, has = before[order], after[order]
    distinct = had[:-1] > had[1:]
    if not distinct.any():
        return 0.0
    return float((has[:-1] < has[1:])[distinct].mean())


def rank_stability(first: Float64Array, second: Float64Array) -> float:
    """Return Spearman's correlation of two waves' haircuts over the same accounts.

    Equal haircuts share their mean rank. Two waves of equal haircuts throughout are stable: 1.
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 1.0 if np.ptp(first) == np.ptp(second) else 0.0
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Float64Array) -> Float64Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Float64Array = (last - (counts - 1) / 2)[place]
    return ranks


def next_deficit(notional: Float64Array, equity: Float64Array, shocks: Float64Array) -> float:
    """Return the expected deficit of the next step: `sum(n * E[(equity / n + shock)-])`.

    Args:
        notional: `n` of every account, positive.
        equity: Equity of every account.
        shocks: (s,) returns on notional.
    """
    return float((notional * expected_overrun(equity / notional, shocks)).sum())


def gini(amounts: Float64Array) -> float:
    """Return the Gini coefficient: 0 where all are equal, towards 1 where one has everything."""
    total = float(amounts.sum())
    count = len(amounts)
    if total == 0:
        return 0.0
    ranked = np.sort(amounts)
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float((weights * ranked).sum() / (count * total))


def herfindahl(amounts: Float64Array) -> float:
    """Return the sum of squared shares: 1 where one bears everything, 0 where nobody bears any."""
    total = float(amounts.sum())
    return float(((amounts / total) ** 2).sum()) if total else 0.0


def users_touched(seized: Float64Array) -> int:
    """Return how many accounts lost anything."""
    return int(np.count_nonzero(seized > 0))
