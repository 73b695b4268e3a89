"""The venue's figures of hedge legs: each leg is compared with its own."""

from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.account import build_account
from keelmark.accounts.check import AccountCheck
from keelmark.accounts.document import read_document
from keelmark.accounts.explain import explain_account
from keelmark.accounts.importers import import_account
from keelmark.accounts.legs import instrument_of
from keelmark.accounts.residuals import Residual
from tests.accounts.importers.reading import as_payload

D = Decimal


def leg(side: str, size: str, entry: str, **changes: object) -> dict[str, Any]:
    """Return a row of Binance's positionRisk, BTCUSDT marked at 62,000."""
    return {
        "symbol": "BTCUSDT",
        "positionSide": side,
        "positionAmt": size,
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "markPrice": "62000",
        "unRealizedProfit": f"{D(size) * (62000 - D(entry)):f}",
        "isolatedMargin": "8000",
        "isolatedWallet": "6000",
        "notional": f"{D(size) * 62000:f}",
        "marginAsset": "USDT",
        "initialMargin": f"{abs(D(size)) * 6200:f}",
        "positionInitialMargin": f"{abs(D(size)) * 6200:f}",
        "openOrderInitialMargin": "0",
        "adl": "1",
        "maintMargin": f"{abs(D(size)) * 248:f}",
        "updateTime": 1780000000000,
        **changes,
    }


BALANCE = [
    {
        "accountAlias": "x",
        "asset": "USDT",
        "balance": "20000",
        "crossWalletBalance": "8000",
        "crossUnPnl": "0",
        "availableBalance": "8000",
        "maxWithdrawAmount": "8000",
        "marginAvailable": True,
    }
]
LONG = leg("LONG", "1.0", "60000", liquidationPrice="54216.86747")
SHORT = leg("SHORT", "-0.5", "61000", liquidationPrice="70000", isolatedMargin="5500")
CROSS = {"isolatedMargin": "0", "isolatedWallet": "0"}


def checked(*rows: dict[str, Any]) -> AccountCheck:
    return check(import_account([as_payload([*rows]), as_payload(BALANCE)]).account())


def residual(found: AccountCheck, number: str) -> Residual:
    (row,) = [r for r in found.residuals if r.number == number]
    return row


def test_the_price_of_each_isolated_leg_is_compared_with_its_own() -> None:
    found = checked(LONG, SHORT)

    assert residual(found, "liquidation_price:BTCUSDT/long").matches
    short = residual(found, "liquidation_price:BTCUSDT/short")
    assert short.reported == 70000
    assert short.computed is not None
    assert round(short.computed) == 72709
    assert not short.matches


def test_the_price_of_an_isolated_leg_is_not_compared_with_that_of_the_cross_leg() -> None:
    short = {**SHORT, **CROSS, "liquidationPrice": "88645"}
    found = checked({**LONG, "liquidationPrice": "50000"}, short)

    prices = {p.held.position.leg.name: p.liquidation.value for p in found.positions}
    for side in ("LONG", "SHORT"):
        row = residual(found, f"liquidation_price:BTCUSDT/{side.lower()}")
        assert row.computed == prices[side]


def test_amounts_of_each_leg_are_compared_with_its_own() -> None:
    found = checked(LONG, {**SHORT, "maintMargin": "125"})

    assert residual(found, "maintenance_margin:BTCUSDT/long").matches
    short = residual(found, "maintenance_margin:BTCUSDT/short")
    assert short.reported == 125
    assert short.computed == 124


def test_a_figure_of_both_legs_is_of_their_sum_and_of_one_price_alone() -> None:
    made = import_account([as_payload([LONG, SHORT]), as_payload(BALANCE)])
    reported = {"maintenance_margin": {"BTCUSDT": "372"}, "liquidation_price": {"BTCUSDT": "70000"}}
    document = {**made.document, "venue_reported": reported}
    found = check(build_account(read_document(document, title="both legs")))

    assert residual(found, "maintenance_margin:BTCUSDT").matches
    price = residual(found, "liquidation_price:BTCUSDT")
    assert price.computed is None
    assert price.reason is not None
    assert "name one, BTCUSDT/long or BTCUSDT/short" in price.reason


@pytest.mark.parametrize("number", ["liquidation_price", "maintenance_margin", "initial_margin"])
def test_a_figure_of_a_leg_can_be_explained(number: str) -> None:
    wrong = {"maintMargin": "130", "initialMargin": "3101"}
    account = import_account(
        [as_payload([LONG, {**SHORT, **wrong}]), as_payload(BALANCE)]
    ).account()
    name = f"{number}:BTCUSDT/short"
    working = explain_account(account, f"residual:{name}")
    assert working.name == f"residual:{name}"
    assert working.parts[0].value == dict(working.inputs)["computed"]


def test_a_reason_is_looked_for_in_the_leg_that_differs() -> None:
    """At this mark the short alone needs 124.5; both legs need three times that."""
    found = checked({**LONG, **CROSS}, {**SHORT, **CROSS, "maintMargin": "124.5"})

    short = residual(found, "maintenance_margin:BTCUSDT/short")
    assert "BTCUSDT at 62,250" in short.likely_reason
    assert residual(found, "maintenance_margin:BTCUSDT/long").matches


def test_legs_of_a_whole_book_that_match_leave_no_residual() -> None:
    found = checked(LONG, {**SHORT, "liquidationPrice": "72709.163347"})
    assert all(r.matches for r in found.residuals), [r.beside for r in found.residuals]


def test_the_instrument_of_a_leg_may_have_a_slash_of_its_own() -> None:
    assert instrument_of("BTC/USDT:USDT/long") == "BTC/USDT:USDT"
    assert instrument_of("BTC/USDT") == "BTC/USDT"
