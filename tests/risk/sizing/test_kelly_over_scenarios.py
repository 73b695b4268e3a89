"""Kelly over scenarios, risk-constrained, and by moments: the published case, laws, proofs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.scenarios import generator_of
from keelmark.risk.sizing.empirical import FallLimit, Outcomes, kelly_size
from keelmark.risk.sizing.kelly import bet_fraction
from keelmark.risk.sizing.mean_variance import Limits, kelly_of_moments
from keelmark.risk.sizing.several import kelly_sizes

EVEN = Outcomes.of([1.0, -1.0], [0.6, 0.4])
LIMIT = FallLimit(part=0.7, probability=0.1)


def test_risk_constrained_kelly_is_the_published_bet() -> None:
    assert LIMIT.exponent == pytest.approx(6.4557, abs=1e-4)
    assert kelly_size(EVEN).sizes[0] == pytest.approx(0.2, abs=1e-12)
    limited = kelly_size(EVEN, limit=LIMIT)
    assert limited.sizes[0] == pytest.approx(0.05426, abs=5e-6)
    assert limited.fall is not None
    assert -1e-12 < limited.fall <= 0.0


def test_the_limited_bet_falls_less_often_than_the_limit_and_kelly_more() -> None:
    random = generator_of(11)
    won = np.where(random.random((8_000, 1_000)) < 0.6, 1.0, -1.0)

    def fallen(size: float) -> float:
        wealth = np.cumsum(np.log1p(size * won), axis=1)
        return float(np.mean(wealth.min(axis=1) < math.log(LIMIT.part)))

    limited = fallen(kelly_size(EVEN, limit=LIMIT).sizes[0])
    assert limited == pytest.approx(0.0844, abs=0.01)
    assert fallen(0.2) > LIMIT.probability


@given(st.floats(0.01, 0.99), st.floats(0.2, 5.0))
def test_a_bet_is_sized_as_its_closed_form(probability: float, odds: float) -> None:
    outcomes = Outcomes.of([odds, -1.0], [probability, 1.0 - probability])
    found = kelly_size(outcomes).sizes[0]
    assert max(0.0, found) == pytest.approx(bet_fraction(probability, odds), abs=1e-9)


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_one_position_is_sized_alike_by_both_ways(limit: FallLimit | None) -> None:
    gains = generator_of(5).standard_t(4, 2_000) * 0.03 + 0.004
    one = kelly_size(Outcomes.of(gains), limit=limit)
    several = kelly_sizes(Outcomes.of(gains), limit=limit)
    assert several.sizes[0] == pytest.approx(one.sizes[0], rel=1e-4)
    assert several.growth == pytest.approx(one.growth, abs=1e-9)


def test_sizes_of_several_positions_are_proved_best_and_keep_the_limit() -> None:
    gains = generator_of(2).standard_t(4, (4_000, 6)) * 0.04 + np.linspace(-0.004, 0.01, 6)
    free = kelly_sizes(Outcomes.of(gains), smallest=0.0, largest=3.0)
    limited = kelly_sizes(Outcomes.of(gains), limit=LIMIT, smallest=0.0, largest=3.0)
    for found in (free, limited):
        assert found.gap < 1e-6
        assert min(found.sizes) >= 0.0
        assert found.fall is None or found.fall <= 0.0
    assert free.growth > limited.growth > 0.0


def test_no_outcome_may_ruin() -> None:
    gains = np.array([[0.5, 0.2], [0.4, 0.5], [-0.6, -0.2]])
    found = kelly_sizes(Outcomes.of(gains, [0.45, 0.45, 0.1]))
    assert found.growth > -math.inf
    assert Outcomes.of(gains).wealth(np.array(found.sizes)).min() > 0.0


def test_without_an_edge_nothing_is_held() -> None:
    assert kelly_size(Outcomes.of([0.1, -0.1]), limit=LIMIT).sizes == (0.0,)


def test_a_loss_that_no_outcome_shows_is_sized_to_the_largest_asked_for() -> None:
    assert kelly_size(Outcomes.of([0.1, 0.2]), largest=5.0).sizes[0] == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("returns", "weights", "words"),
    [
        ([0.1, -0.1], [0.5, 0.4], "sum to"),
        ([0.1, math.nan], [0.5, 0.5], "finite"),
        ([0.1], [0.5, 0.5], "shape"),
    ],
)
def test_what_is_no_outcome_is_refused(
    returns: list[float], weights: list[float], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        Outcomes.of(returns, weights)


def covariance_of(seed: int, count: int) -> np.ndarray:
    factor = generator_of(seed).normal(size=(count, count + 2))
    return factor @ factor.T / count


@given(st.integers(0, 50), st.integers(1, 8))
def test_moments_give_the_inverse_times_the_mean(seed: int, count: int) -> None:
    covariance = covariance_of(seed, count) + 0.05 * np.eye(count)
    mean = generator_of(seed, 1).normal(size=count)
    found = kelly_of_moments(mean, covariance)
    assert found == pytest.approx(np.linalg.solve(covariance, mean), rel=1e-6, abs=1e-8)


@given(st.integers(0, 50), st.integers(2, 8), st.floats(0.05, 2.0))
def test_sizes_within_limits_meet_the_conditions_of_the_best(
    seed: int, count: int, gross: float
) -> None:
    covariance = covariance_of(seed, count) + 0.05 * np.eye(count)
    mean = generator_of(seed, 1).normal(size=count)
    found = kelly_of_moments(mean, covariance, Limits(smallest=-1.0, largest=1.0, gross=gross))
    assert np.abs(found).sum() <= gross + 1e-9
    slope = mean - covariance @ found
    price = max((abs(s) for s, f in zip(slope, found, strict=True) if 0 < abs(f) < 1), default=0.0)
    if np.abs(found).sum() < gross - 1e-6:
        price = 0.0
    for one, size in zip(slope, found, strict=True):
        if size == 0.0:
            assert price == 0.0 or abs(one) <= price + 1e-6
        elif abs(size) < 1.0 - 1e-9:
            assert abs(one) == pytest.approx(price, abs=1e-6)


def test_a_covariance_without_an_inverse_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not positive definite"):
        kelly_of_moments([0.1, 0.1], np.ones((2, 2)))
    with pytest.raises(InvalidInput, match="not symmetric"):
        kelly_of_moments([0.1, 0.1], np.array([[1.0, 0.2], [0.1, 1.0]]))
