"""Where a yes-or-no of one number changes, found on a grid: for what has no closed form.

The function is looked at on rising nodes; between two with different answers the change is closed
in on, and where the value comes nearest to changing its sign without doing so, the valley is
searched. Two changes that lie between neighbouring nodes with the value turning more than once
there are not seen: the grid must be as fine as the function's own features.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

PRECISION = Decimal("1e-12")
"""Relative width at which a change counts as found."""

_STEPS_MAX = 120
_VALLEY_STEPS = 40
_GOLDEN = Decimal("0.381966011250105151795413165634361882")


@dataclass(frozen=True, slots=True)
class Looked:
    """A point, the value there, and whether the answer is yes."""

    at: Decimal
    value: Decimal
    holds: bool


Look = Callable[[Decimal], Looked]


def changes(look: Look, nodes: Sequence[Decimal]) -> list[Decimal]:
    """Return every point found at which the answer changes, rising; each on the side of yes.

    Args:
        look: The function.
        nodes: Rising, at least two.
    """
    return sorted(_closed_in(look, low, high) for low, high in _brackets(look, nodes))


def first_change(look: Look, nodes: Sequence[Decimal]) -> Decimal | None:
    """Return the first point found at which the answer is yes; `None` without one."""
    start = look(nodes[0])
    if start.holds:
        return start.at
    return next((_closed_in(look, low, high) for low, high in _brackets(look, nodes)), None)


def _brackets(look: Look, nodes: Sequence[Decimal]) -> Iterator[tuple[Looked, Looked]]:
    """Give every two points of different answers, rising, that the nodes and valleys show."""
    before: Looked | None = None
    low = look(nodes[0])
    for node in nodes[1:]:
        high = look(node)
        if low.holds != high.holds:
            yield low, high
        elif before is not None and (turn := _turned(look, before, low, high)) is not None:
            yield before, turn
            yield turn, high
        before, low = low, high


def _turned(look: Look, left: Looked, middle: Looked, right: Looked) -> Looked | None:
    """Return a point with the other answer in a valley around `middle`, if there is one.

    All three have one answer; `middle` is the nearest to changing it.
    """
    if left.holds != middle.holds:
        return None
    sign = -1 if middle.holds else 1
    if sign * middle.value > min(sign * left.value, sign * right.value):
        return None
    low, high, best = left, right, middle
    for _ in range(_VALLEY_STEPS):
        wide = best.at - low.at > high.at - best.at
        step = (low.at - best.at if wide else high.at - best.at) * _GOLDEN
        if abs(step) <= PRECISION * abs(best.at):
            return None
        probe = look(best.at + step)
        if probe.holds != middle.holds:
            return probe
        if sign * probe.value < sign * best.value:
            low, high = (low, best) if wide else (best, high)
            best = probe
        elif wide:
            low = probe
        else:
            high = probe
    return None


def _closed_in(look: Look, low: Looked, high: Looked) -> Decimal:
    """Return the change between two points of different answers, on the side of yes.

    Straight lines through the ends, halving where they do not close in: values may jump.
    """
    halve = False
    for _ in range(_STEPS_MAX):
        width = high.at - low.at
        if width <= PRECISION * abs(high.at):
            break
        probe = look(low.at + width / 2 if halve else _secant(low, high))
        low, high = (low, probe) if probe.holds == high.holds else (probe, high)
        halve = high.at - low.at > width / 2
    return high.at if high.holds else low.at


def _secant(low: Looked, high: Looked) -> Decimal:
    """Return where the line through two points is zero, kept a little off both."""
    width = high.at - low.at
    rise = high.value - low.value
    share = -low.value / rise if rise else Decimal("0.5")
    margin = min(PRECISION * abs(high.at) / (2 * width), Decimal("0.5"))
    return low.at + width * min(max(share, margin), 1 - margin)
