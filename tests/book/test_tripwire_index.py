"""The tripwire index does what it says: states, cash, levels, trust, growth."""

from dataclasses import replace

import numpy as np
import pytest

from keelmark.book.kernels.jit import plain
from keelmark.book.kernels.margin import Tables
from keelmark.book.tripwires import Stream, TripwireIndex, TripwireSettings
from keelmark.book.tripwires.audit import fresh_bounds
from keelmark.book.tripwires.ladders import bucket
from keelmark.book.tripwires.plan import inverse_cube_root
from keelmark.book.tripwires.store import capacity, class_for
from keelmark.core.codes import UnitKind, UnitStatus, WatchState
from keelmark.core.errors import InvalidInput, InvariantViolated, UnknownUnit
from tests.book.cases import Contract, Desk, Money
from tests.book.law import NATURES, Drive
from tests.book.reference import Array
from tests.book.worlds import Nature, World

SMALL = TripwireSettings(slots=2**10)
SPARING = TripwireSettings(slots=2**10, reserve_share=0.5)

LONG = Desk(
    contracts=(Contract(mark=60_000.0, tiers=((0.0, 0.01),)),),
    balances=((0, 1_600.0),),
    positions=((0, 1.0, 60_000.0),),
)
"""Excess 1,000: liquidated 1,000 / 0.99 = 1,010.1 below 60,000."""


def state_of(index: TripwireIndex, unit: int = 0) -> WatchState:
    return WatchState(int(index.net.watch["state"][unit]))


def built(desk: Desk, settings: TripwireSettings = SMALL) -> TripwireIndex:
    return TripwireIndex.build(desk.tables(), settings)


def move_cash(index: TripwireIndex, quanta: int, row: int = 0) -> None:
    index.tables.balances["quanta"][row] += quanta


def test_a_healthy_unit_is_wired_and_a_liquidatable_one_is_a_suspect() -> None:
    index = built(LONG)
    assert state_of(index) is WatchState.WIRED
    assert index.apply_snapshot([0], [58_989.8]).tolist() == [0]
    assert state_of(index) is WatchState.SUSPECT
    assert index.suspects().tolist() == [0]
    index.check()


def test_a_unit_is_not_looked_at_while_prices_stay_inside_its_wires() -> None:
    index = built(LONG)
    looked = index.statistics()["evaluations"]
    for price in (60_500.0, 59_900.0, 59_100.0, 90_000.0, 59_050.0):
        assert index.apply_snapshot([0], [price]).size == 0
    assert index.statistics()["evaluations"] == looked


def test_a_hot_unit_that_comes_to_owe_is_looked_at_as_time_passes() -> None:
    euros = Money(price=1.1, borrow=1e-6)
    desk = replace(LONG, money=(Money(), euros), balances=((0, 611.5), (1, 10.0)))
    index = built(desk, TripwireSettings(slots=2**10, hot_distance=0.9))
    assert state_of(index) is WatchState.HOT
    move_cash(index, -20_000_000, row=1)
    assert index.post([0], [1], [-20_000_000]).size == 0  # excess 0.50, and 10 euros are owed
    clock = index.tables.prices.shape[0] - 1
    assert index.apply_snapshot([clock], [30_000.0]).size == 0
    assert index.apply_snapshot([clock], [60_000.0]).tolist() == [0]  # interest of 0.66
    index.check()


def test_a_suspect_is_reported_at_every_snapshot_until_it_recovers() -> None:
    index = built(LONG)
    for _ in range(3):
        assert index.apply_snapshot([0], [58_000.0]).tolist() == [0]
    assert index.apply_snapshot([0], [60_000.0]).size == 0
    assert state_of(index) is WatchState.WIRED
    index.check()


