"""Streams of marks for a fleet, one price a snapshot, on each contract's grid."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.tripwires import Stream, TripwireIndex
from keelmark.core.codes import UnitStatus
from keelmark.engine.state import State
from keelmark.lab.bench.fleet import COIN
from keelmark.lab.bench.values import Size

Floats = npt.NDArray[np.float64]

CALM_SIGMA = 1e-4
CRASH_SIGMA = 3e-3
CRASH_FALL = 0.175
COIN_FALL = 0.175


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A random walk of every contract and of the coin; the settle coin does not move.

    Attributes:
        ticks: Prices in all, each of a contract (or the coin) at random.
        sigma: Standard deviation of a tick's relative move.
        fall: How far everything falls over the walk, fraction.
        seed: Of everything drawn.
    """

    ticks: int
    sigma: float
    fall: float = 0.0
    seed: int = 11


def calm(size: Size) -> Walk:
    """Return ticks of one basis point."""
    return Walk(ticks=size.times(200_000, 400), sigma=CALM_SIGMA)


def crash(size: Size) -> Walk:
    """Return a fall that liquidates a fifth of a fleet."""
    return Walk(ticks=size.times(40_000, 2_000), sigma=CRASH_SIGMA, fall=CRASH_FALL)


def stream_of(state: State, walk: Walk) -> Stream:
    """Return a walk that begins at the present prices."""
    rng = np.random.default_rng(walk.seed)
    moving = _moving(state)
    chosen = moving[rng.integers(0, len(moving), walk.ticks)]
    drift = np.log1p(-walk.fall) * len(moving) / walk.ticks
    moves = drift + walk.sigma * rng.standard_normal(walk.ticks)
    prices = np.empty(walk.ticks)
    grids = _grids(state)
    for factor in moving.tolist():
        at = np.flatnonzero(chosen == factor)
        path = state.prices[factor] * np.exp(np.cumsum(moves[at]))
        prices[at] = np.maximum(np.rint(path / grids[factor]), 1.0) * grids[factor]
    return Stream(np.arange(walk.ticks + 1), chosen.astype(np.int32), prices)


def _moving(state: State) -> npt.NDArray[np.int64]:
    """Return the rows of the marks, and of the coin where it has a price."""
    marks = state.universe.instruments["mark_factor"].astype(np.int64)
    coins = state.universe.asset_rows["price_factor"][COIN:].astype(np.int64)
    return np.concatenate([marks, coins[coins >= 0]])


def _grids(state: State) -> Floats:
    grids = np.full(len(state.prices), 0.01)
    rows = state.universe.instruments
    grids[rows["mark_factor"]] = rows["price_unit"]
    return grids


def pieces(stream: Stream, length: int) -> list[Stream]:
    """Return a stream in stretches of `length` snapshots of one price."""
    count = len(stream.factors)
    return [
        Stream(
            np.arange(min(length, count - first) + 1),
            stream.factors[first : first + length],
            stream.prices[first : first + length],
        )
        for first in range(0, count, length)
    ]


def close(index: TripwireIndex, units: npt.NDArray[np.int32]) -> None:
    """End units: what a venue without a market would do to everybody who falls."""
    index.tables.units["status"][units] = UnitStatus.CLOSED
    index.replace(units)


def follow(index: TripwireIndex, stream: Stream) -> int:
    """Follow a stream to its end and end every unit that is reported; return how many."""
    ended = first = 0
    while True:
        stop = index.advance(stream, first)
        if len(stop.units) == 0:
            return ended
        close(index, stop.units)
        ended += len(stop.units)
        first = stop.snapshot + 1
