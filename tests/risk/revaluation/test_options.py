"""Books with options: arrays and core say the same under every venue's short margin."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import CannotReprice
from keelmark.core.groups import ExpiryOffset
from keelmark.core.option_rules import ShortOptionRule, SizeFactor
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.scenarios import Scenarios, Shocks
from tests.option_books import (
    BYBIT,
    DERIBIT,
    DERIVE,
    held,
    market_at,
    model_of,
    option,
    perpetual,
    unit_of,
)
from tests.risk.revaluation.drawn import agrees_with_core, scenarios_of

D = Decimal
OKX = replace(DERIBIT, factors=(SizeFactor(floor=D(5), factor=D("1.5")),), fee=D("0.0005"))
RULES = {"deribit": DERIBIT, "bybit": BYBIT, "derive": DERIVE, "okx": OKX}
OFFSET = ExpiryOffset(naked_initial=D("0.1"), naked_maintenance=D("0.05"))

sizes = st.sampled_from(["-20", "-3", "-0.5", "0.5", "4", "20"])


@st.composite
def valuers(draw: st.DrawFn) -> UnitValuer:
    """A unit of up to four options and perhaps a perpetual on them."""
    inverse = draw(st.booleans())
    rule: ShortOptionRule = RULES[draw(st.sampled_from(sorted(RULES)))]
    counts = draw(st.booleans())
    strikes = draw(st.lists(st.sampled_from(["40000", "50000", "90000"]), max_size=3, unique=True))
    terms = [
        option(right, strike, rule=rule, inverse=inverse, counts_value=counts)
        for strike in strikes
        for right in draw(st.sampled_from([("call",), ("put",), ("call", "put")]))
    ]
    terms.append(perpetual(inverse=inverse))
    model = model_of(*terms)
    if not inverse and draw(st.booleans()):
        model = replace(model, group=OFFSET)
    positions = []
    for each in terms:
        entry = "50500" if each.option is None else ("0.02" if inverse else "1000")
        size = draw(sizes) + ("0000" if inverse and each.option is None else "")
        positions.append(held(each, size, entry))
    cash, asset = ("30", "BTC") if inverse else ("800000", "USDC")
    market = market_at("50000", *terms, volatility=draw(st.sampled_from(["0.3", "0.9"])))
    marked = {t.instrument.symbol: D("0.6") for t in terms if t.option is not None}
    market = replace(market, volatilities=marked) if draw(st.booleans()) else market
    return UnitValuer.over(unit_of(cash, *positions, asset=asset), market, model)


@given(data=st.data())
def test_options_are_repriced_and_margined_as_core_does(data: st.DataObject) -> None:
    try:
        valuer = data.draw(valuers())
    except CannotReprice:
        return
    assert valuer.method == "arrays", valuer.why
    agrees_with_core(valuer, data.draw(scenarios_of(valuer)))


def test_options_together_are_asked_less_where_the_venue_says_so() -> None:
    short, long = option("call", "50000", rule=DERIVE), option("call", "55000", rule=DERIVE)
    model = replace(model_of(short, long), group=OFFSET)
    positions = (held(short, "-1", "1000"), held(long, "1", "500"))
    valuer = UnitValuer.over(unit_of("20000", *positions), market_at("50000", short, long), model)
    alone = UnitValuer.over(valuer.unit, valuer.market, replace(model, group=None))
    up = Scenarios(returns=Shocks.of({"BTC": [0.0, 0.4]}))
    assert (valuer.values(up).maintenance == 5_000.0).all()  # the spread loses no more
    assert (alone.values(up).maintenance > 5_000.0)[1]


def test_an_option_without_a_volatility_is_named() -> None:
    deep = option("call", "50000")
    market = replace(market_at("50000", deep), marks={"50000-C": D(0)})
    unit = unit_of("1000", held(deep, "-1", "10"))
    with pytest.raises(CannotReprice, match="50000-C"):
        UnitValuer.over(unit, market, model_of(deep))


def test_a_rise_of_volatility_costs_the_short_and_pays_the_long() -> None:
    call = option("call", "55000")
    model = model_of(call)
    shocks = Scenarios(
        returns=Shocks.of({"BTC": [0.0, 0.0]}), volatility=Shocks.of({"BTC": [0, 0.5]})
    )
    for size, sign in (("-1", -1.0), ("1", 1.0)):
        unit = unit_of("20000", held(call, size, "1000"))
        pnl = UnitValuer.over(unit, market_at("50000", call), model).values(shocks).pnl
        assert pnl[0] == 0.0
        assert np.sign(pnl[1]) == sign
