"""A follower leaves snapshots of what the journal gives, and none of anything else."""

import errno
import os
from pathlib import Path

import pytest

from keelmark.core.errors import InvariantViolated, StorageFailed, UnreadableData
from keelmark.engine import commands as c
from keelmark.engine.digest import state_digest
from keelmark.engine.engine import Engine
from keelmark.engine.execution import ExternalVenue, MarkMarket
from keelmark.service.follower import follower as module
from keelmark.service.follower.compare import compare
from keelmark.service.follower.follower import Follower, run
from keelmark.service.follower.status import FAILING, OK, WAITING, read_status, write_status
from keelmark.service.venue import kept_rulebook
from tests.service.follower.served import Served, busy, served


def names(venue: Served) -> list[str]:
    return sorted(path.name for path in (venue.data / "snapshots").iterdir())


def recovered(venue: Served, name: str) -> Engine:
    return Engine.recover(
        kept_rulebook(venue.data),
        venue.journal,
        snapshot=venue.data / "snapshots" / name,
        market=ExternalVenue() if venue.engine.state.external else MarkMarket(),
    )


@pytest.mark.parametrize("is_external", [False, True])
def test_a_snapshot_gives_the_engine_that_was_published(tmp_path: Path, is_external: bool) -> None:  # noqa: FBT001 drawn
    with served(tmp_path, is_external=is_external) as venue:
        busy(venue)
        follower = venue.follower()
        follower.round()
        position = venue.engine.position
        status = read_status(tmp_path / "run" / "follower.json")
        assert status is not None
        assert (status.status, status.position) == (OK, position)
        assert status.digest == venue.engine.digest()
        assert (status.compared, status.newer) == (venue.engine.state.book.units_count, 0)
        assert names(venue) == [f"{position:016d}.snapshot"]
        again = recovered(venue, names(venue)[0])
        assert again.digest() == venue.engine.digest()
        follower.close()


def test_snapshots_are_due_by_batches_and_by_time_and_the_last_are_kept(tmp_path: Path) -> None:
    now = [0.0]
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        settings = venue.settings(batches=3, seconds=10.0, keep=2)
        follower = Follower(settings, lambda *_, **__: None, clock=lambda: now[0])
        written = []
        for seconds, commands in ((0, 0), (0, 2), (0, 1), (9, 1), (1, 0), (10, 0), (11, 1)):
            now[0] += seconds
            for _ in range(commands):
                venue.do(c.Deposit(unit=long, asset=0, quanta=1))
            before = follower._last.position  # noqa: SLF001 what was written
            follower.round()
            written.append(follower._last.position != before)  # noqa: SLF001 as above
        # at once: a folder without one; 3 batches; 10 s with one batch; not without; 11 s
        assert written == [True, False, True, False, True, False, True]
        assert len(names(venue)) == 2
        follower.close()


def test_a_follower_goes_on_from_the_latest_good_snapshot(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        for _ in range(2):
            follower = venue.follower(batches=1)
            follower.round()
            follower.close()
            venue.do(c.Deposit(unit=long, asset=0, quanta=1))
        latest = venue.data / "snapshots" / names(venue)[-1]
        latest.write_bytes(latest.read_bytes()[:-1])
        (venue.data / "snapshots" / "half.part").write_bytes(b"")
        follower = venue.follower()
        left_out, following = venue.told
        assert left_out[0] == "snapshot_left_out"
        assert left_out[1]["file"] == latest.name
        assert following[1]["snapshot"] == int(names(venue)[0].partition(".")[0])
        assert state_digest(follower.state) == venue.engine.digest()
        assert not list((venue.data / "snapshots").glob("*.part"))
        follower.close()


# --- findings -----------------------------------------------------------------------------------


def failing(venue: Served, follower: Follower, words: str) -> None:
    """Hold that a round fails by name, says so, and writes nothing."""
    before = names(venue)
    with pytest.raises(InvariantViolated, match=words):
        follower.round()
    status = read_status(venue.data / "run" / "follower.json")
    assert status is not None
    assert status.status == FAILING
    assert words in status.findings[0]
    assert names(venue) == before
    follower.close()


def test_a_published_row_that_the_journal_does_not_give_is_found(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        shared = venue.publisher._files._shared  # noqa: SLF001 what is spoilt
        row = int(shared.units[long]["balances_start"])
        shared.balances["quanta"][row] += 1
        failing(venue, venue.follower(), "INV-10 UnitView")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.prices.__setitem__(0, 7.0), "INV-10 published prices"),
        (lambda m: m.numbers.__setitem__(1, 7), "INV-10 published time"),
        (lambda m: m.vault.__setitem__(0, 7), "INV-10 published vault"),
    ],
)
def test_a_published_moment_that_the_journal_does_not_give_is_found(
    tmp_path: Path, spoil: object, words: str
) -> None:
    with served(tmp_path) as venue:
        busy(venue)
        files = venue.publisher._files  # noqa: SLF001 what is spoilt
        assert callable(spoil)
        spoil(files.moment)
        files.tell()
        failing(venue, venue.follower(), words)


