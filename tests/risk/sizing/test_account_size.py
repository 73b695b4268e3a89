"""How large a leg of an account may be: each rule holds at its answer and fails beyond it."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from keelmark.accounts import Account, load_account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import InvalidInput
from keelmark.core.margin import margin_report
from keelmark.risk.portfolio.portfolio import portfolio_of
from keelmark.risk.sizing.account_size import SizeWish, account_size
from keelmark.risk.what_if import whatif

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
KNOWN = Volatilities(
    by_coin={"BTC": 0.03, "ETH": 0.045},
    covariance={
        ("BTC", "BTC"): 0.0009,
        ("BTC", "ETH"): 0.00108,
        ("ETH", "BTC"): 0.00108,
        ("ETH", "ETH"): 0.002025,
    },
)


@pytest.fixture
def book() -> Account:
    return load_account(EXAMPLES / "two_positions.json")


def test_kelly_beside_a_held_position_is_the_top_of_growth(book: Account) -> None:
    share = 0.5
    wish = SizeWish(leg="BTCUSDT", is_long=False, mean=-0.4, funding=0.1, share=share)
    found = account_size(book, wish, volatilities=KNOWN)
    rule = found.rules[2]
    assert rule.leverage is not None
    portfolio = portfolio_of(book, book.units[0])
    eth = next(b.value for b in portfolio.coins if b.coin == "ETH")
    assert eth is not None
    weight = eth / found.equity
    covariance = 365 * np.array([[0.0009, 0.00108], [0.00108, 0.002025]])

    def utility(leverage: float) -> float:
        held = np.array([leverage, weight])
        return leverage * -0.5 - float(held @ covariance @ held) / (2 * share)

    best = -rule.leverage
    assert utility(best) > utility(best * 1.001)
    assert utility(best) > utility(best * 0.999)


def test_what_hedges_may_be_larger_than_alone(book: Account) -> None:
    beside = account_size(
        book, SizeWish(leg="BTCUSDT", is_long=False, mean=-0.4), volatilities=KNOWN
    )
    alone = whatif(book, "close ETHUSDT").after.account
    single = account_size(
        alone, SizeWish(leg="BTCUSDT", is_long=False, mean=-0.4), volatilities=KNOWN
    )
    one, other = beside.rules[2].leverage, single.rules[2].leverage
    assert one is not None
    assert other is not None
    assert one > other
    assert other == pytest.approx(0.5 * 0.4 / (0.0009 * 365), rel=1e-4)


def test_the_chance_rule_is_the_largest_size_below_its_bound(book: Account) -> None:
    def chance(account: Account, unit_id: str) -> float:
        unit = next(unit for unit in account.units if unit.unit_id == unit_id)
        report = margin_report(unit, account.market, account.model)
        return float(report.maintenance_margin / report.equity) if report.equity > 0 else 1.0

    wish = SizeWish(leg="BTCUSDT", is_long=True, probability=0.6)
    found = account_size(book, wish, chance=chance)
    size = found.rules[1].size
    assert size is not None
    for factor, is_safe in (("1", True), ("1.003", False)):
        traded = size * Decimal(factor) - found.held
        after = whatif(book, f"add BTCUSDT={traded.quantize(found.lot)}").after.account
        assert (chance(after, "cross") <= 0.6) == is_safe
    never = account_size(
        book, SizeWish(leg="BTCUSDT", is_long=True, probability=0.1), chance=chance
    )
    assert never.rules[1].size == 0
    assert "even without it" in never.rules[1].reason


def test_an_inverse_position_is_sized_in_its_contracts() -> None:
    account = load_account(EXAMPLES / "inverse.json")
    found = account_size(
        account,
        SizeWish(leg="BTCUSD", is_long=True, mean=0.4),
        volatilities=Volatilities(by_coin={"BTC": 0.03}),
    )
    rule = found.rules[2]
    assert rule.notional == pytest.approx(float(rule.size or 0) * 100.0)
    assert rule.leverage == pytest.approx(0.5 * 0.4 / (0.0009 * 365), rel=1e-3)


def test_without_equity_or_a_side_nothing_is_sized(book: Account) -> None:
    poor = whatif(book, "price BTCUSDT=-20%").after.account
    found = account_size(poor, SizeWish(leg="BTCUSDT", is_long=True, mean=0.4), volatilities=KNOWN)
    assert found.rules[0].size == 0
    with pytest.raises(InvalidInput, match="leg"):
        account_size(book, SizeWish(leg="BTCUSDT/short", is_long=True))
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        SizeWish(leg="BTCUSDT", is_long=True, probability=1.0)
