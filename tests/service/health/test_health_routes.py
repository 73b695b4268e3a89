import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from keelmark.service.counters import Counters, Histogram, histogram_names
from keelmark.service.health.observed import Observed
from keelmark.service.health.routes import health_router
from keelmark.service.metrics.families import COUNTERS, GAUGES, HISTOGRAMS
from keelmark.service.reading import EngineReader
from keelmark.service.times import running_s
from keelmark.service.views.shared import Shared
from tests.engine.test_external import fallen
from tests.engine.test_waterfall import COINS
from tests.engine.venue import Venue
from tests.service.views.books import a_book, quiet


class Place:
    """A service's run folder, and a venue beside it."""

    def __init__(self, folder: Path, venue: Venue) -> None:
        self.venue = venue
        self.is_connected = True
        self.observed = Observed(
            reader=EngineReader(venue.engine),
            is_connected=lambda: self.is_connected,
            counters=folder / "writer.counters",
            follower=folder / "follower.json",
            recording_over=folder / "recording.over",
            alerts=lambda: {"open": 0, "sent": 3, "failed": 0},
        )

    def counted(self, *, still_s: float = 0.0) -> None:
        """Let the writer have counted, and then have done nothing for a while."""
        cells = [c for n, _ in HISTOGRAMS.values() for c in histogram_names(n)]
        names = [*COUNTERS, *GAUGES, "time_ms", "turned_ms", *cells]
        with Counters.create(self.observed.counters, names) as counters:
            counters.set("turned_ms", int(1000 * (running_s() - still_s)))
            counters.set("position", self.venue.engine.position)
            counters.set("time_ms", self.venue.state.time_ms + 5)
            for microseconds in (100, 200, 10_000):
                Histogram(counters, "mark_to_decision_us").note(microseconds)

    def followed(self, *findings: str) -> None:
        """Let the follower have written a snapshot."""
        status = {"status": "ok", "position": 1, "findings": list(findings)}
        self.observed.follower.write_bytes(msgspec.json.encode(status))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, a_book(1))


