"""Events as they happen: server-sent events and a WebSocket, each with a bounded queue."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request, WebSocket
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect, WebSocketState

from keelmark.core.errors import KeelmarkError
from keelmark.service.api.hub import Client
from keelmark.service.api.problems import Problem, problem_of
from keelmark.service.api.routes.events import PLACE, Topics, place_of, wanted_topics
from keelmark.service.api.services import Services, Visitor, services_of, visitor_of
from keelmark.service.times import iso_time

router = APIRouter(tags=["events"])
TRY_AGAIN, POLICY, UNSUPPORTED = 1013, 1008, 1003
"""Codes with which a WebSocket is closed."""
_LIVE = {
    200: {
        "description": "Server-sent events: `id` is position.index, `event` the topic, `data` the "
        "event. `ping` tells the position in silence, `dropped` why the stream ends and where to "
        "resume.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


@router.get("/v1/stream", summary="Events as they happen", responses=_LIVE)  # type: ignore[arg-type]  # a status
async def stream(
    request: Request,
    topics: Topics = "",
    after: Annotated[
        str, Query(pattern=PLACE, description="Where to begin; now, if left out.")
    ] = "",
    last_event_id: Annotated[
        str, Header(alias="Last-Event-ID", pattern=PLACE, description="Where to go on.")
    ] = "",
) -> Response:
    """Send events as they happen, from a place in the journal or from now on."""
    services = services_of(request)
    client, index = _client(request, topics, last_event_id or after, sse=True)
    return _EventStream(services, visitor_of(request), client, index)


@router.websocket("/v1/ws")
async def websocket(websocket: WebSocket) -> None:
    """Send events as they happen: `{"events": [...]}`, `{"ping": ...}`, `{"dropped": ...}`."""
    services, visitor = services_of(websocket), visitor_of(websocket)
    query = websocket.query_params
    try:
        client, index = _client(websocket, query.get("topics", ""), query.get("after", ""))
    except KeelmarkError as error:
        await websocket.send_denial_response(problem_of(error).response())
        return
    await websocket.accept()
    listener = asyncio.create_task(_end_of(websocket))
    stream = Stream(services, visitor, client, sender_of(websocket))
    try:
        await _until(listener, stream.run(index))
    finally:
        services.hub.leave(client)
        listener.cancel()
        with suppress(Exception, asyncio.CancelledError):
            await listener
    if websocket.client_state is WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(stream.close_code, client.dropped or "service_stops")


class _EventStream(Response):
    """An answer that goes on for as long as somebody listens."""

    def __init__(self, services: Services, visitor: Visitor, client: Client, index: int) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"
        self._services, self._visitor = services, visitor
        self._client, self._index = client, index

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client leaves or is dropped."""
        del scope
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}

        async def send_frame(frame: bytes) -> None:
            await send({"type": "http.response.body", "body": frame, "more_body": True})

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        listener = asyncio.create_task(left())
        stream = Stream(self._services, self._visitor, self._client, send_frame)
        try:
            await send(start)
            await send_frame(b"retry: 2000\n\n")
            await _until(listener, stream.run(self._index))
        finally:
            self._services.hub.leave(self._client)
            listener.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await listener
        if not stream.is_dead:
            with suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


