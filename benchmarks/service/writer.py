"""The writer's process as a benchmark runs it: started, timed, watched, stopped."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keelmark.service.counters import Counters, Distribution
from keelmark.service.writer.settings import WriterSettings

STOP_S = 60.0
_KB = 1024


@dataclass(slots=True)
class Running:
    """A writer that is ready.

    Attributes:
        settings: What it was started with.
        process: The process.
        start_s: From the call until it was ready.
        reports: What it said on the way.
    """

    settings: WriterSettings
    process: "subprocess.Popen[bytes]"
    start_s: float
    reports: list[dict[str, object]]

    def cells(self) -> dict[str, int]:
        """Return its counts."""
        with Counters.open(self.settings.counters) as counters:
            return counters.read()

    def resident_bytes(self, *, peak: bool = False) -> int:
        """Return its memory now, or the most it had."""
        name = "VmHWM" if peak else "VmRSS"
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * _KB
        return 0


@contextmanager
def writer(settings: WriterSettings) -> Iterator[Running]:
    """Run a writer; it is stopped in order at the end.

    Raises:
        RuntimeError: It did not start.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "keelmark.service.writer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
    )
    told, heard = process.stdin, process.stdout
    if told is None or heard is None:  # never: both are pipes
        raise RuntimeError(process.args)
    told.write(msgspec.json.encode(settings) + b"\n")
    told.flush()
    reports: list[dict[str, object]] = []
    for line in heard:
        reports.append(json.loads(line))
        if reports[-1]["event"] in {"ready", "failed"}:
            break
    if not reports or reports[-1]["event"] != "ready":
        process.kill()
        msg = f"the writer did not start: {reports[-1:]}"
        raise RuntimeError(msg)
    try:
        yield Running(settings, process, time.perf_counter() - begun, reports)
    finally:
        process.terminate()
        process.wait(STOP_S)


def between(before: dict[str, int], after: dict[str, int], name: str) -> Distribution:
    """Return a histogram of what was counted between two looks."""
    difference = {cell: after[cell] - before.get(cell, 0) for cell in after}
    return Distribution.of(difference, name)
