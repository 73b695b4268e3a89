"""From pairs of paths to probabilities: shards on threads, a control variate, and the error."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.risk.liquidation.draws import Points, Shard, Source
from keelmark.risk.liquidation.one_barrier import half_space_met_by
from keelmark.risk.liquidation.piecewise import Book, look_at
from keelmark.risk.liquidation.plans import NO_TILT, Plan, Tilt
from keelmark.risk.liquidation.walk_kernel import scratch_of, walk_kernel
from keelmark.risk.liquidation.walks import Draws, Dues, Look, Start, Walked, walked

Array = npt.NDArray[np.float64]

Walker = Callable[[Draws], Walked]

_AGREES = 5.0
"""Standard errors by which the mean of a control may differ from what is known of it."""
_CLOSELY = 0.1
"""Largest standard error of a control, of what is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What all paths found; the last unit is any of them.

    Attributes:
        probability: By horizon and unit, (horizons, units + 1).
        error: Standard error of each.
        sample: Effective number of the paths that liquidate: `(sum w)^2 / sum w^2`.
        curve: Chance up to the end of each step, (units + 1, steps).
        paths: How many.
        gain: Variance of the plain mean over that with the control variate.
    """

    probability: Array
    error: Array
    sample: Array
    curve: Array
    paths: int
    gain: Array


def simulated(walk: Walker, start: Start, plan: Plan, source: Source) -> Estimate:
    """Return the estimate of a source's paths.

    Threads share the shards and change no digit: each writes its own sums, added in order.

    Args:
        walk: From draws to what they find.
        start: What the control variate is of.
        plan: Times.
        source: Of draws.
    """

    def summed(shard: Shard) -> "_Sums":
        return _Sums.of([walk(draws) for draws in shard.draws(plan)])

    shards = source.shards()
    with ThreadPoolExecutor(max_workers=min(len(shards), os.cpu_count() or 1)) as pool:
        parts = list(pool.map(summed, shards))
    known = None if source.degrees is not None else control_means(start, plan)
    if source.points is Points.SOBOL:
        return _of_replications(parts)
    return _of_sums(parts, known)


def kernel_walker(book: Book, plan: Plan, tilt: Tilt = NO_TILT) -> Walker:
    """Return the quick way of units that are lines."""
    excess, slopes = look_at(book, np.ones((1, len(plan.drift))))
    start = Start.of(excess[0], slopes[0], plan.factor)
    units, horizons = len(book.constant), int(plan.horizon.max()) + 1
    if len(tilt.weights):
        pulls = np.sqrt(2.0 * tilt.halves.max(axis=0))
        ahead = np.maximum(pulls, np.append(pulls[1:], 0.0))
        plan = plan._replace(near=plan.near * (1.0 + ahead / 4.0))  # a pulled step goes farther

    def walk(draws: Draws) -> Walked:
        pairs = len(draws.normals)
        found = Walked(
            hits=np.empty((pairs, horizons, units + 1)),
            controls=np.empty((pairs, horizons, units)),
            curve=np.zeros((units + 1, len(plan.days))),
        )
        stretches = np.empty((0, 0)) if draws.stretches is None else draws.stretches
        scratch = scratch_of(book, plan, tilt)
        states = (start.still, start.distances, *scratch)
        written = (found.hits, found.controls, found.curve, draws.first)
        walk_kernel(book, plan, tilt, draws.normals, stretches, *states, *written)
        return found

    return walk


def plain_walker(look: Look, dues: Dues, plan: Plan, tilt: Tilt = NO_TILT) -> Walker:
    """Return the way in arrays, of units that are no lines."""
    return lambda draws: walked(look, dues, plan, tilt, draws)


def control_means(start: Start, plan: Plan) -> Array:
    """Return the probabilities of straight walks, (horizons, units)."""
    ends = np.cumsum(plan.days)[plan.horizon >= 0]
    return np.array(
        [
            [half_space_met_by(far, 1.0, end) if far < np.inf else 0.0 for far in start.distances]
            for end in ends
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Sums over pairs; a control for any unit is the sum of the units' controls."""

    pairs: int
    hit: Array
    hit_square: Array
    control: Array
    control_square: Array
    product: Array
    curve: Array

    @classmethod
    def of(cls, parts: list[Walked]) -> "_Sums":
        """Add the pairs of one shard."""
        hits = np.concatenate([part.hits for part in parts])
        own = np.concatenate([part.controls for part in parts])
        controls = np.concatenate([own, own.sum(axis=2, keepdims=True)], axis=2)
        return cls(
            pairs=len(hits),
            hit=hits.sum(axis=0),
            hit_square=np.sum(hits**2, axis=0),
            control=controls.sum(axis=0),
            control_square=np.sum(controls**2, axis=0),
            product=np.sum(hits * controls, axis=0),
            curve=np.sum([part.curve for part in parts], axis=0),
        )


def _of_sums(parts: list[_Sums], known: Array | None) -> Estimate:
    """Return means with the control variate, and the error of what is left."""
    count = sum(part.pairs for part in parts)
    hit, hit_square, control, control_square, product, curve = (
        np.sum([getattr(part, name) for part in parts], axis=0) / count
        for name in ("hit", "hit_square", "control", "control_square", "product", "curve")
    )
    spread = np.maximum(hit_square - hit**2, 0.0)
    beta = np.zeros_like(hit)
    left = spread
    if known is not None:
        means = np.column_stack([known, known.sum(axis=1)])
        control_spread = control_square - control**2
        joint = product - hit * control
        useful = is_sound(control, control_spread / max(1, count - 1), means)
        beta = np.where(useful, joint / np.where(useful, control_spread, 1.0), 0.0)
        probability = hit - beta * (control - means)
        left = np.maximum(spread - beta * joint, 0.0)
        fits = (probability > 0.0) & (probability < 1.0)
        beta, left = np.where(fits, beta, 0.0), np.where(fits, left, spread)
        hit_with = np.where(fits, probability, hit)
    else:
        hit_with = hit
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = np.where(hit_square > 0.0, count * hit**2 / hit_square, 0.0)
        gain = np.where(left > 0.0, spread / left, 1.0)
    return Estimate(
        probability=np.clip(hit_with, 0.0, 1.0),
        error=np.sqrt(left / max(1, count - 1)),
        sample=2.0 * sample,
        curve=np.cumsum(curve, axis=1),
        paths=2 * count,
        gain=gain,
    )


def is_sound(control: Array, variance: Array, known: Array) -> Array:
    """Return where a control variate was seen as it is known to be, closely enough to lean on.

    Pulled draws may never see where straight walks end: their mean is then far from the known one,
    and a correction by it would be made up.
    """
    error = np.sqrt(np.maximum(variance, 0.0))
    seen = np.abs(control - known) <= _AGREES * error
    return np.asarray((variance > 0.0) & seen & (error <= _CLOSELY * known))


def _of_replications(parts: list[_Sums]) -> Estimate:
    """Return the mean of the scrambles, and the error from how they differ."""
    means = np.array([part.hit / part.pairs for part in parts])
    whole = _of_sums(parts, None)
    error = means.std(axis=0, ddof=1) / np.sqrt(len(parts))
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(error > 0.0, (whole.error / error) ** 2, 1.0)
    return Estimate(
        probability=whole.probability,
        error=error,
        sample=whole.sample,
        curve=whole.curve,
        paths=whole.paths,
        gain=gain,
    )
