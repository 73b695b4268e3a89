"""One move alone: the fewest steps that reach every demand, exactly, with the others held.

On a stretch every demand is concave in the count (money counts through falling weights, slippage
is convex, a requirement is a line or convex), so the counts that reach form an interval: its first
is found by bisection on the sign, and a stretch whose ends both fail is searched at its peak.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.core.excess import price_of
from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.moves import Move, TradeMove
from keelmark.risk.rescues.problem import Counts, Problem
from keelmark.risk.rescues.scene import Parts, Scene, reading
from keelmark.risk.rescues.stretches import stretches

COUNT_LIMIT = 2**70
"""Steps of unlimited money beyond which nothing more is tried."""

SCANNED = 32
"""Counts of a leg that are tried where legs share one margin."""

Function = Callable[[int], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What one move can do by itself.

    Attributes:
        count: The fewest steps that reach the target; `None` where none does.
        best: The steps that come nearest.
        least: What the worst demand comes to there.
        most: The most steps there are.
    """

    count: int | None
    best: int
    least: Decimal
    most: int

    @property
    def cap(self) -> int:
        """The steps beyond which no cheapest plan goes: alone they would already reach."""
        return self.most if self.count is None else self.count


def fewest(problem: Problem, row: int, given: Counts) -> Alone:
    """Return the fewest steps of a move that reach the target on top of a plan.

    Args:
        problem: Demands and moves.
        row: The move; its count in `given` is left out of account.
        given: Counts of the others.
    """
    others = {other: count for other, count in given.items() if other != row}
    told = replace(problem, scenes=telling(problem, row, others))

    def least(count: int) -> Decimal:
        return told.least({**others, row: count})

    most = problem.moves[row].count_max
    if most is None:
        most = _far_enough(least)
    if problem.model.group is not None and not problem.moves[row].kind.is_money:
        return _scanned(least, most)
    markets = [scene.aim.market for scene in told.scenes]
    found = stretches(problem.moves[row], most, markets, problem.model)
    best, nearest = 0, least(0)
    for low, high in found:
        count, top, value = _in_stretch(least, low, high)
        if count is not None:
            return Alone(count=count, best=count, least=least(count), most=most)
        if value > nearest:
            best, nearest = top, value
    return Alone(count=None, best=best, least=nearest, most=most)


def telling(problem: Problem, row: int, others: Counts) -> Sequence[Scene]:
    """Return demands of which one is the worst met whatever the count of a move.

    Where the asset a move touches counts in full, a step changes all demands alike that see the
    same prices of it: of those, the one that is lowest without the move is lowest with it.
    """
    move, model = problem.moves[row], problem.model
    asset = move.settle if isinstance(move, TradeMove) else move.name
    if not model.asset_in(problem.unit.kind, asset).schedule.is_identity:
        return problem.scenes
    change = problem.change({other: count for other, count in others.items() if other != row})
    known: Parts = {}
    lowest: dict[tuple[object, ...], tuple[Decimal, Scene]] = {}
    for scene in problem.scenes:
        if not scene.is_separable:
            return problem.scenes
        aim = scene.aim
        seen = reading(move.terms, aim.market) if isinstance(move, TradeMove) else None
        key = (seen, price_of(asset, aim.market, model), aim.equity_weight, aim.level)
        total = scene.total(change, known)
        if key not in lowest or total < lowest[key][0]:
            lowest[key] = (total, scene)
    return [scene for _, scene in lowest.values()]


def _scanned(least: Function, most: int) -> Alone:
    """Return the first count that was found to reach, where one margin covers several legs.

    Nothing is known of its shape: so many counts are tried, and between the last that fails and
    the first that reaches the border is halved.
    """
    tried = sorted({most * share // SCANNED for share in range(SCANNED + 1)})
    best, nearest, below = 0, least(0), 0
    for count in tried:
        value = least(count)
        if value >= ZERO:
            high = count
            while high - below > 1:
                middle = (below + high) // 2
                below, high = (below, middle) if least(middle) >= ZERO else (middle, high)
            first = count if count == below else high
            return Alone(count=first, best=first, least=least(first), most=most)
        below = count
        if value > nearest:
            best, nearest = count, value
    return Alone(count=None, best=best, least=nearest, most=most)


def _far_enough(least: Function) -> int:
    """Return a count that reaches the target, or the last that still helps."""
    count = 1
    value = least(0)
    while value < ZERO and count < COUNT_LIMIT:
        fresh = least(count)
        if fresh <= value:
            return count
        value, count = fresh, count * 2
    return count


def _in_stretch(least: Function, low: int, high: int) -> tuple[int | None, int, Decimal]:
    """Return the first reaching count of a stretch, if any, and its best count with its value."""
    at_low = least(low)
    if at_low >= ZERO:
        return low, low, at_low
    at_high = least(high)
    if at_high >= ZERO:
        return _crossing(least, low, high, (at_low, at_high)), high, at_high
    peak, value = _peak(least, low, high, (at_low, at_high))
    if value >= ZERO:
        return _crossing(least, low, peak, (at_low, value)), peak, value
    return None, peak, value


def _crossing(least: Function, low: int, high: int, values: tuple[Decimal, Decimal]) -> int:
    """Return the first count from `low` (fails) to `high` (reaches) that reaches.

    The chord of a concave function lies below it: its root reaches, or is next to what does.
    """
    below, above = values
    halve = False
    while high - low > 1:
        share = Decimal("0.5") if halve else -below / (above - below)
        guess = low + int((high - low) * share)
        guess = min(max(guess, low + 1), high - 1)
        value = least(guess)
        width = high - low
        if value >= ZERO:
            high, above = guess, value
        else:
            low, below = guess, value
        halve = (high - low) * 2 > width and not halve
    return high


def _peak(
    least: Function, low: int, high: int, values: tuple[Decimal, Decimal]
) -> tuple[int, Decimal]:
    """Return the best count of a stretch on which the function is concave."""
    at_low, at_high = values
    if high - low < 2 or least(high - 1) <= at_high:  # noqa: PLR2004 no count between
        return (high, at_high) if at_high > at_low else (low, at_low)
    if least(low + 1) <= at_low:
        return low, at_low
    while high - low > 2:  # noqa: PLR2004 three counts are compared at the end
        middle = (low + high) // 2
        if least(middle) < least(middle + 1):
            low = middle
        else:
            high = middle + 1
    best = max(range(low, high + 1), key=least)
    return best, least(best)


def best_count(move: Move, excess: Scene) -> int:
    """Return the fewest steps of a move after which no further step raises a demand."""

    def least(count: int) -> Decimal:
        return excess.total(move.change(count))

    most = move.count_max or 0
    best, value = 0, least(0)
    if excess.model.group is not None:
        return max((most * share // SCANNED for share in range(SCANNED + 1)), key=least)
    for low, high in stretches(move, most, [excess.aim.market], excess.model):
        peak, found = _peak(least, low, high, (least(low), least(high)))
        if found > value:
            best, value = peak, found
    return best
