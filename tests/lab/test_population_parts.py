"""The parts populations are made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.lab.population import load_spec
from keelmark.lab.population.describe import hill_index
from keelmark.lab.population.entries import entry_ticks
from keelmark.lab.population.makers import share_out
from keelmark.lab.population.scale import Demand, scale_to
from keelmark.lab.population.sizes import (
    choose,
    even_draws,
    normal_quantiles,
    size_quantiles,
    stratified,
)
from keelmark.lab.population.values import exact_sum
from keelmark.lab.scenarios import Opening


@given(st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=70), st.integers(1, 40))
def test_makers_cancel_the_imbalance_in_whole_equal_lots(imbalance: list[int], count: int) -> None:
    lots = share_out(np.array(imbalance), count)
    assert (lots.sum(axis=0) == -np.array(imbalance)).all()
    assert (np.ptp(lots, axis=0) <= 1).all()


@given(st.lists(st.integers(-(2**62), 2**62), max_size=40))
def test_sums_are_exact_beyond_64_bits(quanta: list[int]) -> None:
    assert exact_sum(np.array(quanta, dtype=np.int64)) == sum(quanta)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    count = draw(st.integers(2, 30))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return Demand(
        instrument=generator.integers(0, 3, count),
        side=generator.choice([-1, 1], count),
        notional=generator.lognormal(5, 3, count),
        smallest=1.0,
        largest=generator.uniform(100, 10_000, 3),
        fixed_long=generator.uniform(0, 10, 3),
        fixed_short=generator.uniform(0, 10, 3),
    )


@given(demands(), st.floats(0, 1))
def test_scaling_meets_the_open_interest_within_the_bounds(demand: Demand, part: float) -> None:
    least, most = demand.open_interest(0.0), demand.open_interest(1e18)
    wanted = least + part * (most - least)
    notional = scale_to(demand, wanted)
    assert (notional >= demand.smallest).all()
    assert (notional <= demand.largest[demand.instrument]).all()
    sides = [
        np.bincount(demand.instrument, np.where(demand.side == side, notional, 0.0), 3) + fixed
        for side, fixed in ((1, demand.fixed_long), (-1, demand.fixed_short))
    ]
    assert np.maximum(*sides).sum() == pytest.approx(wanted, rel=1e-6)


def test_the_calibrated_sizes_have_the_published_figures() -> None:
    table = load_spec().size
    probability = (np.arange(1_000_000) + 0.5) / 1_000_000
    sizes = size_quantiles(table, probability)
    assert np.all(np.diff(sizes) >= 0)
    assert np.median(sizes) == pytest.approx(481, rel=1e-3)
    assert np.quantile(sizes, 0.99) == pytest.approx(1.04e6, rel=0.01)
    assert sizes[-1] == pytest.approx(330e6, rel=0.02)
    assert sizes[-10_000:].sum() / sizes.sum() == pytest.approx(0.84, abs=0.01)
    assert hill_index(sizes, round(1_000_000 * 500 / 19_337)) == pytest.approx(0.76, abs=0.05)


def test_sizes_are_cut_at_the_largest_even_in_the_body() -> None:
    table = load_spec().size.model_copy(update={"largest": 1_000.0})
    sizes = size_quantiles(table, np.array([0.1, 0.5, 0.9, 0.999]))
    assert sizes[1] == pytest.approx(481)
    assert sizes[2:].tolist() == [1_000.0, 1_000.0]


def test_a_pure_tail_gives_back_its_index() -> None:
    probability = (np.arange(100_000) + 0.5) / 100_000
    assert hill_index((1 - probability) ** (-1 / 1.3), 5_000) == pytest.approx(1.3, rel=0.01)


def test_normal_quantiles_are_those_of_the_normal() -> None:
    found = normal_quantiles(np.array([0.5, 0.975, 0.0013498980316300933, 0.99]))
    assert found == pytest.approx([0.0, 1.959963985, -3.0, 2.326347874], abs=2e-6)


def test_stratified_draws_fall_one_in_each_stratum() -> None:
    draws = stratified(np.random.default_rng(0), 1_000)
    assert np.array_equal(np.sort(np.floor(draws * 1_000)), np.arange(1_000))


def test_shares_hold_among_the_largest_as_among_all() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.pareto(0.8, 10_000)
    draws = even_draws(generator, sizes, 3)
    for draw in draws:
        assert np.mean(draw < 0.3) == pytest.approx(0.3, abs=0.005)
        assert np.mean(draw[np.argsort(sizes)[-200:]] < 0.3) == pytest.approx(0.3, abs=0.03)
    both = (draws[0] < 0.5) & (draws[1] < 0.5) & (draws[2] < 0.5)
    assert np.mean(both) == pytest.approx(0.125, abs=0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda shares: sum(shares) > 0.1))
def test_choices_follow_the_shares_and_skip_what_has_none(shares: list[float]) -> None:
    draws = (np.arange(2_000) + 0.5) / 2_000
    found = np.bincount(choose(np.array(shares), draws), minlength=len(shares)) / 2_000
    assert found == pytest.approx(np.array(shares) / sum(shares), abs=0.002)


def test_an_entry_before_the_listing_is_the_first_price_there_was(opening: Opening) -> None:
    symbols = [instrument.symbol for instrument in opening.instruments]
    column = symbols.index("LIGHTUSDT")
    prices = opening.history.prices[:, column]
    first = prices[~np.isnan(prices)][0]
    found = entry_ticks(opening, np.array([column]), np.array([15.0]))
    assert found[0] == round(first / opening.instruments[column].price_unit)


def test_an_entry_of_today_is_the_price_at_the_start(opening: Opening) -> None:
    columns = np.arange(len(opening.instruments))
    found = entry_ticks(opening, columns, np.zeros(columns.size))
    assert np.array_equal(found, opening.ticks)
