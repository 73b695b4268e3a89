"""Kelly over scenarios: sizes that grow fastest in what may happen, risk-constrained or not.

With `x` the returns of a scenario and `f` notional over equity, wealth becomes `1 + x'f`. Kelly is
the `f` of the largest `E ln(1 + x'f)`. Risk-constrained Kelly keeps

    E (1 + x'f)^-lambda <= 1,    lambda = ln(beta) / ln(alpha),

which bounds the probability that wealth ever falls to the part `alpha` by `beta`. Both problems
are convex. One position is solved by bisection. Several are solved by SLSQP; the answer is pulled
back to where the constraint holds, and what it may be short of the best is bounded by a linear
program: growth is concave and the constraint convex, so both lie on one side of their tangents.

Assumes bets that are alike and independent from period to period, sizes kept at their leverage.
Source: Busseti, Ryu and Boyd (2016), Risk-constrained Kelly gambling, arXiv 1603.06183;
docs/model.md, "Sizing".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput

Array = npt.NDArray[np.float64]

SIZE_MAX = 100.0
"""Leverage beyond which nothing is looked for, unless told otherwise."""

_HALVINGS = 200
_ROUNDING = 1e-9
"""What a probability or a constraint may miss by the rounding of a long sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallLimit:
    """How likely a fall of wealth may be.

    Attributes:
        part: Of what there is at first, fraction.
        probability: Of ever having no more than that part, at most.
    """

    part: float
    probability: float

    def __post_init__(self) -> None:
        if not (0.0 < self.part < 1.0 and 0.0 < self.probability < 1.0):
            msg = (
                f"a fall to {self.part} with probability {self.probability}: both are fractions "
                "between 0 and 1"
            )
            raise InvalidInput(msg)

    @property
    def exponent(self) -> float:
        """Lambda: `ln(beta) / ln(alpha)`."""
        return math.log(self.probability) / math.log(self.part)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """Returns of one period and how likely each is.

    Attributes:
        returns: Shape (outcomes, positions), gain over notional; costs and funding taken off.
        weights: Probability of each outcome, summing to one.
    """

    returns: Array
    weights: Array

    def __post_init__(self) -> None:
        shape = self.returns.shape
        if len(shape) != 2 or not all(shape) or self.weights.shape != shape[:1]:  # noqa: PLR2004 rows and columns
            msg = f"returns of shape {shape} with weights of shape {self.weights.shape}: one each"
            raise InvalidInput(msg)
        if not (np.all(np.isfinite(self.returns)) and np.all(self.weights >= 0.0)):
            msg = "returns must be finite and weights at least 0"
            raise InvalidInput(msg)
        if abs(float(self.weights.sum()) - 1.0) > _ROUNDING:
            msg = f"the weights sum to {float(self.weights.sum())!r}; make them sum to 1"
            raise InvalidInput(msg)

    @classmethod
    def of(cls, returns: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> "Outcomes":
        """Return outcomes of returns by outcome, or by outcome and position; alike by default."""
        values = np.asarray(returns, dtype=np.float64)
        table = values[:, np.newaxis] if values.ndim == 1 else values
        rows = max(1, len(table))
        even = np.full(rows, 1.0 / rows)
        given = even if weights is None else np.asarray(weights, dtype=np.float64)
        return cls(returns=table, weights=given)

    @property
    def positions(self) -> int:
        """How many there are."""
        return int(self.returns.shape[1])

    def wealth(self, sizes: Array) -> Array:
        """Return wealth after each outcome, of one before."""
        grown: Array = 1.0 + self.returns @ sizes
        return grown

    def growth(self, sizes: Array) -> float:
        """Return the expected logarithm of wealth; minus infinity where an outcome ruins."""
        wealth = self.wealth(sizes)[self.weights > 0.0]
        if bool(np.any(wealth <= 0.0)):
            return -math.inf
        return float(self.weights[self.weights > 0.0] @ np.log(wealth))

    def fall(self, sizes: Array, exponent: float) -> float:
        """Return `ln E (1 + x'f)^-lambda`: at most zero where the limit is kept."""
        wealth = self.wealth(sizes)[self.weights > 0.0]
        if bool(np.any(wealth <= 0.0)):
            return math.inf
        powers = -exponent * np.log(wealth)
        top = float(powers.max())
        return top + math.log(float(self.weights[self.weights > 0.0] @ np.exp(powers - top)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes that grow fastest.

    Attributes:
        sizes: Notional over equity of each position, signed.
        growth: Expected logarithm of wealth over one period.
        fall: `ln E (1 + x'f)^-lambda`; `None` without a limit.
        gap: Growth beyond which nothing better exists, above `growth`; 0 where it is exact.
    """

    sizes: tuple[float, ...]
    growth: float
    fall: float | None = None
    gap: float = 0.0


def kelly_size(
    outcomes: Outcomes,
    *,
    limit: FallLimit | None = None,
    largest: float = SIZE_MAX,
) -> Sizes:
    """Return the size of one position that grows fastest, within a limit of falls.

    Args:
        outcomes: Of one position.
        limit: Of a fall of wealth; none where left out.
        largest: Leverage that it is not looked for beyond, either side.

    Raises:
        InvalidInput: Outcomes are of several positions.
    """
    if outcomes.positions != 1:
        msg = f"{outcomes.positions} positions: kelly_sizes solves for several"
        raise InvalidInput(msg)
    gain = outcomes.returns[:, 0]
    weights = outcomes.weights
    mean = float(weights @ gain)
    if mean == 0.0:
        return Sizes(sizes=(0.0,), growth=0.0, fall=None if limit is None else 0.0)
    side = math.copysign(1.0, mean)
    end = _before_ruin(outcomes, np.array([side]), largest)

    def rises(size: float) -> bool:
        wealth = 1.0 + side * size * gain
        return float(weights @ (side * gain / wealth)) > 0.0

    def keeps(size: float) -> bool:
        return limit is None or outcomes.fall(np.array([side * size]), limit.exponent) <= 0.0

    size = largest_where(lambda f: rises(f) and keeps(f), end)
    found = np.array([side * size])
    fall = None if limit is None else outcomes.fall(found, limit.exponent)
    return Sizes(sizes=(side * size,), growth=outcomes.growth(found), fall=fall)


def _before_ruin(outcomes: Outcomes, way: Array, largest: float) -> float:
    """Return how far one can go a way before an outcome leaves nothing, at most `largest`."""
    worst = float((outcomes.returns @ way)[outcomes.weights > 0.0].min())
    return largest if worst >= 0.0 else min(largest, -1.0 / worst)


def largest_where(holds: Callable[[float], bool], end: float) -> float:
    """Return the largest number up to `end` at which a claim holds that holds at small ones."""
    low, high = 0.0, end
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
