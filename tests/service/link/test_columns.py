"""Marks as columns, and commands as bytes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_origin

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.engine import commands as c
from keelmark.engine.events import MarksSet
from keelmark.service.link.columns import joined, packed, unpacked
from keelmark.service.link.commands import command_of, encoded

snapshots = st.lists(
    st.tuples(
        st.integers(0, 2**60),
        st.dictionaries(st.integers(0, 2**31 - 1), st.floats(), max_size=4),
    ),
    max_size=6,
)


def marks_of(rows: list[tuple[int, dict[int, float]]]) -> MarksSet:
    factors = [factor for _, prices in rows for factor in prices]
    return MarksSet(
        times_ms=np.array([time for time, _ in rows], np.int64),
        offsets=np.cumsum([0, *(len(prices) for _, prices in rows)], dtype=np.int64),
        factors=np.array(factors, np.int32),
        prices=np.array([price for _, prices in rows for price in prices.values()], np.float64),
    )


def columns(marks: MarksSet) -> list[bytes]:
    return [getattr(marks, n).tobytes() for n in ("times_ms", "offsets", "factors", "prices")]


@given(snapshots)
def test_marks_arrive_as_they_were_sent(rows: list[tuple[int, dict[int, float]]]) -> None:
    marks = marks_of(rows)
    assert columns(unpacked(packed(marks))) == columns(marks)


@given(st.lists(snapshots, min_size=1, max_size=4))
def test_joined_streams_are_one_stream_of_all_their_snapshots(
    streams: list[list[tuple[int, dict[int, float]]]],
) -> None:
    whole = marks_of([row for rows in streams for row in rows])
    assert columns(joined([marks_of(rows) for rows in streams])) == columns(whole)


GOOD = marks_of([(1, {0: 1.0, 1: 2.0}), (2, {0: 3.0})])

BAD: dict[str, Callable[[], MarksSet]] = {
    "another type": lambda: replace(GOOD, factors=GOOD.factors.astype(np.int64)),
    "another shape": lambda: replace(GOOD, prices=GOOD.prices.reshape(3, 1)),
    "too few bounds": lambda: replace(GOOD, offsets=GOOD.offsets[:-1]),
    "bounds that fall": lambda: replace(GOOD, offsets=np.array([0, 4, 3])),
    "a first bound after the start": lambda: replace(GOOD, offsets=np.array([1, 2, 3])),
    "too few prices": lambda: replace(GOOD, prices=GOOD.prices[:-1]),
    "no bounds": lambda: replace(GOOD, times_ms=GOOD.times_ms[:0], offsets=GOOD.offsets[:0]),
}


@pytest.mark.parametrize("name", BAD)
def test_marks_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="marks whose"):
        unpacked(packed(BAD[name]()))


@given(st.binary(max_size=100))
def test_bytes_that_are_no_marks_are_refused(columns: bytes) -> None:
    with pytest.raises(InvalidInput, match="marks that cannot be read"):
        unpacked(columns)


def value_of(kind: Any) -> Any:  # noqa: ANN401 a type annotation
    if kind in {str, bool}:
        return kind(1)
    return () if get_origin(kind) is tuple else 1


@pytest.mark.parametrize("kind", c.Command.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_command_arrives_as_it_was_sent(kind: type[c.Command]) -> None:
    fields = msgspec.structs.fields(kind)
    command = kind(**{field.name: value_of(field.type) for field in fields})
    assert command_of(encoded(command)) == command


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xc1", b"\x80", msgspec.msgpack.encode({"type": "Nothing"}), b"\x91" * 100_000],
    ids=repr,
)
def test_what_is_no_command_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="no command of this release"):
        command_of(msgspec.Raw(raw))


def test_a_command_with_a_fraction_is_refused() -> None:
    raw = msgspec.msgpack.encode({"type": "Deposit", "unit": 1, "asset": 0, "quanta": 1.5})
    with pytest.raises(InvalidInput, match=r"quanta"):
        command_of(msgspec.Raw(raw))
