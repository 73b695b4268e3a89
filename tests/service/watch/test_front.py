"""The dashboard of a watch: the API in desk mode, over real accounts of a small desk."""

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from keelmark.cli.program import main
from keelmark.core.errors import InvalidInput, VenueUnavailable
from keelmark.service.api.hub import Client
from keelmark.service.api.settings import StreamLimits
from keelmark.service.events_json.topics import Topic
from keelmark.service.security.access import ACCESS
from keelmark.service.security.roles import Role
from keelmark.service.watch.daemon import Daemon
from keelmark.service.watch.front import Front, served
from keelmark.service.watch.hub import WatchHub
from keelmark.service.watch.once import look_once
from tests.service.api.hostile import tried
from tests.service.watch.test_watch import Clock, account, config, daemon, document

SECOND = 1000


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def a_desk(folder: Path, port: int = 0) -> Daemon:
    """Return a watch over three documents: one near, one far, one that cannot be read."""
    near = document(collateral=[{"asset": "USDT", "balance": "600"}])
    (folder / "near.json").write_text(json.dumps(near))
    (folder / "far.json").write_text(json.dumps(document()))
    (folder / "torn.json").write_text('{"venue": "generic", "positions": [{"instr')
    rows = [
        {"name": name, "document": str(folder / f"{name}.json"), "poll_s": 60}
        for name in ("far", "near", "torn")
    ]
    return daemon(config(rows, dashboard={"port": port or free_port()}), folder)


