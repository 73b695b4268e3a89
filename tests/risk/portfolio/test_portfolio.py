"""Greeks are the slopes of what core says a unit is worth; the rest are sums of them."""

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from keelmark.accounts import Account, load_account, read_account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.excess import worth
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import InstrumentTerms
from keelmark.core.numbers import exact
from keelmark.core.unit import Position
from keelmark.risk.portfolio.greeks import LegGreeks, legs_of
from keelmark.risk.portfolio.portfolio import Portfolio, portfolio_of, portfolios_of
from tests.option_books import YEARS, held, market_at, model_of, option, perpetual, unit_of

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
D = Decimal
BOOK = (
    option("call", "50000"),
    option("put", "42000"),
    perpetual(),
)


def legs(*terms: InstrumentTerms, market: Market, settle: str) -> tuple[LegGreeks, ...]:
    """Return the legs of a book of options: short calls, long puts, a perpetual."""
    unit = unit_of("100000", *positions(terms), asset=settle)
    return legs_of(margin_report(unit, market, model_of(*terms)), market, model_of(*terms))


def positions(terms: tuple[InstrumentTerms, ...]) -> list[Position]:
    sizes = ("-3", "2", "1.5")
    return [held(t, size, "0.02") for t, size in zip(terms, sizes, strict=True)]


def money(terms: tuple[InstrumentTerms, ...], settle: str, market: Market) -> float:
    """Return what the book is worth at a market."""
    unit = unit_of("100000", *positions(terms), asset=settle)
    with exact():
        return float(worth(unit, market, model_of(*terms)))


def total(found: tuple[LegGreeks, ...], name: str) -> float:
    return math.fsum(getattr(leg, name) or 0.0 for leg in found)


def test_greeks_of_linear_options_are_the_slopes_of_what_core_says_they_are_worth() -> None:
    def at(price: float, volatility: float = 0.6) -> float:
        fine = [replace(t, instrument=replace(t.instrument, price_unit=D("1e-12"))) for t in BOOK]
        market = market_at(f"{price:.6f}", *fine, volatility=f"{volatility:.9f}")
        return money(BOOK, "USDC", market)

    market = market_at("46000", *BOOK, volatilities={"50000-C": D("0.6"), "42000-P": D("0.6")})
    found = legs(*BOOK, market=market, settle="USDC")
    step = 5.0
    delta = (at(46_000 + step) - at(46_000 - step)) / (2 * step)
    assert total(found, "delta") == pytest.approx(delta, rel=1e-6)
    assert total(found, "value") == pytest.approx(delta * 46_000, rel=1e-6)
    gamma = (at(46_000 + 50) - 2 * at(46_000) + at(46_000 - 50)) / 50**2
    assert total(found, "gamma") == pytest.approx(gamma * 460, rel=1e-4)
    vega = (at(46_000, 0.601) - at(46_000, 0.599)) / 0.2
    assert total(found, "vega") == pytest.approx(vega, rel=1e-5)


def test_theta_is_what_a_day_takes() -> None:
    terms = (option("call", "50000"),)
    market = market_at("46000", *terms, volatilities={"50000-C": D("0.6")})
    unit = unit_of("1000", held(terms[0], "2", "100"))
    (leg,) = legs_of(margin_report(unit, market, model_of(*terms)), market, model_of(*terms))
    payoff = terms[0].instrument.payoff
    assert payoff is not None
    step = 1e-4
    slope = (payoff.value(46_000, 0.6, YEARS - step) - payoff.value(46_000, 0.6, YEARS)) / step
    assert leg.theta == pytest.approx(2 * slope / 365, rel=1e-3)
    assert leg.theta < 0.0 < leg.vega


def test_an_inverse_option_moves_by_the_delta_of_its_dollars() -> None:
    terms = (option("call", "50000", inverse=True),)
    given = {"50000-C-BTC": D("0.6")}
    market = market_at("46000", *terms, volatilities=given)
    unit = unit_of("1", held(terms[0], "2", "0.03"), asset="BTC")
    (leg,) = legs_of(margin_report(unit, market, model_of(*terms)), market, model_of(*terms))
    plain = option("call", "50000")
    payoff = plain.instrument.payoff
    assert payoff is not None
    slope = (payoff.value(46_010, 0.6, YEARS) - payoff.value(45_990, 0.6, YEARS)) / 20
    assert leg.delta == pytest.approx(2 * slope, rel=1e-6)
    assert leg.value == pytest.approx(2 * slope, rel=1e-6)  # the unit's currency is the coin


def bumped(account: Account, share: float) -> Callable[[], float]:
    """Return what the first unit is worth after BTC moves by a share, collateral with it."""
    market = account.market
    factor = D(repr(1.0 + share))
    with exact():
        moved = replace(
            market,
            marks={n: p * factor if n.startswith("BTC") else p for n, p in market.marks.items()},
            asset_prices={
                n: p * factor if n == "BTC" else p for n, p in market.asset_prices.items()
            },
        )

    def valued() -> float:
        with exact():
            return float(worth(account.units[0], moved, account.model))

    return valued


@pytest.mark.parametrize("name", ["coin.json", "inverse.json", "two_positions.json"])
def test_the_delta_of_a_coin_is_the_slope_of_the_whole_units_worth(name: str) -> None:
    account = load_account(EXAMPLES / name)
    found = portfolio_of(account, account.units[0])
    value = next(bucket.value for bucket in found.coins if bucket.coin == "BTC")
    slope = (bumped(account, 1e-5)() - bumped(account, -1e-5)()) / 2e-5
    assert value == pytest.approx(slope, rel=1e-6)


