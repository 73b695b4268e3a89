"""VaR and ES of samples: published figures, closed forms, and Euler's laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.tail import tail_risk
from keelmark.risk.tail.contributions import contributions

stats = scipy_module("stats")

N = 400_000
GRID = (np.arange(N) + 0.5) / N
"""Levels of a sample that is the law itself, to the width of the grid."""


def test_normal_and_student_samples_have_the_published_figures() -> None:
    normal = tail_risk(stats.norm.ppf(GRID), 0.99)
    assert normal.var == pytest.approx(2.326348, abs=1e-3)
    assert tail_risk(stats.norm.ppf(GRID), 0.975).es == pytest.approx(2.337803, abs=1e-4)
    t5 = stats.t.ppf(GRID, 5) / np.sqrt(5 / 3)
    assert tail_risk(t5, 0.99).var == pytest.approx(2.6065, abs=1e-3)
    assert tail_risk(t5, 0.975).es == pytest.approx(2.7278, abs=2e-3)
    assert tail_risk(t5, 0.99).es == pytest.approx(3.4488, abs=3e-3)


def test_figures_of_a_small_sample_are_worked_out_by_hand() -> None:
    pnl = -np.arange(1.0, 11.0)
    found = tail_risk(pnl, 0.75)
    # P(L <= 8) = 0.8 is the first at 0.75; the tail is 0.05 of 8, 0.1 of 9 and of 10
    assert found.var == 8.0
    assert found.es == pytest.approx((0.05 * 8 + 0.1 * 9 + 0.1 * 10) / 0.25)


def test_weights_count_as_rows_repeated() -> None:
    pnl = np.array([-5.0, -1.0, 2.0, 3.0])
    repeated = np.repeat(pnl, [1, 2, 3, 4])
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    for level in (0.3, 0.5, 0.65):
        one, two = tail_risk(pnl, level, weights=weights), tail_risk(repeated, level)
        assert [one.var, one.es] == pytest.approx([two.var, two.es])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    level=st.floats(0.6, 0.97),
    scale=st.floats(0.01, 1e6),
    shift=st.floats(-1e3, 1e3),
)
def test_measures_scale_shift_and_are_ordered(
    seed: int, level: float, scale: float, shift: float
) -> None:
    pnl = np.random.default_rng(seed).standard_t(3, 400)
    base, moved = tail_risk(pnl, level), tail_risk(scale * pnl + shift, level)
    assert moved.var == pytest.approx(scale * base.var - shift, rel=1e-9, abs=1e-9)
    assert moved.es == pytest.approx(scale * base.es - shift, rel=1e-9, abs=1e-9)
    assert base.es >= base.var
    assert base.var_interval is not None
    assert base.var_interval[0] <= base.var <= base.var_interval[1]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), level=st.floats(0.6, 0.97))
def test_es_is_subadditive(seed: int, level: float) -> None:
    one, two = np.random.default_rng(seed).standard_t(2.5, (2, 300))
    whole = tail_risk(one + two, level).es
    assert whole <= tail_risk(one, level).es + tail_risk(two, level).es + 1e-9


def test_intervals_cover_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    true_var, true_es = stats.norm.ppf(0.95), stats.norm.pdf(stats.norm.ppf(0.95)) / 0.05
    hits = np.zeros(2)
    for _ in range(600):
        found = tail_risk(generator.standard_normal(2_000), 0.95)
        assert found.var_interval is not None
        assert found.es_interval is not None
        hits += [
            found.var_interval[0] <= true_var <= found.var_interval[1],
            found.es_interval[0] <= true_es <= found.es_interval[1],
        ]
    assert hits / 600 == pytest.approx(0.95, abs=0.03)


def test_what_holds_no_quantile_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"99 observations hold no 0\.99 quantile"):
        tail_risk(np.zeros(99), 0.99)
    with pytest.raises(InvalidInput, match="give one between 0 and 1"):
        tail_risk(np.zeros(99), 1.0)
    with pytest.raises(InvalidInput, match="1 of 200 profits are no numbers"):
        tail_risk(np.r_[np.zeros(199), np.nan], 0.9)
    weights = np.full(200, 0.1 / 199)
    weights[0] = 0.9
    with pytest.raises(InvalidInput, match="1 observations hold no"):
        tail_risk(np.zeros(200), 0.9, weights=weights)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    level=st.floats(0.6, 0.97),
    legs=st.integers(1, 6),
    weighted=st.booleans(),
)
def test_parts_sum_to_the_whole(seed: int, level: float, legs: int, *, weighted: bool) -> None:
    generator = np.random.default_rng(seed)
    pnl = generator.standard_t(3, (500, legs)) * generator.uniform(-2, 2, legs)
    weights = generator.dirichlet(np.full(500, 5.0)) if weighted else None
    whole = tail_risk(pnl.sum(axis=1), level, weights=weights)
    parts = contributions(pnl, [str(i) for i in range(legs)], level, weights=weights)
    assert parts.var.sum() == pytest.approx(whole.var, rel=1e-9, abs=1e-9)
    assert parts.es.sum() == pytest.approx(whole.es, rel=1e-9, abs=1e-9)
    grouped = parts.by([str(i % 2) for i in range(legs)])
    assert grouped.es.sum() == pytest.approx(whole.es, rel=1e-9, abs=1e-9)


def test_parts_of_a_normal_portfolio_are_the_closed_form() -> None:
    covariance = np.array([[4.0, 1.2, -0.5], [1.2, 1.0, 0.1], [-0.5, 0.1, 2.0]]) * 1e-4
    weights = np.array([1_000.0, 3_000.0, -800.0])
    draws = np.random.default_rng(2).multivariate_normal(np.zeros(3), covariance, 400_000)
    found = contributions(draws * weights, ["a", "b", "c"], 0.99)
    deviation = np.sqrt(weights @ covariance @ weights)
    share = weights * (covariance @ weights) / deviation**2
    z = stats.norm.ppf(0.99)
    assert found.es == pytest.approx(share * deviation * stats.norm.pdf(z) / 0.01, rel=0.05, abs=1)
    assert found.var == pytest.approx(share * deviation * z, rel=0.1, abs=2)
    assert np.abs(found.es - share * deviation * stats.norm.pdf(z) / 0.01) == pytest.approx(
        0.0, abs=4 * found.es_errors.max()
    )


def test_names_and_legs_are_as_many() -> None:
    with pytest.raises(InvalidInput, match="one column a leg"):
        contributions(np.zeros((500, 2)), ["a"], 0.9)
