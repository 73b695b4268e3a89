"""Find the cheapest counts: solve, round to whole steps in the safe direction, verify, repair.

Nothing a solver says is believed: counts are whole, and whether they reach is asked of the exact
demands; the bound is computed from the duals in exact decimals.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from itertools import product

from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.alone import Alone, fewest, telling
from keelmark.risk.rescues.demands import add_demands, add_opening
from keelmark.risk.rescues.formulation import Formulation
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.solver import Answer, Solver

CUTS_MAX = 40
WHOLE_CUTS_MAX = 6
REPAIRS_MAX = 4
MADE_UP = 500
"""Steps of a cheap move tried to make up for rounded dear ones."""
DEAR = 3
"""Moves whose steps are tried both up and down."""
CURVE_PRECISION = Decimal("1e-9")
LAST_DIGITS = Decimal("1e-6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Counts, whether they reach, and what is proven of their cost.

    Attributes:
        counts: Steps by move.
        reaches: Whether every demand is met.
        bound: No plan of these moves costs less; `None` where nothing is proven.
    """

    counts: Mapping[int, int]
    reaches: bool
    bound: Decimal | None


def cheapest(problem: Problem, alone: Sequence[Alone]) -> Found:
    """Return the cheapest plan of moves that all cost something.

    Args:
        problem: Demands and moves.
        alone: What each move does by itself; no cheapest plan makes more steps of one move than
            reach without the others.
    """
    caps = [one.cap for one in alone]
    relaxed = _Relaxed.of(problem, caps)
    answer = relaxed.solve()
    bound = relaxed.bound(answer)
    plans = [_rounded(problem, relaxed, answer, caps), *_singles(alone)]
    if not answer.is_feasible:
        plans.append(_everything(problem, caps))
    found = _best(problem, plans)
    if answer.is_feasible and (found is None or _is_wide(problem, found, bound)):
        found = _best(problem, [found, *_filled(problem, relaxed, answer, caps)])
    if answer.is_feasible and (found is None or _is_wide(problem, found, bound)):
        whole = relaxed.in_whole_numbers(caps)
        searched = _rounded(problem, whole, whole.solve(), caps)
        found = _best(problem, [found, searched])
    if problem.hedges and (found is None or _is_wide(problem, found, bound)):
        found = _best(problem, [found, *_within_initial_margin(problem, alone)])
    if found is None:
        found = _everything(problem, caps)
    if found is None:
        return _nearest(problem, caps)
    return Found(counts=found, reaches=True, bound=bound)


def _within_initial_margin(
    problem: Problem, alone: Sequence[Alone]
) -> list[Mapping[int, int] | None]:
    """Return plans that open nothing, and that open as far as initial margin allows.

    The programs of both are narrower than the first: its bound holds for all.
    """
    caps = [one.cap for one in alone]
    opened = set(problem.hedges)
    rest = [row for row in range(len(caps)) if row not in opened and caps[row]]
    plans: list[Mapping[int, int] | None] = []
    if rest:
        own = problem.with_moves([problem.moves[row] for row in rest])
        without = cheapest(own, [alone[row] for row in rest])
        if without.reaches:
            plans.append({rest[row]: count for row, count in without.counts.items()})
    relaxed = _Relaxed.of(problem, caps, is_opening=True)
    plans.append(_rounded(problem, relaxed, relaxed.solve(), caps))
    whole = _Relaxed.of(problem, caps, is_whole=True, is_opening=True)
    plans.append(_rounded(problem, whole, whole.solve(), caps))
    return plans


def _everything(problem: Problem, caps: Sequence[int]) -> dict[int, int] | None:
    """Return every step of every move, less those that are not needed, if that reaches."""
    counts = dict(enumerate(caps))
    return _trimmed(problem, counts) if problem.reaches(counts) else None


def _singles(alone: Sequence[Alone]) -> list[dict[int, int]]:
    return [{row: one.count} for row, one in enumerate(alone) if one.count is not None]


def _best(
    problem: Problem, candidates: Sequence[Mapping[int, int] | None]
) -> Mapping[int, int] | None:
    """Return the cheapest of the plans that reach."""
    known = [counts for counts in candidates if counts is not None]
    return min(known, key=lambda counts: problem.cost(counts).total, default=None)


