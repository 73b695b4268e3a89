"""The t copula: published tail dependence, fits of its own samples, invariance to the margins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics import (
    TCopula,
    Unknown,
    equicorrelation,
    fit_t_copula,
    kendall_correlation,
    ranks_of,
    tail_dependence,
)
from keelmark.risk.statistics.copula import t_copula_log_likelihood
from keelmark.risk.statistics.nearest import eigenvalue_least
from keelmark.risk.statistics.series import Array

stats = pytest.importorskip("scipy.stats")

MATRIX = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, 0.5], [0.3, 0.5, 1.0]])


def drawn(nu: float, count: int, seed: int, matrix: Array = MATRIX) -> Array:
    return TCopula(correlation=matrix, nu=nu).sample(np.random.default_rng(seed), count)


@pytest.mark.parametrize(
    ("nu", "rho", "expected"), [(4, 0.8, 0.4896), (4, 0.5, 0.2532), (10, 0.8, 0.2925)]
)
def test_tail_dependence_is_the_published_one(nu: float, rho: float, expected: float) -> None:
    assert tail_dependence(nu, rho) == pytest.approx(expected, abs=5e-5)
    matrix = TCopula(correlation=equicorrelation(2, rho), nu=nu).tail_dependence
    np.testing.assert_allclose(matrix, [[1, expected], [expected, 1]], atol=5e-5)


@given(st.floats(0.5, 50), st.floats(-0.99, 0.99))
def test_tail_dependence_grows_with_correlation_and_falls_with_nu(nu: float, rho: float) -> None:
    here = tail_dependence(nu, rho)
    assert 0.0 <= here <= 1.0
    assert tail_dependence(nu, rho + 0.005) >= here
    assert tail_dependence(nu * 1.1, rho) <= here
    assert tail_dependence(nu, 1.0) == 1.0
    assert tail_dependence(nu, -1.0) == tail_dependence(math.inf, rho) == 0.0


def test_samples_are_uniform_and_fall_together_as_often_as_told() -> None:
    u = drawn(4.0, 400_000, seed=1)
    assert 0.0 < u.min() < u.max() < 1.0
    for column in range(3):
        assert stats.kstest(u[:, column], "uniform").pvalue > 1e-3
    q = 0.002
    together = np.mean((u[:, 0] < q) & (u[:, 1] < q)) / q
    assert together == pytest.approx(tail_dependence(4.0, 0.8), abs=0.06)


def test_the_fit_of_a_sample_gives_its_terms_back_within_its_error() -> None:
    fits = [fit_t_copula(drawn(6.0, 1_500, seed)) for seed in range(12)]
    nus = np.array([fit.copula.nu for fit in fits])
    errors = np.array([fit.nu_error for fit in fits], dtype=float)
    assert abs(nus.mean() - 6.0) < 4 * nus.std() / math.sqrt(12)
    assert errors.mean() == pytest.approx(nus.std(), rel=0.6)
    for fit in fits:
        np.testing.assert_allclose(fit.copula.correlation, MATRIX, atol=0.08)
        assert fit.notes == ()


def test_the_likelihood_is_that_of_scipys_densities() -> None:
    u = drawn(5.0, 200, seed=2)
    x = stats.t.ppf(u, 3.5)
    joint = stats.multivariate_t.logpdf(x, shape=MATRIX, df=3.5)
    expected = joint.sum() - stats.t.logpdf(x, 3.5).sum()
    copula = TCopula(correlation=MATRIX, nu=3.5)
    assert t_copula_log_likelihood(u, copula) == pytest.approx(expected, rel=1e-9)


def test_no_nu_tried_is_likelier_than_the_fitted_one() -> None:
    u = drawn(5.0, 600, seed=3)
    fit = fit_t_copula(u)
    ranks = ranks_of(u).values
    for nu in np.geomspace(1.5, 100, 30):
        other = TCopula(correlation=fit.copula.correlation, nu=nu)
        assert t_copula_log_likelihood(ranks, other) < fit.log_likelihood + 1e-6


def test_a_fit_sees_ranks_alone_and_follows_its_columns() -> None:
    u = drawn(5.0, 500, seed=4)
    fit = fit_t_copula(u)
    same = fit_t_copula(np.column_stack([np.exp(3 * u[:, 0]), u[:, 1] ** 3, 100 * u[:, 2] - 7]))
    assert same.copula.nu == pytest.approx(fit.copula.nu, rel=1e-9)
    np.testing.assert_array_equal(same.copula.correlation, fit.copula.correlation)
    order = [2, 0, 1]
    moved = fit_t_copula(u[:, order])
    assert moved.copula.nu == pytest.approx(fit.copula.nu, rel=1e-4)
    np.testing.assert_allclose(
        moved.copula.correlation, fit.copula.correlation[np.ix_(order, order)]
    )


def test_kendall_gives_the_correlation_of_normals_whatever_their_margins() -> None:
    z = np.random.default_rng(5).standard_normal((4_000, 3)) @ np.linalg.cholesky(MATRIX).T
    np.testing.assert_allclose(kendall_correlation(np.exp(z)), MATRIX, atol=0.03)


def test_normal_dependence_is_said_to_be_and_has_no_error() -> None:
    z = np.random.default_rng(6).standard_normal((3_000, 2))
    z[:, 1] = 0.6 * z[:, 0] + 0.8 * z[:, 1]
    fit = fit_t_copula(z)
    assert any("as under a normal copula" in note for note in fit.notes)


def test_very_heavy_dependence_is_at_the_edge() -> None:
    fit = fit_t_copula(drawn(0.5, 1_000, seed=7))
    assert isinstance(fit.nu_error, Unknown)
    assert any("the edge of the search" in note for note in fit.notes)


def test_correlations_that_do_not_go_together_are_repaired_and_it_is_said() -> None:
    draw = np.random.default_rng(8)
    base = draw.standard_normal((120, 9))
    panel = np.column_stack([base + 1e-2 * draw.standard_normal((120, 9)), -base])
    assert eigenvalue_least(kendall_correlation(panel)) < -1e-6
    fit = fit_t_copula(panel)
    assert any("Higham 2002" in note for note in fit.notes)
    assert eigenvalue_least(fit.copula.correlation) > 0.0


def test_ties_share_a_rank_and_are_counted() -> None:
    ranks = ranks_of(np.array([[1.0], [3.0], [3.0], [2.0]]))
    np.testing.assert_allclose(ranks.values[:, 0], [0.2, 0.7, 0.7, 0.4])
    assert ranks.ties == 0.5
    fit = fit_t_copula(np.round(drawn(5.0, 300, seed=9), 2))
    assert any("of returns are tied" in note for note in fit.notes)


def test_the_normal_copula_is_the_one_without_end_of_degrees() -> None:
    copula = TCopula(correlation=MATRIX, nu=math.inf)
    u = copula.sample(np.random.default_rng(10), 20_000)
    np.testing.assert_allclose(np.corrcoef(stats.norm.ppf(u).T), MATRIX, atol=0.02)


def test_equal_seeds_draw_equal_samples() -> None:
    np.testing.assert_array_equal(drawn(5.0, 100, seed=11), drawn(5.0, 100, seed=11))


@pytest.mark.parametrize(
    ("returns", "told"),
    [
        (np.arange(200.0)[:, None], "one column has no dependence"),
        (np.random.default_rng(1).random((50, 2)), "50 observations, 100 are needed"),
    ],
)
def test_what_no_copula_is_fitted_to_is_named(returns: Array, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        fit_t_copula(returns)


def test_no_copula_has_no_degrees_or_other_correlations() -> None:
    with pytest.raises(InvalidInput, match=r"0\.0 degrees of freedom"):
        TCopula(correlation=MATRIX, nu=0.0)
    with pytest.raises(InvalidInput, match="a correlation of 2"):
        TCopula(correlation=np.array([[1.0, 2.0], [2.0, 1.0]]), nu=4.0)
    with pytest.raises(InvalidInput, match=r"a correlation of 1\.5"):
        tail_dependence(4.0, 1.5)
