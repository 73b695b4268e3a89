"""Margin over two prices at once, and the line on which the unit becomes liquidatable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from keelmark.accounts.account import Account
from keelmark.accounts.check_document import JsonTable, JsonValue, decimal_text
from keelmark.accounts.table import Table
from keelmark.core.errors import InvalidInput
from keelmark.core.margin import maintenance_excess
from keelmark.core.market import Market
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.axes import Axis, MarginAt, axis_of, unit_for
from keelmark.risk.crossing import crossing
from keelmark.risk.ladders import SPAN, STEPS, currency_of, grid, margin_document
from keelmark.risk.volatility import NO_OPTIONS, VOLATILITY, VolatilityAxis

if TYPE_CHECKING:
    import polars as pl

Point = tuple[Decimal, Decimal]
Segment = tuple[Point, Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Margin over two axes.

    Attributes:
        rulebook: Under which it was computed.
        unit_id: The margin unit.
        currency: What totals are in.
        x: Across.
        y: Up.
        moves_x: Of the columns, rising.
        moves_y: Of the rows, rising.
        margins: Rows of margins, `margins[row][column]`.
        contour: The liquidation line as straight pieces between points found exactly.
        notes: What has to be said of it.
    """

    rulebook: str
    unit_id: str
    currency: str
    x: Axis
    y: Axis | VolatilityAxis
    moves_x: tuple[Decimal, ...]
    moves_y: tuple[Decimal, ...]
    margins: tuple[tuple[MarginAt, ...], ...]
    contour: tuple[Segment, ...]
    notes: tuple[str, ...] = ()

    @property
    def now(self) -> MarginAt:
        """The margin at present prices."""
        return self.at(ZERO, ZERO)

    def market(self, move_x: Decimal, move_y: Decimal) -> Market:
        """Return the market after both moves."""
        with exact():
            return self.y.shift(move_y)(self.x.path.at(move_x))

    def at(self, move_x: Decimal, move_y: Decimal) -> MarginAt:
        """Return the margin after both moves."""
        path = self.x.path
        return MarginAt.of(path.unit, self.market(move_x, move_y), path.model)

    def excess(self, move_x: Decimal, move_y: Decimal) -> Decimal:
        """Return the maintenance excess after both moves."""
        path = self.x.path
        return maintenance_excess(path.unit, self.market(move_x, move_y), path.model)

    @property
    def table(self) -> Table:
        """Every point, one a row."""
        totals = ("equity", "maintenance_margin", "excess", "margin_ratio", "liquidatable")
        rows = [
            (
                x,
                y,
                margin.equity,
                margin.maintenance_margin,
                margin.excess,
                margin.usage,
                "yes" if margin.is_liquidatable else "no",
            )
            for y, row in zip(self.moves_y, self.margins, strict=True)
            for x, margin in zip(self.moves_x, row, strict=True)
        ]
        title = f"{self.rulebook} {self.unit_id}: {self.x.name} x {self.y.name}, {self.currency}"
        return Table.of(title, (f"move {self.x.name}", f"move {self.y.name}", *totals), rows)

    def to_polars(self) -> "pl.DataFrame":
        """Return `table` as a frame; numbers are float64."""
        return self.table.to_polars()

    def document(self) -> JsonTable:
        """Return the surface as JSON, decimals as text."""
        contour: list[JsonValue] = [
            [[decimal_text(number) for number in point] for point in segment]
            for segment in self.contour
        ]
        return {
            "rulebook": self.rulebook,
            "unit": self.unit_id,
            "currency": self.currency,
            "x": {"name": self.x.name, "moves": [decimal_text(move) for move in self.moves_x]},
            "y": {"name": self.y.name, "moves": [decimal_text(move) for move in self.moves_y]},
            "now": margin_document(self.now),
            "margins": [[margin_document(margin) for margin in row] for row in self.margins],
            "contour": contour,
            "notes": list(self.notes),
        }

    def plot_surface(self, path: str | Path) -> Path:
        """Draw the surface into a `.png`, `.svg` or `.html` file, and return its path.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        from keelmark.risk.pictures import draw_surface, write  # noqa: PLC0415 heavy and optional

        return write(draw_surface(self), self, Path(path))

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def surface(
    account: Account,
    x: str,
    y: str,
    *,
    unit_id: str | None = None,
    span: Decimal | tuple[Decimal, Decimal] = SPAN,
    steps: int = STEPS,
) -> Surface:
    """Return the margin of a unit over two prices, exact at every point.

    Args:
        account: From `load_account`.
        x: What moves across: an instrument, a coin, or an asset, as in `ladder`.
        y: What moves up; `volatility` for every implied volatility alike.
        unit_id: Margin unit; the one that holds both where left out.
        span: Largest relative move either way, or the lowest and the highest; above -1.
        steps: Columns, and rows; present prices are added where the grid leaves them out.

    Raises:
        InvalidInput: A name moves nothing of the unit, or both move the same price.
        MissingNumber: A price the unit reads is missing.

    Source: docs/model.md, "Ladder and surface".
    """
    unit = unit_for(account, x, unit_id)
    across, up = axis_of(account, unit, x), _up(account, unit, y)
    shared = sorted({name for _, name in across.moved & up.moved})
    if shared:
        msg = f"{x} and {y} both move {', '.join(shared)}; choose two prices that move apart"
        raise InvalidInput(msg)
    low, high = span if isinstance(span, tuple) else (-span, span)
    moves_x = _with_now(grid(across, low, high, steps))
    moves_y = _with_now(grid(up, low, high, steps)) if isinstance(up, Axis) else moves_x
    still = isinstance(up, VolatilityAxis) and not up.options
    empty = Surface(
        rulebook=account.rulebook.name,
        unit_id=unit.unit_id,
        currency=currency_of(account, across),
        x=across,
        y=up,
        moves_x=tuple(moves_x),
        moves_y=tuple(moves_y),
        margins=(),
        contour=(),
        notes=(NO_OPTIONS,) if still else (),
    )
    filled = replace(empty, margins=_margins(empty))
    return replace(filled, contour=_contour(filled))


def _with_now(moves: list[Decimal]) -> list[Decimal]:
    """Return the moves with the one of nothing among them, where it lies between them."""
    inside = moves[0] < ZERO < moves[-1] and ZERO not in moves
    return sorted([*moves, ZERO]) if inside else moves


def _up(account: Account, unit: MarginUnit, name: str) -> Axis | VolatilityAxis:
    """Return what moves up: prices, or the volatility of every option."""
    if name == VOLATILITY:
        return VolatilityAxis.of(unit, account.market, account.model)
    return axis_of(account, unit, name)


def _margins(empty: Surface) -> tuple[tuple[MarginAt, ...], ...]:
    """Return the margin at every point; each axis is moved once a column and once a row."""
    path = empty.x.path
    with exact():
        across = [path.at(move) for move in empty.moves_x]
        up = [empty.y.shift(move) for move in empty.moves_y]
        return tuple(
            tuple(MarginAt.of(path.unit, shift(market), path.model) for market in across)
            for shift in up
        )


def _contour(found: Surface) -> tuple[Segment, ...]:
    """Return the liquidation line cell by cell: marching squares on exact edge crossings."""
    edge = _Edges(found)
    segments: list[Segment] = []
    for row in range(len(found.moves_y) - 1):
        for column in range(len(found.moves_x) - 1):
            points = edge.of_cell(column, row)
            segments += zip(points[::2], points[1::2], strict=True)
    return tuple(segments)


class _Edges:
    """Crossings on the edges of the grid, each found once."""

    def __init__(self, found: Surface) -> None:
        self.found = found
        self.trigger = found.x.path.model.trigger
        self.known: dict[tuple[int, int, bool], Point] = {}

    def fallen(self, column: int, row: int) -> bool:
        """Whether the unit is liquidatable at a point of the grid."""
        return self.trigger.holds(excess=self.found.margins[row][column].excess)

    def of_cell(self, column: int, row: int) -> Sequence[Point]:
        """Return the crossings of a cell in pairs; in a saddle its middle says which belong."""
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        sides = list(pairwise([*corners, corners[0]]))
        crossed = [side for side in sides if self.fallen(*side[0]) != self.fallen(*side[1])]
        points = [self.crossing(*side) for side in crossed]
        if len(points) == len(sides) and self._middle_is(column, row) != self.fallen(column, row):
            points = [points[-1], *points[:-1]]
        return points

    def crossing(self, one: tuple[int, int], other: tuple[int, int]) -> Point:
        """Return where the trigger begins to hold between two neighbours."""
        first, second = min(one, other), max(one, other)
        is_across = first[1] == second[1]
        key = (*first, is_across)
        if key not in self.known:
            self.known[key] = self._solve(first, second, is_across=is_across)
        return self.known[key]

    def _solve(self, one: tuple[int, int], other: tuple[int, int], *, is_across: bool) -> Point:
        found = self.found
        moves = found.moves_x if is_across else found.moves_y
        ends = (moves[one[0]], moves[other[0]]) if is_across else (moves[one[1]], moves[other[1]])
        good, bad = ends[::-1] if self.fallen(*one) else ends
        x, y = found.moves_x[one[0]], found.moves_y[one[1]]
        along: Callable[[Decimal], Decimal] = (
            (lambda move: found.excess(move, y))
            if is_across
            else (lambda move: found.excess(x, move))
        )
        move = crossing(along, self.trigger, good, bad)
        return (move, y) if is_across else (x, move)

    def _middle_is(self, column: int, row: int) -> bool:
        """Whether the unit is liquidatable in the middle of a cell."""
        with exact():
            x = (self.found.moves_x[column] + self.found.moves_x[column + 1]) / 2
            y = (self.found.moves_y[row] + self.found.moves_y[row + 1]) / 2
            return self.trigger.holds(excess=self.found.excess(x, y))
