"""Show `keelmark watch` at work: a venue on this machine, a crash, and whom it wakes.

python -m scripts.watch_demo [--page]

A server speaks a venue's own messages, REST and price stream, over real sockets; the real command
watches an account there with a key, and posts signed alerts to a webhook of this program, which
verifies every one. Nothing leaves this machine. Exit code 0: everything happened as it should.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from keelmark.service.alerts.channels.http import is_signed_by
from tests.accounts.live.venue_server import KEYS
from tests.service.watch.live_venue import LiveVenue, live_venue

SECRET = "shared-with-the-receiver-of-the-hook"  # noqa: S105 of this demonstration
WAIT_S = 60.0
CONFIG = """\
[[accounts]]
name = "main"
venue = "binance-usdm"
keys = "desk-one"
poll_s = 0.5
stale_s = {stale_s}
stream = true
api_url = "{venue}"

[dashboard]
port = {port}

[alerts]
recovery = "silent"
rearm_s = 0

[alerts.channels.desk]
kind = "webhook"
url = "{hook}/desk"
secret_env = "KEELMARK_HOOK_SECRET"

[alerts.channels.lead]
kind = "webhook"
url = "{hook}/lead"
secret_env = "KEELMARK_HOOK_SECRET"

[alerts.events]
collateral_added = ["desk"]
partial_liquidation = ["desk", "lead"]

[[alerts.levels]]
name = "amber"
distance = 0.30
channels = ["desk"]

[[alerts.levels]]
name = "red"
distance = 0.15
usage = 0.80
channels = ["desk"]
escalate_after_s = 2
escalate_to = ["lead"]

[[alerts.levels]]
name = "unknown"
unknown = true
channels = ["desk"]

