import json
import os
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keelmark.accounts.account import Account, load_account, read_account
from keelmark.core.errors import VenueUnavailable
from keelmark.service.alerts.book import AlertBook
from keelmark.service.alerts.courier import Courier
from keelmark.service.alerts.store import AlertStore
from keelmark.service.alerts.values import Alert, Kind
from keelmark.service.times import iso_time, now_ms
from keelmark.service.watch.config import WatchConfig, read_config
from keelmark.service.watch.daemon import Daemon, pause_after
from keelmark.service.watch.desk import Desk
from keelmark.service.watch.look import Look
from keelmark.service.watch.sources import open_source
from tests.accounts.live.venue_answers import ANSWERS
from tests.accounts.live.venue_server import KEYS, Venue, open_venue

SECOND = 1000
FAR: dict[str, Any] = {
    "venue": "generic",
    "collateral": [{"asset": "USDT", "balance": "10000"}],
    "positions": [
        {"instrument": "BTCUSDT", "size": "0.1", "entry_price": "50000", "mark_price": "50000"}
    ],
}


def document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 parts of a document
    return {**deepcopy(FAR), **changes}


def account(balance: str = "10000", size: str = "0.1") -> Account:
    content = document(collateral=[{"asset": "USDT", "balance": balance}])
    content["positions"][0]["size"] = size
    return read_account(json.dumps(content))


def config(accounts: list[dict[str, Any]], **more: Any) -> WatchConfig:  # noqa: ANN401 of TOML
    table = {"accounts": accounts, **more}
    return read_config(table, title="watch.toml", folder=Path())


def desk(**more: Any) -> Desk:  # noqa: ANN401 of TOML
    found = config([{"name": "main", "document": "x.json", "poll_s": 10}], **more)
    made = Desk(config=found, alerts=AlertBook(found.alerts))
    made.begin(0)
    return made


def kinds(alerts: list[Alert]) -> list[tuple[Kind, str]]:
    return [(alert.kind, alert.level) for alert in alerts]


def test_an_account_that_comes_near_is_told_with_its_distance() -> None:
    watched = desk()
    assert watched.read("main", account(), 1 * SECOND) == []
    alerts = watched.read("main", account(balance="600"), 2 * SECOND)
    assert kinds(alerts) == [(Kind.RAISED, "red")]
    look = watched.watched["main"].look
    assert look is not None
    assert look.check.distance is not None
    assert f"{100 * look.check.distance:.1f} %" in alerts[0].text


def test_an_account_without_equity_is_liquidatable_and_its_usage_has_no_end() -> None:
    watched = desk()
    alerts = watched.read("main", account(balance="0"), 1)
    assert kinds(alerts) == [(Kind.RAISED, "liquidatable")]
    look = watched.watched["main"].look
    assert isinstance(look, Look)
    assert look.usage == Decimal("Infinity")


def test_what_has_not_been_read_for_too_long_is_unknown_and_says_why() -> None:
    watched = desk()
    watched.read("main", account(), 0)
    error = VenueUnavailable("try again: the venue took too long")
    assert watched.failed("main", error, 59 * SECOND) == []
    alerts = watched.tick(61 * SECOND)
    assert kinds(alerts) == [(Kind.RAISED, "unknown")]
    assert "not read for 61 s: try again: the venue took too long" in alerts[0].text
    assert watched.watched["main"].failed == 1
    assert kinds(watched.read("main", account(), 62 * SECOND)) == [(Kind.RECOVERED, "none")]
    assert watched.watched["main"].problem == ""


def test_an_account_never_read_becomes_unknown_too() -> None:
    assert kinds(desk().tick(61 * SECOND)) == [(Kind.RAISED, "unknown")]


def test_collateral_that_comes_in_is_told() -> None:
    watched = desk()
    watched.read("main", account(), 0)
    alerts = watched.read("main", account(balance="12000"), 1)
    assert kinds(alerts) == [(Kind.EVENT, "collateral_added")]
    assert alerts[0].text == "main: collateral added: 2000 USDT, now 12000"


