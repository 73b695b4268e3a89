"""Where the shared files lie: a private folder in memory, named in the run folder.

The folder is new for every writer and its name is in `columns.json` of the run folder. A writer
holds a lock in it while it lives, and before it has its name, so a folder whose lock is free is a
killed writer's: the next writer of this user removes it.
"""

import fcntl
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keelmark.core.errors import NewerFormat, StorageFailed, UnreadableData
from keelmark.service.columns.errors import ColumnsUnavailable
from keelmark.service.columns.files import no_room
from keelmark.service.columns.layout import FORMAT, VERSION, Shape

MANIFEST = "columns.json"
LOCK = "lock"
MEMORY = Path("/dev/shm")  # noqa: S108 the folder made there is new, private and unguessable
PRIVATE = 0o700
PREFIX = f"keelmark-{os.getuid()}-"
"""What the names of a user's folders begin with: of all services, so that none is left for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a reader has to know before it maps anything."""

    folder: Path
    generation: int
    shape: Shape


def memory_folder(run: Path) -> Path:
    """Return where shared files belong: in memory where there is such a folder, else with `run`."""
    return MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else run


def new_folder(parent: Path) -> tuple[Path, int]:
    """Make a folder and take its lock; return it and the lock's file.

    Raises:
        StorageFailed: It cannot be made.
    """
    token = secrets.token_hex(8)
    unnamed, folder = parent / f".{PREFIX}{token}", parent / f"{PREFIX}{token}"
    try:
        unnamed.mkdir(mode=PRIVATE)
        lock = os.open(unnamed / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        unnamed.rename(folder)
    except OSError as error:
        raise no_room(folder, error) from error
    return folder, lock


def remove_left_overs(*parents: Path) -> None:
    """Remove what killed writers of this user have left."""
    for parent in set(parents):
        for folder in parent.glob(f"{PREFIX}*"):
            facts = folder.lstat()
            if folder.is_symlink() or facts.st_uid != os.getuid() or not folder.is_dir():
                continue
            if not is_written(folder):
                shutil.rmtree(folder, ignore_errors=True)


def is_written(folder: Path) -> bool:
    """Whether a writer holds the lock of a folder."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def write_manifest(run: Path, manifest: Manifest) -> None:
    """Name the folder that readers shall map, in one step.

    Raises:
        StorageFailed: It cannot be written.
    """
    text = {
        "format": FORMAT,
        "version": VERSION,
        "folder": str(manifest.folder),
        "generation": manifest.generation,
        "shape": asdict(manifest.shape),
    }
    beside = run / f"{MANIFEST}.part"
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 made private at once
            json.dump(text, file)
        beside.replace(run / MANIFEST)
    except OSError as error:
        msg = f"{beside} cannot be written: {error.strerror}; make room or check permissions"
        raise StorageFailed(msg) from error


def read_manifest(run: Path) -> Manifest:
    """Return what `write_manifest` wrote.

    Raises:
        ColumnsUnavailable: There is none.
        NewerFormat: Another release wrote it.
        UnreadableData: It is damaged.
    """
    path = run / MANIFEST
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        msg = f"no writer has published columns in {run}; start one (keelmark serve)"
        raise ColumnsUnavailable(msg) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise _damaged(path, f"is not of format {FORMAT}")
    if found.get("version") != VERSION:
        msg = (
            f"{path} is of version {found.get('version')}, this release reads version {VERSION}; "
            "start writer and readers of one release"
        )
        raise NewerFormat(msg)
    return _manifest(path, found)


def _manifest(path: Path, found: dict[str, Any]) -> Manifest:
    try:
        return Manifest(
            folder=Path(found["folder"]),
            generation=int(found["generation"]),
            shape=Shape(**{name: int(count) for name, count in found["shape"].items()}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"does not say where the columns are: {error!r}") from error


def _damaged(path: Path, what: str) -> UnreadableData:
    return UnreadableData(f"{path} {what}; start the writer again")
