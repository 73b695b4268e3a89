"""Open the engine of a folder: the latest good snapshot and the journal after it."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keelmark.core.errors import (
    CorruptJournal,
    InvariantViolated,
    StorageFailed,
    UnreadableData,
)
from keelmark.engine.engine import Engine
from keelmark.engine.execution import ExecutionVenue
from keelmark.engine.journal.access import is_url
from keelmark.engine.journal.open import StoredJournal, open_journal
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings
from keelmark.rulebooks.load import Rulebook
from keelmark.service.counters import Counters
from keelmark.service.venue import kept_rulebook, kept_venue
from keelmark.service.writer.report import Report
from keelmark.service.writer.settings import WriterSettings
from keelmark.service.writer.tap import JournalTap

Opener = Callable[[str], StoredJournal]
_SNAPSHOT = re.compile(r"(\d{16})\.snapshot")

LOCK_WAIT_S = 0.5
"""How long another process is waited for that holds a journal's file: the loop stands still."""

PROGRESS_S = 0.2
"""Seconds between two words of progress."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine, and the journal it writes to."""

    engine: Engine
    tap: JournalTap


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer that was stopped leaves behind, to be compared with at the next start."""

    position: int
    digest: str


def open_engine(
    settings: WriterSettings,
    report: Report,
    *,
    opener: Opener,
    at_least: int = 0,
) -> Opened:
    """Open the engine as it is durable.

    Args:
        settings: Which.
        report: Told what is done, how much of it, of how much.
        opener: Opens a journal by its name.
        at_least: Position that is known to be durable; a journal that ends before it has lost
            what was acknowledged.

    Raises:
        StorageFailed: The journal cannot be read now; try again.
        InvariantViolated: It was damaged, or does not give what it gave when the writer stopped.
        InvalidInput: The folder belongs to another rulebook, or to a newer release.
    """
    target = settings.folder.journal_or(settings.journal)
    at_least = max(at_least, _left_behind(settings))
    if not is_url(target):
        _require_there(Path(target), settings, at_least)
    journal = opener(target)
    try:
        if journal.position == 0:
            at_least = max(at_least, _latest_snapshot(settings))
        _require_end(journal, at_least)
        return _recovered(settings, journal, report)
    except BaseException:
        journal.close()
        raise


def snapshots(folder: Path) -> list[tuple[int, Path]]:
    """Return the snapshots of a folder with their positions, latest first."""
    if not folder.is_dir():
        return []
    found = ((_SNAPSHOT.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted(((int(match[1]), path) for match, path in found if match), reverse=True)


def write_stopped(settings: WriterSettings, engine: Engine) -> Stopped:
    """Leave position and digest of an engine that is stopped."""
    note = Stopped(position=engine.position, digest=engine.digest())
    beside = settings.folder.stopped.with_name(".stopped.json.new")
    beside.write_bytes(msgspec.json.encode(note))
    beside.replace(settings.folder.stopped)
    return note


def open_for_writer(target: str) -> StoredJournal:
    """Open a journal to write; a file that another process holds is not waited for long.

    Raises:
        StorageFailed: It cannot be opened now.
    """
    if is_url(target):
        return open_journal(target)
    return SqliteJournal(Path(target), SqliteSettings(wait_s=LOCK_WAIT_S))


def _left_behind(settings: WriterSettings) -> int:
    """Return the position that the last writer of the folder is known to have acknowledged."""
    positions = [0]
    with suppress(OSError, msgspec.MsgspecError):
        note = msgspec.json.decode(settings.folder.stopped.read_bytes(), type=Stopped)
        positions.append(note.position)
    with suppress(UnreadableData), Counters.open(settings.folder.counters) as counters:
        positions.append(counters.read().get("position", 0))
    return max(positions)


def _latest_snapshot(settings: WriterSettings) -> int:
    return next((position for position, _ in snapshots(settings.folder.snapshots)), 0)


def _require_there(file: Path, settings: WriterSettings, at_least: int) -> None:
    """Refuse to begin a new journal where there was one.

    Raises:
        StorageFailed: It is gone.
    """
    if file.exists():
        return
    marked = file.with_name(f"{file.name}-acked")
    if at_least > 0 or marked.exists() or _latest_snapshot(settings) > 0:
        msg = f"{file} is gone; put it back, with the files beside it"
        raise StorageFailed(msg)


def _require_end(journal: StoredJournal, at_least: int) -> None:
    """Refuse a journal that has lost what was acknowledged.

    Raises:
        CorruptJournal: With both positions.
    """
    if journal.position < at_least:
        msg = (
            f"{journal.name} ends at position {journal.position}, and {at_least} was acknowledged: "
            "it was replaced by an older one; put the newer one back, or go on knowingly from what "
            "there is in a new folder that holds the journal and `venue` alone"
        )
        raise CorruptJournal(msg)


def _recovered(settings: WriterSettings, journal: StoredJournal, report: Report) -> Opened:
    target = settings.folder.journal_or(settings.journal)
    tap = JournalTap(journal, None if is_url(target) else Path(target))
    rulebook, venue = kept_rulebook(settings.folder.path), kept_venue(settings.folder.path)
    start = _Start(rulebook, venue.market, tap, journal.position, report)
    begun = time.monotonic()
    engine = start.best(snapshots(settings.folder.snapshots))
    seconds = round(time.monotonic() - begun, 3)
    report("recovered", position=engine.position, seconds=seconds)
    _compare(settings, engine)
    return Opened(engine, tap)


@dataclass(frozen=True, slots=True)
class _Start:
    """Everything an engine is opened from."""

    rulebook: Rulebook
    market: Callable[[], ExecutionVenue]
    tap: JournalTap
    end: int
    report: Report

    def best(self, found: list[tuple[int, Path]]) -> Engine:
        """Open from the latest snapshot that is good; from the journal alone if none is."""
        for position, path in found:
            if position > self.end:
                self.report(
                    "snapshot_left_out", file=path.name, reason="it is ahead of the journal"
                )
                continue
            try:
                return self.opened(position, path)
            except UnreadableData as error:
                self.report("snapshot_left_out", file=path.name, reason=str(error))
        return self.opened(0, None)

    def opened(self, position: int, snapshot: Path | None) -> Engine:
        """Open from one snapshot, or from none."""
        what = f"loading snapshot {snapshot.name}" if snapshot else "reading the journal"
        self.report("progress", what=what, done=position, total=self.end)
        last = time.monotonic()

        def told(done: int) -> None:
            nonlocal last
            if time.monotonic() - last >= PROGRESS_S:
                last = time.monotonic()
                self.report("progress", what="reading the journal", done=done, total=self.end)

        self.tap.on_progress(told)
        try:
            return Engine.recover(self.rulebook, self.tap, snapshot=snapshot, market=self.market())
        finally:
            self.tap.on_progress(None)


def _compare(settings: WriterSettings, engine: Engine) -> None:
    """Compare with what the last writer left when it was stopped (INV-10), once."""
    try:
        note = msgspec.json.decode(settings.folder.stopped.read_bytes(), type=Stopped)
    except (OSError, msgspec.MsgspecError):
        return
    if note.position == engine.position and note.digest != engine.digest():
        msg = (
            f"the journal gives digest {engine.digest()} at position {engine.position}, and the "
            f"writer that stopped there had {note.digest}; keep the folder and report it"
        )
        raise InvariantViolated(msg)
    with suppress(OSError):
        settings.folder.stopped.unlink()
