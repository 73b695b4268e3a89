"""Barriers of a walk: published figures, limits, and series against each other."""

from functools import partial
from math import exp, inf, log, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.barriers import (
    funding_drift,
    inverse_barrier,
    leverage_probability,
    linear_barrier,
)
from keelmark.risk.liquidation.monitored import (
    SHIFT,
    met_at_looks,
    met_at_looks_shifted,
    survivors,
)
from keelmark.risk.liquidation.normal import cumulative, log_cumulative
from keelmark.risk.liquidation.one_barrier import (
    Walk,
    distance_to,
    half_space_met_by,
    met_by,
    met_ever,
    time_met,
)
from keelmark.risk.liquidation.two_assets import first_met_by
from keelmark.risk.liquidation.two_barriers import (
    left_by,
    left_by_eigenvalues,
    left_by_images,
    time_left,
)

WEEK = 7 / 365
BITCOIN = Walk.of_price(0.8)
volatilities = st.floats(0.1, 3.0)
drifts = st.floats(-3.0, 3.0)
times = st.floats(1e-3, 2.0)
lows = st.floats(-1.5, -0.02)


def test_a_barrier_ten_percent_below_is_met_in_a_week_as_published() -> None:
    assert met_by(BITCOIN, log(0.9), WEEK) == pytest.approx(0.3597960480166813, abs=1e-12)


def test_a_barrier_is_ever_met_as_published() -> None:
    walk = Walk.of_price(0.6, growth=0.5)
    assert met_ever(walk, log(0.7)) == pytest.approx(0.5304185914, abs=1e-9)
    assert met_by(walk, log(0.7), inf) == met_ever(walk, log(0.7))
    assert met_by(walk, log(0.7), 1e6) == pytest.approx(met_ever(walk, log(0.7)), rel=1e-9)


def test_a_drift_towards_the_barrier_meets_it_for_certain() -> None:
    assert met_ever(BITCOIN, log(0.7)) == 1.0
    assert met_ever(BITCOIN, log(1.5)) < 1.0


@given(volatility=volatilities, drift=drifts, low=lows, time=times)
def test_an_upper_barrier_is_a_lower_one_upside_down(
    volatility: float, drift: float, low: float, time: float
) -> None:
    down = met_by(Walk(volatility, drift), low, time)
    assert met_by(Walk(volatility, -drift), -low, time) == down


@given(volatility=volatilities, low=lows, time=times, more=st.floats(1.01, 3.0))
def test_without_drift_it_rises_with_volatility_and_time_and_falls_with_distance(
    volatility: float, low: float, time: float, more: float
) -> None:
    here = met_by(Walk(volatility), low, time)
    assert met_by(Walk(volatility * more), low, time) >= here
    assert met_by(Walk(volatility), low, time * more) >= here
    assert met_by(Walk(volatility), low * more, time) <= here


@given(volatility=volatilities, drift=drifts, low=lows, share=st.floats(0.01, 0.99))
def test_the_time_of_a_probability_has_that_probability(
    volatility: float, drift: float, low: float, share: float
) -> None:
    walk = Walk(volatility, drift)
    wanted = share * met_ever(walk, low)
    assert met_by(walk, low, time_met(walk, low, wanted)) == pytest.approx(wanted, rel=1e-9)


def test_a_time_that_never_comes_is_infinite() -> None:
    assert time_met(Walk(0.5, 1.0), -0.5, 0.9) == inf


def test_looks_are_met_as_published_and_the_shift_is_near() -> None:
    exact = {7: 0.266432, 50: 0.320186, 168: 0.337488}
    moved = {7: 0.257474, 50: 0.318911, 168: 0.337108}
    for looks, expected in exact.items():
        assert met_at_looks(BITCOIN, log(0.9), WEEK, looks) == pytest.approx(expected, abs=1e-5)
        shifted = met_at_looks_shifted(BITCOIN, log(0.9), WEEK, looks)
        assert shifted == pytest.approx(moved[looks], abs=1e-5)


def test_one_look_is_the_normal_tail() -> None:
    expected = cumulative((log(0.9) - BITCOIN.drift * WEEK) / (0.8 * sqrt(WEEK)))
    assert met_at_looks(BITCOIN, log(0.9), WEEK, 1) == pytest.approx(expected, abs=1e-12)
    upper = met_at_looks(Walk(0.8, 0.3), 0.1, WEEK, 9)
    assert upper == pytest.approx(met_at_looks(Walk(0.8, -0.3), -0.1, WEEK, 9), abs=1e-12)


def down_and_out_call(barrier: float) -> float:
    """Return the continuous price of Merton; S = K = 100, v = 0.3, r = 0.1, T = 0.2."""
    spread, power = 0.3 * sqrt(0.2), (0.1 + 0.045) / 0.09

    def parts(top: float) -> tuple[float, float]:
        high = log(top / 100.0) / spread + power * spread
        return cumulative(high), exp(-0.02) * cumulative(high - spread)

    plain, image = parts(100.0), parts(barrier**2 / 100.0)
    share = barrier / 100.0
    vanilla = 100.0 * (plain[0] - plain[1])
    wide, narrow = pow(share, 2 * power), pow(share, 2 * power - 2)
    return float(vanilla - 100.0 * (wide * image[0] - narrow * image[1]))


