"""What is told of alerts over HTTP, and acknowledgements that reach another process."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keelmark.core.errors import StorageFailed
from keelmark.service.alerts.board import AlertBoard, NoSuchAlert, NotOpen, Wish
from keelmark.service.alerts.book import AlertBook
from keelmark.service.alerts.keeper import Keeper
from keelmark.service.alerts.store import VERSION, AlertStore
from keelmark.service.alerts.values import Alert, Kind, Reading
from keelmark.service.security.roles import Role
from tests.service.alerts.test_alert_book import rules
from tests.service.api.venue_app import ApiVenue

MINUTE = 60_000


class Desk:
    """Whoever decides, over a store on disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "alerts.db"
        self.rules = rules()
        self.store = AlertStore(self.path, wait_s=0.05)
        self.keeper = Keeper(AlertBook(self.rules, self.store.standings()), self.store)
        self.board = AlertBoard(rules=self.rules, path=self.path)

    def look(self, distance: float, time_ms: int) -> list[tuple[Kind, str]]:
        """Take one look as a watch or a guard does."""
        self.keeper.take()
        reading = Reading(subject="a", time_ms=time_ms, distance=distance)
        return kinds(self.keeper.keep(self.keeper.book.observe(reading)))

    def tick(self, time_ms: int) -> list[tuple[Kind, str]]:
        """Let time pass."""
        self.keeper.take()
        return kinds(self.keeper.keep(self.keeper.book.tick(time_ms)))

    def shown(self, **wish: Any) -> dict[str, Any]:  # noqa: ANN401 fields of a wish
        """Return what the API tells."""
        return self.board.document(Wish(**wish), 0)


def kinds(alerts: list[Alert]) -> list[tuple[Kind, str]]:
    return [(alert.kind, alert.level) for alert in alerts]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def test_what_is_open_is_told_with_its_history_and_its_deliveries(desk: Desk) -> None:
    assert desk.shown()["open"] == []
    desk.look(0.1, 1000)
    (first,) = desk.store.due(1000)
    desk.store.postpone([first], time_ms=1500, next_ms=6500, problem="the webhook answered 503")
    shown = desk.shown()
    (row,) = shown["open"]
    assert (row["subject"], row["level"], row["since"]) == ("a", "red", "1970-01-01T00:00:01.000Z")
    assert row["escalates"] == "1970-01-01T00:10:01.000Z"
    (told,) = shown["history"]
    assert told["id"] == row["id"]
    assert told["deliveries"] == [
        {
            "channel": "desk",
            "state": "open",
            "tries": 1,
            "tried": "1970-01-01T00:00:01.500Z",
            "next": "1970-01-01T00:00:06.500Z",
            "problem": "the webhook answered 503",
        }
    ]
    assert [level["name"] for level in shown["levels"]] == [
        "amber",
        "red",
        "unknown",
        "liquidatable",
    ]
    assert "127.0.0.1" not in str(shown)  # addresses may be secrets


def test_the_history_is_read_page_by_page(desk: Desk) -> None:
    for step in range(5):
        desk.look(0.1 if step % 2 == 0 else 0.9, step * 1000 * MINUTE)
    first = desk.shown(limit=3)
    rest = desk.shown(limit=3, before=first["next"])
    numbers = [row["number"] for page in (first, rest) for row in page["history"]]
    assert numbers == [5, 4, 3, 2, 1]
    assert rest["next"] is None


def test_what_another_process_acknowledges_escalates_no_more(desk: Desk) -> None:
    desk.look(0.1, 0)
    (row,) = desk.shown()["open"]
    taken = desk.board.acknowledge(row["id"], "ann", 5)
    assert (taken["acknowledged_by"], taken["escalates"]) == ("ann", None)
    assert desk.shown()["open"][0]["acknowledged_by"] == "ann"  # also before it was taken note of
    assert desk.tick(11 * MINUTE) == []
    again = AlertBook(desk.rules, desk.store.standings())
    assert again.standings["a"].acknowledged_by == "ann"
    assert again.tick(12 * MINUTE) == []
    assert desk.store.acknowledgements(only_new=True) == []


