"""Paths of several coins and the chance that each unit is liquidated on the way, step by step.

Definition: `risk.liquidation.walks.walked`.
"""

from math import exp, inf, sqrt

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import inlined, njit_unlocked
from keelmark.risk.liquidation.piecewise import Book
from keelmark.risk.liquidation.plans import NEAR, Plan, Tilt

Array = npt.NDArray[np.float64]

BEND_MAX = 0.3
"""Share of a distance that the bend of the boundary may change."""
SURE = 37.0
"""`exp` of minus this is no chance any more."""

LOG, RATIO, SLOPE, WHITE, DRAWN = range(5)
"""Rows of the scratch by coin."""
ALIVE, FAR, CONTROL_ALIVE, CONTROL_FAR, PAID, RATE = range(6)
"""Rows of the scratch by unit."""


def scratch_of(book: Book, plan: Plan, tilt: Tilt) -> tuple[Array, Array, Array]:
    """Return what a kernel writes on while it walks one path: by coin, by unit, by component."""
    by_unit = np.zeros((6, len(book.constant)))
    return np.zeros((5, len(plan.drift))), by_unit, np.zeros(max(1, len(tilt.weights)))


@inlined
def advance(
    plan: Plan,
    tilt: Tilt,
    normals: Array,
    step: int,
    sign: float,
    stretch: float,
    face: int,
    coins: Array,
    odds: Array,
) -> None:
    """Move every coin by one step, and the log odds of every component of the mixture."""
    count = plan.drift.shape[0]
    root = plan.roots[step]
    for j in range(count):
        coins[DRAWN, j] = sign * normals[step, j]
        if face >= 0:
            coins[DRAWN, j] += tilt.shifts[face, step, j]
    for component in range(tilt.weights.shape[0]):
        total = -tilt.halves[component, step]
        for j in range(count):
            total += tilt.shifts[component, step, j] * coins[DRAWN, j]
        odds[component] += total
    for c in range(count):
        moved = 0.0
        for j in range(count):
            moved += plan.factor[c, j] * coins[DRAWN, j]
        coins[LOG, c] += plan.drift[c] * plan.days[step] + root * stretch * moved
        coins[RATIO, c] = exp(coins[LOG, c])


@inlined
def share_of(tilt: Tilt, odds: Array) -> float:
    """Return the likelihood of the path so far over that under the mixture, by logarithms."""
    count = tilt.weights.shape[0]
    if count == 0:
        return 1.0
    top = -inf
    for component in range(count):
        top = max(top, odds[component] + tilt.weights[component])
    total = 0.0
    for component in range(count):
        total += exp(odds[component] + tilt.weights[component] - top)
    return float(exp(-top) / total)


@inlined
def excess_of(book: Book, unit: int, coins: Array, plan: Plan) -> tuple[float, float, float]:
    """Return the excess, a bound of its spread a day, and what is paid a day; write the slopes."""
    excess = book.constant[unit]
    bound = 0.0
    paid = book.flat[unit]
    for c in range(plan.drift.shape[0]):
        ratio = coins[RATIO, c]
        piece = book.now[unit, c]
        while ratio > book.ends[piece]:
            piece += 1
        while piece > book.first[unit, c] and ratio <= book.ends[piece - 1]:
            piece -= 1
        slope = book.slopes[piece] * ratio
        excess += book.levels[piece] + slope
        bound += abs(slope) * plan.deviations[c]
        paid += book.carry[unit, c] * ratio
        coins[SLOPE, c] = slope
    return excess, bound, paid


