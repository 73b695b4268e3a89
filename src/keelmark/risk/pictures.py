"""Pictures of ladders and surfaces: PNG, SVG, or a page of its own. Needs matplotlib."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from io import StringIO
from itertools import pairwise
from pathlib import Path

from keelmark.accounts.figures import figure as figure_text
from keelmark.accounts.figures import percent
from keelmark.core.errors import MissingExtra
from keelmark.core.numbers import ZERO, exact
from keelmark.risk.axes import Axis, MarginAt
from keelmark.risk.ladders import Ladder, Rung, rung_words, stretch_words, stretches
from keelmark.risk.surfaces import Point, Surface
from keelmark.risk.volatility import VolatilityAxis

try:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter
except ModuleNotFoundError as error:
    MESSAGE = 'pictures need matplotlib; install it with `pip install "keelmark[plot]"`'
    raise MissingExtra(MESSAGE) from error

INK, MUTED, FAINT, PAPER = "#1f2428", "#6b737b", "#d5d9dd", "#ffffff"
COLLATERAL, DEFICIT = "#009E73", "#D55E00"
LOST, HATCH, WORD = "#f9e4d7", "#eeb995", "#8a3c00"
"""Vermilion as ground, as hatching and as text."""
USED = ("#f2f7fb", "#d3e5f2", "#a6cbe4", "#6fabd2")
"""Tints of the blue of positions: under a quarter, a half, three quarters, all of equity used."""
BANDS = (0.0, 0.25, 0.5, 0.75, 1.0)
_DPI = 160
_CROWDED = 0.06
_SAME = Decimal("1e-20")


def write(drawing: Figure, result: Ladder | Surface, path: Path) -> Path:
    """Write a picture as its ending says, and return where."""
    if path.suffix.lower() == ".html":
        path.write_text(page(drawing, result), encoding="utf-8")
    else:
        drawing.savefig(path, dpi=_DPI)
    return path


def page(drawing: Figure, result: Ladder | Surface) -> str:
    """Return a page that needs nothing else: the picture, and the numbers behind it."""
    svg = StringIO()
    drawing.savefig(svg, format="svg")
    title = escape(result.table.title)
    picture = svg.getvalue().partition("<svg")[2]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
        f"<svg{picture}<details><summary>The numbers behind it</summary>"
        f'<div class="wide">{result.table._repr_html_()}</div></details></main></body></html>\n'
    )


_STYLE = (
    "body{margin:0;font:15px/1.5 system-ui,sans-serif;background:#fff;color:#1f2428}"
    "main{max-width:60rem;margin:0 auto;padding:1rem}svg{width:100%;height:auto}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px}"
    "caption{text-align:left;padding:.5rem 0}td,th{padding:.15rem .6rem;"
    "border-bottom:1px solid #d5d9dd;text-align:right}summary{cursor:pointer}"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a ladder: its name stands at its end."""

    name: str
    values: list[float]
    colour: str
    width: float
    dashed: bool = False


def draw_ladder(found: Ladder) -> Figure:
    """Return margin and equity along one price: who looks sees where the two lines meet."""
    drawing = Figure(figsize=(9.0, 5.4), layout="constrained", facecolor=PAPER)
    axes = drawing.add_subplot()
    moves = [float(rung.move) for rung in found.rungs]
    scale, unit = _scale([rung.margin.equity for rung in found.rungs])
    for first, last in stretches(found):
        _shade(axes, moves, first, last)
    lines = _lines(found, scale)
    for line in lines:
        style = "--" if line.dashed else "-"
        axes.plot(moves, line.values, color=line.colour, linewidth=line.width, linestyle=style)
    _name_lines(axes, moves[-1], lines)
    axes.axhline(0, color=FAINT, linewidth=1, zorder=0)
    _now_line(axes, moves)
    for rung in found.liquidations:
        _mark(axes, rung, scale)
    axes.set_xlim(moves[0], moves[-1])
    axes.set_ylabel(f"{unit}{found.currency}", color=MUTED)
    axes.xaxis.set_major_formatter(_ticks(found.axis))
    verb = "move" if found.axis.reference is None else "moves"
    axes.set_xlabel(f"{found.axis.name} {verb} by", color=MUTED)
    _quiet(axes)
    name = found.axis.name
    title = f"{name[:1].upper()}{name[1:]}: {stretch_words(found)}"
    _titles(drawing, title, f"{found.rulebook}, {found.unit_id}")
    return drawing