[[alerts.levels]]
name = "liquidatable"
liquidatable = true
channels = ["desk", "lead"]
"""

Heard = tuple[str, str, str]
"""Channel, kind and level."""


class Hook(ThreadingHTTPServer):
    """A webhook that verifies what it is sent.

    Attributes:
        heard: Every alert that came, in order.
        texts: What each said.
        forged: Messages whose signature is wrong.
        is_down: Whether it answers 503 and takes nothing.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.heard: list[Heard] = []
        self.texts: list[str] = []
        self.ids: list[tuple[str, str]] = []
        self.forged = 0
        self.is_down = False
        self.changed = threading.Condition()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, channel: str, headers: Mapping[str, str], body: bytes) -> int:
        """Take a message; return the status it is answered with."""
        if self.is_down:
            return 503
        if not is_signed_by(SECRET, headers, body, now_ms=time.time_ns() // 1_000_000):
            self.forged += 1
            return 401
        with self.changed:
            for alert in json.loads(body)["alerts"]:
                self.heard.append((channel, alert["kind"], alert["level"]))
                self.texts.append(alert["text"])
                self.ids.append((channel, alert["id"]))
            self.changed.notify_all()
        return 204

    def wait(self, wanted: Heard) -> None:
        """Wait until an alert has come.

        Raises:
            SystemExit: It does not come.
        """
        with self.changed:
            if not self.changed.wait_for(lambda: wanted in self.heard, WAIT_S):
                sys.exit(f"nobody was told {wanted}; what was told: {self.heard}")


class _Receiver(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        """Take a message."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status = self.server.take(self.path.strip("/"), dict(self.headers), body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        """Write no log."""


@dataclass(slots=True)
class Stage:
    """Everything the demonstration moves.

    Attributes:
        venue: Where the account is.
        hook: Who is woken.
        folder: Where the watch keeps what it keeps.
        port: Of the dashboard; 0 for none.
        stale_s: After how long without a read nothing is known; ccxt keeps the venue's rate limits,
            by which one read takes three seconds.
        told: Says what is done.
        launch: Starts the watch; the command itself where left out.
        secret: Of the key it reads the account with.
    """

    venue: LiveVenue
    hook: Hook
    folder: Path
    port: int = 0
    stale_s: float = 10.0
    told: Callable[[str], None] = lambda _: None
    launch: "Launch | None" = None
    secret: str = KEYS["SECRET"]
    _running: "Running | None" = None

    def start(self) -> None:
        """Start the watch."""
        file = self.folder / "watch.toml"
        text = CONFIG.format(
            venue=self.venue.address, hook=self.hook.address, port=self.port, stale_s=self.stale_s
        )
        file.write_text(text, encoding="utf-8")
        self._running = (self.launch or Command)(self, file)

    @property
    def keys(self) -> dict[str, str]:
        """What the watch finds in its environment."""
        return {
            "KEELMARK_DESK_ONE_KEY": KEYS["KEY"],
            "KEELMARK_DESK_ONE_SECRET": self.secret,
            "KEELMARK_HOOK_SECRET": SECRET,
        }

    @property
    def data(self) -> Path:
        """Folder of the watch."""
        return self.folder / "data"

    @property
    def said(self) -> str:
        """What the watch has printed."""
        texts = [self.folder / name for name in ("out.txt", "errors.txt")]
        return "".join(path.read_text() for path in texts if path.exists())

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the watch; return its exit code."""
        running, self._running = self._running, None
        return 0 if running is None else running.end(how)

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so.

        Raises:
            SystemExit: It never is.
        """
        deadline = time.monotonic() + WAIT_S
        while not is_so():
            if time.monotonic() > deadline:
                sys.exit(f"not so after {WAIT_S:.0f} s: {what}\n{self.said}")
            time.sleep(0.02)

    def read_again(self, times: int = 2) -> None:
        """Wait until the account has been read anew: the second began after this was asked."""
        before = self.reads
        self.until(lambda: self.reads >= before + times, "the account is read again")

    @property
    def reads(self) -> int:
        """Reads the venue has answered to the end."""
        return sum(path.endswith("leverageBracket") for path in self.venue.asked)


class Running(Protocol):
    """A watch that runs."""

    def end(self, how: signal.Signals) -> int:
        """End it; return its exit code."""


Launch = Callable[[Stage, Path], Running]
"""Starts a watch by its configuration."""


class Command:
    """The command, started as anybody would."""

    def __init__(self, stage: Stage, file: Path) -> None:
        with (
            (stage.folder / "out.txt").open("a") as out,
            (stage.folder / "errors.txt").open("a") as errors,
        ):
            self._process = subprocess.Popen(  # noqa: S603 this project's own command
                [sys.executable, "-m", "keelmark", "watch", str(file), "--data", str(stage.data)],
                stdout=out,
                stderr=errors,
                env={**os.environ, **stage.keys},
            )

    def end(self, how: signal.Signals) -> int:
        """Send it a signal and wait."""
        self._process.send_signal(how)
        return self._process.wait(WAIT_S)


@contextmanager
def staged(folder: Path, **more: Any) -> Iterator[Stage]:  # noqa: ANN401 fields of a stage
    """Open the venue and the webhook until the block ends."""
    hook = Hook()
    thread = threading.Thread(target=hook.serve_forever, daemon=True)
    thread.start()
    with live_venue() as venue:
        stage = Stage(venue=venue, hook=hook, folder=folder, **more)
        try:
            yield stage
        finally:
            stage.end(signal.SIGKILL)
            hook.shutdown()
            hook.server_close()


def play(stage: Stage) -> None:
    """Play the whole of it."""
    fall(stage)
    liquidated_in_part(stage)
    recover(stage)
    away(stage)


def fall(stage: Stage) -> None:
    """Let the price fall through the levels, by the stream alone."""
    venue, hook, told = stage.venue, stage.hook, stage.told
    told("the watch starts; the account is green, 31 % from liquidation")
    stage.start()
    stage.until(lambda: venue.followers > 0, "the price stream is followed")
    told("the mark streams down to 52,000")
    stream(stage, "52000", ("desk", "raised", "amber"))
    told("... to 48,000")
    stream(stage, "48000", ("desk", "raised", "red"))
    told("nobody acknowledges it for two seconds")
    hook.wait(("lead", "escalated", "red"))


def liquidated_in_part(stage: Stage) -> None:
    """Let the venue reduce the position, and the desk add collateral."""
    told = stage.told
    told("... to 42,200: maintenance takes 96 % of equity")
    stage.venue.price("42200")
    stage.read_again()
    told("the venue takes half of the position over")
    stage.venue.reduce("0.1")
    stage.hook.wait(("desk", "event", "partial_liquidation"))
    stage.read_again()
    told("the desk adds 500 USDT")
    stage.venue.held.wallet += 500
    stage.hook.wait(("desk", "event", "collateral_added"))


def recover(stage: Stage) -> None:
    """Let the price come back: written down, told to nobody."""
    before = len(stage.hook.heard)
    stage.told("the mark comes back to 61,250: it recovers in silence")
    stage.venue.price("61250")
    stage.until(lambda: "better, now clear" in stage.said, "the recovery is written down")
    kinds = [kind for _, kind, _ in stage.hook.heard[before:]]
    if "recovered" in kinds:
        sys.exit("a recovery was told, and should have been silent")


def away(stage: Stage) -> None:
    """Let the venue go away and come back."""
    stage.told("the venue goes away")
    stage.venue.vanish()
    stage.hook.wait(("desk", "raised", "unknown"))
    stage.told("it is back; reads and stream go on by themselves")
    clear = stage.said.count("better, now clear")
    stage.venue.open()
    stage.until(lambda: stage.said.count("better, now clear") > clear, "it is known again")
    stage.until(lambda: stage.venue.followers > 0, "the stream is followed again")


def stream(stage: Stage, mark: str, wanted: Heard) -> None:
    """Move the mark until somebody is told."""
    stage.venue.price(mark)
    stage.hook.wait(wanted)


def main() -> int:
    """Play it, saying what happens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--page", action="store_true", help="serve the page at port 8421 as well")
    parser.add_argument("--linger", type=float, default=0.0, help="seconds to go on afterwards")
    asked = parser.parse_args()

    def told(what: str) -> None:
        sys.stdout.write(f"- {what}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder:
        port = 8421 if asked.page else 0
        with staged(Path(folder), port=port, told=told) as stage:
            play(stage)
            time.sleep(asked.linger)
            code = stage.end()
            hook = stage.hook
        told(f"the watch ends in order with code {code}")
        sys.stdout.write(f"\n{len(hook.heard)} alerts, {hook.forged} with a wrong signature:\n")
        for (channel, _, _), text in zip(hook.heard, hook.texts, strict=True):
            sys.stdout.write(f"  to {channel:<5} {text}\n")
    return 1 if hook.forged or code else 0


if __name__ == "__main__":
    sys.exit(main())