@inlined
def distance_of(
    excess: float, bound: float, paid: float, near: float, coins: Array, plan: Plan
) -> float:
    """Return how many deviations of a day the boundary is away: to third order along the slope."""
    if excess <= 0.0:
        return 0.0
    if bound == 0.0:
        return inf
    if excess - abs(paid) * (near / NEAR) ** 2 >= near * bound:
        return excess / bound
    count = plan.drift.shape[0]
    square = 0.0
    for j in range(count):
        white = 0.0
        for c in range(count):
            white += coins[SLOPE, c] * plan.factor[c, j]
        coins[WHITE, j] = white
        square += white * white
    if square == 0.0:
        return inf
    bend = 0.0
    third = 0.0
    for c in range(count):
        along = 0.0
        for j in range(count):
            along += plan.factor[c, j] * coins[WHITE, j]
        bend += coins[SLOPE, c] * along * along
        third += coins[SLOPE, c] * along * along * along
    bend /= square * sqrt(square)
    third /= square * square
    far = excess / sqrt(square)
    more = far * (0.5 * bend + far * (0.5 * bend * bend - third / 6.0))
    return far * (1.0 + min(BEND_MAX, max(-BEND_MAX, more)))


@inlined
def crossed(before: float, after: float, variance: float) -> float:
    """Return the chance that a bridge between two distances touches zero."""
    if before <= 0.0 or after <= 0.0:
        return 1.0
    power = 2.0 * before * after / variance
    return exp(-power) if power < SURE else 0.0


@inlined
def control_step(
    plan: Plan, still: Array, unit: int, units: Array, coins: Array, step: int
) -> float:
    """Return the chance that the excess as one straight walk ends in this step."""
    before = units[CONTROL_FAR, unit]
    after = before
    for j in range(plan.drift.shape[0]):
        after += still[unit, j] * coins[DRAWN, j] * plan.roots[step]
    units[CONTROL_FAR, unit] = after
    found = float(units[CONTROL_ALIVE, unit] * crossed(before, after, plan.days[step]))
    units[CONTROL_ALIVE, unit] -= found
    return found


@inlined
def begin(
    book: Book,
    plan: Plan,
    starts: Array,
    wide: float,
    coins: Array,
    units: Array,
    odds: Array,
) -> None:
    """Put everything where it is now."""
    for c in range(plan.drift.shape[0]):
        coins[LOG, c] = 0.0
        coins[RATIO, c] = 1.0
    for unit in range(book.constant.shape[0]):
        excess, bound, paid = excess_of(book, unit, coins, plan)
        units[ALIVE, unit] = 1.0
        units[FAR, unit] = distance_of(excess, bound, paid, wide * plan.near[0], coins, plan)
        units[CONTROL_ALIVE, unit] = 1.0
        units[CONTROL_FAR, unit] = starts[unit]
        units[PAID, unit] = 0.0
        units[RATE, unit] = paid
    for component in range(odds.shape[0]):
        odds[component] = 0.0


@inlined
def unit_step(
    book: Book,
    plan: Plan,
    unit: int,
    step: int,
    variance: float,
    wide: float,
    coins: Array,
    units: Array,
) -> float:
    """Return the chance that a unit still there is liquidated in this step."""
    excess, bound, paid = excess_of(book, unit, coins, plan)
    units[PAID, unit] += 0.5 * (units[RATE, unit] + paid) * plan.days[step]
    units[RATE, unit] = paid
    near = wide * plan.near[step]
    after = distance_of(excess - units[PAID, unit], bound, paid, near, coins, plan)
    found = crossed(units[FAR, unit], after, variance)
    units[FAR, unit] = after
    return found


@inlined
def step_units(
    book: Book,
    plan: Plan,
    tilt: Tilt,
    still: Array,
    step: int,
    stretch: float,
    wide: float,
    coins: Array,
    units: Array,
    odds: Array,
    hits: Array,
    controls: Array,
    curve: Array,
    any_alive: float,
) -> float:
    """Write what one step adds of one path; return the chance that no unit is liquidated yet."""
    count = book.constant.shape[0]
    variance = plan.days[step] * stretch * stretch
    share = -1.0
    none = 1.0
    for unit in range(count):
        control = control_step(plan, still, unit, units, coins, step)
        chance = 0.0
        if units[ALIVE, unit] > 0.0:
            chance = unit_step(book, plan, unit, step, variance, wide, coins, units)
        if control == 0.0 and chance == 0.0:
            continue
        if share < 0.0:
            share = 0.5 * share_of(tilt, odds)
        gone = units[ALIVE, unit] * chance
        units[ALIVE, unit] -= gone
        none *= 1.0 - chance
        controls[unit] += share * control
        hits[unit] += share * gone
        curve[unit, step] += share * gone
    if none < 1.0:
        gone = any_alive * (1.0 - none)
        any_alive -= gone
        hits[count] += share * gone
        curve[count, step] += share * gone
    return any_alive


