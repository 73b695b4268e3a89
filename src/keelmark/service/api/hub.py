"""Everybody who listens: each durable batch is decoded once, written once per wish, and handed out.

A client that does not keep up is dropped and told where to go on; nobody waits for it. What happens
while everybody is being sent something is sent together: many listeners get fewer, larger pieces.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from keelmark.engine.journal.port import Record
from keelmark.service.api.link import WriterLink
from keelmark.service.api.settings import StreamLimits
from keelmark.service.events_json.topics import Topic
from keelmark.service.events_json.write import EventWriter, Told
from keelmark.service.link.messages import Batch, Subscribed
from keelmark.service.reading import Reader

LOG = logging.getLogger("keelmark.api")
GAP_BATCHES = 500
"""Batches that are read from the journal in one go."""

CLIENT_S = 0.0002
"""Pause between two pieces, for each client: some four times what sending one costs."""

GATHERED_MAX = 1_000
"""Events that are sent without waiting for the end of a pause."""

Records = tuple[Record, ...]
History = Callable[[int], Iterator[tuple[int, Records]]]
"""Batches of the journal after a position; called in a worker's thread."""


@dataclass(slots=True)
class Frames:
    """The events of one batch as each kind of stream sends them, written once per set of topics."""

    told: tuple[Told, ...]
    _made: dict[tuple[frozenset[Topic], bool], bytes] = field(default_factory=dict)

    def of(self, topics: frozenset[Topic], *, sse: bool) -> bytes:
        """Return what is sent to whoever asked for these topics; nothing if none is of them."""
        made = self._made.get((topics, sse))
        if made is None:
            chosen = [told for told in self.told if told.topic in topics]
            made = b"" if not chosen else sse_frame(chosen) if sse else ws_frame(chosen)
            self._made[topics, sse] = made
        return made


def sse_frame(told: Iterable[Told]) -> bytes:
    """Return events as server-sent events, each with its id."""
    return b"".join(
        b"id: %s\nevent: %s\ndata: %s\n\n" % (x.id.encode(), x.topic.encode(), x.text) for x in told
    )


def ws_frame(told: Iterable[Told]) -> bytes:
    """Return events as one WebSocket message."""
    return msgspec.json.encode({"events": [x.body for x in told]})


@dataclass(slots=True, eq=False)
class Client:
    """Somebody who listens.

    Attributes:
        topics: What it asked for.
        sse: Whether it reads server-sent events; otherwise WebSocket messages.
        key_id: Key it came with.
        limit: Bytes that may wait for it.
        position: Journal position up to which everything was handed to it.
        dropped: Why it gets no more; empty while it does.
    """

    topics: frozenset[Topic]
    sse: bool
    key_id: str
    limit: int
    position: int = 0
    dropped: str = ""
    _waiting: deque[tuple[bytes, int]] = field(default_factory=deque)  # and the position before
    _bytes: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def resume_after(self) -> int:
        """Position after which a client that was dropped goes on."""
        return self._waiting[0][1] if self._waiting else self.position

    def push(self, frame: bytes, position: int) -> None:
        """Hand a frame over; drop the client if too much waits for it."""
        if self.dropped:
            return
        if frame:
            if self._bytes + len(frame) > self.limit:
                self.drop("slow")
                return
            self._waiting.append((frame, self.position))
            self._bytes += len(frame)
            self._wake.set()
        self.position = position

    def drop(self, reason: str) -> None:
        """Give the client no more."""
        self.dropped = self.dropped or reason
        self._wake.set()

    async def next(self, timeout_s: float) -> bytes:
        """Return what waits: all of it as one piece, or one message; nothing after a silence."""
        if not self._waiting and not self.dropped:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
        if self.dropped or not self._waiting:
            return b""
        count = len(self._waiting) if self.sse else 1
        piece = b"".join(self._waiting.popleft()[0] for _ in range(count))
        self._bytes -= len(piece)
        return piece


class Listeners(ABC):
    """Everybody who listens to one source of events.

    Attributes:
        limits: How streams are kept from costing more than they should.
        position: Position up to which everything was handed out.
        clients: Everybody who listens.
    """

    def __init__(self, limits: StreamLimits, position: int) -> None:
        self.limits, self.position = limits, position
        self.clients: set[Client] = set()

    @property
    @abstractmethod
    def clock_ms(self) -> int:
        """The clock of what is told."""

    @abstractmethod
    def start(self) -> None:
        """Begin to listen to the source."""

    async def stop(self) -> None:
        """Stop listening, and let everybody go."""
        for client in self.clients:
            client.drop("service_stops")

    def join(self, client: Client) -> bool:
        """Let a client listen if nothing lies between; return whether it does."""
        if client.position < self.position:
            return False
        self.clients.add(client)
        return True

    def flush(self) -> None:  # noqa: B027 most keep nothing back
        """Hand out what waits to be handed out, if anything does."""

    def leave(self, client: Client) -> None:
        """Let a client go."""
        self.clients.discard(client)

    def drop_key(self, key_id: str) -> None:
        """Drop everybody who came with a key."""
        for client in self.clients:
            if client.key_id == key_id:
                client.drop("signed_out")

    @abstractmethod
    async def read_on(self, client: Client, index: int) -> list[bytes]:
        """Return what a client has missed, some of it, batch by batch, and move it on.

        Args:
            client: Somebody who does not listen yet.
            index: Place in the batch after its position up to which it has everything; -1 for none.
        """

    def hand(self, frames: Frames, position: int) -> None:
        """Hand the events of one batch to everybody."""
        for client in self.clients:
            client.push(frames.of(client.topics, sse=client.sse), position)
        self.position = position


