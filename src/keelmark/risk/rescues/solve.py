"""Solve a problem: free money first, then the cheapest mix of what costs something.

Money that costs nothing never makes a demand harder, so as much of it as helps comes before
anything with a cost; the least amount that then suffices is moved, in the order it is offered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.alone import Alone, fewest
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.scene import scenes_of
from keelmark.risk.rescues.search import Found, cheapest


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """Counts by move, whether they reach, and the bound of their cost.

    Attributes:
        alone: What each move does by itself, as far as that was found on the way.
    """

    counts: Mapping[int, int]
    reaches: bool
    bound: Decimal | None
    alone: Mapping[int, Alone] = field(default_factory=dict)


def solve(problem: Problem) -> Solved:
    """Return the cheapest plan, or what comes nearest."""
    if problem.reaches({}):
        return Solved(counts={}, reaches=True, bound=ZERO)
    free = [row for row, move in enumerate(problem.moves) if move.kind.is_money and move.is_free]
    given: dict[int, int] = {}
    for row in free:
        one = fewest(problem, row, given)
        if one.count is not None:
            return Solved(
                counts=_least_money(problem, {**given, row: one.count}), reaches=True, bound=ZERO
            )
        given[row] = one.best
    rest = _after(problem, given)
    alone = {row: fewest(rest, row, {}) for row in range(len(problem.moves)) if row not in free}
    found = _paid(rest, alone)
    counts = {**given, **{row: count for row, count in found.counts.items() if count}}
    return Solved(
        counts=_least_money(problem, counts) if found.reaches else counts,
        reaches=found.reaches,
        bound=found.bound if problem.is_certain else problem.floor,
        alone=alone if rest is problem else {},
    )


def _least_money(problem: Problem, counts: Mapping[int, int]) -> dict[int, int]:
    """Return a plan that reaches with the free money it does not need left where it is."""
    kept = {row: count for row, count in counts.items() if count}
    for row in reversed(list(kept)):
        move = problem.moves[row]
        if move.kind.is_money and move.is_free:
            one = fewest(problem, row, kept)
            if one.count is not None:
                kept[row] = one.count
    return {row: count for row, count in kept.items() if count}


def _after(problem: Problem, given: Mapping[int, int]) -> Problem:
    """Return the problem that is left once money is in."""
    if not any(given.values()):
        return problem
    unit = problem.after(given)
    scenes = scenes_of(unit, (scene.aim for scene in problem.scenes), problem.model)
    opening = replace(problem.opening, unit=unit)
    return replace(problem, unit=unit, scenes=scenes, opening=opening)


def _paid(problem: Problem, alone: Mapping[int, Alone]) -> Found:
    """Return the cheapest counts of the moves that cost something."""
    rows = [row for row, one in alone.items() if one.most > 0]
    if not rows:
        return Found(counts={}, reaches=False, bound=None)
    own = problem.with_moves([problem.moves[row] for row in rows])
    found = _found(own, [alone[row] for row in rows])
    return replace(found, counts={rows[row]: count for row, count in found.counts.items()})


def _found(problem: Problem, alone: list[Alone]) -> Found:
    """Return the answer: of one move its own, which needs no solver, else the cheapest mix."""
    if len(alone) == 1:
        one = alone[0]
        if one.count is None:
            return Found(counts={0: one.best}, reaches=False, bound=None)
        return Found(counts={0: one.count}, reaches=True, bound=problem.cost({0: one.count}).total)
    return cheapest(problem, alone)
