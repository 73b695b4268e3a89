"""What happens at a venue, every batch once: from its writer's link, else from the journal.

The link tells what becomes durable while it is there. What became so before, or is too large for
the link, is read from the journal, after the position up to which everything was heard.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from keelmark.core.errors import CorruptJournal, KeelmarkError, PositionConflict
from keelmark.engine.codec import MESSAGE
from keelmark.engine.journal.open import Access, open_journal
from keelmark.engine.journal.port import Record
from keelmark.engine.recovery import reading
from keelmark.service.alerts.venue import Happening, happening_of
from keelmark.service.events_json.topics import Topic
from keelmark.service.events_json.write import EventWriter
from keelmark.service.link import messages as m
from keelmark.service.reading import Reader

AGAIN_S = 1.0
"""Between two tries to read a journal that is away."""

TOPICS = frozenset(
    (
        Topic.LIQUIDATIONS,
        Topic.ORDERS,
        Topic.ADL,
        Topic.FUND,
        Topic.PRICES,
        Topic.ADMIN,
        Topic.CASH,
    )
)
"""What holds all that is told."""

Batches = Iterator[tuple[int, tuple[Record, ...]]]
History = Callable[[int], AbstractContextManager[Batches]]
"""Reads the journal after a position."""


class Link(Protocol):
    """What is asked of the link to a writer."""

    def subscribe(self, after: int = 0) -> int:
        """Ask for every batch from now on; return the position they follow on."""

    def batches(self) -> Iterator[m.Batch]:
        """Yield batches as they come."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a batch held for operators.

    Attributes:
        position: Everything up to here has been heard.
        happenings: What happened, and to whom.
    """

    position: int
    happenings: tuple[Happening, ...] = ()


@dataclass(slots=True, kw_only=True)
class Hearing:
    """Hears every batch once, in order.

    Attributes:
        reader: Names, and who is warned.
        history: The journal.
        hear: Called with every batch.
        position: Up to where everything was heard.
        stopped: Ends it.
        complained: Called with why the journal cannot be read.
    """

    reader: Reader
    history: History
    hear: Callable[[Heard], None]
    position: int
    stopped: Event = field(default_factory=Event)
    complained: Callable[[str], None] = lambda _: None
    _writer: EventWriter = field(init=False)

    def __post_init__(self) -> None:
        self._writer = EventWriter(self.reader)

    def follow(self, link: Link) -> None:
        """Hear what a writer makes durable, and first what it did before, until it hangs up.

        Raises:
            LinkLost: The writer is gone.
            KeelmarkError: What is published cannot be read at present.
        """
        with suppress(KeelmarkError):  # what cannot be read is asked for again below, and said
            self._read()  # most of what was missed, before the writer has to wait for it
        self._read_to(link.subscribe(self.position))
        for batch in link.batches():
            if self.stopped.is_set():
                return
            self._read_to(batch.position - 1 if batch.records is not None else batch.position)
            if batch.records is not None:
                self._take(batch.position, batch.records)

    def _read_to(self, last: int) -> None:
        """Hear what the journal holds up to a position; one that is away is waited for."""
        problem = ""
        while self.position < last and not self.stopped.is_set():
            try:
                self._read(last)
            except CorruptJournal as error:  # no patience mends it
                self.complained(f"what happened up to {last} cannot be told: {error}")
                self._pass(last)
            except KeelmarkError as error:
                if str(error) != problem:
                    self.complained(f"what happened up to {last} is told later: {error}")
                problem = str(error)
            if self.position < last:
                self.stopped.wait(AGAIN_S)

    def _read(self, last: int | None = None) -> None:
        """Hear what the journal holds now, at most up to a position."""
        try:
            with self.history(self.position) as batches:
                for position, records in batches:
                    self._take(position, records)
                    if position == last or self.stopped.is_set():
                        return
        except PositionConflict as error:  # an older copy of the journal was put back
            self._pass(error.actual)

    def _take(self, position: int, records: Sequence[Record]) -> None:
        """Hear one batch, if it has not been heard."""
        if position <= self.position:
            return
        found = [record for record in records if record.kind == MESSAGE]
        try:
            told = self._writer.tell(position, found, TOPICS)
            happened = [happening_of(e.body, self._warned(e.body)) for e in told]
        except KeelmarkError:
            raise
        except Exception as error:  # noqa: BLE001 one batch must not make it deaf to the others
            self.complained(f"batch {position} cannot be told: {type(error).__name__}; report it")
            happened = []
        self._pass(position, tuple(x for x in happened if x is not None))

    def _pass(self, position: int, happenings: tuple[Happening, ...] = ()) -> None:
        self.position = position
        self.hear(Heard(position, happenings))

    def _warned(self, body: Mapping[str, Any]) -> list[str]:
        """Return the account of a deposit if it stands at a warning level."""
        unit = body.get("unit")
        is_warned = isinstance(unit, int) and unit in self.reader.state.levels
        return [str(body.get("account"))] if is_warned else []


def history_of(address: str | Path) -> History:
    """Return what reads a journal; it is opened each time, and holds nothing in between."""

    @contextmanager
    def read(after: int) -> Iterator[Batches]:
        with (
            open_journal(address, Access.READER) as journal,
            reading(journal, after=after) as batches,
        ):
            yield batches

    return read
