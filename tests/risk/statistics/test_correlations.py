"""Covariances, shrinkage and stressed correlations against papers and written-out definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics import (
    Ewma,
    Nearest,
    ShrinkageTarget,
    blend,
    correlation_of,
    covariance_of,
    equicorrelation,
    ewma_correlation,
    ewma_covariance,
    ewma_covariances,
    ledoit_wolf,
    mean_correlation,
    nearest,
    nearest_psd,
    root_of,
    sample_correlation,
)
from keelmark.risk.statistics.correlations import correlation_matrix_of
from keelmark.risk.statistics.joint_recursions import ewma_covariances_kernel
from keelmark.risk.statistics.nearest import eigenvalue_least
from keelmark.risk.statistics.series import Array

seeds = st.integers(0, 2**31)


def panel(seed: int, rows: int = 80, columns: int = 4) -> Array:
    draw = np.random.default_rng(seed)
    mixing = draw.standard_normal((columns, columns)) + np.eye(columns)
    return draw.standard_t(5, size=(rows, columns)) @ mixing * 0.02


def test_ewma_covariances_have_the_ewma_variances_on_their_diagonal() -> None:
    returns = panel(1)
    covariances = ewma_covariances(returns, 0.94)
    variances = Ewma(decay=0.94).variances(returns)
    np.testing.assert_allclose(np.diagonal(covariances, axis1=1, axis2=2), variances, rtol=1e-12)


def test_ewma_covariances_are_their_recursion() -> None:
    returns = panel(2)
    found = ewma_covariances(returns, 0.9)
    again = found.copy()
    again[1:] = np.nan
    plain(ewma_covariances_kernel)(returns, 0.9, again)
    np.testing.assert_allclose(found, again, rtol=1e-13)
    for row, r in enumerate(returns):
        np.testing.assert_allclose(found[row + 1], 0.9 * found[row] + 0.1 * np.outer(r, r))


@given(seeds, st.floats(0.8, 0.999), st.sampled_from([25, 200]))
def test_the_last_covariance_is_the_same_without_the_others(
    seed: int, decay: float, rows: int
) -> None:
    returns = panel(seed, rows=rows)
    last = ewma_covariances(returns, decay)[-1]
    np.testing.assert_allclose(ewma_covariance(returns, decay), last, rtol=1e-9, atol=1e-15)


@given(seeds)
def test_ewma_correlations_are_correlations_and_follow_their_columns(seed: int) -> None:
    returns = panel(seed)
    found = ewma_correlation(returns)
    np.testing.assert_array_equal(found, correlation_matrix_of(found))
    assert eigenvalue_least(found) > -1e-12
    order = [3, 1, 0, 2]
    np.testing.assert_allclose(ewma_correlation(returns[:, order]), found[np.ix_(order, order)])
    np.testing.assert_allclose(ewma_correlation(returns * [1, 50, 1e-3, 2]), found, atol=1e-12)


def test_the_sample_correlation_is_numpys() -> None:
    returns = panel(3)
    np.testing.assert_allclose(sample_correlation(returns), np.corrcoef(returns.T), rtol=1e-12)


def shrunk_by_hand(returns: Array, target: ShrinkageTarget) -> tuple[Array, float]:
    """The two papers, sum by sum."""
    x = returns - returns.mean(axis=0)
    rows, k = x.shape
    s = sum(np.outer(r, r) for r in x) / rows
    noise = sum((np.outer(r, r) - s) ** 2 for r in x) / rows
    if target is ShrinkageTarget.IDENTITY:
        f = np.eye(k) * np.trace(s) / k
        return f, min(noise.sum() / rows / ((s - f) ** 2).sum(), 1.0)
    r_bar = np.mean([s[i, j] / np.sqrt(s[i, i] * s[j, j]) for i in range(k) for j in range(i)])
    f = np.array(
        [
            [s[i, i] if i == j else r_bar * np.sqrt(s[i, i] * s[j, j]) for j in range(k)]
            for i in range(k)
        ]
    )
    rho = np.trace(noise)
    for i in range(k):
        for j in range(k):
            if i != j:
                product = x[:, i] * x[:, j] - s[i, j]
                own = np.mean((x[:, i] ** 2 - s[i, i]) * product)
                other = np.mean((x[:, j] ** 2 - s[j, j]) * product)
                root = np.sqrt(s[j, j] / s[i, i])
                rho += r_bar / 2 * (root * own + other / root)
    kappa = (noise.sum() - rho) / ((s - f) ** 2).sum()
    return f, float(np.clip(kappa / rows, 0, 1))


@given(seeds, st.sampled_from(list(ShrinkageTarget)), st.sampled_from([25, 200]))
def test_shrinkage_is_that_of_the_papers(seed: int, target: ShrinkageTarget, rows: int) -> None:
    returns = panel(seed, rows=rows)
    goal, shrinkage = shrunk_by_hand(returns, target)
    found = ledoit_wolf(returns, target)
    assert found.shrinkage == pytest.approx(shrinkage, rel=1e-9, abs=1e-12)
    expected = (1 - shrinkage) * np.cov(returns.T, ddof=0) + shrinkage * goal
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("target", list(ShrinkageTarget))
def test_few_rows_of_many_columns_have_a_covariance_that_can_be_inverted(
    target: ShrinkageTarget,
) -> None:
    returns = np.random.default_rng(4).standard_normal((30, 60)) + np.random.default_rng(
        5
    ).standard_normal((30, 1))
    found = ledoit_wolf(returns, target)
    assert 0.0 < found.shrinkage <= 1.0
    assert eigenvalue_least(np.cov(returns.T)) < 1e-12
    assert eigenvalue_least(found.covariance) > 1e-3


@pytest.mark.parametrize("target", list(ShrinkageTarget))
def test_shrinkage_goes_with_more_rows_and_does_not_mind_the_unit(target: ShrinkageTarget) -> None:
    few, many = panel(6, rows=60), panel(6, rows=20_000)
    assert ledoit_wolf(many, target).shrinkage < 0.2 * ledoit_wolf(few, target).shrinkage
    scaled = ledoit_wolf(few * 100, target)
    np.testing.assert_allclose(scaled.covariance, ledoit_wolf(few, target).covariance * 1e4)


def test_shrinkage_comes_nearer_to_the_truth_than_the_sample() -> None:
    truth = equicorrelation(20, 0.5)
    root = root_of(truth)
    apart = np.zeros(2)
    for seed in range(20):
        returns = np.random.default_rng(seed).standard_normal((40, 20)) @ root.T
        for at, found in enumerate((np.cov(returns.T, ddof=0), ledoit_wolf(returns).covariance)):
            apart[at] += np.linalg.norm(found - truth)
    assert apart[1] < 0.75 * apart[0]


@given(seeds, st.floats(-0.3, 1), st.floats(0, 1))
def test_a_blend_is_a_correlation_matrix_between_the_two(
    seed: int, rho: float, share: float
) -> None:
    given_matrix = sample_correlation(panel(seed))
    found = blend(given_matrix, rho, share)
    assert eigenvalue_least(found) > -1e-9
    expected = (1 - share) * mean_correlation(given_matrix) + share * rho
    assert mean_correlation(found) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(np.diagonal(found), 1.0)


def test_a_blend_all_the_way_is_one_correlation_and_none_is_independence() -> None:
    matrix = sample_correlation(panel(7))
    np.testing.assert_allclose(blend(matrix, 0.0), np.eye(4), atol=1e-15)
    np.testing.assert_allclose(blend(matrix, 1.0), np.ones((4, 4)), atol=1e-15)
    np.testing.assert_allclose(blend(matrix, 1.0, 0.0), matrix, atol=1e-15)


@pytest.mark.parametrize("rho", [1.01, -0.51])
def test_a_correlation_no_matrix_has_is_refused(rho: float) -> None:
    with pytest.raises(InvalidInput, match=r"it lies between -0.5 and 1"):
        equicorrelation(3, rho)
    assert eigenvalue_least(equicorrelation(3, -0.5)) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(
    ("matrix", "expected", "distance"),
    [
        (
            [[1, 1, 0], [1, 1, 1], [0, 1, 1]],
            [[1, 0.7607, 0.1573], [0.7607, 1, 0.7607], [0.1573, 0.7607, 1]],
            0.5278,
        ),
        (
            [[2, -1, 0, 0], [-1, 2, -1, 0], [0, -1, 2, -1], [0, 0, -1, 2]],
            [
                [1, -0.8084, 0.1916, 0.1068],
                [-0.8084, 1, -0.6562, 0.1916],
                [0.1916, -0.6562, 1, -0.8084],
                [0.1068, 0.1916, -0.8084, 1],
            ],
            2.1337,
        ),
    ],
)
def test_the_nearest_correlation_matrices_are_those_of_higham(
    matrix: list[list[float]], expected: list[list[float]], distance: float
) -> None:
    found = nearest_psd(np.array(matrix, dtype=float))
    np.testing.assert_allclose(found.matrix, expected, atol=5e-5)
    assert found.distance == pytest.approx(distance, abs=5e-5)
    assert found.note is not None
    assert "Higham 2002" in found.note


@given(seeds, st.sampled_from([0.0, 1e-4]))
def test_no_correlation_matrix_tried_is_nearer_than_the_nearest(seed: int, least: float) -> None:
    draw = np.random.default_rng(seed)
    wanted = np.clip(sample_correlation(panel(seed)) + draw.normal(0, 0.6, (4, 4)), -1, 1)
    wanted = (wanted + wanted.T) / 2
    np.fill_diagonal(wanted, 1.0)
    found, distance = nearest_psd(wanted, eigenvalue_min=least)
    assert eigenvalue_least(found) > least - 1e-9
    np.testing.assert_array_equal(np.diagonal(found), 1.0)
    assert np.linalg.norm(found - wanted) == pytest.approx(distance, abs=1e-12)
    for _ in range(20):
        other = correlation_of((1 - 1e-3) * found + 1e-3 * np.cov(draw.normal(size=(4, 9))))
        if eigenvalue_least(other) >= least:
            assert np.linalg.norm(other - wanted) > distance - 1e-8


def test_a_correlation_matrix_is_its_own_nearest() -> None:
    matrix = sample_correlation(panel(8))
    found = nearest_psd(matrix)
    assert isinstance(found, Nearest)
    assert found.note is None
    np.testing.assert_array_equal(found.matrix, matrix)
    np.testing.assert_array_equal(nearest_psd(np.ones((3, 3))).matrix, np.ones((3, 3)))


@given(seeds)
def test_roots_and_deviations_give_the_matrix_back(seed: int) -> None:
    covariance = np.cov(panel(seed).T)
    root = root_of(covariance)
    np.testing.assert_allclose(root @ root.T, covariance, atol=1e-12)
    deviations = np.sqrt(np.diagonal(covariance))
    again = covariance_of(correlation_of(covariance), deviations)
    np.testing.assert_allclose(again, covariance, rtol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        (np.ones((2, 3)), "give a square one"),
        (np.array([[1.0, 0.2], [0.3, 1.0]]), "0.2 at row 0, column 1 and 0.3 across"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "nan at row 0, column 1"),
        (np.array([[1.0, 0.0], [0.0, 0.9]]), "0.9 on the diagonal at 1"),
        (np.array([[1.0, 1.1], [1.1, 1.0]]), "a correlation of 1.1 at row 0, column 1"),
    ],
)
def test_what_is_no_correlation_matrix_is_named(matrix: Array, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        blend(matrix, 0.5)


def test_a_matrix_no_returns_have_is_refused_and_its_repair_named() -> None:
    with pytest.raises(InvalidInput, match=r"an eigenvalue of -1: .* `nearest_psd`"):
        root_of(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_a_share_or_decay_or_eigenvalue_outside_its_range_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"a share of 1\.5"):
        blend(np.eye(2), 0.5, 1.5)
    with pytest.raises(InvalidInput, match="decay is 1"):
        ewma_correlation(panel(9), 1.0)
    with pytest.raises(InvalidInput, match="a least eigenvalue of 1"):
        nearest_psd(np.eye(2), eigenvalue_min=1.0)
    with pytest.raises(InvalidInput, match="one column has no correlation"):
        mean_correlation(np.eye(1))
    with pytest.raises(InvalidInput, match="column 1 has a variance of 0"):
        correlation_of(np.diag([1.0, 0.0]))


def test_numbers_no_projection_settles_are_refused_with_the_residual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nearest, "STEPS_MAX", 3)
    with pytest.raises(InvalidInput, match=r"after 3 steps, the last of .*; its entries reach 7"):
        nearest_psd(np.array([[1.0, 7.0, 0.0], [7.0, 1.0, 7.0], [0.0, 7.0, 1.0]]))
