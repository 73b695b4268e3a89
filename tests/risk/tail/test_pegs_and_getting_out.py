"""Dollars that somebody says move, and what it costs to get out of accounts that count in coins."""

import json
from dataclasses import replace

import numpy as np
import pytest

from keelmark.accounts import Account, read_account
from keelmark.core.errors import InvalidInput
from keelmark.core.margin import margin_report
from keelmark.risk.portfolio.greeks import legs_of
from keelmark.risk.scenarios.draws import Gaussian
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.scenarios.pegged import with_pegs
from keelmark.risk.statistics import Ewma, Unknown
from keelmark.risk.tail import Liquidity, Method, RiskBook, RiskOptions, risk_of
from keelmark.risk.tail.liquidated import Ending
from keelmark.risk.tail.liquidity import LiquidityAdjusted
from keelmark.risk.tail.measures import TailRisk
from tests.risk.tail.test_account_risk import account_of, history
from tests.risk.test_ladders import book

FAST = RiskOptions(paths=8_000, seed=3)
PEGGED = replace(FAST, pegs={"USDE": 0.01})


def with_dollars(btc: str = "0.1", usde: str = "20000") -> Account:
    content = book(("BTCUSDT", btc, "60000"), usdt="-1000")
    content["collateral"].append({"asset": "USDE", "balance": usde, "weight": "0.9"})
    content["prices"] = {"USDE": "1", "USDT": "1"}
    return read_account(json.dumps({**content, "venue": "bybit-uta@2025-09"}))


@pytest.mark.parametrize("is_table", [True, False])
def test_a_peg_that_is_given_moves_the_worth_and_is_said(is_table: bool) -> None:  # noqa: FBT001
    account, returns = with_dollars(), None if is_table else history()
    still = risk_of(account, returns, FAST)
    found = risk_of(account, returns, PEGGED)
    assert still.still["USDE"] == pytest.approx(20_000 / 19_000, rel=1e-6)
    assert still.still["USDT"] == pytest.approx(-1_000 / 19_000, rel=1e-6)
    assert set(found.still) == {"USDT"}
    assert any("USDE by 1 % a day, a Student t of 3 degrees" in note for note in found.notes)
    assert not any("USDE" in note and "stay at" in note for note in found.notes)
    assert found.main.var > still.main.var
    assert found.deviations["USDE"] == pytest.approx(0.01)
    leg = found.parts.names.index("USDE")
    assert found.parts.es[leg] > 50.0
    place = list(found.deviations).index("USDE")
    assert not np.delete(found.covariance[place], place).any()


def test_the_normal_method_adds_the_variance_of_a_peg() -> None:
    found = risk_of(with_dollars(), history(), PEGGED).beside[Method.NORMAL]
    without = risk_of(with_dollars(), history(), FAST).beside[Method.NORMAL]
    assert isinstance(found, TailRisk)
    assert isinstance(without, TailRisk)
    own = 2.326348 * 0.01 * 20_000.0
    assert found.var == pytest.approx(np.hypot(without.var, own), rel=1e-5)


def test_the_past_is_not_asked_about_a_peg_it_does_not_hold() -> None:
    found = risk_of(with_dollars(), history(), PEGGED)
    for method in (Method.HISTORICAL, Method.SCALED, Method.CORNISH_FISHER, Method.POT):
        told = found.beside[method]
        assert isinstance(told, Unknown)
        assert "does not hold what is given of USDE" in told.why
    with pytest.raises(InvalidInput, match="does not hold what is given of USDE"):
        risk_of(with_dollars(), history(), replace(PEGGED, method=Method.POT))


def test_a_peg_of_what_the_account_does_not_stand_on_is_refused() -> None:
    with pytest.raises(InvalidInput, match="reads a price of DAI of its own; it reads USDE"):
        risk_of(with_dollars(), history(), replace(FAST, pegs={"DAI": 0.01}))
    with pytest.raises(InvalidInput, match="BTC moves by its returns"):
        risk_of(with_dollars(), history(), replace(FAST, pegs={"BTC": 0.01}))
    with pytest.raises(InvalidInput, match="a peg of USDE that moves by 0"):
        risk_of(with_dollars(), history(), replace(FAST, pegs={"USDE": 0.0}))
    base = history()
    wide = replace(
        base, coins=(*base.coins, "USDE"), values=np.column_stack([base.values, base.values[:, 0]])
    )
    with pytest.raises(InvalidInput, match="has returns of USDE: leave its peg out"):
        risk_of(with_dollars(), wide, PEGGED)


def test_pegs_keep_their_variance_beside_coins_that_follow_a_filter() -> None:
    base = ReturnModel(
        coins=("BTC",),
        variance=np.array([0.0009]),
        draw=Gaussian(correlation=np.eye(1)),
        recursion=Ewma(decay=0.9),
        days=0.5,
        source="made up",
    )
    law = with_pegs(base, {"USDE": 0.004, "DAI": 0.002})
    assert law.coins == ("BTC", "USDE", "DAI")
    assert law.recursion is not None
    ahead = law.recursion.step(np.tile(law.variance, (3, 1)), np.full((3, 3), 0.1))
    assert ahead[:, 1:] == pytest.approx(np.tile([0.000008, 0.000002], (3, 1)))
    assert np.all(ahead[:, 0] > 0.0009)
    drawn = law.scenarios(steps=4, count=60_000, seed=1).returns.values
    logs = np.log1p(drawn)
    assert logs[:, 1].std() == pytest.approx(0.004 * np.sqrt(2.0), rel=0.1)
    assert abs(np.corrcoef(logs, rowvar=False)[0, 1]) < 0.03
    assert with_pegs(base, {}) is base
    assert "by itself" in law.draw.name


