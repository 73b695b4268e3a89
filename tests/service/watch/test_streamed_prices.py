import asyncio
import json
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts.account import load_account, read_account
from keelmark.accounts.check import check
from keelmark.core.errors import InvalidInput
from keelmark.service.alerts.book import AlertBook
from keelmark.service.alerts.values import Kind
from keelmark.service.feeds.venue_prices import StreamedPrice, VenuePrices
from keelmark.service.watch.desk import Desk
from keelmark.service.watch.repriced import repriced
from keelmark.service.watch.tape import Tape
from tests.service.feeds.venue_stream import PriceServer, price_server, stream_at
from tests.service.watch.test_watch import account, config

EXAMPLE = Path(__file__).parents[3] / "docs/examples/two_positions.json"


def price(instrument: str, mark: str | None, index: str | None = None) -> StreamedPrice:
    coin = instrument.removesuffix("USDT")
    return StreamedPrice(
        instrument=instrument, coin=coin, mark=mark, index=index, time_ms=1_760_000_000_000
    )


@settings(max_examples=15)
@given(st.decimals("100", "200000", places=2), st.decimals("10", "9000", places=2))
def test_a_repriced_account_is_the_document_with_those_marks(btc: Decimal, eth: Decimal) -> None:
    latest = {"BTCUSDT": price("BTCUSDT", str(btc)), "ETHUSDT": price("ETHUSDT", str(eth))}
    found = repriced(load_account(EXAMPLE), latest)
    content = json.loads(EXAMPLE.read_text())
    for row in content["positions"]:
        row["mark_price"] = str({"BTCUSDT": btc, "ETHUSDT": eth}[row["instrument"]])
    for name in content.get("prices", {}):
        content["prices"][name] = str({"BTC": btc, "ETH": eth}[name])
    asked = read_account(json.dumps(content))
    ours, theirs = check(found).units[0], check(asked).units[0]
    assert ours.total("equity") == theirs.total("equity")
    assert ours.total("maintenance_margin") == theirs.total("maintenance_margin")
    assert ours.distance == theirs.distance


def test_a_price_nobody_streamed_stays_and_the_venues_figures_are_left_out() -> None:
    before = load_account(EXAMPLE)
    found = repriced(before, {"BTCUSDT": price("BTCUSDT", "50000")})
    marks = {row.instrument: row.mark_price for row in found.document.positions}
    old = {row.instrument: row.mark_price for row in before.document.positions}
    assert marks == {**old, "BTCUSDT": Decimal(50000)}
    assert check(before).residuals
    assert not check(found).residuals


def test_prices_that_stream_move_an_account_but_do_not_make_it_read() -> None:
    watched_config = config([{"name": "main", "document": "x.json", "stale_s": 60}])
    watched = Desk(config=watched_config, alerts=AlertBook(watched_config.alerts))
    watched.begin(0)
    watched.read("main", account(), 0)
    moved = repriced(account(), {"BTCUSDT": price("BTCUSDT", "1000000")})
    alerts = watched.moved("main", moved, 30_000)
    assert alerts == []
    now = watched.watched["main"]
    assert now.look is not None
    assert now.read is not None
    assert (now.look.time_ms, now.read.time_ms) == (30_000, 0)
    fallen = repriced(account("1000"), {"BTCUSDT": price("BTCUSDT", "41000")})
    raised = watched.moved("main", fallen, 31_000)
    assert [(alert.kind, alert.level) for alert in raised] == [(Kind.RAISED, "red")]
    assert watched.moved("main", fallen, 61_000) == []
    assert [alert.level for alert in watched.tick(61_000)] == ["unknown"]


def test_a_tape_follows_what_is_held_and_nothing_else() -> None:
    pytest.importorskip("ccxt")
    ready, done = Event(), Event()
    servers: list[PriceServer] = []

    async def serve() -> None:
        async with price_server() as server:
            servers.append(server)
            ready.set()
            number = 0
            while not done.is_set():
                number += 1
                for symbol in ("BTCUSDT", "ETHUSDT"):
                    await server.send(symbol, f"{number}.5", "1", number)
                await asyncio.sleep(0.01)

    thread = Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait(10)
    tape = Tape(lambda wanted: stream_at(servers[0], *wanted))
    try:
        tape.follow(["BTCUSDT"])
        assert tape.wait(60)
        assert set(tape.latest) == {"BTCUSDT"}
        assert tape.latest["BTCUSDT"].mark is not None
        tape.follow(["ETHUSDT"])
        assert tape.wait(60)
        assert set(tape.latest) == {"ETHUSDT"}
        tape.follow([])
        assert not tape.wait(0.05)
    finally:
        tape.close()
        done.set()
        thread.join(10)


def test_a_tape_says_why_there_are_no_prices() -> None:
    def opened(_: object) -> VenuePrices:
        msg = "the venue streams no 'XUSDT'"
        raise InvalidInput(msg)

    tape = Tape(opened)
    tape.follow(["XUSDT"])
    assert not tape.wait(0.2)
    assert tape.problem == "the venue streams no 'XUSDT'"
    tape.close()
