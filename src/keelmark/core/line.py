"""Straight lines on pieces: how piecewise linear functions of one number are solved exactly."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.numbers import ONE, ZERO

SAME = Decimal("1e-40")
"""Relative distance within which two points are one."""


def apart(rising: list[Decimal]) -> list[Decimal]:
    """Return the points without copies: a piece must have a width to hold a line."""
    kept: list[Decimal] = []
    for point in rising:
        if not kept or point - kept[-1] > SAME * point:
            kept.append(point)
    return kept


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line on a piece `[low, high]`; `high` is `None` on the last piece."""

    low: Decimal
    high: Decimal | None
    anchor: Decimal
    value: Decimal
    slope: Decimal

    @classmethod
    def through(
        cls,
        function: Callable[[Decimal], Decimal],
        low: Decimal,
        high: Decimal | None,
    ) -> "Line":
        """Return the line a function follows inside a piece, from two inner points."""
        width = (high - low) / 3 if high is not None else max(low, ONE)
        first, second = low + width, low + 2 * width
        value = function(first)
        return cls(low, high, first, value, (function(second) - value) / width)

    def at(self, t: Decimal) -> Decimal:
        """Return the line's value."""
        return self.value + self.slope * (t - self.anchor)

    def root(self, target: Decimal = ZERO) -> Decimal | None:
        """Return where the line takes `target` on its piece, ends included.

        A root on an end is computed with the error of the last digits and still belongs here.
        """
        if self.slope == ZERO:
            return None
        root = self.anchor + (target - self.value) / self.slope
        slack = SAME * self.anchor
        if root < self.low - slack or (self.high is not None and root > self.high + slack):
            return None
        root = max(root, self.low)
        return root if self.high is None else min(root, self.high)
