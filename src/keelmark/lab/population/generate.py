"""Generate a population: draw, scale to the open interest, balance, fund.

1. Shards of accounts are drawn, each from `SeedSequence([seed, shard])`.
2. Sizes are scaled by one factor until the larger sides of all instruments sum to the open
   interest wanted, and rounded to whole lots.
3. Market makers take what is left over, lot for lot: every instrument sums to zero.
4. Entries are earlier prices; deposits follow from them, so that nobody starts under water.
"""

import numpy as np

from keelmark.lab.arrays import Float64Array, Int64Array, Records, totals
from keelmark.lab.population.brackets import Brackets
from keelmark.lab.population.draw import Choices, Shard, draw_shard
from keelmark.lab.population.entries import entry_ticks
from keelmark.lab.population.fleet import (
    Held,
    Holders,
    all_holders,
    drawn_held,
    joined,
    maker_held,
)
from keelmark.lab.population.funding import (
    Margined,
    deposits,
    equity_wanted,
    lay_out_units,
    leverage_settings,
    position_maintenance,
    settle_values,
)
from keelmark.lab.population.makers import require_room, share_out
from keelmark.lab.population.records import ACCOUNT, POSITION, AccountKind
from keelmark.lab.population.scale import Demand, scale_to
from keelmark.lab.population.spec import PopulationSpec, WhaleTable
from keelmark.lab.population.values import Population
from keelmark.lab.scenarios.values import Opening, instrument_column

_MAKER_STREAM = 2**31
"""Key of the market makers' draws, beyond any shard."""
_MAKER_SETTING = 20.0
"""Leverage market makers set, where the bracket allows it; what they use is the specification's."""
_TABLE_ROOM = 0.5
"""No drawn position takes more than this part of its bracket table: prices may rise."""


def generate(spec: PopulationSpec, opening: Opening, *, seed: int) -> Population:
    """Return the population of (specification, opening, seed).

    Args:
        spec: What to generate.
        opening: Instruments, starting marks and earlier prices; `Scenario.opening()`.
        seed: Of every draw; shard `i` uses `SeedSequence([seed, i])`.

    Raises:
        InvalidDocument: The specification is impossible in this market; lists every problem.
    """
    spec.require_possible(opening)
    shards = draw_shards(spec, opening, seed=seed)
    held = _balanced(spec, opening, shards, seed=seed)
    return _funded(spec, opening, all_holders(spec, shards), held, seed=seed)


def draw_shards(spec: PopulationSpec, opening: Opening, *, seed: int) -> tuple[Shard, ...]:
    """Return every shard of the drawn accounts, in order."""
    choices = _choices(spec, opening)
    starts = range(0, spec.accounts, spec.shard_accounts)
    return tuple(
        draw_shard(
            spec,
            choices,
            count=min(spec.shard_accounts, spec.accounts - start),
            seed=seed,
            shard=shard,
        )
        for shard, start in enumerate(starts)
    )


def _choices(spec: PopulationSpec, opening: Opening) -> Choices:
    volumes = np.array([one.daily_volume for one in opening.instruments])
    priced_by = {asset.asset: asset.instrument for asset in opening.assets}
    coins = {
        row: instrument_column(opening.instruments, symbol)
        for row, table in enumerate(spec.collateral)
        if (symbol := priced_by[table.asset]) is not None
    }
    return Choices(weights=volumes**spec.positions.volume_exponent, coins=coins)


def _balanced(
    spec: PopulationSpec,
    opening: Opening,
    shards: tuple[Shard, ...],
    *,
    seed: int,
) -> Held:
    """Return everyone's positions; the lots of each instrument sum to zero."""
    per_lot = opening.lot_notionals
    whales = _whale_held(spec, opening, per_lot)
    drawn = drawn_held(spec, shards, _drawn_lots(spec, opening, shards, whales))
    traders = joined([drawn, whales])
    imbalance = np.zeros(per_lot.size, dtype=np.int64)
    np.add.at(imbalance, traders.instrument, traders.lots)
    lots = share_out(imbalance, spec.market_makers.count)
    require_room(lots, per_lot, opening)
    generator = np.random.default_rng(np.random.SeedSequence([seed, _MAKER_STREAM]))
    return joined([traders, maker_held(spec, generator, lots, spec.accounts + len(spec.whale))])


def _drawn_lots(
    spec: PopulationSpec,
    opening: Opening,
    shards: tuple[Shard, ...],
    whales: Held,
) -> Int64Array:
    """Return signed lots of the drawn positions, one at least."""
    per_lot = opening.lot_notionals
    parts = [shard.positions for shard in shards]
    instrument = np.concatenate([part.instrument for part in parts])
    side = np.concatenate([part.side for part in parts])
    wanted = _open_interest_wanted(spec, opening)
    fixed = whales.lots * per_lot[whales.instrument]
    demand = Demand(
        instrument=instrument,
        side=side,
        notional=np.concatenate([part.notional for part in parts]),
        smallest=spec.size.smallest,
        largest=_largest_positions(spec, opening, wanted),
        fixed_long=totals(whales.instrument, np.maximum(fixed, 0.0), per_lot.size),
        fixed_short=totals(whales.instrument, np.maximum(-fixed, 0.0), per_lot.size),
    )
    notional = scale_to(demand, float(wanted.sum()))
    lots = np.maximum(np.rint(notional / per_lot[instrument]), 1.0)
    signed: Int64Array = side * lots.astype(np.int64)
    return signed


