"""What is looked at on the way: who would be liquidated next, and how far everybody is from it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.lab.arrays import totals
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.lab.fleet.questions import (
    Ladder,
    holders_of,
    instrument_ladder,
    joint_ladder,
    open_units,
)

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAP_MOVES = np.arange(1, 121) / 200
DISTANCE_MOVES = np.arange(1, 39) / 40
"""Sizes of the moves that are asked about, as fractions; even steps make honest histograms."""

MAPPED = 6
"""Instruments that get a liquidation map: those with the largest open interest."""

DISTANCE_SAMPLE = 50_000
"""Accounts asked for their distance at each moment."""

LONG, SHORT = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class MapView:
    """Who would fall if one instrument moved: longs when it falls, shorts when it rises.

    Attributes:
        time_ms: When.
        instrument: Row of the instrument that moves.
        price: Its mark.
        notional: float64 (2, n_moves): longs by the first fall that liquidates them, shorts by
            the first rise; settle quanta.
        units: int64 (2, n_moves): how many units that is.
    """

    time_ms: int
    instrument: int
    price: float
    notional: Floats
    units: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class DistanceView:
    """Who would fall if everything but stable assets moved alike, whichever way.

    Attributes:
        time_ms: When.
        accounts: float64 (n_moves + 1,): accounts by the smallest move that liquidates one of
            their units; the last are out of reach. Scaled up if only a sample was asked.
        notional: float64 (n_moves + 1,): their notional, settle quanta.
        asked: Accounts asked.
        open: Accounts with a position.
    """

    time_ms: int
    accounts: Floats
    notional: Floats
    asked: int
    open: int


def map_of(glimpse: Glimpse, instrument: int) -> MapView:
    """Return who would fall if one instrument moved and nothing else did."""
    units = holders_of(glimpse, instrument)
    down = instrument_ladder(glimpse, units, instrument, -MAP_MOVES)
    up = instrument_ladder(glimpse, units, instrument, MAP_MOVES)
    sides = _nearest_only(down, up)
    factor = glimpse.universe.instruments[instrument]["mark_factor"]
    price = float(glimpse.tables.prices[factor])
    return MapView(
        time_ms=glimpse.time_ms,
        instrument=instrument,
        price=price,
        notional=np.array([notional for notional, _ in sides]),
        units=np.array([count for _, count in sides]),
    )


def _nearest_only(down: Ladder, up: Ladder) -> tuple[tuple[Floats, Int64s], ...]:
    """Return longs that a fall and shorts that a rise liquidates, each unit at its nearer end."""
    steps = len(MAP_MOVES)
    falls = down.step <= up.step
    return (
        down.only(falls).binned(steps, LONG),
        up.only(~falls).binned(steps, SHORT),
    )


def distances(glimpse: Glimpse, seed: int) -> DistanceView:
    """Return how far accounts are from liquidation in a joint move."""
    units = open_units(glimpse)
    account_of = glimpse.tables.units["account"]
    accounts = np.unique(account_of[units])
    asked = accounts
    if len(accounts) > DISTANCE_SAMPLE:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        asked = np.sort(rng.choice(accounts, DISTANCE_SAMPLE, replace=False))
        units = units[np.isin(account_of[units], asked)]
    down = joint_ladder(glimpse, units, -DISTANCE_MOVES)
    up = joint_ladder(glimpse, units, DISTANCE_MOVES)
    step = np.minimum(down.step, up.step)
    place = np.searchsorted(asked, account_of[units])
    nearest = np.full(len(asked), len(DISTANCE_MOVES), np.int64)
    np.minimum.at(nearest, place, step)
    scale = len(accounts) / len(asked) if len(asked) else 1.0
    bins = len(DISTANCE_MOVES) + 1
    return DistanceView(
        time_ms=glimpse.time_ms,
        accounts=totals(nearest, np.full(len(asked), scale), bins),
        notional=totals(step, down.notional.sum(axis=1) * scale, bins),
        asked=len(asked),
        open=len(accounts),
    )
