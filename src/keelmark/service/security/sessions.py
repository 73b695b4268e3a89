"""Browser sessions, kept on the server: a random token in a cookie stands for a key."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

LIFE_MS = 12 * 3_600_000
"""How long a session lasts."""
SESSIONS_MAX = 1000
TOKEN_MAX = 100
"""Longer cookies are not looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody signed in.

    Attributes:
        key_id: Key it was opened with; it ends with the key.
        expires_ms: When it ends.
    """

    key_id: str
    expires_ms: int


class Sessions:
    """Sessions by the hash of their token; a restart of the API ends them all.

    Args:
        life_ms: How long one lasts.
        limit: How many there are at most; the oldest makes room.
        token: Makes tokens that nobody can guess.
    """

    def __init__(
        self,
        *,
        life_ms: int = LIFE_MS,
        limit: int = SESSIONS_MAX,
        token: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._life_ms, self._limit, self._token = life_ms, limit, token
        self._sessions: dict[bytes, Session] = {}

    def open(self, key_id: str, now_ms: int) -> tuple[str, Session]:
        """Open a session; return its token, and what it is."""
        self._forget_ended(now_ms)
        while len(self._sessions) >= self._limit:
            del self._sessions[next(iter(self._sessions))]
        token = self._token()
        session = Session(key_id=key_id, expires_ms=now_ms + self._life_ms)
        self._sessions[_hash(token)] = session
        return token, session

    def find(self, token: str, now_ms: int) -> Session | None:
        """Return the session of a token, if it has not ended."""
        if not 0 < len(token) <= TOKEN_MAX:
            return None
        session = self._sessions.get(_hash(token))
        return session if session is not None and now_ms < session.expires_ms else None

    def close(self, token: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(_hash(token), None)

    def close_of(self, key_id: str) -> int:
        """End every session of a key; return how many there were."""
        found = [name for name, session in self._sessions.items() if session.key_id == key_id]
        for name in found:
            del self._sessions[name]
        return len(found)

    def __len__(self) -> int:
        return len(self._sessions)

    def _forget_ended(self, now_ms: int) -> None:
        for name in [n for n, s in self._sessions.items() if s.expires_ms <= now_ms]:
            del self._sessions[name]


def _hash(token: str) -> bytes:
    """Return what a token is looked up by: a lookup then tells nothing about the token."""
    return blake2b(token.encode("utf-8", "replace"), digest_size=32).digest()
