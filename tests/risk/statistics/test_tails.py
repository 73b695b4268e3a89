"""Tails: laws, expansions and extremes against published figures, closed forms and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics import (
    CornishFisher,
    TailFigures,
    Unknown,
    excess_kurtosis,
    fit_gpd,
    fit_hill,
    fit_pot,
    normal_tail,
    pot_figures,
    skewness,
    student_tail,
)
from keelmark.risk.statistics.cornish_fisher import is_in_domain, moments_of
from keelmark.risk.statistics.series import Array

stats = pytest.importorskip("scipy.stats")
levels = st.floats(0.9, 0.9999)


def known(figures: TailFigures) -> tuple[float, float]:
    assert isinstance(figures.var, float)
    assert isinstance(figures.es, float)
    return figures.var, figures.es


@pytest.mark.parametrize(
    ("found", "var", "es"),
    [
        (normal_tail(0.99), 2.326348, None),
        (normal_tail(0.975), None, 2.337803),
        (student_tail(0.99, 5.0), 2.6065, 3.4488),
        (student_tail(0.975, 5.0), None, 2.7278),
    ],
)
def test_normal_and_t_figures_are_the_published_ones(
    found: TailFigures, var: float | None, es: float | None
) -> None:
    if var is not None:
        assert found.var == pytest.approx(var, abs=5e-5)
    if es is not None:
        assert found.es == pytest.approx(es, abs=5e-5)


@given(levels, st.floats(2.1, 60))
def test_t_figures_are_scipys_quantile_and_the_integral_beyond_it(level: float, nu: float) -> None:
    scale = math.sqrt((nu - 2) / nu)
    var, es = known(student_tail(level, nu))
    assert var == pytest.approx(scale * stats.t.ppf(level, nu), rel=1e-9)
    beyond = stats.t.expect(lambda x: x, (nu,), lb=var / scale) / (1 - level)
    assert es == pytest.approx(scale * beyond, rel=1e-5)


@given(levels, st.floats(-1, 1), st.floats(0.01, 10))
def test_figures_move_with_the_mean_and_scale_with_the_deviation(
    level: float, mean: float, deviation: float
) -> None:
    for plain, moved in (
        (normal_tail(level), normal_tail(level, mean=mean, deviation=deviation)),
        (student_tail(level, 4.0), student_tail(level, 4.0, mean=mean, deviation=deviation)),
    ):
        for before, after in zip(known(plain), known(moved), strict=True):
            assert after == pytest.approx(-mean + deviation * before)
        assert known(moved)[1] > known(moved)[0]


def test_a_t_of_many_degrees_is_normal_and_one_of_two_has_no_variance() -> None:
    assert known(student_tail(0.99, math.inf)) == known(normal_tail(0.99))
    assert known(student_tail(0.99, 1e6)) == pytest.approx(known(normal_tail(0.99)), rel=1e-4)
    figures = student_tail(0.99, 2.0)
    assert (
        figures.var
        == figures.es
        == Unknown("a t with 2 degrees of freedom has no variance to scale by")
    )


@pytest.mark.parametrize("level", [0.0, 1.0, 1.2, math.nan])
def test_a_level_outside_its_range_is_refused(level: float) -> None:
    with pytest.raises(InvalidInput, match="level is"):
        normal_tail(level)
    with pytest.raises(InvalidInput, match="level is"):
        student_tail(level, 5.0)
    with pytest.raises(InvalidInput, match="level is"):
        pot_figures(0.02, 0.25, 0.015, 0.05, level)
    with pytest.raises(InvalidInput, match="a deviation of 0"):
        normal_tail(0.99, deviation=0.0)


@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_moments_are_scipys_and_do_not_mind_unit_and_mean(
    seed: int, unit: float, mean: float
) -> None:
    returns = np.random.default_rng(seed).gamma(2.0, size=(50, 3))
    skews, kurts = skewness(returns), excess_kurtosis(returns)
    np.testing.assert_allclose(skews, stats.skew(returns, bias=False))
    np.testing.assert_allclose(kurts, stats.kurtosis(returns, bias=False))
    np.testing.assert_allclose(skewness(unit * (returns + mean)), skews, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(skewness(-returns), -skews)
    np.testing.assert_allclose(
        excess_kurtosis(unit * (returns + mean)), kurts, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize(
    ("level", "var", "es"),
    [(0.99, 0.049721, 0.079628), (0.995, 0.066697, 0.102262), (0.999, 0.119549, 0.172732)],
)
def test_figures_of_a_pareto_tail_are_the_published_ones(
    level: float, var: float, es: float
) -> None:
    figures = pot_figures(0.02, 0.25, 0.015, 0.05, level)
    assert known(figures) == pytest.approx((var, es), abs=1e-6)


@given(st.floats(-0.45, 0.9), st.floats(0.95, 0.9999))
def test_a_pareto_tails_figures_are_scipys(xi: float, level: float) -> None:
    xi = 0.0 if abs(xi) < 1e-6 else xi  # where scipy loses its digits
    var, es = known(pot_figures(0.02, xi, 0.015, 0.05, level))
    law = stats.genpareto(xi, loc=0.02, scale=0.015)
    assert 0.05 * law.sf(var) == pytest.approx(1 - level, rel=1e-6)
    grid = (np.arange(400_000) + 0.5) / 400_000 * (1 - level) / 0.05
    if xi < 0.4:
        assert es == pytest.approx(law.isf(grid).mean(), rel=2e-3)


def test_a_tail_without_mean_and_a_level_outside_it_are_unknown() -> None:
    figures = pot_figures(0.02, 1.0, 0.015, 0.05, 0.99)
    assert figures.var == pytest.approx(0.08)
    assert figures.es == Unknown("with xi 1.00 the tail has no mean")
    assert isinstance(pot_figures(0.02, 0.1, 0.015, 0.05, 0.9).var, Unknown)
    assert known(pot_figures(0.02, 0.1, 0.015, 0.05, 0.95))[0] == pytest.approx(0.02)


@pytest.mark.parametrize("xi", [-0.3, 0.0, 0.2, 0.8, 1.5])
@pytest.mark.parametrize("seed", [1, 2])
def test_pareto_fits_are_as_likely_as_scipys(xi: float, seed: int) -> None:
    excesses = stats.genpareto.rvs(xi, scale=0.02, size=400, random_state=seed)
    law = fit_gpd(excesses)
    shape, _, scale = stats.genpareto.fit(excesses, floc=0)
    theirs = stats.genpareto.logpdf(excesses, shape, 0, scale).sum()
    ours = stats.genpareto.logpdf(excesses, law.xi, 0, law.beta).sum()
    assert law.log_likelihood == pytest.approx(ours, abs=1e-8)
    assert ours > theirs - 1e-7


def test_errors_of_pareto_fits_are_those_of_repeated_samples() -> None:
    fits = [
        fit_gpd(stats.genpareto.rvs(0.25, scale=2.0, size=500, random_state=seed))
        for seed in range(200)
    ]
    errors = [(fit.xi_error, fit.beta_error) for fit in fits]
    told = np.array(errors, dtype=float).mean(axis=0)
    seen = np.array([(fit.xi, fit.beta) for fit in fits]).std(axis=0)
    np.testing.assert_allclose(told, seen, rtol=0.15)
    assert np.mean([fit.xi for fit in fits]) == pytest.approx(0.25, abs=0.02)


@given(st.floats(1e-6, 1e6))
@settings(max_examples=20)
def test_pareto_fits_scale_with_the_unit(unit: float) -> None:
    excesses = stats.genpareto.rvs(0.2, size=300, random_state=3)
    law, scaled = fit_gpd(excesses), fit_gpd(excesses * unit)
    assert scaled.xi == pytest.approx(law.xi, abs=1e-6)
    assert scaled.beta == pytest.approx(law.beta * unit, rel=1e-6)
    assert isinstance(scaled.beta_error, float)
    assert isinstance(law.beta_error, float)
    assert scaled.beta_error == pytest.approx(law.beta_error * unit, rel=1e-5)


def test_a_tail_that_ends_is_at_the_edge_and_has_no_error() -> None:
    law = fit_gpd(np.random.default_rng(4).uniform(0.001, 1, 300))
    assert law.xi == pytest.approx(-0.5, abs=1e-3)
    assert isinstance(law.xi_error, Unknown)
    assert isinstance(law.covariance, Unknown)


def test_peaks_over_a_threshold_find_the_quantiles_of_a_t() -> None:
    levels_tried = (0.99, 0.999)
    found, errors = [], []
    for seed in range(300):
        losses = stats.t.rvs(4, size=3_000, random_state=seed)
        tail = fit_pot(losses, 0.05)
        assert tail.law.excesses == 150
        assert np.count_nonzero(losses > tail.threshold) == 150
        found.append([known(tail.tail(level))[0] for level in levels_tried])
        errors.append([tail.var_error(level) for level in levels_tried])
    truth = stats.t.ppf(levels_tried, 4)
    np.testing.assert_allclose(np.mean(found, axis=0), truth, rtol=0.02)
    told = np.array(errors, dtype=float).mean(axis=0)
    np.testing.assert_allclose(told, np.std(found, axis=0), rtol=0.12)


def test_the_threshold_is_told() -> None:
    losses = stats.t.rvs(4, size=1_000, random_state=1)
    tail = fit_pot(losses)
    assert tail.choice.endswith("the 100 largest of 1,000 losses")
    assert tail.share == 0.1
    assert isinstance(tail.tail(0.8).var, Unknown)
    assert isinstance(tail.var_error(0.8), Unknown)


def test_losses_tied_with_the_threshold_are_not_in_the_tail() -> None:
    losses = np.round(stats.t.rvs(4, size=2_000, random_state=1), 1)
    tail = fit_pot(losses)
    assert tail.share == np.count_nonzero(losses > tail.threshold) / 2_000
    assert 0.05 < tail.share < 0.1


@pytest.mark.parametrize(
    ("losses", "share", "told"),
    [
        (np.arange(100.0), 0.1, "10 of 100 losses are in a tail of 0.1.*give 200 losses"),
        (np.arange(100.0), 1.5, "share of losses in the tail is 1.5"),
        (np.r_[np.arange(90.0), np.full(30, 100.0)], 0.2, "excesses over the threshold: 0 obs"),
    ],
)
def test_what_is_no_tail_is_named(losses: Array, share: float, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        fit_pot(losses, share)


def test_excesses_are_above_zero() -> None:
    with pytest.raises(InvalidInput, match="an excess of -1"):
        fit_gpd(np.arange(-1.0, 30.0))


@pytest.mark.parametrize("xi", [0.25, 0.5, 0.76])
def test_the_hill_estimate_finds_the_exponent_of_a_pareto_law(xi: float) -> None:
    losses = np.random.default_rng(5).pareto(1 / xi, 20_000) + 1.0
    tail = fit_hill(losses, 2_000)
    assert tail.error == pytest.approx(xi / math.sqrt(2_000), rel=0.1)
    assert abs(tail.xi - xi) < 4 * tail.error
    var, es = known(tail.tail(0.999))
    assert var == pytest.approx(0.001**-xi, rel=0.15)
    assert es == pytest.approx(var / (1 - tail.xi))
    by_hand = sorted(losses)[-2_001:]
    assert tail.xi == pytest.approx(np.mean([math.log(x / by_hand[0]) for x in by_hand[1:]]))


def test_what_hill_cannot_say_is_unknown_or_refused() -> None:
    losses = np.random.default_rng(6).pareto(0.6, 500) + 1.0
    tail = fit_hill(losses, 100)
    assert isinstance(tail.tail(0.5).var, Unknown)
    assert isinstance(tail.tail(0.99).var, float)
    assert isinstance(tail.tail(0.99).es, Unknown)
    with pytest.raises(InvalidInput, match="a tail of 5 losses"):
        fit_hill(losses, 5)
    with pytest.raises(InvalidInput, match="loss 401 by size is 0"):
        fit_hill(np.r_[losses[:400], np.zeros(100)], 400)


@given(st.floats(-1.0, 1.0), st.floats(0.0, 7.9))
def test_the_domain_is_where_the_expansion_rises(s: float, k: float) -> None:
    z = np.linspace(-40, 40, 8_001)
    rising = z + s * (z**2 - 1) / 6 + k * (z**3 - 3 * z) / 24 - s**2 * (2 * z**3 - 5 * z) / 36
    steps = np.diff(rising)
    if is_in_domain(s, k):
        assert steps.min() > -1e-9
        assert isinstance(CornishFisher.textbook(s, k), CornishFisher)
    elif steps.min() > 0:
        slope = (k / 8 - s * s / 6) * z**2 + s / 3 * z + 1 - k / 8 + 5 * s * s / 36
        assert slope.min() < 1e-3 or k / 8 < s * s / 6  # falls between or beyond the points
    else:
        found = CornishFisher.textbook(s, k)
        assert isinstance(found, Unknown)
        assert "falls where it should rise" in found.why


@given(st.floats(-0.6, 0.6), st.floats(0.6, 4.0), levels)
@settings(max_examples=20)
def test_figures_of_the_expansion_are_its_quantile_and_the_mean_beyond(
    s: float, k: float, level: float
) -> None:
    law = CornishFisher.textbook(s, k)
    assert isinstance(law, CornishFisher)
    var, es = known(law.tail(level))
    p = (np.arange(100_000) + 0.5) / 100_000
    z = stats.norm.ppf(p * (1 - level))
    x = z + s * (z**2 - 1) / 6 + k * (z**3 - 3 * z) / 24 - s**2 * (2 * z**3 - 5 * z) / 36
    assert es == pytest.approx(-x.mean() / law.deviation, rel=1e-3)
    assert var == pytest.approx(-law.quantile(1 - level))
    assert -x.max() / law.deviation == pytest.approx(var, rel=1e-3)


@given(st.floats(-1.5, 1.5), st.floats(0.0, 30.0))
def test_a_matched_expansion_has_the_moments_asked_for(skew: float, kurt: float) -> None:
    law = CornishFisher.matched(skew, kurt)
    if isinstance(law, Unknown):
        assert "no Cornish-Fisher expansion" in law.why
        return
    np.testing.assert_allclose(moments_of(law.s, law.k), [skew, kurt], atol=1e-6)
    z = np.random.default_rng(1).standard_normal(1)
    assert is_in_domain(law.s, law.k)
    assert math.isfinite(law.quantile(float(stats.norm.cdf(z[0]))))


@pytest.mark.parametrize(("skew", "kurt"), [(0.0, 0.0), (0.0, 5.0), (-0.5, 3.0), (-1.0, 20.0)])
def test_moments_a_crypto_day_has_are_matched(skew: float, kurt: float) -> None:
    law = CornishFisher.matched(skew, kurt)
    assert isinstance(law, CornishFisher)
    draws = np.random.default_rng(2).random(1_000_000)
    z = stats.norm.ppf(draws)
    s, k = law.s, law.k
    x = z + s * (z**2 - 1) / 6 + k * (z**3 - 3 * z) / 24 - s**2 * (2 * z**3 - 5 * z) / 36
    assert x.std() == pytest.approx(law.deviation, rel=0.01)
    assert stats.skew(x) == pytest.approx(skew, abs=0.05 + 0.02 * kurt)
    assert stats.kurtosis(x) == pytest.approx(kurt, abs=0.05 + 0.15 * kurt)


def test_without_skewness_and_kurtosis_the_expansion_is_normal() -> None:
    for law in (CornishFisher.textbook(0.0, 0.0), CornishFisher.matched(0.0, 0.0)):
        assert isinstance(law, CornishFisher)
        assert known(law.tail(0.99)) == pytest.approx(known(normal_tail(0.99)))
        moved = law.tail(0.99, mean=0.1, deviation=2.0)
        assert known(moved) == pytest.approx(known(normal_tail(0.99, mean=0.1, deviation=2.0)))
