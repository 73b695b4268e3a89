"""A data folder with a fleet in it, as a service that has run for a while would leave it."""

import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from keelmark.engine.journal.open import open_journal
from keelmark.lab.bench.fleet import Outside, fleet_engine, positions_count
from keelmark.lab.bench.venue import Shape, bench_rulebook, price_units
from keelmark.service.times import now_ms
from keelmark.service.venue import Venue, begin_venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What was put into a folder.

    Attributes:
        folder: Where.
        shape: The fleet.
        positions: How many it holds.
        first_unit: Unit of the first account.
        prices: The price column.
        marks, lots: Opening mark and lot of each contract, in words.
        seconds: How long it took.
    """

    folder: Path
    shape: Shape
    positions: int
    first_unit: int
    prices: tuple[float, ...]
    marks: tuple[str, ...]
    lots: tuple[str, ...]
    seconds: float


def prepare(folder: Path, shape: Shape, *, journal: str = "") -> Prepared:
    """Begin a folder with a fleet, its events in the journal, a snapshot at their end."""
    begun = time.perf_counter()
    folder.mkdir(mode=0o700, parents=True)
    rulebook = bench_rulebook(shape)
    about = Venue(reference="bench", rulebook=rulebook.name)
    begin_venue(folder, rulebook, about)
    kept = open_journal(journal or str(folder / "journal.db"))
    outside = Outside(journal=kept, market=about.market(), time_ms=now_ms())
    engine = fleet_engine(shape, outside)
    snapshots = folder / "snapshots"
    snapshots.mkdir(mode=0o700)
    engine.write_snapshot(snapshots / f"{engine.position:016}.snapshot")
    kept.close()
    state = engine.state
    opening = list(zip(*(column.tolist() for column in price_units(shape)), strict=True))
    return Prepared(
        folder=folder,
        shape=shape,
        positions=positions_count(state),
        first_unit=len(state.book.in_house),
        prices=tuple(state.prices.tolist()),
        marks=tuple(f"{Decimal(ticks).scaleb(exponent):f}" for ticks, exponent in opening),
        lots=tuple(f"{Decimal(1).scaleb(-exponent - 4):f}" for _, exponent in opening),
        seconds=time.perf_counter() - begun,
    )
