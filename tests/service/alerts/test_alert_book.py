from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidDocument
from keelmark.service.alerts.book import NONE, AlertBook, Standing
from keelmark.service.alerts.happenings import Holdings, happenings
from keelmark.service.alerts.rules import AlertRules, read_rules
from keelmark.service.alerts.values import Alert, Kind, Reading, State
from keelmark.service.alerts.venue import venue_rules

MINUTE = 60_000
WEBHOOK = {"kind": "webhook", "url": "http://127.0.0.1:9", "secret_env": "S"}
LEVELS: list[dict[str, object]] = [
    {"name": "amber", "distance": 0.30, "channels": ["desk"]},
    {
        "name": "red",
        "distance": 0.15,
        "usage": 0.8,
        "channels": ["desk"],
        "escalate_after_s": 600,
        "escalate_to": ["lead"],
    },
    {"name": "unknown", "unknown": True, "channels": ["desk"]},
    {"name": "liquidatable", "liquidatable": True, "channels": ["desk", "lead"]},
]
TABLE: dict[str, object] = {
    "levels": LEVELS,
    "channels": {"desk": WEBHOOK, "lead": WEBHOOK},
    "rearm_s": 900,
}


def rules(**changes: object) -> AlertRules:
    return read_rules(TABLE | changes, title="test")


def near(distance: float | None, time_ms: int, **more: object) -> Reading:
    return Reading(subject="a", time_ms=time_ms, distance=distance, **more)  # type: ignore[arg-type]


def told(alerts: list[Alert]) -> list[tuple[Kind, str]]:
    return [(alert.kind, alert.level) for alert in alerts if alert.channels]


def test_a_level_is_told_when_it_is_reached_and_not_while_it_lasts() -> None:
    book = AlertBook(rules())
    assert told(book.observe(near(0.5, 0))) == []
    assert told(book.observe(near(0.29, 1))) == [(Kind.RAISED, "amber")]
    assert told(book.observe(near(0.28, 2))) == []
    assert told(book.observe(near(0.1, 3))) == [(Kind.RAISED, "red")]


def test_a_figure_must_be_clear_of_its_threshold_before_a_level_is_left() -> None:
    book = AlertBook(rules(rearm_s=0))
    book.observe(near(0.149, 0))
    for step, distance in enumerate((0.151, 0.149, 0.16, 0.164)):
        assert told(book.observe(near(distance, 1 + step))) == []
        assert book.standings["a"].rank == 1
    book.observe(near(0.166, 9))
    assert book.standings["a"].rank == 0


def test_recovery_is_silent_unless_it_is_asked_for() -> None:
    for recovery, expected in (("silent", []), ("told", [(Kind.RECOVERED, "none")])):
        book = AlertBook(rules(recovery=recovery))
        book.observe(near(0.1, 0))
        alerts = book.observe(near(None, 1))
        assert [alert.kind for alert in alerts] == [Kind.RECOVERED]
        assert told(alerts) == expected


def test_a_level_that_rests_is_told_once_its_rest_is_over_if_it_is_still_there() -> None:
    book = AlertBook(rules())
    book.observe(near(0.2, 0))
    book.observe(near(0.9, MINUTE))
    assert told(book.observe(near(0.2, 2 * MINUTE))) == []
    assert told(book.tick(14 * MINUTE)) == []
    assert told(book.tick(15 * MINUTE)) == [(Kind.AGAIN, "amber")]
    assert told(book.tick(60 * MINUTE)) == []


def test_a_level_that_came_back_and_left_while_it_rested_is_not_told() -> None:
    book = AlertBook(rules())
    book.observe(near(0.2, 0))
    book.observe(near(0.9, 1))
    book.observe(near(0.2, 2))
    book.observe(near(0.9, 3))
    assert told(book.tick(60 * MINUTE)) == []


def test_what_nobody_acknowledges_escalates_once() -> None:
    book = AlertBook(rules())
    book.observe(near(0.1, 0))
    assert told(book.tick(599_999)) == []
    alerts = book.tick(600_000)
    assert told(alerts) == [(Kind.ESCALATED, "red")]
    assert alerts[0].channels == ("lead",)
    assert told(book.tick(10**9)) == []


def test_what_is_acknowledged_does_not_escalate_until_it_rises_again() -> None:
    book = AlertBook(rules(rearm_s=0))
    book.observe(near(0.1, 0))
    assert book.acknowledge("a", "ana")
    assert told(book.tick(10**9)) == []
    book.observe(near(0.9, 10**9))
    book.observe(near(0.1, 10**9 + 1))
    assert told(book.tick(10**9 + 600_001)) == [(Kind.ESCALATED, "red")]
    assert not book.acknowledge("nobody", "ana")


