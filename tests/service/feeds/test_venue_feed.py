import asyncio
from typing import Any

import pytest

from keelmark.core.errors import InvalidInput
from keelmark.rulebooks import load_rulebook
from keelmark.service.feeds.marks import Gathering, Snapshot
from keelmark.service.feeds.venue_feed import VenueFeed, gathering_of
from keelmark.service.feeds.venue_prices import StreamedPrice, VenuePrices, names_of
from tests.service.feeds.venue_stream import price_server, stream_at, until

pytest.importorskip("ccxt")
LIMIT_S = 20.0


def price(
    instrument: str, mark: str | None, index: str | None = None, time_ms: int | None = 1
) -> StreamedPrice:
    coin = instrument.removesuffix("USDT")
    return StreamedPrice(instrument=instrument, coin=coin, mark=mark, index=index, time_ms=time_ms)


def test_a_burst_is_one_snapshot_of_the_latest_prices() -> None:
    kept = Gathering(indices={"BTC": "BTCUSD"}, assets=frozenset({"BTC", "SOL"}))
    kept.add([price("BTCUSDT", "1", "2"), price("SOLUSDT", "3")])
    kept.add([price("BTCUSDT", "4", "5"), price("ETHUSDT", "6", "7")])
    whole = Snapshot(
        time_ms=1,
        marks={"BTCUSDT": "4", "SOLUSDT": "3", "ETHUSDT": "6"},
        asset_prices={"BTC": "5", "SOL": "3"},
        indices={"BTCUSD": "5"},
    )
    assert kept.take() == (whole,)
    assert kept.take() == ()


def test_prices_keep_the_time_their_venue_gave_them() -> None:
    kept = Gathering(indices={}, assets=frozenset())
    kept.add([price("A", "1", time_ms=None), price("B", "2", time_ms=9), price("C", "3")])
    told = [(found.time_ms, found.marks) for found in kept.take()]
    assert told == [(1, {"C": "3"}), (9, {"B": "2"}), (None, {"A": "1"})]


def test_a_price_that_is_sent_again_is_no_new_one() -> None:
    kept = Gathering(indices={}, assets=frozenset())
    kept.add([price("A", "1", time_ms=5), price("B", "1", time_ms=None)])
    kept.take()
    kept.add([price("A", "1", time_ms=5), price("A", "2", time_ms=4)])
    assert kept.take() == ()
    kept.add([price("A", "2", time_ms=5), price("B", "1", time_ms=None)])
    assert [found.marks for found in kept.take()] == [{"A": "2"}, {"B": "1"}]


def test_an_engine_gets_what_its_rulebook_reads() -> None:
    multi = gathering_of(load_rulebook("binance-usdm-multi"))
    assert {"BTC", "ETH"} <= multi.assets
    assert not gathering_of(load_rulebook("binance-usdm")).assets


def test_an_instrument_is_found_by_its_id_or_by_its_coin() -> None:
    markets = [
        {"id": "0", "symbol": "BTC/USDC:USDC", "base": "BTC", "contract": True, "swap": True},
        {"id": "ETHUSDT", "symbol": "ETH/USDT:USDT", "base": "ETH", "contract": True},
        {"id": "SOLUSDT", "symbol": "SOL/USDT", "base": "SOL", "contract": False},
    ]
    found = names_of(markets, ["BTC", "ETHUSDT"])
    assert found == {
        "BTC/USDC:USDC": ("BTC", "BTC"),
        "ETH/USDT:USDT": ("ETHUSDT", "ETH"),
    }
    with pytest.raises(InvalidInput, match="streams no 'SOLUSDT'"):
        names_of(markets, ["SOLUSDT"])


class Kept:
    """A sink that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Snapshot] = []
        self.problem = ""

    async def send(self, snapshot: Snapshot) -> str:
        self.sent.append(snapshot)
        return self.problem


def test_the_real_client_brings_every_digit_and_comes_back_after_a_loss() -> None:
    async def run() -> tuple[Kept, list[str], list[str], int]:
        async with price_server() as server:
            stream, sink = stream_at(server, "BTCUSDT", "ETHUSDT"), Kept()
            lost: list[str] = []
            stream.told = lost.append
            stream.sleep = lambda _: asyncio.sleep(0.01)
            gathering = Gathering(indices={}, assets=frozenset({"ETH"}))
            feed = VenueFeed(prices=stream, gathering=gathering, sink=sink, beat_s=0.01)
            task = asyncio.create_task(feed.run())
            await server.until_asked(2)
            await server.send("BTCUSDT", "61250.12345678", "61249.5", 1)
            await server.send("ETHUSDT", "0.00000001", "3999.9", 2)
            await until(lambda: sum(len(s.marks) for s in sink.sent) >= 2)
            server.drop()
            await until(lambda: server.connections >= 2 and len(server.asked) >= 4)
            await server.send("BTCUSDT", "61251", "61250", 3)
            await until(lambda: sink.sent[-1].marks.get("BTCUSDT") == "61251")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return sink, lost, server.asked, server.connections

    sink, lost, asked, connections = asyncio.run(asyncio.wait_for(run(), LIMIT_S))
    marks = {name: mark for s in sink.sent[:-1] for name, mark in s.marks.items()}
    assert marks == {"BTCUSDT": "61250.12345678", "ETHUSDT": "0.00000001"}
    assert [s.time_ms for s in sink.sent] == [1, 2, 3]
    assert [s.asset_prices for s in sink.sent if s.asset_prices] == [{"ETH": "3999.9"}]
    assert asked[:2] == ["btcusdt@markPrice@1s", "ethusdt@markPrice@1s"]
    assert connections == 2
    assert lost
    assert all("127.0.0.1" not in line for line in lost)


class Silent:
    """An exchange that streams no prices of many instruments."""

    id = "silent"
    has: dict[str, bool] = {}  # noqa: RUF012 as ccxt has it
    markets: dict[str, dict[str, Any]] = {}  # noqa: RUF012 as ccxt has it

    async def load_markets(self) -> None:
        pass


def test_a_venue_without_such_a_stream_is_told_at_once() -> None:
    async def first() -> None:
        async for _ in VenuePrices(exchange=Silent(), instruments=()).changes():
            pass

    with pytest.raises(InvalidInput, match="silent streams no prices"):
        asyncio.run(first())


def test_what_the_writer_does_not_take_is_told_once_a_reason() -> None:
    async def run() -> list[str]:
        async with price_server() as server:
            sink = Kept()
            told: list[str] = []
            feed = VenueFeed(
                prices=stream_at(server, "BTCUSDT"),
                gathering=Gathering(indices={}, assets=frozenset()),
                sink=sink,
                told=told.append,
                beat_s=0.005,
            )
            task = asyncio.create_task(feed.run())
            await server.until_asked(1)
            for number, problem in enumerate(("behind", "behind", "", "behind")):
                sink.problem = problem
                await server.send("BTCUSDT", f"{number + 1}", "1", number)
                await until(lambda number=number: len(sink.sent) > number)  # type: ignore[misc]
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return told

    assert asyncio.run(asyncio.wait_for(run(), LIMIT_S)) == ["behind", "behind"]
