"""A small venue with its API in one process, for tests; run it to look at the API by hand.

python -m tests.service.api.venue_app [PORT]
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from keelmark.core.errors import InvalidInput, Rejected
from keelmark.engine.engine import Engine, Receipt
from keelmark.engine.events import MarksSet
from keelmark.service.api.app import create_app
from keelmark.service.api.logs import start_logs
from keelmark.service.api.routers import ReadingRoutes
from keelmark.service.api.server import Place, server_of
from keelmark.service.api.services import Clock, VenueServices
from keelmark.service.api.settings import ApiSettings
from keelmark.service.folder import Folder
from keelmark.service.link.commands import command_of
from keelmark.service.link.failures import refused
from keelmark.service.link.messages import Batch, Counters, Item, Outcome, Subscribed
from keelmark.service.reading import EngineReader
from keelmark.service.security.audit import AuditTrail
from keelmark.service.security.keys import KeyRing
from keelmark.service.security.roles import Role
from tests.engine.venue import Venue

BASE = "http://localhost"
NOW_MS = 1_760_000_000_000


class DirectLink:
    """Submits to an engine of this process, as the writer would.

    Attributes:
        is_connected: Whether the writer is said to be there.
        answer: Given to whatever is asked, in place of the engine's own.
        items: Everything that was submitted.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listeners: set[asyncio.Queue[Batch]] = set()
        self.is_connected = True
        self.answer: Outcome | None = None
        self.items: list[Item] = []

    async def submit(self, items: Sequence[Item]) -> tuple[Outcome, ...]:
        self.items += items
        return tuple(self._carried_out(self._submission(item)) for item in items)

    async def marks(self, marks: MarksSet) -> Outcome:
        return self._carried_out(lambda: self._engine.submit_marks(marks))

    async def status(self) -> Counters:
        time_ms, position = self._engine.state.time_ms, self._engine.position
        return Counters(id=0, position=position, time_ms=time_ms, is_behind=False, counters={})

    async def batches(self) -> AsyncIterator[Subscribed | Batch]:
        queue: asyncio.Queue[Batch] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield Subscribed(id=0, position=self._engine.position)
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def _submission(self, item: Item) -> Callable[[], object]:
        return lambda: self._engine.submit(command_of(item.command), key=item.key)

    def _carried_out(self, act: Callable[[], object]) -> Outcome:
        if self.answer is not None:
            return self.answer
        before, state = self._engine.position, self._engine.state
        try:
            receipt = act()
        except (Rejected, InvalidInput) as error:
            return refused(error, self._engine.position)
        if isinstance(receipt, Receipt) and receipt.is_repeated:
            return Outcome(status="repeated", position=receipt.position)
        batches = list(self._engine.journal.read(after=before))
        for position, records in batches:
            for queue in self._listeners:
                batch = Batch(position=position, time_ms=state.time_ms, records=records)
                queue.put_nowait(batch)
        events = tuple(record for _, records in batches for record in records)
        return Outcome(status="done", position=self._engine.position, events=events)


@dataclass
class Hand:
    """The clocks of a test, moved by hand."""

    now: int = NOW_MS

    def clock(self) -> Clock:
        return Clock(now_ms=lambda: self.now, running_s=lambda: self.now / 1000)


class ApiVenue:
    """A venue, its API, and a key of each role.

    Attributes:
        venue: The venue behind it.
        link: Stands for the writer.
        services: What the routes work with.
        app: The application.
        texts: Key of each role.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: ApiSettings | None = None,
        hand: Hand | None = None,
        with_views: bool = False,
        venue: Venue | None = None,
    ) -> None:
        self.folder = folder
        self.hand = hand or Hand()
        self.venue = venue or Venue()
        self.link = DirectLink(self.venue.engine)
        keys = KeyRing(folder / "keys.json")
        self.services = VenueServices(
            reader=EngineReader(self.venue.engine),
            link=self.link,
            history=lambda after: self.venue.engine.journal.read(after=after),
            keys=keys,
            trail=AuditTrail(folder / "audit.jsonl", now_ms=self.hand.now),
            settings=settings or ApiSettings(),
            clock=self.hand.clock(),
        )
        self.texts = {
            role: keys.create(f"the {role}", role, now_ms=self.hand.now).text for role in Role
        }
        self.reading: ReadingRoutes | None = None
        if with_views:
            reader, journal = self.services.reader, self.venue.engine.journal
            self.reading = ReadingRoutes.of(reader, journal, self.link, Folder(folder))
        routers = self.reading.routers if self.reading is not None else ()
        self.app = create_app(self.services, routers)

    def client(self, role: Role | None = Role.RISK_ADMIN, base: str = BASE) -> httpx.AsyncClient:
        """Return a client with a key of a role, or with none."""
        headers = {"Authorization": f"Bearer {self.texts[role]}"} if role else {}
        transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 1234))
        return httpx.AsyncClient(transport=transport, base_url=base, headers=headers)

    def ask(self, method: str, path: str, role: Role | None = Role.RISK_ADMIN, **more: Any) -> Any:  # noqa: ANN401 an answer
        """Send one request and return the answer."""

        async def asked() -> httpx.Response:
            async with self.client(role) as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())


def main() -> None:
    """Serve a venue with two accounts until interrupted; print where, and a key of each role."""
    start_logs()
    folder = Path(tempfile.mkdtemp())
    api = ApiVenue(folder, with_views=True)
    venue = api.venue
    alice, bob = (venue.open(name, USDT=1_000) for name in ("alice", "bob"))
    venue.marks(A=100.0, B=50.0)
    venue.trade(alice, bob, "A", 20, 100)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    for role, text in api.texts.items():
        sys.stdout.write(f"http://127.0.0.1:{port}/#key={text}  {role}\n")
    sys.stdout.flush()
    server_of(api.app, Place(port=port), api.services.settings.limits).run()


if __name__ == "__main__":
    main()
