"""How large a leg of an account may be: each rule holds at its answer and fails beyond it."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from keelmark.accounts import Account, load_account, read_account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.margin import margin_report
from keelmark.risk.portfolio.portfolio import portfolio_of
from keelmark.risk.sizing.account_size import SizeWish, account_size
from keelmark.risk.sizing.chances import chance_of, plane_chance_of
from keelmark.risk.what_if import whatif

ONE_TIER = """{"venue": "generic@2025-10", "historical": true,
"collateral": [{"asset": "USDT", "balance": "20000"}],
"positions": [{"instrument": "BTCUSDT", "size": "1", "entry_price": "50000",
"mark_price": "50000", "leverage": "20"}]}"""
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

    wish = SizeWish(leg="BTCUSDT", is_long=True, probability=0.5)
    found = account_size(book, wish, chance=chance)
    size = found.rules[1].size
    assert size is not None
    for factor, is_safe in (("1", True), ("1.003", False)):
        traded = size * Decimal(factor) - found.held
        after = whatif(book, f"add BTCUSDT={traded.quantize(found.lot)}").after.account
        assert (chance(after, "cross") <= 0.5) == is_safe
    never = account_size(
        book, SizeWish(leg="BTCUSDT", is_long=True, probability=0.1), chance=chance
    )
    assert never.rules[1].size == 0
    assert "even without it" in never.rules[1].reason
    bold = account_size(
        book, SizeWish(leg="BTCUSDT", is_long=True, probability=0.99), chance=chance
    )
    assert bold.rules[1].size == bold.rules[0].size
    assert "larger is not allowed" in bold.rules[1].reason


def test_a_chance_that_cannot_be_told_leaves_the_other_rules(book: Account) -> None:
    def chance(account: Account, unit_id: str) -> float:
        msg = f"nothing tells of {unit_id}, {len(account.units)} units"
        raise MissingNumber(msg)

    wish = SizeWish(leg="BTCUSDT", is_long=True, probability=0.01)
    found = account_size(book, wish, chance=chance)
    assert found.rules[1].size is None
    assert "nothing tells" in found.rules[1].reason
    assert found.binding is found.rules[0]


def test_the_chance_under_the_rulebook_and_that_of_the_plane_agree_where_it_is_one() -> None:
    account = read_account(ONE_TIER)
    known = Volatilities(by_coin={"BTC": 0.03}, covariance={("BTC", "BTC"): 0.0009})
    wish = SizeWish(leg="BTCUSDT", is_long=True, probability=0.05, days=1.0)
    exact = account_size(account, wish, chance=chance_of(known, days=1.0)).rules[1].size
    plane = account_size(account, wish, chance=plane_chance_of(known, days=1.0)).rules[1].size
    assert exact is not None
    assert plane is not None
    assert float(plane / exact) == pytest.approx(1.0, abs=0.05)
    for size, bound in ((exact, 0.05), (exact * Decimal("1.01"), 1.0)):
        after = whatif(account, f"add BTCUSDT={size - 1}").after.account
        chance = chance_of(known, days=1.0)(after, "cross")
        assert (chance <= 0.05) == (bound == 0.05)


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
