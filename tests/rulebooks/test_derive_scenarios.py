"""Derive portfolio margin: the scenarios as stated, and the discounts of rule and example."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.rulebooks.formulas.derive_scenarios import (
    TERMS,
    Discounting,
    OptionExpiry,
    OptionLeg,
    Scenario,
    ScenarioTerms,
    VolatilityMove,
    forward_contingency,
    portfolio_mark,
    scenario_change,
    scenario_loss,
    volatility_multiplier,
)

EXAMPLE = ScenarioTerms(discounting=Discounting.EXAMPLE)
sizes = st.floats(-50, 50).filter(lambda size: abs(size) > 1e-3)
strikes = st.floats(500, 3000)


def expiry(*legs: OptionLeg, days: float = 14.0, rate: float = 0.04) -> OptionExpiry:
    return OptionExpiry(forward=1740.0, days=days, legs=legs, rate=rate)


def call(size: float, strike: float = 1800.0) -> OptionLeg:
    return OptionLeg(is_call=True, strike=strike, volatility=0.6, size=size)


def test_there_are_23_scenarios_with_volatility_rising_only_at_the_ends() -> None:
    found = TERMS.scenarios
    assert len(found) == len(set(found)) == 23
    assert [s.volatility for s in found if abs(s.move) > 0.17] == [VolatilityMove.UP] * 2
    assert {round(s.move, 3) for s in found} == {0.18, 0.135, 0.09, 0.045, 0.0} | {
        -0.18,
        -0.135,
        -0.09,
        -0.045,
    }


def test_volatilities_move_most_close_to_expiry_but_not_below_a_day() -> None:
    ups = [volatility_multiplier(days, VolatilityMove.UP) for days in (60, 30, 14, 1, 0.1)]
    assert ups == sorted(ups)
    assert ups[3] == ups[4]
    assert volatility_multiplier(30, VolatilityMove.DOWN) == pytest.approx(0.725)
    assert volatility_multiplier(0.1, VolatilityMove.STATIC) == 1


@given(sizes, strikes)
def test_nothing_happens_to_a_short_where_nothing_moves(size: float, strike: float) -> None:
    held = expiry(call(-abs(size), strike))
    assert scenario_change(held, Scenario(move=0.0)).total == pytest.approx(0, abs=1e-9)


@given(sizes, strikes, st.sampled_from(TERMS.scenarios))
def test_as_stated_gains_are_discounted_on_the_value_and_losses_count_in_full(
    size: float, strike: float, scenario: Scenario
) -> None:
    held = expiry(call(size, strike))
    change = scenario_change(held, scenario)
    now = math.fsum(held.values())
    shocked = now + change.legs[0]
    scale = 0.95 * math.exp(-0.16 * 14 / 365) if size > 0 else 1.0
    assert change.total == pytest.approx(shocked * scale - now, rel=1e-9, abs=1e-9)


@given(sizes, strikes, st.sampled_from(TERMS.scenarios))
def test_in_the_example_every_change_is_discounted_the_same(
    size: float, strike: float, scenario: Scenario
) -> None:
    held = expiry(call(size, strike))
    change = scenario_change(held, scenario, EXAMPLE)
    plain = scenario_change(held, scenario).legs[0]
    time = 14 / 365
    assert change.legs[0] == pytest.approx(plain * math.exp(-0.04 * time), rel=1e-9, abs=1e-9)
    scale = 0.95 * math.exp(-(0.04 * time + 0.12))
    assert change.total == pytest.approx(change.legs[0] * scale, rel=1e-9, abs=1e-9)


def test_expiries_offset_each_other_inside_a_scenario() -> None:
    long, short = expiry(call(1), days=14), expiry(call(-1), days=20)
    apart = scenario_loss([long]) + scenario_loss([short])
    assert apart < scenario_loss([long, short]) < 0


def test_perpetuals_move_with_the_forwards() -> None:
    assert scenario_loss([], linear=1000.0) == pytest.approx(-180)
    assert scenario_loss([], linear=-1000.0) == pytest.approx(-180)
    short = expiry(call(-1))
    assert scenario_loss([short], linear=700.0) > scenario_loss([short])


@given(sizes, strikes)
def test_a_forward_contingency_never_adds_margin(size: float, strike: float) -> None:
    found = forward_contingency(expiry(call(size, strike)))
    assert found <= 0


def test_a_mark_is_cash_and_undiscounted_options() -> None:
    mark = portfolio_mark(700.0, expiry(call(2)))
    assert mark.total == 700.0 + mark.legs[0]
    assert mark.legs[0] == 2 * call(1).value(1740.0, 14 / 365)
