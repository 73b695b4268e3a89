"""Variance filters against their definitions, and the laws they keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics import AsymmetricEwma, Ewma, Filter, ewma_variance, standardised
from keelmark.risk.statistics.filters import filtered, start_of, stepped
from keelmark.risk.statistics.recursions import variance_paths_kernel, variance_step_kernel
from keelmark.risk.statistics.series import Array

FILTERS: tuple[Filter, ...] = (
    Ewma(),
    Ewma(decay=0.97),
    AsymmetricEwma(),
    AsymmetricEwma(decay=0.9, tilt=-0.6),
)
seeds = st.integers(0, 2**31)


def panel(seed: int, rows: int = 60, columns: int = 3) -> Array:
    return np.random.default_rng(seed).standard_t(4, size=(rows, columns)) * 0.02


def by_hand(returns: Array, terms: tuple[float, float, float, float], power: int) -> Array:
    """The recursion of one series as it is written down."""
    omega, alpha, gamma, beta = terms
    weights = 0.94 ** np.arange(min(75, len(returns)))
    start = float(np.average(np.abs(returns[: len(weights)]) ** power, weights=weights))
    values = [omega + alpha * start + gamma * start / 2 + beta * start]
    for r in returns:
        response = alpha + gamma if r < 0 else alpha
        values.append(omega + response * abs(r) ** power + beta * values[-1])
    return np.array(values) ** (2 / power)


@given(seeds, st.sampled_from([1, 2]), st.floats(0, 0.3), st.floats(-0.2, 0.3), st.floats(0, 0.9))
def test_a_filter_is_its_recursion(
    seed: int, power: int, alpha: float, gamma: float, beta: float
) -> None:
    terms = (1e-4, alpha, max(gamma, -alpha), beta)
    returns = panel(seed)
    found = filtered(returns, np.array(terms), power=power)
    for column in range(3):
        expected = by_hand(returns[:, column], terms, power)
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-12)


@given(seeds, st.sampled_from([1, 2]))
def test_a_step_from_every_variance_gives_the_next_one(seed: int, power: int) -> None:
    returns, terms = panel(seed), np.array([[1e-4, 0.1, 0.05, 0.8]] * 3)
    variance = filtered(returns, terms, power=power)
    again = stepped(variance[:-1], returns, terms, power=power)
    np.testing.assert_allclose(again, variance[1:], rtol=1e-12)


@pytest.mark.parametrize("chosen", FILTERS, ids=lambda chosen: chosen.name)
def test_filters_step_as_they_filter(chosen: Filter) -> None:
    returns = panel(1)
    variance = chosen.variances(returns)
    assert variance.shape == (61, 3)
    np.testing.assert_allclose(chosen.step(variance[:-1], returns), variance[1:], rtol=1e-12)


@pytest.mark.parametrize("power", [1, 2])
def test_the_plain_kernels_write_what_the_compiled_ones_write(power: int) -> None:
    returns, terms = panel(2), np.array([[1e-4, 0.1, 0.05, 0.8]] * 3)
    start = start_of(returns, power)
    paths = np.empty((2, 61, 3))
    variance_paths_kernel(returns, terms, start, power, paths[0])
    plain(variance_paths_kernel)(returns, terms, start, power, paths[1])
    np.testing.assert_allclose(paths[0], paths[1], rtol=1e-14)
    steps = np.empty((2, 60, 3))
    variance_step_kernel(paths[0, 1:], returns, terms, power, steps[0])
    plain(variance_step_kernel)(paths[0, 1:], returns, terms, power, steps[1])
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-14)


@given(seeds, st.sampled_from(FILTERS), st.floats(1e-3, 1e3))
def test_returns_in_another_unit_have_variances_in_its_square(
    seed: int, chosen: Filter, unit: float
) -> None:
    returns = panel(seed)
    np.testing.assert_allclose(
        chosen.variances(returns * unit), chosen.variances(returns) * unit**2, rtol=1e-11
    )


@given(seeds, st.sampled_from(FILTERS))
def test_columns_do_not_know_of_each_other(seed: int, chosen: Filter) -> None:
    returns = panel(seed)
    order = [2, 0, 1]
    found = chosen.variances(returns)
    np.testing.assert_array_equal(chosen.variances(returns[:, order]), found[:, order])
    np.testing.assert_array_equal(chosen.variances(returns[:, :1]), found[:, :1])


def test_a_variance_after_the_start_knows_nothing_of_later_returns() -> None:
    returns = panel(3, rows=200)
    whole, part = Ewma().variances(returns), Ewma().variances(returns[:150])
    np.testing.assert_array_equal(whole[:151], part)


def test_ewma_is_the_weighted_mean_of_squares() -> None:
    returns = panel(4, rows=400, columns=1)[:, 0]
    weights = 0.06 * 0.94 ** np.arange(400)[::-1]
    expected = weights @ returns**2
    assert ewma_variance(returns)[-1] == pytest.approx(expected, rel=1e-8)


def test_no_tilt_is_ewma_and_the_tilt_moves_falls_and_rises_apart() -> None:
    returns = panel(5)
    np.testing.assert_allclose(
        AsymmetricEwma(tilt=0.0).variances(returns), Ewma().variances(returns), rtol=1e-14
    )
    one = np.full((1, 1), 1e-4)
    tilted = AsymmetricEwma(tilt=0.5)
    fall, rise = tilted.step(one, -np.full((1, 1), 0.05)), tilted.step(one, np.full((1, 1), 0.05))
    assert fall[0, 0] - 0.94e-4 == pytest.approx(3 * (rise[0, 0] - 0.94e-4))
    middle = Ewma().step(one, np.full((1, 1), 0.05))
    assert (fall + rise)[0, 0] / 2 == pytest.approx(middle[0, 0])


def test_standardised_returns_times_deviations_are_the_returns() -> None:
    returns = panel(6)
    variance = Ewma().variances(returns)
    z = standardised(returns, variance)
    np.testing.assert_allclose(z * np.sqrt(variance[:-1]), returns, rtol=1e-14)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: r[:10], "10 observations, 20 are needed"),
        (lambda r: np.where(r == r[7, 1], np.nan, r), "column 1: nan at observation 7"),
        (lambda r: r * [1.0, 0.0, 1.0], "column 1 is 0 in all 200 observations"),
        (lambda r: np.vstack([r[:80] * [1.0, 1.0, 0.0], r[80:]]), "column 2 does not move"),
        (lambda r: r[:, 0], "give rows of periods and columns of names"),
    ],
)
def test_what_no_filter_takes_is_named(change: object, told: str) -> None:
    assert callable(change)
    with pytest.raises(InvalidInput, match=told):
        Ewma().variances(change(panel(7, rows=200)))


def test_a_series_that_stood_still_until_its_variance_was_gone_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"the variance at \(1, 0\) is 0"):
        standardised(np.ones((2, 1)), np.array([[1.0], [0.0], [0.5]]))


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(InvalidInput, match="decay is"):
        Ewma(decay=decay)
    with pytest.raises(InvalidInput, match="tilt is"):
        AsymmetricEwma(tilt=decay + 2)


def test_a_step_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidInput, match="variances of shape"):
        Ewma().step(np.ones((3, 2)), np.ones((3, 1)))
