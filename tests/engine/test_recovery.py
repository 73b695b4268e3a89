"""An engine that is opened again is the one that was lost: same state, same future."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.book.book import LIQUIDITY
from keelmark.core.errors import (
    CorruptJournal,
    InvalidInput,
    NewerFormat,
    OtherTerms,
    Rejected,
    StorageFailed,
    UnreadableData,
)
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.codec import MESSAGE, event_of, record_of
from keelmark.engine.engine import Engine, JournalBehind
from keelmark.engine.events import MarksSet
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.journal.port import Batch, Record
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.lab.simulation.run import Plan, draw_plan
from keelmark.lab.simulation.script import Step
from keelmark.lab.simulation.spec import read_simulation
from keelmark.rulebooks.load import load_rulebook
from keelmark.rulebooks.terms import terms_digest

SPEC = read_simulation("crash").model_copy(update={"minutes": 4, "accounts": 8})
GENERIC = load_rulebook("generic")
Batches = list[tuple[Record, ...]]


def plan_of(seed: int) -> Plan:
    return draw_plan(SPEC, np.random.SeedSequence([seed, 0]))


def opened(plan: Plan) -> Engine:
    return Engine(plan.rulebook, market=plan.market())


def recovered(plan: Plan, journal: MemoryJournal, snapshot: Path | None = None) -> Engine:
    return Engine.recover(plan.rulebook, journal, market=plan.market(), snapshot=snapshot)


def take(engine: Engine, step: Step) -> None:
    try:
        if isinstance(step, MarksSet):
            engine.submit_marks(step)
        else:
            engine.submit(step)
    except (Rejected, InvalidInput):
        assert not engine.is_behind


def batches(engine: Engine) -> Batches:
    return [records for _, records in engine.journal.read(after=0)]


def prefix(held: Sequence[tuple[Record, ...]], count: int) -> MemoryJournal:
    journal = MemoryJournal()
    journal.append_many(held[:count], expected_position=0)
    return journal


def rest_of(step: Step, engine: Engine, before: int) -> Step | None:
    """What a client sends again: what the position and the clock say was not carried out."""
    if engine.position == before:
        return step
    if not isinstance(step, MarksSet):
        return None
    done = int(np.searchsorted(step.times_ms, engine.state.time_ms, side="right"))
    start = int(step.offsets[done]) if done < len(step.times_ms) else 0
    rest = MarksSet(
        times_ms=step.times_ms[done:],
        offsets=step.offsets[done:] - start,
        factors=step.factors[start:],
        prices=step.prices[start:],
    )
    return rest if len(rest.times_ms) else None


@pytest.mark.slow
@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_recovered_at_any_batch_the_engine_goes_on_as_if_it_had_never_stopped(seed: int) -> None:
    plan = plan_of(seed)
    engine = opened(plan)
    ends = []
    for step in plan.script:
        take(engine, step)
        ends.append(engine.position)
    held, digest = batches(engine), engine.digest()
    rng = np.random.default_rng(seed)
    for cut in np.unique(rng.integers(0, len(held) + 1, 6)).tolist():
        again = recovered(plan, prefix(held, cut))
        again.watch.index.check()
        first = next((n for n, end in enumerate(ends) if end > cut), len(ends))
        for number in range(first, len(ends)):
            before = ends[number - 1] if number else 0
            step = plan.script[number]
            rest = rest_of(step, again, before) if again.position > before else step
            if rest is not None:
                take(again, rest)
        assert batches(again) == held
        assert again.digest() == digest


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_every_batch_position_of_a_run_is_recovered_with_the_digest_it_had(seed: int) -> None:
    plan = plan_of(seed)
    engine = opened(plan)
    digests = {0: engine.digest()}
    for step in plan.script:
        take(engine, step)
        digests[engine.position] = engine.digest()
    held = batches(engine)
    for position in sorted(digests)[:: max(1, len(digests) // 8)]:
        assert recovered(plan, prefix(held, position)).digest() == digests[position]


@pytest.mark.parametrize("seed", range(6))
def test_a_snapshot_and_its_tail_give_what_the_whole_journal_gives(
    tmp_path: Path, seed: int
) -> None:
    plan = plan_of(seed)
    engine = opened(plan)
    middle = len(plan.script) * 2 // 3
    for step in plan.script[:middle]:
        take(engine, step)
    path = tmp_path / "engine.snapshot"
    assert engine.write_snapshot(path) == engine.digest()
    for step in plan.script[middle:-20]:
        take(engine, step)
    journal = prefix(batches(engine), engine.position)
    again = recovered(plan, journal, snapshot=path)
    assert again.digest() == engine.digest()
    assert again.position == engine.position
    for step in plan.script[-20:]:
        take(engine, step)
        take(again, step)
    assert batches(again) == batches(engine)


# --- one engine, in detail ----------------------------------------------------------------------


def marks(engine: Engine, time_ms: int, bitcoin: float) -> MarksSet:
    levels = {"BTCUSDT": bitcoin, "BTC": bitcoin, "ETHUSDT": 4000.0, "ETH": 4000.0}
    prices = [levels.get(factor.name, 1.0) for factor in engine.state.universe.factors]
    return MarksSet(
        times_ms=np.array([time_ms]),
        offsets=np.array([0, len(prices)]),
        factors=np.arange(len(prices), dtype=np.int32),
        prices=np.array(prices),
    )


def traded(engine: Engine) -> Engine:
    """Two accounts; the first is long ten bitcoin on 100,000."""
    engine.submit_marks(marks(engine, 1000, 100_000.0))
    for number, name in enumerate(("a", "b")):
        engine.submit(c.OpenAccount(name=name))
        unit = engine.state.book.cross_unit(number)
        engine.submit(c.Deposit(unit=unit, asset=0, quanta=(100 + 10_000 * number) * 10**9))
    unit = engine.state.book.cross_unit(0)
    engine.submit(
        c.Fill(unit=unit, counterparty=LIQUIDITY, instrument=0, lots=10_000, ticks=1_000_000),
    )
    return engine


def slow_rulebook() -> object:
    rules = GENERIC.liquidation
    slow = replace(rules, reduce=replace(rules.reduce, interval_s=60, sizing="tier_drop"))
    return replace(GENERIC, liquidation=slow)


def test_the_first_record_names_the_format_the_rulebook_and_its_terms() -> None:
    engine = traded(Engine(GENERIC))
    first = event_of(batches(engine)[0][0])
    assert first == e.JournalOpened(
        format=3, rulebook="generic@2025-10", terms=terms_digest(GENERIC)
    )


def test_a_journal_is_not_recovered_under_other_terms_and_the_message_names_both() -> None:
    engine = traded(Engine(GENERIC))
    rules = replace(GENERIC.liquidation, clearance_fee=GENERIC.liquidation.clearance_fee * 2)
    other = replace(GENERIC, liquidation=rules)
    with pytest.raises(OtherTerms, match=terms_digest(GENERIC)) as caught:
        Engine.recover(other, engine.journal)
    assert terms_digest(other) in str(caught.value)
    assert "generic@2025-10" in str(caught.value)


def test_how_a_number_is_written_is_no_other_term() -> None:
    rules = replace(GENERIC.liquidation, clearance_fee=GENERIC.liquidation.clearance_fee + 0)
    padded = replace(rules, taker_fee=rules.taker_fee.quantize(rules.taker_fee / 1000))
    assert str(padded.taker_fee) != str(rules.taker_fee)
    assert terms_digest(replace(GENERIC, liquidation=padded)) == terms_digest(GENERIC)


def test_parameters_that_were_changed_on_the_way_are_in_force_again(tmp_path: Path) -> None:
    text = (
        Path(load_rulebook.__code__.co_filename).parent / "data/generic@2025-10.toml"
    ).read_text(
        "utf-8",
    )
    changed = text.replace('taker_fee = "0.0005"', 'taker_fee = "0.0007"')
    assert changed != text
    engine = traded(Engine(GENERIC))
    engine.submit(c.SetRulebook(text=changed))
    path = tmp_path / "snapshot"
    engine.write_snapshot(path)
    for snapshot in (None, path):
        again = Engine.recover(GENERIC, engine.journal, snapshot=snapshot)
        assert str(again.state.rules.taker_fee) == "0.0007"
        assert again.digest() == engine.digest()


def test_an_empty_journal_gives_a_new_engine_and_a_begun_one_is_not_begun_twice() -> None:
    journal = MemoryJournal()
    engine = traded(Engine.recover(GENERIC, journal))
    assert engine.position == 6
    with pytest.raises(InvalidInput, match="begun already"):
        Engine(GENERIC, journal=journal)


def test_a_record_that_cannot_have_happened_is_named_with_its_batch() -> None:
    engine = traded(Engine(GENERIC))
    journal = prefix(batches(engine), engine.position)
    impossible = record_of(e.Deposited(unit=10**6, asset=0, quanta=1))
    journal.append([impossible], expected_position=engine.position)
    with pytest.raises(CorruptJournal, match=r"batch 7, record 0"):
        Engine.recover(GENERIC, journal)


@pytest.mark.parametrize("payload", [b"", b"\xff\xff", b"\x81\xa4type\xa4Nope"])
def test_a_record_that_is_no_event_is_refused(payload: bytes) -> None:
    engine = traded(Engine(GENERIC))
    journal = prefix(batches(engine), engine.position)
    journal.append([Record(MESSAGE, payload)], expected_position=engine.position)
    with pytest.raises(CorruptJournal, match="batch 7"):
        Engine.recover(GENERIC, journal)


def test_a_journal_that_does_not_say_what_it_is_is_refused() -> None:
    journal = MemoryJournal()
    journal.append([record_of(e.TimeAdvanced(time_ms=1))], expected_position=0)
    with pytest.raises(CorruptJournal, match="begin"):
        Engine.recover(GENERIC, journal)


def test_a_journal_of_a_newer_release_is_refused() -> None:
    journal = MemoryJournal()
    opening = e.JournalOpened(format=99, rulebook="generic@2025-10", terms=terms_digest(GENERIC))
    journal.append([record_of(opening)], expected_position=0)
    with pytest.raises(NewerFormat, match="99"):
        Engine.recover(GENERIC, journal)


def test_every_damaged_byte_of_a_snapshot_is_noticed(tmp_path: Path) -> None:
    engine = traded(Engine(GENERIC))
    path, broken = tmp_path / "snapshot", tmp_path / "broken"
    engine.write_snapshot(path)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), max(1, len(data) // 150)):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        broken.write_bytes(bytes(damaged))
        with pytest.raises(UnreadableData, match="broken"):
            Engine.recover(GENERIC, engine.journal, snapshot=broken)
    broken.write_bytes(bytes(data[:-10]))
    with pytest.raises(UnreadableData, match="truncated"):
        Engine.recover(GENERIC, engine.journal, snapshot=broken)
    with pytest.raises(UnreadableData, match="missing"):
        Engine.recover(GENERIC, engine.journal, snapshot=tmp_path / "missing")


def test_a_snapshot_of_another_journal_or_of_one_that_lost_its_end_is_refused(
    tmp_path: Path,
) -> None:
    engine = traded(Engine(GENERIC))
    path = tmp_path / "snapshot"
    engine.write_snapshot(path)
    short = prefix(batches(engine), engine.position - 1)
    with pytest.raises(UnreadableData, match="lost its end"):
        Engine.recover(GENERIC, short, snapshot=path)
    other = Engine.recover(GENERIC, prefix(batches(engine), engine.position - 1))
    other.submit(c.OpenAccount(name="somebody else"))
    with pytest.raises(UnreadableData, match="another journal"):
        Engine.recover(GENERIC, other.journal, snapshot=path)


def test_a_snapshot_replaces_the_one_before_it_whole(tmp_path: Path) -> None:
    engine = traded(Engine(GENERIC))
    path = tmp_path / "snapshot"
    engine.write_snapshot(path)
    engine.submit(c.OpenAccount(name="c"))
    engine.write_snapshot(path)
    assert [file.name for file in tmp_path.iterdir()] == ["snapshot"]
    assert Engine.recover(GENERIC, engine.journal, snapshot=path).digest() == engine.digest()


def test_orders_batches_and_leverages_come_back_from_snapshot_and_journal(tmp_path: Path) -> None:
    engine = traded(Engine(GENERIC))
    unit = engine.state.book.cross_unit(1)

    def fill(lots: int, leg: int, **more: int) -> c.Fill:
        return c.Fill(
            unit=unit,
            counterparty=LIQUIDITY,
            instrument=0,
            lots=lots,
            ticks=1_000_000,
            leg=leg,
            **more,
        )

    def reserve(
        order: int, lots: int, *, leverage: int = 0, reduce_only: bool = False
    ) -> c.ReserveOrder:
        return c.ReserveOrder(
            unit=unit,
            order=order,
            instrument=0,
            lots=lots,
            ticks=1_000_000,
            leg=1,
            leverage=leverage,
            reduce_only=reduce_only,
        )

    engine.submit(reserve(1, 30, leverage=300))
    engine.submit(reserve(2, -20, reduce_only=True))
    engine.submit(c.FillBatch(fills=(fill(10, 1, order=1), fill(-10, -1, leverage=500))))
    path = tmp_path / "snapshot"
    engine.write_snapshot(path)
    engine.submit(c.SetLeverage(unit=unit, instrument=0, leg=-1, leverage=200))
    engine.submit(fill(-5, 1, order=2))
    for snapshot in (path, None):
        again = Engine.recover(GENERIC, engine.journal, snapshot=snapshot)
        assert again.digest() == engine.digest()
        assert again.state.orders[unit] == engine.state.orders[unit]
        assert {int(p.leg): p.leverage for p in again.state.book.unit_view(unit).positions} == {
            -1: 200,
            1: 300,
        }


class FailingJournal(MemoryJournal):
    """Fails the next append."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        if self.fails:
            self.fails = False
            msg = "the disk is full"
            raise StorageFailed(msg)
        return super().append_many(batches, expected_position=expected_position)


