"""How likely an account is liquidated: laws, what is certain, and what cannot be told."""

import json
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, read_account
from keelmark.accounts.account import build_account
from keelmark.accounts.document import read_document
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import InvalidInput
from keelmark.core.joint_move import joint_move
from keelmark.core.numbers import ONE
from keelmark.risk.liquidation import (
    LiquidationProbability,
    Points,
    ProbabilityOptions,
    Standing,
    Way,
    liquidation_probability,
)
from keelmark.risk.liquidation.inputs import default_paths
from keelmark.risk.liquidation.one_barrier import Walk, met_by
from keelmark.risk.liquidation.piecewise import book_of, look_at, why_not_lines
from keelmark.risk.liquidation.result import chance_text, days_text, estimated
from keelmark.risk.liquidation.revalued import look_of
from keelmark.risk.liquidation.two_assets import first_met_by
from keelmark.risk.liquidation.units import case_of, dues_of
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.scenarios.draws import Draw, Gaussian, Resampled
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.rulebooks import load_rulebook
from tests.risk.liquidation.books import DEVIATIONS, account_of, volatilities
from tests.risk.strategies import documents

OPTIONS = Path(__file__).parents[2] / "accounts" / "rulebooks" / "options.toml"
FEW = ProbabilityOptions(paths=4_000, steps=16)
DRAWN = ProbabilityOptions(paths=20_000, steps=32, way=Way.SIMULATION)
HEDGED = {"BTC": "1", "ETH": "-15", "SOL": "100"}


def chances(account: Account, options: ProbabilityOptions = FEW, scale: float = 1.0) -> list[float]:
    found = liquidation_probability(account, volatilities(scale=scale), options=options)
    return [chance.probability for chance in found.account.horizons]


def test_one_coin_is_solved_where_core_finds_the_liquidating_price() -> None:
    account = account_of({"BTC": "1"}, "6000")
    (unit,) = account.units
    found = liquidation_probability(account, volatilities())
    move = joint_move(unit, {"BTCUSDT": -ONE}, account.market, account.model)
    assert move.size is not None
    exact = met_by(Walk.of_price(0.03), log(1 - float(move.size)), 7.0)
    week = found.account.by(7.0)
    assert week is not None
    assert week.probability == pytest.approx(exact, rel=1e-12)
    assert week.low == week.high == week.probability
    assert found.account.method == "closed form"
    assert found.seed is None


@pytest.mark.parametrize("size", ["1", "-1"])
def test_the_simulation_agrees_with_the_closed_form_at_every_horizon(size: str) -> None:
    account = account_of({"BTC": size}, "6000")
    exact = liquidation_probability(account, volatilities())
    drawn = liquidation_probability(account, volatilities(), options=DRAWN)
    for one, other in zip(exact.account.horizons, drawn.account.horizons, strict=True):
        slack = 4 * other.error + 2e-3 * one.probability
        assert other.probability == pytest.approx(one.probability, abs=slack)
        assert other.low <= other.probability <= other.high
        assert other.sample is not None
    for early, late in zip(exact.account.times, drawn.account.times, strict=True):
        assert late.days_if_liquidated == pytest.approx(early.days_if_liquidated, rel=0.05)


def test_it_rises_with_volatility_horizon_and_leverage() -> None:
    account = account_of(HEDGED, "9000")
    here = chances(account)
    assert here == sorted(here)
    for one, other in ((chances(account, scale=1.3), here), (chances(account), here)):
        assert all(a >= b for a, b in zip(one, other, strict=True))
    richer = chances(account_of(HEDGED, "12000"))
    assert all(a < b for a, b in zip(richer, here, strict=True))


@settings(max_examples=10)
@given(cash=st.integers(4_000, 30_000), scale=st.floats(0.5, 2.0), sign=st.sampled_from(["", "-"]))
def test_one_coin_rises_with_volatility_horizon_and_leverage(
    cash: int, scale: float, sign: str
) -> None:
    account = account_of({"BTC": f"{sign}1"}, str(cash))
    here = chances(account)
    assert here == sorted(here)
    wilder = zip(chances(account, scale=1.5 * scale), chances(account, scale=scale), strict=True)
    assert all(a >= b for a, b in wilder)
    richer = chances(account_of({"BTC": f"{sign}1"}, str(cash + 1_000)))
    assert all(a <= b for a, b in zip(richer, here, strict=True))


