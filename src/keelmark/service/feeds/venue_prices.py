"""Mark and index prices as a venue streams them, through ccxt, digits untouched.

Nothing is made up: while the venue is silent or gone nothing is yielded, and whoever needs fresh
prices sees by their age that there are none.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from keelmark.core.errors import InvalidInput, MissingExtra, nearest

MISSING = "prices are streamed through ccxt: `pip install 'keelmark[ccxt]'`"
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Pauses between attempts; the last is repeated."""

_WATCHES = ("watchMarkPrices", "watchTickers")
"""ccxt's calls that stream many instruments, the one that says most first."""

Sleep = Callable[[float], Any]
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedPrice:
    """The latest prices of an instrument.

    Attributes:
        instrument: As the rulebook calls it.
        coin: What it is a contract on.
        mark: Mark price as text; `None` where the message had none.
        index: Index price as text; likewise.
        time_ms: The venue's own time; `None` where it gave none.
    """

    instrument: str
    coin: str
    mark: str | None
    index: str | None
    time_ms: int | None


@dataclass(slots=True, kw_only=True)
class VenuePrices:
    """Streams prices of instruments, again and again until it is closed.

    Attributes:
        exchange: A class of `ccxt.pro`.
        instruments: As the rulebook calls them.
        told: Hears why a connection was lost, in one line without an address.
        sleep: Waits between attempts.
    """

    exchange: Any
    instruments: tuple[str, ...]
    told: Told = lambda _: None
    sleep: Sleep = asyncio.sleep
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def changes(self) -> AsyncIterator[tuple[StreamedPrice, ...]]:
        """Yield prices as they change; never ends by itself.

        Raises:
            InvalidInput: The venue lists one of the instruments under no name.
        """
        attempt = 0
        while True:
            try:
                if not self._names:
                    self._names = await self._listed()
                tickers = await self._next()
            except InvalidInput:
                raise
            except Exception as error:  # noqa: BLE001 ccxt and what is below it raise of every kind
                self.told(f"prices were lost: {type(error).__name__}")
                await self.sleep(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
                attempt += 1
                continue
            attempt = 0
            found = tuple(self._price(ticker) for ticker in tickers.values())
            yield tuple(price for price in found if price.mark or price.index)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.exchange.close()

    async def _listed(self) -> dict[str, tuple[str, str]]:
        """Return instrument and coin by ccxt's symbol."""
        await self.exchange.load_markets()
        return names_of(self.exchange.markets.values(), self.instruments)

    async def _next(self) -> Mapping[str, Mapping[str, Any]]:
        symbols = list(self._names)
        watch = next((name for name in _WATCHES if self.exchange.has.get(name)), None)
        if watch is None:
            msg = f"{self.exchange.id} streams no prices of many instruments; poll instead"
            raise InvalidInput(msg)
        found: Mapping[str, Mapping[str, Any]] = await getattr(self.exchange, watch)(symbols)
        return found

    def _price(self, ticker: Mapping[str, Any]) -> StreamedPrice:
        instrument, coin = self._names[ticker["symbol"]]
        return StreamedPrice(
            instrument=instrument,
            coin=coin,
            mark=_text(ticker.get("markPrice")),
            index=_text(ticker.get("indexPrice")),
            time_ms=_time(ticker.get("timestamp")),
        )


def open_stream(
    exchange: str, instruments: Iterable[str], *, api_url: str = "", told: Told | None = None
) -> VenuePrices:
    """Return the streams of a venue; no key is needed.

    Args:
        exchange: Name of the ccxt class.
        instruments: As the rulebook calls them.
        api_url: Instead of the venue's own address.
        told: Hears why a connection was lost.

    Raises:
        MissingExtra: ccxt is not installed.
    """
    try:
        pro = import_module("ccxt.pro")
    except ImportError as error:
        raise MissingExtra(MISSING) from error
    opened: Any = getattr(pro, exchange)({"enableRateLimit": True})
    opened.number = str  # digits as the venue wrote them
    if api_url:
        opened.urls["api"] = redirected(opened.urls["api"], api_url)
    return VenuePrices(
        exchange=opened, instruments=tuple(instruments), told=told or (lambda _: None)
    )


def names_of(
    markets: Iterable[Mapping[str, Any]], instruments: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Return (instrument, coin) by ccxt's symbol.

    An instrument is a contract of that id, or the perpetual on a coin of that name.

    Raises:
        InvalidInput: The venue lists none of that name; names the nearest.
    """
    contracts = [market for market in markets if market.get("contract")]
    by_name = {str(m["base"]): m for m in contracts if m.get("swap")}
    by_name |= {str(m["id"]): m for m in contracts}
    found: dict[str, tuple[str, str]] = {}
    for instrument in instruments:
        market = by_name.get(instrument)
        if market is None:
            msg = f"the venue streams no {instrument!r}; {nearest(instrument, by_name)}"
            raise InvalidInput(msg)
        found[str(market["symbol"])] = instrument, str(market["base"])
    return found


def redirected(urls: Any, address: str) -> Any:  # noqa: ANN401 ccxt's table of addresses
    """Return ccxt's addresses with another scheme, host and port; paths stay."""
    if isinstance(urls, Mapping):
        return {name: redirected(part, address) for name, part in urls.items()}
    if not isinstance(urls, str):
        return urls
    base = address.rstrip("/")
    base = re.sub("^http", "ws", base) if urls.startswith("ws") else base
    return re.sub(r"^(?:https?|wss?)://[^/]+", base, urls)


def _time(time: object) -> int | None:
    """Return a time in milliseconds; nothing for what is none."""
    return time if isinstance(time, int) and time > 0 else None


def _text(price: object) -> str | None:
    """Return a price as text; nothing for what is none."""
    text = "" if price is None else str(price)
    return text or None
