"""A large random fleet as columns: what the benchmarks of the book and of the wires run on.

200 perpetuals settled in one dollar coin, about five positions a unit, eight tiers. `general` adds
a price for the coin, coin collateral with haircut tiers for 30 % of the units, debts for 2 %, and
whole-notional tiers on a quarter of the contracts. Equity is lognormal over maintenance: a crash of
15 % leaves about a fifth of the fleet below its maintenance.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Floats, Rows, Tables, excess_pass
from keelmark.book.records import (
    ASSET,
    BALANCE,
    INSTRUMENT,
    POSITION,
    SEGMENT,
    TIER,
    UNIT,
)
from keelmark.core.codes import RuleKind

Int64s = npt.NDArray[np.int64]

QUANTUM = 1e-6  # dollars
FLOORS = np.array([0.0, 5e4, 2.5e5, 1e6, 5e6, 2e7, 5e7, 1e8]) / QUANTUM
RATES = np.array([0.004, 0.005, 0.01, 0.025, 0.05, 0.1, 0.125, 0.25])


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What a fleet looks like."""

    units: int
    instruments: int = 200
    positions_mean: float = 5.0
    general: bool = True
    seed: int = 7


def contracts(fleet: Fleet, rng: np.random.Generator) -> tuple[Rows, Rows, Floats]:
    """Return instruments, tiers and the prices of every factor."""
    count = fleet.instruments
    marks = np.exp(rng.uniform(np.log(1e-3), np.log(6e4), count))
    prices = np.concatenate([marks, [1.0, 6e4, 0.0]])  # dollar coin, bitcoin, time
    rows = np.zeros(count, INSTRUMENT)
    rows["value_scale"] = 10.0 / marks / QUANTUM  # a lot is worth about ten dollars
    rows["settle"] = 0
    rows["mark_factor"] = rows["margin_factor"] = np.arange(count)
    rows["tier_count"] = FLOORS.shape[0]
    rows["rule_kind"] = RuleKind.TIERED
    if fleet.general:
        rows["rule_kind"][rng.random(count) < 0.25] = RuleKind.WHOLE
    rows["edge_upper"] = 1
    rows["pnl_weight"] = 1.0
    tiers = np.zeros(FLOORS.shape[0], TIER)
    tiers["floor"], tiers["rate"] = FLOORS, RATES
    tiers["deduction"][1:] = np.cumsum(FLOORS[1:] * np.diff(RATES))
    return rows, tiers, prices


def collateral(fleet: Fleet) -> tuple[Rows, Rows]:
    """Return the dollar coin and bitcoin, with haircut tiers for the latter."""
    assets = np.zeros(2, ASSET)
    assets["price_factor"] = [fleet.instruments if fleet.general else -1, fleet.instruments + 1]
    assets["value_scale"] = [QUANTUM, 1e-8]
    assets["segment_start"], assets["segment_count"] = [0, 1], [1, 4]
    segments = np.zeros(5, SEGMENT)
    segments["slope"] = [1.0, 1.0, 0.98, 0.95, 0.9]
    segments["intercept"] = [0.0, 0.0, 0.0, 3e7, 3e8]
    return assets, segments


def blocks(counts: Int64s) -> tuple[Int64s, Int64s, int]:
    """Return starts and classes of blocks that hold `counts` rows, and the rows they take."""
    classes = np.ceil(np.log2(np.maximum(counts, 1))).astype(np.int64)
    sizes = np.left_shift(1, classes)
    return np.cumsum(sizes) - sizes, classes, int(sizes.sum())


def holdings(fleet: Fleet, rng: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    """Return units, positions and empty balances."""
    units = np.zeros(fleet.units, UNIT)
    units["account"] = np.arange(fleet.units)
    counts = np.minimum(1 + rng.poisson(fleet.positions_mean - 1.0, fleet.units), 32)
    starts, classes, total = blocks(counts)
    units["positions_start"], units["positions_count"] = starts, counts
    units["positions_class"] = classes
    positions = np.zeros(total, POSITION)
    owner = np.repeat(np.arange(fleet.units), counts)
    place = starts[owner] + np.arange(owner.shape[0]) - (np.cumsum(counts) - counts)[owner]
    popular = np.minimum(rng.exponential(fleet.instruments / 4, owner.shape[0]), 1e9)
    held = (popular.astype(np.int64)) % fleet.instruments
    positions["instrument"][place] = held
    money = np.exp(rng.normal(np.log(2e3), 1.6, owner.shape[0]))
    side = np.where(rng.random(owner.shape[0]) < 0.62, 1, -1)
    positions["lots"][place] = side * np.maximum(1, np.round(money / 10.0)).astype(np.int64)
    entry = np.exp(rng.normal(0.0, 0.04, owner.shape[0]))
    positions["cost"][place] = positions["lots"][place] * np.round(10.0 * entry / QUANTUM)
    second = rng.random(fleet.units) < (0.32 if fleet.general else 0.0)
    rows_held = 1 + second.astype(np.int64)
    starts, classes, total = blocks(rows_held)
    units["balances_start"], units["balances_count"] = starts, rows_held
    units["balances_class"] = classes
    balances = np.zeros(total, BALANCE)
    balances["asset"][starts[second] + 1] = 1
    return units, positions, balances


def fleet_tables(fleet: Fleet) -> Tables:
    """Return the columns of a fleet in which every unit is healthy."""
    rng = np.random.default_rng(fleet.seed)
    rows, tiers, prices = contracts(fleet, rng)
    assets, segments = collateral(fleet)
    units, positions, balances = holdings(fleet, rng)
    tables = Tables(units, positions, balances, rows, tiers, assets, segments, prices)
    fund(tables, rng)
    return tables


def fund(tables: Tables, rng: np.random.Generator) -> None:
    """Give every unit cash and coins for an excess of a lognormal share of its notional."""
    units, positions, balances = tables.units, tables.positions, tables.balances
    shortfall, error = np.zeros(units.shape[0]), np.zeros(units.shape[0])
    excess_pass(tables, 1.0, shortfall, error, 0, units.shape[0])
    value = np.abs(positions["lots"]) * 10.0
    ends = np.concatenate([[0.0], np.cumsum(value)])
    first = units["positions_start"]
    notional = ends[first + units["positions_count"]] - ends[first]
    wanted = notional * np.exp(rng.normal(np.log(0.2), 0.8, units.shape[0])) - shortfall
    row = units["balances_start"]
    several = units["balances_count"] > 1
    indebted = several & (rng.random(units.shape[0]) < 0.06)
    coins = np.where(several, notional * rng.uniform(0.02, 0.3, units.shape[0]), 0.0)
    coins = np.where(indebted, -0.2 * coins, coins)
    balances["quanta"][row[several] + 1] = (coins[several] / 6e4 / 1e-8).astype(np.int64)
    cash = wanted - 0.9 * np.maximum(coins, 0.0) - np.minimum(coins, 0.0)
    balances["quanta"][row] = np.ceil(cash / QUANTUM).astype(np.int64)