class Stream:
    """One stream: what was missed first, then what happens."""

    def __init__(
        self,
        services: Services,
        visitor: Visitor,
        client: Client,
        send: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._services, self._visitor = services, visitor
        self._client, self._send_frame = client, send
        self.is_dead = False

    @property
    def close_code(self) -> int:
        """Code that a WebSocket is closed with."""
        return POLICY if self._client.dropped == "signed_out" else TRY_AGAIN

    async def run(self, index: int) -> None:
        """Send until the client is dropped."""
        hub, client = self._services.hub, self._client
        while not hub.join(client):
            for frame in await hub.read_on(client, index):
                await self._send(frame)
            index = -1
            if client.dropped:
                break
        while not client.dropped:
            frame = await client.next(hub.limits.ping_s)
            if not client.dropped:
                self._check()
            await self._send(frame or self._ping())
        hub.leave(client)
        await self._send(self._farewell())

    async def _send(self, frame: bytes) -> None:
        """Send a frame; who does not take it in time is taken for dead."""
        if self.is_dead:
            return
        try:
            async with asyncio.timeout(self._services.hub.limits.send_s):
                await self._send_frame(frame)
        except TimeoutError:
            self.is_dead = True
            self._client.drop("dead")

    def _check(self) -> None:
        """Drop a client whose key or session has ended."""
        services, visitor = self._services, self._visitor
        now_ms = services.clock.now_ms()
        key = services.keys.find(visitor.key.id)
        ended = key is None or not key.is_usable(now_ms)
        if visitor.token and services.sessions.find(visitor.token, now_ms) is None:
            ended = True
        if ended:
            self._client.drop("signed_out")

    def _ping(self) -> bytes:
        """Return a sign of life, which tells how far everything was sent."""
        if self._client.dropped:
            return b""
        position = self._client.resume_after
        time_ms = self._services.hub.clock_ms
        body = {"position": position, "time": iso_time(time_ms) if time_ms else None}
        return self._notice("ping", body, position)

    def _farewell(self) -> bytes:
        """Return why the stream ends and where to go on."""
        position = self._client.resume_after
        body = {"reason": self._client.dropped, "resume_after": position}
        return self._notice("dropped", body, position)

    def _notice(self, name: str, body: Mapping[str, object], position: int) -> bytes:
        if not self._client.sse:
            return msgspec.json.encode({name: body})
        data = msgspec.json.encode(body)
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, name.encode(), data)


def _client(
    connection: HTTPConnection, topics: str, after: str, *, sse: bool = False
) -> tuple[Client, int]:
    """Return a listener, and what it has of the batch after its position.

    Raises:
        Problem: There are too many, or it is too far behind.
        InvalidInput: A topic is unknown.
    """
    services, key_id = services_of(connection), visitor_of(connection).key.id
    hub, limits = services.hub, services.hub.limits
    if len(hub.clients) >= limits.clients:
        msg = f"there are {limits.clients} listeners, the most this service has; try again later"
        raise Problem(503, msg, code="too_many_listeners", headers={"Retry-After": "30"})
    if sum(client.key_id == key_id for client in hub.clients) >= limits.clients_of_key:
        msg = f"this key has {limits.clients_of_key} listeners, the most for one; end one"
        raise Problem(429, msg, code="too_many_listeners", headers={"Retry-After": "30"})
    hub.flush()  # its position is behind what was acknowledged while something waits
    position, index = _place(after) if after else (hub.position, -1)
    if position > hub.position:
        msg = f"position {position} lies beyond the end, {hub.position}; leave it out"
        raise Problem(422, msg, code="beyond_the_end", where="after")
    if hub.position - position > limits.catch_up:
        msg = f"{hub.position - position} batches behind, more than a stream reads; use /v1/events"
        raise Problem(410, msg, code="too_far_behind", where="after")
    wanted = wanted_topics(topics)
    return Client(wanted, sse, key_id, limits.waiting_bytes, position), index


def _place(after: str) -> tuple[int, int]:
    try:
        return place_of(after)
    except ValueError:
        msg = f"{after[:40]!r} is no place in the journal; give a position, or position.index"
        raise Problem(422, msg, where="after") from None


def sender_of(websocket: WebSocket) -> Callable[[bytes], Awaitable[None]]:
    """Return what sends a frame, and tells by a disconnection that the client has left."""

    async def send(frame: bytes) -> None:
        try:
            await websocket.send_text(frame.decode())
        except RuntimeError as error:  # the server's word for a connection that is closed
            raise WebSocketDisconnect(reason=str(error)) from error

    return send


async def _end_of(websocket: WebSocket) -> None:
    """Wait until a client leaves; it has nothing to say."""
    message = await websocket.receive()
    if message["type"] != "websocket.disconnect":
        await websocket.close(UNSUPPORTED, "this stream takes no messages")


async def _until(listener: asyncio.Task[None], sending: Awaitable[None]) -> None:
    """Send until it is done or the client leaves."""
    sender = asyncio.ensure_future(sending)
    try:
        await asyncio.wait({listener, sender}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not sender.done():
            sender.cancel()
        with suppress(asyncio.CancelledError, OSError, WebSocketDisconnect):
            await sender
