"""How fast the SQLite journal acknowledges and reads back, and what its flush costs.

Single commands are records of 120 bytes, one a batch; a bulk command is 200,000 fills in columns
(unit, instrument, lots, value, fee: 32 bytes a fill). "Acknowledged" is after the flush to the
device: figures depend on the disk first, so the cost of a bare flush is given beside them.
Excluded: decoding single commands and applying anything.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from keelmark.engine.journal.columnar import pack, unpack
from keelmark.engine.journal.port import Record
from keelmark.engine.journal.sqlite import SqliteJournal

COMMAND = Record(1, bytes(range(120)))
BULK_FILLS = 200_000
BULK_KIND = 2

Figures = dict[str, float]


def durations(call: Callable[[], object], runs: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the seconds of each of `runs` calls."""
    seconds = np.empty(runs)
    for i in range(runs):
        start = perf_counter()
        call()
        seconds[i] = perf_counter() - start
    return seconds


def summary(seconds: np.ndarray[Any, np.dtype[np.float64]], records: int) -> Figures:
    """Return the rate of `records` a call, and how long a call takes."""
    return {
        "records_per_s": records * len(seconds) / float(seconds.sum()),
        "append_ms_p50": 1e3 * float(np.median(seconds)),
        "append_ms_p99": 1e3 * float(np.quantile(seconds, 0.99)),
    }


def bare_flush(folder: Path, runs: int = 200) -> Figures:
    """Append 4 KB to a file and flush it: what one acknowledgement costs at least here."""
    block = bytes(4096)
    with (folder / "flush").open("wb", buffering=0) as file:

        def flush() -> None:
            file.write(block)
            os.fdatasync(file.fileno())

        seconds = durations(flush, runs)
    return {"flush_ms_p50": 1e3 * float(np.median(seconds))}


def group_commit(folder: Path, group: int, runs: int) -> Figures:
    """Single commands, `group` of them in one transaction."""
    batches = [(COMMAND,)] * group
    with SqliteJournal(folder / f"group-{group}.sqlite") as journal:
        position = 0

        def append() -> None:
            nonlocal position
            position = journal.append_many(batches, expected_position=position)

        seconds = durations(append, runs)
        assert journal.position == group * runs
    return summary(seconds, group)


def fills(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return a bulk command of random fills."""
    rng = np.random.default_rng(seed)
    return {
        "unit": rng.integers(0, 1_000_000, BULK_FILLS, "i4"),
        "instrument": rng.integers(0, 200, BULK_FILLS, "i4"),
        "lots": rng.integers(-1000, 1000, BULK_FILLS, "i8"),
        "value": rng.integers(-(2**40), 2**40, BULK_FILLS, "i8"),
        "fee": rng.integers(0, 2**20, BULK_FILLS, "i8"),
    }


def bulk_append(path: Path, runs: int) -> Figures:
    """Pack and append bulk commands, one durable batch each."""
    arrays = fills(7)
    with SqliteJournal(path) as journal:
        position = 0

        def append() -> None:
            nonlocal position
            record = Record(BULK_KIND, pack(1, arrays, {"batch": position}))
            position = journal.append((record,), expected_position=position)

        return summary(durations(append, runs), BULK_FILLS)


def bulk_read(path: Path, runs: int) -> Figures:
    """Open the journal, read every bulk command, check it whole and sum its lots."""
    expected = int(fills(7)["lots"].sum()) * runs
    start = perf_counter()
    total = 0
    with SqliteJournal(path) as journal:
        for _, (record,) in journal.read(after=0):
            total += int(unpack(record.payload).arrays["lots"].sum())
    seconds = perf_counter() - start
    assert total == expected
    return {"events_per_s": BULK_FILLS * runs / seconds}


def single_read(path: Path, count: int) -> Figures:
    """Open the journal and read every single command."""
    start = perf_counter()
    with SqliteJournal(path) as journal:
        found = sum(len(records) for _, records in journal.read(after=0))
    assert found == count
    return {"records_per_s": count / (perf_counter() - start)}


def report(folder: Path) -> dict[str, Figures]:
    """Return every figure, by what was measured."""
    figures = {"bare flush": bare_flush(folder)}
    for group, runs in ((1, 500), (100, 200), (1000, 50)):
        figures[f"single commands, groups of {group}"] = group_commit(folder, group, runs)
    figures["single commands, read back"] = single_read(folder / "group-1000.sqlite", 50_000)
    figures["bulk of 200,000 fills"] = bulk_append(folder / "bulk.sqlite", 30)
    figures["bulk, read back"] = bulk_read(folder / "bulk.sqlite", 30)
    return figures


def main() -> None:
    """Print the figures as JSON, measured in the working directory's file system."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        print(json.dumps(report(Path(folder)), indent=2))


if __name__ == "__main__":
    main()
