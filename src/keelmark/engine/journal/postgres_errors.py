"""What PostgreSQL and libpq say when they fail, in the words of Keelmark's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from keelmark.core.errors import (
    CorruptJournal,
    InvalidInput,
    JournalLocked,
    KeelmarkError,
    StorageFailed,
)
from keelmark.engine.journal.postgres_address import Address
from keelmark.engine.journal.postgres_driver import psycopg
from keelmark.engine.journal.storage import StorageFull


class DatabaseGone(StorageFailed):
    """The server cannot be reached, is starting, or ended the session: it may come back."""


_GONE = ("57P01", "57P02", "57P03", "57P05", "25P03", "08")
_FIX_GONE = "start it, or mend the network, and retry"
_FIX_TABLES = "its tables were changed or removed; restore the journal from a copy"
_ADVICE: dict[str, tuple[type[KeelmarkError], str]] = {
    "23505": (CorruptJournal, "a batch lies beyond the journal's end; restore it from a copy"),
    "25006": (
        StorageFailed,
        "the server only reads: name the primary, or hosts and target_session_attrs=read-write",
    ),
    "40": (StorageFailed, "nothing of it was applied; retry"),
    "42501": (StorageFailed, "grant the role USAGE and CREATE on the schema and its tables"),
    "42": (CorruptJournal, _FIX_TABLES),
    "3F": (CorruptJournal, _FIX_TABLES),
    "53100": (StorageFull, "nothing of it was applied; free some space and retry"),
    "53": (StorageFailed, "nothing of it was applied; give the server more resources and retry"),
    "54": (InvalidInput, "nothing of it was applied; split the command"),
    "55P03": (JournalLocked, "another session holds the journal's end; end it or wait, then retry"),
    "57014": (
        StorageFailed,
        "nothing of it was applied; retry, and look who cancels the journal's statements",
    ),
    "58": (StorageFailed, "nothing of it was applied; check the server's disk and its log"),
    "XX001": (CorruptJournal, "the server found damage; restore the database from a copy"),
    "XX002": (CorruptJournal, "the server found a damaged index: REINDEX, or restore a copy"),
}
_OTHERWISE = (StorageFailed, "nothing of it was applied; look into the server's log")

# libpq has no code for a session that never began; the server's words are those of the C locale.
_REFUSED: tuple[tuple[str, type[KeelmarkError], str], ...] = (
    ("password", InvalidInput, "check user and password (PGPASSWORD and PGPASSFILE count too)"),
    ("authentication", InvalidInput, "check user, password and the server's pg_hba.conf"),
    ("pg_hba.conf", InvalidInput, "let the server's pg_hba.conf admit this host and user"),
    ("role ", InvalidInput, "check the user, or create it on the server"),
    ("database ", InvalidInput, "check the database's name, or create it: `createdb NAME`"),
    ("certificate", InvalidInput, "check sslmode, sslrootcert and the server's certificate"),
    ("SSL", InvalidInput, "check sslmode and whether the server speaks TLS"),
    ("too many clients", DatabaseGone, "close sessions or raise max_connections, then retry"),
    ("remaining connection slots", DatabaseGone, "close sessions or raise max_connections"),
    ("session is", StorageFailed, "none of the hosts is as target_session_attrs asks"),
)
_STARTING = ("starting up", "shutting down", "recovery mode", "not yet accepting")


@contextmanager
def database(address: Address, doing: str) -> Iterator[None]:
    """Run a block that uses the database of a journal.

    Raises:
        DatabaseGone: The session ended or never began; of a write the outcome is not known.
        StorageFailed: The server said no: nothing was applied.
        JournalLocked: Another session held the journal longer than the time to wait.
        CorruptJournal: The server found damage, or tables other than a journal's.
    """
    try:
        yield
    except psycopg.Error as error:
        named, advice = _advice(error)
        text = address.without_secrets(str(error))
        message = f"{address.name}: cannot {doing} ({text}): {advice}"
        raise named(message) from error


def refused(error: psycopg.Error, address: Address) -> KeelmarkError:
    """Return the error for a session that could not begin."""
    text = address.without_secrets(str(error))
    named, advice = _refusal(text)
    return named(f"{address.name}: cannot connect ({text}): {advice}")


def is_gone(error: psycopg.Error) -> bool:
    """Whether the session is lost with it: what it was doing may have been done."""
    return _advice(error)[0] is DatabaseGone


def _advice(error: psycopg.Error) -> tuple[type[KeelmarkError], str]:
    state = error.sqlstate
    if state is None:
        is_link = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return (DatabaseGone, _FIX_GONE) if is_link else _OTHERWISE
    if state.startswith(_GONE):
        return DatabaseGone, _FIX_GONE
    return _ADVICE.get(state) or _ADVICE.get(state[:2]) or _OTHERWISE


def _refusal(text: str) -> tuple[type[KeelmarkError], str]:
    if any(word in text for word in _STARTING):
        return DatabaseGone, "wait until it has started"
    if "FATAL" in text or "SSL" in text or "session is" in text:
        for word, named, advice in _REFUSED:
            if word in text:
                return named, advice
    return DatabaseGone, f"check host and port; {_FIX_GONE}"