HOOK = {"kind": "webhook", "url": "http://127.0.0.1:9", "secret_env": "S"}
ISOLATED = {
    "instrument": "ETHUSDT",
    "size": "1",
    "entry_price": "2500",
    "mark_price": "2500",
    "margin_mode": "isolated",
    "isolated_margin": "300",
}


def a_look(balance: str, *positions: dict[str, str]) -> Account:
    usdt = [{"asset": "USDT", "balance": balance}]
    return read_account(json.dumps(document(collateral=usdt, positions=list(positions))))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (a_look("3000", *FAR["positions"]), a_look("20"), ["BTCUSDT long 0.1 gone while equity"]),
        (a_look("3000", *FAR["positions"]), a_look("2900"), []),  # closed by hand
        (a_look("900", ISOLATED), a_look("900"), ["ETHUSDT long 1 gone with its margin of 300"]),
        (a_look("900", ISOLATED), a_look("1190"), []),
    ],
)
def test_positions_that_went_between_two_looks_are_told_whom_the_worst_level_tells(
    before: Account, now: Account, expected: list[str]
) -> None:
    watched = desk(alerts={"channels": {"phone": HOOK}})
    watched.read("main", before, 0)
    found = [alert for alert in watched.read("main", now, 1) if alert.kind is Kind.EVENT]
    assert [alert.level for alert in found] == ["liquidation"] * len(expected)
    assert all(text in alert.text for text, alert in zip(expected, found, strict=True))
    assert all(alert.channels == ("phone",) for alert in found)


def test_the_chance_of_liquidation_is_kept_until_it_is_old_or_positions_change() -> None:
    asked: list[Account] = []

    def chance(looked_at: Account) -> float:
        asked.append(looked_at)
        return 0.01 * len(asked)

    watched = desk(probability_s=300)
    watched.chance = chance
    found = []
    for time_s, size in ((0, "0.1"), (200, "0.1"), (250, "0.2"), (500, "0.2"), (551, "0.2")):
        watched.read("main", account(size=size), time_s * SECOND)
        look = watched.watched["main"].look
        found.append(None if look is None else look.probability)
    assert found == [0.01, 0.01, 0.02, 0.02, 0.03]


def test_the_chance_is_worked_out_anew_when_the_distance_has_changed_by_a_tenth() -> None:
    asked: list[Account] = []
    watched = desk(probability_s=300)

    def chance(looked_at: Account) -> float:
        asked.append(looked_at)
        return 0.01 * len(asked)

    watched.chance = chance
    found = []
    for time_s, balance in ((0, "4500"), (1, "4490"), (2, "2000"), (3, "1990"), (4, "-9000")):
        watched.read("main", account(balance=balance), time_s * SECOND)
        look = watched.watched["main"].look
        found.append(None if look is None else look.probability)
    assert found == [0.01, 0.01, 0.02, 0.02, 0.03]


def test_a_subject_that_is_watched_no_more_is_forgotten() -> None:
    watched = desk()
    watched.read("main", account(balance="0"), 1)
    other = config([{"name": "other", "document": "x.json"}])
    again = Desk(config=other, alerts=AlertBook(other.alerts, watched.alerts.standings))
    again.begin(2)
    assert set(again.alerts.standings) == set()


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.time_ms = now_ms() // SECOND * SECOND  # files are of now

    def __call__(self) -> int:
        return self.time_ms


def daemon(found: WatchConfig, folder: Path, **environment: str) -> Daemon:
    store = AlertStore(folder / "alerts.db")
    return Daemon(
        desk=Desk(config=found, alerts=AlertBook(found.alerts, store.standings())),
        sources={a.name: open_source(a, environment=environment) for a in found.accounts},
        store=store,
        courier=Courier(found.alerts, store, {}),
        clock=Clock(),
    )


