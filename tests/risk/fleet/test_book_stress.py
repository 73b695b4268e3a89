"""A venue's whole book under scenarios agrees with core on every rebuilt account."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.core.errors import InvalidInput
from keelmark.core.excess import worth
from keelmark.core.margin import margin_report
from keelmark.core.numbers import exact
from keelmark.lab.bench.fleet import fleet_state
from keelmark.lab.bench.venue import Shape
from keelmark.lab.population import generate, load_spec
from keelmark.lab.replay.spec import ReplaySpec, venue_rulebook
from keelmark.lab.replay.stage import one_sided_interest, set_stage
from keelmark.lab.scenarios import load_scenario
from keelmark.risk.fleet import (
    VenueBook,
    book_concentration,
    book_stress,
    made_for_book,
    moves_of,
)
from keelmark.risk.fleet.book_values import screened
from keelmark.risk.fleet.kernel import book_parallel, book_pass
from keelmark.risk.fleet.measures import at_risk, tail_mean
from keelmark.risk.revaluation.moved import after_scenario
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.stress.library import named, stress_library
from tests.risk.fleet.books import accounts, scenarios, venue_book

LONG = {"cash": {"USDT": 10_000}, "lots": {"BTCUSDT": (1_000, 1.0)}}
SHORT = {"cash": {"USDT": 10_000}, "lots": {"BTCUSDT": (-1_000, 1.0)}}
RICH = {"cash": {"USDT": 200_000}, "lots": {"ETHUSDT": (1_000, 1.0)}}


def fall(book: VenueBook, *moves: float, **more: Any) -> Scenarios:  # noqa: ANN401 blocks
    values = np.repeat(np.array(moves)[:, None], len(book.coins), axis=1)
    return Scenarios(returns=Shocks(names=book.coins, values=values), **more)


@settings(max_examples=25)
@given(data=st.data(), drawn=st.lists(accounts(), min_size=2, max_size=6))
def test_screen_verdicts_and_sums_are_those_of_core_on_rebuilt_units(
    data: st.DataObject, drawn: list[dict[str, Any]]
) -> None:
    book = venue_book(drawn)
    scene = data.draw(scenarios(book))
    found = book_stress(book, scene)
    model = book.universe.model
    for at in range(len(scene)):
        excess, error, values = screened(book, scene, at)
        down = missing = 0.0
        for unit in np.flatnonzero(book.held).tolist():
            rebuilt = book.unit(unit)
            market, paid = after_scenario(rebuilt, book.market, model, scene, at)
            report = margin_report(paid, market, model)
            gap = abs(excess[unit] - float(report.maintenance_excess))
            assert gap <= error[unit]
            with exact():
                exactly = float(worth(paid, market, model))
            assert abs(values[unit] - exactly) <= error[unit]
            down += report.is_liquidatable
            missing += max(0.0, -exactly) if report.is_liquidatable else 0.0
        assert found.units[at] == down
        assert found.deficit[at] == pytest.approx(missing, abs=error.sum())


def test_a_fall_takes_the_longs_and_a_rise_the_shorts() -> None:
    book = venue_book([LONG, SHORT, RICH])
    found = book_stress(book, fall(book, -0.3, 0.0, 0.3))
    assert found.accounts.tolist() == [1, 0, 1]
    assert found.notional.tolist() == pytest.approx([42_000, 0.0, 78_000])
    assert found.deficit.tolist() == pytest.approx([8_000, 0.0, 8_000])
    assert found.equity_lost.tolist() == pytest.approx([10_000, 0.0, 10_000])
    assert found.lost[0] == pytest.approx(18_000 + 900)
    btc = found.coins.index("BTC")
    assert found.by_coin[0, btc].tolist() == pytest.approx([42_000, 0.0])
    assert found.by_coin[2, btc].tolist() == pytest.approx([0.0, 78_000])
    assert found.accounts_count == 3
    assert found.worth_now == pytest.approx(220_000)


def test_slippage_adds_to_the_draw_and_thin_books_to_the_slippage() -> None:
    book = venue_book([LONG])
    plainly = book_stress(book, fall(book, -0.3))
    dearer = book_stress(book, fall(book, -0.3), slippage=0.01)
    assert dearer.deficit[0] == pytest.approx(plainly.deficit[0] + 420)
    quarter = Shocks(names=book.coins, values=np.full((1, len(book.coins)), 0.25))
    thin = book_stress(book, fall(book, -0.3, depth=quarter), slippage=0.01)
    assert thin.deficit[0] == pytest.approx(plainly.deficit[0] + 840)
    empty = Shocks(names=book.coins, values=np.zeros((1, len(book.coins))))
    gone = book_stress(book, fall(book, -0.3, depth=empty), slippage=0.01)
    assert gone.deficit[0] == pytest.approx(plainly.deficit[0] + 42_000)
    with pytest.raises(InvalidInput, match="give a fraction"):
        book_stress(book, fall(book, -0.3), slippage=1.5)


def test_a_depeg_of_collateral_liquidates_who_holds_it() -> None:
    neutral = {"cash": {"USDE": 60_000, "USDT": -52_000}, "lots": {"BTCUSDT": (100, 1.0)}}
    book = venue_book([neutral, LONG])
    made = made_for_book(book, stress_library())
    found = book_stress(book, made.scenarios)
    by_name = dict(zip(found.labels, found.units.tolist(), strict=True))
    assert "correlation-zero" in made.left_out
    assert "correlation-zero" not in by_name
    assert by_name["october-2025-depeg"] == 1
    assert by_name["stablecoin-depeg"] == 1
    assert by_name["march-2020"] == 1


def test_a_ladder_moves_one_coin_or_all() -> None:
    book = venue_book([LONG, RICH])
    alone = book_stress(book, moves_of(book, "BTC", (-0.5, 0.5)))
    assert alone.labels == ("BTC -50 %", "BTC +50 %")
    assert alone.accounts.tolist() == [1, 0]
    together = book_stress(book, moves_of(book, moves=(-0.5, -0.1)))
    assert together.lost[0] > alone.lost[0]
    with pytest.raises(InvalidInput, match="did you mean 'BTC'"):
        moves_of(book, "BTCC")


def test_a_fall_in_steps_takes_ever_more_longs() -> None:
    state = fleet_state(Shape(units=300, coins=0.0, debts=0.0))
    book = VenueBook(universe=state.universe, book=state.book, prices=state.prices)
    longs = [unit for unit in np.flatnonzero(book.held).tolist() if _is_long(book, unit)]
    assert len(longs) > 20
    for unit in np.flatnonzero(book.held).tolist():
        if unit not in longs:
            state.book.units["kind"][unit] = 2
    steps = book_stress(
        VenueBook(universe=state.universe, book=state.book, prices=state.prices),
        moves_of(book, moves=(-0.05, -0.1, -0.2, -0.4)),
    )
    assert (np.diff(steps.units) >= 0).all()
    assert (np.diff(steps.deficit) >= 0.0).all()
    assert steps.units[-1] > steps.units[0]


def _is_long(book: VenueBook, unit: int) -> bool:
    return all(p.lots > 0 for p in book.book.unit_view(unit).positions)


@pytest.mark.slow
def test_a_drawn_venue_with_isolated_and_hedge_legs_is_what_core_says() -> None:
    crash = load_scenario("oct10", seed=3)
    population = generate(load_spec().with_accounts(220), crash.opening(), seed=11)
    spec = ReplaySpec()
    interest = Decimal(one_sided_interest(population)) * crash.settle.quantum
    rules = venue_rulebook(spec, crash, population.spec, interest)
    state = set_stage(spec, crash, population, rules).engine.state
    book = VenueBook(universe=state.universe, book=state.book, prices=state.prices)
    made = made_for_book(book, named(["october-2025-depeg", "funding-longs-pay"], stress_library()))
    found = book_stress(book, made.scenarios)
    model = book.universe.model
    for at in range(2):
        down = 0
        excess, error, _ = screened(book, made.scenarios, at)
        for unit in np.flatnonzero(book.held).tolist():
            rebuilt = book.unit(unit)
            market, paid = after_scenario(rebuilt, book.market, model, made.scenarios, at)
            report = margin_report(paid, market, model)
            assert abs(excess[unit] - float(report.maintenance_excess)) <= error[unit]
            down += report.is_liquidatable
        assert found.units[at] == down > 0
    assert found.fund > 0.0


def test_the_order_of_accounts_changes_nothing() -> None:
    one, two = venue_book([LONG, SHORT, RICH]), venue_book([RICH, SHORT, LONG])
    first, second = (book_stress(b, fall(b, -0.3, 0.4)) for b in (one, two))
    assert first.deficit.tolist() == pytest.approx(second.deficit.tolist())
    assert first.units.tolist() == second.units.tolist()


def test_many_threads_write_what_one_writes_and_the_plain_kernel_too() -> None:
    book = venue_book([LONG, SHORT, RICH])
    costs = np.full(len(book.instrument_coins), 0.001)
    count = book.book.units_count
    one, many, interpreted = (np.empty((count, 5)) for _ in range(3))
    book_pass(book.tables, costs, 0.0, one, 0, count)
    book_parallel(book.tables, costs, 0.0, many)
    plain(book_pass)(book.tables, costs, 0.0, interpreted, 0, count)
    assert np.array_equal(one, many)
    assert np.array_equal(one, interpreted)


def test_at_risk_is_the_quantile_and_the_tail_mean_lies_above_it() -> None:
    amounts = np.arange(1.0, 101.0)
    assert at_risk(amounts, 0.95) == 95.0
    assert tail_mean(amounts, 0.95) == pytest.approx(98.0)
    weights = np.array([0.9, 0.06, 0.04])
    three = np.array([0.0, 10.0, 100.0])
    assert at_risk(three, 0.95, weights) == 10.0
    assert tail_mean(three, 0.95, weights) == pytest.approx((0.01 * 10 + 0.04 * 100) / 0.05)
    assert at_risk(np.array([7.0]), 0.5) == tail_mean(np.array([7.0]), 0.5) == 7.0
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(InvalidInput, match="probability between"):
            at_risk(amounts, wrong)


def test_fund_sizes_follow_the_probabilities_of_the_scenarios() -> None:
    book = venue_book([LONG])
    scene = fall(book, 0.0, -0.3, -0.5, weights=np.array([0.9, 0.08, 0.02]))
    found = book_stress(book, scene)
    assert found.fund_sizes((0.5, 0.95, 0.99)) == pytest.approx(
        {0.5: 0.0, 0.95: 8_000, 0.99: 20_000}
    )
    assert found.expected_draw == pytest.approx(0.08 * 8_000 + 0.02 * 20_000)
    assert found.value_at_risk(0.95) == pytest.approx(8_000)
    assert found.liquidations_at_risk(0.95) == pytest.approx(42_000)
    assert found.liquidations_beyond(0.95) == pytest.approx(42_000)
    assert found.equity_at_risk(0.95) == pytest.approx(10_000)
    assert found.expected_shortfall(0.95) == pytest.approx((0.03 * 8_000 + 0.02 * 20_000) / 0.05)
    assert found.beyond_fund.tolist() == found.deficit.tolist()
    assert found.currency == "USDT"


def test_concentration_is_told_by_coin_side_and_account() -> None:
    book = venue_book([LONG, SHORT, RICH])
    found = book_concentration(book, top=1)
    btc, eth = found.coins.index("BTC"), found.coins.index("ETH")
    assert found.long[btc] == found.short[btc] == pytest.approx(60_000)
    assert found.long[eth] == pytest.approx(3_000)
    assert found.shares[btc] == pytest.approx(120 / 123)
    assert found.coin_index == pytest.approx((120 / 123) ** 2 + (3 / 123) ** 2)
    assert found.top_share == pytest.approx(60 / 123)
    with pytest.raises(InvalidInput, match="at least one"):
        book_concentration(book, top=0)


def test_what_does_not_fit_the_book_is_refused() -> None:
    book = venue_book([LONG])
    few = Scenarios(returns=Shocks(names=("BTC",), values=np.zeros((1, 1))))
    with pytest.raises(InvalidInput, match="says nothing of"):
        book_stress(book, few)
    with pytest.raises(InvalidInput, match="prices of shape"):
        VenueBook(universe=book.universe, book=book.book, prices=book.prices[:-1])
