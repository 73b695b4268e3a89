"""A venue's price stream on this machine, in Binance's words, for the real client."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from keelmark.service.feeds.venue_prices import VenuePrices, open_stream


@dataclass(slots=True)
class PriceServer:
    """Answers subscriptions, and sends what the test puts.

    Attributes:
        address: Where it listens.
        asked: Subscriptions it was sent.
        connections: How often somebody connected.
    """

    address: str = ""
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    open: set[ServerConnection] = field(default_factory=set)

    async def serve(self, connection: ServerConnection) -> None:
        """Answer one client."""
        self.connections += 1
        self.open.add(connection)
        with suppress(ConnectionClosed):
            async for text in connection:
                asked = json.loads(text)
                self.asked += asked["params"]
                await connection.send(json.dumps({"result": None, "id": asked["id"]}))
        self.open.discard(connection)

    async def send(self, symbol: str, mark: str, index: str, time_ms: int) -> None:
        """Send one price to everybody."""
        event = {"e": "markPriceUpdate", "E": time_ms, "s": symbol, "p": mark, "i": index}
        event |= {"P": mark, "r": "0.0001", "T": time_ms + 1}
        for connection in list(self.open):
            with suppress(ConnectionClosed):  # it leaves as the price is sent
                await connection.send(json.dumps(event))

    async def until_asked(self, count: int) -> None:
        """Wait for so many subscriptions."""
        await until(lambda: len(self.asked) >= count)

    def drop(self) -> None:
        """Cut every connection, as a network does."""
        for connection in list(self.open):
            connection.transport.abort()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not is_so():  # noqa: ASYNC110 what is waited for has no event
        await asyncio.sleep(0.005)


@asynccontextmanager
async def price_server() -> AsyncIterator[PriceServer]:
    """Open a server on this machine."""
    made = PriceServer()
    async with serve(made.serve, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        made.address = f"http://127.0.0.1:{port}"
        yield made


def stream_at(server: PriceServer, *symbols: str) -> VenuePrices:
    """Return the real client of Binance, pointed at the server, its markets known beforehand."""
    made = open_stream("binanceusdm", symbols, api_url=server.address)
    exchange: Any = made.exchange
    markets = [
        exchange.safe_market_structure(
            {
                "id": symbol,
                "lowercaseId": symbol.lower(),
                "symbol": f"{symbol[:-4]}/USDT:USDT",
                "base": symbol[:-4],
                "quote": "USDT",
                "settle": "USDT",
                "type": "swap",
                "contract": True,
                "swap": True,
                "linear": True,
                "inverse": False,
            }
        )
        for symbol in symbols
    ]
    exchange.set_markets(markets)
    return made
