"""Copies of a service's folder, and what proves a folder."""

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.program import main
from keelmark.core.errors import CorruptJournal, InvalidInput, InvariantViolated, StorageFailed
from keelmark.engine import commands as c
from keelmark.engine.engine import Engine
from keelmark.engine.execution import MarkMarket
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.service.backup import copying
from keelmark.service.backup.copying import back_up, read_note
from keelmark.service.backup.proof import prove
from keelmark.service.security.audit import Actor, AuditTrail
from keelmark.service.security.keys import KeyRing
from keelmark.service.venue import kept_rulebook
from tests.service.follower.served import Served, busy, served

NOON = "2026-01-01T12:00:00.000Z"


def taken(venue: Served, copy: Path) -> int:
    """Copy a folder; return the position of the copy."""
    note = back_up(venue.data, copy, journal="", time=NOON)
    assert note == read_note(copy)
    assert note.position is not None
    return note.position


def furnish(venue: Served) -> None:
    """Put into a folder what a service has there, besides the journal."""
    KeyRing(venue.data / "keys.json").bootstrap(0)
    trail = AuditTrail(venue.data / "audit.jsonl", now_ms=0)
    trail.note(Actor(key="k", name="n", role="r", address="a"), "signed in", now_ms=1)
    trail.close()


def test_a_copy_is_of_one_moment_and_an_engine_goes_on_from_it(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with served(tmp_path / "data") as venue:
        busy(venue)
        furnish(venue)
        follower = venue.follower()
        follower.round(is_last=True)
        follower.close()
        at, digest = taken(venue, copy), venue.engine.digest()
        venue.prices(A="700")  # what comes after it is not in it
        assert venue.engine.digest() != digest
        assert prove(venue.data, at=at).digest == digest
    proof = prove(copy)
    assert (proof.position, proof.digest, proof.snapshot) == (at, digest, at)
    assert proof.audit_entries == 1
    assert (copy / "keys.json").read_bytes() == (tmp_path / "data/keys.json").read_bytes()
    assert {path.stat().st_mode & 0o077 for path in (copy, copy / "keys.json")} == {0}
    journal = SqliteJournal(copy / "journal.db")
    engine = Engine.recover(kept_rulebook(copy), journal, market=MarkMarket())
    engine.submit(c.OpenAccount(name="later"))
    assert engine.position == at + 1
    journal.close()


def test_a_quick_proof_begins_at_the_snapshot(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        busy(venue)
        follower = venue.follower()
        follower.round(is_last=True)
        follower.close()
        whole, quick = prove(tmp_path), prove(tmp_path, is_quick=True)
        assert whole == quick
        assert whole.digest == venue.engine.digest()
        assert prove(tmp_path, at=3).snapshot is None


def test_a_copy_cut_short_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path / "data") as venue:
        busy(venue)

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(copying, "copy_journal", full)
            with pytest.raises(StorageFailed, match="No space left"):
                taken(venue, tmp_path / "copy")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
        taken(venue, tmp_path / "copy")
        with pytest.raises(InvalidInput, match="name a folder that does not"):
            taken(venue, tmp_path / "copy")
        with pytest.raises(InvalidInput, match="no folder of a service"):
            back_up(tmp_path, tmp_path / "other", journal="", time=NOON)


def test_a_torn_line_of_the_trail_is_not_copied(tmp_path: Path) -> None:
    with served(tmp_path / "data") as venue:
        busy(venue)
        furnish(venue)
        trail = venue.data / "audit.jsonl"
        trail.write_bytes(trail.read_bytes() + b'{"sequence": 2, "ti')
        taken(venue, tmp_path / "copy")
    assert prove(tmp_path / "copy").audit_entries == 1


def test_a_journal_in_a_database_is_left_to_its_own_dump(tmp_path: Path) -> None:
    with served(tmp_path / "data") as venue:
        url = "postgresql://user:hunter2@host/db"
        note = back_up(venue.data, tmp_path / "copy", journal=url, time=NOON)
    assert (note.position, note.journal) == (None, "postgresql://host/db")
    assert not (tmp_path / "copy/journal.db").exists()


def test_what_is_wrong_with_a_folder_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with served(tmp_path / "data") as venue:
        busy(venue)
        furnish(venue)
        follower = venue.follower()
        follower.round(is_last=True)
        follower.close()
        at = taken(venue, copy)
    with pytest.raises(InvalidInput, match="give a lower one"):
        prove(copy, at=at + 1)
    snapshot = next((copy / "snapshots").iterdir())
    snapshot.write_bytes(snapshot.read_bytes()[:-10])
    assert len(prove(copy).left_out) == 1, "a damaged snapshot is left out and said"
    trail = copy / "audit.jsonl"
    trail.write_text(trail.read_text().replace("signed in", "signed up"))
    with pytest.raises(InvariantViolated, match="has been changed"):
        prove(copy)
    with sqlite3.connect(copy / "journal.db") as database:
        database.execute("UPDATE batch SET payload = zeroblob(20) WHERE position = 2")
    database.close()
    with pytest.raises(CorruptJournal):
        prove(copy)


def test_the_commands_say_what_was_done(tmp_path: Path) -> None:
    data, copy = str(tmp_path / "data"), str(tmp_path / "copy")
    with served(tmp_path / "data") as venue:
        busy(venue)
        digest, position = venue.engine.digest(), venue.engine.position
    done = CliRunner().invoke(main, ["backup", copy, "--data", data])
    assert done.exit_code == ExitCode.OK, done.output
    assert f"journal up to position {position}" in done.output
    shown = CliRunner().invoke(main, ["verify", "--data", copy])
    assert f"digest    {digest}" in shown.output
    assert "snapshot  none" in shown.output
    told = json.loads(CliRunner().invoke(main, ["verify", "--data", copy, "--json"]).output)
    assert (told["digest"], told["position"]) == (digest, position)
    again = CliRunner().invoke(main, ["backup", copy, "--data", data])
    assert again.exit_code == ExitCode.BAD_INPUT
