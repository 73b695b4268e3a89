"""The whole question: a unit, the demands on it and the moves there are; answers are counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ZERO
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.moves import Cost, Move, MoveKind
from keelmark.risk.rescues.opening import Opening
from keelmark.risk.rescues.scene import Change, Parts, Scene, merged, scenes_of
from keelmark.risk.rescues.target import Aim

Counts = Mapping[int, int]
"""Steps by the row of the move; rows left out are not moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A demand that a plan misses.

    Attributes:
        aim: The demand.
        is_certain: Whether every plan must meet it, not only one that leaves the same positions.
    """

    aim: Aim
    is_certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is to be reached and with what.

    Attributes:
        unit: The unit to rescue.
        market: Prices now.
        model: The venue's terms.
        moves: What can be done.
        scenes: The demands; all must not be negative.
        opening: The demand on plans that open anything.
        gap: Relative distance from the proven bound at which a search may stop.
        wide: The unit with a step of everything that plans may add to it.
        doubtful: Names of paths along which what moves depends on the plan.
        is_certain: Whether every demand is one of all plans, so that a bound of theirs is proven.
        floor: Where not, the bound that the certain demands alone have proven.
    """

    unit: MarginUnit
    market: Market
    model: MarginModel
    moves: Sequence[Move]
    scenes: Sequence[Scene]
    gap: Decimal
    wide: MarginUnit
    opening: Opening
    doubtful: frozenset[str] = frozenset()
    is_certain: bool = True
    floor: Decimal | None = None

    def change(self, counts: Counts) -> Change:
        """Return what a plan does to the unit."""
        return merged([self.moves[row].change(count) for row, count in counts.items() if count])

    def after(self, counts: Counts) -> MarginUnit:
        """Return the unit after a plan."""
        return self.change(counts).after(self.unit)

    def cost(self, counts: Counts) -> Cost:
        """Return what a plan costs."""
        costs = [self.moves[row].cost(count) for row, count in counts.items()]
        return Cost(
            fee=sum((c.fee for c in costs), ZERO),
            slippage=sum((c.slippage for c in costs), ZERO),
            capital=sum((c.capital for c in costs), ZERO),
        )

    def least(self, counts: Counts) -> Decimal:
        """Return the demand that is met worst; not negative where the plan reaches the target.

        What a venue would not let be opened is nearer to no target than doing nothing.
        """
        change = self.change(counts)
        known: Parts = {}
        worst = min((scene.total(change, known) for scene in self.scenes), default=ZERO)
        if self.may_open(counts):
            return worst
        undone = min((scene.now for scene in self.scenes), default=ZERO)
        return min(worst, undone) + self.opening.total(change)

    def reaches(self, counts: Counts) -> bool:
        """Whether a plan reaches every demand."""
        change, known = self.change(counts), Parts()
        is_met = all(scene.total(change, known) >= ZERO for scene in self.scenes)
        return is_met and self.may_open(counts)

    def demands(self, counts: Counts) -> Sequence[Scene | Opening]:
        """Return what a plan must meet: what it opens, its initial margin must allow."""
        if not any(counts.get(row) for row in self.hedges):
            return self.scenes
        return (*self.scenes, self.opening)

    def may_open(self, counts: Counts) -> bool:
        """Whether the venue lets a plan open what it opens, however near it comes."""
        is_opening = any(counts.get(row) for row in self.hedges)
        return not is_opening or self.opening.total(self.change(counts)) >= ZERO

    @property
    def hedges(self) -> list[int]:
        """The rows of the moves that open."""
        return [row for row, move in enumerate(self.moves) if move.kind is MoveKind.HEDGE]

    def with_scene(self, aim: Aim) -> "Problem":
        """Return the problem with one more demand."""
        return replace(self, scenes=(*self.scenes, Scene(self.unit, aim, self.model)))

    def with_missed(self, missed: Missed, bound: Decimal | None) -> "Problem":
        """Return the problem with a demand that was missed; `bound` is proven without it."""
        found = self.with_scene(missed.aim)
        if missed.is_certain:
            return found
        return replace(found, is_certain=False, floor=bound if self.is_certain else self.floor)

    def with_slack(self, slack: Decimal) -> "Problem":
        """Return the problem with demands that leave room for last digits."""
        aims = (replace(scene.aim, slack=scene.aim.slack + slack) for scene in self.scenes)
        return replace(self, scenes=scenes_of(self.unit, aims, self.model))

    def with_moves(self, moves: Sequence[Move]) -> "Problem":
        """Return the problem with other moves."""
        return replace(self, moves=moves)
