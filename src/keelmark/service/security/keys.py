"""API keys: `km_<id>_<secret>`. Only a salted hash of the secret is ever stored.

A secret is 256 random bits, so its hash need not be slow: nobody can try them all. It is compared
in constant time, and an id nobody has costs as much as one with a wrong secret.
"""

import hmac
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from threading import Lock

import msgspec

from keelmark.core.errors import InvalidInput, UnreadableData, nearest
from keelmark.service.security.private_file import alone, read_private, write_private
from keelmark.service.security.roles import Role

KEY_PATTERN = re.compile(r"km_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
KEYS_MAX = 1000
"""Keys that may stand at once; as many that ended are kept to be listed, the latest."""
NAME_MAX = 80
LOOK_S = 0.01
"""Time between two looks for what other processes did: not every request costs one."""
_FORMAT = 1
_PERSON = b"keelmark-key"
_SALT_BYTES = 16


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key as it is stored; who has the secret is not known from it.

    Attributes:
        id: Public part of the key; logs and audits name it.
        name: What its owner calls it.
        role: What it may do.
        salt: Hexadecimal.
        hash: Hexadecimal hash of the secret.
        created_ms: When it was made.
        expires_ms: When it ends by itself; `None` never.
        used_ms: When it was last used, to the minute; `None` never.
        revoked_ms: When it was revoked; `None` stands.
    """

    id: str
    name: str
    role: Role
    salt: str
    hash: str
    created_ms: int
    expires_ms: int | None = None
    used_ms: int | None = None
    revoked_ms: int | None = None

    def is_usable(self, now_ms: int) -> bool:
        """Whether it opens anything at that time."""
        lives = self.expires_ms is None or now_ms < self.expires_ms
        return lives and self.revoked_ms is None

    def ended_ms(self) -> int:
        """Return when it ended or will end; for ever is late."""
        ends = [end for end in (self.expires_ms, self.revoked_ms) if end is not None]
        return min(ends, default=2**62)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made.

    Attributes:
        key: What is stored.
        text: The whole key, shown this once; printing the value does not show it.
    """

    key: Key
    text: str = field(repr=False)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """What keys.json holds."""

    format: int = _FORMAT
    keys: list[Key] = msgspec.field(default_factory=list)


class KeyRing:
    """The keys in one file; several processes may use it.

    A key that another process made or revoked is seen within `LOOK_S`, one of its own at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}
        self._used: dict[str, int] = {}
        self._looked_s = 0.0
        self._refresh(at_once=True)

    def check(self, text: str, now_ms: int) -> Key | None:
        """Return the key of a text, if it opens anything now."""
        found = KEY_PATTERN.fullmatch(text)
        if found is None:
            return None
        key = self.find(found[1])
        salt, expected = (key.salt, key.hash) if key else ("0" * 2 * _SALT_BYTES, "0" * 64)
        fits = hmac.compare_digest(_hash(found[2], salt), expected)
        if key is None or not fits or not key.is_usable(now_ms):
            return None
        self._used[key.id] = now_ms
        return key

    def find(self, key_id: str) -> Key | None:
        """Return a key by its id, usable or not."""
        self._refresh()
        return self._keys.get(key_id)

    def list(self) -> tuple[Key, ...]:
        """Return the keys that stand or ended last, oldest first, with their last use."""
        self._refresh(at_once=True)
        return tuple(self._with_use(key) for key in self._keys.values())

    def create(
        self, name: str, role: Role, *, now_ms: int, expires_ms: int | None = None
    ) -> NewKey:
        """Make a key; it is durable when this returns.

        Raises:
            InvalidInput: The name is empty, too long or not printable, the time of its end has
                passed, or too many keys stand.
        """
        _require_name(name)
        if expires_ms is not None and expires_ms <= now_ms:
            msg = "a key that has already expired; give a later time or none"
            raise InvalidInput(msg)
        with self._changing() as keys:
            return _added(keys, _Wish(name=name, role=role, expires_ms=expires_ms), now_ms)

    def bootstrap(self, now_ms: int) -> NewKey | None:
        """Make the first key, for a risk admin; `None` where there has ever been one."""
        with self._changing() as keys:
            if keys:
                return None
            return _added(keys, _Wish(name="bootstrap", role=Role.RISK_ADMIN), now_ms)

    def revoke(self, key_id: str, now_ms: int) -> Key:
        """End a key for good; sessions opened with it end too. Revoking twice changes nothing.

        Raises:
            InvalidInput: There is no such key, or it is the last one of a risk admin.
        """
        with self._changing() as keys:
            key = keys.get(key_id)
            if key is None:
                msg = f"there is no key {key_id!r}; {nearest(key_id, keys)}"
                raise InvalidInput(msg)
            if key.revoked_ms is None:
                _require_another_admin(keys, key, now_ms)
                key = keys[key_id] = msgspec.structs.replace(key, revoked_ms=now_ms)
            return self._with_use(key)

    def flush(self) -> None:
        """Write down when keys were last used."""
        if self._used:
            with self._changing():
                pass

    # --- inside ---------------------------------------------------------------------------------

    def _with_use(self, key: Key) -> Key:
        used = max(key.used_ms or 0, self._used.get(key.id, 0))
        return msgspec.structs.replace(key, used_ms=used or None)

    def _refresh(self, *, at_once: bool = False) -> None:
        """Read the file again if it is another one than was read last."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S and not at_once:
            return
        self._looked_s = now_s
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        with self._lock:
            self._keys = _read(self._path)
            self._stamp = stamp

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Key]]:
        """Read the keys, let them be changed, write them; nobody else does meanwhile."""
        with self._lock, alone(self._path):
            keys = _read(self._path)
            yield keys
            self._keys = {key.id: self._with_use(key) for key in keys.values()}
            content = msgspec.json.encode(_File(keys=list(self._keys.values())))
            write_private(self._path, msgspec.json.format(content, indent=1) + b"\n")
            self._stamp = _stamp(self._path)
            self._used.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What a new key is to be."""

    name: str
    role: Role
    expires_ms: int | None = None


def _added(keys: dict[str, Key], wish: _Wish, now_ms: int) -> NewKey:
    """Make a key and put it with the others."""
    ended = sorted((k for k in keys.values() if not k.is_usable(now_ms)), key=Key.ended_ms)
    if len(keys) - len(ended) >= KEYS_MAX:
        msg = f"{KEYS_MAX} keys stand, the most that may; revoke those that nobody uses"
        raise InvalidInput(msg)
    for old in ended[: max(0, len(ended) - KEYS_MAX)]:
        del keys[old.id]
    secret = secrets.token_urlsafe(32)
    salt = os.urandom(_SALT_BYTES).hex()
    key = Key(
        id=secrets.token_hex(6),
        name=wish.name,
        role=wish.role,
        salt=salt,
        hash=_hash(secret, salt),
        created_ms=now_ms,
        expires_ms=wish.expires_ms,
    )
    keys[key.id] = key
    return NewKey(key, f"km_{key.id}_{secret}")


def _hash(secret: str, salt: str) -> str:
    """Return the hash of a secret, hexadecimal."""
    digest = blake2b(secret.encode(), digest_size=32, salt=bytes.fromhex(salt), person=_PERSON)
    return digest.hexdigest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes whenever the file is replaced."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _read(path: Path) -> dict[str, Key]:
    content = read_private(path)
    if content is None:
        return {}
    try:
        file = msgspec.json.decode(content, type=_File)
    except msgspec.MsgspecError as error:
        msg = f"{path}: no file of keys ({error}); restore it from a copy, or move it away"
        raise UnreadableData(msg) from None
    if file.format != _FORMAT:
        msg = f"{path}: keys of format {file.format}; this release knows {_FORMAT}: update it"
        raise UnreadableData(msg)
    return {key.id: key for key in file.keys}


def _require_name(name: str) -> None:
    if not 0 < len(name) <= NAME_MAX or not name.isprintable() or not name.strip():
        msg = f"a key named {name[:NAME_MAX]!r}; give 1 to {NAME_MAX} printable characters"
        raise InvalidInput(msg)


def _require_another_admin(keys: Mapping[str, Key], key: Key, now_ms: int) -> None:
    """Refuse to revoke the last key that can make keys."""
    if not key.is_usable(now_ms) or key.role is not Role.RISK_ADMIN:
        return
    others = (other for other in keys.values() if other.id != key.id)
    if not any(o.role is Role.RISK_ADMIN and o.is_usable(now_ms) for o in others):
        msg = f"key {key.id} is the last one of a risk admin; make another first"
        raise InvalidInput(msg)


def hidden(text: str) -> str:
    """Return a text in which no key can be read: its id stays, its secret does not."""
    return KEY_PATTERN.sub(lambda found: f"km_{found[1]}_***", text)
