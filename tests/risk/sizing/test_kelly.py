"""Kelly and the largest leverage: published figures, closed forms, laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.scenarios import generator_of
from keelmark.risk.sizing.branch import (
    LiquidationTerms,
    Paths,
    growth_on_paths,
    kelly_on_paths,
)
from keelmark.risk.sizing.empirical import FallLimit
from keelmark.risk.sizing.kelly import (
    Drift,
    bet_fraction,
    fall_probability,
    growth,
    growth_share,
    kelly_leverage,
    kelly_shares,
    share_for_fall,
)
from keelmark.risk.sizing.liquidation_leverage import (
    Bound,
    barrier,
    hit_probability,
    largest_leverage,
    largest_leverage_without_drift,
    leverage_liquidation_probability,
)
from keelmark.risk.sizing.recommend import Wish, recommend

DAILY = 0.04 * math.sqrt(365.0)
"""4 % a day, by year."""

drifts = st.builds(
    Drift,
    mean=st.floats(-2.0, 2.0),
    volatility=st.floats(0.1, 2.0),
    funding=st.floats(-0.5, 0.5),
)


@pytest.mark.parametrize(("share", "expected"), [(1.0, 0.5), (0.5, 0.125), (0.25, 0.0078125)])
def test_the_chance_of_a_fall_to_half_is_the_published_one(share: float, expected: float) -> None:
    assert fall_probability(share, 0.5) == pytest.approx(expected, abs=1e-15)


def test_a_share_of_kelly_grows_by_its_parabola() -> None:
    drift = Drift(mean=0.5, volatility=0.8, funding=0.1)
    full = kelly_leverage(drift)
    assert full == pytest.approx(0.4 / 0.64)
    best = growth(full, drift)
    for share in kelly_shares(drift, (0.25, 0.5, 1.0, 1.5)):
        assert share.growth == pytest.approx(growth_share(share.share) * best)
        assert share.growth_share == pytest.approx(growth_share(share.share))
    assert growth_share(0.5) == 0.75


def test_funding_makes_a_long_smaller_and_a_short_larger() -> None:
    free = kelly_leverage(Drift(mean=0.1, volatility=0.5))
    paid = kelly_leverage(Drift(mean=0.1, volatility=0.5, funding=0.2))
    assert paid < 0.0 < free


@given(st.floats(0.05, 0.95), st.floats(0.001, 0.999))
def test_the_share_for_a_fall_is_the_share_that_falls_so_often(part: float, chance: float) -> None:
    share = share_for_fall(part, chance)
    assert fall_probability(share, part) == pytest.approx(chance, rel=1e-9)


def test_nothing_is_sized_where_nothing_moves() -> None:
    with pytest.raises(InvalidInput, match="above 0"):
        Drift(mean=0.1, volatility=0.0)


@given(st.floats(0.0, 1.0), st.floats(0.1, 10.0))
def test_a_bet_fraction_is_the_top_of_its_growth(probability: float, odds: float) -> None:
    best = bet_fraction(probability, odds)

    def grown(size: float) -> float:
        won, lost = 1.0 + size * odds, 1.0 - size
        if lost <= 0.0:
            return math.inf if probability == 1.0 else -math.inf
        return probability * math.log(won) + (1.0 - probability) * math.log(lost)

    for step in (-1e-3, 1e-3):
        assert grown(best) >= grown(min(1.0, max(0.0, best + step))) - 1e-12


@pytest.mark.parametrize(
    ("probability", "closed", "exact"),
    [(0.05, 5.22, 5.12), (0.01, 4.13, 4.06), (0.001, 3.36, 3.32)],
)
def test_the_largest_leverage_is_the_published_one(
    probability: float, closed: float, exact: float
) -> None:
    bound = Bound(probability=probability, days=7.0, maintenance_rate=0.005)
    assert largest_leverage_without_drift(DAILY, bound) == pytest.approx(closed, abs=0.005)
    fair = Drift(mean=0.0, volatility=DAILY)
    assert largest_leverage(fair, bound) == pytest.approx(exact, abs=0.005)


@given(drifts, st.floats(0.001, 0.5), st.floats(0.5, 60.0), st.sampled_from(["long", "short"]))
def test_the_largest_leverage_is_liquidated_as_often_as_asked(
    drift: Drift, probability: float, days: float, side: str
) -> None:
    bound = Bound(probability=probability, days=days, maintenance_rate=0.01)
    is_long = side == "long"
    leverage = largest_leverage(drift, bound, is_long=is_long)
    chance = leverage_liquidation_probability(
        leverage, drift, days=days, maintenance_rate=0.01, is_long=is_long
    )
    assert chance == pytest.approx(probability, rel=1e-6)


def test_without_a_logarithmic_drift_both_forms_agree() -> None:
    bound = Bound(probability=0.02, days=3.0, maintenance_rate=0.004)
    still = Drift(mean=DAILY**2 / 2.0, volatility=DAILY)
    assert largest_leverage(still, bound) == pytest.approx(
        largest_leverage_without_drift(DAILY, bound), rel=1e-12
    )


def test_the_chance_to_reach_a_barrier_is_the_closed_form() -> None:
    week = hit_probability(math.log(0.9), Drift(mean=0.0, volatility=0.8), 7 / 365)
    assert week == pytest.approx(0.3597960480166813, abs=1e-12)
    ever = hit_probability(math.log(0.7), Drift(mean=0.5, volatility=0.6), 1e6)
    assert ever == pytest.approx(0.5304185914, abs=1e-9)
    mirrored = hit_probability(-math.log(0.7), Drift(mean=0.36 - 0.5, volatility=0.6), 1e6)
    assert mirrored == pytest.approx(ever, rel=1e-12)


PUBLISHED = {
    0.04: (0.0, 3.4, 32.4, 61.0, 86.0, 92.0),
    0.08: (0.0, 27.4, 63.0, 80.8, 91.0, 94.8),
}
"""Per cent liquidated within 7 days at leverage 2, 5, 10, 20, 50, 100, by daily volatility."""


@pytest.mark.parametrize("daily", list(PUBLISHED))
def test_the_chance_of_liquidation_by_leverage_is_near_the_published_table(daily: float) -> None:
    yearly = daily * math.sqrt(365.0)
    still = Drift(mean=yearly**2 / 2.0, volatility=yearly)
    for leverage, per_cent in zip((2, 5, 10, 20, 50, 100), PUBLISHED[daily], strict=True):
        ours = 100.0 * leverage_liquidation_probability(leverage, still, days=7.0)
        assert ours == pytest.approx(per_cent, abs=2.0)


def test_an_unleveraged_long_is_never_liquidated_and_a_short_is() -> None:
    assert barrier(1.0, 0.005) is None
    assert barrier(1.0, 0.005, is_long=False) == pytest.approx(math.log(2.0 / 1.005))
    assert barrier(500.0, 0.005) == 0.0


def paths(seed: int, count: int = 4_000) -> Paths:
    """Return paths of 48 steps with a drift, and their lowest points."""
    steps = generator_of(seed).normal(0.002, 0.03, (count, 48)).cumsum(axis=1)
    moves = np.expm1(steps)
    return Paths(last=moves[:, -1], worst=np.minimum(0.0, moves.min(axis=1)))


def test_kelly_that_counts_liquidations_is_smaller_than_kelly_that_does_not() -> None:
    terms = LiquidationTerms(maintenance_rate=0.05, cost=0.02)
    counted = kelly_on_paths(paths(7), terms, largest=20.0)
    assert counted is not None
    held = growth_on_paths(counted.leverage, paths(7), terms)
    assert held.growth == counted.growth
    for factor in (0.8, 0.95, 1.05, 1.3):
        other = growth_on_paths(counted.leverage * factor, paths(7), terms)
        assert other.growth <= counted.growth


def test_where_the_venue_keeps_all_no_liquidated_path_is_worth_it() -> None:
    terms = LiquidationTerms(maintenance_rate=0.01, cost=0.01)
    found = kelly_on_paths(paths(3), terms, largest=20.0)
    assert found is not None
    assert found.liquidated == 0.0
    apart = LiquidationTerms(maintenance_rate=0.01, cost=0.01, outside=0.8)
    bold = kelly_on_paths(paths(3), apart, largest=20.0)
    assert bold is not None
    assert bold.leverage > found.leverage


def test_a_path_cannot_end_below_its_worst_point() -> None:
    with pytest.raises(InvalidInput, match="worst"):
        Paths(last=np.array([-0.3]), worst=np.array([-0.1]))


def test_the_smallest_of_the_rules_binds() -> None:
    wish = Wish(
        volatility=DAILY,
        drift=Drift(mean=2.0, volatility=DAILY),
        bound=Bound(probability=0.01, days=7.0, maintenance_rate=0.005),
        share=0.5,
        venue_cap=20.0,
    )
    found = recommend(wish)
    by_name = {rule.name: rule.leverage for rule in found.rules}
    assert by_name["0.5 of Kelly"] == pytest.approx(0.5 * 2.0 / DAILY**2)
    assert found.binding is not None
    assert found.binding.name == "0.5 of Kelly"
    assert found.without_drift == pytest.approx(4.125245, abs=1e-6)
    bold = recommend(Wish(volatility=DAILY, bound=wish.bound, venue_cap=3.0))
    assert bold.leverage == 3.0
    assert [rule.leverage is None for rule in bold.rules] == [True, True, False, False]


def test_a_side_that_is_expected_to_lose_gets_nothing() -> None:
    down = Drift(mean=-0.5, volatility=0.8)
    assert recommend(Wish(volatility=0.8, drift=down)).leverage == 0.0
    short = recommend(Wish(volatility=0.8, drift=down, is_long=False)).leverage
    assert short == pytest.approx(0.5 * 0.5 / 0.64)


def test_the_limit_of_falls_is_kept_where_the_price_walks() -> None:
    drift = Drift(mean=0.6, volatility=0.8)
    limit = FallLimit(part=0.7, probability=0.1)
    found = recommend(Wish(volatility=0.8, drift=drift, limit=limit, share=1.0))
    assert found.binding is not None
    assert found.binding.name == "risk-constrained Kelly"
    leverage = found.leverage or 0.0
    wealth = Drift(mean=leverage * 0.6, volatility=leverage * 0.8)
    assert hit_probability(math.log(0.7), wealth, 1e7) == pytest.approx(0.1, rel=1e-6)
