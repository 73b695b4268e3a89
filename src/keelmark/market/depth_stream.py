"""Rebuild an order book from a raw depth stream: one snapshot, then numbered differences.

Each line of the recording is a receive time in ns and the venue's JSON: book differences
(`depthUpdate`), one REST snapshot (`lastUpdateId`), and other streams, which are skipped. The
venue's rule joins them: differences that end before the snapshot are dropped, the first one used
must span it, and each next one must name its predecessor (`pu`). A hole is an error with its line.
The snapshot holds the nearest 1,000 levels a side; farther levels appear once they change.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from keelmark.core.errors import UnreadableData
from keelmark.market.files import Format, detect_format

Level = tuple[str, str]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DepthSnapshot:
    """The book at one time.

    Attributes:
        time_ms: Venue time of the last difference in it.
        update_id: Number of the last difference in it.
        bids: float64 (n, 2), price and size, best first; `asks` likewise.
    """

    time_ms: int
    update_id: int
    bids: Float64Array
    asks: Float64Array

    @property
    def mid(self) -> float:
        """The middle of best bid and best ask."""
        return float(self.bids[0, 0] + self.asks[0, 0]) / 2.0

    def cumulative(self, *, is_ask: bool) -> tuple[Float64Array, Float64Array]:
        """Return distances from the mid, as fractions, and the size up to each, best first."""
        side = self.asks if is_ask else self.bids
        return np.abs(side[:, 0] / self.mid - 1.0), np.cumsum(side[:, 1])


class _Payload(msgspec.Struct, frozen=True):
    e: str = ""
    T: int = 0
    U: int = 0
    u: int = 0
    pu: int = 0
    b: tuple[Level, ...] = ()
    a: tuple[Level, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    data: _Payload = _Payload()
    lastUpdateId: int = 0  # noqa: N815 the venue's name
    T: int = 0
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()


@dataclass(slots=True)
class _Book:
    """The book while it is built; prices are the venue's own text, so they never drift."""

    bids: dict[str, str] = field(default_factory=dict)
    asks: dict[str, str] = field(default_factory=dict)
    update_id: int = 0
    time_ms: int = 0
    is_joined: bool = False

    def start(self, line: _Line) -> None:
        self.bids, self.asks = dict(line.bids), dict(line.asks)
        self.update_id, self.time_ms, self.is_joined = line.lastUpdateId, line.T, False

    def apply(self, update: _Payload, place: str) -> None:
        if not self.is_joined and update.u < self.update_id:
            return
        follows = update.pu == self.update_id
        spans = not self.is_joined and update.U <= self.update_id <= update.u
        if not (follows or spans):
            msg = (
                f"{place}: differences {self.update_id} to {update.pu} are missing from the "
                "stream; start again from a later snapshot"
            )
            raise UnreadableData(msg)
        for side, levels in ((self.bids, update.b), (self.asks, update.a)):
            for price, size in levels:
                if float(size) == 0.0:
                    side.pop(price, None)
                else:
                    side[price] = size
        self.update_id, self.time_ms, self.is_joined = update.u, update.T, True

    def snapshot(self, levels: int) -> DepthSnapshot:
        return DepthSnapshot(
            time_ms=self.time_ms,
            update_id=self.update_id,
            bids=_side(self.bids, levels, descending=True),
            asks=_side(self.asks, levels, descending=False),
        )


def read_depth_stream(
    path: Path | str, *, every_ms: int = 1_000, levels: int = 1_000
) -> Iterator[DepthSnapshot]:
    """Yield the book once per `every_ms` of venue time, after the differences before it.

    Args:
        path: The recording, gzipped or plain.
        every_ms: Time between snapshots.
        levels: Levels a side, best first.

    Raises:
        UnreadableData: Truncated or damaged, not such a stream, or differences are missing.
    """
    place = Path(path)
    book, due = _Book(), 0
    for update, where in _joined(place, book):
        if book.is_joined and due <= update.T:
            if due:
                yield book.snapshot(levels)
            due = (update.T // every_ms + 1) * every_ms
        book.apply(update, where)
    if not book.is_joined:
        msg = f"{place}: no snapshot with differences that follow it; nothing can be rebuilt"
        raise UnreadableData(msg)
    yield book.snapshot(levels)


def _joined(path: Path, book: _Book) -> Iterator[tuple[_Payload, str]]:
    """Yield differences from the first snapshot on; earlier ones wait until it is there."""
    waiting: list[tuple[_Payload, str]] = []
    has_snapshot = False
    for line, where in _lines(path):
        if line.lastUpdateId:
            book.start(line)
            has_snapshot = True
            yield from waiting
            waiting.clear()
        elif line.data.e == "depthUpdate":
            if has_snapshot:
                yield line.data, where
            else:
                waiting.append((line.data, where))


def _lines(path: Path) -> Iterator[tuple[_Line, str]]:
    decoder = msgspec.json.Decoder(_Line)
    is_gzip = detect_format(path) is Format.GZIP
    number = 0
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if b"depthUpdate" in raw or b"lastUpdateId" in raw:
                    yield decoder.decode(raw.split(b" ", 1)[-1]), f"{path} line {number}"
    except (EOFError, OSError, zlib.error) as error:
        msg = f"{path}: truncated or damaged after line {number}: {error}; fetch it again"
        raise UnreadableData(msg) from error
    except msgspec.DecodeError as error:
        msg = f"{path} line {number}: not a depth message: {error}"
        raise UnreadableData(msg) from error


def _side(side: dict[str, str], levels: int, *, descending: bool) -> Float64Array:
    rows = np.array([(float(price), float(size)) for price, size in side.items()]).reshape(-1, 2)
    order = np.argsort(-rows[:, 0] if descending else rows[:, 0])[:levels]
    return rows[order]
