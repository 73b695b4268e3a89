"""Counters that other processes read."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import UnreadableData
from keelmark.service.counters import (
    BUCKETS,
    Counters,
    Distribution,
    Histogram,
    bucket_of,
    histogram_names,
    lower_edge,
)

ELSEWHERE = """
import sys
from pathlib import Path
from keelmark.service.counters import Counters
print(Counters.open(Path(sys.argv[1])).read())
"""


def test_another_process_reads_what_is_counted_here(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    with Counters.create(path, ["a", "b.c"]) as counters:
        counters.add("a")
        counters.add("a", 4)
        counters.set("b.c", -(2**62))
        done = subprocess.run(  # noqa: S603 our own interpreter and text
            [sys.executable, "-c", ELSEWHERE, str(path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert done.stdout.strip() == str({"a": 5, "b.c": -(2**62)})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_leaves_the_readers_of_the_old_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    with (
        Counters.create(path, ["a"]) as first,
        Counters.open(path) as old,
        Counters.create(path, ["a", "b"]),
        Counters.open(path) as new,
    ):
        first.add("a", 3)
        assert old.read() == {"a": 3}
        assert new.read() == {"a": 0, "b": 0}


@pytest.mark.parametrize("content", [None, b"", b"x" * 15, b"y" * 64, b"KMCOUNT1" + b"\0" * 8])
def test_what_holds_no_counters_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "counters"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableData, match="no counters in"):
        Counters.open(path)


def test_a_reader_cannot_count(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    with (
        Counters.create(path, ["a"]),
        Counters.open(path) as reader,
        pytest.raises(TypeError, match="read-only"),
    ):
        reader.add("a")


@given(st.integers(0, 2**40))
def test_a_value_lies_between_the_edges_of_its_bucket(value: int) -> None:
    bucket = bucket_of(value)
    assert 0 <= bucket < BUCKETS
    assert lower_edge(bucket) <= value
    if bucket < BUCKETS - 1:
        assert value < lower_edge(bucket + 1) <= max(lower_edge(bucket) * 1.25, value + 1)


@given(st.lists(st.integers(-3, 2**27), min_size=1), st.floats(0, 1))
def test_a_quantile_is_at_most_a_quarter_above_the_true_one(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], share: float
) -> None:
    path = tmp_path_factory.mktemp("h") / "counters"
    with Counters.create(path, histogram_names("x")) as counters:
        histogram = Histogram(counters, "x")
        for value in values:
            histogram.note(value)
        found = Distribution.of(counters.read(), "x")
    plain = sorted(max(value, 0) for value in values)
    exact = next(v for n, v in enumerate(plain, 1) if n >= share * len(plain))
    assert found.count == len(values)
    assert found.sum == sum(plain)
    quantile = found.quantile(share)
    assert quantile is not None
    assert exact <= quantile <= max(1.25 * exact, exact)


def test_nothing_counted_has_no_quantile() -> None:
    assert Distribution(0, 0, (0,) * BUCKETS).quantile(0.99) is None


def test_room_for_every_cell_is_taken_at_once(tmp_path: Path) -> None:
    names = [f"cell {number}" for number in range(4_000)]
    with Counters.create(tmp_path / "counters", names):
        facts = (tmp_path / "counters").stat()
        assert 512 * facts.st_blocks >= facts.st_size, "a hole on a full device ends whoever reads"