def test_the_order_of_positions_changes_the_chance_by_rounding_at_most() -> None:
    one = liquidation_probability(account_of(HEDGED, "9000"), volatilities(), options=DRAWN)
    turned = dict(reversed(list(HEDGED.items())))
    other = liquidation_probability(account_of(turned, "9000"), volatilities(), options=DRAWN)
    for a, b in zip(one.account.horizons, other.account.horizons, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=5 * (a.error + b.error))


def test_one_seed_has_one_answer_and_says_what_it_stands_on() -> None:
    account = account_of(HEDGED, "9000")
    found, again = (
        liquidation_probability(account, volatilities(), options=FEW).document() for _ in range(2)
    )
    assert found == again
    assert json.loads(json.dumps(found)) == found
    assert found["seed"] == "0"
    assert found["paths"] == "4000"
    assert "mean prices stay where they are" in str(found["assumes"])


def test_pulled_and_plain_draws_agree_on_an_account() -> None:
    account = account_of(HEDGED, "9000")
    exact = liquidation_probability(
        account, volatilities(), horizons=[1.0], options=ProbabilityOptions(paths=60_000)
    )
    plain = liquidation_probability(
        account,
        volatilities(),
        horizons=[1.0],
        options=ProbabilityOptions(paths=16_384, steps=24, points=Points.SOBOL, seed=3),
    )
    (one,), (other,) = exact.account.horizons, plain.account.horizons
    error = (one.error**2 + other.error**2) ** 0.5
    assert one.probability == pytest.approx(other.probability, abs=5 * error)
    assert plain.account.method is not None
    assert "Sobol" in plain.account.method


def test_every_unit_has_its_own_chance_and_the_account_any_of_them() -> None:
    account = account_of(HEDGED, "9000", isolated={"SOL": "3000"})
    found = liquidation_probability(account, volatilities(), options=DRAWN)
    assert [unit.unit_id for unit in found.units] == [u.unit_id for u in account.units]
    weeks = [unit.horizons[-1].probability for unit in found.units]
    whole = found.account.horizons[-1].probability
    assert max(weeks) <= whole <= sum(weeks)
    assert "independently" in " ".join(found.assumes)


def test_units_on_one_coin_together_are_a_corridor() -> None:
    row = {"entry_price": "60000", "mark_price": "60000", "margin_mode": "isolated"}
    document = {
        "venue": "generic@2025-10",
        "collateral": [],
        "positions": [
            {**row, "instrument": "BTCUSDT", "size": "1", "isolated_margin": "5000"},
            {**row, "instrument": "BTCUSDC", "size": "-1", "isolated_margin": "5000"},
        ],
        "prices": {"USDC": "1"},
    }
    found = liquidation_probability(read_account(json.dumps(document)), volatilities())
    assert found.account.method == "closed form"
    weeks = [unit.horizons[-1].probability for unit in found.units if unit.horizons]
    assert max(weeks) < found.account.horizons[-1].probability < sum(weeks)


def test_what_is_liquidatable_now_is_certain_and_said() -> None:
    found = liquidation_probability(account_of({"BTC": "1"}, "100"), volatilities())
    assert found.account.standing is Standing.CERTAIN
    assert found.account.reason == "cross: liquidatable now"
    assert [chance.probability for chance in found.account.horizons] == [1.0] * 4
    assert "100 %" in repr(found)


def test_what_nothing_liquidates_has_no_chance_and_says_why() -> None:
    alone = liquidation_probability(account_of({"BTC": "0.05"}, "60000"), volatilities())
    assert alone.units[0].standing is Standing.NEVER
    assert alone.units[0].reason is not None
    assert "no price of BTC" in alone.units[0].reason
    several = {"BTC": "0.05", "ETH": "0.5"}
    found = liquidation_probability(account_of(several, "60000"), volatilities())
    assert found.units[0].reason == "no prices liquidate it"
    assert found.account.horizons[-1].probability == 0.0
    empty = liquidation_probability(account_of({}, "60000"), volatilities())
    assert empty.account.standing is Standing.NEVER


def test_what_is_not_known_is_unknown_and_named() -> None:
    account = account_of(HEDGED, "9000")
    bare = Volatilities(by_coin={"BTC": 0.03, "ETH": 0.04, "SOL": 0.05})
    found = liquidation_probability(account, bare)
    assert found.account.standing is Standing.UNKNOWN
    assert "how BTC and ETH move together" in str(found.account.reason)
    assert "unknown" in repr(found)
    told = replace(FEW, correlation=0.6)
    given = liquidation_probability(account, bare, options=told)
    assert given.account.standing is Standing.KNOWN
    assert "every two coins correlate by 0.6, as given" in given.notes
    fewer = Volatilities(by_coin={"BTC": 0.03, "ETH": 0.04})
    assert "no volatility of SOL" in str(liquidation_probability(account, fewer).account.reason)
    hourly = replace(bare, horizon="a row")
    assert "not of a day" in str(liquidation_probability(account, hourly).account.reason)


