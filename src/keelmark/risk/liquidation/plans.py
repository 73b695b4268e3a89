"""What a simulation walks through: times, how coins move together, and how draws are tilted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

NEAR = 8.0
"""Deviations of one step within which a crossing between two looks counts: `exp(-2 * 3 * 8)`."""

_LEAST = 4
"""Steps between two horizons at least."""


class Plan(NamedTuple):
    """Steps in time, and the walk of the coins; days are the unit of time."""

    days: Array  # (steps,) length of each
    roots: Array  # (steps,) root of the same
    near: Array  # (steps,) deviations beyond which the exact distance does not matter
    horizon: Rows  # (steps,) which horizon ends with the step, -1 for none
    drift: Array  # (coins,) of log prices a day
    factor: Array  # (coins, coins) a root of the covariance of log prices a day
    deviations: Array  # (coins,) of each coin a day


class Tilt(NamedTuple):
    """Shifts of normal draws, one row a component of the mixture; no row draws as it is."""

    shifts: Array  # (components, steps, coins) added to each normal
    halves: Array  # (components, steps) half their squares
    weights: Array  # (components,) logarithm of the share of paths
    turns: Rows  # component of each pair of paths, in turn


NO_TILT = Tilt(np.zeros((0, 0, 0)), np.zeros((0, 0)), np.zeros(0), np.zeros(0, dtype=np.int64))


def plan_of(
    horizons: Sequence[float], steps: int, covariance: Array, growth: Array | None = None
) -> Plan:
    """Return the plan to the last of rising horizons.

    Steps are shared among the stretches between horizons by what a walk moves in them, so that an
    hour before a week is not lost in one step.

    Args:
        horizons: Days, rising.
        steps: In all; more where a stretch would get fewer than four.
        covariance: Of log prices a day.
        growth: Of mean prices a day; nothing where left out.
    """
    ends = np.array([0.0, *horizons])
    moved = np.diff(np.sqrt(ends))
    counts = np.maximum(_LEAST, np.floor(steps * moved / moved.sum() + 0.5)).astype(int)
    if len(counts) == 1:
        counts = np.array([max(1, steps)])
    days = np.concatenate([np.full(n, d / n) for n, d in zip(counts, np.diff(ends), strict=True)])
    horizon = np.full(len(days), -1)
    horizon[np.cumsum(counts) - 1] = np.arange(len(counts))
    after = np.maximum(days, np.append(days[1:], 0.0))
    variances = np.diag(covariance)
    drift = -0.5 * variances if growth is None else growth - 0.5 * variances
    return Plan(
        days=days,
        roots=np.sqrt(days),
        near=NEAR * np.sqrt(after),
        horizon=horizon,
        drift=np.ascontiguousarray(drift),
        factor=root_of(covariance),
        deviations=np.sqrt(variances),
    )


def root_of(covariance: Array) -> Array:
    """Return a matrix whose square is the covariance, main directions first."""
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1]
    columns = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
    signs = np.where(columns.sum(axis=0) < 0.0, -1.0, 1.0)
    return np.ascontiguousarray(columns * signs)


def tilt_of(plan: Plan, pulls: Sequence[tuple[Array, float]], *, with_plain: bool) -> Tilt:
    """Return the mixture of pulls, as many paths each; as many as all of them are not pulled.

    Args:
        plan: Times.
        pulls: Where normals of the whole way are pulled to, and until which day: a drift of that
            over the day, nothing afterwards.
        with_plain: Whether half of the paths are not pulled at all.
    """
    ends = np.cumsum(plan.days)
    shifts = [
        np.where(ends[:, None] <= until * (1 + 1e-12), plan.roots[:, None] * (point / until), 0.0)
        for point, until in pulls
    ]
    if with_plain:
        shifts.append(np.zeros((len(plan.days), len(plan.drift))))
    stacked, count = np.array(shifts), len(pulls)
    turns = np.arange(count)
    if with_plain:
        turns = np.column_stack([turns, np.full(count, count)]).ravel()
    weights = np.log(np.bincount(turns) / len(turns))
    return Tilt(stacked, 0.5 * np.sum(stacked**2, axis=2), weights, turns)
