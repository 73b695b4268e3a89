"""`python -m keelmark.service.alerts`: the guard of a venue, as a process of the service."""

import sys

from keelmark.service.alerts.guard import GuardSettings, serve_guard
from keelmark.service.child_process import run_child

if __name__ == "__main__":
    sys.exit(run_child(GuardSettings, serve_guard))