def two_positions() -> tuple[Account, Portfolio]:
    account = load_account(EXAMPLES / "two_positions.json")
    known = Volatilities(
        by_coin={"BTC": 0.03, "ETH": 0.045},
        covariance={
            ("BTC", "BTC"): 0.0009,
            ("BTC", "ETH"): 0.00108,
            ("ETH", "BTC"): 0.00108,
            ("ETH", "ETH"): 0.002025,
        },
    )
    funding = {"BTCUSDT": 0.0003, "ETHUSDT": -0.0001}
    return account, portfolio_of(account, account.units[0], volatilities=known, funding=funding)


def test_volatility_is_that_of_the_weighted_coins_and_contributions_sum_to_it() -> None:
    account, found = two_positions()
    report = margin_report(account.units[0], account.market, account.model)
    by_coin = {p.terms.instrument.base: float(p.value) for p in report.positions}
    btc, eth = by_coin["BTC"], by_coin["ETH"]
    expected = math.sqrt((0.03 * btc) ** 2 + (0.045 * eth) ** 2 + 2 * 0.00108 * btc * eth)
    assert found.volatility.value == pytest.approx(expected)
    assert sum(found.contributions.values()) == pytest.approx(expected)
    assert found.relative_volatility.value == pytest.approx(expected / found.equity)


def test_leverage_and_concentration_are_those_of_the_values() -> None:
    _, found = two_positions()
    values = {bucket.coin: bucket.value or 0.0 for bucket in found.coins}
    gross = sum(map(abs, values.values()))
    assert found.gross_leverage.value == pytest.approx(gross / found.equity)
    assert found.net_leverage.value == pytest.approx(abs(sum(values.values())) / found.equity)
    assert found.concentration is not None
    shares = [abs(value) / gross for value in values.values()]
    assert found.concentration.herfindahl == pytest.approx(sum(s * s for s in shares))
    assert found.concentration.coins == pytest.approx(1 / sum(s * s for s in shares))
    assert found.concentration.share == max(shares)


def test_longs_pay_funding_and_shorts_receive_it() -> None:
    account, found = two_positions()
    for held_ in margin_report(account.units[0], account.market, account.model).positions:
        symbol = held_.position.instrument
        rate = {"BTCUSDT": 0.0003, "ETHUSDT": -0.0001}[symbol]
        side = -1 if held_.position.size > 0 else 1
        assert found.carry[symbol].value == pytest.approx(side * rate * float(held_.notional))
    assert found.carry_total.value == pytest.approx(
        sum(known.value or 0.0 for known in found.carry.values())
    )


def test_what_is_not_given_is_unknown_with_its_reason() -> None:
    account = load_account(EXAMPLES / "two_positions.json")
    found = portfolio_of(account, account.units[0])
    assert found.volatility.value is None
    assert "no returns" in (found.volatility.reason or "")
    assert all(known.value is None and known.reason for known in found.open_interest.values())
    assert found.carry_total.value is None
    own = Volatilities(by_coin={"BTC": 0.03, "ETH": 0.04})
    alone = portfolio_of(account, account.units[0], volatilities=own)
    assert "together" in (alone.volatility.reason or "")
    lacking = portfolio_of(account, account.units[0], volatilities=Volatilities(by_coin={"BTC": 1}))
    assert "ETH" in (lacking.volatility.reason or "")


def test_open_interest_is_shared_by_notional() -> None:
    text = (EXAMPLES / "two_positions.json").read_text()
    account = read_account(text)
    market = replace(account.market, open_interest={"BTCUSDT": D(70_000_000)})
    found = portfolio_of(replace(account, market=market), account.units[0])
    report = margin_report(account.units[0], account.market, account.model)
    own = next(p for p in report.positions if p.position.instrument == "BTCUSDT")
    assert found.open_interest["BTCUSDT"].value == pytest.approx(float(own.notional) / 70_000_000)


def test_an_option_whose_volatility_is_not_at_hand_makes_the_deltas_unknown() -> None:
    terms = (option("call", "50000"), perpetual())
    market = market_at("46000", *terms)
    market = replace(market, marks={**market.marks, "50000-C": D(0)})
    unit = unit_of("100000", held(terms[0], "1", "1"), held(terms[1], "1", "46000"))
    dark, clear = legs_of(margin_report(unit, market, model_of(*terms)), market, model_of(*terms))
    assert dark.delta is None
    assert "implied_volatility" in (dark.reason or "")
    assert clear.delta == 1.0


def test_a_unit_without_a_price_says_why() -> None:
    account = load_account(EXAMPLES / "two_positions.json")
    found = portfolios_of(replace(account, market=Market()))
    assert list(found) == ["cross"]
    assert "mark price" in str(found["cross"])


def test_one_coin_needs_no_covariance() -> None:
    account = load_account(EXAMPLES / "inverse.json")
    found = portfolio_of(
        account, account.units[0], volatilities=Volatilities(by_coin={"BTC": 0.03})
    )
    value = found.coins[0].value
    assert value is not None
    assert found.volatility.value == pytest.approx(abs(value) * 0.03)
