"""Keys to read an account with: from the environment or the keyring, shown to nobody."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

from keelmark.core.errors import InvalidInput

SERVICE = "keelmark"
"""Name under which the keyring keeps them."""
PLAIN = frozenset({"WALLET"})
"""What is public: addresses are written to documents, keys never."""
_HIDDEN = "***"
_SHOWN_MIN = 4
"""Shorter texts are not blotted out: they would blot out half a message."""


class Keyring(Protocol):
    """What is asked of a keyring."""

    def get_password(self, service_name: str, username: str) -> str | None:
        """Return what is kept under a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Keys by field (`KEY`, `SECRET`, `PASSWORD`, `WALLET`); printing it shows names only."""

    values: Mapping[str, str] = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must appear nowhere, longest first."""
        found = {text for name, text in self.values.items() if name not in PLAIN}
        return tuple(sorted((t for t in found if len(t) >= _SHOWN_MIN), key=len, reverse=True))

    def blotted(self, text: str) -> str:
        """Return a text without any key in it."""
        for secret in self.secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def names_of(venue: str, name: str) -> tuple[str, ...]:
    """Return the environment variables of a field: the venue's own, then its family's."""
    family = venue.partition("-")[0]
    owners = dict.fromkeys((venue, family))
    return tuple(f"KEELMARK_{owner.replace('-', '_').upper()}_{name}" for owner in owners)


def find_credentials(
    venue: str,
    wanted: Iterable[str],
    *,
    environment: Mapping[str, str],
    keyring: Keyring | None = None,
) -> Credentials:
    """Return the keys of a venue.

    Args:
        venue: Name as `keelmark fetch` has it.
        wanted: The fields it needs.
        environment: Variables of the process.
        keyring: Asked for what the environment lacks, under the service "keelmark".

    Raises:
        InvalidInput: One is missing; the message names the variable and the keyring entry.
    """
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in wanted:
        value = _of_environment(venue, name, environment) or _of_keyring(venue, name, keyring)
        if value is None:
            entry = f'`keyring set {SERVICE} "{_entry(venue, name)}"`'
            missing.append(f"set {names_of(venue, name)[0]}, or {entry}")
        else:
            found[name] = value
    if missing:
        kind = "its address" if set(wanted) <= PLAIN else "a read-only key"
        msg = f"no keys to read {venue} with; {kind} is needed: " + "; ".join(missing)
        raise InvalidInput(msg)
    return Credentials(values=found)


def system_keyring() -> Keyring | None:
    """Return the keyring of this machine; `None` where there is none to ask."""
    try:
        module: Keyring = import_module("keyring")
    except ImportError:
        return None
    return module


def _entry(venue: str, name: str) -> str:
    return f"{venue} {name.lower()}"


def _of_environment(venue: str, name: str, environment: Mapping[str, str]) -> str | None:
    values = (environment.get(variable, "").strip() for variable in names_of(venue, name))
    return next((value for value in values if value), None)


def _of_keyring(venue: str, name: str, keyring: Keyring | None) -> str | None:
    """Return what the keyring keeps; a keyring that is locked or absent has nothing."""
    if keyring is None:
        return None
    try:
        found = keyring.get_password(SERVICE, _entry(venue, name))
    except Exception:  # noqa: BLE001 every backend has errors of its own, and none says more
        return None
    return found.strip() or None if found else None
