"""`python -m keelmark.service.replay`: stream a recording to the writer, at a speed.

It goes on where the engine's clock stands, so it may be stopped, killed and started again.
"""

import select
import sys
import time
from pathlib import Path

import msgspec

from keelmark.book.universe import Universe
from keelmark.core.errors import InvalidInput
from keelmark.lab.replay.stage import Feed, feed_of
from keelmark.lab.scenarios import load_scenario
from keelmark.service.child_process import run_child, stop_pipe
from keelmark.service.folder import Folder
from keelmark.service.link.sync_link import LinkLost, SyncLink
from keelmark.service.replay.pacing import Pacing
from keelmark.service.replay.request import kept_replay
from keelmark.service.venue import kept_rulebook
from keelmark.service.writer.report import Report

RETRY_S = 0.5
BEAT_S = 0.05
"""Shortest time between two messages."""


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recording is streamed.

    Attributes:
        data: Folder of the service.
        speed: Seconds of the recording in a second.
    """

    data: str
    speed: float = 1.0


def stream(settings: FeedSettings, report: Report) -> None:
    """Stream until the recording is over, or until told to stop.

    Raises:
        InvalidInput: The folder serves no replay.
    """
    stop = [stop_pipe(), sys.stdin.fileno()]
    data = Path(settings.data)
    Folder(data).recording_over.unlink(missing_ok=True)
    pacing = Pacing(_feed(data), settings.speed, time.monotonic)
    report("ready")
    pause = 0.0
    while not select.select(stop, [], [], pause)[0]:
        try:
            with SyncLink(Folder(data).socket) as link:
                pacing.begin(link.status().time_ms)
                if _sent(link, pacing, stop, report):
                    if pacing.is_over:
                        Folder(data).recording_over.touch()
                    return
        except LinkLost as error:
            report("said", text=str(error), level="warning")
        pause = RETRY_S


def _sent(link: SyncLink, pacing: Pacing, stop: list[int], report: Report) -> bool:
    """Send what is due, until the end or until told to stop: then return whether that is all."""
    while not pacing.is_over:
        last = pacing.due()
        if last >= pacing.next:
            outcome = link.marks(pacing.feed.snapshots(pacing.next, last))
            if outcome.status == "done":
                pacing.next = last + 1
            elif outcome.status in {"busy", "behind"}:
                if select.select(stop, [], [], outcome.retry_after_ms / 1000)[0]:
                    return True
            else:
                why = outcome.error.message if outcome.error else outcome.status
                report("said", text=f"marks were refused: {why}", level="warning")
                return False
        if select.select(stop, [], [], max(pacing.wait_s(), BEAT_S))[0]:
            return True
    report("said", text="the recording is over")
    return True


def _feed(data: Path) -> Feed:
    replay = kept_replay(data)
    if replay is None:
        msg = f"{data} serves no replay; begin a new folder with --replay"
        raise InvalidInput(msg)
    scenario = load_scenario(replay.scenario, data=replay.data, seed=replay.seed)
    universe = Universe.build(kept_rulebook(data).model)
    return feed_of(scenario, universe, scenario.mark_model)


def main() -> int:
    """Stream what standard input says; return the exit code."""
    return run_child(FeedSettings, stream)


if __name__ == "__main__":
    sys.exit(main())
