"""The kernels that share units: order of loads and stores, and the same answers interpreted."""

import re
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

from keelmark.book.kernels.jit import OPTIONS, plain
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.service.columns.fences import fence, load_word, store_word
from keelmark.service.columns.kernels import (
    BUSY,
    DONE,
    LINE_BITS,
    NO_ROOM,
    OUTSIDE,
    Columns,
    Held,
    publish_kernel,
    read_unit_kernel,
    read_words_kernel,
    refresh_kernel,
    write_words_kernel,
)

UNITS = 70


def compiled(kernel: Any) -> str:  # noqa: ANN401 a dispatcher
    """Return the optimised code of a kernel of two arrays and two numbers."""
    own = numba.njit(**(OPTIONS | {"cache": False}))(kernel.py_func)
    words = numba.int64[::1]
    own.compile((words, words, numba.int64, numba.int64))
    text: str = next(iter(own.inspect_llvm().values()))
    return text[text.index("define") :].partition("\n}\n")[0]


KINDS = {
    "atomic": re.compile(r"(load|store) atomic i64"),
    "fence": re.compile(r"fence acq_rel"),
    "data": re.compile(r"(= load|store) (i64|<\d+ x i64>)|llvm\.mem(cpy|move)"),
}
IS_COMPILED = not getattr(numba.config, "DISABLE_JIT", 0)
Blocks = dict[str, tuple[list[str], list[str]]]


def blocks(code: str) -> Blocks:
    """Return what each block does, in order, and the blocks that may follow it."""
    found: Blocks = {}
    name = "entry"
    for line in code.splitlines()[1:]:
        if label := re.match(r"([\w.]+):", line):
            name = label[1]
        steps, after = found.setdefault(name, ([], []))
        steps += [kind for kind, pattern in KINDS.items() if pattern.search(line)]
        after += re.findall(r"label %([\w.]+)", line)
    return found


def reached(found: Blocks, start: tuple[str, int], end: str) -> set[str]:
    """Return what may be done from a place until a step of kind `end`."""
    seen, todo, visited = set[str](), [start], set[tuple[str, int]]()
    while todo:
        name, place = todo.pop()
        if (name, place) in visited:
            continue
        visited.add((name, place))
        steps, after = found[name]
        rest = steps[place:]
        seen.update(rest[: rest.index(end)] if end in rest else rest)
        if end not in rest:
            todo += [(label, 0) for label in after]
    return seen


def require_order(code: str, first: str) -> None:
    """Data come after the first `first`, and a fence comes between data and the next word."""
    found = blocks(code)
    start = next(iter(found))
    assert "data" not in reached(found, (start, 0), first), code
    data = [(n, i) for n, (steps, _) in found.items() for i, s in enumerate(steps) if s == "data"]
    assert data
    for name, place in data:
        assert "atomic" not in reached(found, (name, place), "fence"), code


@pytest.mark.skipif(not IS_COMPILED, reason="nothing is compiled")
def test_the_compiler_keeps_a_writer_in_order() -> None:
    """Odd word, fence, data, fence, even word: on every path of the code that runs."""
    code = compiled(write_words_kernel)
    assert code.count("store atomic") == code.count("fence acq_rel") == 2
    stores = re.sub(r"= load i64", "", code)  # the draft is the writer's own
    require_order(stores, "fence")


@pytest.mark.skipif(not IS_COMPILED, reason="nothing is compiled")
def test_the_compiler_keeps_a_reader_in_order() -> None:
    """Word, data, fence, word: on every path of the code that runs."""
    code = compiled(read_words_kernel)
    assert code.count("load atomic") == 2
    loads = re.sub(r"store i64", "", code)  # the answer is the reader's own
    require_order(loads, "atomic")


def test_the_order_is_checked() -> None:
    """A store behind the last fence, and one before the first, are found."""
    late = "define\n  store atomic i64\n  fence acq_rel\n  store i64\n  store atomic i64"
    with pytest.raises(AssertionError):
        require_order(late, "fence")
    with pytest.raises(AssertionError):
        require_order("define\n  store i64\n  fence acq_rel", "fence")


def columns(units: int) -> Columns:
    lines = (units >> LINE_BITS) + 1
    return Columns(
        np.zeros(units, UNIT),
        np.zeros(4 * units, POSITION),
        np.zeros(4 * units, BALANCE),
        np.zeros(units, np.int64),
        np.zeros(lines, np.int64),
    )


def book(units: int, seed: int) -> Held:
    """Return units with blocks of four rows in any order."""
    rng = np.random.default_rng(seed)
    table = columns(units)
    held, cash = table.positions, table.balances
    held["lots"], held["instrument"] = rng.integers(-9, 9, (2, len(held)))
    held["instrument"] %= 3
    cash["quanta"] = rng.integers(-9, 9, len(cash))
    rows = table.units
    rows["positions_start"] = 4 * rng.permutation(units)
    rows["balances_start"] = 4 * rng.permutation(units)
    rows["positions_count"], rows["balances_count"] = rng.integers(0, 5, (2, units))
    return Held(rows, held, cash)


