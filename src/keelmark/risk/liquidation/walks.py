"""The walk in plain arrays: definition of the kernel, and the way of units a kernel cannot read.

A look gives the excess of every unit and its slopes in log prices at given price ratios. Between
two looks the excess is taken for a walk with the spread it has at either end: of a bridge from
distance `a` to `b`, in deviations, over time `t` the chance to touch zero is `exp(-2 a b / t)`. A
path's chance of liquidation is then `1 - prod(1 - p)`, and the estimate the mean of that.

Source: docs/model.md, "Probability of liquidation".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.risk.liquidation.plans import Plan, Tilt
from keelmark.risk.liquidation.walk_kernel import BEND_MAX, SURE

Array = npt.NDArray[np.float64]

Look = Callable[[Array], tuple[Array, Array]]
"""Ratios (n, coins) to excess (n, units) and slopes in log prices (n, units, coins)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dues:
    """What units pay as time passes, a day, valuation currency.

    Attributes:
        flat: Whatever prices do, (units,).
        carry: Per one of each coin's ratio, (units, coins).
    """

    flat: Array
    carry: Array

    def at(self, ratios: Array) -> Array:
        """Return what is paid a day at ratios, (n, units)."""
        found: Array = self.flat + ratios @ self.carry.T
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The excess now as one straight walk.

    Attributes:
        still: Its direction in independent normals, unit length, (units, coins).
        distances: In deviations of a day, (units,); infinite where nothing moves it.
    """

    still: Array
    distances: Array

    @classmethod
    def of(cls, excess: Array, slopes: Array, factor: Array) -> "Start":
        """Return the start of units with this excess (units,) and these slopes (units, coins)."""
        white = slopes @ factor
        spread = np.sqrt(np.sum(white**2, axis=1))
        moves = spread > 0.0
        safe = np.where(moves, spread, 1.0)
        return cls(
            still=np.ascontiguousarray(np.where(moves[:, None], white / safe[:, None], 0.0)),
            distances=np.where(moves, excess / safe, np.inf),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What some pairs of paths found.

    Attributes:
        hits: Chance of liquidation by each horizon, the last unit any of them:
            (pairs, horizons, units + 1).
        controls: The same of the excess as one straight walk, (pairs, horizons, units).
        curve: Chance of each step summed over pairs, (units + 1, steps).
    """

    hits: Array
    controls: Array
    curve: Array


def distances_of(excess: Array, slopes: Array, plan: Plan) -> Array:
    """Return how many deviations of a day the boundary is away, along the slope, to third order."""
    white = slopes @ plan.factor
    square = np.sum(white**2, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = white @ plan.factor.T
        bend = np.sum(slopes * along**2, axis=-1) / square**1.5
        third = np.sum(slopes * along**3, axis=-1) / square**2
        far = excess / np.sqrt(square)
        more = far * (0.5 * bend + far * (0.5 * bend**2 - third / 6.0))
        found = far * (1.0 + np.clip(more, -BEND_MAX, BEND_MAX))
    return np.asarray(np.where(excess <= 0.0, 0.0, np.where(square > 0.0, found, np.inf)))


def crossed(before: Array, after: Array, variance: Array | float) -> Array:
    """Return the chance that a bridge between two distances touches zero."""
    touching = (before <= 0.0) | (after <= 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        power = np.where(touching, np.inf, 2.0 * before * after / variance)
    return np.where(touching, 1.0, np.where(power < SURE, np.exp(-np.minimum(power, SURE)), 0.0))


def walked(look: Look, dues: Dues, plan: Plan, tilt: Tilt, draws: "Draws") -> Walked:
    """Walk every pair of paths, one with the draws and one with their opposite.

    Args:
        look: What the units are at given prices.
        dues: What they pay as time passes.
        plan: Steps in time and the walk of the coins.
        tilt: Of the draws.
        draws: Normals of the pairs.
    """
    one, other = (_one_side(look, dues, plan, tilt, draws, sign) for sign in (1.0, -1.0))
    return Walked(
        hits=0.5 * (one.hits + other.hits),
        controls=0.5 * (one.controls + other.controls),
        curve=0.5 * (one.curve + other.curve),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Normals of pairs of paths.

    Attributes:
        normals: (pairs, steps, coins).
        stretches: Factor on the deviation of each step, (pairs, steps); `None` for one.
        first: Number of the first pair: it tells the component of a mixture.
    """

    normals: Array
    stretches: Array | None = None
    first: int = 0


def _one_side(look: Look, dues: Dues, plan: Plan, tilt: Tilt, draws: Draws, sign: float) -> Walked:
    count, steps, coins = draws.normals.shape
    logs = np.zeros((count, coins))
    excess, slopes = look(np.ones((1, coins)))
    units = excess.shape[1]
    start = Start.of(excess[0], slopes[0], plan.factor)
    far = np.tile(distances_of(excess, slopes, plan), (count, 1))
    control_far = np.tile(start.distances, (count, 1))
    alive, control_alive = np.ones((count, units)), np.ones((count, units))
    any_alive = np.ones(count)
    paid, rate = np.zeros((count, units)), np.tile(dues.at(np.ones((1, coins))), (count, 1))
    components = len(tilt.weights)
    turns = (draws.first + np.arange(count)) % max(1, len(tilt.turns))
    faces = tilt.turns[turns] if components else turns
    odds = np.zeros((count, components))
    hits = np.zeros((count, max(plan.horizon) + 1, units + 1))
    controls = np.zeros((count, max(plan.horizon) + 1, units))
    curve = np.zeros((units + 1, steps))
    horizon = 0
    for step in range(steps):
        drawn = sign * draws.normals[:, step]
        if components:
            drawn = drawn + tilt.shifts[faces, step]
            odds += drawn @ tilt.shifts[:, step].T - tilt.halves[:, step]
        stretch = np.ones(count) if draws.stretches is None else draws.stretches[:, step]
        logs += plan.drift * plan.days[step]
        logs += plan.roots[step] * stretch[:, None] * (drawn @ plan.factor.T)
        ratios = np.exp(logs)
        share = shares_of(tilt, odds)
        excess, slopes = look(ratios)
        paid_now = dues.at(ratios)
        paid += 0.5 * (rate + paid_now) * plan.days[step]
        rate = paid_now
        after = distances_of(excess - paid, slopes, plan)
        chance = crossed(far, after, (plan.days[step] * stretch**2)[:, None])
        far = after
        control_after = control_far + plan.roots[step] * (drawn @ start.still.T)
        control = control_alive * crossed(control_far, control_after, plan.days[step])
        control_far, control_alive = control_after, control_alive - control
        gone = alive * chance
        alive = alive - gone
        any_gone = any_alive * (1.0 - np.prod(1.0 - chance, axis=1))
        any_alive = any_alive - any_gone
        found = share[:, None] * np.column_stack([gone, any_gone])
        hits[:, horizon] += found
        curve[:, step] += found.sum(axis=0)
        controls[:, horizon] += share[:, None] * control
        horizon += int(plan.horizon[step] >= 0)
    return Walked(hits=np.cumsum(hits, axis=1), controls=np.cumsum(controls, axis=1), curve=curve)


def shares_of(tilt: Tilt, odds: Array) -> Array:
    """Return the likelihood of each path over that under the mixture, by logarithms."""
    if not len(tilt.weights):
        return np.ones(len(odds))
    logs = odds + tilt.weights
    top = logs.max(axis=1)
    return np.asarray(np.exp(-top) / np.exp(logs - top[:, None]).sum(axis=1))
