"""Where an account is read: at its venue through ccxt, or from a file that is kept fresh."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from keelmark.accounts.account import Account, load_account
from keelmark.accounts.credentials import (
    Credentials,
    Keyring,
    find_credentials,
    names_of,
    system_keyring,
)
from keelmark.accounts.fetch import fetch_account, open_exchange, plan_of
from keelmark.core.errors import InvalidDocument
from keelmark.service.feeds.venue_prices import redirected
from keelmark.service.times import iso_time
from keelmark.service.watch.config import WatchedAccount

AHEAD_MAX_MS = 10_000
"""How far two clocks may be apart: what is ahead by less is of this moment."""


class Source(Protocol):
    """Reads one account."""

    def read(self) -> Account:
        """Return the account as it is now.

        Raises:
            KeelmarkError: It could not be read, or not understood; says what to do and no key.
        """


@dataclass(frozen=True, slots=True)
class FileSource:
    """An account document on disk."""

    path: Path

    def read(self) -> Account:
        """Return the account in the file."""
        return load_account(self.path)

    def as_of_ms(self, account: Account, time_ms: int) -> int:
        """Return when what was read at a time was so: what the document says, else its file.

        A past instant that is meant (`historical`) does not grow old.

        Raises:
            InvalidDocument: It is of a time that has not come: nobody knows how old it is.
        """
        if account.document.historical:
            return time_ms
        said = {"as_of": account.document.as_of, "prices_as_of": account.document.prices_as_of}
        given = {
            f"its `{name}`": int(1000 * instant.timestamp())
            for name, instant in said.items()
            if instant is not None
        }
        if not given:
            with suppress(OSError):  # it was there when it was read
                given = {"the time of the file": self.path.stat().st_mtime_ns // 1_000_000}
        ahead = [name for name, found in given.items() if found > time_ms + AHEAD_MAX_MS]
        if ahead:
            raise InvalidDocument(str(self.path), [_ahead(n, given[n], time_ms) for n in ahead])
        return min([*given.values(), time_ms])


def _ahead(name: str, found_ms: int, time_ms: int) -> str:
    return (
        f"{name} is {iso_time(found_ms)}, {(found_ms - time_ms) / 1000:.0f} s ahead of this "
        "machine's clock, so nobody knows how old it is; mend whichever is wrong"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSource:
    """An account at its venue; one exchange is kept, so that its rate limits hold."""

    venue: str
    exchange: object
    keys: Credentials
    subaccount: int

    def read(self) -> Account:
        """Return the account as the venue answers now."""
        fetched = fetch_account(
            self.venue,
            exchange=self.exchange,
            credentials=self.keys,
            subaccount=self.subaccount,
        )
        return fetched.imported.account()


def open_source(
    account: WatchedAccount,
    *,
    environment: Mapping[str, str] | None = None,
    keyring: Keyring | None = None,
) -> Source:
    """Return where an account is read.

    Args:
        account: What the configuration says of it.
        environment: Variables that hold keys; the process's own where left out.
        keyring: Asked for what the environment lacks; the machine's own where both are left out.

    Raises:
        InvalidInput: A key is missing; names its variable.
        MissingExtra: ccxt is not installed.
    """
    if account.document:
        return FileSource(Path(account.document))
    plan = plan_of(account.venue)
    variables = os.environ if environment is None else environment
    ring = system_keyring() if environment is None and keyring is None else keyring
    owner = account.keys or account.venue
    keys = find_credentials(
        owner, plan.needs, environment=_own(account, variables, plan.needs), keyring=ring
    )
    exchange: Any = open_exchange(plan, keys)
    if account.api_url:
        exchange.urls["api"] = redirected(exchange.urls["api"], account.api_url)
    return VenueSource(
        venue=account.venue, exchange=exchange, keys=keys, subaccount=account.subaccount
    )


def _own(
    account: WatchedAccount, environment: Mapping[str, str], wanted: tuple[str, ...]
) -> Mapping[str, str]:
    """Return the variables an account may be read with.

    A named set of keys is that set alone: an account whose key is missing must not be read with
    the key of another one of the same venue.
    """
    if account.keys is None:
        return environment
    own = {names_of(account.keys, name)[0] for name in wanted}
    return {name: value for name, value in environment.items() if name in own}
