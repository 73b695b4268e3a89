"""Bodies as forms; what is wrong with one is told by its path."""

import re
from typing import Any, TypeVar

import msgspec

from keelmark.service.commands import forms as f
from keelmark.service.commands.fields import DECIMAL_PATTERN, Key
from keelmark.service.commands.grid import WrongField

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?$", re.DOTALL)

COMMAND: msgspec.json.Decoder[f.AnyForm] = msgspec.json.Decoder(f.AnyForm)
EXECUTIONS: msgspec.json.Decoder[tuple[f.AnyExecution, ...]] = msgspec.json.Decoder(
    tuple[f.AnyExecution, ...]
)
SNAPSHOTS: msgspec.json.Decoder[f.Snapshots] = msgspec.json.Decoder(f.Snapshots)
BATCH: msgspec.json.Decoder[list[f.Row]] = msgspec.json.Decoder(list[f.Row])


class _RawRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a batch whose command is read by itself."""

    command: msgspec.Raw
    key: Key = ""


_RAW: msgspec.json.Decoder[list[_RawRow]] = msgspec.json.Decoder(list[_RawRow])
_ADMIN: dict[type, msgspec.json.Decoder[Any]] = {}
FormT = TypeVar("FormT")


def decoded(decoder: msgspec.json.Decoder[FormT], body: bytes) -> FormT:
    """Return what a body holds.

    Raises:
        WrongField: Something in it is not what the form says.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(error) from None


def decoded_as(kind: type[FormT], body: bytes) -> FormT:
    """Return the form of one type that a body holds.

    Raises:
        WrongField: Something in it is not what the form says.
    """
    decoder = _ADMIN.get(kind)
    if decoder is None:
        decoder = _ADMIN[kind] = msgspec.json.Decoder(kind)
    found: FormT = decoded(decoder, body)
    return found


def rows_of(body: bytes) -> list[f.Row | tuple[str, WrongField]]:
    """Return the rows of a batch: commands, and in place of a wrong one its key and what is wrong.

    Raises:
        WrongField: The body is no list of rows.
    """
    try:
        return list(BATCH.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [_row(raw) for raw in decoded(_RAW, body)]


def _row(raw: _RawRow) -> f.Row | tuple[str, WrongField]:
    try:
        return f.Row(command=decoded(COMMAND, bytes(raw.command)), key=raw.key)
    except WrongField as error:
        return raw.key, error


def _wrong(error: Exception) -> WrongField:
    """Return what a decoder said, as a field and what is wrong with it."""
    found = _PATH.match(str(error))
    what = (found["what"] if found else str(error))[:500]
    if repr(DECIMAL_PATTERN) in what:
        what = 'no decimal; write it as text such as "100.5", without an exponent'
    where = (found["where"] or "") if found else ""
    return WrongField(what, where=where.removeprefix("."))
