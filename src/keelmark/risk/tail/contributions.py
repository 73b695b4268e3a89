"""What contributes to VaR and ES: Euler's parts of each leg, which sum to the whole.

    ES:  component_i = -E[pnl_i | tail], the same rows and shares as the ES itself: exact
    VaR: component_i = -E_K[pnl_i], K a kernel around the loss at the VaR: a single row would be
         noise. What their sum is off is spread by how much each leg moves there.

A leg's marginal is its component over its size: what the measure grows by if the leg grows.

Source: Tasche, "Risk contributions and performance measurement" (1999); Epperlein, Smillie, Risk
(2006) for the kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array
from keelmark.risk.tail.measures import Tail, tail_of

BAND = 0.5
"""Half-width of the Epanechnikov kernel over `sigma n^(-1/5)`."""

ROWS_MIN = 30
"""Rows the kernel reaches at least."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contributions:
    """Parts by leg, in the order of the names.

    Attributes:
        names: Legs or collateral assets.
        var: Component VaR; sums to the VaR.
        es: Component ES; sums to the ES.
        es_errors: Standard error of each part of the ES.
        rows: Rows the kernel of the VaR reached.
    """

    names: tuple[str, ...]
    var: Array
    es: Array
    es_errors: Array
    rows: int

    def scaled_to(self, var: float, es: float) -> "Contributions":
        """Return the parts stretched to a VaR and an ES had otherwise: shares stay as they are."""
        own_var, own_es = float(self.var.sum()), float(self.es.sum())
        by_var = var / own_var if own_var else 1.0
        by_es = es / own_es if own_es else 1.0
        return replace(
            self, var=self.var * by_var, es=self.es * by_es, es_errors=self.es_errors * abs(by_es)
        )

    def by(self, groups: Sequence[str]) -> "Contributions":
        """Return the parts summed by group: a coin of several legs.

        Errors add up, an upper bound: legs of a coin move together.
        """
        names = tuple(dict.fromkeys(groups))
        place = np.array([names.index(group) for group in groups], dtype=np.intp)

        def summed(parts: Array) -> Array:
            found = np.zeros(len(names))
            np.add.at(found, place, parts)
            return found

        return Contributions(
            names=names,
            var=summed(self.var),
            es=summed(self.es),
            es_errors=summed(self.es_errors),
            rows=self.rows,
        )


def contributions(
    legs: Array, names: Sequence[str], level: float, *, weights: Array | None = None
) -> Contributions:
    """Return Euler's parts of the sum of legs.

    Args:
        legs: (n, legs) profits.
        names: One a leg.
        level: As `tail_risk`.
        weights: (n,) probabilities; equal ones without.

    Raises:
        InvalidInput: As `tail_risk`, or names and legs differ in number.
    """
    if legs.ndim != 2 or legs.shape[1] != len(names):  # noqa: PLR2004 rows and legs
        msg = f"profits of shape {legs.shape} for {len(names)} legs: one column a leg"
        raise InvalidInput(msg)
    pnl = legs.sum(axis=1)
    tail = tail_of(pnl, level, weights=weights)
    beyond = np.flatnonzero(tail.shares)
    shares, worst = tail.shares[beyond], legs[beyond]
    expected = -(shares @ worst)
    var = float(tail.losses[tail.quantile])
    kernel = _kernel(pnl, tail, weights)
    reached = np.flatnonzero(kernel)
    around = legs[reached]
    near = -(kernel[reached] @ around)
    size = kernel[reached] @ np.abs(around)
    count = float(len(pnl)) if weights is None else 1.0 / float(np.dot(weights, weights))
    spread = shares @ (worst + expected) ** 2
    return Contributions(
        names=tuple(names),
        var=_summing_to(near, var, size),
        es=expected,
        es_errors=np.sqrt(spread / (count * (1.0 - level))),
        rows=len(reached),
    )


def _kernel(pnl: Array, tail: Tail, weights: Array | None) -> Array:
    """Return the weights of rows near the VaR, summing to one."""
    losses = tail.losses
    place = tail.quantile
    width = BAND * float(np.std(losses)) * len(losses) ** -0.2
    reach = min(ROWS_MIN, len(losses)) // 2
    around = losses[max(0, place - reach) : place + reach + 1]
    width = max(width, float(np.abs(around - losses[place]).max()), 1e-300)
    away = (-pnl - losses[place]) / width
    near = np.maximum(0.0, 1.0 - away * away)
    near = near if weights is None else near * weights
    total = float(near.sum())
    if total <= 0.0:  # every row around is as far away as the width
        near[tail.order[place]] = total = 1.0
    found: Array = near / total
    return found


def _summing_to(near: Array, var: float, size: Array) -> Array:
    """Return the parts, what the kernel is off spread by how much each leg moves near the VaR.

    A scaling would fail where the sum is close to nothing.
    """
    off = var - float(near.sum())
    total = float(size.sum())
    share = size / total if total > 0.0 else np.full(len(near), 1.0 / len(near))
    parts: Array = near + off * share
    return parts