def _lines(found: Ladder, scale: float) -> list[_Line]:
    """Return what is drawn along the price."""
    margins = [rung.margin for rung in found.rungs]
    with exact():  # where the venue's trigger is a multiple of maintenance, that is the line
        needed = [float(margin.equity - margin.excess) / scale for margin in margins]
        is_raised = any(
            abs(m.equity - m.excess - m.maintenance_margin) > _SAME * abs(m.equity) for m in margins
        )
    initial = [float(margin.initial_margin) / scale for margin in margins]
    return [
        _Line("initial margin", initial, MUTED, 1.2, dashed=True),
        _Line("liquidation" if is_raised else "maintenance", needed, DEFICIT, 1.8),
        _Line("equity", [float(margin.equity) / scale for margin in margins], COLLATERAL, 2.6),
    ]


def _shade(axes: Axes, moves: Sequence[float], first: Rung | None, last: Rung | None) -> None:
    """Shade a stretch in which the unit is liquidatable, and say so."""
    low = moves[0] if first is None else float(first.move)
    high = moves[-1] if last is None else float(last.move)
    axes.axvspan(low, high, facecolor=LOST, edgecolor=HATCH, hatch="//", linewidth=0, zorder=0)
    if high - low < (moves[-1] - moves[0]) / 8:
        return
    axes.annotate(
        "liquidated",
        ((low + high) / 2, 0.9),
        xycoords=("data", "axes fraction"),
        ha="center",
        color=WORD,
        fontsize=12,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": LOST, "edgecolor": "none"},
    )


def _mark(axes: Axes, rung: Rung, scale: float) -> None:
    """Mark where equity meets maintenance, with the price it is."""
    place = (float(rung.move), float(rung.margin.equity) / scale)
    axes.plot(*place, "o", color=DEFICIT, markersize=7, zorder=5)
    is_left = rung.move < ZERO
    axes.annotate(
        rung_words(rung),
        place,
        xytext=(8 if is_left else -8, -16),
        textcoords="offset points",
        ha="left" if is_left else "right",
        color=WORD,
        fontsize=10,
        bbox={"boxstyle": "round,pad=0.1", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.75},
    )


