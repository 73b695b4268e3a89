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
        return _on_piece(root, self.low, self.high, self.anchor)


def parabola_roots(
    function: Callable[[Decimal], Decimal],
    low: Decimal,
    high: Decimal | None,
) -> tuple[Decimal, ...]:
    """Return where a function that is a parabola on a piece is nothing there, rising."""
    width = (high - low) / 4 if high is not None else max(low, ONE)
    middle = low + 2 * width
    before, value, after = (function(middle + step * width) for step in (-1, 0, 1))
    bend = (after - 2 * value + before) / 2
    slope = (after - before) / 2
    found = _roots(bend, slope, value)
    places = (_on_piece(middle + root * width, low, high, middle) for root in found)
    return tuple(sorted(place for place in places if place is not None))


def _roots(bend: Decimal, slope: Decimal, value: Decimal) -> tuple[Decimal, ...]:
    """Return the real roots of `bend x**2 + slope x + value`, without cancellation."""
    if abs(bend) <= SAME * max(abs(slope), abs(value)):
        return () if slope == ZERO else (-value / slope,)
    inside = slope * slope - 4 * bend * value
    if inside < ZERO:
        return ()
    larger = -(slope + (inside.sqrt() if slope >= ZERO else -inside.sqrt())) / 2
    if larger == ZERO:
        return (ZERO,)
    return (larger / bend, value / larger)


def _on_piece(root: Decimal, low: Decimal, high: Decimal | None, anchor: Decimal) -> Decimal | None:
    """Return a root where it lies on a piece; one off by the last digits is put on its end."""
    slack = SAME * anchor
    if root < low - slack or (high is not None and root > high + slack):
        return None
    root = max(root, low)
    return root if high is None else min(root, high)
