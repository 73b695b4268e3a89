"""A document that is written and read again says the same, whatever it holds."""

import json
from dataclasses import fields
from typing import Any

import pytest

from keelmark.accounts.account import read_account
from keelmark.accounts.document import AccountDocument, read_document
from keelmark.accounts.written import written

EVERYTHING: dict[str, Any] = {
    "venue": "generic@2025-10",
    "as_of": "2025-10-10T21:17:03Z",
    "account_mode": "hedge",
    "collateral": [
        {"asset": "USDT", "balance": "13000.5"},
        {"asset": "ETH", "balance": "-2", "weight": "0.9"},
    ],
    "liabilities": [{"asset": "USDC", "amount": "7"}],
    "prices": {"ETH": "3000", "USDC": "0.999"},
    "positions": [
        {
            "instrument": "BTCUSDT",
            "size": "1",
            "entry_price": "60000",
            "mark_price": "61000",
            "leverage": "20",
            "margin_mode": "isolated",
            "isolated_margin": "3000",
            "tier": {"maintenance_rate": "0.01", "maintenance_amount": "5"},
        },
        {
            "instrument": "ODD",
            "size": "-3",
            "entry_price": "2",
            "mark_price": "2",
            "spec": {
                "kind": "linear_future",
                "base": "X",
                "settle": "USDT",
                "contract_size": "10",
                "expiry": "2026-03-27T08:00:00Z",
            },
        },
    ],
    "orders": [
        {
            "instrument": "BTCUSDT",
            "side": "sell",
            "size": "1",
            "price": "70000",
            "reduce_only": True,
        },
        {"instrument": "BTCUSDT", "side": "buy", "size": "1", "price": "50000", "leverage": "3"},
    ],
    "ask_buffers": {"USDT": "0.005"},
    "open_interest": {"BTCUSDT": "1000000"},
    "volatilities": {"BTC": "0.025"},
    "prices_as_of": "2025-10-10T21:16:00Z",
    "historical": True,
    "accrued_interest": {"USDT": "1", "ETH": "0.1"},
    "accrued_funding": "-2.5",
    "venue_reported": {"equity": "14000", "liquidation_price": {"BTCUSDT": "42000"}},
    "unknown": [{"what": "orders", "why": "not asked"}],
    "notes": ["read by hand"],
}


def test_every_part_of_a_document_comes_back() -> None:
    document = read_document(EVERYTHING, title="test")
    again = read_document(json.loads(json.dumps(written(document))), title="again")
    assert again == document


def test_every_part_of_a_document_is_in_the_test() -> None:
    document = read_document(EVERYTHING, title="test")
    empty = [field.name for field in fields(AccountDocument) if not getattr(document, field.name)]
    assert empty == []


@pytest.mark.parametrize("key", ["as_of", "orders", "prices", "unknown", "open_interest"])
def test_what_is_empty_is_not_written(key: str) -> None:
    content = {name: value for name, value in EVERYTHING.items() if name != key}
    assert key not in written(read_document(content, title="test"))


def test_what_is_required_is_written_though_empty() -> None:
    content = {"venue": "generic", "collateral": [], "positions": []}
    assert written(read_document(content, title="test")) == content
    assert read_account(json.dumps(content)).units == ()