class Client:
    """Asks an application of this process, each time in a loop of its own."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return await client.get(path)

        return asyncio.run(ask())


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    fleet, app = Shared(keep_s=-1.0), FastAPI()
    app.include_router(health_router(place.observed, fleet))
    yield Client(app)
    fleet.close()


def test_a_service_whose_parts_are_well_is_well(place: Place, client: Client) -> None:
    place.counted()
    place.followed()
    answer = client.get("/health")
    names = {row["name"]: row["health"] for row in answer.json()["findings"]}
    assert {"writer", "journal", "snapshots", "INV-01", "INV-06"} <= names.keys()
    assert answer.json()["status"] == "ok", names
    assert answer.status_code == 200


def test_a_writer_that_stands_still_is_not_well_however_it_is_connected(
    place: Place, client: Client
) -> None:
    place.counted(still_s=60.0)
    answer = client.get("/health")
    found = {row["name"]: row for row in answer.json()["findings"]}
    assert answer.status_code == 503
    assert "has done nothing for 60 s" in found["writer"]["detail"]


def test_the_parts_alone_are_told_worst_first_and_are_no_failure_to_a_page(
    place: Place, client: Client
) -> None:
    place.counted(still_s=12.0)
    place.is_connected = False
    place.venue.state.book.balances.rows["quanta"][0] += 1
    answer = client.get("/health/parts")
    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "failing")
    assert told["findings"][0]["name"] == "writer"
    assert "no answer for 12 s" in told["findings"][0]["detail"]
    assert "INV-01" not in answer.text, "laws cost a pass over everybody"


def test_prices_that_nobody_reads_leave_the_service_well(tmp_path: Path) -> None:
    venue = Venue(COINS)
    quiet(venue)
    place, fleet, app = Place(tmp_path, venue), Shared(keep_s=-1.0), FastAPI()
    app.include_router(health_router(place.observed, fleet))

    def told() -> tuple[str, str]:
        findings = Client(app).get("/health/parts").json()["findings"]
        (row,) = (row for row in findings if row["name"] == "prices")
        return row["health"], row["detail"].partition("; no ")[0]

    health, detail = told()
    assert health == "ok"
    assert detail.startswith("every price that is read is trusted; not needed: ")
    venue.marks(A=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    assert told() == ("ok", "every price that is read is trusted; not needed: B")
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 2, 1000)
    venue.state.untrusted.add(venue.factor("A"))
    words = "1 not trusted, nobody is liquidated on them: A; not needed: B"
    assert told() == ("degraded", words)
    venue.state.untrusted.discard(venue.factor("A"))
    venue.state.untrusted.add(venue.factor("asset_COIN"))
    assert told()[0] == "ok"
    venue.open("bob", COIN=1)
    assert told() == ("degraded", words.replace("A", "COIN", 1))
    fleet.close()


def test_a_recording_that_is_over_is_told(place: Place, client: Client) -> None:
    assert client.get("/health/parts").json()["is_recording_over"] is False
    assert place.observed.recording_over is not None
    place.observed.recording_over.touch()
    assert client.get("/health/parts").json()["is_recording_over"] is True


def test_what_is_not_known_yet_is_not_called_well(place: Place, client: Client) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "unknown")
    place.observed.counters.write_bytes(b"no counters")
    place.observed.follower.write_bytes(b"{")
    assert client.get("/health").json()["status"] == "unknown"


def test_a_broken_law_or_a_writer_that_is_gone_fails_it(place: Place, client: Client) -> None:
    place.counted()
    place.followed()
    place.is_connected = False
    assert client.get("/health").status_code == 503
    place.is_connected = True
    place.venue.state.book.balances.rows["quanta"][0] += 1
    answer = client.get("/health")
    assert answer.status_code == 503
    broken = [row["name"] for row in answer.json()["findings"] if row["health"] == "failing"]
    assert broken == ["INV-01"]


def test_a_journal_that_does_not_give_what_is_published_fails_it(
    place: Place, client: Client
) -> None:
    place.counted()
    place.followed("INV-10: unit 7 differs")
    answer = client.get("/health")
    assert answer.status_code == 503
    assert "unit 7 differs" in answer.text


def test_every_figure_is_read_by_prometheus(place: Place, client: Client) -> None:
    place.counted()
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {
        "keelmark_commands",
        "keelmark_mark_to_decision_seconds",
        "keelmark_account_distance",
        "keelmark_insurance_fund",
        "keelmark_conservation_residual",
        "keelmark_units_by_stage",
        "keelmark_health",
        "keelmark_alert_deliveries",
    } <= families


def test_orders_that_no_matching_engine_answers_are_found_and_counted(tmp_path: Path) -> None:
    venue, _, _ = fallen({"liquidation": {"reduce": {"interval_s": 5}}})
    venue.wait(12)
    place, fleet, app = Place(tmp_path, venue), Shared(keep_s=-1.0), FastAPI()
    app.include_router(health_router(place.observed, fleet))
    found = {f["name"]: f for f in Client(app).get("/health/parts").json()["findings"]}
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(Client(app).get("/metrics").text)
        for sample in family.samples
    }
    fleet.close()
    assert found["execution"]["health"] == "degraded"
    assert "1 of 1 orders out are not answered in time" in found["execution"]["detail"]
    assert samples["keelmark_orders_working"] == samples["keelmark_orders_timed_out"] == 1
    assert samples["keelmark_order_oldest_seconds"] == 12


def test_latency_is_unknown_before_anything_was_counted(place: Place, client: Client) -> None:
    assert client.get("/v1/latency").json() == {"lag_ms": None}
    place.counted()
    told = client.get("/v1/latency").json()
    assert told["lag_ms"] == 5
    assert told["mark_to_decision_us"]["count"] == 3
    assert 100 <= told["mark_to_decision_us"]["p50"] < 300
    assert told["mark_to_decision_us"]["max"] >= 10_000
    assert told["commit_us"] == {"p50": None, "p99": None, "max": None, "count": 0}
