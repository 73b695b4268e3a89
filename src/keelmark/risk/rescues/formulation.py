"""A problem as a linear program: counts, requirements, collateral and slippage.

Columns are counts of moves. What is convex and not straight (a requirement over several rows, a
haircut's loss, slippage) is a column of its own that lies above chords between neighbouring whole
counts: at whole counts the chords give the function itself. A requirement that is not convex (whole
notional, contracts) is written by stretches, of which a whole-number column chooses one.

Leaving out whole numbers and chords only enlarges what is feasible, so the bound of the program
holds for every plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise

from keelmark.core.market import Market
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.unit import Position
from keelmark.risk.rescues.moves import MoneyMove, TradeMove
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.program import Program
from keelmark.risk.rescues.scene import Reading, part_of, reading
from keelmark.risk.rescues.stretches import Rows, distinct, rows_of, stretches

WHOLE_MAX = Decimal(1_000_000)
"""Steps of a move beyond which they are not searched one by one."""

Terms = dict[int, Decimal]
Function = Callable[[Decimal], Decimal]


@dataclass(frozen=True, slots=True)
class Sum:
    """A constant plus terms."""

    constant: Decimal = ZERO
    terms: Terms = field(default_factory=dict)

    def plus(self, other: "Sum", factor: Decimal = ONE) -> "Sum":
        """Return this plus a multiple of another."""
        terms = dict(self.terms)
        for column, value in other.terms.items():
            terms[column] = terms.get(column, ZERO) + factor * value
        return Sum(self.constant + factor * other.constant, terms)


@dataclass(slots=True)
class Tally:
    """A sum that is added to in place."""

    constant: Decimal = ZERO
    terms: Terms = field(default_factory=dict)

    def add(self, other: Sum, factor: Decimal = ONE) -> None:
        """Add a multiple of a sum."""
        self.constant += factor * other.constant
        for column, value in other.terms.items():
            self.terms[column] = self.terms.get(column, ZERO) + factor * value

    @property
    def sum(self) -> Sum:
        """What it comes to."""
        return Sum(self.constant, self.terms)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a move's count that a whole-number column chooses; `unit` steps a column."""

    low: Decimal
    high: Decimal
    part: int
    choice: int
    unit: Decimal


@dataclass(frozen=True, slots=True)
class Count:
    """The count of a move.

    Attributes:
        sum: The count in columns.
        reach: Its largest value; the last step of a close may be part of a lot.
        pieces: Its stretches where a requirement of it is not convex.
    """

    sum: Sum
    reach: Decimal
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """A column on or above a convex function of a move's count."""

    column: int
    move: int
    function: Function
    chords: set[Decimal] = field(default_factory=set)


