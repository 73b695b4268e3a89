"""Pictures of a check: how far each position is, and how deep the hull lies. Needs matplotlib."""

from collections.abc import Sequence

from keelmark.accounts.figures import figure as figure_text
from keelmark.accounts.figures import percent
from keelmark.accounts.gauge import Gauge, beam, outline
from keelmark.accounts.levels import Level, Levels
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.volatilities import beside
from keelmark.core.errors import MissingExtra
from keelmark.core.numbers import ZERO

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon
except ModuleNotFoundError as error:
    MESSAGE = 'pictures need matplotlib; install it with `pip install "keelmark[plot]"`'
    raise MissingExtra(MESSAGE) from error

INK, SOFT, LINE, HULL = "#1f2428", "#5b636b", "#d9dde1", "#f1f4f6"
COLOURS = {
    Level.GREEN: "#009E73",
    Level.AMBER: "#E69F00",
    Level.RED: "#D55E00",
    Level.LIQUIDATABLE: "#D55E00",
    Level.UNKNOWN: "#CC79A7",
}
SHOWN_MAX = 1.0
"""Bars end at a move of 100 %: what is further is named, not drawn to scale."""


def draw_distance(positions: Sequence[PositionCheck], levels: Levels, title: str) -> Figure:
    """Return how far each position's own price must move to liquidate, the nearest on top."""
    known = sorted(
        (p for p in positions if p.distance is not None), key=lambda p: abs(p.distance or ZERO)
    )
    due = sum(p.recovers for p in positions)
    none = len(positions) - len(known) - due
    drawing = Figure(figsize=(8.0, 1.5 + 0.36 * max(1, len(known))), layout="constrained")
    axes = drawing.add_subplot()
    for row, position in enumerate(known):
        _distance_bar(axes, row, position, levels)
    _zones(axes, levels)
    axes.set_ylim(max(1, len(known)) - 0.4, -1.0)
    reach = max((min(SHOWN_MAX, float(abs(p.distance or ZERO))) for p in known), default=SHOWN_MAX)
    axes.set_xlim(0, 1.35 * max(reach, float(levels.amber)))
    axes.set_yticks(range(len(known)), [_name(p) for p in known])
    _quiet(axes)
    left = f"; {due} liquidatable now" if due else ""
    left += f"; {none} without a price" if none else ""
    drawing.suptitle(f"{title}: move of one price alone that liquidates{left}", x=0.01, ha="left")
    return drawing


def _zones(axes: Axes, levels: Levels) -> None:
    """Draw where the words change, each word above its own stretch."""
    red, amber = float(levels.red), float(levels.amber)
    for edge in (red, amber):
        axes.axvline(edge, color=LINE, linewidth=1, zorder=0)
        axes.text(edge, -0.72, f"{edge * 100:g} %", color=SOFT, fontsize=8, ha="center")
    for place, word in ((red / 2, "red"), ((red + amber) / 2, "amber")):
        axes.text(place, -0.72, word, color=SOFT, fontsize=8, ha="center")


def _name(position: PositionCheck) -> str:
    held = position.held.position
    return f"{held.instrument} {'long' if held.size > ZERO else 'short'}"


def _distance_bar(axes: Axes, row: int, position: PositionCheck, levels: Levels) -> None:
    distance = position.distance or ZERO
    level = levels.of_distance(distance)
    length = min(SHOWN_MAX, float(abs(distance)))
    axes.barh(row, length, height=0.62, color=COLOURS[level])
    price = figure_text(position.liquidation.value or ZERO)
    far = beside(
        percent(distance, signed=True), position.sigmas, position.held.terms.instrument.base
    )
    text = f" {far} to {price}  {level.value.lower()}"
    axes.text(length, row, text, va="center", color=INK, fontsize=9)


def draw_gauge(gauge: Gauge, level: Level, title: str) -> Figure:
    """Return the hull with its load line: water is maintenance over equity."""
    drawing = Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = drawing.add_subplot()
    axes.add_patch(Polygon(outline(1.0), facecolor=HULL, edgecolor=LINE))
    water = float(gauge.level)
    axes.add_patch(Polygon(outline(water), facecolor=COLOURS[level], alpha=0.8))
    used = "over 100 %" if gauge.usage is None or gauge.usage > 1 else percent(gauge.usage)
    rows = [(float(m.usage), f"{percent(m.usage)} {m.name}", SOFT) for m in gauge.marks]
    rows.append((water, f"{used} now, {level.value.lower()}", INK))
    _name_lines(axes, rows)
    axes.plot([-0.3, 0.3], [1, 1], color=INK, linewidth=1.5)
    axes.scatter([0], [1], s=160, facecolors="none", edgecolors=INK, linewidths=1.5, zorder=3)
    axes.set_xlim(-1.1, 3.6)
    axes.set_ylim(-0.06, 1.08)
    axes.set_axis_off()
    drawing.suptitle(f"{title}: maintenance over equity", x=0.02, ha="left")
    return drawing


def _name_lines(axes: Axes, rows: Sequence[tuple[float, str, str]]) -> None:
    """Draw each line with its name beside it, no two names on each other."""
    free = 2.0
    for height, text, colour in sorted(rows, reverse=True):
        place = min(height, free)
        free = place - 0.065
        half = beam(height)
        width = 2.0 if colour == INK else 1.0
        axes.plot([-half, half], [height, height], color=colour, linewidth=width)
        axes.plot([half, 1.25], [height, place], color=LINE, linewidth=1)
        axes.text(1.3, place, text, va="center", color=colour, fontsize=10)


def _quiet(axes: Axes) -> None:
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.set_xticks([])
    axes.tick_params(length=0, colors=INK)
