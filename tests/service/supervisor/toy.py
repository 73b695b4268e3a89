"""A process to supervise: does what its settings say, a word at a time."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def main() -> int:
    born_s = time.monotonic()
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
    if "fails" in settings:
        sys.stdout.write('{"event": "failed", "reason": "as asked"}\n')
        return int(settings["fails"])
    if settings.get("dies_once") and log.read_text().count(f"{settings['name']} started") == 1:
        return 3
    if settings.get("says_its_birth"):
        told = {"event": "born", "waited_s": time.monotonic() - born_s}
        sys.stdout.write(json.dumps(told) + "\n")
    time.sleep(settings.get("ready_when_s", 0.0))
    code = came_back(settings, log)
    if code is not None:
        return code
    sys.stdout.write('{"event": "ready"}\nno report\n')
    sys.stdout.flush()
    if settings.get("ends"):
        return 0
    while True:
        time.sleep(0.05)
        if settings.get("calls_stop"):
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(5)


def came_back(settings: dict[str, Any], log: Path) -> int | None:
    """Be ready once, then so many times without storage, then be back."""
    if "away" not in settings:
        return None
    starts = log.read_text().count(f"{settings['name']} started")
    if 1 < starts < settings["away"] + 2:
        return 75
    sys.stdout.write('{"event": "ready"}\n' if starts == 1 else '{"event": "back"}\n')
    sys.stdout.flush()
    return 3 if starts == 1 else None


if __name__ == "__main__":
    sys.exit(main())