class Formulation:
    """The program of a problem, with what its columns mean.

    Attributes:
        counts: The count of each move.
        curves: What more chords can hold tighter.
        demands: Rows of the demands, in the order of the scenes.
        per_step: What a step of a trade adds to cash and to profit, by what it reads.
        is_proof: Whether every rule states its rows, so that the program's bound holds.
    """

    def __init__(self, problem: Problem, caps: Sequence[int]) -> None:
        self.problem = problem
        self.program = Program()
        self.curves: list[Curve] = []
        self.demands: list[int] = []
        self.is_proof = all(scene.is_separable for scene in problem.scenes)
        self.markets = [scene.aim.market for scene in problem.scenes]
        self._stretches: dict[tuple[int, Decimal], list[tuple[Decimal, Decimal]]] = {}
        self._margins: dict[tuple[int, Reading, Decimal], Decimal] = {}
        self.counts = [self._count(row, cap) for row, cap in enumerate(caps)]
        self.slippage = [self._slippage(row) for row in range(len(caps))]
        self.per_step: dict[tuple[int, Reading], tuple[Decimal, Decimal]] = {}
        self._requirements: dict[tuple[int, Reading], Sum] = {}

    # --- Counts -----------------------------------------------------------------------------

    def _count(self, row: int, cap: int) -> Count:
        """Add the columns of a move's count: by stretches where a requirement is not convex."""
        move = self.problem.moves[row]
        rate = move.cost(1)
        per_step = rate.fee + rate.capital
        if isinstance(move, MoneyMove):
            unit = ONE / (move.step * move.price)  # the column is in valuation currency
            column = self.program.column(cap / unit, cost=per_step * unit)
            return Count(Sum(terms={column: unit}), Decimal(cap))
        assert isinstance(move, TradeMove)  # noqa: S101 there are two kinds of moves
        reach = min(Decimal(cap), move.reach) if move.reach else Decimal(cap)
        is_whole = reach == cap
        if rows_of(move) is Rows.UNKNOWN:
            self.is_proof = False
        ends = self._ends(row, reach)
        if len(ends) == 1 or self._is_convex(row, move, ends):
            column, unit = self._steps(reach, per_step, is_whole=is_whole)
            return Count(Sum(terms={column: unit}), reach)
        return self._by_pieces(ends, per_step, reach, is_whole=is_whole)

    def _by_pieces(
        self,
        ends: list[tuple[Decimal, Decimal]],
        per_step: Decimal,
        reach: Decimal,
        *,
        is_whole: bool,
    ) -> Count:
        program = self.program
        pieces = []
        for low, high in ends:
            part, unit = self._steps(high, per_step, is_whole=is_whole)
            choice = program.column(ONE, is_whole=True)
            program.row({part: unit, choice: -low}, ZERO)
            program.row({part: -unit, choice: high}, ZERO)
            pieces.append(Piece(low, high, part, choice, unit))
        program.row({piece.choice: ONE for piece in pieces}, ONE)
        program.row({piece.choice: -ONE for piece in pieces}, -ONE)
        total = Sum(terms={piece.part: piece.unit for piece in pieces})
        return Count(total, reach, tuple(pieces))

    def _steps(self, high: Decimal, per_step: Decimal, *, is_whole: bool) -> tuple[int, Decimal]:
        """Add a column of steps and return it with the steps that one of it stands for.

        Where there are very many, one more or less is no matter, and floats would not tell them
        apart: the column is then continuous, and counts millionths.
        """
        if high <= WHOLE_MAX:
            return self.program.column(high, cost=per_step, is_whole=is_whole), ONE
        unit = high / WHOLE_MAX
        return self.program.column(high / unit, cost=per_step * unit), unit

    def _ends(self, row: int, reach: Decimal) -> list[tuple[Decimal, Decimal]]:
        """Return the stretches of a trade up to its reach."""
        known = self._stretches.get((row, reach))
        if known is None:
            known = self._stretches[row, reach] = self._new_ends(row, reach)
        return known

    def _new_ends(self, row: int, reach: Decimal) -> list[tuple[Decimal, Decimal]]:
        move, model = self.problem.moves[row], self.problem.model
        whole = int(reach.to_integral_value(rounding=ROUND_FLOOR))
        found = stretches(move, whole, self.markets, model)
        (low, _), rest = found[-1], found[:-1]
        return [(Decimal(a), Decimal(b)) for a, b in rest] + [(Decimal(low), reach)]

    def _is_convex(self, row: int, move: TradeMove, ends: list[tuple[Decimal, Decimal]]) -> bool:
        """Whether every requirement of a trade is convex in its count."""
        points = sorted({point for stretch in ends for point in stretch})
        for market in distinct(self.markets, move):
            seen = reading(move.terms, market)
            values = [self._margin(row, point, market, seen) for point in points]
            slopes = [
                (after - before) / (high - low)
                for (low, high), (before, after) in zip(
                    pairwise(points), pairwise(values), strict=True
                )
            ]
            if any(later < earlier for earlier, later in pairwise(slopes)):
                return False
        return True

    def _margin(self, row: int, count: Decimal, market: Market, seen: Reading) -> Decimal:
        key = (row, seen, count)
        known = self._margins.get(key)
        if known is None:
            move = self.problem.moves[row]
            assert isinstance(move, TradeMove)  # noqa: S101 money requires nothing
            position = position_after(move, count)
            model = self.problem.model
            known = ZERO if position is None else part_of(position, market, model).margin
            self._margins[key] = known
        return known

    # --- Curves -----------------------------------------------------------------------------

    def _curve(self, row: int, function: Function, *, cost: Decimal = ZERO) -> Curve:
        """Add a column for a convex function of a count."""
        reach = self.counts[row].reach
        high = max(function(ZERO), function(reach))
        return Curve(self.program.column(high, cost=cost), row, function)

    def add_chord(self, curve: Curve, low: Decimal, high: Decimal) -> None:
        """Hold a curve above its chord between two counts."""
        if low in curve.chords or high <= low:
            return
        curve.chords.add(low)
        at_low = curve.function(low)
        slope = (curve.function(high) - at_low) / (high - low)
        line = Sum(at_low - slope * low).plus(self.counts[curve.move].sum, slope)
        above = Sum(terms={curve.column: ONE}).plus(line, -ONE)
        self.program.row(above.terms, -above.constant)

    def tighten(self, curve: Curve, count: Decimal) -> None:
        """Add the chord over the whole step a count lies in."""
        low = count.to_integral_value(rounding=ROUND_FLOOR)
        reach = self.counts[curve.move].reach
        if low >= reach:
            low = max(ZERO, reach - ONE)
        self.add_chord(curve, low, min(low + ONE, reach))

    def _slippage(self, row: int) -> Sum:
        """Return the slippage of a move, settle asset."""
        move = self.problem.moves[row]
        if not (isinstance(move, TradeMove) and (move.impact.linear or move.impact.root)):
            return Sum()
        curve = self._curve(row, move.slippage, cost=move.price)
        self.curves.append(curve)
        for share in range(5):
            self.tighten(curve, curve_point(self.counts[row].reach, share))
        return Sum(terms={curve.column: ONE})

    def requirement(self, row: int, market: Market) -> Sum:
        """Return the requirement of a traded leg at a market, settle asset."""
        move = self.problem.moves[row]
        assert isinstance(move, TradeMove)  # noqa: S101 money requires nothing
        key = (row, reading(move.terms, market))
        known = self._requirements.get(key)
        if known is None:
            known = self._requirements[key] = self._new_requirement(row, move, market)
        return known

    def _new_requirement(self, row: int, move: TradeMove, market: Market) -> Sum:
        count, seen = self.counts[row], reading(move.terms, market)

        def function(at: Decimal) -> Decimal:
            return self._margin(row, at, market, seen)

        if count.pieces:
            return self._piecewise(count.pieces, function)
        ends = self._ends(row, count.reach)
        points = sorted({point for stretch in ends for point in stretch})
        is_curved = rows_of(move) is not Rows.STATED
        if len(points) <= 2 and not is_curved:  # noqa: PLR2004 one straight line
            slope = (function(count.reach) - function(ZERO)) / count.reach
            return Sum(function(ZERO)).plus(count.sum, slope)
        curve = self._curve(row, function)
        if is_curved:
            self.curves.append(curve)
            for share in range(5):
                self.tighten(curve, curve_point(count.reach, share))
        for low, high in pairwise(points):
            self.add_chord(curve, low, high) if not is_curved else None
        return Sum(terms={curve.column: ONE})

    @staticmethod
    def _piecewise(pieces: Sequence[Piece], function: Function) -> Sum:
        terms: Terms = {}
        for piece in pieces:
            low = function(piece.low)
            width = piece.high - piece.low
            slope = (function(piece.high) - low) / width if width else ZERO
            terms[piece.part] = slope * piece.unit
            terms[piece.choice] = low - slope * piece.low
        return Sum(terms=terms)


def position_after(move: TradeMove, count: Decimal) -> Position | None:
    """Return the position after a trade."""
    if not count:
        return move.held
    change = move.change(count)
    return change.opened[0] if change.opened else next(iter(change.legs.values()))


def curve_point(reach: Decimal, share: int) -> Decimal:
    """Return a quarter point of a reach."""
    return (reach * share / 4).to_integral_value(rounding=ROUND_FLOOR)
