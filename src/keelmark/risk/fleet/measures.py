"""Quantiles and tail means over scenarios with probabilities.

`at_risk` is what is quoted as liquidations at risk (LaR) and value at risk (VaR) of a venue: the
given quantile of the amount liquidated, and of the debt nobody can pay (Gauntlet, VaR Deepdive,
2022, takes the 95th percentile).
"""

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput

Floats = npt.NDArray[np.float64]

ROUNDING = 1e-12
"""What sums of probabilities may be off."""


def at_risk(amounts: Floats, level: float, weights: Floats | None = None) -> float:
    """Return the smallest amount that is not exceeded with probability `level`.

    Args:
        amounts: One a scenario.
        level: Between zero and one, such as 0.95.
        weights: Probabilities summing to one; equal where left out.

    Raises:
        InvalidInput: The level is not between zero and one.
    """
    order, heap = _sorted(amounts, level, weights)
    row = int(np.searchsorted(heap, level - ROUNDING))
    return float(amounts[order[min(row, len(order) - 1)]])


def tail_mean(amounts: Floats, level: float, weights: Floats | None = None) -> float:
    """Return the mean of the worst `1 - level` of probability; raises as `at_risk`.

    The scenario at the edge counts with the part of its probability that lies beyond.
    """
    order, heap = _sorted(amounts, level, weights)
    below = np.concatenate([[0.0], heap[:-1]])
    beyond = np.maximum(0.0, heap - np.maximum(below, level))
    total = float(beyond.sum())
    if total <= ROUNDING:
        return float(amounts[order[-1]])
    return float((amounts[order] * beyond).sum() / total)


def _sorted(
    amounts: Floats, level: float, weights: Floats | None
) -> tuple[npt.NDArray[np.intp], Floats]:
    if not 0.0 < level < 1.0:
        msg = f"a level of {level}; give a probability between 0 and 1, such as 0.95"
        raise InvalidInput(msg)
    order = np.argsort(amounts, kind="stable")
    shares = np.full(len(amounts), 1.0 / len(amounts)) if weights is None else weights
    return order, np.cumsum(shares[order])
