"""`python -m keelmark.service.follower`: see `service.child_process` for how it is run.

The end of its standard input means that whoever started it is gone, and stops it as SIGTERM does.
Exit code 70 also means that what the journal gives is not what is published, or breaks a law: the
status file says what.
"""

import os
import select
import sys

from keelmark.service.child_process import run_child, stop_pipe
from keelmark.service.follower.follower import Follower, run
from keelmark.service.follower.settings import FollowerSettings
from keelmark.service.memory import settle
from keelmark.service.writer.report import Report

NICENESS = 10
"""Nobody waits for a snapshot: writer and API go first where cores are few."""


def follow(settings: FollowerSettings, report: Report) -> None:
    """Write snapshots until told to stop."""
    signalled = stop_pipe()

    def wait(seconds: float) -> bool:
        ready, _, _ = select.select([signalled, sys.stdin.fileno()], [], [], seconds)
        return bool(ready)

    follower = Follower(settings, report)
    os.nice(NICENESS)
    settle()
    try:
        run(follower, settings, wait, report)
    finally:
        follower.close()


if __name__ == "__main__":
    sys.exit(run_child(FollowerSettings, follow))