@pytest.mark.parametrize(
    ("barrier", "continuous", "shifted", "true"),
    [
        (85, 6.3076, 6.3223, 6.3222),
        (91, 5.8078, 5.9773, 5.9771),
        (95, 4.3975, 4.9071, 4.9068),
        (97, 3.0596, 3.8362, 3.8340),
        (99, 1.1708, 2.2713, 2.3364),
    ],
)
def test_the_table_of_broadie_glasserman_and_kou(
    barrier: float, continuous: float, shifted: float, true: float
) -> None:
    assert down_and_out_call(barrier) == pytest.approx(continuous, abs=5e-4)
    moved = barrier * exp(-SHIFT * 0.3 * sqrt(0.2 / 50))
    assert down_and_out_call(moved) == pytest.approx(shifted, abs=5e-4)
    walk = Walk.of_price(0.3, growth=0.1)
    points, mass = survivors(walk, log(barrier / 100), 0.2, 50, edges=[0.0])
    priced = exp(-0.02) * float(mass @ np.maximum(100 * np.exp(points) - 100, 0.0))
    assert priced == pytest.approx(true, abs=5e-4)


@given(
    volatility=volatilities,
    drift=drifts,
    low=lows,
    high=st.floats(0.02, 1.5),
    filled=st.floats(0.25, 0.8),
)
def test_eigenvalues_and_images_are_one_number(
    volatility: float, drift: float, low: float, high: float, filled: float
) -> None:
    walk = Walk(volatility, drift)
    time = ((high - low) * filled / volatility) ** 2
    found = left_by_eigenvalues(walk, low, high, time)
    assert left_by_images(walk, low, high, time) == pytest.approx(found, abs=1e-9)


@given(volatility=volatilities, drift=drifts, low=lows, high=st.floats(0.02, 1.5), time=times)
def test_a_corridor_is_left_at_least_as_soon_as_either_barrier_is_met(
    volatility: float, drift: float, low: float, high: float, time: float
) -> None:
    walk = Walk(volatility, drift)
    down, up = met_by(walk, low, time), met_by(walk, high, time)
    found = left_by(walk, low, high, time)
    assert max(down, up) - 1e-9 <= found <= min(1.0, down + up) + 1e-9


def test_a_far_barrier_of_two_changes_nothing() -> None:
    assert left_by(BITCOIN, log(0.9), 9.0, WEEK) == pytest.approx(
        met_by(BITCOIN, log(0.9), WEEK), rel=1e-12
    )
    tiny = left_by(Walk(0.8), log(0.5), 9.0, WEEK)
    assert tiny == pytest.approx(met_by(Walk(0.8), log(0.5), WEEK), rel=1e-9)
    assert left_by(Walk(0.8), -0.1, 0.1, inf) == 1.0
    half = time_left(Walk(0.8), -0.1, 0.1, 0.5)
    assert left_by(Walk(0.8), -0.1, 0.1, half) == pytest.approx(0.5, rel=1e-9)
    assert time_left(Walk(0.8), -0.1, 0.1, 1.0) == inf


def bridged_pairs(distances: tuple[float, float], correlation: float) -> tuple[float, float]:
    """Return how likely either of two walks meets its barrier, simulated, and the error."""
    draw = np.random.default_rng(11)
    steps, paths = 400, 20_000
    one = np.full(paths, distances[0])
    other = np.full(paths, distances[1])
    alive = np.ones(paths)
    for _ in range(steps):
        z = draw.standard_normal((2, paths)) / sqrt(steps)
        ahead = one + z[0]
        aside = other + correlation * z[0] + sqrt(1 - correlation**2) * z[1]
        for before, after in ((one, ahead), (other, aside)):
            alive *= 1.0 - np.exp(-2.0 * steps * np.maximum(before, 0) * np.maximum(after, 0))
        one, other = ahead, aside
    return 1.0 - float(alive.mean()), float(alive.std() / sqrt(paths))


@pytest.mark.parametrize("correlation", [-0.6, 0.3, 0.8])
def test_two_correlated_barriers_are_met_as_simulated(correlation: float) -> None:
    found, error = bridged_pairs((0.8, 1.1), correlation)
    assert first_met_by((0.8, 1.1), correlation, 1.0) == pytest.approx(found, abs=3 * error + 1e-3)


