import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.kernels.blocks import CLASSES, NO_BLOCK, NO_ROOM, allocate, grow, release
from keelmark.book.kernels.jit import plain
from keelmark.book.records import BALANCE, WIRE
from keelmark.book.tables import ROWS_LIMIT, BlockTable
from keelmark.core.errors import OutOfScale

Owned = dict[int, tuple[int, int]]  # number -> start, class


def write(table: BlockTable, start: int, block_class: int, number: int) -> None:
    for offset in range(1 << block_class):
        table.rows[start + offset]["quanta"] = 100 * number + offset


def check(table: BlockTable, owned: Owned) -> None:
    """Every row handed out is in one block, owned or free, and owned rows kept their contents."""
    owners = [0] * table.used
    for number, (start, block_class) in owned.items():
        for offset in range(1 << block_class):
            owners[start + offset] += 1
            assert table.rows[start + offset]["quanta"] == 100 * number + offset
    for block_class, starts in table.free_blocks().items():
        for start in starts:
            for offset in range(1 << block_class):
                owners[start + offset] += 1
    assert owners == [1] * table.used


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["new", "grow", "free"]), st.integers(0, 5), st.integers(0, 99)),
        max_size=60,
    ),
    interpreted=st.booleans(),
)
def test_every_row_has_one_owner_after_any_sequence(
    steps: list[tuple[str, int, int]],
    interpreted: bool,  # noqa: FBT001 drawn
) -> None:
    take = plain(allocate) if interpreted else allocate
    free = plain(release) if interpreted else release
    extend = plain(grow) if interpreted else grow
    table = BlockTable(BALANCE, link="asset", capacity=64)
    owned: Owned = {}
    for number, (step, block_class, pick) in enumerate(steps):
        chosen_block = sorted(owned)[pick % len(owned)] if owned else None
        if step == "new":
            start = take(table.next_free, table.heads, block_class)
            if start != NO_ROOM:
                owned[number] = (start, block_class)
                write(table, start, block_class, number)
        elif chosen_block is not None and step == "free":
            free(table.next_free, table.heads, *owned.pop(chosen_block))
        elif chosen_block is not None:
            start, held = owned[chosen_block]
            moved = extend(table.rows, table.next_free, table.heads, start, held)
            if moved != NO_ROOM:
                kept = table.rows["quanta"][moved : moved + (1 << held)].tolist()
                assert kept == [100 * chosen_block + offset for offset in range(1 << held)]
                owned[chosen_block] = (moved, held + 1)
                write(table, moved, held + 1, chosen_block)
        check(table, owned)


def test_a_freed_block_is_handed_out_again_before_new_rows() -> None:
    table = BlockTable(WIRE, link="next", capacity=16)
    first, second = (allocate(table.next_free, table.heads, 2) for _ in range(2))
    release(table.next_free, table.heads, first, 2)
    release(table.next_free, table.heads, second, 2)
    assert table.free_blocks()[2] == (second, first)
    assert allocate(table.next_free, table.heads, 2) == second
    assert allocate(table.next_free, table.heads, 1) == 8
    assert table.used == 10


def test_a_unit_without_a_block_grows_to_one_row_and_has_nothing_to_release() -> None:
    table = BlockTable(BALANCE, link="asset", capacity=4)
    assert grow(table.rows, table.next_free, table.heads, 0, NO_BLOCK) == 0
    release(table.next_free, table.heads, 0, NO_BLOCK)
    assert all(starts == () for starts in table.free_blocks().values())


def test_a_full_table_says_so_and_changes_nothing() -> None:
    table = BlockTable(BALANCE, link="asset", capacity=3)
    start = allocate(table.next_free, table.heads, 1)
    before = table.heads.copy()
    assert grow(table.rows, table.next_free, table.heads, start, 1) == NO_ROOM
    assert (table.heads == before).all()
    table.reserve(4)
    assert len(table.rows) == 6
    assert grow(table.rows, table.next_free, table.heads, start, 1) == 2


def test_a_table_beyond_32_bit_row_numbers_is_refused() -> None:
    table = BlockTable(BALANCE, link="asset")
    table.heads[CLASSES] = ROWS_LIMIT
    with pytest.raises(OutOfScale, match="split the fleet"):
        table.reserve(1)


def test_reserving_keeps_what_is_written() -> None:
    table = BlockTable(BALANCE, link="asset", capacity=1)
    start = allocate(table.next_free, table.heads, 0)
    table.rows[start]["quanta"] = 7
    table.reserve(100)
    assert table.rows["quanta"][:2].tolist() == [7, 0]
    assert np.count_nonzero(table.rows["quanta"]) == 1