def _name_lines(axes: Axes, end: float, lines: Sequence[_Line]) -> None:
    """Write each line's name at its right end, pushed apart where they crowd."""
    heights = [height for line in lines for height in line.values]
    least = (max(heights) - min(heights)) * _CROWDED
    placed: list[float] = []
    for line in sorted(lines, key=lambda line: line.values[-1]):
        height = line.values[-1]
        placed.append(height if not placed else max(height, placed[-1] + least))
        axes.annotate(
            line.name,
            (end, placed[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=line.colour,
            fontsize=10,
            annotation_clip=False,
        )


def _now_line(axes: Axes, moves: Sequence[float]) -> None:
    """Draw where prices are now."""
    if moves[0] <= 0 <= moves[-1]:
        axes.axvline(0, color=INK, linewidth=1)
        axes.annotate(
            "now",
            (0, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -12),
            textcoords="offset points",
            color=INK,
            fontsize=10,
        )


def draw_surface(found: Surface) -> Figure:
    """Return the share of equity used over two prices, with the liquidation line."""
    drawing = Figure(figsize=(8.2, 6.8), layout="constrained", facecolor=PAPER)
    axes = drawing.add_subplot()
    across, up = [float(m) for m in found.moves_x], [float(m) for m in found.moves_y]
    axes.set_facecolor(USED[0])
    labelled = _roomy([[_band(margin) for margin in row] for row in found.margins])
    for level, colour in zip(BANDS[1:-1], USED[1:], strict=True):
        _shade_level(axes, found, (level, colour), is_labelled=level in labelled)
    fallen = [[_depth(margin) for margin in row] for row in found.margins]
    deepest = max(value for row in fallen for value in row)
    if deepest > 0.0:
        levels = [0.0, deepest * 1.01]
        red = axes.contourf(across, up, fallen, levels=levels, colors=[LOST], hatches=["//"])
        red.set_edgecolor(HATCH)
        red.set_linewidth(0.0)
    segments = [[(float(x), float(y)) for x, y in segment] for segment in found.contour]
    axes.add_collection(LineCollection(segments, colors=[DEFICIT], linewidths=2.6))
    axes.plot([0], [0], "o", color=INK, markersize=7)
    axes.annotate("now", (0, 0), xytext=(7, 6), textcoords="offset points", color=INK)
    _name_fallen(axes, found)
    axes.set_xlim(across[0], across[-1])
    axes.set_ylim(up[0], up[-1])
    axes.xaxis.set_major_formatter(_ticks(found.x))
    axes.yaxis.set_major_formatter(_ticks(found.y))
    axes.set_xlabel(f"{found.x.name} moves by", color=MUTED)
    axes.set_ylabel(f"{found.y.name} moves by", color=MUTED)
    _quiet(axes)
    under = f"{found.rulebook}, {found.unit_id}; shades: share of equity that maintenance takes"
    _titles(drawing, _surface_words(found), under)
    return drawing


def _shade_level(axes: Axes, found: Surface, band: tuple[float, str], *, is_labelled: bool) -> None:
    """Shade where more than a share of equity is used.

    Its edge is where maintenance less that share of equity is nothing: straight where both are.
    """
    level, colour = band
    across, up = [float(m) for m in found.moves_x], [float(m) for m in found.moves_y]
    over = [
        [float(m.maintenance_margin) - level * float(m.equity) for m in row]
        for row in found.margins
    ]
    cells = [value for row in over for value in row]
    if max(cells) <= 0.0:
        return
    axes.contourf(across, up, over, levels=[0.0, max(cells) * 1.01], colors=[colour])
    if min(cells) >= 0.0:
        return
    line = axes.contour(
        across, up, over, levels=[0.0], colors=[MUTED], linewidths=0.6, linestyles=":"
    )
    if is_labelled:
        axes.clabel(line, fmt={0.0: f"{level:.0%} used"}, fontsize=8)


def _roomy(used: Sequence[Sequence[float]]) -> list[float]:
    """Return the levels between bands that are both wide enough for a label between them."""
    cells = [value for row in used for value in row]
    shares = [
        sum(low <= value < high for value in cells) / len(cells) for low, high in pairwise(BANDS)
    ]
    wide = [share >= _CROWDED / 2 for share in shares]
    return [BANDS[i + 1] for i in range(len(wide) - 1) if wide[i] and wide[i + 1]]


def _surface_words(found: Surface) -> str:
    """Say what the picture shows: how far each price alone can go."""
    if found.now.is_liquidatable:
        return "Liquidatable at present prices"
    if not found.contour:
        used = found.now.usage
        now = "" if used is None else f", {percent(used)} of equity is used now"
        return f"Nothing here liquidates{now}"
    alone = [
        f"{axis.name} {percent(move, signed=True)}"
        for axis, move in ((found.x, _nearest(found, across=True)), (found.y, _nearest(found)))
        if move is not None
    ]
    if not alone:
        return f"Liquidated only where {found.x.name} and {found.y.name} move together"
    return f"Liquidated beyond the line: {' or '.join(alone)} alone"


def _nearest(found: Surface, *, across: bool = False) -> Decimal | None:
    """Return the nearest crossing on an axis through now."""
    points: Iterable[Point] = {point for segment in found.contour for point in segment}
    moves = [p[0] if across else p[1] for p in points if (p[1] if across else p[0]) == ZERO]
    return min(moves, key=abs, default=None)


def _name_fallen(axes: Axes, found: Surface) -> None:
    """Write the word into the middle of what is liquidatable."""
    places = [
        (float(x), float(y))
        for y, row in zip(found.moves_y, found.margins, strict=True)
        for x, margin in zip(found.moves_x, row, strict=True)
        if margin.is_liquidatable
    ]
    if not places:
        return
    middle = tuple(sum(place[i] for place in places) / len(places) for i in (0, 1))
    x, y = min(places, key=lambda p: (p[0] - middle[0]) ** 2 + (p[1] - middle[1]) ** 2)
    box = {"boxstyle": "round,pad=0.3", "facecolor": LOST, "edgecolor": "none"}
    axes.annotate("liquidated", (x, y), ha="center", va="center", color=WORD, fontsize=12, bbox=box)


def _band(margin: MarginAt) -> float:
    """Return the share of equity used, one where there is no equity."""
    used = margin.usage
    return 1.0 if used is None else min(float(used), 1.0)


def _depth(margin: MarginAt) -> float:
    """Return how far past the trigger a point is: positive where it is liquidatable."""
    return -float(margin.excess)


def _ticks(axis: Axis | VolatilityAxis) -> FuncFormatter:
    """Return axis labels: the move, and below it the price it comes to."""

    def text(move: float, _: int | None = None) -> str:
        words = f"{move:+.0%}" if abs(move) > 1e-9 else "0%"  # noqa: PLR2004 rounding of the axis
        if axis.reference is None:
            return words
        return f"{words}\n{figure_text(Decimal(str(float(axis.reference) * (1 + move))), digits=4)}"

    return FuncFormatter(text)


def _scale(amounts: Sequence[Decimal]) -> tuple[float, str]:
    """Return what amounts are divided by, and the word for it."""
    largest = max(abs(amount) for amount in amounts)
    for size, word in ((10**9, "billion "), (10**6, "million "), (10**3, "thousand ")):
        if largest >= size:
            return float(size), word
    return 1.0, ""


def _quiet(axes: Axes) -> None:
    """Leave only the lines that say something."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=MUTED, labelsize=9, length=3)


def _titles(drawing: Figure, title: str, under: str) -> None:
    """Write the answer as title, and what it is of below it."""
    drawing.suptitle(title, x=0.02, ha="left", fontsize=14, color=INK, fontweight="bold")
    drawing.axes[0].set_title(under, loc="left", fontsize=9.5, color=MUTED)
