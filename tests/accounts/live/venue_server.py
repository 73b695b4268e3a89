"""A server on this machine that answers as the venues document, for the real ccxt classes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from keelmark.accounts.credentials import Credentials
from keelmark.accounts.fetch import open_exchange
from keelmark.accounts.fetch_plans import PLANS
from keelmark.service.feeds.venue_prices import redirected
from tests.accounts.live.venue_answers import ANSWERS, answer_to

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
        self.instead: dict[str, Any] = {}

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
        elif path in PATHS and PATHS[path] in self.server.instead:
            content = self.server.instead[PATHS[path]]
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


@contextmanager
def open_venue(name: str) -> Iterator[Venue]:
    """Open a venue on this machine."""
    server = Venue(name)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def exchange_at(server: Venue) -> Any:  # noqa: ANN401 a class of ccxt
    """Return the ccxt exchange of a venue, pointed at the server and nowhere else."""
    exchange: Any = open_exchange(PLANS[server.name], credentials())
    exchange.urls["api"] = redirected(exchange.urls["api"], server.address)
    exchange.enableRateLimit = False
    return exchange


def credentials() -> Credentials:
    """Return keys that open nothing."""
    return Credentials(values={**KEYS, "WALLET": WALLET})
