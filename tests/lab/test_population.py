"""Populations balance, start sound and look as specified."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pytest

from keelmark.core.codes import Leg, UnitKind
from keelmark.core.rules import TieredRule
from keelmark.lab.population import (
    AccountKind,
    Population,
    PopulationSpec,
    describe,
    generate,
    load_spec,
    starting_margin,
    unsound_units,
)
from keelmark.lab.population.brackets import Brackets
from keelmark.lab.population.generate import draw_shards
from keelmark.lab.scenarios import Opening

TABLES = ("accounts", "units", "deposits", "positions")


def same(left: Population, right: Population) -> bool:
    return all(np.array_equal(getattr(left, table), getattr(right, table)) for table in TABLES)


def lots_by_instrument(population: Population) -> list[int]:
    rows = population.positions
    return [
        int(rows["lots"][rows["instrument"] == column].sum())
        for column in range(len(population.opening.instruments))
    ]


def kinds_of_positions(population: Population) -> npt.NDArray[np.int8]:
    account = population.units["account"][population.positions["unit"]]
    kinds: npt.NDArray[np.int8] = population.accounts["kind"][account]
    return kinds


def test_equal_seeds_give_equal_rows_and_other_seeds_other_rows(
    fleet: Population, opening: Opening
) -> None:
    assert same(fleet, generate(fleet.spec, opening, seed=11))
    assert not same(fleet, generate(fleet.spec, opening, seed=12))


def test_a_shard_depends_on_nothing_but_its_own_seed(opening: Opening) -> None:
    spec = load_spec().model_copy(update={"accounts": 900, "shard_accounts": 300})
    all_of_it = draw_shards(spec, opening, seed=5)
    first_two = draw_shards(spec.with_accounts(600), opening, seed=5)
    for one, other in zip(all_of_it, first_two, strict=False):
        assert np.array_equal(one.positions.notional, other.positions.notional)
        assert np.array_equal(one.accounts.leverage, other.accounts.leverage)
    sizes = [shard.positions.notional for shard in all_of_it]
    assert not np.array_equal(sizes[0][:100], sizes[1][:100])


@pytest.mark.parametrize("name", ["default", "whale", "delta_neutral"])
@pytest.mark.parametrize("seed", [0, 1])
def test_open_interest_balances_lot_for_lot(name: str, seed: int, opening: Opening) -> None:
    population = generate(load_spec(name).with_accounts(4_000), opening, seed=seed)
    assert lots_by_instrument(population) == [0] * 60


@pytest.mark.parametrize("name", ["default", "whale", "delta_neutral"])
@pytest.mark.parametrize("seed", [0, 1])
def test_nobody_starts_below_initial_margin(name: str, seed: int, opening: Opening) -> None:
    population = generate(load_spec(name).with_accounts(4_000), opening, seed=seed)
    assert unsound_units(population).size == 0
    margin = starting_margin(population)
    held = margin.initial > 0
    assert np.all(margin.equity[held] >= margin.initial[held])
    assert np.all(margin.equity[held] > margin.maintenance[held])


def test_the_check_finds_a_unit_that_lost_its_collateral(fleet: Population) -> None:
    victim = int(fleet.positions["unit"][0])
    deposits = fleet.deposits.copy()
    deposits["quanta"][deposits["unit"] == victim] //= 50
    assert unsound_units(replace(fleet, deposits=deposits)).tolist() == [victim]


def test_the_check_finds_leverage_above_the_bracket(fleet: Population) -> None:
    positions = fleet.positions.copy()
    positions["leverage"][7] = 60_000
    assert int(positions["unit"][7]) in unsound_units(replace(fleet, positions=positions))


def test_the_checks_maintenance_is_that_of_the_exact_rule(fleet: Population) -> None:
    rows = fleet.positions[:: fleet.positions.size // 300]
    notional = np.abs(rows["lots"]) * fleet.opening.lot_notionals[rows["instrument"]]
    found = Brackets.of(fleet.opening.instruments).maintenance_by_slices(
        rows["instrument"].astype(np.int64), notional
    )
    for instrument, worth, maintenance in zip(rows["instrument"], notional, found, strict=True):
        rule = TieredRule(tiers=fleet.opening.instruments[instrument].tiers, edge_upper=True)
        exact = rule.requirement(Decimal(1), Decimal(str(worth)))
        assert float(exact.amount) == pytest.approx(maintenance, rel=1e-9, abs=1e-9)


def test_kinds_have_their_shares(fleet: Population) -> None:
    found = np.bincount(fleet.accounts["kind"], minlength=6)
    assert found[:4] / 20_000 == pytest.approx(fleet.spec.kinds.shares, abs=0.003)
    assert found[AccountKind.WHALE] == 0
    assert found[AccountKind.MARKET_MAKER] == 24


def test_sides_modes_and_counts_have_their_shares(fleet: Population) -> None:
    summary = describe(fleet)
    assert summary.long_share == pytest.approx(0.65, abs=0.02)
    assert summary.long_notional_share == pytest.approx(0.62, abs=0.06)
    assert summary.leverage_quantiles[1] == pytest.approx(3.0, abs=0.35)
    kind = kinds_of_positions(fleet)
    directional = kind == AccountKind.DIRECTIONAL
    unit_kind = fleet.units["kind"][fleet.positions["unit"]]
    isolated = np.mean(unit_kind[directional] == UnitKind.ISOLATED)
    assert isolated == pytest.approx(0.3, abs=0.02)
    account = fleet.units["account"][fleet.positions["unit"]][directional]
    counts = np.bincount(np.bincount(account)[np.unique(account)], minlength=9)[1:]
    assert counts / counts.sum() == pytest.approx(fleet.spec.positions.count_shares, abs=0.015)


def test_the_open_interest_is_the_one_wanted(fleet: Population) -> None:
    wanted = sum(fleet.spec.open_interest_of(one.daily_volume) for one in fleet.opening.instruments)
    assert describe(fleet).open_interest == pytest.approx(wanted, rel=0.01)
    assert wanted == pytest.approx(20.1e9 / 20, rel=0.01)


def test_an_account_holds_an_instrument_once_unless_it_hedges(fleet: Population) -> None:
    rows = fleet.positions
    account = fleet.units["account"][rows["unit"]].astype(np.int64)
    keys = (account * 60 + rows["instrument"]) * 3 + rows["leg"] + 1
    assert np.unique(keys).size == keys.size
    legs = rows["leg"][kinds_of_positions(fleet) != AccountKind.HEDGE_MODE]
    assert np.all(legs == Leg.NET)


def test_hedge_mode_holds_both_legs_of_each_instrument(fleet: Population) -> None:
    rows = fleet.positions[kinds_of_positions(fleet) == AccountKind.HEDGE_MODE]
    assert rows.size > 100
    assert np.array_equal(np.sign(rows["lots"]), rows["leg"])
    assert np.sum(rows["leg"] == Leg.LONG) == np.sum(rows["leg"] == Leg.SHORT)


def test_hedged_accounts_are_long_one_and_short_another_for_as_much(fleet: Population) -> None:
    chosen = kinds_of_positions(fleet) == AccountKind.HEDGED
    rows = fleet.positions[chosen]
    account = fleet.units["account"][rows["unit"]]
    assert np.all(np.bincount(account)[np.unique(account)] == 2)
    values = rows["lots"] * fleet.opening.lot_notionals[rows["instrument"]]
    long, short = values.reshape(-1, 2).max(axis=1), -values.reshape(-1, 2).min(axis=1)
    large = (long > 10_000) & (long < 1_000_000)
    assert large.sum() > 20
    assert np.median(np.abs(long / short - 1)[large]) < 0.02
    assert np.all((long > 0) & (short > 0))


def test_delta_neutral_accounts_hold_the_coins_they_are_short_of(fleet: Population) -> None:
    assets = [asset.asset for asset in fleet.opening.assets]
    rows = fleet.positions[kinds_of_positions(fleet) == AccountKind.DELTA_NEUTRAL]
    assert rows.size > 500
    for row in rows[:200]:
        instrument = fleet.opening.instruments[int(row["instrument"])]
        held = fleet.deposits[
            (fleet.deposits["unit"] == row["unit"])
            & (fleet.deposits["asset"] == assets.index(instrument.contract.base))
        ]
        coins = int(held["quanta"][0]) * Decimal("1e-8")
        short = -int(row["lots"]) * instrument.contract.lot
        assert 0 <= coins - short <= Decimal("1e-6")  # rounded up to a quantum


def test_each_account_has_one_cross_unit_first_and_isolated_units_of_one_position(
    fleet: Population,
) -> None:
    units = fleet.units
    first = np.concatenate([[True], np.diff(units["account"]) > 0])
    assert np.array_equal(first, units["kind"] == UnitKind.CROSS)
    assert np.array_equal(units["account"][first], fleet.accounts["id"])
    positions = np.bincount(fleet.positions["unit"], minlength=units.size)
    assert np.all(positions[units["kind"] == UnitKind.ISOLATED] == 1)
    assert np.all(np.diff(fleet.positions["unit"]) >= 0)


def test_deposits_are_positive_sorted_and_once_an_asset(fleet: Population) -> None:
    rows = fleet.deposits
    assert np.all(rows["quanta"] > 0)
    keys = rows["unit"].astype(np.int64) * len(fleet.opening.assets) + rows["asset"]
    assert np.all(np.diff(keys) > 0)
    isolated = fleet.units["kind"][rows["unit"]] == UnitKind.ISOLATED
    assert np.all(rows["asset"][isolated] == 0)


def test_collateral_has_its_shares_among_cross_accounts(fleet: Population) -> None:
    chosen = fleet.accounts["kind"] == AccountKind.DIRECTIONAL
    rows = fleet.deposits[chosen[fleet.units["account"][fleet.deposits["unit"]]]]
    holders = [
        np.unique(fleet.units["account"][rows["unit"][rows["asset"] == index]]).size
        for index in range(1, 4)
    ]
    wanted = {table.asset: table.share for table in fleet.spec.collateral}
    shares = [wanted[asset.asset] for asset in fleet.opening.assets[1:]]
    assert np.array(holders) / chosen.sum() == pytest.approx(shares, abs=0.01)


def test_entries_are_prices_of_the_days_before(fleet: Population) -> None:
    rows, history = fleet.positions, fleet.opening.history.prices
    for column, instrument in enumerate(fleet.opening.instruments):
        earlier = np.rint(history[:, column] / instrument.price_unit)
        entries = rows["entry_ticks"][rows["instrument"] == column]
        assert np.all(np.isin(entries, earlier)), instrument.symbol
    assert np.mean(rows["entry_ticks"] != fleet.opening.ticks[rows["instrument"]]) > 0.8


def test_high_leverage_is_young(fleet: Population) -> None:
    rows = fleet.positions
    moved = np.abs(np.log(fleet.opening.ticks[rows["instrument"]] / rows["entry_ticks"]))
    btc = rows["instrument"] == 1
    bold = moved[btc & (rows["leverage"] >= 2_000)]
    calm = moved[btc & (rows["leverage"] <= 300)]
    assert np.median(bold) < np.median(calm)


def test_leverage_is_a_setting_or_the_brackets_maximum(fleet: Population) -> None:
    rows = fleet.positions
    notional = np.abs(rows["lots"]) * fleet.opening.lot_notionals[rows["instrument"]]
    allowed = Brackets.of(fleet.opening.instruments).leverage_max(
        rows["instrument"].astype(np.int64), notional
    )
    assert np.all(rows["leverage"] <= 100 * allowed)
    offered = np.isin(rows["leverage"], 100 * np.array(fleet.spec.leverage.settings))
    assert np.all(offered | (rows["leverage"] == 100 * allowed))


def test_whales_hold_what_they_are_given(opening: Opening) -> None:
    spec = load_spec("whale").with_accounts(20_000)
    population = generate(spec, opening, seed=1)
    whales = np.flatnonzero(population.accounts["kind"] == AccountKind.WHALE)
    assert whales.size == 3
    margin = starting_margin(population)
    for account, whale in zip(whales, spec.whale, strict=True):
        units = np.flatnonzero(population.units["account"] == account)
        row = population.positions[np.isin(population.positions["unit"], units)][0]
        instrument = opening.instruments[row["instrument"]]
        notional = abs(row["lots"]) * opening.lot_notionals[row["instrument"]]
        wanted = whale.open_interest_share * spec.open_interest_of(instrument.daily_volume)
        assert instrument.symbol == whale.instrument
        assert notional == pytest.approx(wanted, rel=1e-3)
        assert (row["lots"] > 0) == (whale.side == "long")
        assert (population.units["kind"][row["unit"]] == UnitKind.ISOLATED) == whale.isolated
        assert notional / margin.equity[row["unit"]] <= whale.leverage * 1.001
    assert population.account_name(int(whales[0])) == "whale-20000"


def test_market_makers_are_well_capitalised_and_share_equally(fleet: Population) -> None:
    margin = starting_margin(fleet)
    makers = fleet.accounts["kind"][fleet.units["account"]] == AccountKind.MARKET_MAKER
    assert np.all(margin.equity[makers] > 2 * margin.initial[makers])
    rows = fleet.positions[makers[fleet.positions["unit"]]]
    for column in range(60):
        lots = rows["lots"][rows["instrument"] == column]
        assert lots.size == 0 or np.ptp(lots) <= 1


def test_the_vault_is_what_everyone_is_worth(fleet: Population) -> None:
    vaults = fleet.vaults()
    plain = sum(int(row["quanta"]) for row in fleet.deposits[fleet.deposits["asset"] == 0]) - sum(
        int(cost) for cost in fleet.costs()
    )
    assert vaults["USDT"] == plain
    assert min(vaults.values()) > 0
    profits = fleet.positions["lots"] * (
        fleet.opening.ticks[fleet.positions["instrument"]] - fleet.positions["entry_ticks"]
    )
    gained = int(np.sum(profits * fleet.unit_values()[fleet.positions["instrument"]]))
    deposited = int(fleet.deposits["quanta"][fleet.deposits["asset"] == 0].sum())
    assert vaults["USDT"] == deposited + gained


@pytest.mark.parametrize("count", [3, 500])
def test_a_leverage_or_a_share_changes_what_it_says(count: int, opening: Opening) -> None:
    spec = load_spec().with_accounts(4_000)
    makers = spec.market_makers.model_copy(update={"count": count})
    population = generate(spec.model_copy(update={"market_makers": makers}), opening, seed=2)
    assert np.sum(population.accounts["kind"] == AccountKind.MARKET_MAKER) == count
    assert lots_by_instrument(population) == [0] * 60
    assert unsound_units(population).size == 0


@pytest.mark.slow
def test_the_default_population_has_the_published_tail(opening: Opening) -> None:
    spec: PopulationSpec = load_spec()
    population = generate(spec, opening, seed=7)
    summary = describe(population)
    assert summary.accounts == 400_024
    assert summary.hill_index == pytest.approx(0.76, abs=0.06)
    assert summary.share_of_top_percent == pytest.approx(0.84, abs=0.05)
    assert 200 < summary.notional_median < 600
    assert summary.leverage_quantiles[1] == pytest.approx(3.0, abs=0.3)
    assert summary.open_interest == pytest.approx(20.1e9, rel=0.01)
    assert lots_by_instrument(population) == [0] * 60
    assert unsound_units(population).size == 0
