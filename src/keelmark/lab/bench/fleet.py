"""A random fleet: drawn a stretch of units at a time, entered by ordinary deposits and fills.

Equity above maintenance is lognormal over notional, so that a fall of a sixth leaves about a fifth
of the fleet below its maintenance. Every position is one fill at its entry price against the rest
of the market.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.book import LIQUIDITY, Capacity
from keelmark.book.kernels.margin import excess_pass
from keelmark.book.records import FILL, OUTSIDE, POSTING, TRANSFER
from keelmark.engine.apply import apply
from keelmark.engine.engine import Engine, Listener, Settings
from keelmark.engine.events import AccountsOpened, MarksSet, Posted
from keelmark.engine.execution import ExecutionVenue
from keelmark.engine.journal.port import Journal
from keelmark.engine.state import State
from keelmark.lab.bench.venue import (
    COIN_PRICE,
    COIN_QUANTUM,
    FLOORS,
    QUANTUM,
    RATES,
    Shape,
    bench_rulebook,
    price_units,
)

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.void]

STRETCH = 250_000
"""Units drawn and posted together."""

LOT_TICK_QUANTA = 100
POSITIONS_MAX = 32
LONGS = 0.62
ENTRY_SIGMA = 0.04
SLACK_MEDIAN, SLACK_SIGMA = 0.2, 0.8
SETTLE, COIN = 0, 1

SLOTS = 7
"""Position rows a unit: blocks of one, two, four, eight rows, and those outgrown."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Some units of a fleet, in columns.

    Attributes:
        cash: (n_units,) settle quanta.
        coins: (n_units,) bitcoin quanta; negative is owed.
        owner: (n_positions,) unit, from 0.
        contract: (n_positions,)
        lots: (n_positions,) signed.
        cost: (n_positions,) settle quanta, signed.
    """

    cash: Int64s
    coins: Int64s
    owner: Int64s
    contract: Int64s
    lots: Int64s
    cost: Int64s


def draw(shape: Shape, units: int, stretch: int) -> Draw:
    """Return the units of a stretch; the seed and its number decide everything."""
    rng = np.random.default_rng(np.random.SeedSequence([shape.seed, 1, stretch]))
    counts = np.minimum(1 + rng.poisson(shape.positions_mean - 1.0, units), POSITIONS_MAX)
    owner = np.repeat(np.arange(units), counts)
    popular = rng.exponential(shape.contracts / 4, len(owner))
    contract = popular.astype(np.int64) % shape.contracts
    ticks = price_units(shape)[0][contract]
    money = np.exp(rng.normal(np.log(2e3), 1.6, len(owner)))
    side = np.where(rng.random(len(owner)) < LONGS, 1, -1)
    lot_value = ticks * (LOT_TICK_QUANTA * QUANTUM)
    lots = side * np.maximum(1, np.round(money / lot_value)).astype(np.int64)
    entry = np.rint(ticks * np.exp(rng.normal(0.0, ENTRY_SIGMA, len(owner)))).astype(np.int64)
    cost = lots * entry * LOT_TICK_QUANTA
    value = lots * lot_value
    notional: Floats = np.bincount(owner, np.abs(value), units).astype(np.float64)
    short = np.bincount(owner, value - cost * QUANTUM - required(np.abs(value)), units)
    coins = _coins(shape, notional, rng)
    slack = notional * np.exp(rng.normal(np.log(SLACK_MEDIAN), SLACK_SIGMA, units))
    counted = np.where(coins > 0, 0.8, 1.0) * coins * (COIN_QUANTUM * COIN_PRICE)
    cash = np.ceil((slack - short - counted) / QUANTUM).astype(np.int64)
    return Draw(cash, coins, owner, contract, lots, cost)


def _coins(shape: Shape, notional: Floats, rng: np.random.Generator) -> Int64s:
    """Return bitcoin held or owed: 2 to 30 % of the notional in worth, debts a fifth of that."""
    kind = rng.random(len(notional))
    worth = notional * rng.uniform(0.02, 0.3, len(notional))
    worth = np.where(kind < shape.coins, worth, 0.0)
    worth = np.where(kind >= 1.0 - shape.debts, -0.2 * notional * 0.2, worth)
    return np.rint(worth / (COIN_PRICE * COIN_QUANTUM)).astype(np.int64)


def required(notional: Floats) -> Floats:
    """Return the maintenance of positions by the tiers, with numpy alone."""
    floors, rates = np.array(FLOORS, np.float64), np.array(RATES, np.float64)
    deductions = np.concatenate([[0.0], np.cumsum(floors[1:] * np.diff(rates))])
    tier = np.searchsorted(floors, notional, side="left") - 1
    tier = np.maximum(tier, 0)
    result: Floats = notional * rates[tier] - deductions[tier]
    return result


def opening_marks(state: State, shape: Shape, time_ms: int) -> MarksSet:
    """Return the first price of everything."""
    ticks, _ = price_units(shape)
    prices = np.ones(len(state.universe.factors))
    rows = state.universe.instruments
    prices[rows["mark_factor"]] = ticks * rows["price_unit"]
    if shape.is_priced:
        prices[state.universe.asset_rows["price_factor"][COIN]] = COIN_PRICE
    return MarksSet(
        times_ms=np.array([time_ms]),
        offsets=np.array([0, len(prices)]),
        factors=np.arange(len(prices), dtype=np.int32),
        prices=prices,
    )


def fleet_events(state: State, shape: Shape, time_ms: int) -> Iterator[Any]:
    """Yield what makes a state hold the fleet, in order."""
    yield opening_marks(state, shape, time_ms)
    first = state.book.units_count
    yield AccountsOpened(count=shape.units, isolated=np.zeros(0, np.int64))
    for stretch, start in enumerate(range(0, shape.units, STRETCH)):
        drawn = draw(shape, min(STRETCH, shape.units - start), stretch)
        yield Posted(rows=_deposits(drawn, first + start))
        yield Posted(rows=_fills(drawn, first + start))


def _deposits(drawn: Draw, first: int) -> Rows:
    """Return deposits; who owes coins has taken them out, who owes cash as well."""
    units = np.arange(first, first + len(drawn.cash))
    parts = [_transfers(units, drawn.cash, SETTLE)]
    several = np.flatnonzero(drawn.coins)
    parts.append(_transfers(units[several], drawn.coins[several], COIN))
    return np.concatenate(parts)


def _transfers(units: Int64s, quanta: Int64s, asset: int) -> Rows:
    rows = np.zeros(len(units), POSTING)
    rows["kind"], rows["subject"] = TRANSFER, asset
    rows["unit"] = np.where(quanta < 0, units, OUTSIDE)
    rows["counterparty"] = np.where(quanta < 0, OUTSIDE, units)
    rows["value"] = np.abs(quanta)
    return rows


def _fills(drawn: Draw, first: int) -> Rows:
    rows = np.zeros(len(drawn.owner), POSTING)
    rows["kind"], rows["unit"], rows["counterparty"] = FILL, first + drawn.owner, LIQUIDITY
    rows["subject"], rows["lots"], rows["value"] = drawn.contract, drawn.lots, drawn.cost
    return rows


def capacity(shape: Shape) -> Capacity:
    """Return room for a fleet, and little more."""
    return Capacity(
        units=shape.units + 64,
        positions=SLOTS * shape.units + 4096,
        balances=2 * shape.units + 4096 if shape.is_priced else shape.units + 4096,
    )


def fleet_state(shape: Shape) -> State:
    """Return a state that holds the fleet; nobody watches it."""
    state = State(bench_rulebook(shape), capacity=capacity(shape))
    for event in fleet_events(state, shape, 1_000):
        apply(state, event)
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What an engine is given: journal, market, who hears every event, and its first instant."""

    journal: Journal | None = None
    market: ExecutionVenue | None = None
    listener: Listener | None = None
    time_ms: int = 1_000


def fleet_engine(shape: Shape, outside: Outside) -> Engine:
    """Return an engine that holds the fleet, every unit watched, every event in its journal."""
    engine = Engine(
        bench_rulebook(shape),
        journal=outside.journal,
        market=outside.market,
        settings=Settings(capacity=capacity(shape)),
        listener=outside.listener,
    )
    for event in fleet_events(engine.state, shape, outside.time_ms):
        if isinstance(event, MarksSet):
            engine.submit_marks(event)
        else:
            engine.submit_bulk(event, opening=True)
    return engine


def positions_count(state: State) -> int:
    """Return how many positions the fleet holds."""
    return int(state.book.units["positions_count"].sum())


def excesses(state: State) -> tuple[Floats, Floats]:
    """Return the excess of every unit and the bound of its error, by the kernel of the book."""
    count = state.book.units_count
    excess, error = np.empty(count), np.empty(count)
    excess_pass(state.tables(), 1.0, excess, error, 0, count)
    return excess, error
