"""Orders of hedge legs: what only closes asks nothing, and both opening sides add up."""

import json
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.account import read_account
from keelmark.accounts.document import read_document
from keelmark.accounts.written import written
from keelmark.core.errors import InvalidDocument
from tests.accounts.importers.answers import (
    BINANCE_ACCOUNT,
    BINANCE_ORDERS,
    BYBIT_WALLET,
    bybit,
)
from tests.accounts.importers.other_answers import OKX_INSTRUMENTS, OKX_ORDERS, okx
from tests.accounts.importers.reading import imported

LONG = {
    "instrument": "BTCUSDT",
    "size": "1",
    "entry_price": "60000",
    "mark_price": "60000",
    "leverage": "10",
}
SELL = {"instrument": "BTCUSDT", "side": "sell", "size": "1", "price": "61000", "leverage": "10"}
BUY = {**SELL, "side": "buy", "price": "59000"}


def account(*orders: dict[str, Any], **values: object) -> dict[str, Any]:
    return {
        "venue": "binance-usdm",
        "account_mode": "hedge",
        "as_of": "2026-06-01T00:00:00Z",
        "collateral": [{"asset": "USDT", "balance": "20000"}],
        "positions": [LONG],
        "orders": [*orders],
        "prices": {"BTCUSDT": "60000"},
        **values,
    }


def initial(document: dict[str, Any]) -> Decimal:
    main = check(read_account(json.dumps(document))).main
    assert main is not None
    assert main.report is not None
    return main.report.initial_margin


def test_an_order_against_its_leg_asks_nothing() -> None:
    assert initial(account({**SELL, "leg": "long"})) == Decimal(6_000)
    assert initial(account({**BUY, "leg": "short"})) == Decimal(6_000)


def test_an_order_that_opens_the_other_leg_adds_up() -> None:
    assert initial(account({**SELL, "leg": "short"})) == Decimal(12_000)


def test_both_opening_sides_of_a_flat_hedge_account_add_up() -> None:
    flat = account(SELL, BUY, positions=[])
    assert initial(flat) == Decimal(12_000)
    legs = account({**SELL, "leg": "short"}, {**BUY, "leg": "long"}, positions=[])
    assert initial(legs) == Decimal(12_000)
    assert initial({**flat, "account_mode": "one_way"}) == Decimal(6_000)


def test_an_order_without_a_leg_is_said_to_open() -> None:
    said = "an order without a leg is taken to open one: name its `leg`"
    assert said in read_account(json.dumps(account(SELL))).notes
    assert said not in read_account(json.dumps(account({**SELL, "leg": "long"}))).notes


def test_a_leg_in_one_way_mode_is_refused() -> None:
    document = account({**SELL, "leg": "long"}, account_mode="one_way")
    with pytest.raises(InvalidDocument, match=r"orders\[0\].leg: there are legs in hedge mode"):
        read_account(json.dumps(document))


def test_a_leg_is_written_and_read_again() -> None:
    document = read_document(account({**SELL, "leg": "long"}), title="x")
    assert written(document)["orders"] == [{**SELL, "leg": "long"}]


def test_orders_of_binance_name_their_leg() -> None:
    orders = [{**BINANCE_ORDERS[0], "positionSide": "LONG"}]
    document = imported(BINANCE_ACCOUNT, orders)
    assert document["orders"][0]["leg"] == "long"
    assert document["account_mode"] == "hedge"


def test_orders_of_bybit_name_their_leg() -> None:
    row = {"orderId": "1", "symbol": "ETHUSDT", "side": "Buy", "leavesQty": "5", "price": "2000"}
    for number, leg in (("1", "long"), (2, "short"), (0, None)):
        document = imported(BYBIT_WALLET, bybit([{**row, "positionIdx": number}]))
        assert document["orders"][0].get("leg") == leg


def test_orders_of_okx_name_their_leg() -> None:
    order = {**OKX_ORDERS["data"][0], "posSide": "long", "side": "sell"}
    document = imported(OKX_INSTRUMENTS, okx(order))
    assert document["orders"][0]["leg"] == "long"


def test_ccxt_orders_take_the_leg_of_the_answer_inside() -> None:
    order = {
        "info": {"positionSide": "SHORT"},
        "symbol": "BTC/USDT:USDT",
        "side": "buy",
        "amount": 1,
        "remaining": 1,
        "price": 60000,
    }
    assert imported([order])["orders"][0]["leg"] == "short"
