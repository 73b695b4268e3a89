"""A recorded crash as a service's book and feed."""

import json
import os
import sys
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pytest

from keelmark.book.universe import Universe
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import exact
from keelmark.engine.invariants import Subject, check_all
from keelmark.lab.replay.run import draw_world
from keelmark.lab.replay.spec import ReplaySpec, venue_rulebook
from keelmark.lab.replay.stage import Feed, one_sided_interest
from keelmark.service.folder import Folder
from keelmark.service.link.messages import Counters
from keelmark.service.replay import __main__ as process
from keelmark.service.replay.pacing import AT_ONCE, Pacing
from keelmark.service.replay.request import ReplayKept, kept_replay
from keelmark.service.replay.staging import StagingSettings, stage
from keelmark.service.replay.venue import replay_rulebook
from keelmark.service.venue import kept_venue
from keelmark.service.writer.opening import open_engine, open_for_writer
from keelmark.service.writer.settings import WriterSettings

KEPT = ReplayKept(scenario="oct10", accounts=300)


def quiet(_event: str, **_fields: Any) -> None:  # noqa: ANN401 fields of a report
    """Hear nothing."""


def test_the_rulebook_that_is_kept_says_what_the_lab_says() -> None:
    spec = ReplaySpec(scenario="oct10", accounts=300)
    world = draw_world(spec)
    kept = replay_rulebook(spec, world.scenario, world.population)
    with exact():
        interest = one_sided_interest(world.population) * world.scenario.settle.quantum
    lab = venue_rulebook(spec, world.scenario, world.population.spec, interest)
    assert kept.liquidation == lab.liquidation
    assert kept.name == "generic-oct10@2025-10", "its terms are not those of generic@2025-10"
    ours, theirs = Universe.build(kept.model), Universe.build(lab.model)
    assert ours.factors == theirs.factors
    assert ours.assets == theirs.assets
    assert ours.instruments.tobytes() == theirs.instruments.tobytes()
    assert list(kept.model.instruments) == list(lab.model.instruments)
    for symbol, terms in kept.model.instruments.items():
        assert terms.maintenance == lab.model.instruments[symbol].maintenance, symbol
        assert terms.instrument == lab.model.instruments[symbol].instrument, symbol
    for name, asset in kept.model.assets.items():
        assert asset.schedule == lab.model.assets[name].schedule, name


def test_a_staged_folder_is_opened_by_the_writer_and_holds_the_accounts(tmp_path: Path) -> None:
    stage(StagingSettings(data=str(tmp_path), replay=KEPT), quiet)
    assert kept_replay(tmp_path) == KEPT
    assert kept_venue(tmp_path).reference == "replay oct10"
    reports: list[dict[str, Any]] = []
    opened = open_engine(
        WriterSettings(data=str(tmp_path)),
        lambda event, **fields: reports.append({"event": event, **fields}),
        opener=open_for_writer,
    )
    try:
        state = opened.engine.state
        accounts = int(state.book.units["account"].max()) + 1
        assert accounts >= KEPT.accounts, "market makers come on top"
        check_all(Subject(state=state))
        assert reports[0]["what"].startswith("loading snapshot")
    finally:
        opened.tap.close()
    stage(StagingSettings(data=str(tmp_path), replay=KEPT), quiet)  # begun: nothing to do


def test_what_a_killed_staging_left_is_done_again_and_what_others_left_is_kept(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal.db"
    journal.write_bytes(b"somebody's")
    with pytest.raises(InvalidInput, match=r"journal\.db and was not begun by a replay"):
        stage(StagingSettings(data=str(tmp_path), replay=KEPT), quiet)
    assert journal.read_bytes() == b"somebody's"
    (tmp_path / "staging").touch()
    stage(StagingSettings(data=str(tmp_path), replay=KEPT), quiet)
    assert not (tmp_path / "staging").exists()
    assert kept_replay(tmp_path) == KEPT


def test_what_is_kept_of_a_replay_is_plain_json() -> None:
    assert json.loads(msgspec.json.encode(KEPT))["accounts"] == 300


# --- pacing -------------------------------------------------------------------------------------


class Hand:
    """A clock set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def recording(seconds: int) -> Feed:
    return Feed(
        times_ms=1000 * np.arange(seconds, dtype=np.int64),
        factors=np.zeros(1, np.int32),
        prices=np.ones((seconds, 1)),
        price_units=np.ones(1),
    )


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_snapshots_are_due_at_their_time_divided_by_the_speed(speed: float) -> None:
    clock = Hand()
    pacing = Pacing(recording(10_000), speed, clock)
    pacing.begin(5_000)
    assert pacing.next == 6
    assert pacing.due() == 5, "nothing yet"
    assert pacing.wait_s() == pytest.approx(1 / speed)
    clock.now += 2.5 / speed
    assert pacing.due() == 7
    pacing.next = 8
    assert pacing.wait_s() == pytest.approx(0.5 / speed)


def test_what_is_late_is_caught_up_with_in_pieces() -> None:
    clock = Hand()
    pacing = Pacing(recording(3 * AT_ONCE), 1.0, clock)
    pacing.begin(-1)
    clock.now += 10**6
    sent = []
    while not pacing.is_over:
        last = min(pacing.due(), len(pacing.feed.times_ms) - 1)
        sent.append(last - pacing.next + 1)
        pacing.next = last + 1
    assert sent == [AT_ONCE] * 3
    assert pacing.wait_s() == 0.0


def test_it_goes_on_where_the_clock_of_the_engine_stands() -> None:
    pacing = Pacing(recording(10), 1.0, Hand())
    pacing.begin(8_999)
    assert pacing.next == 9
    pacing.begin(10**9)
    assert pacing.is_over


def test_a_recording_that_was_sent_to_its_end_leaves_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Link:
        def __init__(self, _socket: Path) -> None: ...
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...
        def status(self) -> Counters:
            return Counters(id=0, position=1, time_ms=10**9, is_behind=False, counters={})

    open_end, held = os.pipe()
    monkeypatch.setattr(process, "SyncLink", Link)
    monkeypatch.setattr(process, "_feed", lambda _data: recording(10))
    monkeypatch.setattr(process, "stop_pipe", lambda: open_end)
    (tmp_path / "run").mkdir()
    with os.fdopen(open_end) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        process.stream(process.FeedSettings(data=str(tmp_path)), quiet)
    os.close(held)
    assert Folder(tmp_path).recording_over.exists()