def _is_wide(problem: Problem, counts: Mapping[int, int], bound: Decimal | None) -> bool:
    """Whether a plan is further from its bound than the search may stop at."""
    cost = problem.cost(counts).total
    return bound is None or cost - bound > problem.gap * cost


class _Relaxed:
    """A problem's program held by a solver; whole numbers only where asked."""

    def __init__(self, problem: Problem, built: Formulation, *, is_whole: bool = False) -> None:
        self.problem = problem
        self.built = built
        self.demanded = 0
        self.solver = Solver(built.program, is_whole=is_whole, gap=problem.gap)

    @classmethod
    def of(
        cls,
        problem: Problem,
        caps: Sequence[int],
        *,
        is_whole: bool = False,
        is_opening: bool = False,
    ) -> "_Relaxed":
        """Return the program of a problem, with the demand on what opens where asked for."""
        built = Formulation(problem, caps)
        add_demands(built)
        if is_opening:
            add_opening(built, caps)
        return cls(problem, built, is_whole=is_whole)

    def in_whole_numbers(self, caps: Sequence[int]) -> "_Relaxed":
        """Return the same program in whole numbers, unless more was asked of its demands."""
        if self.demanded:
            return _Relaxed.of(self.problem, caps, is_whole=True)
        return _Relaxed(self.problem, self.built, is_whole=True)

    def solve(self) -> Answer:
        """Solve, adding chords until the curves are held where the answer stands."""
        answer = self.solver.solve()
        for _ in range(WHOLE_CUTS_MAX if self.solver.is_whole else CUTS_MAX):
            if not answer.is_feasible or not self._tightened(answer):
                break
            answer = self.solver.solve()
        return answer

    def _tightened(self, answer: Answer) -> bool:
        """Add chords where a curve's column lies below its function; say whether any was."""
        rows = len(self.built.program.rows)
        for curve in self.built.curves:
            count = self.count(curve.move, answer)
            value = curve.function(count)
            short = value - Decimal(repr(answer.values[curve.column]))
            if short > CURVE_PRECISION * max(abs(value), Decimal(1)):
                self.built.tighten(curve, count)
        return len(self.built.program.rows) > rows

    def count(self, move: int, answer: Answer) -> Decimal:
        """Return a move's count in an answer, within its ends."""
        known = self.built.counts[move]
        total = sum((x * Decimal(repr(answer.values[c])) for c, x in known.sum.terms.items()), ZERO)
        return min(max(total, ZERO), known.reach)

    def bound(self, answer: Answer) -> Decimal | None:
        """Return the proven bound; `None` where a rule's form is not known or nothing is proven."""
        if not (self.built.is_proof and answer.duals):
            return None
        return max(ZERO, self.built.program.bound(answer.duals))

    def demand_more(self, row: int, amount: Decimal) -> None:
        """Ask of a demand that it exceed nothing by an amount."""
        self.demanded += 1
        old = self.built.program.rows[self.built.demands[row]]
        self.built.demands[row] = self.built.program.row(old.terms, old.low + amount)


def _rounded(
    problem: Problem, relaxed: _Relaxed, answer: Answer, caps: Sequence[int]
) -> dict[int, int] | None:
    """Return whole counts near an answer that reach; demands it misses are asked more of."""
    for _ in range(REPAIRS_MAX):
        if not answer.is_feasible:
            return None
        parts = [relaxed.count(row, answer) for row in range(len(caps))]
        nearest, above = (_whole(parts, caps, way) for way in (ROUND_HALF_EVEN, ROUND_CEILING))
        for counts in (nearest, above):
            repaired = _repaired(problem, counts, parts)
            if repaired is not None:
                return _trimmed(problem, repaired)
        _ask_more(problem, relaxed, above)
        answer = relaxed.solve()
    return None


