"""What the writer does with what it is told."""

import struct
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput, InvariantViolated
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.codec import event_of
from keelmark.service.link import messages as m
from keelmark.service.link.columns import packed
from keelmark.service.link.commands import item
from keelmark.service.link.frames import framed
from keelmark.service.link.sync_link import LinkLost, SyncLink
from keelmark.service.writer import loop
from keelmark.service.writer.turn import AHEAD_MAX_MS, LATE_MAX_MS, OLD_MAX_MS
from tests.service.writer.house import (
    NOON_MS,
    START,
    House,
    RawPeer,
    ended,
    named,
    rounds,
    statuses,
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def marks_at(*times_ms: int) -> e.MarksSet:
    count = len(times_ms)
    return e.MarksSet(
        times_ms=np.array(times_ms, np.int64),
        offsets=np.arange(count + 1, dtype=np.int64),
        factors=np.zeros(count, np.int32),
        prices=np.full(count, 1000.0),
    )


def test_each_command_is_done_repeated_rejected_or_invalid_by_itself(house: House) -> None:
    with house.open() as link:
        assert link.prices(None, marks=START).status == "done"
        outcomes = link.submit(
            [
                *named("alice", "alice"),
                item(c.OpenAccount(name="bob"), key="open alice"),
                item(c.OpenAccount(name="alice")),
                m.Item(command=msgspec.Raw(b"\x90")),
                item(c.Withdraw(unit=house_unit(), asset=0, quanta=1)),
                *named("carol"),
            ]
        )
        assert statuses(outcomes) == [
            "done",
            "repeated",
            "rejected",
            "invalid",
            "invalid",
            "rejected",
            "done",
        ]
        first, again = outcomes[:2]
        assert again.position == first.position
        assert account_opened(first).name == "alice"
        codes = [outcome.error.code if outcome.error else "" for outcome in outcomes]
        assert codes[2] == "key_reused"
        assert codes[3] == "duplicate_id"
        assert codes[5] == "insufficient_balance"
    assert set(house.engine().state.names) == {"alice", "carol"}


def account_opened(outcome: m.Outcome) -> e.AccountOpened:
    events = [event_of(record) for record in outcome.events]
    (opened,) = (event for event in events if isinstance(event, e.AccountOpened))
    return opened


def house_unit() -> int:
    """Return the cross unit of the first account of the tests' venue."""
    return 5


def test_what_is_answered_is_durable_and_in_order(house: House) -> None:
    with house.open() as link, SyncLink(house.socket) as other:
        assert other.subscribe() == 0
        link.prices(None, marks=START)
        outcomes = link.submit(named(*"abcdefgh"))
        batches = [batch for _, batch in zip(range(9), other.batches(), strict=False)]
        assert [batch.position for batch in batches] == list(range(1, 10))
        assert [batch.records for batch in batches[1:]] == [x.events for x in outcomes]
        assert link.status().counters["batches"] == 9
    engine = house.engine()
    assert engine.position == 9
    assert house.told("stopped")[0]["digest"] == engine.digest()


def test_marks_in_the_queue_are_one_stream_and_come_before_commands(house: House) -> None:
    """One turn takes both: the commands came first, and their positions are after the marks'."""
    writer = house.writer()
    with RawPeer(house) as peer:
        marks = [m.Marks(id=2 + n, columns=packed(marks_at(NOON_MS + n))) for n in range(5)]
        peer.send(m.Submit(id=1, items=tuple(named("alice"))), *marks)
        rounds(writer, 2)  # it accepts; it reads, and takes one turn
        answers = peer.receive(6)
        ended(writer)
    positions = {a.id: a.results[0].position for a in answers if isinstance(a, m.Done)}
    assert positions == {1: 2, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}


def test_marks_that_are_refused_spoil_no_others(house: House) -> None:
    bad = marks_at(NOON_MS)
    unreadable = packed(bad)[:-8]
    with house.open() as link:
        requests: list[m.Request] = [
            m.Marks(id=11, columns=packed(marks_at(NOON_MS - 5))),
            m.Marks(id=12, columns=packed(marks_at(NOON_MS, NOON_MS + 1))),
            m.Marks(id=13, columns=packed(marks_at(NOON_MS - 1))),
            m.Marks(id=14, columns=unreadable),
            m.Prices(id=15, time_ms=None, marks={"C": "1"}),
            m.Prices(id=16, time_ms=None, marks={"A": "nan"}),
            m.Marks(id=17, columns=packed(marks_at(NOON_MS + AHEAD_MAX_MS + 1))),
            m.Marks(id=18, columns=packed(marks_at(NOON_MS + 2))),
        ]
        for request in requests:
            link.send(request)
        answers = [link.receive() for _ in requests]
        found = {a.id: a.results[0] for a in answers if isinstance(a, m.Done)}
        expected = ["done", "done", "rejected", "invalid", "invalid", "invalid", "rejected", "done"]
        assert [found[id_].status for id_ in range(11, 19)] == expected
        codes = [found[n].error.code for n in (13, 17)]  # type: ignore[union-attr]  # refused
        assert codes == ["time_runs_backwards", "time_out_of_range"]
    assert house.engine().state.time_ms == NOON_MS + 2


def test_duplicated_marks_change_nothing(house: House) -> None:
    with house.open() as link:
        marks = marks_at(NOON_MS)
        assert link.marks(marks).status == "done"
        assert link.marks(marks).status == "done"
    assert house.engine().state.prices[0] == 1000.0


def test_beyond_its_bound_the_queue_is_busy_at_once_and_nothing_is_lost(house: House) -> None:
    """An empty queue takes any request; a second one waits only where there is room."""
    writer = house.writer(queue_items=10, turn_ms=60_000.0)
    with RawPeer(house) as peer:
        names = [[f"{n} {k}" for k in range(8)] for n in range(3)]
        peer.send(*(m.Submit(id=n, items=tuple(named(*names[n]))) for n in range(3)))
        rounds(writer, 2)  # it accepts; it reads all three
        found = {a.id: a.results for a in peer.receive(3) if isinstance(a, m.Done)}
        ended(writer)
    assert statuses(found[0]) == ["done"] * 8
    assert statuses(found[1]) == statuses(found[2]) == ["busy"] * 8
    assert found[1][0].retry_after_ms >= 10
    assert len(house.engine().state.names) == 8


def test_a_large_request_takes_several_turns_and_one_answer(house: House) -> None:
    with house.open(turn_ms=0.0) as link:
        outcomes = link.submit(named(*[f"n{k}" for k in range(20)]))
        assert statuses(outcomes) == ["done"] * 20
        counters = link.status().counters
        assert counters["commands"] == 20
        assert counters["queue_items"] == 0
    assert all(outcome.events for outcome in outcomes)


def test_a_run_of_payments_shares_a_batch_and_each_is_accepted_or_refused(house: House) -> None:
    with house.open() as link:
        link.prices(None, marks=START)
        (opened,) = link.submit(named("alice"))
        unit = account_opened(opened).unit
        deposits = [item(c.Deposit(unit=unit, asset=0, quanta=10), key=f"d{k}") for k in range(300)]
        large = item(c.Withdraw(unit=unit, asset=0, quanta=10**9), key="large")
        outcomes = link.submit([*deposits[:150], large, deposits[0], *deposits[150:]])
        assert statuses(outcomes[:150] + outcomes[152:]) == ["done"] * 300
        assert statuses(outcomes[150:152]) == ["rejected", "repeated"]
        assert outcomes[151].position == outcomes[0].position
        assert len({outcome.position for outcome in outcomes}) <= 4
        assert not outcomes[0].events, "the batch holds them, once"
        assert link.status().counters["commands"] == 301
        assert set(statuses(link.submit(deposits))) == {"repeated"}
    assert house.engine().state.book.balance(unit, 0) == 3_000


def test_time_moves_by_itself_only_when_something_is_due(house: House) -> None:
    house_clock = house.watch
    with house.open() as link:
        link.prices(None, marks=START)
        before = link.status()
        house_clock.passes(60_000)
        after = link.status()
        assert after.position == before.position
        assert after.time_ms == before.time_ms == NOON_MS


def test_the_writer_answers_who_is_too_far_ahead(house: House) -> None:
    with house.open() as link:
        late = item(c.AdvanceTime(time_ms=NOON_MS + AHEAD_MAX_MS + 1))
        fine = item(c.AdvanceTime(time_ms=NOON_MS + AHEAD_MAX_MS))
        assert statuses(link.submit([late, fine])) == ["rejected", "done"]


def test_a_venues_own_time_is_kept_as_near_as_the_clock_allows(house: House) -> None:
    def fed(time_ms: int) -> tuple[str, int]:
        outcome = link.prices(time_ms, marks=START, is_venue_time=True)
        return outcome.status, link.status().time_ms

    with house.open() as link:
        assert fed(NOON_MS - OLD_MAX_MS - 1) == ("rejected", 0)
        assert fed(1_000) == ("rejected", 0)
        assert fed(NOON_MS - 700) == ("done", NOON_MS - 700)
        assert fed(NOON_MS - 200) == ("done", NOON_MS - 200)
        assert fed(NOON_MS - 200 - LATE_MAX_MS) == ("done", NOON_MS - 200)
        assert fed(NOON_MS - 201 - LATE_MAX_MS) == ("rejected", NOON_MS - 200)
        assert fed(NOON_MS + 10 * AHEAD_MAX_MS) == ("done", NOON_MS)


def test_by_marks_no_time_is_too_far_ahead(house: House) -> None:
    with house.open(time="marks") as link:
        assert link.marks(marks_at(NOON_MS + 10**9)).status == "done"
        assert link.prices(None, marks=START).status == "done"
    assert house.engine().state.time_ms == NOON_MS + 10**9


# --- malformed and hostile peers ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (struct.pack("<I", 2**31), "a frame of"),
        (struct.pack("<I", 0), "a frame of 0 bytes"),
        (framed(b"\xc1"), "cannot be read"),
        (framed(m.encoded_message(m.Bye(reason="x"))), "cannot be read"),
    ],
    ids=["huge", "empty", "no message", "an answer"],
)
def test_a_malformed_frame_ends_its_own_connection_with_a_reason(
    house: House, piece: bytes, why: str
) -> None:
    with house.open() as link:
        with RawPeer(house) as bad:
            bad.send_bytes(piece)
            (farewell,) = bad.receive(1)
        assert isinstance(farewell, m.Bye)
        assert why in farewell.reason
        assert link.status().counters["peers_refused"] == 1
        assert statuses(link.submit(named("alice"))) == ["done"]


