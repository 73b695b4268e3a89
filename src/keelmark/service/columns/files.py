"""Files that several processes map: made in full size, grown in place, private to the user."""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import StorageFailed, UnreadableData

PRIVATE = 0o600
STEP = 2**16
"""Bytes written at a time where a file system cannot reserve."""

GROWTH = 8
"""A column that is full grows by one part in so many: a stretch is filled with zeros, which is
time of the writer's."""

AHEAD = 4
"""A file is mapped so many times as long as what is reserved of it: what is mapped anew is found
page by page anew, and a unit then costs five times as much."""


class MappedColumn:
    """A column in a file, written by one process and read by others.

    Attributes:
        rows: The records as far as the file is mapped; another array after it has grown.
        room: Rows of them that are reserved; a writer touches no others.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, *, writable: bool) -> None:
        """Open a file, or make an empty one to write.

        Raises:
            UnreadableData: It is not there, or not of whole records.
            StorageFailed: It cannot be made.
        """
        self.path = path
        self._dtype = np.dtype(dtype)
        self._writable = writable
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL if writable else os.O_RDONLY
        try:
            self._file = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
        except OSError as error:
            if writable:
                raise no_room(path, error) from error
            msg = f"column {path} cannot be read: {error.strerror}; start the writer again"
            raise UnreadableData(msg) from error
        self.rows: npt.NDArray[Any] = np.zeros(0, dtype)
        self.room = 0
        if not writable:
            self.follow()

    def reserve(self, rows: int) -> None:
        """Make room for so many rows and some more; what is there stays.

        Raises:
            StorageFailed: There is no room; nothing has changed.
        """
        if rows <= self.room:
            return
        wanted = max(rows, self.room + self.room // GROWTH)
        held, size = self.room * self._dtype.itemsize, wanted * self._dtype.itemsize
        try:
            if wanted > len(self.rows):
                os.ftruncate(self._file, AHEAD * size)
                self._map(AHEAD * size)
            _reserve(self._file, held, size)
        except OSError as error:
            raise no_room(self.path, error) from error
        self.room = wanted

    def follow(self) -> None:
        """Map what the file has grown to.

        Raises:
            UnreadableData: It is empty or does not hold whole records.
        """
        size = os.fstat(self._file).st_size
        if size == 0 or size % self._dtype.itemsize:
            msg = (
                f"column {self.path} has {size} bytes, not whole records of "
                f"{self._dtype.itemsize}: it is truncated; start the writer again"
            )
            raise UnreadableData(msg)
        if size > self.rows.nbytes:
            self._map(size)

    def close(self) -> None:
        """Let go of the file; arrays that are still used keep the memory."""
        self.rows = np.zeros(0, self._dtype)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _map(self, size: int) -> None:
        access = mmap.ACCESS_WRITE if self._writable else mmap.ACCESS_READ
        memory = mmap.mmap(self._file, size, access=access)
        self.rows = np.frombuffer(memory, self._dtype)


def _reserve(file: int, held: int, size: int) -> None:
    """Take the room for a stretch of a file: in a hole, a full device would make a signal."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, held, size - held)
        return
    for at in range(held, size, STEP):
        os.pwrite(file, bytes(min(STEP, size - at)), at)


class Log:
    """A file of what happened, longer with every write; readers are told up to where."""

    def __init__(self, path: Path) -> None:
        """Make an empty one.

        Raises:
            StorageFailed: It cannot be made.
        """
        self.path = path
        self.end = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(path, flags, PRIVATE)
        except OSError as error:
            raise no_room(path, error) from error

    def append(self, data: bytes) -> None:
        """Write past the end.

        Raises:
            StorageFailed: There is no room; the end is where it was.
        """
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self.end + written)
        except OSError as error:
            raise no_room(self.path, error) from error
        self.end += written

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class LogReader:
    """Reads a log from where it was left, up to where it is said to end."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            UnreadableData: It is not there.
        """
        self.path = path
        self.at = 0
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            msg = f"log {path} cannot be read: {error.strerror}; start the writer again"
            raise UnreadableData(msg) from error

    def read(self, end: int) -> bytes:
        """Return what was written since the last call.

        Raises:
            UnreadableData: The file is shorter than that.
        """
        parts = []
        while self.at < end:
            part = os.pread(self._file, end - self.at, self.at)
            if not part:
                msg = f"log {self.path} ends at {self.at} of {end} bytes; start the writer again"
                raise UnreadableData(msg)
            parts.append(part)
            self.at += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def no_room(path: Path, error: OSError) -> StorageFailed:
    """Return the error of a shared file that cannot be made or grown."""
    msg = (
        f"shared columns {path}: {error.strerror}; give the folder more room (in a container: "
        "--shm-size) and start the service again"
    )
    return StorageFailed(msg)
