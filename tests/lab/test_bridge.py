"""The bridge hits what is known and stays above the low."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keelmark.lab.scenarios.bridge import Knots, bridge, brownian

knot_rows = st.dictionaries(st.integers(0, 500), st.floats(0.01, 1e6), min_size=2, max_size=8).map(
    lambda rows: sorted(rows.items())
)


@given(knot_rows, st.integers(0, 2**32), st.floats(0.0, 50.0))
def test_the_path_is_exactly_at_each_knot(
    rows: list[tuple[int, float]], seed: int, sigma: float
) -> None:
    times, prices = (np.array(column) for column in zip(*rows, strict=True))
    seconds = np.arange(0, 501)
    noise = sigma * brownian(np.random.default_rng(seed), seconds)
    path = bridge(Knots(times=times, prices=prices), seconds, noise)
    assert np.array_equal(path[times], prices)
    assert np.all(np.isfinite(path))
    assert np.all(path > 0)


@given(knot_rows, st.integers(0, 2**32), st.floats(0.0, 50.0))
def test_the_path_never_falls_below_its_floor_and_still_hits_the_knots(
    rows: list[tuple[int, float]], seed: int, sigma: float
) -> None:
    times, prices = (np.array(column) for column in zip(*rows, strict=True))
    seconds = np.arange(0, 501)
    noise = sigma * brownian(np.random.default_rng(seed), seconds)
    floor = float(prices.min())
    path = bridge(Knots(times=times, prices=prices, floor=floor), seconds, noise)
    assert path.min() == floor
    assert np.array_equal(path[times], prices)


def test_outside_the_knots_the_price_stays_flat() -> None:
    seconds = np.arange(0, 101)
    noise = brownian(np.random.default_rng(0), seconds)
    knots = Knots(times=np.array([20, 80]), prices=np.array([5.0, 7.0]))
    path = bridge(knots, seconds, noise)
    assert np.allclose(path[:20], 5.0)
    assert np.allclose(path[81:], 7.0)
    assert np.ptp(path[21:80]) > 0


def test_without_noise_the_path_is_straight_in_log_price() -> None:
    seconds = np.arange(0, 11)
    knots = Knots(times=np.array([0, 10]), prices=np.array([1.0, 1024.0]))
    path = bridge(knots, seconds, np.zeros(11))
    assert np.allclose(path, 2.0 ** np.arange(11))


def test_a_brownian_motion_has_the_variance_of_its_time() -> None:
    seconds = np.arange(0, 86_400, 6)
    ends = [brownian(np.random.default_rng(seed), seconds)[-1] for seed in range(2_000)]
    assert abs(np.std(ends) - 1.0) < 0.06
    assert abs(np.mean(ends)) < 0.08
