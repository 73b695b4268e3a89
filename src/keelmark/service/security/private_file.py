"""Files that only their owner reads, replaced whole or not at all."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keelmark.core.errors import InvalidInput, StorageFailed

OWNER_ONLY = 0o600
_OTHERS = 0o077


def read_private(path: Path) -> bytes | None:
    """Return what a private file holds; `None` where there is none.

    Raises:
        InvalidInput: Others may read or write it.
        StorageFailed: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                msg = f"{path}: others may read or write it; run `chmod 600 {path}`"
                raise InvalidInput(msg)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); check the disk and its permissions"
        raise StorageFailed(msg) from error


def write_private(path: Path, content: bytes) -> None:
    """Replace a private file in one step, durable when this returns.

    Raises:
        StorageFailed: It could not be written; what was there before still is.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); it is as it was before"
        raise StorageFailed(msg) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes that ask for the same file out of a block that reads and replaces it.

    Raises:
        StorageFailed: The lock beside the file cannot be made.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    except OSError as error:
        msg = f"{lock}: cannot be made ({error.strerror}); check the disk and its permissions"
        raise StorageFailed(msg) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
