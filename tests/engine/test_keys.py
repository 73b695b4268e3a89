"""Idempotency keys: a command sent again is told where it was carried out, and done once."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.book.snapshots import load_snapshot, write_snapshot
from keelmark.core.errors import InvalidInput, Rejected, RejectionReason, UnreadableData
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.codec import encoded, event_of, record_of
from keelmark.engine.engine import Engine
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.keys import (
    Keys,
    _slots_for,
    find_kernel,
    index_kernel,
    remember_kernel,
    stamp_of,
)
from keelmark.engine.recovery import FORMAT
from tests.engine.test_recovery import GENERIC, Batches, batches, prefix, traded


def venue() -> tuple[Engine, c.Deposit]:
    engine = traded(Engine(GENERIC))
    return engine, c.Deposit(unit=engine.state.book.cross_unit(0), asset=0, quanta=7)


def held(engine: Engine, command: c.Deposit) -> int:
    return engine.state.book.balance(command.unit, 0)


# --- the engine ---------------------------------------------------------------------------------


def test_a_command_sent_again_is_done_once_and_told_where() -> None:
    engine, deposit = venue()
    before = held(engine, deposit)
    first = engine.submit(deposit, key="k1")
    digest = engine.digest()
    engine.submit(deposit)  # without a key it is another one
    again = engine.submit(deposit, key="k1")
    assert not first.is_repeated
    assert (again.position, again.events, again.is_repeated) == (first.position, (), True)
    assert held(engine, deposit) == before + 14
    assert engine.events_at(again.position) == first.events
    assert first.events[-1] == e.Keyed(
        stamp=stamp_of("k1", encoded(deposit)), position=first.position
    )
    assert Engine.recover(GENERIC, prefix(batches(engine), first.position)).digest() == digest


def test_a_key_sent_with_another_command_is_refused() -> None:
    engine, deposit = venue()
    engine.submit(deposit, key="k1")
    digest = engine.digest()
    other = c.Withdraw(unit=deposit.unit, asset=0, quanta=7)
    for command in (c.Deposit(unit=deposit.unit, asset=0, quanta=8), other):
        with pytest.raises(Rejected, match="another command") as refused:
            engine.submit(command, key="k1")
        assert refused.value.reason is RejectionReason.KEY_REUSED
    assert engine.digest() == digest


def test_a_refused_command_takes_no_key() -> None:
    engine, deposit = venue()
    digest = engine.digest()
    with pytest.raises(Rejected):
        engine.submit(c.Withdraw(unit=deposit.unit, asset=0, quanta=10**17), key="k1")
    with pytest.raises(Rejected):
        engine.submit(c.AdvanceTime(time_ms=1), key="k1")
    assert engine.digest() == digest
    assert not engine.submit(deposit, key="k1").is_repeated


def test_an_amount_that_does_not_fit_on_top_of_the_balance_leaves_the_engine_as_it_is() -> None:
    engine, deposit = venue()
    digest = engine.digest()
    with pytest.raises(InvalidInput):
        engine.submit(c.Deposit(unit=deposit.unit, asset=0, quanta=2**62), key="k")
    assert not engine.is_behind
    assert engine.digest() == digest


def test_the_clock_moves_once_under_a_key() -> None:
    engine, _ = venue()
    command = c.AdvanceTime(time_ms=engine.state.time_ms + 1000)
    first = engine.submit(command, key="t")
    assert engine.submit(command, key="t").position == first.position
    assert engine.position == first.position


@pytest.mark.parametrize("key", ["x" * 256, 7, None, b"k"])
def test_what_is_no_key_is_refused(key: object) -> None:
    engine, deposit = venue()
    with pytest.raises(InvalidInput, match="idempotency key"):
        engine.submit(deposit, key=key)  # type: ignore[arg-type]  # that is what is refused


def test_any_text_is_a_key() -> None:
    engine, deposit = venue()
    for key in ("\x00", "ключ", "\ud800", "k" * 255):
        assert not engine.submit(deposit, key=key).is_repeated
        assert engine.submit(deposit, key=key).is_repeated


def test_keys_come_back_from_journal_and_snapshot_and_count_in_the_digest(tmp_path: Path) -> None:
    engine, deposit = venue()
    plainly = Engine.recover(GENERIC, prefix(batches(engine), engine.position))
    plainly.submit(deposit)
    first = engine.submit(deposit, key="a")
    assert engine.digest() != plainly.digest()
    path = tmp_path / "snapshot"
    engine.write_snapshot(path)
    second = engine.submit(deposit, key="b")
    for snapshot in (None, path):
        again = Engine.recover(GENERIC, prefix(batches(engine), engine.position), snapshot=snapshot)
        assert again.digest() == engine.digest()
        assert again.submit(deposit, key="a").position == first.position
        assert again.submit(deposit, key="b").position == second.position
        assert not again.submit(deposit, key="c").is_repeated


def test_a_repeat_inside_the_group_of_the_first_is_told_its_position() -> None:
    engine, deposit = venue()
    with engine.group():
        first = engine.submit(deposit, key="k")
        again = engine.submit(deposit, key="k")
    assert (again.position, again.is_repeated) == (first.position, True)


def test_a_journal_of_the_format_before_is_read_and_gone_on_with() -> None:
    engine, deposit = venue()
    written = batches(engine)
    begun = replace_first(written, format=2)
    again = Engine.recover(GENERIC, begun)
    assert again.digest() == engine.digest()
    assert again.submit(deposit, key="k").position == engine.position + 1
    assert Engine.recover(GENERIC, begun).submit(deposit, key="k").is_repeated
    assert FORMAT == 3


def replace_first(written: Batches, **changes: int) -> MemoryJournal:
    first, *rest = written[0]
    changed = msgspec.structs.replace(event_of(first), **changes)
    return prefix([(record_of(changed), *rest), *written[1:]], len(written))


def test_a_snapshot_of_an_older_schema_says_what_to_do(tmp_path: Path) -> None:
    engine, _ = venue()
    path = tmp_path / "snapshot"
    engine.write_snapshot(path)
    found = load_snapshot(path, engine.state.parameters())
    write_snapshot(found.book, path, columns=found.columns, notes={**found.notes, "schema": 4})
    with pytest.raises(UnreadableData, match=r"older release.*without it"):
        Engine.recover(GENERIC, engine.journal, snapshot=path)


def test_a_command_encodes_alike_whatever_fields_are_added_later() -> None:
    fill = c.Fill(unit=5, counterparty=6, instrument=0, lots=1, ticks=2)
    fields = msgspec.msgpack.decode(encoded(fill))
    assert set(fields) == {"type", "unit", "counterparty", "instrument", "lots", "ticks"}


# --- the table ----------------------------------------------------------------------------------


def stamps(numbers: list[int]) -> bytes:
    return b"".join(stamp_of(f"key {n}", b"%d" % (n % 3)) for n in numbers)


@given(
    kept=st.integers(1, 40),
    adds=st.lists(st.lists(st.integers(0, 10**6), max_size=30), max_size=12, unique_by=tuple),
    masked=st.booleans(),
)
def test_the_table_is_a_list_of_the_latest(
    kept: int,
    adds: list[list[int]],
    masked: bool,  # noqa: FBT001 drawn
) -> None:
    """With `masked`, keys share few home slots: chains are long and wrap round."""
    keys = Keys(kept)
    plainly: list[tuple[bytes, int]] = []
    seen: set[int] = set()
    for position, numbers in enumerate(adds):
        new = [n for n in dict.fromkeys(numbers) if n not in seen]
        seen |= set(new)
        rows = np.frombuffer(stamps(new), np.int64).reshape(-1, 4).copy()
        if masked:
            rows[:, 0] |= -4
        keys.add(rows.tobytes(), position)
        plainly = [*plainly, *((row.tobytes(), position) for row in rows)][-kept:]
        assert len(keys) == len(plainly)
        assert [(bytes(row[:4].tobytes()), int(row[4])) for row in keys.rows()] == plainly
        again = Keys(kept)
        again.restore(keys.rows())
        for table in (keys, again):
            assert [table.position_of(stamp) for stamp, _ in plainly] == [p for _, p in plainly]
            assert table.position_of(stamp_of("another", b"")) is None
    known = {stamp for stamp, _ in plainly}
    gone = [n for n in seen if not masked and stamps([n]) not in known]
    assert all(keys.position_of(stamps([n])) is None for n in gone)


def test_the_kernels_are_what_python_says_they_are() -> None:
    rows, slots = np.zeros((4, 5), np.int64), _slots_for(4)
    new = np.frombuffer(stamps(list(range(7))), np.int64).reshape(-1, 4)
    plain(remember_kernel)(new, 9, rows, slots, 0)
    compiled, places = np.zeros((4, 5), np.int64), _slots_for(4)
    remember_kernel(new, 9, compiled, places, 0)
    assert np.array_equal(rows, compiled)
    assert np.array_equal(slots, places)
    assert [plain(find_kernel)(stamp, rows, slots) for stamp in new] == [
        find_kernel(stamp, rows, slots) for stamp in new
    ]
    again = _slots_for(4)
    plain(index_kernel)(rows, again, 4)
    assert {int(s) for s in again} == {int(s) for s in slots}


@settings(max_examples=3)
@given(count=st.sampled_from([1023, 1024, 2500]))
def test_the_rows_grow_and_nothing_is_forgotten(count: int) -> None:
    keys = Keys()
    for number in range(count):
        keys.add(stamps([number]), number)
    assert len(keys) == count
    assert all(keys.position_of(stamps([n])) == n for n in range(0, count, 7))
