"""Solve a problem: free money first, then the cheapest mix of what costs something.

Money that costs nothing never makes a demand harder, so as much of it as helps comes before
anything with a cost; the least amount that then suffices is moved, in the order it is offered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.alone import Alone, fewest
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.scene import Scene
from keelmark.risk.rescues.search import Found, cheapest


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """Counts by move, whether they reach, and the bound of their cost."""

    counts: Mapping[int, int]
    reaches: bool
    bound: Decimal | None


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
    paid = [row for row in range(len(problem.moves)) if row not in free]
    found = _paid(problem, given, paid)
    counts = {**given, **{paid[row]: count for row, count in found.counts.items() if count}}
    if found.reaches:
        counts = _least_money(problem, counts)
    return Solved(counts=counts, reaches=found.reaches, bound=found.bound)


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


def _paid(problem: Problem, given: Mapping[int, int], paid: list[int]) -> Found:
    """Return the cheapest counts of what costs something, the free money being in."""
    rest = problem
    if any(given.values()):
        unit = problem.after(given)
        scenes = tuple(Scene(unit, scene.aim, problem.model) for scene in problem.scenes)
        rest = replace(problem, unit=unit, scenes=scenes)
    rest = rest.with_moves([problem.moves[row] for row in paid])
    alone = [fewest(rest, row, {}) for row in range(len(paid))]
    helpful = [row for row, one in enumerate(alone) if one.most > 0]
    if not helpful:
        return Found(counts={}, reaches=False, bound=None)
    rest = rest.with_moves([rest.moves[row] for row in helpful])
    found = _found(rest, [alone[row] for row in helpful])
    counts = {helpful[row]: count for row, count in found.counts.items()}
    return replace(found, counts=counts)


def _found(problem: Problem, alone: list[Alone]) -> Found:
    """Return the answer: of one move its own, which needs no solver, else the cheapest mix."""
    if len(alone) == 1:
        one = alone[0]
        if one.count is None:
            return Found(counts={0: one.best}, reaches=False, bound=None)
        return Found(counts={0: one.count}, reaches=True, bound=problem.cost({0: one.count}).total)
    return cheapest(problem, alone)