def inverse(contracts: str = "400000", btc: str = "100") -> Account:
    content = {
        "venue": "binance-coinm@2025-09",
        "collateral": [{"asset": "BTC", "balance": btc}],
        "prices": {"BTC": "100000"},
        "positions": [
            {"instrument": "BTCUSD_PERP", "size": contracts, "leverage": "10"}
            | {"entry_price": "100000", "mark_price": "100000"}
        ],
    }
    return read_account(json.dumps(content))


def test_getting_out_costs_a_coin_account_the_same_dollars_as_another() -> None:
    asked = replace(FAST, liquidity=Liquidity(volumes={"BTC": 1e9}, half_spread=0.0001))
    in_coin = risk_of(inverse(), history(), asked).adjusted  # 40 M dollars, 400 BTC
    in_dollars = risk_of(account_of("400", "0", "10000000"), history(), asked).adjusted
    assert isinstance(in_coin, LiquidityAdjusted)
    assert isinstance(in_dollars, LiquidityAdjusted)
    # 24 M dollars there: the share goes by the root
    share = in_dollars.coins["BTC"].impact / 24e6 * np.sqrt(40 / 24)
    assert in_coin.coins["BTC"].impact == pytest.approx(share * 400.0)
    assert in_coin.coins["BTC"].spread == pytest.approx(0.04)
    assert in_coin.days == pytest.approx(0.4)
    assert in_dollars.days == pytest.approx(0.24)


def options_book() -> Account:
    content = {
        "venue": "deribit-sm@2023-08",
        "as_of": "2025-12-05T23:00:00Z",
        "historical": True,
        "collateral": [{"asset": "BTC", "balance": "3"}],
        "prices": {"BTC": "92529.81", "BTC-26DEC25": "92529.81"},
        "positions": [
            {"instrument": "BTC-26DEC25-95000-C", "size": "-2", "entry_price": "0.017"}
            | {"mark_price": "0.017", "implied_volatility": "0.45"}
        ],
    }
    return read_account(json.dumps(content))


def test_what_getting_out_of_an_option_costs_is_unknown() -> None:
    asked = replace(FAST, liquidity=Liquidity(volumes={"BTC": 1e9}))
    found = risk_of(options_book(), history(), asked).adjusted
    assert isinstance(found, Unknown)
    assert "BTC-26DEC25-95000-C: an option trades in a book of its own" in found.why


def test_a_t_copula_of_one_coin_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="t-copula: one coin has no dependence"):
        risk_of(account_of("1", "0"), history(), replace(FAST, method=Method.T_COPULA))


@pytest.mark.parametrize("half", [5.0, -0.001, float("nan")])
def test_half_a_spread_is_a_small_fraction(half: float) -> None:
    with pytest.raises(InvalidInput, match="half a spread of"):
        Liquidity(half_spread=half)
    with pytest.raises(InvalidInput, match="in ETH; give a fraction"):
        Liquidity(half_spreads={"ETH": half})


def test_a_venue_that_takes_what_has_no_equity_is_said_so_without_figures() -> None:
    account = options_book()
    fate = Ending.of(RiskBook.of(account).valuers[0], account.rulebook.liquidation)
    assert fate.words().endswith("taken whole where no equity is left")


def test_volatilities_that_are_given_move_options_by_their_vega() -> None:
    account = options_book()
    asked = replace(FAST, volatilities={"BTC": 0.06})
    still, found = (risk_of(account, history(), each) for each in (FAST, asked))
    assert found.profits.std() > still.profits.std()
    assert found.deviations["BTC volatility"] == pytest.approx(0.06)
    assert any("BTC volatility by 6 % a day, their log changes normal" in n for n in found.notes)
    assert any("repriced by Black-76" in note for note in found.notes)
    assert any("at the volatilities now on BTC" in note for note in still.notes)
    unit = account.units[0]
    ready = RiskBook.of(account)
    (leg, *_) = legs_of(
        margin_report(unit, account.market, account.model), account.market, account.model
    )
    # vega is by one point of volatility; a relative one of 45 % is 45 points
    assert ready.slopes(("BTC", "BTC volatility"))[1] == pytest.approx(45 * leg.vega, rel=1e-3)
    without, moved = (each.beside[Method.NORMAL] for each in (still, found))
    assert isinstance(without, TailRisk)
    assert isinstance(moved, TailRisk)
    own = 2.326348 * 0.06 * 45 * leg.vega
    assert moved.var == pytest.approx(np.hypot(without.var, own), rel=1e-3)
    with pytest.raises(InvalidInput, match="holds no option on ETH; it holds options on BTC"):
        risk_of(account, history(), replace(FAST, volatilities={"ETH": 0.06}))
    with pytest.raises(InvalidInput, match="a volatility on BTC that moves by 2"):
        risk_of(account, history(), replace(FAST, volatilities={"BTC": 2.0}))


def test_log_changes_of_volatilities_are_normal_beside_pegs_that_jump() -> None:
    base = ReturnModel(
        coins=("BTC",),
        variance=np.array([0.0009]),
        draw=Gaussian(correlation=np.eye(1)),
        recursion=None,
        days=1.0,
        source="made up",
    )
    law = with_pegs(base, {"USDE": 0.01, "BTC volatility": 0.06})
    logs = np.log1p(law.scenarios(steps=1, count=60_000, seed=1).returns.values)
    assert logs[:, 2].std() == pytest.approx(0.06, rel=0.02)
    kurtosis = ((logs / logs.std(axis=0)) ** 4).mean(axis=0)
    assert kurtosis[2] == pytest.approx(3.0, abs=0.1)
    assert kurtosis[1] > 8.0
    assert law.draw.name.endswith("; volatilities normal")
