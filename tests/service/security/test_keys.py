"""Keys open what they should, for as long as they should, and their secrets are nowhere."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.service.security import keys
from keelmark.service.security.keys import KEY_PATTERN, KeyRing, hidden
from keelmark.service.security.roles import Role

DAY = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_opens_until_it_expires(path: Path) -> None:
    made = KeyRing(path).create("desk", Role.VIEWER, now_ms=1, expires_ms=DAY)
    ring = KeyRing(path)
    found = ring.check(made.text, DAY - 1)
    assert found is not None
    assert (found.id, found.name, found.role) == (made.key.id, "desk", Role.VIEWER)
    assert ring.check(made.text, DAY) is None


def test_a_revoked_key_opens_nothing_anywhere(path: Path) -> None:
    ring, other = KeyRing(path), KeyRing(path)
    made = ring.create("desk", Role.OPERATOR, now_ms=1)
    time.sleep(keys.LOOK_S)  # another process sees it a moment later
    assert other.check(made.text, 2) is not None
    ring.revoke(made.key.id, 3)
    assert ring.check(made.text, 3) is None
    time.sleep(keys.LOOK_S)
    assert other.check(made.text, 3) is None
    assert ring.revoke(made.key.id, 9).revoked_ms == 3


def test_the_file_is_private_and_holds_no_secret(path: Path) -> None:
    made = KeyRing(path).create("desk", Role.VIEWER, now_ms=1)
    secret = made.text.split("_", 2)[2]
    assert secret not in path.read_text()
    assert secret not in repr(made)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == ["keys.json", "keys.json.lock"]


def test_equal_secrets_would_not_look_equal(path: Path) -> None:
    ring = KeyRing(path)
    keys = [ring.create("a", Role.VIEWER, now_ms=1).key for _ in range(20)]
    assert len({key.salt for key in keys}) == len({key.hash for key in keys}) == 20


def test_a_key_that_is_nearly_right_is_wrong(path: Path) -> None:
    ring = KeyRing(path)
    text = ring.create("desk", Role.VIEWER, now_ms=1).text
    other = "A" if text[-3] != "A" else "B"
    for wrong in (text[:-1], text + "A", text.upper(), f" {text}", text[:-3] + other + text[-2:]):
        assert ring.check(wrong, 2) is None


def test_the_secret_of_one_key_does_not_open_another(path: Path) -> None:
    ring = KeyRing(path)
    one, two = (ring.create("k", Role.VIEWER, now_ms=1) for _ in range(2))
    assert ring.check(f"km_{one.key.id}_{two.text.split('_', 2)[2]}", 2) is None


@given(st.text(max_size=80))
def test_no_other_text_opens_anything(text: str) -> None:
    ring = KeyRing(Path(os.devnull).parent / "nothing" / "keys.json")
    assert ring.check(text, 1) is None


def test_the_bootstrap_key_is_made_once(path: Path) -> None:
    ring = KeyRing(path)
    made = ring.bootstrap(1)
    assert made is not None
    assert made.key.role is Role.RISK_ADMIN
    assert ring.bootstrap(2) is None
    assert KeyRing(path).bootstrap(3) is None


def test_the_last_key_of_a_risk_admin_cannot_be_revoked(path: Path) -> None:
    ring = KeyRing(path)
    first = ring.create("a", Role.RISK_ADMIN, now_ms=1)
    ring.create("b", Role.RISK_ADMIN, now_ms=1, expires_ms=5)
    with pytest.raises(InvalidInput, match="last one of a risk admin"):
        ring.revoke(first.key.id, 6)
    ring.create("c", Role.RISK_ADMIN, now_ms=7)
    assert ring.revoke(first.key.id, 8).revoked_ms == 8


def test_the_last_use_is_kept(path: Path) -> None:
    ring = KeyRing(path)
    made = ring.create("desk", Role.VIEWER, now_ms=1)
    ring.check(made.text, 77)
    assert [key.used_ms for key in ring.list()] == [77]
    ring.flush()
    assert [key.used_ms for key in KeyRing(path).list()] == [77]


def test_revoking_a_key_tells_its_last_use(path: Path) -> None:
    ring = KeyRing(path)
    made = ring.create("desk", Role.VIEWER, now_ms=1)
    ring.check(made.text, 50 * DAY)
    assert ring.revoke(made.key.id, 51 * DAY).used_ms == 50 * DAY


def test_keys_that_ended_take_no_room_and_the_latest_of_them_are_listed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "KEYS_MAX", 2)
    ring = KeyRing(path)
    kept = ring.create("standing", Role.VIEWER, now_ms=1).key
    made = [ring.create("short", Role.VIEWER, now_ms=n, expires_ms=n + 1).key for n in range(1, 4)]
    revoked = ring.create("revoked", Role.VIEWER, now_ms=10).key
    with pytest.raises(InvalidInput, match="2 keys stand, the most that may; revoke"):
        ring.create("one too many", Role.VIEWER, now_ms=11)
    ring.revoke(revoked.id, 12)
    new = ring.create("in its place", Role.VIEWER, now_ms=13).key
    assert [key.id for key in ring.list()] == [kept.id, made[-1].id, revoked.id, new.id]


def test_two_processes_that_make_keys_lose_none(path: Path) -> None:
    rings = [KeyRing(path), KeyRing(path)]
    for number in range(6):
        rings[number % 2].create(str(number), Role.VIEWER, now_ms=1)
    assert [key.name for key in rings[0].list()] == list("012345")


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    KeyRing(path).create("desk", Role.VIEWER, now_ms=1)
    path.chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        KeyRing(path)


def test_a_damaged_file_is_refused_by_name(path: Path) -> None:
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(UnreadableData, match=r"keys\.json"):
        KeyRing(path)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81, "\u202eabc"])
def test_a_name_that_cannot_be_read_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="printable"):
        KeyRing(path).create(name, Role.VIEWER, now_ms=1)


def test_no_text_shows_a_key(path: Path) -> None:
    made = KeyRing(path).create("desk", Role.VIEWER, now_ms=1)
    assert hidden(f"x{made.text}y") != f"x{made.text}y"
    assert not KEY_PATTERN.search(hidden(f"{made.text} {made.text}"))
