"""A client that waits for its answers: for tests, feeds and scripts."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from keelmark.core.errors import StorageFailed
from keelmark.engine.events import MarksSet
from keelmark.service.link import messages as m
from keelmark.service.link.columns import packed
from keelmark.service.link.frames import BadFrame, FrameReader, framed

READ_BYTES = 2**18

AnswerT = TypeVar("AnswerT", bound=m.Answer)


class LinkLost(StorageFailed):
    """The writer hung up or does not answer; what was asked last may be durable or not."""


class SyncLink:
    """One connection to the writer; a request at a time, or several sent before the first answer.

    Attributes:
        hello: What the writer said of itself.
    """

    def __init__(self, path: Path, *, timeout_s: float | None = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._frames = FrameReader()
        self._waiting: list[m.Answer] = []
        self._last_id = 0
        self._farewell = ""
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(path))
            self.hello = self._expect(m.Hello)
        except OSError as error:
            self._socket.close()
            msg = f"no writer at {path} ({error}); is the service running?"
            raise LinkLost(msg) from error
        except BaseException:
            self._socket.close()
            raise
        if self.hello.version != m.VERSION:
            self._socket.close()
            msg = f"the writer speaks link {self.hello.version}, this client {m.VERSION}; restart"
            raise LinkLost(msg)

    # --- requests -------------------------------------------------------------------------------

    def submit(self, items: Sequence[m.Item]) -> tuple[m.Outcome, ...]:
        """Carry out commands; return what became of each.

        Raises:
            LinkLost: Nobody knows what became of them: send them again with the same keys.
        """
        return self._results(self.send(m.Submit(id=self.next_id(), items=tuple(items))))

    def marks(self, marks: MarksSet) -> m.Outcome:
        """Carry out a stream of snapshots."""
        return self._results(self.send(m.Marks(id=self.next_id(), columns=packed(marks))))[0]

    def prices(
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
            id=self.next_id(),
            time_ms=time_ms,
            is_venue_time=is_venue_time,
            marks=dict(marks or {}),
            asset_prices=dict(asset_prices or {}),
            indices=dict(indices or {}),
        )
        return self._results(self.send(request))[0]

    def status(self) -> m.Counters:
        """Ask how the writer is."""
        self.send(m.Status(id=self.next_id()))
        return self._expect(m.Counters)

    def stop(self) -> None:
        """Ask the writer to finish and end."""
        self.send(m.Stop(id=self.next_id()))
        self._expect(m.Stopping)

    def subscribe(self, after: int = 0) -> int:
        """Ask for every batch from now on; return the position they follow on."""
        self.send(m.Subscribe(id=self.next_id(), after=after))
        return self._expect(m.Subscribed).position

    def batches(self) -> Iterator[m.Batch]:
        """Yield batches as they come, after `subscribe`, until the writer hangs up."""
        while True:
            try:
                yield self._expect(m.Batch)
            except LinkLost:
                return

    # --- below ----------------------------------------------------------------------------------

    def next_id(self) -> int:
        """Return an id no request of this connection has had."""
        self._last_id += 1
        return self._last_id

    def send(self, request: m.Request) -> int:
        """Send a request without waiting; return its id.

        Raises:
            BadFrame: It is too large: split it.
            LinkLost: The writer is gone.
        """
        try:
            self._socket.sendall(framed(m.encoded_message(request)))
        except OSError as error:
            raise self._lost(error) from error
        return request.id

    def receive(self) -> m.Answer:
        """Return the next answer, in the order they come.

        Raises:
            LinkLost: None comes any more, or not in time.
        """
        if self._waiting:
            return self._waiting.pop(0)
        while True:
            try:
                piece = self._socket.recv(READ_BYTES)
                payloads = list(self._frames.feed(piece)) if piece else []
                found = [m.answer_of(payload) for payload in payloads]
            except (OSError, BadFrame, m.BadMessage) as error:
                raise self._lost(error) from error
            if not piece:
                raise self._lost(None)
            for answer in found:
                if isinstance(answer, m.Bye):
                    self._farewell = answer.reason
                else:
                    self._waiting.append(answer)
            if self._waiting:
                return self._waiting.pop(0)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _results(self, asked: int) -> tuple[m.Outcome, ...]:
        while True:
            done = self._expect(m.Done)
            if done.id == asked:
                return done.results

    def _expect(self, kind: type[AnswerT]) -> AnswerT:
        """Return the next answer of a kind; batches that come between are kept for `batches`."""
        passed: list[m.Answer] = []
        while True:
            answer = self.receive()
            if isinstance(answer, kind):
                self._waiting = passed + self._waiting
                return answer
            passed.append(answer)

    def _lost(self, error: Exception | None) -> LinkLost:
        why = self._farewell or (str(error) if error is not None else "it hung up")
        msg = f"the writer is gone: {why}; send what was not answered again with the same keys"
        return LinkLost(msg)