def watch_until(made: Daemon, count: int) -> list[Alert]:
    """Run a watch until it has told so many alerts; a watch that tells fewer never ends."""
    heard: list[Alert] = []

    def told(alert: Alert) -> None:
        heard.append(alert)
        if len(heard) >= count:
            made.stopped.set()

    made.told = told
    made.run()
    made.store.close()
    return heard


def test_a_file_that_changes_is_looked_at_again_and_told_once(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_text(json.dumps(document(collateral=[{"asset": "USDT", "balance": "600"}])))
    rows = [{"name": "book", "document": str(path), "poll_s": 0.05}]
    heard = watch_until(daemon(config(rows), tmp_path), 1)
    assert kinds(heard) == [(Kind.RAISED, "red")]
    path.write_text(json.dumps(document(collateral=[{"asset": "USDT", "balance": "0"}])))
    heard = watch_until(daemon(config(rows), tmp_path), 1)
    assert kinds(heard) == [(Kind.RAISED, "liquidatable")]  # and not red again


def test_a_document_that_cannot_be_read_ends_no_watch(tmp_path: Path) -> None:
    rows = [{"name": "book", "document": str(tmp_path / "no.json"), "poll_s": 0.05, "stale_s": 1}]
    made = daemon(config(rows), tmp_path)
    clock = made.clock
    assert isinstance(clock, Clock)
    made.desk.begin(clock())
    clock.time_ms += 2 * SECOND
    made.desk.failed("book", made.read("book").found, clock())  # type: ignore[arg-type]
    watched = made.desk.watched["book"]
    assert "no.json" in watched.problem
    assert made.desk.alerts.standings["book"].rank == 2
    made.store.close()


@pytest.mark.parametrize(
    ("row", "pauses"),
    [
        ({"document": "x.json"}, [10, 10, 10, 10]),  # it may be mended at any moment
        ({"venue": "okx"}, [10, 40, 60, 60]),
        ({"venue": "okx", "stale_s": 15}, [10, 30, 30, 30]),
        ({"venue": "okx", "stale_s": 900}, [10, 40, 80, 300]),
        ({"venue": "okx", "poll_s": 400}, [400, 400, 400, 400]),
    ],
)
def test_what_cannot_be_read_is_read_again_before_long(
    row: dict[str, Any], pauses: list[float]
) -> None:
    watched = config([{"name": "main", "poll_s": 10, **row}]).accounts[0]
    assert [pause_after(watched, failed) for failed in (1, 2, 3, 99)] == pauses


def test_a_document_is_as_old_as_it_says_and_else_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    rows = [{"name": "book", "document": str(path), "poll_s": 1, "stale_s": 120}]
    made = daemon(config(rows), tmp_path)
    clock = made.clock
    assert isinstance(clock, Clock)
    made.desk.begin(clock())
    now_s = clock() // 1000

    def looked(*, written_s: int = 0, **parts: object) -> tuple[str, bool]:
        path.write_text(json.dumps(document(**parts)))
        os.utime(path, (now_s + written_s, now_s + written_s))
        made._look(made.read("book"))  # noqa: SLF001 what its thread does with what was read
        standing = made.desk.alerts.standings["book"]
        return standing.last.get("reason", ""), made.desk.watched["book"].is_stale(clock())

    assert looked() == ("", False)
    reason, is_stale = looked(written_s=-300)
    assert reason == "its document is 300 s old: is it still written anew?"
    assert is_stale
    assert made.desk.alerts.standings["book"].rank == 2
    then = datetime.fromtimestamp(now_s - 400, tz=UTC).isoformat().replace("+00:00", "Z")
    assert looked(as_of=then)[0].startswith("its document is 400 s old")
    assert looked(as_of=then, historical=True) == ("", False)
    assert looked(written_s=9) == ("", False), "clocks differ"
    clock.time_ms += 121 * SECOND  # nobody writes it, however often it is read
    made.step(0.0)
    assert made.desk.alerts.standings["book"].rank == 2
    made.store.close()


def test_a_document_of_a_time_that_has_not_come_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    made = daemon(config([{"name": "book", "document": str(path), "stale_s": 120}]), tmp_path)
    clock = made.clock
    assert isinstance(clock, Clock)
    made.desk.begin(clock())

    def read(*, written_s: int = 0, **parts: object) -> str:
        path.write_text(json.dumps(document(**parts)))
        os.utime(path, (clock() // 1000 + written_s,) * 2)
        made._look(made.read("book"))  # noqa: SLF001 what its thread does with what was read
        return made.desk.watched["book"].problem

    later = "2099-01-01T00:00:00Z"
    assert "its `as_of` is 2099-01-01T00:00:00.000Z" in read(as_of=later)
    now = iso_time(clock())
    assert "its `prices_as_of` is 2099" in read(as_of=now, prices_as_of=later)
    assert "the time of the file is" in read(written_s=999)
    assert "999 s ahead of this machine's clock" in read(written_s=999)
    clock.time_ms += 121 * SECOND
    made.step(0.0)
    standing = made.desk.alerts.standings["book"]
    assert standing.rank == 2
    assert "mend whichever is wrong" in standing.last["reason"]
    assert read() == ""
    made.store.close()


def test_an_account_is_watched_at_its_venue_through_the_real_client(tmp_path: Path) -> None:
    pytest.importorskip("ccxt")
    with open_venue("binance-usdm") as venue:
        row = {"name": "main", "venue": "binance-usdm", "keys": "desk-one", "poll_s": 0.1}
        found = config([row | {"api_url": venue.address}])
        keys = {f"KEELMARK_DESK_ONE_{name}": KEYS[name] for name in ("KEY", "SECRET")}
        made = daemon(found, tmp_path, **keys)
        _drain(venue)
        heard = watch_until(made, 1)
        look = made.desk.watched["main"].look
    assert look is not None
    assert look.check.residuals
    assert kinds(heard) == [(Kind.RAISED, "liquidatable")]
    assert all(asked.startswith("GET ") for asked in venue.asked)
    assert not any(KEYS["SECRET"] in asked for asked in venue.asked)
    store = AlertStore(tmp_path / "alerts.db")
    assert [alert.subject for _, alert in store.history()] == ["main"]
    store.close()


def _drain(venue: Venue) -> None:
    """Let the venue answer that the wallet owes what the position has earned."""
    content = deepcopy(ANSWERS["binance-usdm"]["fapiPrivateV3GetAccount"])
    for row in content["assets"]:
        row["walletBalance"] = row["crossWalletBalance"] = "-250"
    venue.instead["fapiPrivateV3GetAccount"] = content


def test_a_refusing_venue_is_told_without_its_keys(tmp_path: Path) -> None:
    pytest.importorskip("ccxt")
    with open_venue("okx") as venue:
        venue.refusal = (401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY"})
        row = {"name": "main", "venue": "okx", "api_url": venue.address}
        keys = {f"KEELMARK_OKX_{name}": KEYS[name] for name in ("KEY", "SECRET", "PASSWORD")}
        made = daemon(config([row]), tmp_path, **keys)
        outcome = made.read("main")
        made.store.close()
    assert isinstance(outcome.found, VenueUnavailable)
    assert "check the key" in str(outcome.found)
    assert not any(secret in str(outcome.found) for secret in KEYS.values())


def test_the_example_of_two_positions_reads_as_check_does() -> None:
    watched = desk()
    found = load_account(Path(__file__).parents[3] / "docs/examples/two_positions.json")
    watched.read("main", found, 0)
    look = watched.watched["main"].look
    assert look is not None
    assert str(look.check.level) == "RED"
