"""What is shared is private, goes away, and is refused by name where it is something else."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from keelmark.core.errors import (
    InvalidInput,
    KeelmarkError,
    NewerFormat,
    OtherTerms,
    StorageFailed,
    UnreadableData,
)
from keelmark.engine import commands as c
from keelmark.service.columns import files, generation, mapping
from keelmark.service.columns.errors import ColumnsBusy, ColumnsUnavailable, WriterGone
from keelmark.service.columns.folders import MANIFEST, is_written, remove_left_overs
from keelmark.service.columns.layout import Fixed
from keelmark.service.columns.publisher import Publisher
from keelmark.service.columns.replica import Replica
from tests.engine.venue import Venue
from tests.service.columns.published import require_equal


def traded(run: Path, **options: Path) -> tuple[Venue, Publisher, int]:
    venue = Venue()
    unit, other = venue.open("one", USDT=5_000), venue.open("two", USDT=5_000)
    venue.marks(A=100.0, B=50.0)
    published = Publisher(venue.engine, run, **options)
    venue.trade(unit, other, "A", 20, 100)
    published.publish()
    return venue, published, unit


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_files_are_private_and_go_when_the_writer_stops(tmp_path: Path) -> None:
    venue, published, unit = traded(tmp_path)
    assert published.folder.stat().st_mode & 0o777 == 0o700
    assert modes(published.folder) == {0o600}
    assert (tmp_path / MANIFEST).stat().st_mode & 0o777 == 0o600
    replica = Replica.open(tmp_path, venue.rulebook)
    alive = replica.is_live
    published.close()
    assert (alive, replica.is_live) == (True, False)
    assert not published.folder.exists()
    assert list(tmp_path.iterdir()) == []
    assert replica.view(unit) == venue.state.book.unit_view(unit)
    with pytest.raises(ColumnsUnavailable, match="no writer has published"):
        Replica.open(tmp_path, venue.rulebook)


def test_left_overs_of_a_killed_writer_go_at_the_next_start(tmp_path: Path) -> None:
    run, memory = tmp_path / "run", tmp_path / "memory"
    run.mkdir()
    memory.mkdir()
    script = (
        "import os, sys; from pathlib import Path;"
        "from keelmark.service.columns.folders import new_folder;"
        "print(new_folder(Path(sys.argv[1]))[0], flush=True);"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(  # noqa: S603 our own
        [sys.executable, "-c", script, str(run)], stdout=subprocess.PIPE, text=True, check=False
    )
    left = Path(killed.stdout.strip())
    assert killed.returncode == -9
    assert left.is_dir()
    assert not is_written(left)
    venue, published, _ = traded(run, memory=memory)
    assert not left.exists()
    remove_left_overs(run, memory)
    assert published.folder.exists()  # a living writer's stays
    published.close()
    assert list(memory.iterdir()) == []
    assert venue.engine.follower is None


def test_a_replica_follows_the_next_writer(tmp_path: Path) -> None:
    venue, published, unit = traded(tmp_path)
    replica = Replica.open(tmp_path, venue.rulebook)
    replica.fleet()
    published.close()
    venue.deposit(unit, 7)
    with Publisher(venue.engine, tmp_path):
        require_equal(replica, venue.engine)
        assert replica.is_live


def test_full_memory_falls_back_to_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "ROWS_MIN", 8)
    run, memory = tmp_path / "run", tmp_path / "memory"
    run.mkdir()
    memory.mkdir()
    venue, published, unit = traded(run, memory=memory)
    replica = Replica.open(run, venue.rulebook)
    reserve = files._reserve  # noqa: SLF001 what fails

    def full(file: int, held: int, size: int) -> None:
        if str(memory) in str(Path(f"/proc/self/fd/{file}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reserve(file, held, size)

    monkeypatch.setattr(files, "_reserve", full)
    for number in range(9):
        venue.engine.submit(c.OpenAccount(name=f"more {number}"))
    published.publish()
    assert published.folder.parent == run
    assert list(memory.iterdir()) == []
    require_equal(replica, venue.engine)
    assert replica.view(unit) == venue.state.book.unit_view(unit)
    monkeypatch.setattr(files, "_reserve", lambda *_: full_device())
    for number in range(9):
        venue.engine.submit(c.OpenAccount(name=f"yet more {number}"))
    with pytest.raises(StorageFailed, match="more room"):
        published.publish()
    monkeypatch.undo()
    published.publish()
    require_equal(replica, venue.engine)
    published.close()


def full_device() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# --- what is not what it should be --------------------------------------------------------------


def rewrite(run: Path, **changes: object) -> None:
    text = json.loads((run / MANIFEST).read_text())
    (run / MANIFEST).write_text(json.dumps(text | changes))


def truncate(run: Path, name: str, size: int) -> None:
    folder = Path(json.loads((run / MANIFEST).read_text())["folder"])
    os.truncate(folder / name, size)


def poke(run: Path, place: int, word: int) -> None:
    folder = Path(json.loads((run / MANIFEST).read_text())["folder"])
    words = np.fromfile(folder / "moment", np.int64)
    words[place] = word
    words.tofile(folder / "moment")


def remove(run: Path, name: str) -> None:
    folder = Path(json.loads((run / MANIFEST).read_text())["folder"])
    (folder / name).unlink()


ATTACKS: list[tuple[Callable[[Path], object], type[KeelmarkError], str]] = [
    (lambda run: (run / MANIFEST).write_text("{"), UnreadableData, "columns.json"),
    (lambda run: (run / MANIFEST).write_text("[]"), UnreadableData, "is not of format"),
    (lambda run: rewrite(run, format="other"), UnreadableData, "is not of format"),
    (lambda run: rewrite(run, version=2), NewerFormat, "version 2"),
    (lambda run: rewrite(run, shape={"prices": 3}), UnreadableData, "does not say"),
    (lambda run: rewrite(run, folder=7), UnreadableData, "does not say"),
    (lambda run: rewrite(run, folder="nowhere"), UnreadableData, "No such file"),
    (lambda run: rewrite(run, generation=7), UnreadableData, "not the writer's"),
    (lambda run: truncate(run, "moment", 40), UnreadableData, "truncated to 5 words"),
    (lambda run: truncate(run, "moment", 41), UnreadableData, "not whole records"),
    (lambda run: truncate(run, "units", 0), UnreadableData, "not whole records"),
    (lambda run: truncate(run, "units", 40), UnreadableData, "truncated to 2 of 7 rows"),
    (lambda run: truncate(run, "positions", 25), UnreadableData, "not whole records"),
    (lambda run: truncate(run, "positions", 24), UnreadableData, "positions is truncated"),
    (lambda run: truncate(run, "stamps", 8), UnreadableData, "stamps is truncated"),
    (lambda run: truncate(run, "names", 3), UnreadableData, "names ends at 3"),
    (lambda run: truncate(run, "notes-1", 3), UnreadableData, "notes-1 ends at 3"),
    (lambda run: poke(run, Fixed.MAGIC, 1), UnreadableData, "no file of shared columns"),
    (lambda run: poke(run, Fixed.VERSION, 9), NewerFormat, "version 9"),
    (lambda run: remove(run, "balances"), UnreadableData, "balances cannot be read"),
    (lambda run: remove(run, "notes-1"), UnreadableData, "notes-1 cannot be read"),
]


@pytest.mark.parametrize("number", range(len(ATTACKS)))
def test_files_that_are_not_a_writers_are_refused_by_name(tmp_path: Path, number: int) -> None:
    attack, kind, words = ATTACKS[number]
    venue, published, _ = traded(tmp_path, memory=tmp_path)
    attack(tmp_path)
    with pytest.raises(kind, match=words):
        Replica.open(tmp_path, venue.rulebook)
    published.close()


def test_another_rulebook_is_refused(tmp_path: Path) -> None:
    _, published, _ = traded(tmp_path)
    row = {"kind": "linear_perpetual", "base": "C", "settle": "USDT"}
    more = Venue({"instruments": {"C": row}}).rulebook
    with pytest.raises(OtherTerms, match="instruments=2"):
        Replica.open(tmp_path, more)
    rows = [{"floor": "0", "rate": "0.04", "leverage": "10"}]
    milder = Venue({"tables": {"flat": {"rows": rows}}}).rulebook
    with pytest.raises(OtherTerms, match="name the rulebook"):
        Replica.open(tmp_path, milder)
    published.close()


# --- a writer that stopped half-way -------------------------------------------------------------


def test_what_a_dead_writer_left_half_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    venue, published, unit = traded(tmp_path)
    replica = Replica.open(tmp_path, venue.rulebook)
    replica.fleet()
    before = replica.view(unit + 1)
    shared = published._files._shared  # noqa: SLF001 as a killed writer leaves it
    shared.stamps[unit] |= 1
    published._files._moment.rows[Fixed.CLOSED] = 1  # noqa: SLF001 nobody writes any more
    with pytest.raises(WriterGone, match=f"was writing unit {unit}"):
        replica.view(unit)
    assert replica.view(unit + 1) == before
    assert replica.fleet(max_age_s=-1.0).position == replica.position
    later = Replica.open(tmp_path, venue.rulebook)
    with pytest.raises(WriterGone, match="the fleet"):
        later.fleet()
    moment = published._files._moment.rows  # noqa: SLF001 as above
    moment[Fixed.SEQUENCE] |= 1
    with pytest.raises(WriterGone, match="the present moment"):
        _ = replica.position
    published.close()


def test_a_unit_written_without_its_moment_is_not_shown(tmp_path: Path) -> None:
    venue, published, unit = traded(tmp_path)
    replica = Replica.open(tmp_path, venue.rulebook)
    before = replica.view(unit + 1)
    venue.deposit(unit, 3)
    written, engine = published._files, venue.engine  # noqa: SLF001 as a killed writer leaves it
    units = np.array([unit], np.int32)
    written.copy(venue.state.book, units, units[:0], engine.position)
    written._moment.rows[Fixed.CLOSED] = 1  # noqa: SLF001 nobody writes any more
    with pytest.raises(WriterGone, match=f"units \\({unit},\\)"):
        replica.view(unit)
    assert replica.view(unit + 1) == before
    published.close()


def test_a_living_writer_is_waited_for_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "PATIENCE_S", 0.05)
    venue, published, unit = traded(tmp_path)
    replica = Replica.open(tmp_path, venue.rulebook)
    shared = published._files._shared  # noqa: SLF001 as in the middle of a group
    shared.stamps[unit] |= 1
    with pytest.raises(ColumnsBusy, match=f"unit {unit} was being written"):
        replica.view(unit)
    shared.stamps[unit] &= ~1
    assert replica.view(unit) == venue.state.book.unit_view(unit)
    published.close()


def test_columns_of_the_fleet_are_refused_on_a_mirror(tmp_path: Path) -> None:
    venue, published, unit = traded(tmp_path)
    book = Replica.open(tmp_path, venue.rulebook).state.book
    for ask in (
        lambda: book.units,
        lambda: book.positions,
        lambda: book.balances,
        lambda: book.position_row(unit, 0),
    ):
        with pytest.raises(InvalidInput, match="in another process"):
            ask()
    published.close()
