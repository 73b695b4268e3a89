"""How a process of the service is run: settings in, reports out, an exit code that means something.

The first line of standard input is the settings as JSON; reports go to standard output, one JSON
object a line. Exit codes: 0 done or stopped, 64 it cannot run as asked, 70 an error of our own,
75 its storage is away: a disk or a database that says no may say yes again.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

import msgspec

from keelmark.core.errors import InvariantViolated, KeelmarkError, StorageFailed
from keelmark.service.writer.report import Report, reporter

BAD_INPUT, OUR_ERROR, AWAY = 64, 70, 75

NO_ROOM = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EIO,
        errno.EACCES,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
    )
)
"""What a machine says that has run out of something, or has lost a disk."""

SettingsT = TypeVar("SettingsT")


def run_child(kind: type[SettingsT], work: Callable[[SettingsT, Report], None]) -> int:
    """Do a work with the settings of standard input; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor says when to stop
    report = reporter(sys.stdout.fileno())
    try:
        work(msgspec.json.decode(first_line(), type=kind), report)
    except Exception as error:  # noqa: BLE001 each kind has its code
        code = exit_code(error)
        if code == OUR_ERROR and not isinstance(error, KeelmarkError):
            traceback.print_exc()
        return _failed(report, error, code)
    return 0


def exit_code(error: Exception) -> int:
    """Return what the end of a process by an error means to whoever started it."""
    if isinstance(error, StorageFailed) or (isinstance(error, OSError) and error.errno in NO_ROOM):
        return AWAY
    is_theirs = isinstance(error, (KeelmarkError, msgspec.MsgspecError))
    return BAD_INPUT if is_theirs and not isinstance(error, InvariantViolated) else OUR_ERROR


def first_line() -> bytes:
    """Return the first line of standard input, and take nothing behind it."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(sys.stdin.fileno(), 1)
        if not part:
            break
        line += part
    return line


def stop_pipe() -> int:
    """Return a file that becomes readable at SIGTERM."""
    signalled, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGTERM, lambda *_: None)  # heard through the pipe
    return signalled


def _failed(report: Report, error: Exception, code: int) -> int:
    report("failed", code=code, error=type(error).__name__, reason=str(error))
    return code
