"""The real ccxt classes against a server on this machine that answers as the venues document."""

from collections.abc import Iterator
from typing import Any

import pytest

from keelmark.accounts.fetch import fetch_account
from keelmark.accounts.fetch_plans import PLANS
from keelmark.core.errors import VenueUnavailable
from tests.accounts.live.venue_server import KEYS, Venue, credentials, exchange_at, open_venue

pytest.importorskip("ccxt")


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """A venue on this machine."""
    with open_venue(request.param) as server:
        yield server


@pytest.mark.parametrize("venue", PLANS, indirect=True)
def test_ccxt_reads_a_whole_account(venue: Venue) -> None:
    exchange = exchange_at(venue)
    try:
        found = fetch_account(venue.name, exchange=exchange, credentials=credentials())
    finally:
        exchange.session.close()
    document = found.imported.document
    assert document["positions"]
    assert "unknown" not in document
    for asked in venue.asked:
        assert asked.startswith(("GET ", "POST /info ")), asked
        assert KEYS["SECRET"] not in asked
        assert KEYS["PASSWORD"] not in asked


@pytest.mark.parametrize(
    ("venue", "status", "content", "advice"),
    [
        ("binance-usdm", 401, {"code": -2015, "msg": "Invalid API-key"}, "check the key"),
        ("binance-usdm", 429, {"code": -1003, "msg": "Too many requests"}, "wait a minute"),
        ("binance-coinm", 400, {"code": -1021, "msg": "Timestamp outside"}, "machine's clock"),
        ("okx", 401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY"}, "check the key"),
        ("bybit", 200, {"retCode": 10003, "retMsg": "API key is invalid."}, "check the key"),
        ("hyperliquid", 500, {}, "try later"),
    ],
    indirect=["venue"],
)
def test_a_refusal_is_named_with_what_to_do(
    venue: Venue, status: int, content: dict[str, Any], advice: str
) -> None:
    venue.refusal = (status, content)
    exchange = exchange_at(venue)
    try:
        with pytest.raises(VenueUnavailable) as caught:
            fetch_account(venue.name, exchange=exchange, credentials=credentials())
    finally:
        exchange.session.close()
    assert advice in str(caught.value)
    assert not any(secret in str(caught.value) for secret in KEYS.values())