def test_after_a_failed_write_nothing_is_accepted_until_the_engine_is_opened_again(
    tmp_path: Path,
) -> None:
    journal = FailingJournal()
    engine = traded(Engine(GENERIC, journal=journal))
    digest = engine.digest()
    journal.fails = True
    with pytest.raises(StorageFailed):
        engine.submit(c.OpenAccount(name="lost"))
    assert engine.is_behind
    with pytest.raises(JournalBehind):
        engine.submit(c.OpenAccount(name="refused"))
    with pytest.raises(JournalBehind):
        engine.write_snapshot(tmp_path / "snapshot")
    again = Engine.recover(GENERIC, journal)
    assert again.digest() == digest
    assert again.submit(c.OpenAccount(name="lost")).position == 7


def test_a_refused_command_leaves_the_engine_usable() -> None:
    engine = traded(Engine(GENERIC))
    before = engine.digest()
    with pytest.raises(InvalidInput):
        engine.submit(c.OpenAccount(name="a"))
    assert not engine.is_behind
    assert engine.digest() == before
    engine.submit(c.OpenAccount(name="c"))


def test_a_stretch_in_which_nothing_happens_is_one_batch_however_often_the_wires_look() -> None:
    engine = traded(Engine(GENERIC))
    engine.submit(c.Pause(instrument=0, reason="test"))
    engine.submit_marks(marks(engine, 2000, 90_000.0))  # at its trigger, and paused: a suspect
    assert engine.suspects().tolist() == [engine.state.book.cross_unit(0)]
    before = engine.position
    parts = [marks(engine, 3000 + n, 89_000.0 - n) for n in range(20)]
    count = len(parts[0].factors)
    stream = MarksSet(
        times_ms=np.concatenate([part.times_ms for part in parts]),
        offsets=np.arange(21) * count,
        factors=np.concatenate([part.factors for part in parts]),
        prices=np.concatenate([part.prices for part in parts]),
    )
    assert engine.submit_marks(stream) == before + 1
    assert Engine.recover(GENERIC, engine.journal).digest() == engine.digest()


def test_the_files_of_a_journal_that_cannot_be_recovered_are_let_go(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with SqliteJournal(path) as journal:
        engine = traded(Engine(GENERIC, journal=journal))
        impossible = record_of(e.Deposited(unit=10**6, asset=0, quanta=1))
        journal.append([impossible], expected_position=engine.position)
        journal.append([impossible], expected_position=engine.position + 1)
        with pytest.raises(CorruptJournal):
            Engine.recover(GENERIC, journal)
        journal.append([impossible], expected_position=engine.position + 2)
    with SqliteJournal(path) as journal:
        assert journal.position == engine.position + 3
