"""Where along a line a unit becomes liquidatable, between a place where it is not and one it is."""

from collections.abc import Callable
from decimal import Decimal

from keelmark.core.model import Trigger
from keelmark.core.numbers import ONE, exact

PRECISION = Decimal("1e-15")
"""Width, relative to a move of 100 %, at which a crossing counts as found."""

_BESIDE = Decimal("1e-12")
"""Share of the stretch within which the straight line's root must be right to be taken."""


def crossing(
    excess: Callable[[Decimal], Decimal], trigger: Trigger, good: Decimal, bad: Decimal
) -> Decimal:
    """Return where the trigger begins to hold between `good` and `bad`.

    Where the excess is a straight line between the two, its root, checked on both sides; else the
    stretch is halved until it is one, or as narrow as `PRECISION`. Where the trigger changes its
    answer more than once, one of the places.
    """
    with exact():
        low, high = excess(good), excess(bad)
        while abs(bad - good) > PRECISION * max(ONE, abs(bad)):
            root = _root(good, bad, low, high)
            if root is not None and _is_there(excess, trigger, root, bad - good):
                return root
            middle = (good + bad) / 2
            value = excess(middle)
            if trigger.holds(excess=value):
                bad, high = middle, value
            else:
                good, low = middle, value
        return bad


def _root(good: Decimal, bad: Decimal, low: Decimal, high: Decimal) -> Decimal | None:
    """Return where the straight line through two points is zero; `None` where it is not between."""
    if low <= 0 or high >= 0:
        return None
    return good + (bad - good) * low / (low - high)


def _is_there(
    excess: Callable[[Decimal], Decimal], trigger: Trigger, root: Decimal, width: Decimal
) -> bool:
    """Whether the trigger changes its answer at the root."""
    before, after = root - width * _BESIDE, root + width * _BESIDE
    return not trigger.holds(excess=excess(before)) and trigger.holds(excess=excess(after))
