"""A dollar coin without a price: taken as one at every venue that prices it, and said."""

import json

import pytest

from keelmark.accounts import check, read_account

VENUES = {
    "binance-usdm-multi": "BTCUSDT",
    "binance-pm": "BTCUSDT",
    "bybit-uta": "BTCUSDT",
}


@pytest.mark.parametrize("venue", VENUES)
def test_a_dollar_coin_is_taken_as_one_and_that_is_said(venue: str) -> None:
    row = {"instrument": VENUES[venue], "size": "1", "entry_price": "100", "mark_price": "100"}
    book = {
        "venue": venue,
        "collateral": [{"asset": "USDT", "balance": "5000"}],
        "positions": [{**row, "leverage": "10", "tier": {"maintenance_rate": "0.01"}}],
    }
    account = read_account(json.dumps(book))
    (note,) = [note for note in account.notes if "no price for USDT" in note]
    assert "taken as one USD, a stablecoin within its peg" in note
    assert "1.25" not in note
    assert check(account).units[0].report is not None
    given = read_account(json.dumps({**book, "prices": {"USDT": "0.99"}}))
    assert not any("no price for USDT" in note for note in given.notes)
