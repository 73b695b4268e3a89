"""Black-76: parity, bounds, Greeks against differences, the way back to volatility."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keelmark.core.black76 import (
    EuropeanOption,
    coin_greeks,
    coin_value,
    greeks,
    implied_volatility,
    undiscounted,
    value,
)
from keelmark.core.errors import InvalidInput

volatilities = st.floats(0.05, 3.0)


@st.composite
def options(draw: st.DrawFn) -> EuropeanOption:
    forward = draw(st.floats(0.01, 100_000.0))
    return EuropeanOption(
        is_call=draw(st.booleans()),
        forward=forward,
        strike=forward * math.exp(draw(st.floats(-1.0, 1.0))),
        years=draw(st.floats(0.001, 3.0)),
        rate=draw(st.sampled_from([0.0, 0.0, 0.04, -0.01])),
    )


@given(options(), volatilities)
def test_a_call_less_a_put_is_the_forward_less_the_strike(
    option: EuropeanOption, volatility: float
) -> None:
    call = value(replace(option, is_call=True), volatility)
    put = value(replace(option, is_call=False), volatility)
    expected = option.discount * (option.forward - option.strike)
    assert call - put == pytest.approx(expected, abs=1e-12 * (option.forward + option.strike))


@given(options(), volatilities, st.floats(1.0001, 2.0))
def test_value_rises_with_volatility_between_its_bounds(
    option: EuropeanOption, volatility: float, times: float
) -> None:
    low, high = undiscounted(option, volatility), undiscounted(option, volatility * times)
    slack = 1e-13 * option.bound
    assert option.intrinsic - slack <= low <= high + slack <= option.bound + 2 * slack


@given(options(), volatilities, st.floats(1.0001, 1.5))
def test_a_call_rises_with_its_forward_and_a_put_falls(
    option: EuropeanOption, volatility: float, times: float
) -> None:
    before = value(option, volatility)
    after = value(replace(option, forward=option.forward * times), volatility)
    slack = 1e-12 * option.forward * times
    assert (after >= before - slack) if option.is_call else (after <= before + slack)


@given(options(), st.floats(0.1, 2.0))
def test_the_implied_volatility_gives_the_price_back(
    option: EuropeanOption, volatility: float
) -> None:
    price = value(option, volatility)
    found = implied_volatility(option, price)
    assert value(option, found) == pytest.approx(price, abs=1e-12 * option.bound)
    time_value = undiscounted(option, volatility) - option.intrinsic
    if time_value > 1e-6 * option.bound and price < 0.999 * option.bound * option.discount:
        assert found == pytest.approx(volatility, rel=1e-6)


@given(options(), st.floats(0.1, 2.0))
def test_greeks_are_the_differences_of_the_value(option: EuropeanOption, volatility: float) -> None:
    deviation = volatility * math.sqrt(option.years)
    assume(deviation > 0.02 and abs(math.log(option.forward / option.strike)) < 4 * deviation)
    found = greeks(option, volatility)
    step = option.forward * min(deviation, 1.0) * 1e-3

    def at(forward: float) -> float:
        return value(replace(option, forward=forward), volatility)

    up, here, down = at(option.forward + step), at(option.forward), at(option.forward - step)
    assert found.delta == pytest.approx((up - down) / (2 * step), abs=1e-5)
    bent = (up - 2 * here + down) / step**2
    assert found.gamma * option.forward == pytest.approx(bent * option.forward, rel=1e-3, abs=1e-5)
    wider = value(option, volatility * 1.0001) - value(option, volatility * 0.9999)
    change = wider / (2e-4 * volatility)
    assert found.vega == pytest.approx(change, rel=1e-4, abs=1e-6 * option.forward)
    later = value(replace(option, years=option.years * 0.9999), volatility)
    sooner = value(replace(option, years=option.years * 1.0001), volatility)
    decay = (later - sooner) / (2e-4 * option.years)
    assert found.theta == pytest.approx(decay, rel=1e-3, abs=1e-5 * option.forward)


@given(options(), st.floats(0.1, 2.0))
def test_coin_greeks_are_the_differences_of_the_coin_value(
    option: EuropeanOption, volatility: float
) -> None:
    deviation = volatility * math.sqrt(option.years)
    assume(deviation > 0.02 and abs(math.log(option.forward / option.strike)) < 4 * deviation)
    found = coin_greeks(option, volatility)
    step = option.forward * min(deviation, 1.0) * 1e-3

    def at(forward: float) -> float:
        return coin_value(replace(option, forward=forward), volatility)

    up, here, down = at(option.forward + step), at(option.forward), at(option.forward - step)
    scale = option.forward
    assert found.delta * scale == pytest.approx((up - down) / (2 * step) * scale, abs=1e-4)
    bent = (up - 2 * here + down) / step**2 * scale**2
    assert found.gamma * scale**2 == pytest.approx(bent, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("is_call", [True, False])
def test_at_expiry_an_option_is_worth_its_intrinsic_value(is_call: bool) -> None:  # noqa: FBT001
    option = EuropeanOption(is_call=is_call, forward=110.0, strike=100.0, years=0.0)
    assert value(option, 0.8) == (10.0 if is_call else 0.0)
    assert greeks(option, 0.8).delta == (1.0 if is_call else 0.0)
    assert greeks(option, 0.8).vega == 0.0


def test_the_intrinsic_value_implies_no_volatility() -> None:
    option = EuropeanOption(is_call=True, forward=110.0, strike=100.0, years=0.5)
    assert implied_volatility(option, 10.0) == 0.0


@pytest.mark.parametrize(
    ("price", "message"),
    [(9.99, "outside"), (110.0, "outside"), (math.nan, "no implied"), (-1.0, "outside")],
)
def test_a_price_no_volatility_gives_is_refused(price: float, message: str) -> None:
    option = EuropeanOption(is_call=True, forward=110.0, strike=100.0, years=0.5)
    with pytest.raises(InvalidInput, match=message):
        implied_volatility(option, price)


def test_an_expired_option_has_no_implied_volatility() -> None:
    option = EuropeanOption(is_call=True, forward=110.0, strike=100.0, years=0.0)
    with pytest.raises(InvalidInput, match="years to expiry"):
        implied_volatility(option, 12.0)


def test_a_volatility_beyond_the_largest_searched_is_named() -> None:
    option = EuropeanOption(is_call=True, forward=100.0, strike=100.0, years=1e-9)
    with pytest.raises(InvalidInput, match="no implied volatility up to 100"):
        implied_volatility(option, 99.0)


@pytest.mark.parametrize(
    "wrong",
    [{"forward": 0.0}, {"strike": math.nan}, {"years": math.inf}, {"forward": -1.0}],
)
def test_an_option_of_no_numbers_is_refused(wrong: dict[str, float]) -> None:
    right = {"forward": 1.0, "strike": 1.0, "years": 1.0}
    with pytest.raises(InvalidInput):
        EuropeanOption(is_call=True, **{**right, **wrong})


def test_a_negative_volatility_is_refused() -> None:
    option = EuropeanOption(is_call=True, forward=1.0, strike=1.0, years=1.0)
    with pytest.raises(InvalidInput, match="volatility is -0"):
        value(option, -0.1)


def test_the_example_of_derive_is_reproduced() -> None:
    """Derive, portfolio margin: forward 1740, 14 days, call 1800 at 60 %, put 1700 at 65 %."""
    years = 14 / 365
    call = EuropeanOption(is_call=True, forward=1740.0, strike=1800.0, years=years)
    put = EuropeanOption(is_call=False, forward=1740.0, strike=1700.0, years=years)
    assert value(call, 0.60) == pytest.approx(56.3514, abs=0.001)
    assert -value(put, 0.65) == pytest.approx(-68.743, abs=0.001)
    assert 700 + value(call, 0.60) - value(put, 0.65) == pytest.approx(687.608, abs=0.001)
