"""Whole-number shares of arrays: the exact twin of `core.allocation.largest_remainder`."""

import math

import numpy as np
from numpy.typing import NDArray

from keelmark.core.allocation import largest_remainder

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

WEIGHT_BITS = 50
"""Bits of a weight total for which a quotient in float64 is off by less than 2**11 units, so
that its remainder, taken in wrapping 64-bit arithmetic, is exact."""

SURELY = 1 - 2.0**-44
"""A quota in float64, times this, is below the exact quota."""

TOTAL_LIMIT = 2**62
"""Totals below it have quotients that fit."""


def exact_sum(values: Int64Array) -> int:
    """Return the sum as a Python int, whatever its size."""
    high = int((values >> 32).sum())
    low = int((values & 0xFFFFFFFF).sum())
    return (high << 32) + low


def whole_weights(weights: Float64Array) -> Int64Array:
    """Return whole numbers in proportion to `weights` (finite, not negative).

    They are `weights` times one power of two, rounded down, with a total below 2**50: a weight
    below 2**-50 of the total counts as none.
    """
    total = float(weights.sum())
    if total <= 0:
        return np.zeros(len(weights), dtype=np.int64)
    shift = WEIGHT_BITS - math.frexp(total)[1] - 1
    return np.ldexp(weights, shift).astype(np.int64)


def apportion(total: int, weights: Int64Array, caps: Int64Array) -> Int64Array:
    """Return whole parts in proportion to `weights` under `caps`.

    Definition: `core.allocation.largest_remainder`, to which it is equal. What the caps of
    positive weights cannot hold is not given out: the sum is `min(total, their caps)`.

    Args:
        total: Whole number to divide, not negative.
        weights: (n,) not negative.
        caps: (n,) largest part of each, not negative.
    """
    room = np.where(weights > 0, caps, 0)
    total = min(total, exact_sum(room))
    weight_total = exact_sum(weights)
    if weight_total >> WEIGHT_BITS or total >= TOTAL_LIMIT:
        return _by_definition(total, weights, room)
    return _apportion(total, weights, room)


def _by_definition(total: int, weights: Int64Array, caps: Int64Array) -> Int64Array:
    parts = largest_remainder(total, weights.tolist(), caps.tolist())
    return np.array(parts, dtype=np.int64)


def _apportion(total: int, weights: Int64Array, caps: Int64Array) -> Int64Array:
    """Saturate whoever reaches its cap until nobody does, then share out the remainders.

    The level only rises while accounts saturate, so each step is final for those it saturates.
    No sum here exceeds `total` or the weight total.
    """
    parts = np.zeros(len(weights), dtype=np.int64)
    rows = np.flatnonzero((weights > 0) & (caps > 0))
    is_full = _surely_full(total, weights[rows], caps[rows])
    left = total
    while left:
        full, rows = rows[is_full], rows[~is_full]
        parts[full] = caps[full]
        left -= int(caps[full].sum())
        if not left:
            break
        quotas, remainders = _divide(left, weights[rows])
        is_full = quotas >= caps[rows]
        if not is_full.any():
            quotas[_largest(remainders, left - int(quotas.sum()))] += 1
            parts[rows] = quotas
            break
    return parts


def _surely_full(total: int, weights: Int64Array, caps: Int64Array) -> BoolArray:
    """Return accounts that reach their cap, found in float64: none wrongly, few missed."""
    ratio = caps / weights
    weight_total = int(weights.sum())
    is_full = np.zeros(len(weights), dtype=np.bool_)
    left, weight_left = total, weight_total
    while left and weight_left:
        now: BoolArray = ratio <= left / weight_left * SURELY
        if np.count_nonzero(now) == np.count_nonzero(is_full):
            break
        is_full = now
        left = total - int(np.where(is_full, caps, 0).sum())
        weight_left = weight_total - int(np.where(is_full, weights, 0).sum())
    return is_full


def _divide(total: int, weights: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return floor and remainder of `total * weight / sum(weights)`, exact.

    The quotient is guessed in float64; `total * weight - guess * sum` is small, so its value in
    wrapping arithmetic is its true value and corrects the guess.
    """
    weight_total = int(weights.sum())
    guess = (weights * (total / weight_total)).astype(np.int64)
    rest = weights * np.int64(total) - guess * np.int64(weight_total)
    correction = rest // np.int64(weight_total)
    return guess + correction, rest - correction * np.int64(weight_total)


def _largest(values: Int64Array, count: int) -> BoolArray:
    """Return which are the `count` largest, equal values in the order given."""
    if count == 0:
        return np.zeros(len(values), dtype=np.bool_)
    threshold = np.partition(values, len(values) - count)[len(values) - count]
    chosen: BoolArray = values > threshold
    ties = np.flatnonzero(values == threshold)
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen
