"""Bulk records come back as they were packed, without a copy, and never from changed bytes."""

import struct
import tracemalloc
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keelmark.book.records import INSTRUMENT, POSITION, UNIT
from keelmark.core.errors import CorruptJournal, InvalidInput, NewerFormat
from keelmark.engine.journal.columnar import VERSION, pack, unpack

SCALARS = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]
PREFIX = struct.Struct("<4sHHIIQQ")

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
arrays = hnp.arrays(
    dtype=st.sampled_from(SCALARS).flatmap(lambda s: st.sampled_from([f"<{s}", f">{s}"])),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


def fills(count: int) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "unit": np.arange(count, dtype="i4"),
        "instrument": np.arange(count, dtype="i4") % 7,
        "lots": np.arange(count, dtype="i8") - 5,
    }


@given(
    columns=st.dictionaries(st.text(), arrays, max_size=4),
    meta=st.dictionaries(st.text(), plain_values, max_size=3),
    kind_tag=st.integers(0, 65535),
)
def test_what_was_packed_is_unpacked(
    columns: dict[str, np.ndarray[Any, Any]],
    meta: dict[str, Any],
    kind_tag: int,
) -> None:
    packed = pack(kind_tag, columns, meta)
    found = unpack(packed)
    assert found.kind_tag == kind_tag
    assert dict(found.meta) == meta
    assert list(found.arrays) == list(columns)
    for name, array in columns.items():
        assert found.arrays[name].dtype == array.dtype.newbyteorder("<")
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.astype(found.arrays[name].dtype).tobytes()
    assert pack(kind_tag, found.arrays, found.meta) == packed


@pytest.mark.parametrize("dtype", [UNIT, POSITION, INSTRUMENT])
def test_the_records_of_the_book_are_carried(dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(1)
    rows = np.frombuffer(rng.integers(0, 256, 50 * dtype.itemsize, "u1").tobytes(), dtype)
    found = unpack(pack(1, {"rows": rows}, {})).arrays["rows"]
    assert found.dtype == dtype
    assert found.tobytes() == rows.tobytes()


def test_records_keep_their_fields_of_several_values_and_lose_their_padding() -> None:
    padded = np.dtype([("a", "i1"), ("b", ">i4", (2, 3))], align=True)
    rows = np.zeros(4, padded)
    rows["b"] = np.arange(24).reshape(4, 2, 3)
    found = unpack(pack(1, {"rows": rows}, {})).arrays["rows"]
    assert found.dtype == np.dtype([("a", "i1"), ("b", "<i4", (2, 3))])
    assert found["b"].tolist() == rows["b"].tolist()


@pytest.mark.parametrize("order", ["F", "strided", "reversed"])
def test_any_memory_order_is_carried(order: str) -> None:
    base = np.arange(24, dtype="i8").reshape(4, 6)
    laid = {"F": np.asfortranarray(base), "strided": base[::2, 1::2], "reversed": base[::-1]}
    assert unpack(pack(1, {"a": laid[order]}, {})).arrays["a"].tolist() == laid[order].tolist()


def test_unpacking_copies_nothing_and_the_views_are_read_only_and_aligned() -> None:
    packed = pack(1, fills(200_001), {"batch": 1})
    tracemalloc.start()
    found = unpack(packed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000
    for array in found.arrays.values():
        assert np.shares_memory(array, np.frombuffer(packed, "u1"))
        assert array.flags.aligned
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_packed_form_is_fixed() -> None:
    packed = pack(7, {"lots": np.array([1, -2], "i2")}, {"b": 1, "a": None})
    header = b"\x92\x91\x93\xa4lots\xa2i2\x91\x02\x82\xa1a\xc0\xa1b\x01"
    body = header + bytes(-len(header) % 16) + b"\x01\x00\xfe\xff" + bytes(12)
    blank = PREFIX.pack(b"KMCB", 1, 7, len(header), 0, 32 + len(body), 0)
    crc = crc32(body, crc32(blank))
    assert packed == PREFIX.pack(b"KMCB", 1, 7, len(header), crc, 32 + len(body), 0) + body


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array(["text"]),
        np.array([b"text"]),
        np.array(["2025-10-10"], "M8[s]"),
        np.array([1j]),
        np.zeros(2, [("a", "O")]),
        np.zeros(2, [("a", [("b", "i4")])]),
        np.zeros(2, "f2"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_an_array_of_another_type_is_refused_by_name(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"arrays\['fees'\] holds"):
        pack(1, {"fees": array}, {})


@pytest.mark.parametrize("value", [2**64, {1: 2}, {"a": {1, 2}}, np.int64(3), [np.zeros(1)]])
def test_meta_that_is_not_plain_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="meta"):
        pack(1, {}, {"value": value})


@pytest.mark.parametrize("kind_tag", [-1, 65536])
def test_a_kind_tag_over_16_bits_is_refused(kind_tag: int) -> None:
    with pytest.raises(InvalidInput, match="kind tag"):
        pack(kind_tag, {}, {})


def test_every_flipped_bit_is_reported() -> None:
    packed = pack(3, fills(5), {"a": "b"})
    for i in range(8 * len(packed)):
        changed = bytearray(packed)
        changed[i // 8] ^= 1 << i % 8
        with pytest.raises((CorruptJournal, NewerFormat)):
            unpack(bytes(changed))


def test_every_cut_and_every_extension_is_reported() -> None:
    packed = pack(3, fills(5), {"a": "b"})
    for length in range(len(packed)):
        with pytest.raises(CorruptJournal):
            unpack(packed[:length])
    with pytest.raises(CorruptJournal):
        unpack(packed + b"\x00")


@given(st.binary(max_size=300))
def test_noise_is_not_a_bulk_record(noise: bytes) -> None:
    with pytest.raises(CorruptJournal):
        unpack(noise)


def test_a_newer_format_is_refused_by_name() -> None:
    with pytest.raises(NewerFormat, match=f"format {VERSION + 1}"):
        unpack(forged([[], {}], b"", version=VERSION + 1))


def forged(header: object, columns: bytes, version: int = VERSION) -> bytes:
    """Return a record with a true checksum and whatever it claims."""
    return sealed(msgspec.msgpack.encode(header), columns, version)


def sealed(header: bytes, columns: bytes, version: int = VERSION) -> bytes:
    body = header + bytes(-len(header) % 16) + columns
    prefix = (b"KMCB", version, 1, len(header))
    crc = crc32(body, crc32(PREFIX.pack(*prefix, 0, 32 + len(body), 0)))
    return PREFIX.pack(*prefix, crc, 32 + len(body), 0) + body


def column(dtype: object, shape: Sequence[object]) -> object:
    return [[["a", dtype, shape]], {}]


LIES = {
    "more elements than bytes": column("i8", [3]),
    "fewer elements than bytes": column("i8", [0]),
    "no column for the bytes": [[], {}],
    "negative length": column("i8", [-2]),
    "length of another type": column("i8", ["2"]),
    "huge length": column("i8", [2**60]),
    "lengths that wrap 64 bits": column("i8", [2**33, 2**33]),
    "empty and huge": column("i8", [0, 2**62]),
    "empty and beyond 64 bits": column("i8", [0, 2**63, 2**63]),
    "too many dimensions": column("i8", [1] * 65),
    "objects": column("O", [2]),
    "text": column("U2", [2]),
    "big-endian": column(">i8", [2]),
    "an expression": column("i8,i8", [1]),
    "a void": column("V16", [1]),
    "a record without fields": column([], [1]),
    "a record of objects": column([["x", "O", []]], [2]),
    "a record with a huge field": column([["x", "i8", [2**40]]], [1]),
    "a record with a field beyond 64 bits": column([["x", "i8", [2**63]]], [1]),
    "a record with an empty field": column([["x", "i8", [0]]], [2**61]),
    "a record with equal fields": column([["x", "i8", []], ["x", "i8", []]], [1]),
    "two columns of one name": [[["a", "i8", [1]], ["a", "i8", [1]]], {}],
    "a column too many": [[["a", "i8", [2]], ["b", "i8", [1]]], {}],
    "a column without a shape": [[["a", "i8"]], {}],
    "a header of another type": 5,
}


@pytest.mark.parametrize("header", LIES.values(), ids=LIES)
def test_a_header_that_lies_under_a_true_checksum_is_reported(header: object) -> None:
    with pytest.raises(CorruptJournal, match="bulk record"):
        unpack(forged(header, bytes(16)))


def test_the_forged_record_is_read_when_it_tells_the_truth() -> None:
    assert unpack(forged(column("i8", [2]), bytes(16))).arrays["a"].tolist() == [0, 0]


@pytest.mark.parametrize("header", [b"", b"\xc1", b"\x92\x90", b"\x91" * 100_000])
def test_a_header_that_is_no_msgpack_is_reported(header: bytes) -> None:
    with pytest.raises(CorruptJournal, match="header"):
        unpack(sealed(header, b""))


def test_a_header_that_passes_the_end_is_reported() -> None:
    blank = PREFIX.pack(b"KMCB", VERSION, 1, 2**31, 0, 32, 0)
    with pytest.raises(CorruptJournal, match="pass the end"):
        unpack(PREFIX.pack(b"KMCB", VERSION, 1, 2**31, crc32(blank), 32, 0))
