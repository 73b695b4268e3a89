"""Set the stage: an engine whose book holds the population at the first marks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.book import LIQUIDITY, Capacity
from keelmark.book.records import FILL, OUTSIDE, POSTING, TRANSFER
from keelmark.book.universe import Universe
from keelmark.core.bound import Factor, FactorKind
from keelmark.core.codes import UnitKind
from keelmark.engine.engine import Engine, Listener, Settings
from keelmark.engine.events import AccountsOpened, MarksSet, Posted
from keelmark.engine.execution import SimulatedMarket
from keelmark.lab.population.values import Population
from keelmark.lab.replay.spec import Execution, ReplaySpec
from keelmark.lab.replay.traded import TradedMarket
from keelmark.lab.scenarios.values import Scenario
from keelmark.market.impact import ImpactModel, LinearDensity, exponential_memory
from keelmark.rulebooks.load import Rulebook

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """An engine ready for the first mark after the opening.

    Attributes:
        engine: With the population in its book.
        market: The simulated order book behind it.
        feed: The marks to come; the first of them has been applied.
        units: Engine unit of each unit of the population.
        first_unit: First unit that belongs to a client.
    """

    engine: Engine
    market: SimulatedMarket
    feed: "Feed"
    units: Int32s
    first_unit: int


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """The marks of a scenario as the engine takes them.

    Attributes:
        times_ms: Instants.
        factors: Price rows, one a column.
        prices: (n_times, n_factors), on each instrument's grid.
        price_units: Grid of each column.
    """

    times_ms: Int64s
    factors: Int32s
    prices: Floats
    price_units: Floats

    def snapshots(self, first: int, last: int) -> MarksSet:
        """Return snapshots `first` to `last`, both included."""
        return marks_of(
            self.times_ms[first : last + 1], self.factors, self.prices[first : last + 1]
        )


def marks_of(times_ms: Int64s, factors: Int32s, prices: Floats) -> MarksSet:
    """Return dense snapshots of the same factors as a stream."""
    count, width = prices.shape
    return MarksSet(
        times_ms=times_ms,
        offsets=np.arange(count + 1, dtype=np.int64) * width,
        factors=np.tile(factors, count),
        prices=np.ascontiguousarray(prices).reshape(-1),
    )


def feed_of(scenario: Scenario, universe: Universe, mark_model: str) -> Feed:
    """Return every mark and collateral price of a scenario under a mark model."""
    ticks = scenario.mark_ticks(mark_model)
    units = np.array([row.price_unit for row in scenario.instruments])
    rows = [universe.factor_row(Factor(FactorKind.MARK, s.symbol)) for s in scenario.instruments]
    columns, grids = [ticks * units], list(units)
    for asset in scenario.assets[1:]:
        rows.append(universe.factor_row(Factor(FactorKind.ASSET, asset.asset)))
        if asset.instrument is not None:  # its price is that instrument's mark, made already
            columns.append(columns[0][:, [scenario.column(asset.instrument)]])
        else:
            columns.append(scenario.asset_prices(asset.asset, mark_model)[:, None])
        grids.append(float(asset.price_unit))
    return Feed(
        times_ms=scenario.times * 1000,
        factors=np.array(rows, np.int32),
        prices=np.concatenate(columns, axis=1),
        price_units=np.array(grids),
    )


def simulated_market(
    scenario: Scenario,
    population: Population,
    execution: Execution,
) -> SimulatedMarket:
    """Return one impact book per instrument, fitted to its daily volume and volatility.

    A population with fewer accounts than the whole venue holds a part of its open interest; the
    book it meets is the same part of the venue's, so that a small replay is a model to scale.
    """
    memory = exponential_memory(half_life_s=execution.half_life_s)
    part = venue_part(population)
    models = []
    lot_notionals = population.opening.lot_notionals
    for row, notional in zip(scenario.instruments, lot_notionals, strict=True):
        lots_a_day = part * row.daily_volume / notional
        scale = execution.prefactor * row.daily_sigma / float(np.sqrt(lots_a_day))
        models.append(ImpactModel(shape=LinearDensity(scale=scale), memory=memory))
    return SimulatedMarket(models, time_ms=int(scenario.times[0]) * 1000)


def venue_part(population: Population) -> float:
    """Return the part of the whole venue that a population is, at most 1."""
    spec = population.spec
    return min(1.0, spec.accounts / spec.open_interest.whole_venue_accounts)


def set_stage(
    spec: ReplaySpec,
    scenario: Scenario,
    population: Population,
    rulebook: Rulebook,
    listener: Listener | None = None,
) -> Stage:
    """Return an engine with the population's accounts, money and positions in it."""
    market = simulated_market(scenario, population, spec.execution)
    trades = scenario.mark_ticks("last")
    engine = Engine(
        rulebook,
        market=TradedMarket(market, scenario.times * 1000, trades),
        settings=Settings(capacity=capacity_for(population)),
        listener=listener,
    )
    feed = feed_of(scenario, engine.state.universe, spec.mark_model or scenario.mark_model)
    first = engine.state.book.units_count
    units = fill_book(engine, feed, spec, population)
    return Stage(engine, market, feed, units, first)


