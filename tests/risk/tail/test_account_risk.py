"""The risk of whole accounts: laws between methods, endings, liquidity, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, read_account
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.risk.returns import Array, Returns
from keelmark.risk.scenarios.coin_table import coin_table
from keelmark.risk.scenarios.draws import Gaussian
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.scenarios.scenarios import Scenarios, Shocks
from keelmark.risk.statistics import Unknown, normal_tail
from keelmark.risk.tail import (
    AccountRisk,
    Liquidity,
    Method,
    RiskBook,
    RiskOptions,
    risk_of,
    simulated,
    tail_risk,
)
from keelmark.risk.tail.account_risk import FilterKind
from keelmark.risk.tail.document import risk_document
from keelmark.risk.tail.liquidity import impact_fraction, liquidity_adjusted
from keelmark.risk.tail.measures import TailRisk
from tests.risk.test_ladders import book

COVARIANCE = np.array([[0.0009, 0.0010], [0.0010, 0.0016]])
FAST = RiskOptions(paths=8_000, seed=3)


def account_of(btc: str = "1", eth: str = "10", usdt: str = "60000", **more: object) -> Account:
    rows = [("BTCUSDT", btc, "60000"), ("ETHUSDT", eth, "3000")]
    content: dict[str, object] = {
        **book(*(row for row in rows if row[1] != "0"), usdt=usdt),
        **more,
    }
    content.setdefault("venue", "generic@2025-10")
    return read_account(json.dumps(content))


def history(rows: int = 700, seed: int = 4, covariance: Array = COVARIANCE) -> Returns:
    draws = np.random.default_rng(seed).multivariate_normal(np.zeros(2), covariance, rows)
    return Returns(
        coins=("BTC", "ETH"), values=np.expm1(draws), period="1 day", days=1.0, source="made up"
    )


def flat_law(deviation: float = 0.02) -> ReturnModel:
    return ReturnModel(
        coins=("BTC", "ETH"),
        variance=np.full(2, deviation**2),
        draw=Gaussian(correlation=np.array([[1.0, 0.5], [0.5, 1.0]])),
        recursion=None,
        days=0.25,
        source="flat",
    )


@pytest.fixture(scope="module")
def found() -> AccountRisk:
    return risk_of(account_of(), history(), replace(FAST, paths=40_000))


def test_parts_sum_to_the_account_and_worth_is_the_cores(found: AccountRisk) -> None:
    assert found.worth == pytest.approx(60_000.0)
    assert found.parts.var.sum() == pytest.approx(found.main.var, rel=1e-9)
    assert found.parts.es.sum() == pytest.approx(found.main.es, rel=1e-9)
    assert found.parts.names == ("BTCUSDT", "ETHUSDT", "USDT")
    assert found.marginal[:2] == pytest.approx(found.parts.es[:2] / np.array([60_000.0, 30_000.0]))
    assert np.isnan(found.marginal[2])


def test_on_a_normal_history_every_method_agrees_with_the_closed_form(found: AccountRisk) -> None:
    slopes = np.array([60_000.0, 30_000.0])
    expected = normal_tail(0.99, deviation=float(np.sqrt(slopes @ COVARIANCE @ slopes)))
    assert isinstance(expected.var, float)
    for method, risk in {found.method: found.main, **found.beside}.items():
        if method is Method.STUDENT:
            continue  # its freedom is at most thirty
        assert isinstance(risk, TailRisk), (method, risk)
        assert risk.var == pytest.approx(expected.var, rel=0.25), method
        assert risk.es >= risk.var, method


def test_without_steps_an_account_out_of_reach_loses_the_same_with_liquidations() -> None:
    safe = risk_of(account_of(usdt="900000"), history(), FAST)
    assert safe.realised.probability == 0.0
    assert safe.realised.loss is None
    assert isinstance(safe.realised.risk, TailRisk)
    assert safe.realised.risk.var == pytest.approx(safe.main.var)


def test_paths_that_are_liquidated_stop_and_lose_no_more_than_there_is() -> None:
    account = account_of(usdt="3000")
    ready = RiskBook.of(account)
    drawn = simulated(ready, flat_law(), days=1.0, count=4_000, seed=5)
    is_ended = drawn.hits[:, 0]
    assert 0.1 < is_ended.mean() < 0.9
    assert drawn.realised.min() >= -3_000.0 - 1e-6
    assert drawn.realised[~is_ended] == pytest.approx(drawn.pnl[~is_ended])
    one_step = simulated(ready, replace(flat_law(0.04), days=1.0), days=1.0, count=4_000, seed=5)
    assert is_ended.mean() > one_step.hits.mean()  # looked at four times, not once


def test_what_is_left_is_the_worth_there_less_the_fee(  # worked out by hand
) -> None:
    account = account_of(btc="1", eth="0", usdt="3000")
    ready = RiskBook.of(account)
    law = replace(flat_law(), coins=("BTC",), variance=np.array([0.01]), draw=_Fixed(), days=1.0)
    drawn = simulated(ready, law, days=1.0, count=4, seed=0)
    # -4.6 %: worth 240, notional 57,240, fee 0.2 % of it 114.48; maintenance 0.5 % liquidates
    assert drawn.ended[:, 0].tolist() == [1, -1, 1, -1]
    left = 3_000 - 0.046 * 60_000 - 0.002 * 60_000 * (1 - 0.046)
    assert drawn.realised == pytest.approx([left - 3_000, 600.0, -3_000.0, 0.0])


def test_what_is_liquidatable_now_ends_now() -> None:
    account = account_of(btc="1", eth="0", usdt="250")
    drawn = simulated(
        RiskBook.of(account), replace(flat_law(), days=1.0), days=1.0, count=9, seed=1
    )
    assert drawn.ended[:, 0].tolist() == [0] * 9
    assert drawn.realised == pytest.approx(-120.0)  # the fee of 0.2 % of 60,000
    found = risk_of(account, history(), FAST)
    assert found.realised.now == ("cross",)
    assert found.realised.probability == 1.0


class _Fixed:
    """Shocks whose returns are -4.6 %, 1 %, -10 % and nothing, for a variance of 0.01."""

    name = "fixed"

    def shocks(self, generator: np.random.Generator, count: int) -> Array:
        del generator
        moves = np.array([-0.046, 0.01, -0.1, 0.0])[:count, None]
        shocks: Array = np.log1p(moves) / 0.1
        return shocks


def test_a_venue_that_takes_over_leaves_nothing_below_its_line() -> None:
    content = {
        "venue": "hyperliquid@2026-07",
        "collateral": [{"asset": "USDC", "balance": "3000"}],
        "positions": [
            {"instrument": "BTC", "size": "1", "entry_price": "60000", "mark_price": "60000"}
            | {"tier": {"maintenance_rate": "0.0125"}, "leverage": "20"}
        ],
    }
    account = read_account(json.dumps(content))
    ready = RiskBook.of(account)
    law = replace(flat_law(), coins=("BTC",), variance=np.array([0.01]), draw=_Fixed(), days=1.0)
    drawn = simulated(ready, law, days=1.0, count=3, seed=0)
    assert drawn.realised[2] == pytest.approx(-3_000.0)
    assert "taken whole" in drawn.endings[0]


def test_an_isolated_position_loses_its_margin_and_the_rest_goes_on() -> None:
    content = book(("BTCUSDT", "1", "60000"), ("ETHUSDT", "-10", "3000"), usdt="20000")
    content["positions"][0] |= {"margin_mode": "isolated", "isolated_margin": "3000"}
    account = read_account(json.dumps({**content, "venue": "generic@2025-10"}))
    found = risk_of(account, history(), FAST)
    assert found.parts.names[0].endswith("(cross)")
    assert found.realised.units["isolated:BTCUSDT"] > 0.02
    assert found.realised.units["cross"] < found.realised.units["isolated:BTCUSDT"]
    one = risk_of(account, history(), replace(FAST, unit_id="isolated:BTCUSDT"))
    assert isinstance(one.realised.risk, TailRisk)
    assert one.realised.risk.var == pytest.approx(3_000.0)
    with pytest.raises(InvalidInput, match="no margin unit 'nothing'"):
        risk_of(account, history(), replace(FAST, unit_id="nothing"))


@settings(max_examples=10)
@given(scale=st.sampled_from([2, 5, 10]), method=st.sampled_from(["fhs", "normal", "historical"]))
def test_twice_the_account_is_twice_the_risk(scale: int, method: str) -> None:
    asked = replace(FAST, paths=2_000, method=Method(method))
    one = risk_of(account_of("0.1", "-1", "6000"), history(), asked)
    many = risk_of(account_of(f"{scale / 10}", f"-{scale}", f"{6_000 * scale}"), history(), asked)
    assert many.main.var == pytest.approx(scale * one.main.var, rel=1e-6)
    assert many.main.es == pytest.approx(scale * one.main.es, rel=1e-6)


@pytest.mark.parametrize("method", [m for m in Method if m is not Method.TABLE])
def test_any_method_leads_with_parts_that_sum_to_it(method: Method) -> None:
    found = risk_of(account_of(), history(), replace(FAST, method=method))
    assert found.method is method
    assert method not in found.beside
    assert found.parts.es.sum() == pytest.approx(found.main.es, rel=1e-9)
    assert found.parts.var.sum() == pytest.approx(found.main.var, rel=1e-9)
    assert json.loads(json.dumps(risk_document(found)))["method"] == method.value


def test_a_seed_tells_every_figure() -> None:
    asked = replace(FAST, days=2.0)
    one, two = (risk_document(risk_of(account_of(), history(), asked)) for _ in range(2))
    assert one == two
    other = risk_document(risk_of(account_of(), history(), replace(asked, seed=4)))
    assert one["risk"] != other["risk"]


def test_without_a_history_the_table_is_used_and_said() -> None:
    found = risk_of(account_of(), None, FAST)
    table = coin_table()
    assert found.table is table
    assert found.method is Method.TABLE
    assert table.name in found.source
    slopes = np.array([60_000.0, 30_000.0])
    deviations = np.array([table.deviations[table.coins.index(c)] for c in ("BTC", "ETH")])
    correlation = table.correlations(("BTC", "ETH"))
    deviation = np.sqrt(slopes @ (correlation * np.outer(deviations, deviations)) @ slopes)
    normal = found.beside[Method.NORMAL]
    assert isinstance(normal, TailRisk)
    assert normal.var == pytest.approx(2.326348 * deviation, rel=1e-5)
    assert found.main.var == pytest.approx(normal.var, rel=0.2)
    assert isinstance(found.beside[Method.FHS], Unknown)
    old = risk_of(account_of(as_of="2023-03-01T00:00:00Z", historical=True), None, FAST)
    assert any("the account is of 2023-03-01, 1036 days from" in note for note in old.notes)
    assert repr(found).startswith("table over 1 days: VaR 0.99 ")
    with pytest.raises(InvalidInput, match="pot: it takes a history"):
        risk_of(account_of(), None, replace(FAST, method=Method.POT))


def test_a_coin_nobody_knows_is_never_guessed() -> None:
    content = book(usdt="1000") | {"venue": "generic@2025-10"}
    content["positions"] = [
        {"instrument": "ALPHAUSDT", "size": "1", "entry_price": "100", "mark_price": "100"}
    ]
    account = read_account(json.dumps(content))
    with pytest.raises(MissingNumber, match=r"does not know ALPHA; give --returns BARS that have"):
        risk_of(account, None, FAST)
    with pytest.raises(MissingNumber, match=r"made up has no returns of ALPHA; it has BTC, ETH"):
        risk_of(account, history(), FAST)
    told = risk_of(account, history(), replace(FAST, like={"ALPHA": "ETH"}))
    assert "ALPHA is taken to move as ETH" in told.notes
    assert told.main.var == pytest.approx(
        risk_of(account_of("0", f"{100 / 3000:.12f}", "1000"), history(), FAST).main.var, rel=1e-3
    )
    assert risk_of(account, None, replace(FAST, like={"ALPHA": "SOL"})).main.var > 0.0


def test_a_dollar_moves_where_its_returns_are_given_and_is_said_to_stand_where_not() -> None:
    content = book(("BTCUSDT", "0.1", "60000"), usdt="-1000")
    content["collateral"].append({"asset": "USDE", "balance": "20000", "weight": "0.9"})
    content["prices"] = {"USDE": "1", "USDT": "1"}
    account = read_account(json.dumps({**content, "venue": "bybit-uta@2025-09"}))
    still = risk_of(account, history(), FAST)
    assert any("USDE" in note and "stay at their price" in note for note in still.notes)
    base = history()
    peg = np.expm1(0.01 * np.random.default_rng(6).standard_normal(len(base.values)))
    wide = replace(base, coins=(*base.coins, "USDE"), values=np.column_stack([base.values, peg]))
    moving = risk_of(account, wide, FAST)
    leg = moving.parts.names.index("USDE")
    assert moving.parts.es[leg] > 50.0
    assert any("shocks of a peg are drawn as they were" in note for note in moving.notes)
    assert still.parts.es[leg] == 0.0
    assert moving.main.var > still.main.var


def test_history_ends_at_the_accounts_own_time() -> None:
    account = account_of(as_of="2025-10-10T21:17:00Z", historical=True)
    end = 1_760_131_020_000
    base = history()
    times = end + 86_400_000 * np.arange(-500, 200)
    dated = replace(base, times=times)
    found = risk_of(account, dated, FAST)
    assert any("199 changes after 2025-10-10 21:17 UTC" in note for note in found.notes)
    whole = risk_of(account, dated, replace(FAST, until_ms=2**62))
    assert not any("left out" in note for note in whole.notes)
    with pytest.raises(InvalidInput, match="after the account's own time"):
        risk_of(account, replace(base, times=times + 900 * 86_400_000), FAST)


def test_a_table_without_times_is_said_to_be_of_days() -> None:
    found = risk_of(account_of(), replace(history(), days=None, period="a row"), FAST)
    assert any("each is taken as a day" in note for note in found.notes)
    assert found.main.var == pytest.approx(risk_of(account_of(), history(), FAST).main.var)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InvalidInput, match="changes of 1 day; a filter takes 100"):
        risk_of(account_of(), history(50), FAST)
    with pytest.raises(InvalidInput, match="no whole number of steps"):
        risk_of(account_of(), history(), replace(FAST, days=0.5))
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        risk_of(account_of(), history(), replace(FAST, level=1.5))
    with pytest.raises(InvalidInput, match="for accounts without --returns"):
        risk_of(account_of(), history(), replace(FAST, method=Method.TABLE))


def test_longer_horizons_follow_the_filter() -> None:
    asked = replace(FAST, days=5.0, filter=FilterKind.EWMA)
    week = risk_of(account_of(usdt="600000"), history(), asked)
    day = risk_of(account_of(usdt="600000"), history(), replace(asked, days=1.0))
    assert week.main.var == pytest.approx(np.sqrt(5) * day.main.var, rel=0.2)
    assert week.beside[Method.HISTORICAL] is not None


@pytest.mark.parametrize("kind", FilterKind)
def test_any_filter_tells_variances_and_is_named(kind: FilterKind) -> None:
    found = risk_of(account_of(), history(), replace(FAST, filter=kind))
    assert found.main.var == pytest.approx(2.326 * 3_300.0, rel=0.35)
    assert {"gjr-t": "GJR", "ewma": "; EWMA", "asymmetric-ewma": "asymmetric"}[kind] in found.source


def test_impact_is_two_thirds_of_the_published_displacement() -> None:
    # 1 % of a day's volume at sigma 4 %, Y 0.9 displaces by 36.0 bp
    assert impact_fraction(1e6, volume=1e8, deviation=0.04) == pytest.approx(36.0e-4 * 2 / 3)


def test_getting_out_costs_spread_and_impact_and_takes_its_days() -> None:
    risk = TailRisk(level=0.99, var=100.0, es=150.0)
    liquidity = Liquidity(volumes={"BTC": 1e8, "ETH": 1e6}, half_spread=0.0005)
    found = liquidity_adjusted(
        risk, {"BTC": 1e6, "ETH": 9e5}, {"BTC": 0.04, "ETH": 0.05}, liquidity, days=1.0
    )
    assert not isinstance(found, Unknown)
    assert found.slowest == "ETH"
    assert found.days == pytest.approx(9.0)
    assert found.scale == pytest.approx(3.0)
    btc = found.coins["BTC"]
    assert btc.impact == pytest.approx(24e-4 * 1e6)
    assert btc.spread == pytest.approx(500.0)
    assert found.var == pytest.approx(300.0 + found.cost)
    assert found.cost == pytest.approx(
        sum(c.impact + (c.spread or 0.0) for c in found.coins.values())
    )


def test_liquidity_that_is_not_known_is_unknown_with_how_to_tell_it() -> None:
    risk = TailRisk(level=0.99, var=100.0, es=150.0)
    none = liquidity_adjusted(risk, {"BTC": 1.0}, {"BTC": 0.04}, None, days=1.0)
    assert isinstance(none, Unknown)
    assert "--volume" in none.why
    part = liquidity_adjusted(
        risk, {"BTC": 1.0, "ETH": 1.0}, {}, Liquidity(volumes={"BTC": 1.0}), days=1.0
    )
    assert isinstance(part, Unknown)
    assert "no volume of ETH" in part.why
    flat = liquidity_adjusted(risk, {"BTC": 0.0}, {}, Liquidity(volumes={"BTC": 1.0}), days=1.0)
    assert isinstance(flat, Unknown)
    with pytest.raises(InvalidInput, match="a participation of 2"):
        Liquidity(participation=2.0)
    with pytest.raises(InvalidInput, match="a daily volume of 0"):
        Liquidity(volumes={"BTC": 0.0})


def test_weights_of_scenarios_count_in_an_accounts_tail() -> None:
    ready = RiskBook.of(account_of())
    rows = Scenarios(
        returns=Shocks.of({"BTC": [-0.1, -0.02, 0.0, 0.05], "ETH": [-0.2, -0.01, 0.0, 0.04]}),
        weights=np.array([0.05, 0.15, 0.4, 0.4]),
    )
    found = tail_risk(ready.pnl(rows), 0.5, weights=rows.weights)
    assert found.var == pytest.approx(0.0, abs=1e-9)
    assert found.es == pytest.approx((0.05 * 12_000 + 0.15 * 1_500) / 0.5)
