"""A copy of a service's folder, taken while it runs.

The journal is copied as it is at one moment; the audit trail after it, so that it holds every
action whose events the copy has. The copy is a data folder: `keelmark serve --data COPY` goes on
from it.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from keelmark.core.errors import InvalidInput, KeelmarkError, StorageFailed, UnreadableData
from keelmark.engine.journal.access import is_url, journal_name
from keelmark.engine.journal.copying import copy_journal
from keelmark.service.folder import Folder
from keelmark.service.security.private_file import OWNER_ONLY, sync_folder, write_private
from keelmark.service.venue import has_venue
from keelmark.service.writer.opening import snapshots

NOTE = "backup.json"


class BackupNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy says of itself.

    Attributes:
        time: When it was taken, UTC.
        journal: Name of the journal, never with a password.
        position: Journal position of the copy; `None` where a database keeps the journal.
        snapshots: Positions of the snapshots in it.
    """

    time: str
    journal: str
    position: int | None
    snapshots: tuple[int, ...]


def back_up(data: Path, copy: Path, *, journal: str, time: str) -> BackupNote:
    """Copy a service's folder; the service may run.

    Args:
        data: The folder.
        copy: Folder of the copy; must not exist. It is there whole, or not at all.
        journal: URL of a database that keeps the journal, and is not copied; empty for a file.
        time: Now, as text.

    Raises:
        InvalidInput: The copy exists, or there is nothing to copy.
        KeelmarkError: The journal cannot be copied; says why.
        StorageFailed: There is no room, or no permission.
    """
    if not has_venue(data):
        msg = f"{data} is no folder of a service; name one with --data"
        raise InvalidInput(msg)
    if copy.exists():
        msg = f"{copy} exists; name a folder that does not"
        raise InvalidInput(msg)
    with _whole(copy) as part:
        old, new = Folder(data), Folder(part)
        shutil.copytree(data / "venue", part / "venue")
        kept = _copied_snapshots(old.snapshots, new.snapshots)
        in_file = not is_url(journal)
        position = copy_journal(old.journal, new.journal) if in_file else None
        if position is not None:
            kept = [at for at in kept if at <= position]
        _copy_trail(old.trail, new.trail)
        _copy_private(old.keys, new.keys)
        _copy_database(old.alerts, new.alerts)
        name = new.journal.name if in_file else journal_name(journal)
        note = BackupNote(time=time, journal=name, position=position, snapshots=tuple(kept))
        write_private(part / NOTE, msgspec.json.encode(note))
    return note


def read_note(folder: Path) -> BackupNote | None:
    """Return what a copy says of itself; `None` where a folder is none.

    Raises:
        UnreadableData: It was damaged.
    """
    try:
        return msgspec.json.decode((folder / NOTE).read_bytes(), type=BackupNote)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"{folder / NOTE} cannot be read ({error}); take another copy"
        raise UnreadableData(msg) from error


@contextmanager
def _whole(copy: Path) -> Iterator[Path]:
    """Give a folder to fill; it takes its name when all of it is there."""
    part = copy.with_name(f"{copy.name}.part")
    try:
        part.mkdir(mode=0o700)
    except FileExistsError:
        msg = f"{part} exists: a copy is being taken, or was cut off; wait for it, or remove it"
        raise InvalidInput(msg) from None
    except OSError as error:
        raise _failed(copy, error) from error
    try:
        yield part
        for folder in (part / "venue", Folder(part).snapshots, part):
            sync_folder(folder)
        part.rename(copy)
        sync_folder(copy.absolute().parent)
    except KeelmarkError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    except (OSError, shutil.Error, sqlite3.Error) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise _failed(copy, error) from error


def _failed(copy: Path, error: Exception) -> StorageFailed:
    msg = f"{copy}: the copy cannot be taken ({error}); nothing is left of it: check the disk"
    return StorageFailed(msg)


def _copied_snapshots(source: Path, target: Path) -> list[int]:
    """Copy the snapshots there are; one that is removed meanwhile is not missed."""
    target.mkdir(mode=0o700)
    kept = []
    for position, path in snapshots(source):
        with suppress(FileNotFoundError):
            _copy_private(path, target / path.name, is_needed=True)
            kept.append(position)
    return kept


def _copy_trail(source: Path, target: Path) -> None:
    """Copy the audit trail up to its last whole line."""
    try:
        found = source.read_bytes()
    except FileNotFoundError:
        return
    write_private(target, found[: found.rfind(b"\n") + 1])


def _copy_private(source: Path, target: Path, *, is_needed: bool = False) -> None:
    try:
        found = source.read_bytes()
    except FileNotFoundError:
        if is_needed:
            raise
        return
    write_private(target, found)


def _copy_database(source: Path, target: Path) -> None:
    """Copy a small database as it is at one moment."""
    if not source.exists():
        return
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as found,
        closing(sqlite3.connect(target)) as copied,
    ):
        found.backup(copied)
    target.chmod(OWNER_ONLY)
