"""A client on asyncio: many requests under way, connected again whenever the writer is back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from keelmark.core.errors import StorageFailed
from keelmark.engine.events import MarksSet
from keelmark.service.link import messages as m
from keelmark.service.link.columns import packed
from keelmark.service.link.failures import not_there, unknown
from keelmark.service.link.frames import BadFrame, FrameReader, framed

READ_BYTES = 2**18
ANSWER_S = 30.0
"""How long a writer that is there is waited for: it may be putting a million accounts under other
rules; it may also hang."""

BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses between attempts to connect; the last is repeated."""


class NoWriter(StorageFailed):
    """The writer is not there, or went away before it answered."""


@dataclass(slots=True)
class _Connection:
    """One connection, and who waits on it."""

    writer: asyncio.StreamWriter
    hello: m.Hello
    pending: dict[int, asyncio.Future[m.Answer]] = field(default_factory=dict)
    farewell: str = ""


class AsyncLink:
    """The link of an asyncio program; open it with `async with`.

    Requests never raise for a writer that is gone: they are answered `behind` where nothing was
    sent, `unknown` where nobody knows. Batches are those of `batches`, on a connection of its own.
    """

    def __init__(self, path: Path, *, pending_max: int = 4_096, answer_s: float = ANSWER_S) -> None:
        """Make a link, not yet connected.

        Args:
            path: Socket of the writer.
            pending_max: Most requests under way; beyond it they are answered `busy`.
            answer_s: How long an answer is waited for; then its outcome is `unknown`.
        """
        self._path = path
        self._answer_s = answer_s
        self._pending_max = pending_max
        self._connection: _Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._last_id = 0

    @property
    def is_connected(self) -> bool:
        """Whether the writer is there."""
        return self._connection is not None

    @property
    def hello(self) -> m.Hello | None:
        """What the writer said of itself; `None` while it is not there."""
        return self._connection.hello if self._connection else None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def connected(self, timeout_s: float) -> bool:
        """Wait for the writer; return whether it is there."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), timeout_s)
        return self.is_connected

    async def close(self) -> None:
        """Hang up, and connect no more."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    # --- requests -------------------------------------------------------------------------------

    async def submit(self, items: Sequence[m.Item]) -> tuple[m.Outcome, ...]:
        """Carry out commands; return what became of each."""
        return await self._outcomes(m.Submit(id=self._id(), items=tuple(items)), len(items))

    async def marks(self, marks: MarksSet) -> m.Outcome:
        """Carry out a stream of snapshots."""
        return (await self._outcomes(m.Marks(id=self._id(), columns=packed(marks)), 1))[0]

    async def prices(
        self,
        time_ms: int | None,
        *,
        marks: Mapping[str, str] | None = None,
        asset_prices: Mapping[str, str] | None = None,
        indices: Mapping[str, str] | None = None,
        is_venue_time: bool = False,
    ) -> m.Outcome:
        """Carry out one snapshot of prices by name."""
        request = m.Prices(
            id=self._id(),
            time_ms=time_ms,
            is_venue_time=is_venue_time,
            marks=dict(marks or {}),
            asset_prices=dict(asset_prices or {}),
            indices=dict(indices or {}),
        )
        return (await self._outcomes(request, 1))[0]

    async def status(self) -> m.Counters:
        """Ask how the writer is.

        Raises:
            NoWriter: It is not there.
        """
        answer = await self._asked(m.Status(id=self._id()))
        if isinstance(answer, m.Counters):
            return answer
        raise NoWriter(_reason(answer))

    async def batches(self) -> AsyncIterator[m.Subscribed | m.Batch]:
        """Yield every durable batch from now on, on a connection of its own; never ends by itself.

        A `Subscribed` comes first and after each time the connection was lost: what lies between
        the last batch and its position is to be read from the journal.
        """
        attempt = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(_pause(attempt))
                attempt += 1
                continue
            try:
                writer.write(framed(m.encoded_message(m.Subscribe(id=self._id()))))
                async for answer in _answers(reader):
                    if isinstance(answer, m.Subscribed | m.Batch):
                        attempt = 0
                        yield answer
            except (OSError, BadFrame, m.BadMessage):
                pass
            finally:
                await _hung_up(writer)
            await asyncio.sleep(_pause(attempt))
            attempt += 1

    # --- below ----------------------------------------------------------------------------------

    def _id(self) -> int:
        self._last_id += 1
        return self._last_id

    async def _outcomes(self, request: m.Request, count: int) -> tuple[m.Outcome, ...]:
        answer = await self._asked(request)
        return answer.results if isinstance(answer, m.Done) else (_failed(answer),) * count

    async def _asked(self, request: m.Request) -> m.Answer | m.Outcome:
        """Return the answer to a request, or the outcome of one that gets none."""
        connection = self._connection
        if connection is None:
            return not_there(f"no writer at {self._path.name}", _retry_ms(0))
        if len(connection.pending) >= self._pending_max:
            failure = m.Failure(code="busy", message=f"{self._pending_max} requests are under way")
            return m.Outcome(status="busy", error=failure, retry_after_ms=_retry_ms(0))
        try:
            frame = framed(m.encoded_message(request))
        except BadFrame as error:
            failure = m.Failure(code="too_large", message=str(error))
            return m.Outcome(status="invalid", error=failure)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[m.Answer] = loop.create_future()
        connection.pending[request.id] = future
        late = loop.call_later(self._answer_s, _is_late, future)
        try:
            connection.writer.write(frame)
            if connection.writer.transport.get_write_buffer_size():
                await asyncio.wait_for(connection.writer.drain(), self._answer_s)
            return await future
        except TimeoutError:
            return unknown(f"the writer did not answer within {self._answer_s:g} s")
        except (OSError, NoWriter) as error:
            return unknown(f"the writer is gone ({error})")
        finally:
            late.cancel()
            connection.pending.pop(request.id, None)

    async def _keep(self) -> None:
        """Stay connected."""
        attempt = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(_pause(attempt))
                attempt += 1
                continue
            try:
                attempt = await self._serve(reader, writer, attempt)
            finally:
                self._connected.clear()
                self._connection = None
                await _hung_up(writer)
            await asyncio.sleep(_pause(attempt))
            attempt += 1

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, attempt: int
    ) -> int:
        """Hand out answers until the connection ends; return 0 if there was one."""
        connection: _Connection | None = None
        why = "it hung up"
        try:
            async for answer in _answers(reader):
                if isinstance(answer, m.Hello):
                    if answer.version != m.VERSION:
                        return attempt
                    connection = self._connection = _Connection(writer, answer)
                    self._connected.set()
                    attempt = 0
                elif isinstance(answer, m.Bye):
                    why = answer.reason
                elif connection is not None:
                    _hand_out(connection, answer)
        except (OSError, BadFrame, m.BadMessage) as error:
            why = str(error)
        finally:
            if connection is not None:
                _give_up(connection, why)
        return attempt


def _is_late(future: asyncio.Future[m.Answer]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _hand_out(connection: _Connection, answer: m.Answer) -> None:
    future = connection.pending.get(getattr(answer, "id", -1))
    if future is not None and not future.done():
        future.set_result(answer)


def _give_up(connection: _Connection, why: str) -> None:
    for future in connection.pending.values():
        if not future.done():
            future.set_exception(NoWriter(why))


async def _answers(reader: asyncio.StreamReader) -> AsyncIterator[m.Answer]:
    frames = FrameReader()
    while piece := await reader.read(READ_BYTES):
        for payload in frames.feed(piece):
            yield m.answer_of(payload)


async def _hung_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _failed(answer: m.Answer | m.Outcome) -> m.Outcome:
    return answer if isinstance(answer, m.Outcome) else unknown("the writer answered otherwise")


def _reason(answer: m.Answer | m.Outcome) -> str:
    failure = answer.error if isinstance(answer, m.Outcome) else None
    return failure.message if failure else "the writer answered otherwise"


def _pause(attempt: int) -> float:
    return BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]


def _retry_ms(attempt: int) -> int:
    return round(1000 * _pause(attempt))
