"""The real ccxt classes against a server on this machine that answers as the venues document."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from keelmark.accounts.credentials import Credentials
from keelmark.accounts.fetch import fetch_account, open_exchange
from keelmark.accounts.fetch_plans import PLANS
from keelmark.core.errors import VenueUnavailable
from tests.accounts.live.venue_answers import ANSWERS, answer_to

pytest.importorskip("ccxt")
KEYS = {"KEY": "k-4f1c9e77aa", "SECRET": "s-0b5d2266cc", "PASSWORD": "p-91aa4477ee"}
WALLET = "0x92ae000000000000000000000000000000000086a8"
PATHS = {
    "/fapi/v3/account": "fapiPrivateV3GetAccount",
    "/fapi/v3/positionRisk": "fapiPrivateV3GetPositionRisk",
    "/fapi/v1/openOrders": "fapiPrivateGetOpenOrders",
    "/fapi/v1/accountConfig": "fapiPrivateGetAccountConfig",
    "/fapi/v1/symbolConfig": "fapiPrivateGetSymbolConfig",
    "/fapi/v1/premiumIndex": "fapiPublicGetPremiumIndex",
    "/fapi/v1/assetIndex": "fapiPublicGetAssetIndex",
    "/fapi/v1/leverageBracket": "fapiPrivateGetLeverageBracket",
    "/dapi/v1/account": "dapiPrivateGetAccount",
    "/dapi/v1/positionRisk": "dapiPrivateGetPositionRisk",
    "/dapi/v1/openOrders": "dapiPrivateGetOpenOrders",
    "/dapi/v2/leverageBracket": "dapiPrivateV2GetLeverageBracket",
    "/papi/v1/account": "papiGetAccount",
    "/papi/v1/balance": "papiGetBalance",
    "/papi/v1/um/positionRisk": "papiGetUmPositionRisk",
    "/papi/v1/cm/positionRisk": "papiGetCmPositionRisk",
    "/papi/v1/um/openOrders": "papiGetUmOpenOrders",
    "/papi/v1/cm/openOrders": "papiGetCmOpenOrders",
    "/papi/v1/um/leverageBracket": "papiGetUmLeverageBracket",
    "/papi/v1/cm/leverageBracket": "papiGetCmLeverageBracket",
    "/v5/account/wallet-balance": "privateGetV5AccountWalletBalance",
    "/v5/account/info": "privateGetV5AccountInfo",
    "/v5/position/list": "privateGetV5PositionList",
    "/v5/order/realtime": "privateGetV5OrderRealtime",
    "/api/v5/account/balance": "privateGetAccountBalance",
    "/api/v5/account/positions": "privateGetAccountPositions",
    "/api/v5/account/config": "privateGetAccountConfig",
    "/api/v5/trade/orders-pending": "privateGetTradeOrdersPending",
    "/api/v5/public/instruments": "publicGetPublicInstruments",
    "/api/v2/private/get_account_summaries": "privateGetGetAccountSummaries",
    "/api/v2/private/get_positions": "privateGetGetPositions",
    "/api/v2/private/get_open_orders": "privateGetGetOpenOrders",
    "/v5/market/risk-limit": "publicGetV5MarketRiskLimit",
    "/api/v5/public/position-tiers": "publicGetPublicPositionTiers",
    "/info": "publicPostInfo",
    f"/v4/addresses/{WALLET}/subaccountNumber/0": (
        "indexerGetAddressesAddressSubaccountNumberSubaccountNumber"
    ),
    "/v4/perpetualMarkets": "indexerGetPerpetualMarkets",
    "/v4/orders": "indexerGetOrders",
}


class Venue(ThreadingHTTPServer):
    """A server that answers as one venue and remembers what was asked."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.asked: list[str] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET, and the POST of questions."""

    server: Venue

    def do_GET(self) -> None:
        """Answer a question in a URL."""
        url = urlsplit(self.path)
        self._answer("GET", url.path, dict(parse_qsl(url.query)))

    def do_POST(self) -> None:
        """Answer a question in a body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer("POST", urlsplit(self.path).path, json.loads(body or b"{}"))

    def _answer(self, verb: str, path: str, params: dict[str, Any]) -> None:
        self.server.asked.append(f"{verb} {path} {json.dumps(params)}")
        status, content = 200, None
        if self.server.refusal is not None:
            status, content = self.server.refusal
        elif path in PATHS and PATHS[path] in ANSWERS[self.server.name]:
            content = answer_to(self.server.name, PATHS[path], params)
        else:
            status, content = 404, {"error": f"nothing at {path}"}
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        """Write no log."""


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """A venue on this machine."""
    server = Venue(request.param)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def exchange_at(server: Venue) -> Any:  # noqa: ANN401 a class of ccxt
    """Return the ccxt exchange of a venue, pointed at the server and nowhere else."""
    exchange: Any = open_exchange(PLANS[server.name], credentials())
    exchange.urls["api"] = {
        name: re.sub(r"^https://[^/]+", server.address, url)
        for name, url in exchange.urls["api"].items()
        if isinstance(url, str)
    }
    exchange.enableRateLimit = False
    return exchange


def credentials() -> Credentials:
    return Credentials(values={**KEYS, "WALLET": WALLET})


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
