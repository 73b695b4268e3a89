"""Prices far beyond the present that end a book with options: found, or said how far was looked."""

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import maintenance_excess
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import exact
from keelmark.core.price_path import PricePath
from keelmark.core.repricing import Repricer
from keelmark.core.unit import MarginUnit
from tests.option_books import held, market_at, model_of, option, perpetual, unit_of

D = Decimal
NOW = D(50_000)
CALL, PUT, PERP = option("call", "60000"), option("put", "45000"), perpetual()
ALL = (CALL, PUT, PERP)
MODEL, MARKET = model_of(*ALL), market_at("50000", *ALL)
BOOKS = 260

WALK = [D("1.05") ** k for k in range(-60, 430)]
"""Shares of the present price, from a twentieth to a billion times it."""


def random_book(seed: int) -> MarginUnit:
    """Return a book of a call, a put and a perpetual with cash of any size."""
    draw = np.random.default_rng(seed)
    sizes = [str(draw.choice([-3, -1, 1, 4])) for _ in ALL]
    cash = str(round(float(np.exp(draw.uniform(np.log(10_000), np.log(3_000_000))))))
    entries = ("700", "1300", "50000")
    rows = [held(t, s, e) for t, s, e in zip(ALL, sizes, entries, strict=True)]
    return unit_of(cash, *rows)


def excess_at(unit: MarginUnit, market: Market, model: MarginModel, share: Decimal) -> Decimal:
    """The excess with everything on BTC at a share of its price."""
    with exact():
        step = {p.instrument: D(1) for p in unit.positions}
        path = PricePath.along(unit, step, market, model)
        return maintenance_excess(unit, path.at(share - 1), model)


def walked(unit: MarginUnit) -> list[tuple[Decimal, Decimal]]:
    """Return the steps of a walk of five per cent each in which the answer changes."""
    falls = [excess_at(unit, MARKET, MODEL, share) < 0 for share in WALK]
    steps = zip(pairwise(WALK), pairwise(falls), strict=True)
    return [ends for ends, (before, after) in steps if before != after]


FAR = (6, 62, 119, 223, 256)


@pytest.mark.parametrize("seed", FAR)
def test_prices_beyond_twelve_times_the_present_one_are_found(seed: int) -> None:
    unit = random_book(seed)
    steps = walked(unit)
    found = sorted(liquidation_prices(unit, "BTC-PERP", MARKET, MODEL).values)
    assert any(low > 12 for low, _ in steps)
    assert len(found) == len(steps)
    for (low, high), price in zip(steps, found, strict=True):
        assert low <= price / NOW <= high
        sides = [excess_at(unit, MARKET, MODEL, price / NOW * s) for s in BESIDE]
        assert (sides[0] < 0) != (sides[1] < 0)


BESIDE = (D("0.9999999"), D("1.0000001"))


@given(st.integers(0, BOOKS - 1))
def test_a_walk_to_a_billion_times_the_price_meets_no_other(seed: int) -> None:
    unit = random_book(seed)
    found = [p / NOW for p in liquidation_prices(unit, "BTC-PERP", MARKET, MODEL).values]
    steps = walked(unit)
    for low, high in pairwise(WALK):
        inside = [share for share in found if low <= share <= high]
        assert len(inside) % 2 == ((low, high) in steps)


def test_a_call_far_in_the_money_is_worth_what_exercise_pays_to_the_last_digit() -> None:
    repricer = Repricer.of(CALL.instrument, MARKET)
    far = NOW * 1_000_000_007
    with exact():
        assert repricer.mark_at(far) == far - 60_000 + repricer.difference
    put = Repricer.of(PUT.instrument, MARKET)
    assert put.mark_at(far) == max(D(0), put.difference)