def test_one_unknown_unit_leaves_the_others_told() -> None:
    account = account_of({"BTC": "1", "SOL": "100"}, "9000", isolated={"SOL": "3000"})
    bare = Volatilities(by_coin={"BTC": 0.03})
    found = liquidation_probability(account, bare)
    assert [u.standing for u in found.units] == [Standing.KNOWN, Standing.UNKNOWN]
    assert found.account.standing is Standing.UNKNOWN
    assert str(found.account.reason).startswith("isolated")


def test_funding_that_longs_pay_raises_the_chance_of_a_long_and_lowers_that_of_a_short() -> None:
    paid = replace(DRAWN, funding={"BTC": 0.003})
    for size, rises in (("1", True), ("-1", False)):
        account = account_of({"BTC": size}, "6000")
        assert (chances(account, paid)[-1] > chances(account, DRAWN)[-1]) is rises


def test_interest_and_funding_are_what_the_positions_and_debts_ask_for() -> None:
    document = {
        "venue": "generic@2025-10",
        "collateral": [
            {"asset": "USDT", "balance": "-1000"},
            {"asset": "BTC", "balance": "2"},
            {"asset": "ETH", "balance": "-1"},
        ],
        "prices": {"BTC": "60000", "ETH": "3000"},
        "positions": [
            {
                "instrument": symbol,
                "size": size,
                "entry_price": mark,
                "mark_price": mark,
            }
            for symbol, size, mark in (("BTCUSD", "600", "60000"), ("ETHUSDT", "-2", "3000"))
        ],
    }
    account = read_account(json.dumps(document))
    case = case_of(account, account.units[0])
    borrow = {"USDT": 0.001, "ETH": 0.002}
    flat, carry = dues_of(case, ("BTC", "ETH"), {"BTC": 0.01, "ETH": 0.01}, borrow)
    assert flat == pytest.approx(1.0 + 6.0)  # interest on dollars; an inverse pays on dollars
    assert carry == pytest.approx([0.0, 6.0 - 60.0])  # a short gets funding


def test_assets_that_stand_still_are_named() -> None:
    found = liquidation_probability(mixed_account(), volatilities(), options=FEW)
    assert not any("peg" in text for text in found.assumes)
    account = account_of(HEDGED, "9000")
    document = account.document
    usdc = replace(document, collateral={**document.collateral, "USDC": Decimal(500)})
    priced = replace(usdc, prices={"USDC": Decimal(1)})
    held = build_account(priced)
    told = liquidation_probability(held, volatilities(), options=FEW)
    assert "USDC keeps its price: a broken peg is not counted" in told.assumes


def test_growth_moves_the_closed_form() -> None:
    account = account_of({"BTC": "1"}, "6000")
    up = ProbabilityOptions(growth={"BTC": 0.01})
    assert chances(account, up)[-1] < chances(account, ProbabilityOptions())[-1]
    found = liquidation_probability(account, volatilities(), options=up)
    assert "BTC +0.01" in " ".join(found.assumes)


def test_heavy_tails_are_drawn_and_said() -> None:
    account = account_of(HEDGED, "9000")
    heavy = replace(FEW, degrees=4.0)
    found = liquidation_probability(account, volatilities(), options=heavy)
    assert "Student's t with 4 degrees" in found.assumes[0]
    assert any("heavy tails" in note for note in found.notes)


def with_options(cash: str) -> Account:
    """A short call and a short of perpetuals on Bitcoin."""
    content = {
        "venue": str(OPTIONS),
        "as_of": "2024-12-01T00:00:00Z",
        "collateral": [{"asset": "BTC", "balance": cash}],
        "prices": {"BTC": "50000", "BTC-27DEC24": "50500"},
        "positions": [
            {
                "instrument": "BTC-27DEC24-60000-C",
                "size": "-3",
                "entry_price": "0.012",
                "mark_price": "0.0105",
            },
            {
                "instrument": "BTC-PERPETUAL",
                "size": "-50000",
                "entry_price": "50000",
                "mark_price": "50000",
            },
        ],
    }
    document = read_document(content, title="account")
    return build_account(document, rulebook=load_rulebook(str(OPTIONS)))


