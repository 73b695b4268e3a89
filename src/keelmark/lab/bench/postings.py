"""How fast fills are posted: in memory, made durable on SQLite, and through the whole engine."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from keelmark.book.book import LIQUIDITY, Book
from keelmark.book.postings import fill_values, post
from keelmark.book.records import FILL, POSTING
from keelmark.book.totals import totals
from keelmark.engine.codec import event_of, record_of
from keelmark.engine.events import Posted
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.engine.state import State
from keelmark.lab.bench.fleet import fleet_state, positions_count
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.venue import Shape
from keelmark.lab.bench.watched import require

Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.void]

BATCH = 200_000
FEE_PARTS = 2_000
"""A fee is the value over this: 5 bp."""


def random_fills(state: State, rng: np.random.Generator, count: int) -> Rows:
    """Return fills of random clients in contracts they hold: they grow, shrink, close and flip."""
    book = state.book
    first = len(book.in_house)
    rows = np.zeros(count, POSTING)
    rows["kind"], rows["counterparty"] = FILL, LIQUIDITY
    rows["unit"] = rng.integers(first, book.units_count, count)
    rows["subject"] = _held(book, rows["unit"], rng)
    rows["lots"] = rng.integers(1, 100, count) * rng.choice([-1, 1], count)
    instruments = state.universe.instruments[rows["subject"]]
    marks = state.prices[instruments["mark_factor"]] / instruments["price_unit"]
    ticks = np.rint(marks * rng.uniform(0.995, 1.005, count)).astype(np.int64)
    rows["value"] = fill_values(book, rows["subject"], rows["lots"], ticks)
    rows["fee"] = np.abs(rows["value"]) // FEE_PARTS
    return rows


def _held(book: Book, units: Int64s, rng: np.random.Generator) -> Int64s:
    """Return a random contract that each unit holds, the first where it holds none."""
    heads = book.units[units]
    counts = heads["positions_count"].astype(np.int64)
    at = heads["positions_start"] + rng.integers(0, 2**30, len(units)) % np.maximum(counts, 1)
    found: Int64s = np.where(counts > 0, book.positions.rows["instrument"][at], 0).astype("i8")
    return found


def postings_rows(size: Size) -> list[Row]:
    """Measure fills in memory, and with their journal records durable."""
    shape = Shape(units=size.units)
    state = fleet_state(shape)
    rng = np.random.default_rng(3)
    count, runs = size.times(BATCH, 500), size.times(8, 2)
    memory, durable = Stopwatch(cold=1), Stopwatch(cold=1)
    rows = random_fills(state, rng, 0)
    for _ in range(runs):
        rows = random_fills(state, rng, count)
        with memory:
            post(state.book, rows)
    with TemporaryDirectory() as folder, SqliteJournal(Path(folder) / "journal") as journal:
        for position in range(runs):
            rows = random_fills(state, rng, count)
            with durable:
                journal.append((record_of(Posted(rows=rows)),), expected_position=position)
                post(state.book, rows)
        last = [event_of(records[0]).rows for _, records in journal.read(after=runs - 1)]
        require(last[0] == rows, "fills read back from the journal")
    require(not any(totals(state.book).residuals), "value conserved")
    data = f"{shape}; {positions_count(state):,} positions; batches of {count:,} fills with fees"
    checked = "vault less every claim is zero in every asset"
    return [
        Row(
            name="fills_memory",
            what="fills posted in memory, exact, all or nothing",
            value=count * (runs - 1) / memory.total,
            unit="fills/s",
            bar=size.bar(">=", 1e6),
            timings=memory.timings(1e9, count=count, of="ns a fill, a batch"),
            data=data,
            checked=checked,
        ),
        Row(
            name="fills_durable",
            what="fills posted and durable on SQLite in bulk (synchronous=FULL)",
            value=count * (runs - 1) / durable.total,
            unit="fills/s",
            bar=size.bar(">=", 200e3),
            timings=durable.timings(1e9, count=count, of="ns a fill, a batch"),
            data=data,
            checked=f"{checked}; the last batch read back byte for byte",
            note="wires are not moved here: fills_engine has them",
        ),
    ]