class Hub(Listeners):
    """Listens to the writer and hands out what happens.

    Attributes:
        time_ms: The clock of the last batch.
        heard_to: Position up to which everything was heard; it may still have to be handed out.
    """

    def __init__(
        self, reader: Reader, link: WriterLink, history: History, limits: StreamLimits
    ) -> None:
        super().__init__(limits, reader.position)
        self._reader, self._link, self._history = reader, link, history
        self.time_ms = reader.time_ms
        self._writer = EventWriter(reader, time_ms=self.time_ms)
        self._task: asyncio.Task[None] | None = None
        self.heard_to = self.position
        self._gathered: list[Told] = []
        self._next_s = 0.0
        self._flush_due: asyncio.TimerHandle | None = None

    @property
    def clock_ms(self) -> int:
        """The venue's clock."""
        return self._reader.time_ms

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Stop listening, and let everybody go."""
        self.flush()
        await super().stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def join(self, client: Client) -> bool:
        """Let a client listen if nothing lies between; what was gathered before it came does."""
        self.flush()
        return super().join(client)

    def flush(self) -> None:
        """Hand out what was gathered."""
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        if self.heard_to > self.position:
            self.hand(Frames(tuple(self._gathered)), self.heard_to)
            self._gathered = []

    async def read_on(self, client: Client, index: int) -> list[bytes]:
        """Read the journal; as of `Listeners`."""
        after, topics = client.position, client.topics
        frames, client.position = await asyncio.to_thread(self._page, after, index, topics)
        found = (frame.of(topics, sse=client.sse) for frame in frames)
        return [frame for frame in found if frame]

    # --- inside ---------------------------------------------------------------------------------

    def _page(self, after: int, index: int, topics: frozenset[Topic]) -> tuple[list[Frames], int]:
        """Read a part of the journal."""
        writer = EventWriter(self._reader)
        frames: list[Frames] = []
        for position, records in islice(self._history(after), GAP_BATCHES):
            told = tuple(x for x in writer.tell(position, records, topics) if index < x.index)
            frames.append(Frames(told))
            after, index = position, -1
        return frames, after

    async def _listen(self) -> None:
        """Hand out batches for as long as the service runs."""
        async for message in self._link.batches():
            try:
                await self._heard(message)
            except Exception:
                LOG.exception("a batch could not be told; whoever listens reads the journal")
                self._skip(message.position)

    async def _heard(self, message: Subscribed | Batch) -> None:
        batch = message if isinstance(message, Batch) else None
        last = message.position if batch is None else message.position - 1
        if self.heard_to < last:
            await self._fill_gap(last)
        if batch is not None and batch.position > self.heard_to:
            if batch.records is None:
                await self._fill_gap(batch.position)
            else:
                self._hand_out(batch.position, batch.records)
            self.time_ms = batch.time_ms

    async def _fill_gap(self, last: int) -> None:
        """Read what was not heard, if anybody listens."""
        while self.clients and self.heard_to < last:
            batches = await asyncio.to_thread(self._batches, self.heard_to)
            if not batches:
                break
            for position, records in batches:
                self._hand_out(position, records)
            await asyncio.sleep(0)
        self._skip(last)

    def _batches(self, after: int) -> list[tuple[int, Records]]:
        return list(islice(self._history(after), GAP_BATCHES))

    def _skip(self, position: int) -> None:
        """Go on at a position; whoever listens and has not everything reads the journal."""
        self.flush()
        if position > self.position:
            for client in self.clients:
                client.drop("gap")
            self.position = self.heard_to = position

    def _hand_out(self, position: int, records: Records) -> None:
        """Hand one batch to everybody: at once, or with what follows before a pause is over."""
        if self.clients:
            wanted = frozenset(topic for client in self.clients for topic in client.topics)
            self._gathered += self._writer.tell(position, records, wanted)
        self.heard_to = position
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next_s or len(self._gathered) > GATHERED_MAX:
            self._next_s = loop.time() + CLIENT_S * len(self.clients)
            self.flush()
        elif self._flush_due is None:
            self._flush_due = loop.call_at(self._next_s, self.flush)
