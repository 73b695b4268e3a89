"""Commands in a group are those one by one, durable together."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.book.postings import Transfer, posting_rows
from keelmark.core.errors import InvalidInput, PositionConflict, Rejected, StorageFailed
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.engine import Engine, JournalBehind
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.journal.port import Batch
from tests.engine.test_recovery import GENERIC, batches, opened, plan_of, take, traded


class CountingJournal(MemoryJournal):
    """Counts its writes, and fails one of them if told to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.is_full = False

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        if self.is_full:
            msg = "no room"
            raise StorageFailed(msg)
        self.writes += 1
        return super().append_many(batches, expected_position=expected_position)


def grouped() -> tuple[Engine, CountingJournal, int]:
    journal = CountingJournal()
    engine = traded(Engine(GENERIC, journal=journal))
    return engine, journal, engine.state.book.cross_unit(0)


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_a_group_leaves_what_its_commands_leave_one_by_one(seed: int) -> None:
    plan = plan_of(seed)
    engine, again = opened(plan), opened(plan)
    for step in plan.script:
        take(engine, step)
    rng = np.random.default_rng(seed)
    script = list(plan.script)
    while script:
        count = int(rng.integers(0, 12))
        with again.group():
            for step in script[:count]:
                take(again, step)
        assert again.durable_position == again.position == len(batches(again))
        del script[:count]
    assert batches(again) == batches(engine)
    assert again.digest() == engine.digest()


def test_a_group_is_one_write_and_its_receipts_have_their_final_positions() -> None:
    engine, journal, unit = grouped()
    before, writes = engine.position, journal.writes
    with engine.group():
        receipts = [engine.submit(c.Deposit(unit=unit, asset=0, quanta=n)) for n in (1, 2, 3)]
        engine.submit_bulk(
            e.Posted(rows=posting_rows([Transfer(unit=-1, counterparty=unit, asset=0, quanta=4)]))
        )
        assert (engine.position, engine.durable_position) == (before + 4, before)
    assert [receipt.position for receipt in receipts] == [before + 1, before + 2, before + 3]
    assert journal.writes == writes + 1
    assert engine.durable_position == before + 4
    for receipt in receipts:
        assert engine.events_at(receipt.position) == receipt.events


def test_a_refused_command_leaves_the_rest_of_its_group() -> None:
    engine, _, unit = grouped()
    before = engine.position
    with engine.group():
        engine.submit(c.Deposit(unit=unit, asset=0, quanta=1))
        with pytest.raises(Rejected):
            engine.submit(c.Withdraw(unit=unit, asset=0, quanta=10**15))
        with pytest.raises(InvalidInput):
            engine.submit(c.Deposit(unit=99, asset=0, quanta=1))
        engine.submit(c.Deposit(unit=unit, asset=0, quanta=2))
    assert engine.durable_position == before + 2
    assert Engine.recover(GENERIC, engine.journal).digest() == engine.digest()


def test_a_group_that_ends_in_an_error_keeps_what_was_carried_out() -> None:
    engine, _, unit = grouped()
    before = engine.position

    def fail() -> None:
        with engine.group():
            engine.submit(c.Deposit(unit=unit, asset=0, quanta=1))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert engine.durable_position == before + 1
    assert not engine.is_behind


def test_a_group_that_cannot_be_written_is_lost_whole_and_the_engine_says_so() -> None:
    engine, journal, unit = grouped()
    before, digest = engine.position, engine.digest()

    def fill_the_disk() -> None:
        with engine.group():
            engine.submit(c.Deposit(unit=unit, asset=0, quanta=1))
            journal.is_full = True

    with pytest.raises(StorageFailed):
        fill_the_disk()
    assert engine.is_behind
    assert engine.durable_position == before
    with pytest.raises(JournalBehind), engine.group():
        pass
    with pytest.raises(JournalBehind):
        engine.submit(c.Deposit(unit=unit, asset=0, quanta=1))
    assert Engine.recover(GENERIC, journal).digest() == digest


def test_an_empty_group_writes_nothing_and_groups_do_not_nest() -> None:
    engine, journal, _ = grouped()
    writes = journal.writes
    with engine.group():
        pass
    assert journal.writes == writes
    with engine.group(), pytest.raises(InvalidInput, match="open already"), engine.group():
        pass
    with engine.group():
        pass


def test_what_needs_the_journal_waits_for_the_end_of_the_group() -> None:
    engine, _, unit = grouped()
    with engine.group():
        receipt = engine.submit(c.Deposit(unit=unit, asset=0, quanta=1))
        with pytest.raises(InvalidInput, match="inside a group"):
            engine.write_snapshot(None)  # type: ignore[arg-type]  # refused before it is looked at
        with pytest.raises(PositionConflict):
            engine.events_at(receipt.position)
    assert engine.events_at(receipt.position) == receipt.events
    with pytest.raises(PositionConflict):
        engine.events_at(0)


def test_a_new_journal_may_begin_with_a_group() -> None:
    engine = Engine(GENERIC)
    with engine.group():
        engine.submit(c.OpenAccount(name="a"))
        engine.submit(c.OpenAccount(name="b"))
    first, second = batches(engine)
    assert (len(first), len(second)) == (2, 1)
    assert Engine.recover(GENERIC, engine.journal).digest() == engine.digest()