def test_a_book_of_options_on_one_coin_is_simulated_as_its_closed_form_says() -> None:
    account = with_options("0.9")
    exact = liquidation_probability(account, volatilities())
    assert exact.account.method == "closed form"
    assert any("implied volatility" in text for text in exact.assumes)
    drawn = liquidation_probability(
        account, volatilities(), options=ProbabilityOptions(way=Way.SIMULATION, steps=48)
    )
    assert "every step revalued" in str(drawn.account.method)
    for one, other in zip(exact.account.horizons, drawn.account.horizons, strict=True):
        slack = 4 * other.error + 5e-3 * one.probability
        assert other.probability == pytest.approx(one.probability, abs=slack)


def test_options_that_expire_on_the_way_are_named() -> None:
    found = liquidation_probability(with_options("0.9"), volatilities(), horizons=[30.0])
    assert found.notes == ("BTC-27DEC24-60000-C expires before the last horizon, and is kept",)


def test_volatility_that_rises_with_the_price_is_worse_for_a_short_call() -> None:
    asked = ProbabilityOptions(way=Way.SIMULATION, paths=2_000, steps=12)
    account = with_options("0.9")
    still = chances(account, asked)[-1]
    rising = replace(asked, implied={"BTC": 1.0})
    assert (
        chances(account, rising)[-1]
        > still
        > chances(account, replace(asked, implied={"BTC": -1.0}))[-1]
    )
    found = liquidation_probability(account, volatilities(), options=rising)
    assert "to the power +1" in " ".join(found.assumes)


def mixed_account() -> Account:
    """An inverse short hedging a coin as collateral, and a long of another coin."""
    row = {"entry_price": "60000", "mark_price": "60000"}
    document = {
        "venue": "generic@2025-10",
        "collateral": [{"asset": "USDT", "balance": "9000"}, {"asset": "BTC", "balance": "0.5"}],
        "prices": {"BTC": "60000"},
        "positions": [
            {**row, "instrument": "BTCUSD", "size": "-50000"},
            {"instrument": "ETHUSDT", "size": "60", "entry_price": "3000", "mark_price": "3000"},
        ],
    }
    return read_account(json.dumps(document))


def test_a_book_that_is_no_sum_of_lines_is_revalued_at_every_step() -> None:
    account = mixed_account()
    (unit,) = account.units
    assert why_not_lines(UnitValuer.of(account, unit)) == "it holds inverse contracts"
    asked = ProbabilityOptions(paths=4_000, steps=16)
    found = liquidation_probability(account, volatilities(), options=asked)
    finer = liquidation_probability(
        account, volatilities(), options=replace(asked, steps=64, seed=1)
    )
    for one, other in zip(found.account.horizons[2:], finer.account.horizons[2:], strict=True):
        assert one.probability == pytest.approx(
            other.probability, abs=4 * (one.error + other.error)
        )
    assert found.account.horizons[-1].probability > 0.01


def test_two_units_on_two_coins_meet_their_barriers_as_the_series_of_two_walks_says() -> None:
    account = account_of({"BTC": "1", "ETH": "20"}, "0", isolated={"BTC": "6000", "ETH": "8000"})
    still = ProbabilityOptions(growth={"BTC": 0.03**2 / 2, "ETH": 0.04**2 / 2}, paths=40_000)
    found = liquidation_probability(account, volatilities(0.5), options=still)
    far = []
    for unit in account.units[1:]:
        symbol = unit.positions[0].instrument
        move = joint_move(unit, {symbol: -ONE}, account.market, account.model)
        assert move.size is not None
        far.append(-log(1 - float(move.size)) / DEVIATIONS[symbol[:3]])
    for chance in found.account.horizons[2:]:
        exact = first_met_by((far[0], far[1]), 0.5, chance.days)
        assert chance.probability == pytest.approx(exact, abs=4 * chance.error + 5e-3 * exact)


def law(draw: Draw, days: float = 1.0) -> ReturnModel:
    variance = np.array([0.03**2, 0.04**2, 0.055**2])
    return ReturnModel(
        coins=("BTC", "ETH", "SOL"),
        variance=variance * days,
        draw=draw,
        recursion=None,
        days=days,
        source="a made up law",
    )


def test_paths_of_a_normal_law_are_normal_walks() -> None:
    account = account_of({"BTC": "1"}, "6000")
    (unit,) = account.units
    move = joint_move(unit, {"BTCUSDT": -ONE}, account.market, account.model)
    assert move.size is not None
    normal = law(Gaussian(correlation=np.full((3, 3), 0.7) + 0.3 * np.eye(3)), days=0.25)
    found = liquidation_probability(account, normal, horizons=[1.0, 7.0])
    for chance in found.account.horizons:
        exact = met_by(Walk(0.03), log(1 - float(move.size)), chance.days)
        assert chance.probability == pytest.approx(exact, abs=4 * chance.error)
    assert found.source == "a made up law"
    assert "steps of 6 hours: normal shocks" in found.assumes[0]


