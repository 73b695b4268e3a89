"""A scenario made for the coins of a book: what each takes, and what is told of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.stress.calm import calm
from keelmark.risk.stress.library import named, scenarios_of, stress_library
from keelmark.risk.stress.shocks import Made, Needs, against, made_for, scaled

OWN_STALE = """
[sources.mine]
text = "my own view"
read = "2026-11-21"

[[scenarios]]
name = "mine"
title = "contracts fall, collateral is stale"
shape = "set"

[scenarios.returns]
source = "mine"
other = -0.2
other_is = "every coin"

[scenarios.collateral]
of = "price"
source = "mine"
coins = 0.0
"""
NEEDS = Needs(
    coins=("BTC", "DYDX", "WBETH", "PAXG"),
    dollars=("USDE", "FDUSD"),
    others=("BTC", "WBETH"),
    slopes={"BTC": 2.0, "DYDX": -1.0, "WBETH": 0.0, "PAXG": 0.0},
)


def made(*names: str, scale: float = 1.0, needs: Needs = NEEDS) -> Made:
    return made_for(named(names, stress_library()), needs, scale=scale)


def shock(found: Made, block: str, name: str) -> float:
    column = found.scenarios.blocks()[block].column(name)
    assert column is not None
    return float(column[0])


def test_a_coin_takes_its_own_figure_then_that_of_its_kin_then_that_of_others() -> None:
    found = made("may-2021")
    assert shock(found, "returns", "BTC") == -0.2999
    assert shock(found, "returns", "WBETH") == shock(
        made("may-2021", needs=Needs(coins=("ETH",))), "returns", "ETH"
    )
    assert shock(found, "returns", "DYDX") == pytest.approx(-0.5347)
    assert shock(found, "returns", "PAXG") == 0.0
    told = found.stand_ins["may-2021"]
    assert told["WBETH"] == "as ETH"
    assert told["PAXG"] == "stands still"
    assert "median" in told["DYDX"]
    assert "BTC" not in told


def test_collateral_takes_its_own_figure_dollars_theirs_and_nothing_else_moves() -> None:
    october = made("october-2025")
    assert shock(october, "collateral", "USDE") == -0.35
    assert shock(october, "collateral", "FDUSD") == 0.0
    assert shock(october, "collateral", "WBETH") < -0.85
    depeg = made("stablecoin-depeg")
    assert shock(depeg, "collateral", "FDUSD") == -0.1
    assert shock(depeg, "collateral", "BTC") == 0.0


def test_stale_collateral_keeps_its_price_at_every_scale() -> None:
    for scale in (0.5, 1.0, 2.0):
        found = made("oracle-stale", scale=scale)
        price = (1.0 + shock(found, "returns", "BTC")) * (1.0 + shock(found, "collateral", "BTC"))
        assert price == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_gold_as_collateral_keeps_its_price_where_coins_are_stale(scale: float) -> None:
    needs = Needs(coins=("BTC", "PAXG"), others=("BTC", "PAXG"))
    found = made("oracle-stale", scale=scale, needs=needs)
    assert shock(found, "returns", "PAXG") == 0.0
    assert shock(found, "collateral", "PAXG") == 0.0


@given(scale=st.floats(0.1, 3.0), name=st.sampled_from(["october-2025", "october-2025-depeg"]))
def test_the_price_of_a_wrapped_coin_falls_to_the_trade_that_is_cited(
    scale: float, name: str
) -> None:
    needs = Needs(coins=("BNSOL", "SOL", "WBETH"), others=("BNSOL", "WBETH"))
    found = made(name, scale=scale, needs=needs)
    for asset, low, before in (("BNSOL", 34.90, 207.06), ("WBETH", 430.0, 4009.99)):
        kept = (1.0 + shock(found, "returns", asset)) * (1.0 + shock(found, "collateral", asset))
        assert kept == pytest.approx((low / before) ** scale, rel=1e-3)
    assert not found.stand_ins


def test_the_whole_price_of_collateral_holds_beside_moves_made_against_a_book() -> None:
    text = OWN_STALE.replace("other = -0.2", "sigmas = 3.0").replace('"set"', '"against"')
    (row,) = scenarios_of(text.replace('other_is = "every coin"', ""), "own")
    found = made_for([row], NEEDS)
    for asset in ("BTC", "WBETH"):
        kept = (1.0 + shock(found, "returns", asset)) * (1.0 + shock(found, "collateral", asset))
        assert kept == pytest.approx(1.0, abs=1e-12)
    assert shock(found, "returns", "BTC") < 0.0


def test_moves_in_sigmas_are_log_returns_of_each_coins_own_day() -> None:
    found = made("correlation-one")
    assert shock(found, "returns", "BTC") == math.expm1(-3.0 * calm().of("BTC").sigma)
    assert shock(found, "returns", "DYDX") == math.expm1(-3.0 * calm().other.sigma)
    assert set(found.stand_ins["correlation-one"]) == {"DYDX"}


@given(
    slopes=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6),
    sigma=st.floats(0.001, 0.3),
)
def test_independent_coins_move_one_sigma_in_all_and_lose_one_sigma(
    slopes: list[float], sigma: float
) -> None:
    names = [f"C{i}" for i in range(len(slopes))]
    sigmas = sigma * np.arange(1.0, len(slopes) + 1.0)
    toward = against(dict(zip(names, slopes, strict=True)), names, sigmas)
    size = math.hypot(*(np.array(slopes) * sigmas))
    if size > 0.0:
        assert float(np.linalg.norm(toward)) == pytest.approx(1.0)
        loss = float((np.array(slopes) * sigmas * toward).sum())
        assert loss == pytest.approx(-size, rel=1e-9, abs=1e-300)
    else:
        assert not toward.any()


def test_slopes_whose_squares_are_nothing_still_say_what_moves_against() -> None:
    toward = against({"A": 5e-157, "B": -5e-157}, ("A", "B"), np.array([0.01, 0.01]))
    assert toward.tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5])


def test_a_book_of_many_leaves_out_what_is_made_for_one_account_and_says_so() -> None:
    found = made("correlation-zero", "correlation-one", needs=Needs(coins=("BTC",)))
    assert found.scenarios.labels == ("correlation-one",)
    assert "what one account holds" in found.left_out["correlation-zero"]
    with pytest.raises(InvalidInput, match="correlation-zero: it moves coins against"):
        made("correlation-zero", needs=Needs(coins=("BTC",)))


@given(value=st.floats(-0.99, 5.0), one=st.floats(0.1, 3.0), two=st.floats(0.1, 3.0))
def test_scales_multiply_and_no_price_passes_nothing(value: float, one: float, two: float) -> None:
    twice = scaled("returns", scaled("returns", value, one), two)
    assert twice == pytest.approx(scaled("returns", value, one * two), rel=1e-9, abs=1e-12)
    assert scaled("returns", value, one) > -1.0
    assert scaled("funding", value, one) == pytest.approx(value * one)


def test_a_scale_of_one_and_a_half_makes_a_fall_of_a_fifth_one_of_more_than_a_quarter() -> None:
    assert scaled("returns", -0.2, 1.5) == pytest.approx(-0.284458)
    assert scaled("depth", 0.25, 0.5) == 0.5
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InvalidInput, match="give a number above 0"):
            made("march-2020", scale=wrong)
