"""Numbers one process counts and others read: named int64 cells in a small mapped file.

Counting costs a store to memory; reading costs the counting process nothing. A cell is written
whole, so a reader never sees half a number; two cells may be of two moments.
"""

import json
import mmap
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self

from keelmark.core.errors import UnreadableData

_PREFIX = struct.Struct("<8sQ")  # magic, length of the names
_MAGIC = b"KMCOUNT1"
_CELL = 8

STEPS = 4
"""Buckets of a histogram to each doubling: a bucket's edges are at most a quarter apart."""

BUCKETS = 4 * 27
"""Up to 2**28 - 1, four and a half minutes in microseconds; the last bucket takes the rest."""


class Counters:
    """The cells of one file; `create` counts, `open` reads.

    Attributes:
        names: Of the cells, in order.
    """

    def __init__(self, names: Sequence[str], mapped: mmap.mmap, start: int) -> None:
        self.names = tuple(names)
        self._mapped = mapped
        self._whole = memoryview(mapped)
        self._part = self._whole[start : start + _CELL * len(self.names)]
        self._cells = self._part.cast("q")
        self._rows = {name: row for row, name in enumerate(self.names)}

    @classmethod
    def create(cls, path: Path, names: Iterable[str]) -> Self:
        """Make a file of cells, all zero, in place of what has that name; readable by us alone."""
        listed = list(names)
        text = json.dumps(listed).encode()
        text += b" " * (-len(text) % _CELL)
        size = _PREFIX.size + len(text) + _CELL * len(listed)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with suppress(FileNotFoundError):
            beside.unlink()
        with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
            # Written, not truncated to: counting in a hole of a file on a full device is a signal.
            file.write(_PREFIX.pack(_MAGIC, len(text)) + text + bytes(_CELL * len(listed)))
            file.flush()
            mapped = mmap.mmap(file.fileno(), size)
        beside.replace(path)  # a reader of the old file keeps it until it opens this one
        return cls(listed, mapped, _PREFIX.size + len(text))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the cells that another process counts.

        Raises:
            UnreadableData: There is no such file, or it is another kind of file.
        """
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            names, start = _names(mapped)
        except (OSError, ValueError, struct.error) as error:
            msg = f"no counters in {path} ({error}); is the service running?"
            raise UnreadableData(msg) from error
        return cls(names, mapped, start)

    def row(self, name: str) -> int:
        """Return the row of a cell."""
        return self._rows[name]

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        self._cells[self._rows[name]] += amount

    def set(self, name: str, amount: int) -> None:
        """Set a cell."""
        self._cells[self._rows[name]] = amount

    def get(self, name: str) -> int:
        """Return a cell."""
        return self._cells[self._rows[name]]

    def add_at(self, row: int, amount: int = 1) -> None:
        """Count in a row."""
        self._cells[row] += amount

    def read(self) -> dict[str, int]:
        """Return all cells by name."""
        return dict(zip(self.names, self._cells.tolist(), strict=True))

    def close(self) -> None:
        """Let go of the file."""
        for view in (self._cells, self._part, self._whole):
            view.release()
        self._mapped.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _names(mapped: mmap.mmap) -> tuple[list[str], int]:
    """Return the names of the cells in a file, and where the cells begin."""
    magic, length = _PREFIX.unpack_from(mapped)
    start = _PREFIX.size + length
    names: list[str] = json.loads(mapped[_PREFIX.size : start]) if magic == _MAGIC else []
    if magic != _MAGIC or len(mapped) != start + _CELL * len(names):
        msg = "it is another kind of file"
        raise ValueError(msg)
    return names, start


class Histogram:
    """Counts by size in fixed buckets, in cells named `NAME.count`, `NAME.sum`, `NAME.0`, ..."""

    def __init__(self, counters: Counters, name: str) -> None:
        self._counters = counters
        self._count = counters.row(f"{name}.count")
        self._sum = counters.row(f"{name}.sum")
        self._first = counters.row(f"{name}.0")

    def note(self, value: int, times: int = 1) -> None:
        """Count a value, a number of times; below zero counts as zero."""
        value = max(value, 0)
        self._counters.add_at(self._count, times)
        self._counters.add_at(self._sum, times * value)
        self._counters.add_at(self._first + bucket_of(value), times)


def histogram_names(name: str) -> tuple[str, ...]:
    """Return the names of the cells of a histogram."""
    return (f"{name}.count", f"{name}.sum", *(f"{name}.{n}" for n in range(BUCKETS)))


def bucket_of(value: int) -> int:
    """Return the bucket of a value that is not negative."""
    if value < STEPS:
        return value
    shift = value.bit_length() - 3
    return min(STEPS * shift + (value >> shift), BUCKETS - 1)


def lower_edge(bucket: int) -> int:
    """Return the smallest value of a bucket."""
    if bucket < 2 * STEPS:
        return bucket
    shift = bucket // STEPS - 1
    return (STEPS + bucket % STEPS) << shift


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram as it was read.

    Attributes:
        count: Values counted.
        sum: Of them.
        buckets: How many fell into each bucket.
    """

    count: int
    sum: int
    buckets: tuple[int, ...]

    @classmethod
    def of(cls, cells: Mapping[str, int], name: str) -> Self:
        """Return a histogram of cells that were read."""
        buckets = tuple(cells[f"{name}.{n}"] for n in range(BUCKETS))
        return cls(cells[f"{name}.count"], cells[f"{name}.sum"], buckets)

    def quantile(self, share: float) -> int | None:
        """Return the largest value of the bucket in which a share of the values ends.

        `None` where nothing was counted, and the last bucket's lower edge where it ends there.
        """
        total = sum(self.buckets)
        if not total:
            return None
        sums = accumulate(self.buckets)
        bucket = next(n for n, upto in enumerate(sums) if upto >= share * total and upto)
        return lower_edge(bucket) if bucket == BUCKETS - 1 else lower_edge(bucket + 1) - 1