def test_history_resampled_is_drawn_in_its_own_steps() -> None:
    past = np.random.default_rng(3).standard_t(3, (500, 3)) / np.sqrt(3)
    resampled = law(Resampled(residuals=past))
    account = account_of(HEDGED, "9000")
    found = liquidation_probability(account, resampled, horizons=[1.0, 7.0], options=FEW)
    assert found.steps == 7
    assert "past shocks" in str(found.account.method)
    assert 0.0 < found.account.horizons[0].probability < found.account.horizons[1].probability
    with pytest.raises(InvalidInput, match="whole number of steps"):
        liquidation_probability(account, resampled)
    fewer = replace(resampled, coins=("BTC", "ETH", "DOGE"))
    unknown = liquidation_probability(account, fewer, horizons=[1.0])
    assert "no returns of SOL" in str(unknown.account.reason)


@pytest.mark.slow
def test_two_processes_draw_the_same_digits() -> None:
    code = (
        "from tests.risk.liquidation.books import account_of, volatilities\n"
        "from keelmark.risk.liquidation import ProbabilityOptions, liquidation_probability\n"
        f"account = account_of({HEDGED!r}, '9000')\n"
        "options = ProbabilityOptions(paths=4_000, steps=16)\n"
        "found = liquidation_probability(account, volatilities(), options=options)\n"
        "print(found.document())"
    )
    root = Path(__file__).parents[3]
    told = subprocess.run(  # noqa: S603 our own interpreter and text
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    here = liquidation_probability(account_of(HEDGED, "9000"), volatilities(), options=FEW)
    assert told.strip() == str(here.document())


@settings(max_examples=40)
@given(document=documents(inverse=False), seed=st.integers(0, 999))
def test_lines_are_the_revaluation(document: dict[str, object], seed: int) -> None:
    account = read_account(json.dumps(document))
    for unit in account.units:
        valuer = UnitValuer.of(account, unit)
        if not valuer.coins or why_not_lines(valuer) is not None:
            continue
        ratios = np.exp(np.random.default_rng(seed).normal(0, 0.4, (30, len(valuer.coins))))
        lines, slopes = look_at(book_of([valuer], valuer.coins), ratios)
        values, differences = look_of([valuer], valuer.coins)(ratios)
        size = np.abs(values).max() + 1e6
        np.testing.assert_allclose(lines, values, atol=1e-11 * size)
        near = np.abs(slopes - differences) < 1e-3 * size
        assert near.mean() > 0.9  # edges of tables lie within some differences


def test_a_chance_reads_well() -> None:
    told = {0.0: "0 %", 1.0: "100 %", 0.214: "21.4 %", 5.2e-6: "5.2e-06"}
    assert {p: chance_text(p) for p in told} == told
    spans = {1 / 24: "1 hour", 1 / 3: "8 hours", 1.0: "1 day", 7.0: "7 days"}
    assert {days: days_text(days) for days in spans} == spans


def test_no_path_that_liquidates_leaves_an_interval_above_zero() -> None:
    none = estimated(1.0, (0.0, 0.0, 0.0), 10_000, 0.95)
    assert none.low == 0.0
    assert 2e-4 < none.high < 6e-4


def test_many_coins_or_units_get_fewer_paths() -> None:
    assert default_paths(1, 1, are_lines=True) == default_paths(20, 1, are_lines=True) == 65_536
    assert default_paths(40, 1, are_lines=True) == 16_384
    assert default_paths(500, 1, are_lines=True) == 2_048
    assert default_paths(12, 1, are_lines=False) == 4_096
    assert default_paths(20, 4, are_lines=True) == 16_384


def test_wrong_questions_are_refused() -> None:
    account = account_of({"BTC": "1"}, "6000")
    for horizons in ([], [0.0], [float("nan")]):
        with pytest.raises(InvalidInput, match="horizons"):
            liquidation_probability(account, volatilities(), horizons=horizons)
    for wrong in ({"steps": 0}, {"paths": 1}, {"correlation": 2.0}, {"confidence": 1.0}):
        with pytest.raises(InvalidInput):
            ProbabilityOptions(**wrong)
    with pytest.raises(InvalidInput, match="funding"):
        ProbabilityOptions(funding={"BTC": float("inf")})


def test_the_result_is_named_in_the_package() -> None:
    assert LiquidationProbability.__module__.startswith("keelmark.risk.liquidation")
