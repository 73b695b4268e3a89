"""Pictures of the report as SVG: no script, colours of the page, every one with a table behind it.

Text in them is drawn to be read on a telephone: pictures are 480 units wide and shown at 340 to 540
points.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keelmark.accounts.markup import Html, element, joined
from keelmark.risk.risk_report.texts import chance, money, span

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 14, 14, 46, 32
BINS = 44
CLIPPED = 0.001
"""Share of the scenarios at either end that the distribution gathers in its outermost bars."""

_APART = 125
"""Width between figures on a curve."""

_FOOT = 0.03
"""Share of the height below which a figure would stand on the axis."""

_ROOM = 140
"""Width a name takes at most."""

_LEAST = 1e-12
"""Height of the axis where nothing is likely at all."""

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A line from numbers to places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a number."""
        width = self.high - self.low
        share = (value - self.low) / width if width else 0.5
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers between two, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * s for s in _STEPS if size * s >= raw * (1.0 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [step * i for i in range(first, last + 1)]


def bar(value: float, largest: float, *, kind: str, is_diverging: bool) -> Html:
    """Return one bar of a table's row: from the middle where rows differ in sign."""
    middle = 50.0 if is_diverging else 0.0
    length = 0.0 if not largest else abs(value) / largest * (100.0 - middle)
    start = middle - length if value < 0.0 else middle
    rest = (
        element("rect", x=f"{middle - 0.25:g}", y=0, width="0.5", height=10, class_="axis")
        if is_diverging
        else None
    )
    return element(
        "svg",
        element("rect", x=f"{start:.2f}", y=1, width=f"{length:.2f}", height=8, class_=kind),
        rest,
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def distribution(
    profits: Sequence[float], liquidated: Sequence[bool], marks: Sequence[tuple[str, float]]
) -> Html:
    """Return how profits are spread: bars, liquidated ones in another colour, marks with names.

    Args:
        profits: Of every scenario.
        liquidated: Whether each liquidates.
        marks: Name and loss of each line drawn.
    """
    low, high = _reach(profits, [-loss for _, loss in marks])
    across = Scale(low, high, LEFT, WIDTH - RIGHT)
    kept, lost = _counted(profits, liquidated, across)
    tallest = max(1, *(a + b for a, b in zip(kept, lost, strict=True)))
    up = Scale(0.0, tallest, HEIGHT - BOTTOM, TOP)
    width = (WIDTH - LEFT - RIGHT) / BINS
    parts = []
    for i, (one, other) in enumerate(zip(kept, lost, strict=True)):
        x = LEFT + i * width
        parts += _stacked(x, width, (other, one), up)
    ordered = sorted(marks, key=lambda mark: -mark[1])
    lines = [_mark(name, -loss, across, i) for i, (name, loss) in enumerate(ordered)]
    text = f"profits of {len(profits):,} scenarios from {money(low)} to {money(high)}"
    return _picture(text, *parts, _axis(across, lambda v: money(v, signed=bool(v))), *lines)


def _reach(profits: Sequence[float], marks: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the axis: all but the outermost, the marks and nothing lost with them."""
    ordered = sorted(profits)
    cut = int(len(ordered) * CLIPPED)
    low = min(ordered[cut], 0.0, *marks)
    high = max(ordered[len(ordered) - 1 - cut], 0.0, *marks)
    room = (high - low or 1.0) * 0.03
    return low - room, high + room


def _counted(
    profits: Sequence[float], liquidated: Sequence[bool], across: Scale
) -> tuple[list[int], list[int]]:
    kept, lost = [0] * BINS, [0] * BINS
    for profit, is_out in zip(profits, liquidated, strict=True):
        place = int((profit - across.low) / (across.high - across.low) * BINS)
        (lost if is_out else kept)[min(max(place, 0), BINS - 1)] += 1
    return kept, lost


def _stacked(x: float, width: float, counts: tuple[int, int], up: Scale) -> list[Html]:
    """Return one bar: liquidated scenarios at its foot."""
    found, below = [], 0
    for count, kind in zip(counts, ("lost", "kept"), strict=True):
        if count:
            top, foot = up(below + count), up(below)
            found.append(
                element(
                    "rect",
                    x=f"{x + 0.5:.1f}",
                    y=f"{top:.1f}",
                    width=f"{width - 1:.1f}",
                    height=f"{max(foot - top, 0.8):.1f}",
                    class_=kind,
                )
            )
        below += count
    return found


def _mark(name: str, value: float, across: Scale, row: int) -> Html:
    """Return a line with its name above it: the first to its left where there is room."""
    x = across(value)
    is_left = x > WIDTH / 2 or (row == 0 and x > _ROOM)
    y = 14 + 16 * (0 if is_left else row % 2)
    return joined(
        (
            element(
                "line",
                x1=f"{x:.1f}",
                x2=f"{x:.1f}",
                y1=y + 4,
                y2=HEIGHT - BOTTOM,
                class_="mark",
            ),
            element(
                "text",
                f"{name} {money(value)}",
                x=f"{x + (-4 if is_left else 4):.1f}",
                y=y,
                text_anchor="end" if is_left else "start",
                class_="name",
            ),
        )
    )


@dataclass(frozen=True, slots=True)
class Point:
    """A time, with an estimate and its interval."""

    days: float
    value: float
    low: float
    high: float


def chances_curve(points: Sequence[Point], shown: Sequence[Point]) -> Html:
    """Return a probability over time with its interval as a band; shown points carry labels."""
    last = points[-1].days
    top = max(_LEAST, *(p.high for p in (*points, *shown)))
    across = Scale(0.0, last, LEFT + 4, WIDTH - RIGHT - 10)
    up = Scale(0.0, top * 1.08, HEIGHT - BOTTOM, 24)
    points = [Point(0.0, 0.0, 0.0, 0.0), *points]
    upper = [(across(p.days), up(p.high)) for p in points]
    lower = [(across(p.days), up(p.low)) for p in reversed(points)]
    line = [(across(p.days), up(p.value)) for p in points]
    grid = [_level(value, up) for value in ticks(0.0, top, 4) if value]
    dots = [_dot(across(p.days), up(p.value)) for p in shown if p.days <= last]
    names = [_name(p, across(p.days), up(p.value)) for p in _roomy(shown, across, top)]
    text = f"probability of liquidation up to {span(last)}: {chance(points[-1].value)}"
    return _picture(
        text,
        *grid,
        element("polygon", points=_places([*upper, *lower]), class_="band"),
        element("polyline", points=_places(line), class_="line"),
        *dots,
        *names,
        _axis(across, lambda v: "now" if not v else span(v)),
    )


def _level(value: float, up: Scale) -> Html:
    y = up(value)
    return joined(
        (
            element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"),
            element("text", chance(value), x=LEFT, y=f"{y - 4:.1f}", class_="level"),
        )
    )


def _roomy(shown: Sequence[Point], across: Scale, top: float) -> list[Point]:
    """Return the points whose figure has room: the latest first, none at the foot."""
    found: list[Point] = []
    for point in sorted(shown, key=lambda p: -p.days):
        is_apart = not found or across(found[-1].days) - across(point.days) > _APART
        if is_apart and point.value > _FOOT * top:
            found.append(point)
    return found


def _dot(x: float, y: float) -> Html:
    return element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="4.5", class_="dot")


def _name(point: Point, x: float, y: float) -> Html:
    """Return the figure of a point above it, to the left: there a rising line is not."""
    is_first = x < LEFT + 70
    return element(
        "text",
        chance(point.value),
        x=f"{x + (-4 if is_first else -7):.1f}",
        y=f"{y - 10:.1f}",
        text_anchor="start" if is_first else "end",
        class_="name",
    )


def _axis(across: Scale, text: Callable[[float], str]) -> Html:
    """Return the line at the foot with round numbers."""
    foot = HEIGHT - BOTTOM
    parts = [element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=foot, y2=foot, class_="foot")]
    for value in ticks(across.low, across.high):
        x = across(value)
        anchor = "start" if x < LEFT + 20 else "end" if x > WIDTH - RIGHT - 24 else "middle"
        parts.append(
            element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=foot, y2=foot + 5, class_="foot")
        )
        parts.append(element("text", text(value), x=f"{x:.1f}", y=foot + 20, text_anchor=anchor))
    return joined(parts)


def _places(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _picture(text: str, *parts: Html) -> Html:
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=text,
        class_="picture",
    )
