"""A folder as a service keeps it, with the engine of its writer in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keelmark.engine import commands as c
from keelmark.engine.engine import Engine
from keelmark.engine.execution import ExternalVenue, MarkMarket
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.service.columns.publisher import Publisher
from keelmark.service.follower.follower import Follower
from keelmark.service.follower.settings import FollowerSettings
from keelmark.service.venue import Execution, Venue, begin_venue, kept_rulebook
from tests.engine.venue import ROUND, merged, rulebook


class Served:
    """A writer without a process: an engine on a journal of the folder, published."""

    def __init__(self, data: Path, *, is_external: bool = False) -> None:
        self.data = data
        (data / "run").mkdir(parents=True, exist_ok=True)
        execution: Execution = "external" if is_external else "simulated"
        text = rulebook(merged(ROUND, {}))
        begin_venue(data, text, Venue(reference="round", rulebook=text.name, execution=execution))
        self.journal = SqliteJournal(data / "journal.db")
        self.engine = Engine(
            kept_rulebook(data),
            journal=self.journal,
            market=ExternalVenue() if is_external else MarkMarket(),
        )
        self.publisher = Publisher(self.engine, data / "run")

    def do(self, *commands: Any) -> None:  # noqa: ANN401 commands
        for command in commands:
            self.engine.submit(command)
        self.publisher.publish()

    def open(self, name: str, quanta: int) -> int:
        self.do(c.OpenAccount(name=name))
        unit = self.engine.state.book.units_count - 1
        self.do(c.Deposit(unit=unit, asset=0, quanta=quanta))
        return unit

    def prices(self, **marks: str) -> None:
        self.engine.submit_prices(self.engine.state.time_ms + 1_000, marks=marks)
        self.publisher.publish()

    def settings(self, **changes: Any) -> FollowerSettings:  # noqa: ANN401 any setting
        values: dict[str, Any] = {"data": str(self.data), "batches": 5} | changes
        return FollowerSettings(**values)

    def follower(self, **changes: Any) -> Follower:  # noqa: ANN401 any setting
        self.told: list[tuple[str, dict[str, Any]]] = []
        return Follower(self.settings(**changes), lambda event, **f: self.told.append((event, f)))

    def close(self) -> None:
        self.publisher.close()
        self.journal.close()


@contextmanager
def served(data: Path, **options: bool) -> Iterator[Served]:
    venue = Served(data, **options)
    try:
        yield venue
    finally:
        venue.close()


def busy(venue: Served) -> tuple[int, int]:
    """Open two accounts, trade, and let one be liquidated in part."""
    long, short = venue.open("long", 1_100), venue.open("short", 10**6)
    venue.prices(A="1000", B="1000")
    venue.do(
        c.Fill(unit=long, counterparty=short, instrument=0, lots=10, ticks=1000),
        c.ReserveOrder(unit=short, order=1, instrument=1, lots=5, ticks=900),
    )
    venue.prices(A="930")
    return long, short
