"""A venue on this machine that lives: Binance's REST answers and price stream at one address.

It holds one account, whose figures follow from its wallet, its position and the mark; requests are
let in by key and signature only; it can fall silent and come back at the same address.
"""

import asyncio
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from tests.accounts.importers.binance_answers import ACCOUNT_CONFIG, SYMBOL_CONFIG
from tests.accounts.live.venue_server import KEYS
from tests.service.feeds.venue_stream import PriceServer

SYMBOL = "BTCUSDT"
RATE = Decimal("0.05")
"""Maintenance rate of the one bracket."""
SIGNED = frozenset({"account", "positionRisk", "openOrders", "accountConfig", "symbolConfig"})
WAIT_S = 10.0


@dataclass(slots=True)
class Holdings:
    """What the account holds."""

    wallet: Decimal = Decimal(4000)
    size: Decimal = Decimal("0.2")
    entry: Decimal = Decimal(60000)
    mark: Decimal = Decimal(61250)

    @property
    def profit(self) -> Decimal:
        """Unrealised."""
        return self.size * (self.mark - self.entry)

    @property
    def notional(self) -> Decimal:
        """At the mark."""
        return self.size * self.mark

    @property
    def liquidation(self) -> Decimal:
        """The price at which equity is maintenance."""
        return (self.size * self.entry - self.wallet) / (self.size * (1 - RATE))


@dataclass(slots=True)
class LiveVenue:
    """The venue.

    Attributes:
        held: The account.
        asked: Paths it was asked for.
        refused: How many requests came without a right key or signature.
        time_ms: Its clock in the stream; moved by each price.
    """

    held: Holdings = field(default_factory=Holdings)
    asked: list[str] = field(default_factory=list)
    refused: int = 0
    time_ms: int = 1_770_000_000_000
    _stream: PriceServer = field(default_factory=PriceServer)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: Server | None = None
    _port: int = 0

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def followers(self) -> int:
        """How many follow its stream, and have said what of it."""
        return min(len(self._stream.open), len(self._stream.asked))

    def open(self) -> None:
        """Be there, at the same address as before."""
        self._call(self._open())

    def vanish(self) -> None:
        """Be gone: connections end, new ones are refused."""
        self._call(self._close())

    def price(self, mark: str) -> None:
        """Move the mark and tell whoever follows."""
        self.held.mark = Decimal(mark)
        self.time_ms += 1000
        self._call(self._stream.send(SYMBOL, mark, mark, self.time_ms))

    def reduce(self, to: str) -> None:
        """Take a part of the position over at the mark, as a venue that liquidates."""
        held, left = self.held, Decimal(to)
        held.wallet += (held.size - left) * (held.mark - held.entry)
        held.size = left

    # --- inside ---------------------------------------------------------------------------------

    def _call(self, act: Any) -> None:  # noqa: ANN401 a coroutine
        asyncio.run_coroutine_threadsafe(act, self._loop).result(WAIT_S)

    async def _open(self) -> None:
        self._server = await serve(
            self._stream.serve, "127.0.0.1", self._port, process_request=self._answer
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]

    async def _close(self) -> None:
        self._stream.drop()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a question; let a stream through."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        url = urlsplit(request.path)
        name = url.path.rsplit("/", 1)[-1]
        self.asked.append(url.path)
        status, content = HTTPStatus.OK, self._content(name)
        if content is None:
            status, content = HTTPStatus.NOT_FOUND, {"code": -5000, "msg": "no such path"}
        elif name in SIGNED and not self._is_signed(request.headers, url.query):
            self.refused += 1
            message = "Invalid API-key, IP, or permissions for action."
            status, content = HTTPStatus.UNAUTHORIZED, {"code": -2015, "msg": message}
        response = connection.respond(status, json.dumps(content))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    def _is_signed(self, headers: Any, query: str) -> bool:  # noqa: ANN401 a mapping of websockets
        signed, _, signature = query.rpartition("&signature=")
        expected = hmac.new(KEYS["SECRET"].encode(), signed.encode(), sha256).hexdigest()
        is_known = headers.get("X-MBX-APIKEY") == KEYS["KEY"]
        return is_known and hmac.compare_digest(signature, expected)

    def _content(self, name: str) -> Any:  # noqa: ANN401 any JSON
        made: dict[str, Callable[[], Any]] = {
            "account": self._account,
            "positionRisk": lambda: [self._position()],
            "openOrders": list,
            "accountConfig": lambda: ACCOUNT_CONFIG,
            "symbolConfig": lambda: [{**SYMBOL_CONFIG[0], "leverage": 10}],
            "premiumIndex": list,
            "assetIndex": list,
            "leverageBracket": _brackets,
            "exchangeInfo": _exchange_info,
        }
        return made[name]() if name in made else None

    def _account(self) -> dict[str, Any]:
        held = self.held
        return {
            "totalInitialMargin": str(held.notional / 10),
            "totalMaintMargin": str(held.notional * RATE),
            "totalMarginBalance": str(held.wallet + held.profit),
            "totalCrossWalletBalance": str(held.wallet),
            "assets": [
                {
                    "asset": "USDT",
                    "walletBalance": str(held.wallet),
                    "crossWalletBalance": str(held.wallet),
                }
            ],
            "positions": [self._position()],
        }

    def _position(self) -> dict[str, Any]:
        held = self.held
        return {
            "symbol": SYMBOL,
            "positionSide": "BOTH",
            "positionAmt": str(held.size),
            "entryPrice": str(held.entry),
            "markPrice": str(held.mark),
            "unRealizedProfit": str(held.profit),
            "unrealizedProfit": str(held.profit),
            "liquidationPrice": f"{held.liquidation:.8f}",
            "isolatedMargin": "0",
            "isolatedWallet": "0",
            "notional": str(held.notional),
            "marginAsset": "USDT",
            "initialMargin": str(held.notional / 10),
            "maintMargin": str(held.notional * RATE),
            "updateTime": self.time_ms,
        }


def _brackets() -> list[dict[str, Any]]:
    row = {"bracket": 1, "initialLeverage": 10, "notionalCap": 50_000_000, "notionalFloor": 0}
    return [{"symbol": SYMBOL, "brackets": [row | {"maintMarginRatio": float(RATE), "cum": 0.0}]}]


def _exchange_info() -> dict[str, Any]:
    symbol = {
        "symbol": SYMBOL,
        "pair": SYMBOL,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        ],
        "orderTypes": ["LIMIT", "MARKET"],
    }
    return {"timezone": "UTC", "serverTime": 1770000000000, "symbols": [symbol]}


@contextmanager
def live_venue() -> Iterator[LiveVenue]:
    """Open a venue until the block ends."""
    venue = LiveVenue()
    loop = venue._loop  # noqa: SLF001 its own file
    thread = threading.Thread(target=loop.run_forever, name="venue", daemon=True)
    thread.start()
    venue.open()
    try:
        yield venue
    finally:
        with suppress(Exception):
            venue.vanish()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