def longs_of(held: Held) -> list[int]:
    sums = [0, 0, 0]
    for row in held.units:
        first = int(row["positions_start"])
        for position in held.positions[first : first + int(row["positions_count"])]:
            sums[position["instrument"]] += max(0, int(position["lots"]))
    return sums


@pytest.mark.parametrize("run", [lambda kernel: kernel, plain])
def test_a_copy_is_what_was_published(run: Callable[[Any], Any]) -> None:
    shared, kept, longs = columns(UNITS), columns(UNITS), np.zeros(6, np.int64)
    head, late = np.zeros(1, UNIT), []
    everybody = np.arange(UNITS, dtype=np.int32)
    for position in (1, 2):
        held = book(UNITS, position)
        filled, paid = everybody[:: position + 1], everybody[position:]
        if position == 1:
            filled, paid = np.concatenate((everybody, everybody[:5])), everybody[:3]
        else:  # elsewhere, and everybody has been touched
            filled = everybody
        run(publish_kernel)(held, shared, filled, paid, position, longs)
        assert [2**32 * high + low for high, low in longs.reshape(3, 2)] == longs_of(held)
        assert set(shared.stamps.tolist()) == {2 * position}
        late.append(run(refresh_kernel)(shared, kept, position - 1, position, UNITS, head))
        for unit in range(UNITS):
            assert found(run, shared, unit) == expected(held, unit)
            assert expected(Held(*kept[:3]), unit) == expected(held, unit)
    assert late == [0, 0]


def expected(held: Held, unit: int) -> tuple[list[Any], list[Any]]:
    row = held.units[unit]
    first, cash = int(row["positions_start"]), int(row["balances_start"])
    return (
        held.positions[first : first + int(row["positions_count"])].tolist(),
        held.balances[cash : cash + int(row["balances_count"])].tolist(),
    )


def found(run: Callable[[Any], Any], shared: Columns, unit: int) -> tuple[list[Any], list[Any]]:
    head, positions, balances = np.zeros(1, UNIT), np.zeros(4, POSITION), np.zeros(4, BALANCE)
    stamp = np.zeros(1, np.int64)
    assert run(read_unit_kernel)(shared, unit, head, positions, balances, stamp) == DONE
    assert stamp[0] == shared.stamps[unit]
    return (
        positions[: int(head[0]["positions_count"])].tolist(),
        balances[: int(head[0]["balances_count"])].tolist(),
    )


@pytest.mark.parametrize("run", [lambda kernel: kernel, plain])
def test_what_cannot_be_copied_is_told(run: Callable[[Any], Any]) -> None:
    shared, kept = columns(UNITS), columns(UNITS)
    head, stamp = np.zeros(1, UNIT), np.zeros(1, np.int64)
    out = (head, np.zeros(2, POSITION), np.zeros(2, BALANCE), stamp)
    run(publish_kernel)(
        book(UNITS, 3), shared, np.arange(UNITS, dtype=np.int32), np.zeros(0, np.int32), 5,
        np.zeros(6, np.int64),
    )  # fmt: skip
    shared.units["positions_count"][:3], shared.units["balances_count"][:3] = 1, 1
    shared.units["positions_start"][0] = len(shared.positions)
    shared.units["positions_count"][1] = 3
    shared.stamps[2] |= 1
    answers = [run(read_unit_kernel)(shared, unit, *out) for unit in range(3)]
    assert answers == [OUTSIDE, NO_ROOM, BUSY]
    assert run(refresh_kernel)(shared, kept, 4, 5, UNITS, head) == 2  # outside, and being written
    assert run(refresh_kernel)(shared, kept, 5, 5, UNITS, head) == 0  # nothing is asked for
    kept.stamps[2] = 10
    assert run(refresh_kernel)(shared, kept, 4, 5, UNITS, head) == 1  # as it was, the copy has it
    kept.stamps[3] = 0
    assert run(refresh_kernel)(shared, kept, 4, 4, UNITS, head) == 2  # later than the moment


@pytest.mark.parametrize("run", [lambda kernel: kernel, plain])
def test_words_are_whole_or_busy(run: Callable[[Any], Any]) -> None:
    words, draft, out = np.zeros(6, np.int64), np.arange(1, 5), np.zeros(4, np.int64)
    run(write_words_kernel)(words, draft, 0, 2)
    assert words.tolist() == [2, 0, 1, 2, 3, 4]
    assert run(read_words_kernel)(words, out, 0, 2) == DONE
    assert out.tolist() == draft.tolist()
    words[0] += 1
    assert run(read_words_kernel)(words, out, 0, 2) == BUSY
    run(write_words_kernel)(words, draft, 0, 2)
    assert words[0] == 4


def test_words_are_read_and_written_without_compiling() -> None:
    def touch(words: np.ndarray[Any, Any]) -> int:
        fence()
        store_word(words, 1, load_word(words, 0) + 1)
        return int(words[1])

    assert plain(touch)(np.array([6, 0])) == 7
