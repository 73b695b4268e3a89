"""Measure the journal in PostgreSQL beside the one in a file.

`python -m benchmarks.journals.compare`, at the root of the repository.

`--postgres URL` names a database to measure (a schema `test_...` is made there and left);
without it a server of its own is started from the programs found here, with fsync on. Both stores
flush every commit to the same kind of device; the bare flush is printed beside them. One client,
over the loopback; nothing else is measured here than `append`, `append_many` and `read`.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from keelmark.engine.journal.open import StoredJournal, open_journal
from keelmark.engine.journal.port import Record
from tests.postgres import cluster, new_schema

SMALL = (Record(1, bytes(range(120))), Record(2, bytes(range(80))))
SINGLES = 2_000
GROUPED = 40_000
BULK_MB = 16
BULKS = 8


def seconds(action: Callable[[], object]) -> float:
    """Return how long something took."""
    start = perf_counter()
    action()
    return perf_counter() - start


def singles(journal: StoredJournal) -> np.ndarray:
    """Return the seconds of each durable append of one small batch."""
    position, taken = journal.position, []
    for _ in range(SINGLES):
        start = perf_counter()
        position = journal.append(SMALL, expected_position=position)
        taken.append(perf_counter() - start)
    return np.array(taken)


def grouped(journal: StoredJournal, size: int) -> float:
    """Return small batches a second, durable in groups."""
    group, start = [SMALL] * size, journal.position

    def run() -> None:
        for position in range(start, start + GROUPED, size):
            journal.append_many(group, expected_position=position)

    return GROUPED / seconds(run)


def bulk(journal: StoredJournal) -> float:
    """Return megabytes a second of large batches, each durable."""
    batch, start = (Record(3, os.urandom(BULK_MB * 10**6)),), journal.position

    def run() -> None:
        for position in range(start, start + BULKS):
            journal.append(batch, expected_position=position)

    return BULKS * BULK_MB / seconds(run)


def measure(name: str, journal: StoredJournal) -> None:
    """Print the row of one journal."""
    taken = singles(journal) * 1e3
    row = [f"{1e3 / taken.mean():,.0f}/s"]
    row += [f"{value:.2f}" for value in np.quantile(taken, (0.5, 0.99))]
    row += [f"{grouped(journal, size):,.0f}/s" for size in (10, 100, 1_000)]
    small = journal.position
    start = perf_counter()
    assert sum(1 for _ in journal.read(after=0)) == small  # noqa: S101 a figure is checked
    row.append(f"{small / (perf_counter() - start):,.0f}/s")
    row.append(f"{bulk(journal):,.0f}")
    took = seconds(lambda: sum(len(r[0].payload) for _, r in journal.read(after=small)))
    row.append(f"{BULKS * BULK_MB / took:,.0f}")
    print(f"| {name} | " + " | ".join(row) + " |", flush=True)


def bare_flush(folder: Path) -> float:
    """Return the median milliseconds of writing a page and flushing it to the device."""
    with (folder / "flush").open("wb", buffering=0) as file:
        taken = []
        for _ in range(500):
            start = perf_counter()
            file.write(bytes(8192))
            os.fsync(file.fileno())
            taken.append(perf_counter() - start)
    return float(np.median(taken)) * 1e3


@contextmanager
def database(url: str) -> Iterator[str]:
    """The URL of a schema of a database, the given one or a new server's."""
    if url:
        yield new_schema(url)
        return
    with cluster(is_durable=True) as server:
        yield new_schema(server.url)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", default="", help="a database, else a server of its own")
    url = parser.parse_args().postgres
    print("| journal | one | p50 ms | p99 ms | by 10 | by 100 | by 1,000 | read | MB/s in | out |")
    print("| --- " * 10 + "|")
    with TemporaryDirectory() as folder:
        with open_journal(Path(folder) / "journal") as journal:
            measure("SQLite", journal)
        with database(url) as target, open_journal(target) as journal:
            measure("PostgreSQL", journal)
        print(f"\nbare flush of 8 kB: {bare_flush(Path(folder)):.2f} ms")


if __name__ == "__main__":
    main()
