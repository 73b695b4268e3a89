"""What the journal tests share: records, batches, and reading until the end or the damage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

from keelmark.core.errors import KeelmarkError
from keelmark.engine.journal.port import Record
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings

Batches = list[tuple[Record, ...]]
COMPANIONS = ("", "-wal", "-shm", "-acked")
QUICK = SqliteSettings(wait_s=0.05)


def record(number: int, size: int = 12) -> Record:
    return Record(number % 100, (b"%06d" % number) * (size // 6))


def batches(count: int, size: int = 12) -> Batches:
    """Batches of 0 to 4 records, every record different."""
    return [tuple(record(10 * i + j, size) for j in range(i % 5)) for i in range(1, count + 1)]


def written(path: Path, content: Batches) -> Path:
    with SqliteJournal(path) as journal:
        for position, batch in enumerate(content):
            journal.append(batch, expected_position=position)
    return path


@contextmanager
def crash_image(path: Path, content: Batches) -> Iterator[Path]:
    """The files as a killed process leaves them: nothing moved out of the write-ahead log."""
    with SqliteJournal(path) as journal:
        for position, batch in enumerate(content):
            journal.append(batch, expected_position=position)
        yield copied(path, path.with_name("image.sqlite"))


def beside(path: Path, companion: str) -> Path:
    return path.with_name(path.name + companion)


def copied(path: Path, target: Path) -> Path:
    """Copy a journal with its companions over whatever is at the target."""
    for companion in COMPANIONS:
        beside(target, companion).unlink(missing_ok=True)
        if beside(path, companion).exists():
            copyfile(beside(path, companion), beside(target, companion))
    return target


@dataclass(frozen=True)
class Outcome:
    """What reading gave before it ended or failed."""

    found: Batches
    error: KeelmarkError | None


def outcome(path: Path) -> Outcome:
    found: Batches = []
    try:
        with SqliteJournal(path, QUICK) as journal:
            for position, records in journal.read(after=0):
                found.append(records)
                assert position == len(found)
    except KeelmarkError as error:
        return Outcome(found, error)
    return Outcome(found, None)
