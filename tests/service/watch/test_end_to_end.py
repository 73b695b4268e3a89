"""The whole of a watch: a living venue, REST and stream, and webhooks that verify signatures."""

import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from keelmark.service.alerts.values import Alert
from keelmark.service.watch.config import load_config
from keelmark.service.watch.open import open_watch
from keelmark.service.watch.sources import VenueSource
from scripts.watch_demo import SECRET, Running, Stage, play, staged
from tests.accounts.live.venue_server import KEYS

pytest.importorskip("ccxt")
pytestmark = pytest.mark.slow
WRONG = "s-wrong-7788aa"


class InProcess:
    """The same watch on a thread of the test, its exchange without the venue's rate limits."""

    def __init__(self, stage: Stage, file: Path) -> None:
        self._stage, self._file = stage, file
        self._opened = Event()
        self._stopped = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._opened.wait(20)

    def _run(self) -> None:
        stage = self._stage
        daemon = open_watch(load_config(self._file), stage.data, environment=stage.keys)
        for source in daemon.sources.values():
            assert isinstance(source, VenueSource)
            source.exchange.enableRateLimit = False  # type: ignore[attr-defined]  # of ccxt
        daemon.told, daemon.stopped = self._told, self._stopped
        self._opened.set()
        daemon.run()
        daemon.store.close()

    def _told(self, alert: Alert) -> None:
        with (self._stage.folder / "out.txt").open("a") as out:
            out.write(alert.text + "\n")

    def end(self, how: signal.Signals) -> int:
        """End it in order."""
        del how
        self._stopped.set()
        self._thread.join(20)
        return int(self._thread.is_alive())


def in_process(stage: Stage, file: Path) -> Running:
    return InProcess(stage, file)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr("scripts.watch_demo.WAIT_S", 30.0)
    with staged(tmp_path, launch=in_process, stale_s=2.0) as made:
        yield made


def told_once(stage: Stage) -> bool:
    return len(set(stage.hook.ids)) == len(stage.hook.ids)


def test_a_crash_is_told_signed_recovery_is_silent_and_a_venue_may_go_and_come_back(
    stage: Stage,
) -> None:
    play(stage)
    assert stage.end() == 0
    assert stage.hook.forged == 0
    heard = list(stage.hook.heard)
    heard[3:5] = sorted(heard[3:5])  # two channels wait for no order between them
    assert heard == [
        ("desk", "raised", "amber"),
        ("desk", "raised", "red"),
        ("lead", "escalated", "red"),
        ("desk", "event", "partial_liquidation"),
        ("lead", "event", "partial_liquidation"),
        ("desk", "event", "collateral_added"),
        ("desk", "raised", "unknown"),
    ]
    assert told_once(stage)
    assert stage.venue.refused == 0
    assert KEYS["SECRET"] not in stage.said
    assert SECRET not in str(stage.hook.texts)


@pytest.mark.nightly
def test_killed_in_the_middle_of_an_alert_while_the_webhook_is_down_it_tells_each_once(
    tmp_path: Path,
) -> None:
    """The command itself, killed with -9 between deciding and delivering, at the venue's limits."""
    with staged(tmp_path, stale_s=60.0) as stage:
        stage.hook.is_down = True
        stage.start()
        stage.until(lambda: stage.venue.followers > 0, "the price stream is followed")
        stage.venue.price("48000")
        stage.until(lambda: "main: RED" in stage.said, "the level is reached")
        stage.end(signal.SIGKILL)
        stage.hook.is_down = False
        stage.start()
        stage.hook.wait(("desk", "raised", "red"))
        stage.hook.wait(("lead", "escalated", "red"))
        stage.read_again()
        stage.end(signal.SIGKILL)
        stage.start()
        stage.until(lambda: stage.venue.followers > 0, "it is followed again")
        stage.read_again()
        assert stage.end() == 0
    assert sorted(stage.hook.heard) == [("desk", "raised", "red"), ("lead", "escalated", "red")]
    assert stage.hook.forged == 0
    assert told_once(stage)


@pytest.mark.nightly
def test_a_wrong_key_is_refused_by_the_venue_told_and_shown_to_nobody(tmp_path: Path) -> None:
    with staged(tmp_path, stale_s=5.0, secret=WRONG) as stage:
        stage.start()
        stage.hook.wait(("desk", "raised", "unknown"))
        assert stage.end() == 0
    assert stage.venue.refused > 0
    assert "check the key" in stage.hook.texts[0]
    assert WRONG not in stage.said + str(stage.hook.texts)
