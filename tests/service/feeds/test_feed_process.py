"""The feed of `keelmark serve --feed`, as the process it is: a venue's stream becomes marks."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keelmark.rulebooks import load_rulebook
from keelmark.service.link.sync_link import SyncLink
from keelmark.service.venue import Venue, begin_venue
from tests.service.watch.live_venue import LiveVenue, live_venue
from tests.service.writer.house import House

pytest.importorskip("ccxt")
pytestmark = pytest.mark.nightly
WAIT_S = 30.0


class GenericHouse(House):
    """A folder whose venue lists what the other one streams."""

    def __post_init__(self) -> None:
        rulebook = load_rulebook("generic")
        begin_venue(self.data, rulebook, Venue(reference="generic", rulebook=rulebook.name))


def started(data: Path, venue: LiveVenue) -> subprocess.Popen[str]:
    """Start the process as the supervisor does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "keelmark.service.feeds"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    settings = {
        "data": str(data),
        "exchange": "binanceusdm",
        "instruments": ["BTCUSDT"],
        "api_url": venue.address,
    }
    assert process.stdin is not None
    process.stdin.write(json.dumps(settings) + "\n")
    process.stdin.flush()
    return process


def test_a_streamed_price_is_journaled_and_a_lost_venue_is_found_again(tmp_path: Path) -> None:
    house = GenericHouse(tmp_path)
    with live_venue() as venue, house.open() as link:
        process = started(tmp_path, venue)
        try:
            streamed(house, link, venue, "61250.1")
            assert "/fapi/v1/exchangeInfo" in venue.asked
            venue.vanish()
            venue.open()
            streamed(house, link, venue, "60000.5")
        finally:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=WAIT_S)
    reports = [json.loads(line) for line in said.splitlines()]
    assert process.returncode == 0
    assert [r["event"] for r in reports if r["event"] != "problem"] == ["ready", "stopped"]
    assert any("prices were lost" in r.get("reason", "") for r in reports)
    assert "127.0.0.1" not in said
    assert str(house.engine().state.market.marks["BTCUSDT"]) == "60000.5"


def streamed(house: House, link: SyncLink, venue: LiveVenue, mark: str) -> None:
    """Stream a mark, again and again, until the writer has journaled something new."""
    before, deadline = link.status().position, time.monotonic() + WAIT_S
    while link.status().position == before:
        assert time.monotonic() < deadline, "no price came"
        house.watch.passes(1000)
        venue.price(mark)
        time.sleep(0.1)
