"""A process to supervise: does what its settings say, a word at a time."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    settings = json.loads(sys.stdin.readline())
    log = Path(settings["log"])

    def note(what: str) -> None:
        with log.open("a") as file:
            file.write(f"{settings['name']} {what}\n")

    def stop(*_: object) -> None:
        note("stopped")
        sys.stdout.flush()
        os._exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if settings.get("stubborn") else stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    note("started")
    code = settings.get("fails")
    if code is not None:
        sys.stdout.write('{"event": "failed", "reason": "as asked"}\n')
        return int(code)
    if settings.get("dies_once") and log.read_text().count(f"{settings['name']} started") == 1:
        return 3
    sys.stdout.write('{"event": "ready"}\nno report\n')
    sys.stdout.flush()
    if settings.get("ends"):
        return 0
    while True:
        time.sleep(0.05)
        if settings.get("calls_stop"):
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(5)


if __name__ == "__main__":
    sys.exit(main())
