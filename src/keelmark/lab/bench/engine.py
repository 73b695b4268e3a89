"""The engine over a large fleet: fills with their wires, funding, snapshot, recovery."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from keelmark.book.kernels.fleet import RATE_SCALE
from keelmark.book.records import POSTING
from keelmark.book.totals import totals
from keelmark.engine.commands import PostFunding
from keelmark.engine.engine import Engine
from keelmark.engine.events import Posted
from keelmark.engine.execution import MarkMarket
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.engine.recovery import reading, replay
from keelmark.engine.snapshot import load
from keelmark.engine.watch import Watch
from keelmark.lab.bench.fleet import Outside, fleet_engine, positions_count
from keelmark.lab.bench.postings import BATCH, random_fills
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.venue import Shape, bench_rulebook
from keelmark.lab.bench.watched import require


@dataclass(frozen=True, slots=True, eq=False)
class Venue:
    """An engine with a fleet and its files."""

    shape: Shape
    engine: Engine
    journal: SqliteJournal
    snapshot: Path

    @property
    def data(self) -> str:
        """The shape of the data, in words."""
        return f"{self.shape}; {positions_count(self.engine.state):,} positions"


def engine_rows(size: Size) -> list[Row]:
    """Measure an engine on SQLite from funding to recovery, in this order."""
    shape = Shape(units=size.units, stages=("takeover",))
    with TemporaryDirectory() as folder, SqliteJournal(Path(folder) / "journal") as journal:
        engine = fleet_engine(shape, Outside(journal=journal))
        venue = Venue(shape, engine, journal, Path(folder) / "snapshot")
        funding = funding_row(venue, size)
        write = Stopwatch()
        with write:
            engine.write_snapshot(venue.snapshot)
        fills = fills_row(venue, size)
        return [funding, fills, *recovery_rows(venue, size, write)]


def funding_row(venue: Venue, size: Size) -> Row:
    """Post one funding instant of every contract, and give everybody the wires that follow."""
    engine = venue.engine
    instruments = engine.state.universe.instruments
    rows = tuple(range(len(instruments)))
    ticks = tuple(engine.state.ticks(row) for row in rows)
    watch = Stopwatch(cold=1)
    rng = np.random.default_rng(5)
    for _ in range(size.times(5, 2)):
        rates = rng.integers(-RATE_SCALE // 10_000, RATE_SCALE // 10_000, len(rows))
        command = PostFunding(instruments=rows, rates=tuple(rates.tolist()), ticks=ticks)
        with watch:
            engine.submit(command)
            engine.watch.rebuild()
    require(not any(totals(engine.state.book).residuals), "value conserved")
    engine.watch.index.check()
    return Row(
        name="funding",
        what="funding of every contract posted, durable, and every wire placed anew",
        value=watch.median,
        unit="s",
        bar=size.bar("<=", 2.0),
        timings=watch.timings(1.0),
        data=venue.data,
        checked="value conserved in every asset; every wire and reserve of the index",
    )


def fills_row(venue: Venue, size: Size) -> Row:
    """Submit fills in bulk: posted, wires moved, everybody who falls liquidated, durable."""
    rng = np.random.default_rng(9)
    watch = Stopwatch(cold=1)
    count = size.times(BATCH, 500)
    for _ in range(size.times(6, 2)):
        rows = random_fills(venue.engine.state, rng, count)
        with watch:
            venue.engine.submit_bulk(Posted(rows=rows))
    require(not any(totals(venue.engine.state.book).residuals), "value conserved")
    return Row(
        name="fills_engine",
        what="the same through the engine: wires moved, whoever falls liquidated",
        value=count * (len(watch.wall) - 1) / watch.total,
        unit="fills/s",
        timings=watch.timings(1e6, count=count, of="us a fill, a batch"),
        data=f"{venue.data}; batches of {count:,} fills",
        checked="value conserved in every asset",
    )


def recovery_rows(venue: Venue, size: Size, write: Stopwatch) -> list[Row]:
    """Open the engine again: snapshot, tail, wires; the digest must be the same."""
    digest = venue.engine.digest()
    rulebook = bench_rulebook(venue.shape)
    opening, tail, wiring = Stopwatch(), Stopwatch(), Stopwatch()
    with opening:
        found = load(venue.snapshot, rulebook, MarkMarket())
    fills = 0
    with tail, reading(venue.journal, after=found.notes.position) as batches:
        for position, records in batches:
            replay(found.state, MarkMarket(), records, position)
            fills += sum(len(r.payload) for r in records) // POSTING.itemsize
    with wiring:
        watch = Watch(found.state)
    again = Engine.recover(rulebook, venue.journal, snapshot=venue.snapshot)
    require(again.digest() == digest, "digest of the recovered engine")
    require(watch.suspects() == venue.engine.suspects(), "suspects of the recovered engine")
    data, checked = venue.data, "digest and suspects of the engine opened again"
    return [
        Row(
            name="snapshot_load",
            what="snapshot read, every byte and the digest checked",
            value=opening.total,
            unit="s",
            bar=size.bar("<=", 5.0),
            timings=opening.timings(1.0),
            note=f"{venue.snapshot.stat().st_size / 1e6:.0f} MB, written in {write.total:.2f} s",
            data=data,
            checked=checked,
        ),
        Row(
            name="recovery_wires",
            what="wires of everybody placed after recovery",
            value=wiring.total,
            unit="s",
            bar=size.bar("<=", 3.0),
            timings=wiring.timings(1.0),
            data=data,
            checked=checked,
        ),
        Row(
            name="recovery_tail",
            what="bulk events read from SQLite, checked and applied",
            value=fills / tail.total,
            unit="events/s",
            bar=size.bar(">=", 500e3),
            timings=tail.timings(1.0, of="s, the whole tail"),
            note=f"{fills:,} fills",
            data=data,
            checked=checked,
        ),
    ]
