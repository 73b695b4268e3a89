"""Where a journal in PostgreSQL is: a URL taken apart, and a name for it without the password."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from keelmark.core.errors import InvalidInput
from keelmark.engine.journal.access import is_url
from keelmark.engine.journal.postgres_driver import psycopg

SCHEMA = "keelmark"
_IDENTIFIER = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_FORM = "postgresql://user:password@host:5432/database?schema=keelmark"
_SECRETS = ("password", "sslpassword", "passfile", "oauth_client_secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A journal's database and schema.

    Attributes:
        parameters: libpq's connection parameters; they may hold a password.
        schema: The schema of the journal's tables.
        accepts_loss: Whether a server that does not flush to the device is accepted.
    """

    parameters: Mapping[str, str] = field(repr=False)
    schema: str
    accepts_loss: bool

    @property
    def name(self) -> str:
        """The database and schema in words, without any secret."""
        found = self.parameters
        user = f"{found['user']}@" if "user" in found else ""
        host = found.get("host") or found.get("hostaddr") or ""
        port = f":{found['port']}" if "port" in found else ""
        return f"postgresql://{user}{host}{port}/{found.get('dbname', '')} schema {self.schema}"

    def without_secrets(self, text: str) -> str:
        """Return a message of the driver or the server with every secret blotted out."""
        secrets = (self.parameters.get(name) for name in _SECRETS)
        for secret in filter(None, secrets):
            text = text.replace(secret, "***")
        return " ".join(text.split())


def parse_address(url: str) -> Address:
    """Take a URL apart: libpq's own, with two parameters more.

    `schema=NAME` names the schema of the journal (`keelmark` by default); `unsafe=yes` accepts a
    server with `fsync` off, for tests and trials. What the URL leaves out libpq takes from its
    environment (`PGPASSWORD`, `PGPASSFILE`, `PGSERVICE`...).

    Raises:
        InvalidInput: It cannot be read; the message does not repeat it.
    """
    if not is_url(url):
        _refuse("does not begin with postgresql://")
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may hold a piece of the password
        parts = None
    if parts is None:
        _refuse("cannot be taken apart")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    own = {name: value for name, value in pairs if name in {"schema", "unsafe"}}
    rest = urlencode([pair for pair in pairs if pair[0] not in own], quote_via=quote)
    plain = urlunsplit(parts._replace(query=rest))
    return Address(
        parameters=MappingProxyType(_parameters(plain)),
        schema=_schema(own.get("schema", SCHEMA)),
        accepts_loss=_yes(own.get("unsafe", "no")),
    )


def _parameters(url: str) -> dict[str, str]:
    try:
        found = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        found = None  # its message may hold a piece of the password
    if found is None:
        _refuse("is not one libpq can read: percent-encode special characters in the password")
    return {name: str(value) for name, value in found.items() if value is not None}


def _schema(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        _refuse(f"names the schema {name!r}: use small letters, digits and _, not pg_ first")
    return name


def _yes(value: str) -> bool:
    if value not in {"yes", "no"}:
        _refuse(f"says unsafe={value!r}: use yes or no")
    return value == "yes"


def _refuse(why: str) -> NoReturn:
    msg = f"the journal's URL {why}; write it as {_FORM}"
    raise InvalidInput(msg)