def _open_interest_wanted(spec: PopulationSpec, opening: Opening) -> Float64Array:
    return np.array([spec.open_interest_of(one.daily_volume) for one in opening.instruments])


def _largest_positions(
    spec: PopulationSpec,
    opening: Opening,
    open_interest: Float64Array,
) -> Float64Array:
    ends = np.array([float(one.largest_notional) for one in opening.instruments])
    shares = np.maximum(spec.size.largest_share * open_interest, spec.size.smallest)
    return np.minimum(shares, _TABLE_ROOM * ends)


def _whale_held(spec: PopulationSpec, opening: Opening, per_lot: Float64Array) -> Held:
    wanted = _open_interest_wanted(spec, opening)
    columns = [instrument_column(opening.instruments, whale.instrument) for whale in spec.whale]
    lots = [
        _whale_lots(whale, wanted[column], per_lot[column])
        for whale, column in zip(spec.whale, columns, strict=True)
    ]
    count = len(spec.whale)
    return Held(
        account=spec.accounts + np.arange(count, dtype=np.int64),
        instrument=np.array(columns, dtype=np.int64),
        leg=np.zeros(count, dtype=np.int64),
        lots=np.array(lots, dtype=np.int64),
        age_days=np.array([whale.entry_days_ago for whale in spec.whale], dtype=np.float64),
    )


def _whale_lots(whale: WhaleTable, open_interest: float, per_lot: float) -> int:
    lots = max(1, round(whale.open_interest_share * open_interest / per_lot))
    return lots if whale.side == "long" else -lots


def _funded(
    spec: PopulationSpec,
    opening: Opening,
    holders: Holders,
    held: Held,
    *,
    seed: int,
) -> Population:
    """Return the population with units, settings and deposits."""
    notional = np.abs(held.lots) * opening.lot_notionals[held.instrument]
    units, unit = lay_out_units(holders, held)
    positions = _position_rows(spec, opening, holders, held, notional)
    positions["unit"] = unit
    margined = Margined(
        unit=unit,
        notional=notional,
        profit=_profits(opening, positions),
        leverage=positions["leverage"].astype(np.int64),
    )
    maintenance = position_maintenance(opening, held.instrument, notional)
    equity = equity_wanted(holders, units, margined, maintenance)
    values = settle_values(holders, units, margined, equity)
    coins = _hedging_coins(opening, holders, held, unit, units.size)
    return Population(
        spec=spec,
        seed=seed,
        opening=opening,
        accounts=_account_rows(holders),
        units=units,
        deposits=deposits(spec, opening, holders, units, values, coins),
        positions=positions,
    )


def _position_rows(
    spec: PopulationSpec,
    opening: Opening,
    holders: Holders,
    held: Held,
    notional: Float64Array,
) -> Records:
    rows = np.zeros(held.lots.size, dtype=POSITION)
    rows["lots"] = held.lots
    rows["entry_ticks"] = entry_ticks(opening, held.instrument, held.age_days)
    rows["instrument"] = held.instrument
    rows["leg"] = held.leg
    allowed = Brackets.of(opening.instruments).leverage_max(held.instrument, notional)
    makers = holders.kind[held.account] == AccountKind.MARKET_MAKER
    wanted = np.where(makers, _MAKER_SETTING, holders.leverage[held.account])
    rows["leverage"] = leverage_settings(spec, wanted, allowed)
    return rows


def _profits(opening: Opening, rows: Records) -> Float64Array:
    moved = opening.ticks[rows["instrument"]] - rows["entry_ticks"]
    sizes = np.array([one.lot * one.price_unit for one in opening.instruments])
    profits: Float64Array = rows["lots"] * moved * sizes[rows["instrument"]]
    return profits


def _hedging_coins(
    opening: Opening,
    holders: Holders,
    held: Held,
    unit: Int64Array,
    units: int,
) -> Float64Array:
    """Return the coins a delta-neutral account holds against its short, (n_units,)."""
    lot = np.array([one.lot for one in opening.instruments])
    neutral = holders.kind[held.account] == AccountKind.DELTA_NEUTRAL
    coins = np.where(neutral, -held.lots * lot[held.instrument], 0.0)
    return totals(unit, coins, units)


def _account_rows(holders: Holders) -> Records:
    rows = np.zeros(holders.kind.size, dtype=ACCOUNT)
    rows["id"] = np.arange(rows.size)
    rows["kind"] = holders.kind
    return rows