@dataclass
class Page:
    """A served desk, asked as its page asks.

    Attributes:
        watch: What is watched.
        front: What serves it.
    """

    watch: Daemon
    front: Front

    def ask(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:  # noqa: ANN401 of httpx
        """Ask with the first key."""
        headers = {"Authorization": f"Bearer {self.front.first_key}"}
        return httpx.request(method, self.front.url + path, headers=headers, timeout=20, **more)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    watch = a_desk(tmp_path)
    with served(watch, tmp_path) as front:
        assert front is not None
        look_once(watch)
        yield Page(watch, front)
    watch.store.close()


def test_accounts_are_listed_worst_first_with_what_could_not_be_read(page: Page) -> None:
    answer = page.ask("/v1/accounts").json()
    assert [row["account"] for row in answer["accounts"]] == ["torn", "near", "far"]
    torn, near, _ = answer["accounts"]
    assert torn["level"] == "unknown"
    assert "torn.json" in torn["problem"]
    assert (near["level"], near["residuals"]["differ"]) == ("red", [])
    assert page.ask("/v1/accounts?query=FA").json()["total"] == 1


def test_every_question_of_an_account_is_answered_as_of_a_venue(page: Page) -> None:
    base = "/v1/accounts/near"
    assert page.ask(f"{base}/check").json()["level"] == "red"
    assert page.ask(f"{base}/explain?figure=maintenance").json()["account"] == "near"
    assert page.ask(f"{base}/face").json()["units"][0]["exact"]
    assert page.ask(f"{base}/ladder?steps=5").json()["rungs"]
    edits = {"edits": ["close BTCUSDT=50%"]}
    after = page.ask(f"{base}/whatif", "POST", json=edits).json()["verdict"]["after"]
    assert after != "unknown"
    plan = page.ask(f"{base}/rescue", "POST", json={"distance": "0.5"}).json()
    assert plan["plan"]
    assert page.ask(f"{base}/surface?x=BTC&y=BTC&steps=3").status_code in {200, 422}


def test_what_is_not_watched_or_was_never_read_says_so(page: Page) -> None:
    missing = page.ask("/v1/accounts/nera/check")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_account")
    assert "near" in missing.json()["error"]["message"]
    torn = page.ask("/v1/accounts/torn/check")
    assert (torn.status_code, torn.json()["error"]["code"]) == (409, "not_read")
    assert "torn.json" in torn.json()["error"]["message"]


def test_routes_of_a_venue_are_not_there_and_nothing_is_open(page: Page) -> None:
    assert page.ask("/session").json()["mode"] == "desk"
    for path in ("/v1/venue", "/v1/fund", "/v1/events", "/v1/map?instrument=A", "/metrics"):
        assert page.ask(path).status_code == 404
    assert page.ask("/v1/commands", "POST", json={"type": "Deposit"}).status_code == 404
    for row in ACCESS:
        if row.method == "GET" and "{" not in row.path and row.path not in {"/live", "/"}:
            assert httpx.get(page.front.url + row.path).status_code == 401


def test_health_tells_of_reads_that_fail_and_of_accounts_that_are_stale(page: Page) -> None:
    found = {f["name"]: f["health"] for f in page.ask("/health").json()["findings"]}
    assert found == {
        "account far": "ok",
        "account near": "ok",
        "account torn": "unknown",
        "store": "ok",
        "alerts": "ok",
    }
    clock = page.watch.clock
    assert isinstance(clock, Clock)
    clock.time_ms += 10 * SECOND
    problem = VenueUnavailable("the venue took too long; wait")
    page.watch.desk.failed("near", problem, clock())
    assert page.ask("/health").status_code == 200
    clock.time_ms += 600 * SECOND
    answer = page.ask("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    row = next(r for r in page.ask("/v1/accounts").json()["accounts"] if r["account"] == "near")
    assert (row["level"], row["is_stale"]) == ("unknown", True)


def test_alerts_of_a_desk_are_told_and_taken_on(page: Page) -> None:
    page.watch.step(0)
    page.watch.desk.read("far", account(balance="600"), page.watch.clock())
    page.watch.step(0)
    found = page.ask("/v1/alerts").json()
    assert {(row["subject"], row["level"]) for row in found["open"]} == {
        ("near", "red"),
        ("far", "red"),
    }
    alert = found["open"][0]["id"]
    taken = page.ask(f"/v1/alerts/{alert}/acknowledge", "POST", json={})
    assert taken.json()["acknowledged_by"].startswith("bootstrap (")
    page.watch.step(0)
    subject = taken.json()["subject"]
    assert page.watch.desk.alerts.standings[subject].acknowledged_by
    row = next(r for r in page.ask("/v1/accounts").json()["accounts"] if r["account"] == subject)
    assert row["acknowledged_by"]


def test_looks_and_alerts_are_heard_as_they_happen(page: Page) -> None:
    path = f"{page.front.url}/v1/stream?topics=health,alerts"
    headers = {"Authorization": f"Bearer {page.front.first_key}"}
    with httpx.stream("GET", path, headers=headers, timeout=20) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        far = Path(page.watch.desk.config.accounts[0].document)
        far.write_text(json.dumps(document(collateral=[])))
        page.watch._outcomes.put(page.watch.read("far"))  # noqa: SLF001 as its reader does
        page.watch.step(0)
        found = (json.loads(line[5:]) for line in lines if line.startswith("data:"))
        told = [next(found), next(found)]
    kinds = [(one["topic"], one["type"], one["account"], one["level"]) for one in told]
    assert ("alerts", "Alerted", "far", "liquidatable") in kinds
    assert ("health", "Looked", "far") in [kind[:3] for kind in kinds]


def test_who_was_away_hears_what_is_kept_and_goes_on(tmp_path: Path) -> None:
    del tmp_path
    clock = Clock()
    hub = WatchHub(StreamLimits(), clock)

    async def run() -> list[bytes]:
        hub.start()
        before = hub.position
        hub.tell([(Topic.HEALTH, {"n": 1}), (Topic.ALERTS, {"n": 2})])
        hub.tell([(Topic.HEALTH, {"n": 3})])
        await asyncio.sleep(0)
        client = Client(frozenset({Topic.HEALTH}), True, "key", 10_000, before)  # noqa: FBT003
        assert not hub.join(client)
        missed = await hub.read_on(client, -1)
        assert hub.join(client)
        hub.tell([(Topic.HEALTH, {"n": 4})])
        await asyncio.sleep(0)
        missed.append(await client.next(1.0))
        await hub.stop()
        hub.tell([(Topic.HEALTH, {"n": 5})])
        return missed

    told = asyncio.run(run())
    assert [json.loads(one.split(b"data: ")[1])["n"] for one in told] == [1, 3, 4]
    ids = [one.split(b"\n")[0] for one in told]
    assert ids == sorted(ids)
    clock.time_ms += 1  # a clock that hardly moves, after many events, goes back for nobody
    assert WatchHub(StreamLimits(), clock).position == clock.time_ms


@dataclass
class Described:
    """What the generated requests are sent to."""

    app: Any
    texts: dict[Role, str]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_breaks_a_desk_or_its_description(page: Page) -> None:
    server = page.front._server  # noqa: SLF001 the application under test
    api = Described(server.config.app, {Role.RISK_ADMIN: page.front.first_key})
    found = tried(api, 1, roles=(Role.RISK_ADMIN,))  # type: ignore[arg-type]  # has what is read
    assert [of_route.line() for of_route in found if of_route.failures] == []
    assert {"GET /v1/accounts/{account}/check", "GET /health"} <= {of.route for of in found}


def test_a_port_that_is_taken_is_said_before_anything_is_watched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        watch = a_desk(tmp_path, taken.getsockname()[1])
        with (
            pytest.raises(InvalidInput, match="cannot listen on 127"),
            served(watch, tmp_path),
        ):
            pass
        watch.store.close()


def test_the_first_key_is_told_once_and_kept_hashed(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        watch = a_desk(tmp_path)
        with served(watch, tmp_path) as front:
            assert front is not None
            keys.append(front.first_key)
        watch.store.close()
    assert keys[0].startswith("km_")
    assert keys[1] == ""
    assert keys[0].rpartition("_")[2] not in (tmp_path / "keys.json").read_text()
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_no_port_is_no_dashboard(tmp_path: Path) -> None:
    watch = a_desk(tmp_path)
    found = watch.desk.config
    watch.desk.config = found.model_copy(
        update={"dashboard": found.dashboard.model_copy(update={"port": 0})}
    )
    with served(watch, tmp_path) as front:
        assert front is None
    assert not (tmp_path / "keys.json").exists()
    watch.store.close()


def test_two_watches_do_not_share_a_folder(tmp_path: Path) -> None:
    from keelmark.service.supervisor.lock import FolderLock  # noqa: PLC0415 what the command takes

    (tmp_path / "far.json").write_text(json.dumps(document()))
    file = tmp_path / "w.toml"
    file.write_text('[[accounts]]\nname = "far"\ndocument = "far.json"\n[dashboard]\nport = 0\n')
    with FolderLock(tmp_path / "data"):
        result = CliRunner().invoke(main, ["watch", str(file), "--data", str(tmp_path / "data")])
    assert result.exit_code != 0
    assert "runs on" in result.output + str(result.exception)