def test_what_nobody_acknowledges_escalates_and_can_still_be_taken_on(desk: Desk) -> None:
    desk.look(0.1, 0)
    assert desk.tick(11 * MINUTE) == [(Kind.ESCALATED, "red")]
    assert desk.tick(12 * MINUTE) == []
    (row,) = desk.shown()["open"]
    assert row["is_escalated"]
    ids = {told["id"] for told in desk.shown()["history"]}
    assert len(ids) == 2
    names = [
        desk.board.acknowledge(one, who, 5)["acknowledged_by"]
        for one, who in zip(sorted(ids), ("ann", "bob"), strict=True)
    ]
    assert names == ["ann", "ann"]  # the first is kept


def test_what_is_over_cannot_be_acknowledged_and_what_comes_back_is_another(desk: Desk) -> None:
    desk.look(0.1, 0)
    old = desk.shown()["open"][0]["id"]
    desk.board.acknowledge(old, "ann", 1)
    desk.look(0.9, 2)
    with pytest.raises(NotOpen):
        desk.board.acknowledge(old, "ann", 3)
    desk.look(0.1, 20 * MINUTE)
    (row,) = desk.shown()["open"]
    assert (row["id"] != old, row["acknowledged_by"]) == (True, None)
    assert desk.tick(31 * MINUTE) == [(Kind.ESCALATED, "red")]
    with pytest.raises(NoSuchAlert):
        desk.board.acknowledge("0" * 24, "ann", 4)


def test_a_level_that_rests_is_open_though_it_was_not_told(desk: Desk) -> None:
    desk.look(0.1, 0)
    desk.look(0.9, 1)
    assert desk.shown()["open"] == []
    assert desk.look(0.1, 2) == []
    (row,) = desk.shown()["open"]
    assert (row["level"], row["is_told"]) == ("red", False)
    assert desk.board.acknowledge(row["id"], "ann", 3)["acknowledged_by"] == "ann"


def test_a_disk_that_says_no_loses_no_alert(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageFailed):
            desk.keeper.keep(
                desk.keeper.book.observe(Reading(subject="a", time_ms=0, distance=0.1))
            )
        other.execute("ROLLBACK")
    assert desk.tick(1) == [(Kind.RAISED, "red")]
    assert desk.tick(2) == []


def test_a_file_of_the_release_before_is_brought_up(tmp_path: Path, desk: Desk) -> None:
    desk.look(0.1, 0)
    desk.store.close()
    with closing(sqlite3.connect(desk.path)) as old:
        old.execute("DROP TABLE acknowledgement")
        old.execute("DROP TABLE note")
        old.execute("ALTER TABLE delivery DROP COLUMN at_ms")
        old.execute("PRAGMA user_version = 1")
        old.commit()
    again = Desk(tmp_path)
    (row,) = again.shown()["open"]
    assert again.board.acknowledge(row["id"], "ann", 1)["acknowledged_by"] == "ann"
    assert again.tick(11 * MINUTE) == []
    with closing(sqlite3.connect(desk.path)) as new:
        assert new.execute("PRAGMA user_version").fetchone() == (VERSION,)
    again.store.close()


def with_alerts(api: ApiVenue, board: AlertBoard) -> ApiVenue:
    object.__setattr__(api.services, "alerts", board)
    return api


def test_alerts_over_http_and_who_may_take_one_on(tmp_path: Path, desk: Desk) -> None:
    desk.look(0.1, 0)
    api = with_alerts(ApiVenue(tmp_path), desk.board)
    (row,) = api.ask("GET", "/v1/alerts", Role.VIEWER).json()["open"]
    path = f"/v1/alerts/{row['id']}/acknowledge"
    assert api.ask("POST", path, Role.VIEWER, json={}).status_code == 403
    answer = api.ask("POST", path, Role.OPERATOR, json={"reason": "adding collateral"})
    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"].startswith("the operator (")
    assert api.ask("GET", "/v1/alerts").json()["open"][0]["acknowledged_by"]
    trail = api.ask("GET", "/v1/audit").json()["entries"]
    noted = [e for e in trail if "acknowledge" in str(e)]
    assert "adding collateral" in str(noted[0])
    assert api.ask("POST", "/v1/alerts/none/acknowledge", json={}).json()["error"]["code"] == (
        "unknown_alert"
    )
    desk.look(0.9, 1)
    assert api.ask("POST", path, json={}).json()["error"]["code"] == "not_open"


def test_a_service_without_a_guard_says_so(tmp_path: Path) -> None:
    answer = ApiVenue(tmp_path).ask("GET", "/v1/alerts").json()
    assert (answer["is_on"], answer["open"], answer["history"]) == (False, [], [])
