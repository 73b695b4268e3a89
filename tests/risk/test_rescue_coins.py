"""Rescues of units whose coins are collateral: a coin falls together with its contracts."""

from dataclasses import replace
from decimal import Decimal

import pytest

from keelmark.accounts import Account
from keelmark.accounts.account import build_account
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.core.margin import maintenance_excess
from keelmark.risk.rescues import RescueStatus, Target, rescue

FIFTH = Target.distance(Decimal("0.2"))


def borrowed_on_coins(*, debt: str = "-780000", contract: str | None = "BTCUSDT") -> Account:
    """Ten Bitcoin at 100,000 as collateral of a debt, beside one short contract at most."""
    row = PositionRow(
        path="positions[0]",
        instrument=contract or "ETHUSDT",
        size=Decimal("0.1"),
        entry_price=Decimal(100_000 if contract else 4_000),
        mark_price=Decimal(100_000 if contract else 4_000),
    )
    document = AccountDocument(
        venue="binance-pm@2025-12",
        collateral={"BTC": Decimal(10), "USDT": Decimal(debt)},
        prices={"BTC": Decimal(100_000), "USDT": Decimal(1)},
        positions=(row,),
    )
    return build_account(document)


def excess_at(account: Account, move: Decimal) -> Decimal:
    """Return the excess of the first unit after a move of Bitcoin and every contract."""
    market = account.market
    share = 1 + move
    marks = {symbol: price * share for symbol, price in market.marks.items()}
    coins = {a: p * share if a == "BTC" else p for a, p in market.asset_prices.items()}
    moved = replace(market, marks=marks, asset_prices=coins)
    return maintenance_excess(account.units[0], moved, account.model)


@pytest.mark.parametrize("contract", ["BTCUSDT", None])
def test_a_coin_that_is_collateral_falls_with_its_contracts(contract: str | None) -> None:
    account = borrowed_on_coins(contract=contract)
    assert excess_at(account, Decimal(0)) > 0
    assert excess_at(account, Decimal("-0.2")) < 0
    found = rescue(account, FIFTH)
    assert found.status is RescueStatus.PLAN
    assert found.standing.distance is not None
    at = found.standing.distance
    assert excess_at(account, -at * Decimal("0.999999")) > 0
    assert excess_at(account, -at * Decimal("1.000001")) < 0
    assert excess_at(found.rescued, Decimal("-0.1999999")) >= 0


def test_a_dollar_that_is_collateral_is_what_is_measured_in_and_does_not_move() -> None:
    account = borrowed_on_coins(debt="100000", contract=None)
    assert rescue(account, FIFTH).status is RescueStatus.MET
