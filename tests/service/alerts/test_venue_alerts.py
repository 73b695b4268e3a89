from collections.abc import Mapping

from keelmark.service.alerts.rules import AlertRules, read_rules
from keelmark.service.alerts.values import Alert, Kind
from keelmark.service.alerts.venue import (
    GRAVE,
    Happening,
    VenueGuard,
    happening_of,
    read_venue_rules,
    venue_rules,
)
from keelmark.service.health.values import Finding, Health

SECOND = 1000
HOOK = {"kind": "webhook", "url": "http://127.0.0.1:9", "secret_env": "S"}
TABLE = {
    "channels": {"ops": HOOK},
    "levels": [{"name": "failing", "severity": "failing", "channels": ["ops"]}],
    "events": {"liquidation": ["ops"]},
}


def rules() -> AlertRules:
    return read_rules(TABLE, title="test")


def finding(health: Health, name: str = "journal") -> Finding:
    return Finding(name=name, health=health, detail="look at the disk")


def told(alerts: list[Alert]) -> list[str]:
    return [alert.text for alert in alerts if alert.channels]


def test_a_part_that_fails_is_told_once_with_what_to_do() -> None:
    guard = VenueGuard(rules())
    assert told(guard.looked([finding(Health.OK)], 0)) == []
    assert told(guard.looked([finding(Health.DEGRADED)], 1)) == []
    assert told(guard.looked([finding(Health.FAILING)], 2)) == [
        "service journal: FAILING: look at the disk"
    ]
    assert told(guard.looked([finding(Health.FAILING)], 3)) == []


def test_a_part_that_cannot_be_looked_at_is_no_better_than_it_was() -> None:
    guard = VenueGuard(rules())
    guard.looked([finding(Health.FAILING)], 0)
    assert guard.looked([finding(Health.UNKNOWN)], 1) == []
    assert guard.book.standings["service journal"].rank == 0
    recovered = guard.looked([finding(Health.OK)], 2)
    assert [alert.kind for alert in recovered] == [Kind.RECOVERED]


def test_without_levels_of_its_own_a_venue_has_two() -> None:
    made = read_rules(venue_rules({}), title="test")
    assert [level.name for level in made.levels] == ["degraded", "failing"]


def test_a_thousand_liquidations_are_told_once_a_minute_with_their_number() -> None:
    guard = VenueGuard(rules())
    first = guard.happened(Happening("liquidation", ("alice",)), 0)
    assert told(first) == ["liquidation started: alice"]
    for number in range(1_000):
        one = Happening("liquidation", (f"client {number}",))
        assert guard.happened(one, 30 * SECOND) == []
    later = guard.looked([], 61 * SECOND)
    assert told(later) == [
        "liquidation started 1000 times: client 0, client 1, client 2, ...",
    ]
    assert guard.looked([], 500 * SECOND) == []


def test_of_fills_and_deposits_only_some_are_told() -> None:
    def of(**event: object) -> Happening | None:
        return happening_of({"account": "alice", "unit": 5, **event}, ["alice", "7"])

    assert of(type="Filled", reason="reduce") == Happening("partial_liquidation", ("alice",))
    assert of(type="Filled", reason="fill") is None
    assert of(type="Deposited") == Happening("collateral_added", ("alice",))
    assert of(type="Deposited", account=7) == Happening("collateral_added", ("7",))
    assert of(type="Deposited", account="bob") is None
    assert of(type="MarksSet") is None


def listeners(table: Mapping[str, object], kind: str) -> tuple[str, ...]:
    guard = VenueGuard(read_venue_rules(table))
    return guard.happened(Happening(kind, ("alice",)), 0)[0].channels


def test_without_events_of_its_own_the_grave_ones_reach_everybody_a_level_does() -> None:
    channels = {"room": HOOK, "pager": HOOK}
    for kind in GRAVE:
        assert listeners({"channels": channels}, kind) == ("room", "pager")
    assert listeners({"channels": channels}, "paused") == ()
    level = {"name": "failing", "severity": "failing", "channels": ["room"]}
    late = {"escalate_after_s": 300, "escalate_to": ["pager"]}
    table = {"channels": channels, "levels": [level | late]}
    assert listeners(table, "loss_socialised") == ("room",)


def test_events_that_are_given_are_all_that_is_told() -> None:
    channels = {"room": HOOK, "pager": HOOK}
    table = {"channels": channels, "events": {"paused": ["room"]}}
    assert listeners(table, "paused") == ("room",)
    assert listeners(table, "loss_socialised") == ()
    assert listeners({"channels": channels, "events": {}}, "loss_socialised") == ()
    assert listeners({}, "loss_socialised") == ()


def test_orders_that_time_out_are_told_while_execution_is_failing_already() -> None:
    guard = VenueGuard(read_venue_rules({"channels": {"ops": HOOK}}))
    failing = finding(Health.FAILING, "execution")
    assert told(guard.looked([failing], 0)) == ["service execution: FAILING: look at the disk"]
    texts = []
    for number in (1, 2, 3):
        late = Happening("order_timed_out", (f"order {number} of alice",))
        texts += told(guard.happened(late, number))
    texts += told(guard.looked([failing], 61 * SECOND))
    assert texts == [
        "order not answered in time: order 1 of alice",
        "order not answered in time 2 times: order 2 of alice, order 3 of alice",
    ]