def test_what_is_unknown_is_never_better_than_it_was() -> None:
    levels = [level for level in LEVELS if level["name"] != "unknown"]
    book = AlertBook(rules(levels=levels))
    book.observe(near(0.1, 0))
    assert book.observe(near(None, 1, state=State.UNKNOWN)) == []
    assert book.standings["a"].rank == 1


def test_an_account_that_comes_out_of_the_unknown_worse_than_it_went_in_is_told() -> None:
    book = AlertBook(rules())
    book.observe(near(0.5, 0))
    assert told(book.observe(near(None, 1, state=State.UNKNOWN))) == [(Kind.RAISED, "unknown")]
    assert told(book.observe(near(0.02, 2, usage=0.88))) == [(Kind.RAISED, "red")]
    assert book.standings["a"].rank == 1
    book.observe(near(None, 3, state=State.UNKNOWN))
    assert told(book.observe(near(0.02, 4))) == []  # as it was when it was last known
    assert book.standings["a"].rank == 1


def test_the_unknown_mutes_no_level_of_figures_and_they_do_not_mute_it() -> None:
    book = AlertBook(rules())
    unknown = near(None, 10_000, state=State.UNKNOWN)
    assert told(book.observe(unknown)) == [(Kind.RAISED, "unknown")]
    book.observe(near(0.5, MINUTE))
    assert told(book.observe(near(0.02, 2 * MINUTE))) == [(Kind.RAISED, "red")]
    book = AlertBook(rules())
    book.observe(near(None, 0, state=State.LIQUIDATABLE))
    book.observe(near(0.5, 1))
    assert told(book.observe(unknown)) == [(Kind.RAISED, "unknown")]


def test_a_level_that_had_still_to_be_told_is_told_after_the_unknown() -> None:
    book = AlertBook(rules())
    for time_ms, distance in enumerate((0.1, 0.9, 0.1)):
        book.observe(near(distance, time_ms))
    book.observe(near(None, 3, state=State.UNKNOWN))
    assert told(book.observe(near(0.1, 4))) == []
    assert told(book.tick(15 * MINUTE)) == [(Kind.AGAIN, "red"), (Kind.ESCALATED, "red")]


def test_what_could_be_liquidated_and_is_unknown_now_is_no_better() -> None:
    book = AlertBook(rules())
    book.observe(near(None, 0, state=State.LIQUIDATABLE))
    assert book.observe(near(None, 1, state=State.UNKNOWN)) == []
    assert book.standings["a"].rank == 3


def test_a_liquidatable_account_is_at_the_worst_level_whatever_its_figures() -> None:
    book = AlertBook(rules())
    alerts = book.observe(near(None, 0, state=State.LIQUIDATABLE))
    assert told(alerts) == [(Kind.RAISED, "liquidatable")]
    assert "it can be liquidated now" in alerts[0].text


