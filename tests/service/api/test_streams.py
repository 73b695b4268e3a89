"""Who listens hears everything once, in order; who does not keep up is told where to go on."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from keelmark.engine import commands as c
from keelmark.service.api import hub
from keelmark.service.api.hub import Client, Frames, Hub
from keelmark.service.api.routes import streams
from keelmark.service.api.routes.streams import Stream
from keelmark.service.api.services import Visitor
from keelmark.service.api.settings import ApiSettings, Limits, StreamLimits
from keelmark.service.events_json.topics import Topic
from keelmark.service.link.commands import item
from keelmark.service.security.access import ACCESS
from keelmark.service.security.roles import Role
from tests.service.api.live import WAIT_S, Live, served
from tests.service.api.venue_app import ApiVenue

QUICK = StreamLimits(clients=3, clients_of_key=2, waiting_bytes=20_000, send_s=0.3, ping_s=0.2)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    limits = Limits(header_s=0.3, body_s=0.3)
    api = ApiVenue(tmp_path, settings=ApiSettings(streams=QUICK, limits=limits))
    api.venue.open("alice", USDT=1000)
    api.venue.marks(A=100.0, B=50.0)
    with served(api) as found:
        yield found


def key_of(live: Live, role: Role = Role.VIEWER) -> dict[str, str]:
    return {"Authorization": f"Bearer {live.api.texts[role]}"}


def deposit(live: Live, count: int = 1) -> int:
    """Let things happen; return the position after them."""
    items = [item(c.Deposit(unit=5, asset=0, quanta=n + 1)) for n in range(count)]
    return int(live.call(live.api.link.submit(items))[-1].position)


class Listener:
    """Reads server-sent events."""

    def __init__(self, live: Live, query: str = "", **headers: str) -> None:
        url = f"http://127.0.0.1:{live.port}/v1/stream{query}"
        self._client = httpx.Client(timeout=WAIT_S)
        request = self._client.build_request("GET", url, headers=key_of(live) | headers)
        self.response = self._client.send(request, stream=True)
        self._lines = self.response.iter_lines()

    def read(self, count: int, kind: str = "") -> list[tuple[str, str, dict[str, Any]]]:
        """Return so many events (of a kind), pings left out unless asked for."""
        found: list[tuple[str, str, dict[str, Any]]] = []
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            if "data" in fields and (
                fields["event"] == kind or (not kind and fields["event"] != "ping")
            ):
                found.append((fields["id"], fields["event"], json.loads(fields["data"])))
            fields = {}
            if len(found) == count:
                break
        return found

    def close(self) -> None:
        self.response.close()
        self._client.close()


def socket_of(live: Live, query: str = "") -> ClientConnection:
    url = f"ws://127.0.0.1:{live.port}/v1/ws{query}"
    return connect(url, additional_headers=key_of(live), open_timeout=WAIT_S, proxy=None)


def next_events(connection: ClientConnection) -> list[dict[str, Any]]:
    while True:
        message = json.loads(connection.recv(WAIT_S))
        if "ping" not in message:
            events: list[dict[str, Any]] = message["events"]
            return events


def test_server_sent_events_come_as_they_happen_and_go_on_where_they_were(live: Live) -> None:
    listener = Listener(live)
    position = deposit(live, 2)
    found = listener.read(2)
    assert [(x[0], x[1]) for x in found] == [
        (f"{position - 1}.0", "cash"),
        (f"{position}.0", "cash"),
    ]
    assert found[0][2]["account"] == "alice"
    listener.close()
    deposit(live, 3)
    again = Listener(live, **{"Last-Event-ID": found[0][0]})
    assert [x[2]["amount"] for x in again.read(4)] == ["2", "1", "2", "3"]
    again.close()


def test_a_stream_can_begin_anywhere_in_the_journal(live: Live) -> None:
    listener = Listener(live, "?after=0&topics=admin,prices")
    deposit(live)
    assert [x[2]["type"] for x in listener.read(2)] == ["AccountOpened", "MarksSet"]
    listener.close()


def test_a_websocket_hears_what_it_asked_for(live: Live) -> None:
    with socket_of(live, "?topics=cash&after=2") as connection:
        position = deposit(live)
        events = next_events(connection)
        assert [(x["type"], x["position"]) for x in events] == [("Deposited", position)]


def test_what_happens_in_the_pause_between_two_pieces_is_sent_together(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "CLIENT_S", 60.0)
    with socket_of(live, "?topics=cash") as first:
        deposit(live)
        assert len(next_events(first)) == 1
        last = deposit(live, 3)
        live.call(heard(live, last))
        with socket_of(live, "?topics=cash") as second:  # who comes begins after what was gathered
            found = next_events(first)
            assert [x["position"] for x in found] == [last - 2, last - 1, last]
            deposit(live)
            live.call(heard(live, last + 1))
            live.call(flushed(live))
            assert [x["position"] for x in next_events(second)] == [last + 1]
            assert [x["position"] for x in next_events(first)] == [last + 1]


async def heard(live: Live, position: int) -> None:
    """Wait until what the writer says has come, up to a position."""
    listeners = live.api.services.hub
    assert isinstance(listeners, Hub)
    while listeners.heard_to < position:  # noqa: ASYNC110 it tells nobody
        await asyncio.sleep(0.01)


async def flushed(live: Live) -> None:
    live.api.services.hub.flush()


def test_a_client_that_left_as_it_was_sent_something_is_no_error() -> None:
    async def send(_: object) -> None:
        msg = "Unexpected ASGI message 'websocket.send', after sending 'websocket.close'."
        raise RuntimeError(msg)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def left() -> None:
        websocket = WebSocket({"type": "websocket"}, receive, send)
        websocket.application_state = WebSocketState.CONNECTED
        with pytest.raises(WebSocketDisconnect):
            await streams.sender_of(websocket)(b"{}")

    asyncio.run(left())


def test_silence_is_broken_by_a_sign_of_life(live: Live) -> None:
    listener = Listener(live)
    ((place, _, body),) = listener.read(1, "ping")
    assert body["position"] == int(place) == live.api.venue.engine.position
    listener.close()
    with socket_of(live) as connection:
        assert json.loads(connection.recv(WAIT_S))["ping"]["position"] == int(place)


def test_whoever_does_not_take_what_it_is_sent_is_dropped_and_nobody_waits(live: Live) -> None:
    hub = live.api.services.hub
    quick = Listener(live)
    quick.read(1, "ping")

    async def stuck(_: bytes) -> None:
        await asyncio.sleep(WAIT_S)

    async def dropped() -> list[tuple[str, bool]]:
        key = live.api.services.keys.list()[0]
        visitor = Visitor(key=key, address="", access=ACCESS[0])
        found = []
        for limit in (100, 10**6):  # too much waits; a send that takes too long
            client = Client(
                frozenset(Topic), sse=True, key_id=key.id, limit=limit, position=hub.position
            )
            stream = Stream(live.api.services, visitor, client, stuck)
            task = asyncio.create_task(stream.run(-1))
            await asyncio.sleep(0.01)
            items = [item(c.Deposit(unit=5, asset=0, quanta=1)) for _ in range(3)]
            await live.api.link.submit(items)
            await asyncio.sleep(0.01)
            await asyncio.wait_for(task, WAIT_S)
            found.append((client.dropped, client in hub.clients))
        return found

    assert live.call(dropped()) == [("slow", False), ("dead", False)]
    assert len(quick.read(6)) == 6
    quick.close()


def test_a_client_with_too_much_waiting_is_told_where_to_go_on() -> None:
    client = Client(frozenset(Topic), sse=True, key_id="k", limit=10, position=5)
    client.push(b"123456", 6)
    client.push(b"", 7)
    client.push(b"123456", 8)
    client.push(b"1", 9)
    assert (client.dropped, client.resume_after) == ("slow", 5)


def test_a_client_that_was_given_everything_goes_on_after_it() -> None:
    async def given() -> Client:
        client = Client(frozenset(Topic), sse=True, key_id="k", limit=100, position=5)
        client.push(b"abc", 6)
        client.push(b"def", 7)
        assert await client.next(1.0) == b"abcdef"
        client.push(b"", 9)
        assert await client.next(0.0) == b""
        client.drop("service_stops")
        return client

    client = asyncio.run(given())
    assert (client.dropped, client.resume_after) == ("service_stops", 9)


def test_a_frame_is_written_once_for_everybody_who_asked_alike(live: Live) -> None:
    deposit(live)
    frames = Frames(())
    assert frames.of(frozenset(Topic), sse=True) == b""


def test_a_key_that_is_revoked_hears_no_more(live: Live) -> None:
    made = live.api.services.keys.create("x", Role.VIEWER, now_ms=live.api.hand.now)
    listener = Listener(live, Authorization=f"Bearer {made.text}")
    live.api.services.keys.revoke(made.key.id, live.api.hand.now)
    ((_, _, body),) = listener.read(1, "dropped")
    assert body == {"reason": "signed_out", "resume_after": live.api.venue.engine.position}
    listener.close()


def test_too_many_listeners_are_told_to_come_back(live: Live) -> None:
    listeners = [Listener(live) for _ in range(3)]
    assert [x.response.status_code for x in listeners] == [200, 200, 429]
    operator = key_of(live, Role.OPERATOR)
    listeners += [Listener(live, **operator) for _ in range(2)]
    assert [x.response.status_code for x in listeners[3:]] == [200, 503]
    assert listeners[-1].response.headers["retry-after"] == "30"
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("query", "status"),
    [("?after=999", 422), ("?after=x", 422), ("?topics=nothing", 422), ("?after=1.2.3", 422)],
)
def test_a_place_or_a_topic_that_is_none_is_refused(live: Live, query: str, status: int) -> None:
    listener = Listener(live, query)
    assert listener.response.status_code == status
    listener.close()
    with pytest.raises(InvalidStatus) as caught:
        socket_of(live, query)
    assert caught.value.response.status_code == status
    assert b'"error"' in (caught.value.response.body or b"")


def test_a_websocket_without_a_key_or_from_another_site_is_refused(live: Live) -> None:
    url = f"ws://127.0.0.1:{live.port}/v1/ws"
    with pytest.raises(InvalidStatus) as caught:
        connect(url, proxy=None)
    assert caught.value.response.status_code == 401
    headers = {"Content-Type": "application/json", "Host": "localhost"}
    body = {"key": live.api.texts[Role.VIEWER]}
    answer = httpx.post(f"http://127.0.0.1:{live.port}/session", json=body, headers=headers)
    cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
    with pytest.raises(InvalidStatus) as caught:
        connect(url, additional_headers=cookie, origin=Origin("http://evil.example"), proxy=None)
    assert caught.value.response.status_code == 403
    own = f"http://127.0.0.1:{live.port}"
    with connect(url, additional_headers=cookie, origin=Origin(own), proxy=None) as connection:
        deposit(live)
        assert next_events(connection)[0]["type"] == "Deposited"


def test_a_websocket_that_talks_is_closed(live: Live) -> None:
    with socket_of(live) as connection:
        connection.send("hello")
        with pytest.raises(ConnectionClosed):
            list(connection)  # until it ends
        assert connection.close_code == 1003
    for _ in range(200):
        if not live.api.services.hub.clients:
            return
        time.sleep(0.01)
    pytest.fail("the client is still listened to")


def test_a_gap_in_what_the_writer_says_is_read_from_the_journal(live: Live) -> None:
    listener = Listener(live)
    listener.read(1, "ping")
    for n in range(3):  # durable, and not said
        live.api.venue.engine.submit(c.Deposit(unit=5, asset=0, quanta=n + 10))
    deposit(live)
    assert [x[2]["amount"] for x in listener.read(4)] == ["10", "11", "12", "1"]
    listener.close()


def test_the_end_of_the_service_is_told(tmp_path: Path) -> None:
    api = ApiVenue(tmp_path, settings=ApiSettings(streams=replace(QUICK, ping_s=5.0)))
    with served(api) as live:
        listener = Listener(live)
        deposit_position = live.api.venue.engine.position
        live.call(api.services.hub.stop())
        ((_, _, body),) = listener.read(1, "dropped")
        assert body == {"reason": "service_stops", "resume_after": deposit_position}
        listener.close()


# --- the wire -------------------------------------------------------------------------------------


def said(connection: socket.socket, *pieces: bytes) -> bytes:
    """Send pieces and return everything that comes back until the end."""
    for piece in pieces:
        connection.sendall(piece)
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    connection.close()
    return received


def test_a_head_that_never_ends_is_cut(live: Live) -> None:
    head = b"GET /live HTTP/1.1\r\nHost: localhost\r\n"
    assert said(live.connect(), head + b"X: " + b"a" * 100_000).startswith(b"HTTP/1.1 431 ")
    assert said(live.connect(), head) == b""
    assert said(live.connect(), b"") == b""
    assert said(live.connect(), b"\r\n") == b""


def test_a_body_that_never_ends_is_cut(live: Live) -> None:
    token = live.api.texts[Role.OPERATOR]
    head = (
        "POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\n"
    ).encode()
    slow = said(live.connect(), head + b"Content-Length: 50\r\n\r\n{")
    assert slow.startswith(b"HTTP/1.1 408 ")
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    large = said(live.connect(), head + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk)
    assert large.startswith(b"HTTP/1.1 413 ")
    assert b"Traceback" not in slow + large


MALFORMED = [
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    (
        b"POST /session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nabc"
    ),
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    b"GET /live HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1",
    b"GET http://evil.example/live HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /live HTTP/1.1\r\n\r\n",
]


def test_malformed_requests_are_refused_and_nothing_breaks(live: Live) -> None:
    for text in MALFORMED:
        with live.connect() as connection:
            connection.sendall(text)
            answer = connection.recv(65_536)
        status = int(answer.split(b" ", 2)[1]) if answer else 400
        assert 400 <= status < 500, text
        assert httpx.get(f"http://127.0.0.1:{live.port}/live").status_code == 200