@inlined
def face_of(tilt: Tilt, pair: int) -> int:
    """Return the component of a pair; -1 where draws are not pulled."""
    turns = tilt.turns.shape[0]
    return int(tilt.turns[pair % turns]) if turns else -1


@inlined
def widest(stretches: Array, pair: int) -> float:
    """Return the largest factor on a step's deviation, at least one."""
    found = 1.0
    for step in range(stretches.shape[1]):
        found = max(found, stretches[pair, step])
    return found


@inlined
def clear(hits: Array, controls: Array) -> None:
    """Set what is added to to nothing."""
    for horizon in range(hits.shape[0]):
        for unit in range(hits.shape[1]):
            hits[horizon, unit] = 0.0
        for unit in range(controls.shape[1]):
            controls[horizon, unit] = 0.0


@inlined
def add_up(hits: Array, controls: Array) -> None:
    """Make chances by each horizon of chances between horizons."""
    for horizon in range(1, hits.shape[0]):
        for unit in range(hits.shape[1]):
            hits[horizon, unit] += hits[horizon - 1, unit]
        for unit in range(controls.shape[1]):
            controls[horizon, unit] += controls[horizon - 1, unit]


@inlined
def is_over(units: Array) -> bool:
    """Whether nothing more can happen to any unit or control on this path."""
    left = 0.0
    for unit in range(units.shape[1]):
        left += units[ALIVE, unit] + units[CONTROL_ALIVE, unit]
    return left == 0.0


@njit_unlocked
def walk_kernel(
    book: Book,
    plan: Plan,
    tilt: Tilt,
    normals: Array,  # (pairs, steps, coins)
    stretches: Array,  # (pairs, steps) factor on each step's deviation; empty for none
    still: Array,  # (units, coins) direction of the excess now, deviations of a day
    starts: Array,  # (units,) its distance now, deviations of a day
    coins: Array,  # (5, coins) scratch
    units: Array,  # (6, units) scratch
    odds: Array,  # (components,) scratch
    hits: Array,  # (pairs, horizons, units + 1) chance by then, the last unit any; written
    controls: Array,  # (pairs, horizons, units) the same of straight walks; written
    curve: Array,  # (units + 1, steps) summed chance of each step; added to
    first: int,  # number of the first pair
) -> None:
    """Walk every pair of paths, one with the draws and one with their opposite.

    Runs beside others on threads: what it writes is its caller's own.
    """
    for pair in range(normals.shape[0]):
        face = face_of(tilt, first + pair)
        wide = widest(stretches, pair)
        clear(hits[pair], controls[pair])
        for side in range(2):
            begin(book, plan, starts, wide, coins, units, odds)
            any_alive = 1.0
            horizon = 0
            for step in range(plan.days.shape[0]):
                stretch = stretches[pair, step] if stretches.shape[0] else 1.0
                sign = 1.0 - 2.0 * side
                advance(plan, tilt, normals[pair], step, sign, stretch, face, coins, odds)
                any_alive = step_units(
                    book,
                    plan,
                    tilt,
                    still,
                    step,
                    stretch,
                    wide,
                    coins,
                    units,
                    odds,
                    hits[pair, horizon],
                    controls[pair, horizon],
                    curve,
                    any_alive,
                )
                if is_over(units):
                    break
                if plan.horizon[step] >= 0:
                    horizon += 1
        add_up(hits[pair], controls[pair])
