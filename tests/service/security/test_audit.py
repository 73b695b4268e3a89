"""A trail tells what was done to it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvariantViolated, StorageFailed
from keelmark.service.security.audit import Actor, AuditTrail, entries, verify

ANNA = Actor(key="0123456789ab", name="anna", role="risk_admin", address="192.0.2.1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def written(path: Path) -> bytes:
    trail = AuditTrail(path, now_ms=0)
    for number in range(3):
        details = {"instrument": "A", "number": number}
        begun = trail.begin(ANNA, "POST /v1/admin/pause", details, reason="test", now_ms=number)
        trail.finish(begun, "done at position 7", now_ms=number)
    trail.note(ANNA, "signed out", now_ms=9)
    trail.close()
    return path.read_bytes()


def test_an_action_is_on_the_disk_before_it_has_an_outcome(path: Path) -> None:
    trail = AuditTrail(path, now_ms=0)
    number = trail.begin(ANNA, "POST /v1/admin/pause", {"instrument": "A"}, reason="why", now_ms=5)
    (entry,) = entries(path)
    assert (entry.name, entry.reason, entry.address) == ("anna", "why", "192.0.2.1")
    assert entry.time == "1970-01-01T00:00:00.005Z"
    assert verify(path).unfinished == (number,)
    trail.finish(number, "done", now_ms=6)
    assert verify(path).unfinished == ()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_trail_goes_on_where_it_was(path: Path) -> None:
    written(path)
    written(path)
    found = verify(path)
    assert (found.entries, found.problems, found.torn_bytes) == (14, (), 0)
    assert [entry.sequence for entry in entries(path, after=12)] == [13, 14]
    assert [entry.hash for entry in entries(path)][-1] == found.head


@given(data=st.data())
def test_no_byte_can_be_changed_unseen(data: st.DataObject, tmp_path_factory: object) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"  # type: ignore[attr-defined]
    content = bytearray(written(path))
    place = data.draw(st.integers(0, len(content) - 2))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    path.write_bytes(content)
    assert verify(path).problems


def test_no_line_can_be_taken_out_or_moved_unseen(path: Path) -> None:
    lines = written(path).splitlines(keepends=True)
    for number in range(len(lines) - 1):
        path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
        assert verify(path).problems
    path.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))
    assert verify(path).problems


def test_nothing_is_added_to_a_trail_that_was_changed(path: Path) -> None:
    content = written(path).replace(b"anna", b"otto", 1)
    path.write_bytes(content)
    with pytest.raises(InvariantViolated, match="line 1 was changed"):
        AuditTrail(path, now_ms=1)
    assert path.read_bytes() == content


def test_a_torn_last_line_is_told_and_kept(path: Path) -> None:
    content = written(path)
    path.write_bytes(content + b'{"sequence":8,"ti')
    assert verify(path).torn_bytes == 17
    AuditTrail(path, now_ms=4).close()
    *_, last = entries(path)
    assert (last.kind, last.details) == ("torn", {"text": '{"sequence":8,"ti'})
    assert verify(path).problems == ()
    assert path.read_bytes().startswith(content)


def test_a_disk_that_says_no_leaves_no_half_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = written(path)
    trail = AuditTrail(path, now_ms=0)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keelmark.service.security.audit.os.fsync", full)
    with pytest.raises(StorageFailed, match="No space left"):
        trail.note(ANNA, "signed in", now_ms=1)
    assert path.read_bytes() == content
    monkeypatch.undo()
    trail.note(ANNA, "signed in", now_ms=1)
    assert verify(path).problems == ()
