"""One service to a data folder: a lock that its owner cannot leave behind, and says who has it."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from keelmark.core.errors import InvalidInput, StorageFailed
from keelmark.service.folder import Folder


class FolderInUse(InvalidInput):
    """Another service runs on this folder."""


class FolderLock:
    """Holds a data folder for as long as the process lives; made private to its owner."""

    def __init__(self, data: Path) -> None:
        self._path = Folder(data).lock
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            data.chmod(0o700)
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"the folder {data} cannot be used ({error}); name another with --data"
            raise StorageFailed(msg) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            msg = (
                f"a service runs on {data} already (process {holder}); stop it, or name another "
                "folder with --data"
            )
            raise FolderInUse(msg) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go of the folder."""
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
