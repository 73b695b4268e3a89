"""`python -m keelmark.service.follower`: settings on standard input, reports on standard output.

The first line of standard input is the settings as JSON; its end means that whoever started this
process is gone, and stops it like SIGTERM does. Exit codes: 0 stopped, 64 it cannot start as asked,
70 what the journal gives is not what is published, or breaks a law: the status file says what,
75 its storage is away.
"""

import os
import select
import signal
import sys
import traceback

import msgspec

from keelmark.core.errors import InvariantViolated, KeelmarkError, StorageFailed
from keelmark.service.follower.follower import Follower, run
from keelmark.service.follower.settings import FollowerSettings
from keelmark.service.writer.report import Report, reporter

BAD_INPUT, OUR_ERROR, AWAY = 64, 70, 75


def main() -> int:
    """Run the follower; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor says when to stop
    report = reporter(sys.stdout.fileno())
    try:
        settings = msgspec.json.decode(_first_line(), type=FollowerSettings)
        _run(settings, report)
    except InvariantViolated as error:
        return _failed(report, error, OUR_ERROR)
    except StorageFailed as error:
        return _failed(report, error, AWAY)
    except (KeelmarkError, msgspec.MsgspecError) as error:
        return _failed(report, error, BAD_INPUT)
    except Exception as error:  # noqa: BLE001 whatever it is, it is ours
        traceback.print_exc()
        return _failed(report, error, OUR_ERROR)
    return 0


def _first_line() -> bytes:
    """Return the first line of standard input, and nothing behind it."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(sys.stdin.fileno(), 1)
        if not part:
            break
        line += part
    return line


def _run(settings: FollowerSettings, report: Report) -> None:
    signalled, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGTERM, lambda *_: None)  # heard through the pipe, between two rounds

    def wait(seconds: float) -> bool:
        ready, _, _ = select.select([signalled, sys.stdin.fileno()], [], [], seconds)
        return bool(ready)

    follower = Follower(settings, report)
    try:
        run(follower, settings, wait, report)
    finally:
        follower.close()


def _failed(report: Report, error: Exception, code: int) -> int:
    report("failed", code=code, error=type(error).__name__, reason=str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())
