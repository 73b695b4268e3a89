"""Simulated chances of liquidation against closed forms, and the kernel against its definition."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.barriers import linear_barrier
from keelmark.risk.liquidation.draws import Points, Source, time_rotation
from keelmark.risk.liquidation.one_barrier import Walk, met_by
from keelmark.risk.liquidation.piecewise import Book
from keelmark.risk.liquidation.plans import NO_TILT, Plan, plan_of, root_of
from keelmark.risk.liquidation.simulation import is_sound, kernel_walker, plain_walker
from keelmark.risk.liquidation.two_barriers import left_by
from keelmark.risk.liquidation.walk_kernel import scratch_of, walk_kernel
from keelmark.risk.liquidation.walks import Draws, Start
from tests.risk.liquidation.books import (
    Array,
    books,
    dues_of,
    estimate,
    look_of,
    one_barrier,
    tilt_of_book,
)

DAILY = 0.8 / sqrt(365)
COVARIANCE = np.array([[DAILY**2]])
BITCOIN = Walk.of_price(DAILY)
WEEK = 7.0


def covariance_of(coins: int) -> Array:
    deviations = np.linspace(0.03, 0.06, coins)
    return (0.6 + 0.4 * np.eye(coins)) * np.outer(deviations, deviations)


@settings(max_examples=25)
@given(
    book=books(),
    seed=st.integers(0, 99),
    drawn=st.sampled_from(["plain", "pulled", "heavy", "heavy and pulled"]),
)
def test_the_kernel_is_its_definition(book: Book, seed: int, drawn: str) -> None:
    coins = book.carry.shape[1]
    plan = plan_of((1 / 3, 2.0), 12, covariance_of(coins))
    tilt = tilt_of_book(book, plan) if "pulled" in drawn else NO_TILT
    draw = np.random.default_rng(seed)
    normals = draw.standard_normal((20, len(plan.days), coins))
    stretches = np.sqrt(2 / draw.chisquare(4, normals.shape[:2])) if "heavy" in drawn else None
    draws = Draws(normals=normals, stretches=stretches, first=3)
    quick = kernel_walker(book, plan, tilt)(draws)
    slow = plain_walker(look_of(book), dues_of(book), plan, tilt)(draws)
    for name in ("hits", "controls", "curve"):
        found, wanted = getattr(quick, name), getattr(slow, name)
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9)


def test_the_kernel_without_its_compiler_finds_the_same() -> None:
    book, plan = one_barrier(0.9), plan_of((WEEK,), 6, COVARIANCE)
    normals = np.random.default_rng(1).standard_normal((4, 6, 1))
    start = Start.of(np.array([0.1]), np.array([[1.0]]), plan.factor)
    written = []
    for kernel in (walk_kernel, plain(walk_kernel)):
        hits, controls, curve = np.empty((4, 1, 2)), np.empty((4, 1, 1)), np.zeros((2, 6))
        states = (start.still, start.distances, *scratch_of(book, plan, NO_TILT))
        kernel(book, plan, NO_TILT, normals, np.empty((0, 0)), *states, hits, controls, curve, 0)
        written.append((hits, controls, curve))
    for one, other in zip(*written, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("steps", [7, 28, 48])
def test_one_barrier_is_met_as_its_closed_form_says(steps: int) -> None:
    found = estimate(
        one_barrier(0.9), plan_of((WEEK,), steps, COVARIANCE), Source(seed=1, pairs=20_000)
    )
    exact = met_by(BITCOIN, log(0.9), WEEK)
    assert found.probability[0, 0] == pytest.approx(exact, abs=3 * found.error[0, 0] + 1e-4)
    assert found.error[0, 0] < 1e-3
    assert found.probability[0, 1] == pytest.approx(found.probability[0, 0], rel=1e-12)


def test_a_rare_liquidation_is_found_with_a_variance_ratio_in_the_thousands() -> None:
    found = estimate(
        one_barrier(0.6), plan_of((WEEK,), 28, COVARIANCE), Source(seed=5, pairs=50_000)
    )
    exact = met_by(BITCOIN, log(0.6), WEEK)
    assert exact == pytest.approx(5.1701e-6, rel=1e-4)
    error = found.error[0, 0]
    assert found.probability[0, 0] == pytest.approx(exact, abs=3 * error)
    assert error / exact < 0.02
    assert exact * (1 - exact) / found.paths / error**2 > 5_000
    assert found.sample[0, 0] > 10_000


def test_several_horizons_from_one_run_are_each_right() -> None:
    days = (1 / 24, 1 / 3, 1.0, 7.0)
    plan = plan_of(days, 48, COVARIANCE)
    found = estimate(one_barrier(0.9), plan, Source(seed=2, pairs=30_000))
    ends = np.flatnonzero(plan.horizon >= 0)
    for row, horizon in enumerate(days):
        exact, chance = met_by(BITCOIN, log(0.9), horizon), found.probability[row, 0]
        assert chance == pytest.approx(exact, abs=4 * found.error[row, 0] + 1e-4 * exact)
        assert found.curve[0, ends[row]] == pytest.approx(exact, rel=0.2)


def test_funding_raises_the_chance_as_published() -> None:
    barrier = linear_barrier(1.0, 100.0, 12.0, 0.01)
    assert barrier is not None
    book = one_barrier(barrier / 100, flat=0.0009 / 0.99)
    found = estimate(book, plan_of((WEEK,), 48, COVARIANCE), Source(seed=3, pairs=60_000))
    assert found.probability[0, 0] == pytest.approx(0.32566, abs=3 * 0.00073)
    assert found.probability[0, 0] == pytest.approx(0.325594, abs=3 * found.error[0, 0] + 6e-5)


def test_a_corridor_of_one_coin_is_left_as_its_closed_form_says() -> None:
    both = one_barrier(0.9)
    start = np.array([[0], [1]])
    twice = both._replace(
        constant=np.array([-0.9, 1.12]),
        first=start,
        now=start,
        ends=np.full(2, np.inf),
        levels=np.zeros(2),
        slopes=np.array([1.0, -1.0]),
        flat=np.zeros(2),
        carry=np.zeros((2, 1)),
    )
    found = estimate(twice, plan_of((WEEK,), 48, COVARIANCE), Source(seed=4, pairs=20_000))
    exact = left_by(BITCOIN, log(0.9), log(1.12), WEEK)
    assert found.probability[0, 2] == pytest.approx(exact, abs=4 * found.error[0, 2] + 1e-3)
    for unit, barrier in enumerate((0.9, 1.12)):
        alone = met_by(BITCOIN, log(barrier), WEEK)
        assert found.probability[0, unit] == pytest.approx(
            alone, abs=4 * found.error[0, unit] + 1e-4
        )


def three_coins(cash: float) -> Book:
    size = np.array([1.0, -0.4, 0.6])
    start = np.arange(3)[None, :]
    slopes = size - 0.01 * np.abs(size)
    return Book(
        constant=np.array([cash - slopes.sum()]),
        first=start,
        now=start,
        ends=np.full(3, np.inf),
        levels=np.zeros(3),
        slopes=slopes,
        flat=np.zeros(1),
        carry=np.zeros((1, 3)),
    )


def plan_three() -> Plan:
    return plan_of((WEEK,), 24, covariance_of(3))


def test_pulled_draws_agree_with_plain_ones() -> None:
    book, plan = three_coins(0.45), plan_three()
    plainly = estimate(book, plan, Source(seed=6, pairs=100_000), is_pulled=False)
    pulled = estimate(book, plan, Source(seed=7, pairs=20_000))
    assert len(tilt_of_book(book, plan).weights)
    error = sqrt(plainly.error[0, 0] ** 2 + pulled.error[0, 0] ** 2)
    assert pulled.probability[0, 0] == pytest.approx(plainly.probability[0, 0], abs=4 * error)
    assert pulled.error[0, 0] < plainly.error[0, 0]


def test_sobol_points_agree_and_err_less() -> None:
    book, plan = three_coins(0.2), plan_three()
    random = estimate(book, plan, Source(seed=8, pairs=16_384))
    sobol = estimate(book, plan, Source(seed=8, pairs=16_384, points=Points.SOBOL))
    error = sqrt(random.error[0, 0] ** 2 + sobol.error[0, 0] ** 2)
    assert sobol.probability[0, 0] == pytest.approx(random.probability[0, 0], abs=4 * error)
    assert sobol.gain[0, 0] > 2.0
    assert sobol.paths == 2 * 16_384


def test_the_control_variate_takes_most_of_the_variance_of_a_near_barrier() -> None:
    found = estimate(three_coins(0.2), plan_three(), Source(seed=9, pairs=20_000))
    assert found.gain[0, 0] > 5.0


def test_a_control_that_was_not_seen_where_it_ends_is_not_leant_on() -> None:
    known = np.array([0.1, 1e-30, 0.1, 0.1])
    seen = np.array([0.101, 1e-60, 0.2, 0.1])
    error = np.array([0.001, 1e-61, 0.001, 0.05])
    assert is_sound(seen, error**2, known).tolist() == [True, False, False, False]
    book, plan = three_coins(3.0), plan_three()
    found = estimate(book, plan, Source(seed=12, pairs=4_000))
    plainly = estimate(book, plan, Source(seed=13, pairs=4_000))
    slack = 5 * (found.error[0, 0] + plainly.error[0, 0])
    assert 0.0 < found.probability[0, 0] < 1e-20
    assert found.probability[0, 0] == pytest.approx(plainly.probability[0, 0], abs=slack)


def test_heavy_tails_are_worse_far_out_and_have_the_same_variance() -> None:
    book, plan = three_coins(0.5), plan_three()
    normal = estimate(book, plan, Source(seed=10, pairs=30_000))
    heavy = estimate(book, plan, Source(seed=10, pairs=30_000, degrees=3.0), is_pulled=False)
    assert heavy.probability[0, 0] > normal.probability[0, 0] + 4 * heavy.error[0, 0]


def test_threads_and_shards_change_no_digit() -> None:
    book, plan = three_coins(0.3), plan_three()
    source = Source(seed=11, pairs=17_000)
    one, other = (estimate(book, plan, source) for _ in range(2))
    np.testing.assert_array_equal(one.probability, other.probability)
    assert [shard.pairs for shard in source.shards()] == [16_384, 616]


def test_time_turns_without_stretching_and_a_root_is_one() -> None:
    plan = plan_of((1 / 24, 1.0, 7.0), 20, covariance_of(3))
    turn = time_rotation(plan)
    np.testing.assert_allclose(turn @ turn.T, np.eye(len(plan.days)), atol=1e-9)
    root = root_of(covariance_of(3))
    np.testing.assert_allclose(root @ root.T, covariance_of(3), atol=1e-12)
    assert plan.days.sum() == pytest.approx(7.0)


def test_draws_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInput, match="degrees"):
        Source(seed=1, pairs=10, degrees=2.0)
    with pytest.raises(InvalidInput, match="Sobol"):
        Source(seed=1, pairs=10, degrees=4.0, points=Points.SOBOL)
    many = Source(seed=1, pairs=16, points=Points.SOBOL).shards()[0]
    with pytest.raises(InvalidInput, match="coordinates"):
        list(many.draws(plan_of((1.0,), 8_000, covariance_of(3))))
