"""What the tests of a journal in PostgreSQL share: other sessions, and a wire that can be cut."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from keelmark.engine.journal.access import Access
from keelmark.engine.journal.postgres import PostgresJournal, PostgresSettings

WRITER = PostgresSettings(wait_s=0.3, outage_s=5.0)
IMPATIENT = PostgresSettings(wait_s=0.3, outage_s=0.0)
SHARED = PostgresSettings(access=Access.SHARED, wait_s=0.3, outage_s=5.0)
READER = PostgresSettings(access=Access.READER, wait_s=0.3, outage_s=5.0)


def plain(url: str) -> str:
    """Return a URL without the journal's own parameters."""
    return url.partition("?")[0]


def schema_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["schema"][-1]


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in the journal's schema; return the rows of the last."""
    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(plain(url), options=f"-c search_path={schema_of(url)}") as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


def end_sessions(url: str) -> None:
    """End every session of a journal, as an administrator or a crash would."""
    sql(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name LIKE 'keelmark%'",
    )


class Wire:
    """A way to the server that can lose what is sent, or only the answers."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.loses = ""
        self._ends: list[socket.socket] = []
        self._threads: list[Thread] = []
        self._run(self._serve)

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(Thread(target=target, args=arguments))
        self._threads[-1].start()

    def lose(self, what: str) -> None:
        """Lose the next "request" before the server has it, or its "answer", and hang up."""
        self.loses = what

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._ends += (client, server)
                self._run(self._carry, client, server, "request")
                self._run(self._carry, server, client, "answer")

    def _carry(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.loses == way:
                    self.loses = ""
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(url: str) -> Iterator[tuple[Wire, str]]:
    """A wire to the server of a URL, and the URL that leads over it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with closing(Wire(parts.hostname, parts.port or 5432)) as wire:
        netloc = parts.netloc.rpartition("@")[0] + f"@127.0.0.1:{wire.port}"
        yield wire, parts._replace(netloc=netloc).geturl()


def stored(url: str) -> list[Any]:
    with PostgresJournal(url, READER) as journal:
        return list(journal.read(after=0))
