"""A bulk record: named numpy arrays as raw little-endian bytes behind a small header.

```text
prefix   32 bytes: magic, format version, kind tag, header length, total length, crc32
header   msgpack: [[[name, dtype, shape], ...], meta]
columns  one after the other; header and columns are padded to a multiple of 16 bytes
```

Decoding copies nothing: the arrays are read-only views of the bytes. The crc covers everything but
itself; the lengths are checked against the bytes before any array is made, so a hostile record
costs no more memory than its own size.
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, NoReturn, TypeAlias
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from keelmark.core.errors import CorruptJournal, InvalidInput, NewerFormat

VERSION = 1
KIND_TAG_MAX = 2**16 - 1

_MAGIC = b"KMCB"
_PREFIX = struct.Struct("<4sHHIIQQ")  # magic, version, kind tag, header length, crc32, total, zero
_ALIGNMENT = 16
_DIMENSIONS_MAX = 8
_SIZE_MAX = 2**62
_SCALARS = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))

Array: TypeAlias = NDArray[Any]
Length: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Shape: TypeAlias = tuple[Length, ...]
Field: TypeAlias = tuple[str, str, Shape]


class _Column(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    name: str
    dtype: str | tuple[Field, ...]  # a scalar, or the fields of a record: name, scalar, shape
    shape: Shape


class _Header(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    columns: tuple[_Column, ...]
    meta: dict[str, Any]


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(_Header)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """A bulk record as it was packed.

    Attributes:
        kind_tag: What the record is, a code of the caller's own.
        arrays: Read-only views of the packed bytes, in packing order.
        meta: Plain values that go with them.
    """

    kind_tag: int
    arrays: Mapping[str, Array]
    meta: Mapping[str, Any]


def pack(kind_tag: int, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> bytes:
    """Return the arrays as one record; equal input gives equal bytes on every machine.

    Args:
        kind_tag: 0 to 65535.
        arrays: Integers, floats, booleans or flat records of them; any shape, order or endianness.
        meta: Plain values: text, whole numbers, floats, booleans, `None`, lists, string-keyed maps.

    Raises:
        InvalidInput: An array has another type (objects, text), or `meta` is not plain.
    """
    if not 0 <= kind_tag <= KIND_TAG_MAX:
        msg = f"kind tag {kind_tag}; use a whole number from 0 to {KIND_TAG_MAX}"
        raise InvalidInput(msg)
    plain = {name: _little_endian(name, array) for name, array in arrays.items()}
    columns = tuple(_column(name, array) for name, array in plain.items())
    header = _encoded(_Header(columns, dict(meta)))
    body = [header, *_laid_out(len(header), plain.values())]
    total = _PREFIX.size + sum(map(len, body))
    prefix = (_MAGIC, VERSION, kind_tag, len(header))
    crc = _crc(_PREFIX.pack(*prefix, 0, total, 0), body)
    return b"".join([_PREFIX.pack(*prefix, crc, total, 0), *body])


def unpack(data: bytes) -> Columns:
    """Return the arrays of a record without copying them.

    Raises:
        CorruptJournal: The bytes are not a record, are damaged, or lie about their lengths.
        NewerFormat: A newer release packed them.
    """
    view = memoryview(data).cast("B").toreadonly()
    kind_tag, header_bytes = _checked_prefix(view)
    start = _PREFIX.size + header_bytes
    header = _decoded(view[_PREFIX.size : start])
    arrays: dict[str, Array] = {}
    offset = _aligned(start)
    for column in header.columns:
        if column.name in arrays:
            _refuse(f"two columns are called {column.name!r}")
        array = _view(view, column, offset)
        arrays[column.name] = array
        offset = _aligned(offset + array.nbytes)
    if offset != len(view):
        _refuse(f"{len(view)} bytes, of which the columns use {offset}")
    return Columns(
        kind_tag=kind_tag,
        arrays=MappingProxyType(arrays),
        meta=MappingProxyType(header.meta),
    )


def _little_endian(name: str, array: Array) -> Array:
    dtype = np.dtype(array.dtype)
    scalars = [base for _, base, _ in _fields(dtype)] if dtype.names else [_scalar(dtype)]
    unknown = sorted({str(scalar) for scalar in scalars} - _SCALARS)
    if unknown:
        msg = (
            f"arrays[{name!r}] holds {unknown}; a bulk record carries {sorted(_SCALARS)} and flat "
            "records of them: store codes or quanta instead"
        )
        raise InvalidInput(msg)
    return np.asarray(array, dtype=_dtype(_description(dtype)), order="C")


def _column(name: str, array: Array) -> _Column:
    return _Column(name, _description(array.dtype), array.shape)


def _description(dtype: np.dtype[Any]) -> str | tuple[Field, ...]:
    return _fields(dtype) if dtype.names else _scalar(dtype)


def _fields(dtype: np.dtype[Any]) -> tuple[Field, ...]:
    bases = ((name, *(dtype[name].subdtype or (dtype[name], ()))) for name in dtype.names or ())
    return tuple((name, _scalar(base), shape) for name, base, shape in bases)


def _scalar(dtype: np.dtype[Any]) -> str:
    return dtype.str[1:] if dtype.names is None else "nested record"


def _dtype(description: str | Sequence[Field]) -> np.dtype[Any]:
    if isinstance(description, str):
        return np.dtype(f"<{description}")
    return np.dtype([(name, f"<{scalar}", shape) for name, scalar, shape in description])


def _encoded(header: _Header) -> bytes:
    if not _is_plain(header.meta):
        msg = f"meta {header.meta!r}: use text, numbers, booleans, None, lists, string-keyed maps"
        raise InvalidInput(msg)
    try:
        return _encoder.encode(header)
    except (msgspec.MsgspecError, OverflowError) as error:
        msg = f"meta cannot be encoded ({error}); whole numbers must fit in 64 bits"
        raise InvalidInput(msg) from error


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in {str, int, float, bool, bytes}


def _laid_out(header_bytes: int, arrays: Iterable[Array]) -> Iterator[bytes | memoryview]:
    yield bytes(-(_PREFIX.size + header_bytes) % _ALIGNMENT)
    for array in arrays:
        yield array.reshape(-1).view("u1").data
        yield bytes(-array.nbytes % _ALIGNMENT)


def _crc(prefix: bytes, body: Iterable[bytes | memoryview]) -> int:
    crc = crc32(prefix)
    for part in body:
        crc = crc32(part, crc)
    return crc


def _checked_prefix(view: memoryview) -> tuple[int, int]:
    """Return the kind tag and the length of the header, once the whole record is intact."""
    if len(view) < _PREFIX.size or view[:4] != _MAGIC:
        _refuse("not a bulk record")
    magic, version, kind_tag, header_bytes, crc, total, zero = _PREFIX.unpack_from(view)
    if version > VERSION:
        msg = f"a bulk record of format {version}; this release reads up to {VERSION}: upgrade it"
        raise NewerFormat(msg)
    if total != len(view):
        _refuse(f"{len(view)} bytes, and its prefix says {total}")
    blank = _PREFIX.pack(magic, version, kind_tag, header_bytes, 0, total, zero)
    if crc != _crc(blank, [view[_PREFIX.size :]]):
        _refuse("the bytes do not match their checksum")
    if header_bytes > total - _PREFIX.size:
        _refuse(f"the header's {header_bytes} bytes pass the end")
    return kind_tag, header_bytes


def _decoded(header: memoryview) -> _Header:
    try:
        return _decoder.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse(f"its header cannot be read ({error})")


def _view(view: memoryview, column: _Column, offset: int) -> Array:
    """Return one column as a view, after its size is known to fit."""
    dtype = _trusted_dtype(column)
    elements = math.prod(max(length, 1) for length in column.shape)
    if len(column.shape) > _DIMENSIONS_MAX or elements * dtype.itemsize > _SIZE_MAX:
        _refuse(f"column {column.name!r} has the shape {column.shape}")
    size = math.prod(column.shape) * dtype.itemsize
    if size > len(view) - offset:
        _refuse(f"column {column.name!r} needs {size} bytes, past the end")
    return np.ndarray(column.shape, dtype, view, offset)


def _trusted_dtype(column: _Column) -> np.dtype[Any]:
    fields = (("", column.dtype, ()),) if isinstance(column.dtype, str) else column.dtype
    if not fields or any(scalar not in _SCALARS or 0 in shape for _, scalar, shape in fields):
        _refuse(f"column {column.name!r} has an unknown type {column.dtype!r}")
    try:
        return _dtype(column.dtype)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        _refuse(f"column {column.name!r} has no usable type ({error})")


def _aligned(offset: int) -> int:
    return offset + -offset % _ALIGNMENT


def _refuse(reason: str) -> NoReturn:
    msg = f"bulk record: {reason}; it was changed after packing: restore it from a copy"
    raise CorruptJournal(msg)
