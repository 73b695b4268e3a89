"""One process of the service: started, listened to, stopped.

It is given its settings as the first line of standard input, at once or when it is to begin; the
input then stays open: its end tells the child that the supervisor is gone. What it prints on
standard output are reports, one JSON object a line; anything else is passed on as it is.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

LINE_MAX = 2**20
"""Longest report; more without an end is cut."""

READ_BYTES = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a process is run.

    Attributes:
        name: What it is called in reports.
        module: `python -m` this.
        settings: Its first line of input.
        after: Child that has to be ready first.
        is_early: Whether it is launched while that one gets ready, to have loaded its modules when
            it may begin.
        is_vital: Whether the service ends where it keeps dying; others are tried for ever.
        is_once: Whether it may end by itself with code 0.
        stop_s: How long it may take to stop before it is killed.
    """

    name: str
    module: str
    settings: Mapping[str, Any]
    after: str = ""
    is_early: bool = False
    is_vital: bool = False
    is_once: bool = False
    stop_s: float = 10.0


@dataclass(slots=True, eq=False)
class Child:
    """A running process.

    Attributes:
        plan: How it was started.
        process: It.
        has_begun: Whether it was handed its settings.
        is_ready: Whether it has said so.
        failure: Its last words, if it said why it fails.
    """

    plan: Plan
    process: subprocess.Popen[bytes]
    has_begun: bool = False
    is_ready: bool = False
    failure: str = ""
    _piece: bytes = field(default=b"")

    @property
    def output(self) -> int:
        """File its reports are read from."""
        assert self.process.stdout is not None  # noqa: S101 it was started with a pipe
        return self.process.stdout.fileno()

    def begin(self) -> None:
        """Hand it its settings."""
        assert self.process.stdin is not None  # noqa: S101 it was started with a pipe
        with suppress(BrokenPipeError):  # it died at once: that is seen by its exit code
            self.process.stdin.write(json.dumps(self.plan.settings).encode() + b"\n")
            self.process.stdin.flush()
        self.has_begun = True

    def reports(self) -> list[dict[str, Any]] | None:
        """Return the reports that have come; `None` at the end."""
        piece = os.read(self.output, READ_BYTES)
        if not piece:
            return None
        *lines, self._piece = (self._piece + piece).split(b"\n")
        if len(self._piece) > LINE_MAX:
            self._piece = b""
        return [_report(line) for line in lines if line]

    def stop(self) -> None:
        """Ask it to end."""
        with suppress(OSError):
            self.process.send_signal(signal.SIGTERM)
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()

    def ended(self, timeout_s: float) -> int | None:
        """Return its exit code, `None` if it still runs after so long."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def let_go(self) -> None:
        """Close its pipes."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def launched(plan: Plan) -> Child:
    """Start a process; it waits for its settings."""
    process = subprocess.Popen(  # noqa: S603 our own interpreter and module
        [sys.executable, "-m", plan.module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a terminal's interrupt is for the supervisor alone
    )
    return Child(plan, process)


def _report(line: bytes) -> dict[str, Any]:
    try:
        report = json.loads(line)
    except ValueError:
        report = None
    if isinstance(report, dict) and isinstance(report.get("event"), str):
        return report
    return {"event": "said", "text": line.decode(errors="replace")}
