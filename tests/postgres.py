"""A PostgreSQL server of the tests' own, or the one that KEELMARK_TEST_POSTGRES names.

The server lives in a folder of its own, listens on a free port of the loopback only, and runs as
another user where the tests run as root, because PostgreSQL refuses root.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest

URL = os.environ.get("KEELMARK_TEST_POSTGRES", "")
REASON = (
    "no PostgreSQL: install its server (`apt install postgresql`) or name a database in "
    "KEELMARK_TEST_POSTGRES"
)
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=on")
GUARDED = "guarded"
"""A user whom a test's server asks for a password."""
_SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=16MB",
    "max_connections=40",
    "autovacuum=off",
    "lc_messages=C",
)


def binaries() -> Path | None:
    """Return the folder of the server's programs, the newest version first."""
    found = shutil.which("pg_ctl")
    if found and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in folders), default=None, key=_version)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdigit())


class Cluster:
    """A server that tests may kill and start again."""

    def __init__(self, folder: Path, programs: Path, *, is_durable: bool) -> None:
        self._folder, self._programs = folder, programs
        self._settings = (*_SETTINGS, *(() if is_durable else _FAST))
        self._owner = "postgres" if _exists("postgres") else "nobody"
        if os.geteuid() == 0:
            shutil.chown(folder, self._owner)
        self._run("initdb", "-A", "trust", "-U", "keelmark", "--no-locale", "-E", "UTF8", "-N")
        access = folder / "data" / "pg_hba.conf"
        access.write_text(f"host all {GUARDED} all scram-sha-256\n{access.read_text()}", "utf-8")
        self._begin()

    def _begin(self) -> None:
        self.port = _free_port()
        try:
            self.start()
        except AssertionError:  # another process took the port first
            self.port = _free_port()
            self.start()

    @property
    def url(self) -> str:
        return f"postgresql://keelmark@127.0.0.1:{self.port}/postgres?unsafe=yes"

    def standby(self) -> Self:
        """Return a second server that follows this one's data as they are, and only reads."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._folder = self._folder / "standby"
        self.stop("fast")
        command = ["cp", "-a", str(self._folder / "data"), str(copy._folder / "data")]
        copy._folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(copy._folder, self._owner)
        subprocess.run(command, check=True)  # noqa: S603 a copy that keeps owners
        (copy._folder / "data" / "standby.signal").touch()
        self.start()
        copy._begin()
        return copy

    def start(self) -> None:
        given = " ".join(f"-c {setting}" for setting in (*self._settings, f"port={self.port}"))
        log = str(self._folder / "log")
        self._run("pg_ctl", "-w", "-t", "60", "-l", log, "-o", given, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        if os.geteuid() == 0:
            user = pwd.getpwnam(self._owner)
            rights = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
            command = ["setpriv", *rights, *command]
        done = subprocess.run(  # noqa: S603 the server's own programs
            command,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program} failed: {done.stdout}"


@contextmanager
def cluster(*, is_durable: bool) -> Iterator[Cluster]:
    """A new server until the end of the block; skips where there is none."""
    programs = binaries()
    if programs is None:
        if os.environ.get("KEELMARK_REQUIRE_POSTGRES"):
            pytest.fail(REASON)
        pytest.skip(REASON)
    folder = Path(tempfile.mkdtemp(prefix="keelmark-pg-"))  # pytest's own is closed to other users
    try:
        server = Cluster(folder, programs, is_durable=is_durable)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_schema(url: str, seed: object = None) -> str:
    """Return a URL of a schema no other test has used; the same for the same seed, if given."""
    name = blake2b(str(seed or uuid4()).encode(), digest_size=12).hexdigest()
    return f"{url}{'&' if '?' in url else '?'}schema=test_{name}"


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