def fill_book(engine: Engine, feed: Feed, spec: ReplaySpec, population: Population) -> Int32s:
    """Put a population into an empty engine at the first marks; return its units.

    Args:
        engine: New, under a rulebook with the scenario's instruments in its order.
        feed: Its first snapshot is applied.
        spec: Says what the fund and the backstop begin with.
        population: Who is opened, paid in and given positions.
    """
    units = _unit_ids(population, engine.state.book.units_count)
    engine.submit_marks(feed.snapshots(0, 0))
    isolated = population.units["account"][population.units["kind"] == UnitKind.ISOLATED]
    engine.submit_bulk(
        AccountsOpened(count=len(population.accounts), isolated=isolated.astype(np.int64)),
    )
    engine.submit_bulk(Posted(rows=_deposits(population, units)))
    engine.submit_bulk(Posted(rows=_capital(spec, population, engine)))
    engine.submit_bulk(Posted(rows=_fills(population, units)), opening=True)
    return units


def capacity_for(population: Population) -> Capacity:
    """Return the rows an engine needs for a population."""
    units = len(population.units) + 64
    return Capacity(
        units=units,
        positions=2 * len(population.positions) + 1024,
        balances=2 * len(population.deposits) + 2 * units,
    )


def _unit_ids(population: Population, first: int) -> Int32s:
    """Return engine units: cross units in the order of accounts, then isolated ones in order."""
    accounts = len(population.accounts)
    is_cross = population.units["kind"] == UnitKind.CROSS
    ids = np.zeros(len(population.units), np.int32)
    ids[is_cross] = first + population.units["account"][is_cross]
    ids[~is_cross] = first + accounts + np.arange(np.count_nonzero(~is_cross))
    return ids


def _deposits(population: Population, units: Int32s) -> Rows:
    rows = np.zeros(len(population.deposits), POSTING)
    rows["kind"] = TRANSFER
    rows["unit"] = OUTSIDE
    rows["counterparty"] = units[population.deposits["unit"]]
    rows["subject"] = population.deposits["asset"]
    rows["value"] = population.deposits["quanta"]
    return rows


def _capital(spec: ReplaySpec, population: Population, engine: Engine) -> Rows:
    """Return what the fund and the backstop are paid in, as shares of one side of open interest."""
    interest = one_sided_interest(population)
    rows = np.zeros(2, POSTING)
    rows["kind"] = TRANSFER
    rows["unit"] = OUTSIDE
    rows["counterparty"] = [engine.state.fund_of(-1), engine.state.backstop]
    shares = (spec.fund_share, spec.backstop_share)
    rows["value"] = [int(interest * share) for share in shares]
    return rows[rows["value"] > 0]


def one_sided_interest(population: Population) -> int:
    """Return the open interest of all instruments at the opening marks, settle quanta."""
    rows = population.positions
    values = population.unit_values()[rows["instrument"]]
    ticks = population.opening.ticks[rows["instrument"]]
    longs = rows["lots"] > 0
    notional = rows["lots"][longs].astype(np.float64) * ticks[longs] * values[longs]
    return int(notional.sum())


def _fills(population: Population, units: Int32s) -> Rows:
    """Return the positions as fills at their entries against the rest of the market.

    Entries were at different prices, so what traders had paid each other by the start stays with
    the rest of the market; its lots add up to nothing.
    """
    positions = population.positions
    rows = np.zeros(len(positions), POSTING)
    rows["kind"] = FILL
    rows["unit"] = units[positions["unit"]]
    rows["counterparty"] = LIQUIDITY
    rows["subject"] = positions["instrument"]
    rows["lots"] = positions["lots"]
    rows["value"] = population.costs()
    rows["leverage"] = positions["leverage"]
    rows["leg"] = positions["leg"]
    return rows
