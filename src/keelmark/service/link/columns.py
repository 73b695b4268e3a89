"""Snapshots of prices as columns: raw arrays behind a checksum, never an object per price."""

import numpy as np

from keelmark.core.errors import InvalidInput, KeelmarkError
from keelmark.engine.codec import MARKS, event_of, record_of
from keelmark.engine.events import MarksSet
from keelmark.engine.journal.port import Record

_TYPES = {"times_ms": np.int64, "offsets": np.int64, "factors": np.int32, "prices": np.float64}


def packed(marks: MarksSet) -> bytes:
    """Return a stream of snapshots as bytes."""
    return record_of(marks).payload


def unpacked(columns: bytes) -> MarksSet:
    """Return the stream of snapshots that some bytes hold; whether it fits is the engine's to say.

    Raises:
        InvalidInput: They hold none.
    """
    try:
        marks: MarksSet = event_of(Record(MARKS, columns))
    except (KeelmarkError, TypeError) as error:
        msg = f"marks that cannot be read: {error}"
        raise InvalidInput(msg) from error
    for name, kind in _TYPES.items():
        column = getattr(marks, name)
        if column.dtype != kind or column.ndim != 1:
            msg = f"marks whose {name} are {column.dtype}{list(column.shape)}, not {np.dtype(kind)}"
            raise InvalidInput(msg)
    offsets = marks.offsets
    if (
        len(offsets) != len(marks.times_ms) + 1
        or offsets[0] != 0
        or (np.diff(offsets) < 0).any()
        or not offsets[-1] == len(marks.factors) == len(marks.prices)
    ):
        msg = "marks whose columns do not fit each other; `offsets` bounds the rows of each time"
        raise InvalidInput(msg)
    return marks


def joined(streams: list[MarksSet]) -> MarksSet:
    """Return consecutive streams as one."""
    if len(streams) == 1:
        return streams[0]
    starts = np.cumsum([0, *(len(marks.factors) for marks in streams)])
    bounds = [marks.offsets[:-1] + at for marks, at in zip(streams, starts, strict=False)]
    return MarksSet(
        times_ms=np.concatenate([marks.times_ms for marks in streams]),
        offsets=np.concatenate([*bounds, starts[-1:]]),
        factors=np.concatenate([marks.factors for marks in streams]),
        prices=np.concatenate([marks.prices for marks in streams]),
    )