def test_walks_that_move_as_one_are_one_walk() -> None:
    assert first_met_by((0.8, 1.1), 1.0, 1.0) == met_by(Walk(1.0), -0.8, 1.0)
    assert first_met_by((0.8, 1.1), -1.0, 1.0) == left_by(Walk(1.0), -0.8, 1.1, 1.0)
    for end in (-1.0, 1.0):
        near = first_met_by((0.8, 1.1), end * (1 - 1e-6), 1.0)
        assert near == pytest.approx(first_met_by((0.8, 1.1), end, 1.0), abs=1e-5)
    apart = first_met_by((0.8, 1.1), 0.0, 1.0)
    assert first_met_by((0.8, 1.1), 1e-7, 1.0) == pytest.approx(apart, abs=1e-6)
    assert first_met_by((40.0, 45.0), 0.3, 1.0) == 0.0


@given(one=st.floats(0.1, 4.0), other=st.floats(0.1, 4.0), correlation=st.floats(-0.99, 0.99))
def test_the_first_of_two_is_no_later_than_either_and_does_not_mind_their_order(
    one: float, other: float, correlation: float
) -> None:
    alone = [met_by(Walk(1.0), -x, 1.0) for x in (one, other)]
    found = first_met_by((one, other), correlation, 1.0)
    assert max(alone) - 1e-9 <= found <= min(1.0, sum(alone)) + 1e-9
    assert first_met_by((other, one), correlation, 1.0) == pytest.approx(found, abs=1e-10)


def test_funding_raises_the_barrier_as_published() -> None:
    barrier = linear_barrier(1.0, 100.0, 12.0, 0.01)
    assert barrier is not None
    assert barrier == pytest.approx(88.8889, abs=5e-5)
    distance = distance_to(100.0, barrier)
    assert met_by(BITCOIN, distance, WEEK) == pytest.approx(0.304917, abs=5e-7)
    growth = funding_drift(100.0, 0.0003 * 3 * 365, barrier, 0.01)
    moved = Walk(0.8, BITCOIN.drift - growth)
    assert met_by(moved, distance, WEEK) == pytest.approx(0.325594, abs=5e-7)


def test_a_barrier_is_where_equity_is_maintenance() -> None:
    short = linear_barrier(-2.0, 100.0, 30.0, 0.02)
    assert short is not None
    assert 30.0 - 2.0 * (short - 100.0) == pytest.approx(0.02 * 2.0 * short)
    for size in (50_000.0, -50_000.0):
        inverse = inverse_barrier(size, 50_000.0, 0.2, 0.01)
        assert inverse is not None
        equity = 0.2 + size * (1 / 50_000.0 - 1 / inverse)
        assert equity == pytest.approx(0.01 * 50_000.0 / inverse)


def test_what_nothing_liquidates_has_no_barrier() -> None:
    assert linear_barrier(1.0, 100.0, 150.0, 0.01) is None
    assert inverse_barrier(-50_000.0, 50_000.0, 1.2, 0.01) is None


@pytest.mark.parametrize(
    ("volatility", "published"),
    [(0.04, (0, 3.4, 32.4, 61, 86, 92)), (0.08, (0, 27.4, 63, 80.8, 91, 94.8))],
)
def test_the_table_of_leverages_is_within_two_points(
    volatility: float, published: tuple[float, ...]
) -> None:
    for leverage, expected in zip((2, 5, 10, 20, 50, 100), published, strict=True):
        found = 100 * leverage_probability(leverage, volatility, 7)
        assert found == pytest.approx(expected, abs=2.0)


def test_a_half_space_is_a_walk_of_its_total_spread() -> None:
    assert half_space_met_by(12.0, 5.0, 4.0) == met_by(Walk(5.0), -12.0, 4.0)
    assert half_space_met_by(12.0, 0.0, 4.0) == 0.0
    assert half_space_met_by(0.0, 5.0, 4.0) == 1.0


def test_tails_keep_their_digits() -> None:
    assert log_cumulative(-35.0) == pytest.approx(log(cumulative(-35.0)), rel=1e-13)
    assert log_cumulative(-36.0) == pytest.approx(log(cumulative(-36.0)), rel=1e-13)
    assert log_cumulative(-40.0) == pytest.approx(-804.608442, abs=1e-5)
    assert log_cumulative(9.0) == pytest.approx(-cumulative(-9.0), rel=1e-9)


def test_what_is_no_barrier_question_is_refused() -> None:
    questions: list[partial[Any]] = [
        partial(Walk, 0.0),
        partial(met_by, BITCOIN, log(0.9), 0.0),
        partial(met_by, BITCOIN, inf, 1.0),
        partial(left_by, BITCOIN, 0.1, 0.2, 1.0),
        partial(first_met_by, (1.0, -1.0), 0.5, 1.0),
        partial(first_met_by, (1.0, 1.0), 1.5, 1.0),
        partial(met_at_looks, BITCOIN, -0.1, 1.0, 0),
        partial(met_at_looks, BITCOIN, -0.1, 1.0, 1_000_000),
        partial(linear_barrier, 0.0, 100.0, 1.0, 0.01),
        partial(leverage_probability, 1.0, 0.04, 7.0),
        partial(distance_to, 100.0, 0.0),
    ]
    for question in questions:
        with pytest.raises(InvalidInput):
            question()
