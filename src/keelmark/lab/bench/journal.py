"""What one acknowledgement costs: the flush to the device, single commands, groups of them."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from keelmark.engine.journal.port import Record
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require

COMMAND = Record(0, bytes(range(120)))
BLOCK = bytes(4096)
GROUPS = ((1, 200), (100, 100), (1000, 30))


def journal_rows(size: Size) -> list[Row]:
    """Measure durable appends in the file system of temporary files."""
    with TemporaryDirectory() as folder:
        rows = [flush_row(Path(folder) / "flush", size)]
        rows += [group_row(Path(folder), group, size.times(n, 3)) for group, n in GROUPS]
    return rows


def flush_row(path: Path, size: Size) -> Row:
    """Append a block to a file and flush it: what an acknowledgement costs at least."""
    watch = Stopwatch(cold=1)
    with path.open("wb", buffering=0) as file:
        for _ in range(size.times(100, 4)):
            with watch:
                file.write(BLOCK)
                os.fsync(file.fileno())
    return Row(
        name="journal_flush",
        what="4 KB appended to a file and flushed to the device",
        value=1e3 * watch.median,
        unit="ms",
        timings=watch.timings(1e3),
        note="the disk decides; what follows contains one of these an acknowledgement",
    )


def group_row(folder: Path, group: int, runs: int) -> Row:
    """Append single commands, `group` of them in one transaction."""
    watch = Stopwatch(cold=1)
    batches = [(COMMAND,)] * group
    with SqliteJournal(folder / f"group-{group}") as journal:
        for run in range(runs):
            with watch:
                journal.append_many(batches, expected_position=group * run)
        read = sum(records == (COMMAND,) for _, records in journal.read(after=0))
    require(read == group * runs, "commands read back")
    return Row(
        name=f"journal_group_{group}",
        what=f"single commands of 120 bytes acknowledged, {group} in one transaction",
        value=group * (runs - 1) / watch.total,
        unit="commands/s",
        timings=watch.timings(1e3, of="ms a transaction"),
        checked="every command read back, the chain of checksums whole",
    )
