"""A journal's file with a stretch of it overwritten: damaged, whatever SQLite makes of it."""

import shutil
from pathlib import Path

from keelmark.core.errors import KeelmarkError
from keelmark.engine.journal.port import Record
from keelmark.engine.journal.schema import PAGE_BYTES
from keelmark.engine.journal.sqlite import SqliteJournal

BATCHES = 200


def test_an_overwritten_stretch_gives_what_was_written_or_an_error_of_ours(tmp_path: Path) -> None:
    written = [(Record(1, bytes([number % 256]) * 60),) for number in range(BATCHES)]
    with SqliteJournal(tmp_path / "journal.db") as journal:
        journal.append_many(written, expected_position=0)
    size = (tmp_path / "journal.db").stat().st_size
    for at in range(100, size, PAGE_BYTES // 16):
        for filler in (b"\xff", b"\x81"):
            assert read_back(tmp_path, at, filler) in (written, "refused"), at


def read_back(folder: Path, at: int, filler: bytes) -> object:
    """Return what a journal gives, or that it refused, with a stretch of it overwritten."""
    copy = folder / "copy.db"
    shutil.copyfile(folder / "journal.db", copy)
    with copy.open("r+b") as file:
        file.seek(at)
        file.write(filler * 300)
    try:
        with SqliteJournal(copy) as journal:
            return [records for _, records in journal.read(after=0)]
    except KeelmarkError:
        return "refused"
    finally:
        for path in folder.glob("copy.db*"):
            path.unlink()
