"""A service as it is run: `keelmark serve` and the processes it starts, to be ill-treated."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

import httpx

START_S, STOP_S = 120.0, 60.0
CHILD = re.compile(r"keelmark\.service\.(\w+)")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def command(data: Path, port: int, *options: str) -> list[str]:
    serve = [sys.executable, "-m", "keelmark", "serve", "--data", str(data), "--port", str(port)]
    return [*serve, *options]


def environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@dataclass(eq=False)
class Running:
    """A service that runs.

    Attributes:
        data: Its folder.
        options: Further options it is started with.
        key: Its first key, once it was printed.
        lines: What it has said.
    """

    data: Path
    options: tuple[str, ...] = ()
    key: str = ""
    lines: list[str] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def start(self) -> Self:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(  # noqa: S603 ours
            command(self.data, self.port, *self.options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.until(lambda: self.said("api +ready"))
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            found = re.search(r"#key=(km_\S+)", line)
            self.key = found[1] if found else self.key

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pid in self.children().values():
            os.kill(pid, signal.SIGCONT)
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(STOP_S)
        self._reader.join(STOP_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def said(self, pattern: str, *, after: int = 0) -> bool:
        """Whether it has said a line like this."""
        return any(re.search(pattern, line) for line in self.lines[after:])

    def until(self, holds: Callable[[], bool], patience_s: float = START_S) -> None:
        """Wait for something."""
        end = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError("\n".join(self.lines[-20:]))
            time.sleep(0.02)

    def children(self) -> dict[str, int]:
        """Return the processes it started, by name."""
        found: dict[str, int] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                name = CHILD.search((folder / "cmdline").read_bytes().decode())
            except OSError:  # it has just ended
                continue
            if parent == self.process.pid and name:
                found[name[1]] = int(folder.name)
        return found

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.children()[name], signum)

    def ask(self, method: str, path: str, body: object = None, **more: Any) -> httpx.Response:  # noqa: ANN401 of a request
        """Send one request with its first key."""
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, json=body, headers=headers, **{"timeout": 60, **more})

    def deposit(self, key: str) -> httpx.Response:
        """Pay one unit to alice, under a key."""
        form = {"type": "Deposit", "account": "alice", "asset": "USDT", "amount": "1"}
        return self.ask("POST", "/v1/commands", form, headers={"Idempotency-Key": key})

    def open_alice(self) -> None:
        form = {"type": "OpenAccount", "name": "alice"}
        answer = self.ask("POST", "/v1/commands", form, headers={"Idempotency-Key": "alice"})
        assert answer.status_code == 200, answer.text

    def balance(self) -> str:
        """Return what alice has, once everything durable is shown."""
        unit = self.ask("GET", "/v1/accounts/alice").json()["units"][0]
        return str(unit["balances"][0]["balance"]) if unit["balances"] else "0"

    def health(self) -> dict[str, str]:
        """Return how each part is said to be."""
        findings = self.ask("GET", "/health").json()["findings"]
        return {row["name"]: row["health"] for row in findings}

    def done(self, key: str) -> str:
        """Send a deposit until it is durable; return the status of the last answer."""
        answers: list[httpx.Response] = []

        def is_done() -> bool:
            try:
                answers.append(self.deposit(key.replace(" ", "-")))
            except httpx.TransportError:
                return False
            assert answers[-1].status_code in {200, 429, 503}, answers[-1].text
            return answers[-1].status_code == 200

        self.until(is_done)
        return str(answers[-1].json()["status"])


@contextmanager
def connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections that say nothing."""
    held = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(count)]
    try:
        yield held
    finally:
        for connection in held:
            connection.close()
