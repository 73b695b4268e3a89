"""`python -m keelmark.service.writer`: settings on standard input, reports on standard output.

The first line of standard input is the settings as JSON; its end means that whoever started this
process is gone, and stops it like SIGTERM does. Exit codes: 0 stopped, 64 it cannot start as asked,
70 an error of our own: the journal is kept as it is.
"""

import sys

from keelmark.service.child_process import run_child, stop_pipe
from keelmark.service.memory import settle
from keelmark.service.writer.clock import SteadyClock, machine
from keelmark.service.writer.loop import Surroundings, Writer
from keelmark.service.writer.publication import SharedColumns
from keelmark.service.writer.report import Report
from keelmark.service.writer.settings import WriterSettings


def run_writer(settings: WriterSettings, report: Report) -> None:
    """Run the writer until it is told to stop."""
    surroundings = Surroundings(
        clock=lambda not_before: SteadyClock(machine(), not_before_ms=not_before),
        publication=SharedColumns(settings.folder.run, report),
        report=report,
    )
    signalled = stop_pipe()
    writer = Writer(settings, surroundings)
    writer.stop_when_readable(signalled)
    writer.stop_when_readable(sys.stdin.fileno())
    settle()
    writer.run()


def main() -> int:
    """Run the writer; return the exit code."""
    return run_child(WriterSettings, run_writer)


if __name__ == "__main__":
    sys.exit(main())
