"""`python -m keelmark.service.api`: settings on standard input, reports on standard output.

The first line of standard input is the settings as JSON; its end means that whoever started this
process is gone, and stops it like SIGTERM does. Exit codes: 0 stopped, 64 it cannot start as asked,
70 an error of our own, 75 its storage is away.
"""

import sys
import traceback

import msgspec

from keelmark.core.errors import KeelmarkError
from keelmark.service.api.process import ProcessSettings, run
from keelmark.service.child_process import BAD_INPUT, OUR_ERROR, exit_code, first_line
from keelmark.service.columns.mapping import load_kernels
from keelmark.service.writer.report import Report, reporter


def main() -> int:
    """Run the API; return the exit code."""
    report = reporter(sys.stdout.fileno())
    try:
        load_kernels()
        line = first_line()
        if not line:  # launched early, and never to begin
            return 0
        run(msgspec.json.decode(line, type=ProcessSettings), report, sys.stdin.fileno())
    except SystemExit as error:  # uvicorn's word for a port in use
        return _failed(report, error, BAD_INPUT)
    except Exception as error:  # noqa: BLE001 each kind has its code
        code = exit_code(error)
        if code == OUR_ERROR and not isinstance(error, KeelmarkError):
            traceback.print_exc()
        return _failed(report, error, code)
    return 0


def _failed(report: Report, error: BaseException, code: int) -> int:
    reason = str(error)
    if isinstance(error, SystemExit):
        reason = "the API cannot listen there; is the port in use? name another with --port"
    report("failed", code=code, error=type(error).__name__, reason=reason)
    return code


if __name__ == "__main__":
    sys.exit(main())