def test_rules_with_fewer_levels_take_over_old_standings() -> None:
    fewer = [{**LEVELS[0], "channels": ["desk", "lead"]}]
    book = AlertBook(rules(levels=fewer), {"a": Standing(rank=3)})
    assert book.observe(near(0.2, 1)) == []
    assert book.standings["a"].rank == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"levels": [{"name": "amber"}]}, "name at least one of"),
        ({"levels": [{"name": "a", "distance": 0.1, "chanels": []}]}, "chanels"),
        ({"levels": [{"name": "a", "distance": 0.1, "channels": ["x"]}]}, "not described"),
        ({"levels": [{"name": "a", "distance": 2.0}]}, "less than or equal to 1"),
        ({"levels": [{"name": "a", "unknown": True}] * 2}, "names of their own"),
        ({"channels": {"desk": {"kind": "slack"}, "lead": WEBHOOK}}, "needs url_env"),
        ({"levels": LEVELS[:1]}, r"channels \['lead'\] are told nothing"),
        ({"rearm_s": -1}, "greater than or equal to 0"),
        ({"rearm": 1}, "rearm"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_name(
    change: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidDocument, match=said):
        rules(**change)


def test_levels_that_are_left_out_tell_every_channel() -> None:
    table = {"channels": {"desk": WEBHOOK, "lead": WEBHOOK}}
    for found in (table, venue_rules(table)):
        read = read_rules(found, title="test")
        assert {level.channels for level in read.levels} == {("desk", "lead")}
    assert {level.channels for level in read_rules({}, title="test").levels} == {()}


DISTANCES = st.one_of(st.none(), st.floats(0.0, 0.6, allow_nan=False))
STEPS = st.lists(
    st.tuples(st.integers(0, 20 * MINUTE), DISTANCES, st.sampled_from(list(State))), max_size=60
)


@given(STEPS)
def test_no_level_is_told_twice_within_its_rest(steps: list[tuple[int, float, State]]) -> None:
    book, now = AlertBook(rules()), 0
    last: dict[str, int] = {}
    for pause, distance, state in steps:
        now += pause
        for alert in book.observe(near(distance, now, state=state)):
            if alert.kind in {Kind.RAISED, Kind.AGAIN}:
                assert now - last.get(alert.level, -(10**12)) >= 900_000
                last[alert.level] = now


@given(STEPS)
def test_a_subject_is_at_least_at_the_level_its_figures_reach(
    steps: list[tuple[int, float, State]],
) -> None:
    book = AlertBook(rules())
    for time_ms, (_, distance, state) in enumerate(steps):
        reading = near(distance, time_ms, state=state)
        before = book.standings["a"].rank if "a" in book.standings else NONE
        book.observe(reading)
        reached = [r for r, level in enumerate(book.rules.levels) if level.is_reached(reading)]
        held = [r for r, level in enumerate(book.rules.levels) if level.is_held(reading)]
        most = max([*held, before] if state is State.UNKNOWN else held, default=NONE)
        assert max(reached, default=NONE) <= book.standings["a"].rank <= most


@given(STEPS, st.integers(0, 60))
def test_a_restart_changes_nothing_that_is_told(
    steps: list[tuple[int, float, State]], stop: int
) -> None:
    whole, book, now = AlertBook(rules()), AlertBook(rules()), 0
    for number, (pause, distance, state) in enumerate(steps):
        now += pause
        if number == stop:
            kept = msgspec.msgpack.encode(book.standings)
            standings = msgspec.msgpack.decode(kept, type=dict[str, Standing])
            book = AlertBook(rules(), standings)
        reading = near(distance, now, state=state)
        assert book.observe(reading) == whole.observe(reading)


def holdings(time_ms: int, balance: str, size: str, usage: str | None) -> Holdings:
    return Holdings(
        time_ms=time_ms,
        balances={"USDT": Decimal(balance)},
        sizes={("BTCUSDT", ""): Decimal(size)} if Decimal(size) else {},
        usage=None if usage is None else Decimal(usage),
    )


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (("1000", "2", "0.5"), ("1500", "2", "0.3"), ["collateral_added"]),
        (("1000", "2", "0.5"), ("1000.5", "2", "0.5"), []),  # funding
        (("1000", "2", "0.5"), ("1500", "1", "0.3"), []),  # realised with a trade
        (("1000", "2", "0.5"), ("900", "2", "0.6"), []),
        (("1000", "2", "0.95"), ("990", "1", "0.6"), ["partial_liquidation"]),
        (("1000", "-2", "1.1"), ("990", "-1", "0.6"), ["partial_liquidation"]),
        (("1000", "2", "0.95"), ("990", "0", "0.0"), ["liquidation"]),
        (("1000", "2", "0.3"), ("12", "0", None), ["liquidation"]),
        (("1000", "2", "0.3"), ("300", "1", "0.3"), ["partial_liquidation"]),
        (("1000", "2", "0.3"), ("900", "0", None), []),  # closed by hand
        (("1000", "2", "0.3"), ("12", "2", "0.9"), []),  # withdrawn
        (("1000", "2", "0.95"), ("990", "3", "0.97"), []),
        (("1000", "2", "0.95"), ("990", "-1", "0.6"), []),  # somebody turned round
        (("1000", "2", None), ("990", "1", None), []),
    ],
)
def test_what_happened_between_two_looks_is_named(
    before: tuple[str, str, str | None], now: tuple[str, str, str | None], expected: list[str]
) -> None:
    found = happenings("a", holdings(0, *before), holdings(1, *now), {})
    assert [alert.level for alert in found] == expected


@pytest.mark.parametrize("left", ["0", "1"])
def test_an_account_without_equity_lost_positions_while_it_was_gone(left: str) -> None:
    before, now = holdings(0, "1000", "2", "Infinity"), holdings(1, "990", left, "0.6")
    (alert,) = happenings("a", before, now, {})
    assert alert.text.endswith(" while equity was gone")
