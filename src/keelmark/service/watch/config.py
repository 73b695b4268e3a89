"""What to watch and whom to wake: the configuration file of `keelmark watch`, read strictly.

No secret is in it: an account names a set of keys, which the environment or the keyring holds.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from keelmark.accounts.decode import parse_document
from keelmark.accounts.fetch import venues
from keelmark.core.errors import InvalidDocument, nearest
from keelmark.service.alerts.rules import AlertRules, problems_of

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.05, le=86400.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]
KeySet = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]

MISSED_READS = 3
"""An account is stale after so many reads that brought nothing."""

STALE_MIN_S = 60.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WatchedAccount(_Strict):
    """An account: read live at a venue, or from a file that somebody else keeps fresh.

    Attributes:
        name: What it is called everywhere.
        venue: One of `keelmark fetch --venues`.
        document: Path of an account document instead; read again when it changes.
        keys: Name of its keys: `KEELMARK_<NAME>_KEY`, ... ; the venue's where left out.
        subaccount: Which one, where a venue numbers them (dYdX).
        poll_s: How often it is read.
        stream: Whether mark prices are streamed between the reads.
        stale_s: Its margin is called unknown after this long without a good read, or where what its
            document says is older; three reads, at least a minute, where left out.
        api_url: Where the venue's interface is found instead of the venue's own address: a proxy.
    """

    name: Name
    venue: str = ""
    document: str = ""
    keys: KeySet | None = None
    subaccount: Annotated[int, Field(ge=0)] = 0
    poll_s: Seconds = 10.0
    stream: bool = False
    stale_s: Seconds | None = None
    api_url: str = ""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if bool(self.venue) == bool(self.document):
            msg = "name a venue to read it at, or a document to read it from"
            raise ValueError(msg)
        if self.venue and self.venue not in venues():
            msg = f"no account can be read from {self.venue!r}; {nearest(self.venue, venues())}"
            raise ValueError(msg)
        if self.document and (self.keys or self.stream or self.api_url):
            msg = "keys, stream and api_url are of accounts that are read at a venue"
            raise ValueError(msg)
        if self.api_url and not _is_private(self.api_url):
            msg = "api_url must be https, or an address of this machine: keys are sent to it"
            raise ValueError(msg)
        return self

    @property
    def stale_after_s(self) -> float:
        """Seconds without a good read after which nothing is known."""
        return self.stale_s or max(MISSED_READS * self.poll_s, STALE_MIN_S)


class Dashboard(_Strict):
    """Where the dashboard is served; off without a port.

    Attributes:
        host: Address to listen at; the default is reached from this machine alone.
        port: Port; 0 for no dashboard.
        host_names: Names it answers to besides: of a proxy in front of it.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, lt=65536)] = 8421
    host_names: tuple[str, ...] = ()


class WatchConfig(_Strict):
    """The whole file.

    Attributes:
        accounts: What is watched.
        alerts: Whom to tell when.
        dashboard: Where it is shown.
        red: Distance below which the word is red, fraction.
        amber: Distance below which it is amber.
        probability_s: How often the chance of liquidation is worked out; it takes about a second.
    """

    accounts: Annotated[tuple[WatchedAccount, ...], Field(min_length=1)]
    alerts: AlertRules = AlertRules()
    dashboard: Dashboard = Dashboard()
    red: Fraction = 0.15
    amber: Fraction = 0.30
    probability_s: Seconds = 300.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [account.name for account in self.accounts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"accounts need names of their own; {twice} occur twice"
            raise ValueError(msg)
        if self.amber < self.red:
            msg = "amber begins nearer than red: it must be the larger distance"
            raise ValueError(msg)
        return self


def load_config(path: Path) -> WatchConfig:
    """Return a configuration file; paths in it are relative to it.

    Raises:
        InvalidDocument: It cannot be read or does not fit; lists every problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        title = f"{path}: cannot be read"
        raise InvalidDocument(title, [reason]) from error
    table = parse_document(text, title=str(path), toml=True)
    return read_config(table, title=str(path), folder=path.parent)


def read_config(table: Mapping[str, Any], *, title: str, folder: Path) -> WatchConfig:
    """Return a decoded configuration; raises as `load_config`."""
    try:
        config = WatchConfig.model_validate(_plain(table))
    except ValidationError as error:
        raise InvalidDocument(title, problems_of(error)) from None
    accounts = [_placed(account, folder) for account in config.accounts]
    return config.model_copy(update={"accounts": tuple(accounts)})


def _plain(value: Any) -> Any:  # noqa: ANN401 decoded TOML
    """Return decoded TOML with its exact numbers as floats."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    is_plain = value is None or isinstance(value, bool | str | int | float)
    return value if is_plain else float(value)


def _placed(account: WatchedAccount, folder: Path) -> WatchedAccount:
    if not account.document:
        return account
    return account.model_copy(update={"document": str(folder / account.document)})


def _is_private(url: str) -> bool:
    """Whether keys may be sent to an address: encrypted, or nowhere but to this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http" or parts.hostname is None:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
