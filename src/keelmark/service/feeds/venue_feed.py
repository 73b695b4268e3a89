"""Stream a venue's prices to the writer: gathered, sent on one beat, gaps told with reasons."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from keelmark.core.bound import FactorKind
from keelmark.rulebooks.load import Rulebook
from keelmark.service.feeds.marks import Gathering, Snapshot
from keelmark.service.feeds.venue_prices import VenuePrices

BEAT_S = 0.05
"""How often prices are sent; what changes in between is one snapshot of each time."""

Told = Callable[[str], None]


class Sink(Protocol):
    """Takes snapshots; the link to the writer."""

    async def send(self, snapshot: Snapshot) -> str:
        """Send one snapshot; return why it was not taken, empty where it was."""


@dataclass(slots=True, kw_only=True)
class VenueFeed:
    """Feeds a writer with a venue's prices.

    Attributes:
        prices: Where they come from.
        gathering: What is kept until the next beat.
        sink: Where they go.
        told: Hears what went wrong, once a reason.
        beat_s: Seconds between two snapshots.
    """

    prices: VenuePrices
    gathering: Gathering
    sink: Sink
    told: Told = lambda _: None
    beat_s: float = BEAT_S
    _last_problem: str = field(default="")

    async def run(self) -> None:
        """Feed until cancelled."""
        beat = asyncio.create_task(self._send_on())
        try:
            async for found in self.prices.changes():
                self.gathering.add(found)
                if beat.done():
                    await beat
        finally:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat
            await self.prices.close()

    async def _send_on(self) -> None:
        while True:
            await asyncio.sleep(self.beat_s)
            snapshots = self.gathering.take()
            if not snapshots:
                continue
            problems = await asyncio.gather(*map(self.sink.send, snapshots))
            problem = next(filter(None, problems), "")
            if problem and problem != self._last_problem:
                self.told(problem)
            self._last_problem = problem


def gathering_of(rulebook: Rulebook) -> Gathering:
    """Return what an engine under a rulebook reads of a stream."""
    factors = rulebook_factors(rulebook)
    indices = {name for kind, name in factors if kind is FactorKind.INDEX}
    return Gathering(
        indices={_coin_of(name, rulebook): name for name in indices},
        assets=frozenset(name for kind, name in factors if kind is FactorKind.ASSET),
    )


def rulebook_factors(rulebook: Rulebook) -> list[tuple[FactorKind, str]]:
    """Return kind and name of every price an engine under a rulebook reads."""
    from keelmark.book.universe import Universe  # noqa: PLC0415 heavy

    return [(f.kind, f.name) for f in Universe.build(rulebook.model).factors]


def _coin_of(index: str, rulebook: Rulebook) -> str:
    """Return the coin an index price is of: of the instrument that reads it, or itself."""
    terms = rulebook.model.instruments.get(index)
    return index if terms is None else terms.instrument.base