def _filled(
    problem: Problem, relaxed: _Relaxed, answer: Answer, caps: Sequence[int]
) -> Iterator[dict[int, int]]:
    """Yield plans with the dearest steps up and down and what then lacks made up by a cheap one.

    Where rounding all alike is too dear, this is far quicker than a search in whole numbers.
    """
    parts = [relaxed.count(row, answer) for row in range(len(caps))]
    near = _whole(parts, caps, ROUND_HALF_EVEN)
    broken = [row for row, part in enumerate(parts) if part % 1 and near[row] < caps[row]]
    broken.sort(key=lambda row: problem.moves[row].cost(1).total, reverse=True)
    dear, cheap = broken[:DEAR], broken[DEAR:][-1:] or broken[-1:]
    dear = [row for row in dear if row not in cheap]
    for ups in product((0, 1), repeat=len(dear)):
        given = {row: int(parts[row]) + up for row, up in zip(dear, ups, strict=True)}
        counts = {**near, **given}
        for row in cheap:
            filled = _made_up(problem, row, counts, caps[row])
            if filled is not None:
                yield filled


def _made_up(problem: Problem, row: int, counts: dict[int, int], cap: int) -> dict[int, int] | None:
    """Return the counts with so many steps more of one move, or fewer, as just reach."""
    told = replace(problem, scenes=telling(problem, row, counts))
    low = max(0, counts[row] - MADE_UP)
    high = min(cap, counts[row] + MADE_UP)
    if not told.reaches({**counts, row: high}):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if told.reaches({**counts, row: middle}) else (middle + 1, high)
    found = {**counts, row: high}
    return found if problem.reaches(found) else None


def _whole(parts: Sequence[Decimal], caps: Sequence[int], rounding: str) -> dict[int, int]:
    """Return whole counts of an answer; what is a whole number but for its last digits stays it."""
    settled = (part.quantize(LAST_DIGITS) for part in parts)
    return {
        row: min(int(part.to_integral_value(rounding=rounding)), caps[row])
        for row, part in enumerate(settled)
    }


def _repaired(
    problem: Problem, counts: dict[int, int], exact_counts: Sequence[Decimal]
) -> dict[int, int] | None:
    """Return the counts if they reach, or with one of them raised so that they do."""
    if problem.reaches(counts):
        return counts
    money = [row for row, move in enumerate(problem.moves) if move.kind.is_money]
    for row in [row for row in money if exact_counts[row] > ZERO]:
        one = fewest(problem, row, counts)
        if one.count is not None:
            return {**counts, row: one.count}
    return None


def _ask_more(problem: Problem, relaxed: _Relaxed, counts: Mapping[int, int]) -> None:
    """Ask more of the demands that rounded counts miss, by what they miss."""
    change = problem.change(counts)
    demands = problem.demands(counts)[: len(relaxed.built.demands)]
    for row, demand in enumerate(demands):
        missing = -demand.total(change)
        if missing > ZERO:
            relaxed.demand_more(row, missing)


def _trimmed(problem: Problem, counts: Mapping[int, int]) -> dict[int, int]:
    """Return the counts with every step left out that is not needed, dearest moves first."""
    kept = dict(counts)
    order = sorted(kept, key=lambda row: problem.moves[row].cost(1).total, reverse=True)
    for row in order:
        step = 1
        while kept[row] >= step and problem.reaches({**kept, row: kept[row] - step}):
            kept[row] -= step
            step *= 2
        while step > 1:
            step //= 2
            if kept[row] >= step and problem.reaches({**kept, row: kept[row] - step}):
                kept[row] -= step
    return kept


def _nearest(problem: Problem, caps: Sequence[int]) -> Found:
    """Return the counts that miss the demands by least, where nothing reaches them all."""
    built = Formulation(problem, caps)
    high = sum((abs(scene.now) for scene in problem.scenes), ZERO) * 2 + 1
    shortage = built.program.column(high, cost=Decimal(1))
    columns = built.program.columns
    for row, column in enumerate(columns):
        if row != shortage:
            columns[row] = type(column)(low=column.low, high=column.high, is_whole=column.is_whole)
    add_demands(built, shortage)
    answer = Solver(built.program, is_whole=True, gap=problem.gap).solve()
    counts: dict[int, int] = {}
    if answer.is_feasible:
        for row, count in enumerate(built.counts):
            value = sum(
                (x * Decimal(repr(answer.values[c])) for c, x in count.sum.terms.items()), ZERO
            )
            counts[row] = min(max(int(value.to_integral_value()), 0), caps[row])
    unopened = {row: count for row, count in counts.items() if row not in problem.hedges}
    allowed = [tried for tried in (counts, unopened, {}) if problem.may_open(tried)]
    best = max(allowed, key=problem.least)
    return Found(counts=best, reaches=problem.reaches(best), bound=None)
