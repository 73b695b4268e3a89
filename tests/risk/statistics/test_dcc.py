"""Dynamic conditional correlation against a slow, plain definition, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics import DccFit, DccLikelihood, correlation_of, equicorrelation, fit_dcc
from keelmark.risk.statistics.dcc import dcc_log_likelihood
from keelmark.risk.statistics.joint_recursions import (
    dcc_correlations_kernel,
    dcc_last_kernel,
    dcc_likelihood_kernel,
    dcc_pairs_likelihood_kernel,
)
from keelmark.risk.statistics.series import Array

TERMS = st.tuples(st.floats(0, 0.2), st.floats(0, 0.79))
FULL, PAIRS = DccLikelihood.FULL, DccLikelihood.PAIRS


def simulated(rows: int, a: float, b: float, target: Array, seed: int) -> Array:
    """Draw standardised returns from the dynamics."""
    draw, count = np.random.default_rng(seed), len(target)
    q, z = target.copy(), np.empty((rows, count))
    for row in range(rows):
        z[row] = np.linalg.cholesky(correlation_of(q)) @ draw.standard_normal(count)
        q = (1 - a - b) * target + a * np.outer(z[row], z[row]) + b * q
    return z


def slow_correlations(z: Array, a: float, b: float, target: Array) -> list[Array]:
    """The recursion as the paper writes it."""
    q, found = target, []
    for row in range(len(z) + 1):
        d = np.diag(1 / np.sqrt(np.diag(q)))
        found.append(d @ q @ d)
        if row < len(z):
            q = (1 - a - b) * target + a * np.outer(z[row], z[row]) + b * q
    return found


def slow_likelihood(z: Array, matrices: list[Array]) -> float:
    """The second step of the paper: -1/2 sum (log det R + z' R^-1 z - z'z)."""
    total = 0.0
    for row, r in zip(z, matrices[:-1], strict=True):
        total += np.linalg.slogdet(r)[1] + row @ np.linalg.inv(r) @ row - row @ row
    return -total / 2


@given(TERMS, st.integers(2, 5), st.integers(0, 2**31))
@settings(max_examples=30)
def test_correlations_and_likelihood_are_those_of_the_slow_definition(
    terms: tuple[float, float], count: int, seed: int
) -> None:
    a, b = terms
    target = equicorrelation(count, 0.4)
    z = np.random.default_rng(seed).standard_normal((40, count))
    matrices = slow_correlations(z, a, b, target)
    fit = fit_with(a, b, target)
    np.testing.assert_allclose(fit.correlations(z), matrices, atol=1e-12)
    expected = slow_likelihood(z, matrices)
    assert dcc_log_likelihood(z, a, b, target) == pytest.approx(expected, rel=1e-10, abs=1e-10)
    pairs = 0.0
    for i in range(count):
        for j in range(i):
            at = np.ix_([i, j], [i, j])
            pairs += slow_likelihood(z[:, [i, j]], [matrix[at] for matrix in matrices])
    assert dcc_log_likelihood(z, a, b, target, PAIRS) == pytest.approx(pairs, rel=1e-10, abs=1e-10)


def fit_with(a: float, b: float, target: Array) -> DccFit:
    """Dynamics with given terms, as if they had been fitted."""
    return DccFit(
        a=a,
        b=b,
        target=target,
        log_likelihood=0.0,
        likelihood=FULL,
        observations=0,
        converged=True,
    )


def test_the_plain_kernels_compute_what_the_compiled_ones_compute() -> None:
    target = equicorrelation(3, 0.3)
    z = np.random.default_rng(1).standard_normal((30, 3))
    q, root, solved = np.empty((3, 3)), np.empty((3, 3)), np.empty(3)
    paths = np.empty((2, 31, 3, 3))
    dcc_correlations_kernel(z, 0.05, 0.9, target, q, paths[0])
    plain(dcc_correlations_kernel)(z, 0.05, 0.9, target, q, paths[1])
    np.testing.assert_allclose(paths[0], paths[1], rtol=1e-12)
    last = np.empty((2, 3, 3))
    dcc_last_kernel(z, 0.05, 0.9, target, last[0])
    plain(dcc_last_kernel)(z, 0.05, 0.9, target, last[1])
    np.testing.assert_allclose(last[0], last[1], rtol=1e-12)
    full = dcc_likelihood_kernel(z, 0.05, 0.9, target, q, root, solved)
    slow = plain(dcc_likelihood_kernel)(z, 0.05, 0.9, target, q, root, solved)
    assert full == pytest.approx(slow, rel=1e-12)
    pairs = dcc_pairs_likelihood_kernel(z, 0.05, 0.9, target, q)
    assert pairs == pytest.approx(plain(dcc_pairs_likelihood_kernel)(z, 0.05, 0.9, target, q))


@pytest.mark.parametrize("likelihood", list(DccLikelihood))
def test_a_long_simulated_panel_gives_its_terms_back(likelihood: DccLikelihood) -> None:
    target = correlation_of(equicorrelation(4, 0.3) + 0.2 * np.outer([1, 1, 0, 0], [1, 1, 0, 0]))
    fit = fit_dcc(simulated(6_000, 0.05, 0.9, target, seed=2), likelihood)
    assert fit.converged
    assert fit.a == pytest.approx(0.05, abs=0.01)
    assert fit.b == pytest.approx(0.9, abs=0.03)
    np.testing.assert_allclose(fit.target, target, atol=0.06)


@pytest.mark.parametrize("likelihood", list(DccLikelihood))
def test_no_point_of_a_grid_is_likelier_than_the_fit(likelihood: DccLikelihood) -> None:
    z = simulated(600, 0.04, 0.9, equicorrelation(3, 0.5), seed=3)
    fit = fit_dcc(z, likelihood)
    for a in np.linspace(0, 0.2, 9):
        for b in np.linspace(0, 0.995 - a, 12):
            value = dcc_log_likelihood(z, a, b, fit.target, likelihood)
            assert value < fit.log_likelihood + 1e-3


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_every_forecast_is_a_correlation_matrix_and_follows_its_columns(seed: int) -> None:
    z = np.random.default_rng(seed).standard_t(4, (60, 3))
    target = np.array([[1, 0.8, 0.1], [0.8, 1, 0.3], [0.1, 0.3, 1]])
    found = fit_with(0.1, 0.85, target).correlations(z)
    assert np.linalg.eigvalsh(found).min() > 0
    np.testing.assert_array_equal(np.diagonal(found, axis1=1, axis2=2), 1.0)
    order = [2, 0, 1]
    moved = fit_with(0.1, 0.85, target[np.ix_(order, order)]).correlations(z[:, order])
    np.testing.assert_allclose(moved, found[:, order][:, :, order], atol=1e-13)


def test_a_fit_follows_its_columns() -> None:
    z = simulated(800, 0.05, 0.9, equicorrelation(3, 0.5), seed=4)
    fit, moved = fit_dcc(z), fit_dcc(z[:, [2, 0, 1]])
    assert moved.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-4)
    assert moved.a == pytest.approx(fit.a, abs=1e-3)


def test_forecasts_return_to_the_target() -> None:
    z = simulated(300, 0.05, 0.9, equicorrelation(3, 0.5), seed=5)
    fit = fit_with(0.05, 0.9, equicorrelation(3, 0.5))
    np.testing.assert_allclose(fit.forecast(z), fit.correlations(z)[-1], atol=1e-14)
    np.testing.assert_allclose(fit.forecast(z, 500), fit.target, atol=1e-9)
    apart = [np.linalg.norm(fit.forecast(z, days) - fit.target) for days in (1, 5, 20)]
    assert apart == sorted(apart, reverse=True)


def test_constant_correlations_are_said_to_be() -> None:
    draw = np.random.default_rng(6)
    z = draw.standard_normal((400, 2)) * draw.choice([-1.0, 1.0], (400, 1))
    z[1::2] = z[::2, ::-1] * [1, -1]  # the next product is minus the last: nothing persists
    fit = fit_dcc(z)
    assert fit.a < 1e-4
    assert any("correlations are constant" in note for note in fit.notes)
    np.testing.assert_allclose(
        fit.correlations(z), np.broadcast_to(fit.target, (401, 2, 2)), atol=1e-3
    )


def test_columns_of_which_one_follows_from_others_are_refused_unless_by_pairs() -> None:
    z = np.random.default_rng(7).standard_normal((200, 3))
    z[:, 2] = (z[:, 0] + z[:, 1]) / np.sqrt(2)
    with pytest.raises(InvalidInput, match="one of which follows from others"):
        fit_dcc(z)
    assert fit_dcc(z, PAIRS).observations == 200


def test_more_columns_than_rows_are_fitted_by_pairs() -> None:
    z = simulated(110, 0.05, 0.9, equicorrelation(3, 0.5), seed=8)
    wide = np.hstack([z, np.random.default_rng(9).standard_normal((110, 120))])
    with pytest.raises(InvalidInput, match="123 columns in 110 rows"):
        fit_dcc(wide)
    assert fit_dcc(wide, PAIRS).target.shape == (123, 123)


def test_a_singular_matrix_has_no_likelihood() -> None:
    z = np.ones((3, 2))
    for likelihood in DccLikelihood:
        assert np.isnan(dcc_log_likelihood(z, 0.0, 0.0, np.ones((2, 2)), likelihood))


@pytest.mark.parametrize(
    ("z", "told"),
    [
        (np.zeros((120, 1)) + np.arange(120.0)[:, None], "one column has no correlation"),
        (np.random.default_rng(1).standard_normal((99, 2)), "99 observations, 100 are needed"),
    ],
)
def test_what_no_fit_takes_is_named(z: Array, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        fit_dcc(z)


def test_a_forecast_of_no_day_or_of_other_columns_is_refused() -> None:
    fit = fit_with(0.05, 0.9, equicorrelation(3, 0.5))
    with pytest.raises(InvalidInput, match="0 periods ahead"):
        fit.forecast(np.ones((5, 3)), 0)
    with pytest.raises(InvalidInput, match="correlations of 3 columns"):
        fit.correlations(np.ones((5, 2)))