def test_no_bytes_end_the_writer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "IDLE_S", 0.002)
    writer = house.writer()

    @settings(max_examples=60)
    @given(st.lists(st.binary(min_size=1, max_size=80), max_size=5))
    def survives(pieces: list[bytes]) -> None:
        with RawPeer(house) as bad:
            rounds(writer, 1)
            for piece in pieces:
                with suppress(OSError):
                    bad.send_bytes(piece)
                rounds(writer, 1)
        with RawPeer(house) as good:
            good.send(m.Status(id=5))
            rounds(writer, 3)
            assert isinstance(good.receive(1)[0], m.Counters)

    try:
        survives()
    finally:
        ended(writer)


def test_a_subscriber_that_does_not_read_is_dropped_with_a_reason(house: House) -> None:
    with house.open() as link, SyncLink(house.socket) as lazy:
        lazy.subscribe()
        for turn in range(10):  # 4 MB each, and 32 MB are kept for who is slow
            names = [f"{turn} {k}" + "x" * 40_000 for k in range(100)]
            link.submit([item(c.OpenAccount(name=name)) for name in names])
        assert link.status().counters["subscribers_dropped"] == 1
        assert link.status().counters["subscribers"] == 0
        with pytest.raises(LinkLost, match="read the gap in the journal"):
            drained(lazy)