def test_the_reserve_is_the_excess_at_the_corner() -> None:
    world = World(replace(NATURES["general"], shared=False), np.random.default_rng(5))
    index = TripwireIndex.build(world.tables)
    bounds = np.empty(world.nature.units)
    fresh_bounds(world.tables, index.net, index.work, bounds)
    wired = index.net.watch["state"] == WatchState.WIRED
    reserve = index.net.watch["reserve"][wired]
    assert wired.sum() > 100
    assert np.all(bounds[wired] >= reserve * (1 - 1e-9))
    assert np.median(bounds[wired] / reserve) == pytest.approx(1.0, rel=1e-9)


def test_closed_units_in_house_units_and_units_without_risk_are_empty() -> None:
    tables = LONG.tables()
    for field, value in (
        ("status", UnitStatus.CLOSED),
        ("kind", UnitKind.IN_HOUSE),
        ("positions_count", 0),
    ):
        units = tables.units.copy()
        units[field][0] = value
        index = TripwireIndex.build(tables._replace(units=units))
        assert state_of(index) is WatchState.EMPTY
        assert index.apply_snapshot([0], [1.0]).size == 0


def test_a_unit_without_positions_that_owes_is_watched() -> None:
    money = (Money(price=1.0), Money(price=100.0))
    desk = replace(LONG, positions=(), balances=((0, -1_000.0), (1, 11.0)), money=money)
    index = built(desk)
    assert state_of(index) is WatchState.WIRED
    assert index.apply_snapshot([desk.factor_of(1)], [90.0]).tolist() == [0]


def test_the_settle_asset_rising_liquidates_a_debt_in_it() -> None:
    money = (Money(price=1.0), Money(price=100_000.0, quantum=1e-8))
    desk = replace(LONG, positions=(), balances=((0, -90_000.0), (1, 1.0)), money=money)
    index = built(desk)
    assert index.apply_snapshot([desk.factor_of(0)], [1.11]).size == 0
    assert index.apply_snapshot([desk.factor_of(0)], [1.12]).tolist() == [0]
    excess, _ = index.full_pass()
    assert excess[0] == pytest.approx(-800.0)


