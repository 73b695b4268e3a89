"""`python -m keelmark.service.writer`: settings on standard input, reports on standard output.

The first line of standard input is the settings as JSON; its end means that whoever started this
process is gone, and stops it like SIGTERM does. Exit codes: 0 stopped, 64 it cannot start as asked,
70 an error of our own: the journal is kept as it is.
"""

import os
import signal
import sys
import traceback

import msgspec

from keelmark.core.errors import InvariantViolated, KeelmarkError
from keelmark.service.writer.clock import SteadyClock, machine
from keelmark.service.writer.loop import Surroundings, Writer
from keelmark.service.writer.publication import SharedColumns
from keelmark.service.writer.report import Report, reporter
from keelmark.service.writer.settings import WriterSettings

BAD_INPUT, OUR_ERROR = 64, 70


def main() -> int:
    """Run the writer; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor says when to stop
    report = reporter(sys.stdout.fileno())
    try:
        settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=WriterSettings)
        _run(settings, report)
    except InvariantViolated as error:
        return _failed(report, error, OUR_ERROR)
    except (KeelmarkError, msgspec.MsgspecError) as error:
        return _failed(report, error, BAD_INPUT)
    except Exception as error:  # noqa: BLE001 whatever it is, it is ours
        traceback.print_exc()
        return _failed(report, error, OUR_ERROR)
    return 0


def _run(settings: WriterSettings, report: Report) -> None:
    surroundings = Surroundings(
        clock=lambda not_before: SteadyClock(machine(), not_before_ms=not_before),
        publication=SharedColumns(settings.run, report),
        report=report,
    )
    signalled, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGTERM, lambda *_: None)  # heard through the pipe, between two turns
    writer = Writer(settings, surroundings)
    writer.stop_when_readable(signalled)
    writer.stop_when_readable(sys.stdin.fileno())
    writer.run()


def _failed(report: Report, error: Exception, code: int) -> int:
    report("failed", code=code, error=type(error).__name__, reason=str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())