def test_more_units_than_can_be_named_are_counted(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        busy(venue)
        venue.publisher._files._shared.units["status"][:9] ^= 1  # noqa: SLF001 what is spoilt
        failing(venue, venue.follower(), "INV-10 and 2 units more")


def test_a_broken_law_is_found(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        busy(venue)
        follower = venue.follower()
        follower.bring_up()
        follower.state.book.vault[0] += 1
        venue.publisher.close()  # nothing to compare with: the laws alone are held
        failing(venue, follower, "INV-01")


def test_rows_in_another_order_are_the_same_unit(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        long, short = busy(venue)
        venue.do(c.Deposit(unit=long, asset=0, quanta=10_000))
        venue.do(c.Fill(unit=short, counterparty=long, instrument=1, lots=1, ticks=1000))
        follower = venue.follower()
        follower.bring_up()
        book = follower.state.book
        row = book.units[short]
        rows = slice(int(row["positions_start"]), int(row["positions_start"]) + 2)
        book.positions.rows[rows] = book.positions.rows[rows][::-1].copy()
        found = compare(follower.state, follower.position, venue.data / "run")
        assert found.findings == ()
        follower.close()


def test_what_has_changed_again_is_not_compared(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        follower = venue.follower()
        follower.bring_up()
        venue.do(c.Deposit(unit=long, asset=0, quanta=5))
        found = compare(follower.state, follower.position, venue.data / "run")
        assert found.findings == ()
        in_house = len(venue.engine.state.book.in_house)  # published with every group
        assert (found.compared, found.newer) == (1, 1 + in_house)
        follower.close()


def test_a_writer_that_does_not_publish_is_not_waited_for(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        venue.engine.submit(c.Deposit(unit=long, asset=0, quanta=5))  # durable, not published
        follower = venue.follower()
        waited: list[float] = []
        found = compare(follower.state, follower.position, venue.data / "run", sleep=waited.append)
        assert (found.compared, found.findings) == (0, ())
        assert 4.9 < sum(waited) < 5.1
        venue.publisher._files._moment.rows[3] = 1  # noqa: SLF001 closed
        assert compare(follower.state, follower.position, venue.data / "run").compared == 0
        (tmp_path / "run" / "columns.json").write_text("{")
        assert compare(follower.state, follower.position, venue.data / "run").compared == 0
        follower.close()


# --- what goes wrong outside --------------------------------------------------------------------


def test_a_full_disk_is_told_and_leaves_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        follower = venue.follower(batches=1)
        follower.round()
        venue.do(c.Deposit(unit=long, asset=0, quanta=5))
        kept = names(venue)

        def full(*_: object) -> str:
            (venue.data / "snapshots" / "next.part").write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(module, "save", full)
        with pytest.raises(StorageFailed, match="make room"):
            follower.round()
        status = read_status(tmp_path / "run" / "follower.json")
        assert status is not None
        assert (status.status, status.position) == (WAITING, venue.engine.position - 1)
        assert names(venue) == kept
        monkeypatch.undo()
        told: list[str] = []
        stops = iter([False, True])
        run(
            follower, venue.settings(), lambda _: next(stops), lambda event, **_: told.append(event)
        )
        assert names(venue)[-1] == f"{venue.engine.position:016d}.snapshot"
        follower.close()


def test_a_status_is_replaced_whole_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "follower.json"
    assert read_status(path) is None
    path.write_text("{")
    with pytest.raises(UnreadableData, match="writes it anew"):
        read_status(path)
    with served(tmp_path / "data") as venue:
        busy(venue)
        (venue.data / "run" / "follower.json").write_text("{")
        follower = venue.follower()
        follower._note(WAITING, ("x",))  # noqa: SLF001 over a damaged one
        status = read_status(venue.data / "run" / "follower.json")
        assert status is not None
        write_status(path, status)
        assert read_status(path) == status
        assert path.stat().st_mode & 0o777 == 0o600
        follower.close()