def test_a_unit_with_one_asset_has_no_wire_on_it_and_does_not_read_its_price() -> None:
    desk = replace(LONG, money=(Money(price=1.0),))
    index = built(desk)
    assert (index.net.wires["ladder"][index.net.wires["previous"] != 0] // 2 == 0).all()
    assert index.apply_snapshot([desk.factor_of(0)], [np.nan]).size == 0
    assert index.apply_snapshot([0], [58_000.0]).tolist() == [0]
    assert index.unknowns().size == 0


def test_a_flat_hedge_book_falls_on_either_side() -> None:
    desk = replace(LONG, positions=((0, 1.0, 60_000.0), (0, -1.0, 60_000.0)))
    index = built(desk)
    assert set(index.net.wires["ladder"][: index.net.watch["wires_count"][0]]) == {1}
    assert index.apply_snapshot([0], [81_000.0]).tolist() == [0]


def test_debits_are_paid_out_of_the_reserve_without_a_look() -> None:
    index = built(LONG, SPARING)
    looked = index.statistics()["evaluations"]
    for _ in range(10):
        move_cash(index, -10_000_000)
        assert index.debit(0, 0, 10_000_000).size == 0
    counted = index.statistics()
    assert counted["evaluations"] == looked
    assert counted["spent"] == 10
    index.check()
    move_cash(index, -900_500_000)
    assert index.debit(0, 0, 900_500_000).tolist() == [0]


def test_credits_refill_the_reserve() -> None:
    index = built(LONG, SPARING)
    before = float(index.net.watch["reserve"][0])
    move_cash(index, 250_000_000)
    index.credit(0, 0, 250_000_000)
    assert float(index.net.watch["reserve"][0]) == pytest.approx(before + 250.0)
    index.check()


def test_a_debit_that_turns_the_least_total_negative_needs_the_other_side_of_the_price() -> None:
    money = (Money(price=1.0), Money(price=1.0), Money(price=1.0))
    balances = ((0, 10.0), (1, 4_000.0), (2, -1_000.0))
    desk = replace(LONG, positions=(), balances=balances, money=money)
    index = built(desk, SPARING)
    move_cash(index, -5_000_000)
    assert index.debit(0, 0, 5_000_000).size == 0
    assert index.statistics()["exhausted"] == 0
    move_cash(index, -300_000_000)
    assert index.debit(0, 0, 300_000_000).size == 0
    assert index.statistics()["exhausted"] == 1
    ladders = index.net.wires["ladder"][index.net.wires["previous"] != 0]
    assert 2 * desk.factor_of(0) + 1 in ladders
    index.check()


def test_one_look_serves_a_unit_that_is_posted_to_twice() -> None:
    index = built(LONG)
    move_cash(index, -999_000_000)
    assert index.post([0, 0], [0, 0], [-500_000_000, -499_000_000]).size == 0
    assert index.statistics()["exhausted"] == 1
    index.check()


def test_cash_in_an_asset_that_had_no_row_is_looked_at() -> None:
    desk = replace(LONG, money=(Money(price=1.0), Money(price=10.0)))
    index = built(desk)
    index.tables.balances[1] = (-1_000_000, 1, 0)
    index.tables.units["balances_count"][0] = 2
    exhausted = index.statistics()["exhausted"]
    index.debit(0, 1, 1_000_000)
    assert index.statistics()["exhausted"] == exhausted + 1
    index.check()


def test_a_level_watches_for_a_warning_before_liquidation() -> None:
    index = built(LONG)
    assert index.set_level([0], 1.25).size == 0
    level = 60_000.0 - (1_600.0 - 1.25 * 600.0) / (1 - 1.25 * 0.01)
    assert index.apply_snapshot([0], [level + 1]).size == 0
    assert index.apply_snapshot([0], [level - 1]).tolist() == [0]
    assert index.set_level([0], 1.0).size == 0
    index.check()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_a_bad_price_is_refused_and_clears_and_liquidates_nobody(bad: float) -> None:
    index = built(LONG)
    assert index.apply_snapshot([0], [bad]).size == 0
    assert index.tables.prices[0] == 60_000.0
    assert index.untrusted.tolist() == [True, False, False]
    assert state_of(index) is WatchState.WIRED
    assert index.replace([0]).tolist() == [0]
    assert index.unknowns().tolist() == [0]
    assert index.suspects().size == 0
    assert index.apply_snapshot([1], [1.0]).size == 0
    assert index.apply_snapshot([0], [58_000.0]).tolist() == [0]
    assert index.suspects().tolist() == [0]
    index.check()


def test_a_good_price_in_a_batch_is_taken_beside_a_bad_one() -> None:
    world = World(Nature(units=50), np.random.default_rng(8))
    index = TripwireIndex.build(world.tables)
    index.apply_snapshot([0, 1], [np.nan, 123.0])
    assert index.tables.prices[1] == 123.0
    assert np.flatnonzero(index.untrusted).tolist() == [0]


def test_a_batch_is_one_snapshot() -> None:
    desk = Desk(
        contracts=(Contract(mark=100.0), Contract(mark=100.0)),
        balances=((0, 30.0),),
        positions=((0, 10.0, 100.0), (1, -10.0, 100.0)),
    )
    index = built(desk)
    assert index.apply_snapshot([0, 1], [50.0, 50.0]).size == 0
    assert index.apply_snapshot([0, 1], [100.0, 100.0]).size == 0
    assert index.apply_snapshot([0], [50.0]).tolist() == [0]


def test_the_last_price_of_a_factor_in_a_batch_counts() -> None:
    index = built(LONG)
    assert index.apply_snapshot([0, 0], [1.0, 60_000.0]).size == 0


def test_a_stream_stops_after_the_first_snapshot_that_needs_a_decision() -> None:
    index = built(LONG)
    prices = np.array([60_001.0, 59_500.0, 58_000.0, 57_000.0])
    stream = Stream(np.arange(5), np.zeros(4, np.int32), prices)
    stop = index.advance(stream)
    assert (stop.snapshot, stop.units.tolist()) == (2, [0])
    assert index.tables.prices[0] == 58_000.0
    index.tables.units["status"][0] = UnitStatus.CLOSED
    index.replace([0])
    stop = index.advance(stream, stop.snapshot + 1)
    assert (stop.snapshot, stop.units.size) == (4, 0)


def test_a_stream_with_strange_rows_is_refused_before_anything_changes() -> None:
    index = built(LONG)
    with pytest.raises(InvalidInput, match="snapshot 0"):
        index.apply_snapshot([0, 17], [50_000.0, 1.0])
    assert index.tables.prices[0] == 60_000.0
    strange = Stream(np.array([0, 5]), np.zeros(1, np.int32), np.ones(1))
    with pytest.raises(InvalidInput, match="snapshot 0"):
        index.advance(strange)


def test_a_unit_that_does_not_exist_is_refused_by_name() -> None:
    index = built(LONG)
    with pytest.raises(UnknownUnit, match="0 to 0"):
        index.replace([1])
    with pytest.raises(InvalidInput, match="2 amounts"):
        index.post([0], [0], [1, 2])


def test_a_unit_without_kernel_face_is_decided_whenever_what_it_reads_moves() -> None:
    tables = LONG.tables()
    tables.instruments["rule_kind"] = 127
    index = TripwireIndex.build(tables)
    assert state_of(index) is WatchState.UNWATCHABLE
    assert index.unwatchables().tolist() == [0]
    assert index.apply_snapshot([0], [60_001.0]).tolist() == [0]
    assert index.apply_snapshot([0], [60_001.0]).size == 0
    assert index.apply_snapshot([1], [1.1]).size == 0
    index.check()


def test_a_unit_close_to_its_level_is_hot_and_leaves_when_it_recovers() -> None:
    desk = replace(LONG, balances=((0, 600.5),))
    index = built(desk)
    assert state_of(index) is WatchState.HOT
    looked, relinked = (index.statistics()[name] for name in ("evaluations", "relinked"))
    assert index.apply_snapshot([0], [60_000.1]).size == 0
    assert index.statistics()["evaluations"] == looked + 1
    assert index.statistics()["relinked"] == relinked
    assert index.apply_snapshot([0], [61_000.0]).size == 0
    assert state_of(index) is WatchState.WIRED
    index.check()


def test_one_swinging_price_costs_one_look() -> None:
    index = built(LONG)
    looked = index.statistics()["evaluations"]
    for step in range(100):
        index.apply_snapshot([0], [60_000.0 * (1 + (0.012 if step % 2 else -0.012))])
    assert index.statistics()["evaluations"] <= looked + 2


def both_ways(nature: Nature, seed: int) -> list[tuple[Array, Array]]:
    """Return the states and prices that lists and straight passes end with."""
    ends = []
    for share in (1e9, 0.0):
        settings = TripwireSettings(slots=2**10, pass_share=share)
        drive = Drive(nature, settings, seed)
        rng = np.random.default_rng(seed)
        found = []
        for _ in range(40):
            rows, moves = drive.market(), rng.normal(0, 0.03, drive.market().size)
            prices = drive.world.base[rows] * np.exp(moves)
            found.append(drive.index.apply_snapshot(rows, prices).tolist())
        ends.append((np.array([len(f) for f in found]), drive.index.net.watch["state"].copy()))
        assert (drive.index.statistics()["passes"] > 0) == (share == 0.0)
    return ends


@pytest.mark.parametrize("name", NATURES)
def test_a_straight_pass_finds_what_the_lists_find(name: str) -> None:
    lists, straight = both_ways(replace(NATURES[name], units=80), 3)
    assert np.array_equal(lists[0], straight[0])
    assert np.array_equal(lists[1], straight[1])


def test_the_store_of_wires_grows_while_a_stream_runs() -> None:
    world = World(Nature(units=300, single=0.0), np.random.default_rng(9))
    index = TripwireIndex(world.tables)
    small = index.net.wires[: 4 * index.work.plan.shape[0]].copy()
    index.net = index.net._replace(wires=small)
    index.replace(np.arange(300))
    assert index.net.wires.shape[0] > small.shape[0]
    index.check()
    again = TripwireIndex.build(world.tables)
    assert np.array_equal(index.net.watch["reserve"], again.net.watch["reserve"])


def test_the_index_follows_a_book_that_grows() -> None:
    world = World(Nature(units=60), np.random.default_rng(10))
    tables = world.tables
    half = Tables(tables.units[:30].copy(), *tables[1:])
    index = TripwireIndex.build(half)
    index.rebind(tables)
    index.replace(np.arange(30, 60))
    index.check()
    whole = TripwireIndex.build(tables)
    assert np.array_equal(index.net.watch["reserve"], whole.net.watch["reserve"])
    assert index.states() == whole.states()


def test_a_unit_that_outgrows_the_room_for_one_unit_is_placed() -> None:
    tables = LONG.tables()
    index = TripwireIndex.build(tables)
    for row in range(1, 8):
        tables.positions[row] = tables.positions[0]
    tables.units["positions_count"][0] = 8
    tables.balances["quanta"][0] *= 10
    assert index.replace([0]).size == 0
    index.check()


def test_stamps_begin_again_before_they_overflow() -> None:
    index = built(LONG)
    index.net.status["stamp"] = np.iinfo(np.int32).max
    assert index.apply_snapshot([0], [58_000.0]).tolist() == [0]
    assert index.apply_snapshot([0], [58_000.0]).tolist() == [0]
    assert int(index.net.status["stamp"][0]) < 10


def test_check_sees_a_reserve_that_is_not_there_and_a_wire_that_is_lost() -> None:
    index = built(LONG)
    index.net.watch["reserve"][0] += 1_000.0
    with pytest.raises(InvariantViolated, match="uncovered reserve"):
        index.check()
    index = built(LONG)
    index.net.heads[:] = 0
    with pytest.raises(InvariantViolated, match="not linked"):
        index.check()


def test_terms_that_cannot_be_bounded_are_refused_by_row() -> None:
    tables = LONG.tables()
    tables.instruments["pnl_weight"][0] = 1.5
    tables.segments["slope"][0] = -1.0
    with pytest.raises(InvalidInput, match=r"(?s)instruments\[0\].*segments\[0\]"):
        TripwireIndex(tables)
    with pytest.raises(InvalidInput, match="power of two"):
        TripwireSettings(slots=1000)


def test_interest_that_accrues_is_looked_at_before_it_tells() -> None:
    money = (Money(borrow=1e-6), Money(price=100.0))
    desk = replace(LONG, positions=(), balances=((0, -1_000.0), (1, 10.05)), money=money)
    index = built(desk)
    clock = index.tables.prices.shape[0] - 1
    below = [
        second
        for second in range(0, 5_400, 60)
        if index.apply_snapshot([clock], [float(second)]).size
    ]
    assert below[0] == 5_040  # 1,000 * 1e-6 a second exceeds 5 after 5,000 seconds


@pytest.mark.parametrize(("count", "held"), [(1, 1), (2, 2), (3, 3), (5, 6), (7, 8), (9, 12)])
def test_blocks_of_wires_come_in_steps_of_a_half(count: int, held: int) -> None:
    assert capacity(class_for(count)) == held


def test_buckets_rise_with_the_price() -> None:
    prices = np.exp(np.linspace(np.log(1e-300), np.log(1e300), 2_000))
    found = [bucket(float(price), 39) for price in prices]
    assert found == sorted(found)
    assert found == [plain(bucket)(float(price), 39) for price in prices]


def test_the_cube_root_is_near_enough_for_a_distance() -> None:
    for value in (1e-12, 0.3, 1.0, 7.0, 1e9, 1e30):
        assert inverse_cube_root(value) == pytest.approx(value ** (-1 / 3), rel=0.03)
        assert plain(inverse_cube_root)(value) == inverse_cube_root(value)
