"""What the API asks of the writer; `service.link` speaks to it over a socket."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from keelmark.engine.events import MarksSet
from keelmark.service.link.messages import Batch, Counters, Item, Outcome, Subscribed


class WriterLink(Protocol):
    """The writer, as the API sees it; `link.async_link.AsyncLink` is one."""

    @property
    def is_connected(self) -> bool:
        """Whether the writer is there."""

    async def submit(self, items: Sequence[Item]) -> tuple[Outcome, ...]:
        """Carry out commands; return what became of each."""

    async def marks(self, marks: MarksSet) -> Outcome:
        """Carry out a stream of snapshots."""

    async def status(self) -> Counters:
        """Ask how the writer is."""

    def batches(self) -> AsyncIterator[Subscribed | Batch]:
        """Yield every durable batch from now on, `Subscribed` before each unbroken run of them."""
