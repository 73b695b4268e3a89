"""A writer in a thread of its own, on a small venue, with a clock and a journal of ours."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from keelmark.core.errors import StorageFailed
from keelmark.engine import commands as c
from keelmark.engine.engine import Engine
from keelmark.engine.journal.open import StoredJournal
from keelmark.engine.journal.port import Batch, Record
from keelmark.rulebooks.load import read_rulebook
from keelmark.service.link import messages as m
from keelmark.service.link.commands import item
from keelmark.service.link.frames import FrameReader, framed
from keelmark.service.link.sync_link import SyncLink
from keelmark.service.venue import Venue, begin_venue, kept_rulebook, kept_venue
from keelmark.service.writer.clock import Sources, SteadyClock
from keelmark.service.writer.loop import Surroundings, Writer
from keelmark.service.writer.opening import Opener, open_for_writer
from keelmark.service.writer.publication import NoPublication
from keelmark.service.writer.settings import WriterSettings
from tests.engine.venue import ROUND, rulebook_text

NOON_MS = 1_760_097_600_000
START = {"A": "1000", "B": "1000"}


@dataclass
class Watch:
    """A machine's clocks, set by hand."""

    wall: int = NOON_MS
    ticks: int = 0

    def passes(self, ms: int) -> None:
        """Let time pass on both clocks."""
        self.wall += ms
        self.ticks += ms

    def sources(self) -> Sources:
        return Sources(wall_ms=lambda: self.wall, monotonic_ms=lambda: self.ticks)


Fault = Callable[[StoredJournal, Sequence[Batch], int], int]


class FaultyJournal:
    """A journal on a disk that sometimes says no."""

    def __init__(self, journal: StoredJournal, faults: list[Fault]) -> None:
        self._journal = journal
        self._faults = faults

    @property
    def name(self) -> str:
        return self._journal.name

    @property
    def position(self) -> int:
        return self._journal.position

    def append(self, batch: Batch, *, expected_position: int) -> int:
        return self.append_many((batch,), expected_position=expected_position)

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        if self._faults:
            return self._faults.pop(0)(self._journal, batches, expected_position)
        return self._journal.append_many(batches, expected_position=expected_position)

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        return self._journal.read(after=after)

    def close(self) -> None:
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def refused(_journal: StoredJournal, _batches: Sequence[Batch], _position: int) -> int:
    """Say no before anything is written."""
    msg = "the disk is full"
    raise StorageFailed(msg)


def written_and_refused(journal: StoredJournal, batches: Sequence[Batch], position: int) -> int:
    """Write, and lose the word that it is written."""
    journal.append_many(batches, expected_position=position)
    msg = "the database went away"
    raise StorageFailed(msg)


@dataclass
class House:
    """A folder with a venue, whose writer is started and stopped.

    Attributes:
        data: The folder.
        watch: Its clocks.
        reports: What the writer has told.
        faults: What its journal does next instead of writing.
        no_opening: Errors that opening the journal ends with, next.
        opener: Opens its journal.
    """

    data: Path
    watch: Watch = field(default_factory=Watch)
    reports: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    no_opening: list[Exception] = field(default_factory=list)
    opener: Opener = open_for_writer

    def __post_init__(self) -> None:
        rulebook = read_rulebook(rulebook_text(ROUND), title="tests")
        begin_venue(self.data, rulebook, Venue(reference="tests", rulebook=rulebook.name))

    @property
    def socket(self) -> Path:
        return self.data / "run" / "writer.sock"

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return what was told of one kind of event."""
        return [report for report in self.reports if report["event"] == event]

    def writer(self, **settings: Any) -> Writer:  # noqa: ANN401 fields of WriterSettings
        """Return a writer that has opened the folder."""
        around = Surroundings(
            clock=lambda start: SteadyClock(self.watch.sources(), not_before_ms=start),
            publication=NoPublication(),
            report=lambda event, **fields: self.reports.append({"event": event, **fields}),
            opener=self._opened,
        )
        return Writer(WriterSettings(data=str(self.data), **settings), around)

    @contextmanager
    def open(self, **settings: Any) -> Iterator[SyncLink]:  # noqa: ANN401 see `writer`
        """Run a writer, and connect to it; at the end it is stopped."""
        writer = self.writer(**settings)
        thread = Thread(target=writer.run)
        thread.start()
        try:
            with SyncLink(self.socket, timeout_s=20) as link:
                yield link
                link.stop()
        except BaseException:
            writer.stop()
            raise
        finally:
            thread.join(20)
            assert not thread.is_alive()

    def engine(self) -> Engine:
        """Return what the journal holds, opened anew."""
        with open_for_writer(str(self.data / "journal.db")) as journal:
            venue = kept_venue(self.data)
            return Engine.recover(kept_rulebook(self.data), journal, market=venue.market())

    def snapshot(self, path: Path) -> None:
        """Write a snapshot of what the journal holds."""
        with open_for_writer(str(self.data / "journal.db")) as journal:
            Engine.recover(kept_rulebook(self.data), journal).write_snapshot(path)

    def _opened(self, target: str) -> StoredJournal:
        if self.no_opening:
            raise self.no_opening.pop(0)
        return FaultyJournal(self.opener(target), self.faults)


def named(*names: str) -> list[m.Item]:
    """Return commands that open accounts, each with its own key."""
    return [item(c.OpenAccount(name=name), key=f"open {name}") for name in names]


def statuses(outcomes: Sequence[m.Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


class RawPeer:
    """A connection without manners: for turns taken by hand, and for what is no frame."""

    def __init__(self, house: House) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(20)
        self._socket.connect(str(house.socket))
        self._frames = FrameReader()
        self._answers: list[m.Answer] = []

    def send(self, *requests: m.Request) -> None:
        self.send_bytes(b"".join(framed(m.encoded_message(request)) for request in requests))

    def send_bytes(self, piece: bytes) -> None:
        self._socket.sendall(piece)

    def receive(self, count: int) -> list[m.Answer]:
        """Return so many answers, the greeting not counted."""
        while len(self._answers) < count:
            piece = self._socket.recv(65_536)
            assert piece, "the writer hung up"
            answers = [m.answer_of(payload) for payload in self._frames.feed(piece)]
            self._answers += [x for x in answers if not isinstance(x, m.Hello)]
        found, self._answers = self._answers[:count], self._answers[count:]
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()


def rounds(writer: Writer, count: int) -> None:
    """Let a writer that runs in no thread go round."""
    for _ in range(count):
        writer._once()  # noqa: SLF001 the loop, by hand


def ended(writer: Writer) -> None:
    """Let it finish."""
    writer.stop()
    writer.run()
