"""Events as journal records: one message for a small event, one columnar record for a bulk one."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from keelmark.core.errors import CorruptJournal, InvalidInput
from keelmark.engine import events as e
from keelmark.engine.commands import Command
from keelmark.engine.journal.columnar import pack, unpack
from keelmark.engine.journal.port import Record
from keelmark.engine.order_events import AnyOrderEvent

MESSAGE, MARKS, POSTINGS, OPENINGS, CHECKED = 0, 1, 2, 3, 4
"""Kinds of record."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(e.AnyEvent | AnyOrderEvent)


def record_of(event: Any) -> Record:  # noqa: ANN401 one of the event types
    """Return an event as a journal record."""
    if isinstance(event, e.MarksSet):
        columns: dict[str, npt.NDArray[Any]] = {
            "times_ms": event.times_ms,
            "offsets": event.offsets,
            "factors": event.factors,
            "prices": event.prices,
        }
        return Record(MARKS, pack(MARKS, columns, {}))
    if isinstance(event, e.Checked):
        columns = {"rows": event.rows, "ticks": event.ticks, "stamps": event.stamps}
        return Record(CHECKED, pack(CHECKED, columns, {"position": event.position}))
    if isinstance(event, e.Posted):
        return Record(POSTINGS, pack(POSTINGS, {"rows": event.rows}, {}))
    if isinstance(event, e.AccountsOpened):
        meta = {"count": event.count}
        return Record(OPENINGS, pack(OPENINGS, {"isolated": event.isolated}, meta))
    return Record(MESSAGE, _ENCODER.encode(event))


def event_of(record: Record) -> Any:  # noqa: ANN401 one of the event types
    """Return the event of a record.

    Raises:
        CorruptJournal: The record is no event of this version.
    """
    if record.kind == MESSAGE:
        try:
            return _DECODER.decode(record.payload)
        except msgspec.MsgspecError as error:
            msg = f"an event cannot be read: {error}; was the journal written by another version?"
            raise CorruptJournal(msg) from error
    columns = unpack(record.payload)
    if record.kind == MARKS:
        return e.MarksSet(**columns.arrays)
    if record.kind == POSTINGS:
        return e.Posted(rows=np.asarray(columns.arrays["rows"]))
    if record.kind == CHECKED:
        return e.Checked(**columns.arrays, position=columns.meta["position"])
    if record.kind == OPENINGS:
        return e.AccountsOpened(count=columns.meta["count"], isolated=columns.arrays["isolated"])
    msg = f"record kind {record.kind} is unknown; was the journal written by a newer version?"
    raise CorruptJournal(msg)


def encoded(command: Command) -> bytes:
    """Return a command as bytes, equal for equal commands.

    Refuses a command whose fields are not what they say: a float is no number of lots. What passes
    can be written down and read back; the journal would refuse it only later.

    Raises:
        InvalidInput: Naming the field.
    """
    try:
        whole = _ENCODER.encode(command)
        msgspec.msgpack.decode(whole, type=type(command))
    except (msgspec.MsgspecError, OverflowError, TypeError) as error:
        msg = f"{type(command).__name__}: {error}; amounts are whole numbers of 64 bits"
        raise InvalidInput(msg) from error
    return whole