def drained(link: SyncLink) -> None:
    while True:
        link.receive()


# --- starting and stopping ----------------------------------------------------------------------


def test_what_was_accepted_is_finished_before_the_writer_ends(house: House) -> None:
    writer = house.writer(turn_ms=0.0)
    with RawPeer(house) as peer:
        names = [f"n{k}" for k in range(40)]
        peer.send(m.Submit(id=1, items=tuple(named(*names))), m.Stop(id=2))
        writer.run()
        answers = peer.receive(3)
    assert answers[-1] == m.Bye(reason="the service stops")
    done = next(answer for answer in answers if isinstance(answer, m.Done))
    assert statuses(done.results) == ["done"] * 40
    assert len(house.engine().state.names) == 40


def test_the_next_writer_holds_the_journal_to_what_the_last_one_left(house: House) -> None:
    with house.open() as link:
        link.submit(named("alice"))
    note = house.data / "stopped.json"
    left = note.read_bytes()
    with house.open():
        assert not note.exists()
    note.write_bytes(left[:-4] + b'00"}')
    with pytest.raises(InvariantViolated, match="keep the folder"):
        house.writer()


def test_a_bad_snapshot_is_left_out_and_said_so(house: House) -> None:
    with house.open() as link:
        link.submit(named("alice", "bob"))
    folder = house.data / "snapshots"
    folder.mkdir()
    house.snapshot(folder / f"{2:016}.snapshot")
    (folder / f"{1:016}.snapshot").write_bytes(b"half a snapshot")
    (folder / f"{99:016}.snapshot").write_bytes(b"of another journal")
    (folder / "notes.txt").write_text("no snapshot")
    house.reports.clear()
    with house.open() as link:
        assert link.hello.position == 2
    left_out = [report["file"] for report in house.told("snapshot_left_out")]
    assert left_out == [f"{99:016}.snapshot"]
    assert house.told("progress")[0]["what"] == f"loading snapshot {2:016}.snapshot"
    (folder / f"{2:016}.snapshot").write_bytes(b"damaged")
    house.reports.clear()
    with house.open() as link:
        assert link.hello.position == 2
    assert len(house.told("snapshot_left_out")) == 3
    assert house.told("progress")[-1]["what"] == "reading the journal"


def test_a_path_too_long_for_a_socket_is_refused_by_name(tmp_path: Path) -> None:
    house = House(tmp_path / ("x" * 90))
    with pytest.raises(InvalidInput, match="use a shorter --data"):
        house.writer()
