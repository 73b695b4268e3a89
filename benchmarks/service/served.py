"""`keelmark serve` as a benchmark runs it: every process of it, started, watched, stopped."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from keelmark.service.counters import Counters
from keelmark.service.folder import Folder

STOP_S = 120.0
_KB = 1024


@dataclass(slots=True)
class Served:
    """A service that is ready.

    Attributes:
        folder: Its data.
        port: Where its API listens on this machine.
        key: The first key: a risk admin's.
        pid: Its supervisor.
        start_s: From the call until the API answered.
    """

    folder: Path
    port: int
    key: str
    pid: int
    start_s: float

    def cells(self) -> dict[str, int]:
        """Return the writer's counts."""
        with Counters.open(Folder(self.folder).counters) as counters:
            return counters.read()

    def memory(self) -> dict[str, int]:
        """Return bytes by process; pages that are shared are counted once, by their shares."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return {_name(pid): _proportional(pid) for pid in (str(self.pid), *children)}


@contextmanager
def served(folder: Path, *, journal: str = "") -> Iterator[Served]:
    """Run the service on a folder that was never served; it is stopped in order at the end.

    Raises:
        RuntimeError: It did not start.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "keelmark", "serve", "--json", "--data", str(folder)]
    command += ["--port", str(port)] + (["--journal", journal] if journal else [])
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)  # noqa: S603 ours
    heard = process.stdout
    if heard is None:  # never: it is a pipe
        raise RuntimeError(process.args)
    key, told = "", []
    for line in heard:
        told.append(json.loads(line))
        key = key or str(told[-1].get("url", "")).partition("#key=")[2]
        if told[-1].get("process") == "api" and told[-1]["event"] == "ready":
            break
    if process.poll() is not None or not key:
        process.kill()
        msg = f"the service did not start: {told[-2:]}"
        raise RuntimeError(msg)
    Thread(target=heard.read, daemon=True).start()
    try:
        yield Served(folder, port, key, process.pid, time.perf_counter() - begun)
    finally:
        process.terminate()
        process.wait(STOP_S)


def _name(pid: str) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return words[2].decode().removeprefix("keelmark.").removeprefix("service.")


def _proportional(pid: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * _KB
    return 0
