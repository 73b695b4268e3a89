"""Every kind that a rule may name is heard, from the events of the journal to the words."""

from typing import get_args

import pytest

from keelmark.engine import events as e
from keelmark.engine import order_events as o
from keelmark.engine.codec import record_of
from keelmark.service.alerts.hearing import Heard, Hearing, history_of
from keelmark.service.alerts.rules import Event, read_rules
from keelmark.service.alerts.venue import Happening, VenueGuard, venue_rules
from keelmark.service.link import messages as m
from keelmark.service.reading import EngineReader
from tests.service.alerts.test_hearing import FakeLink
from tests.service.alerts.test_venue_alerts import TABLE
from tests.service.commands.test_translate import ALICE, BOB, LIQUIDITY, USDT, fine_venue

M = 10**6


def heard(*events: e.Event) -> list[Happening]:
    """Return what a guard hears of a batch; alice stands at a warning."""
    venue = fine_venue()
    venue.state.levels[ALICE] = 1
    found: list[Heard] = []
    problems: list[str] = []
    hearing = Hearing(
        reader=EngineReader(venue.engine),
        history=history_of("memory:"),
        hear=found.append,
        position=4,
        complained=problems.append,
    )
    batch = m.Batch(position=5, time_ms=0, records=tuple(record_of(event) for event in events))
    hearing.follow(FakeLink(4, lambda: [batch]))
    assert problems == []
    return [happening for one in found for happening in one.happenings]


def taken(*victims: int) -> e.Deleveraged:
    ones = tuple(1 for _ in victims)
    return e.Deleveraged(
        case=1,
        unit=ALICE,
        instrument=0,
        leg=0,
        victims=victims,
        victim_legs=tuple(0 for _ in victims),
        lots=ones,
        values=ones,
    )


def shared(*payers: int) -> e.LossSocialised:
    paid = tuple(M for _ in payers)
    return e.LossSocialised(case=1, unit=ALICE, asset=USDT, form="x", payers=payers, quanta=paid)


def refused(factor: int, reason: str = "outside its band") -> e.MarkRefused:
    return e.MarkRefused(factor=factor, price="12000.0", time_ms=1, reason=reason)


SOLD = e.Filled(
    unit=ALICE, counterparty=LIQUIDITY, instrument=0, lots=-3, value=-300 * M, reason="reduce"
)
BEGUN = e.LiquidationStarted(
    case=1, unit=ALICE, time_ms=1, equity="1", maintenance="2", holdings=(), balances=()
)
LATE = o.OrderTimedOut(order=7, case=1, unit=ALICE, time_ms=1)
WRONG = o.ExecutionFlagged(order=7, execution="x", case=1, unit=ALICE, reason="after_close")

HEARD: list[tuple[e.Event, str, list[str]]] = [
    (e.Deposited(unit=ALICE, asset=USDT, quanta=M), "collateral_added", ["alice"]),
    (SOLD, "partial_liquidation", ["alice"]),
    (BEGUN, "liquidation", ["alice"]),
    (taken(BOB, LIQUIDITY, BOB), "auto_deleveraged", ["bob", "liquidity"]),
    (shared(BOB, ALICE), "loss_socialised", ["bob", "alice"]),
    (refused(0), "mark_refused", ["A at 12000.0"]),
    (e.Paused(instrument=0, reason="test"), "paused", ["A"]),
    (LATE, "order_timed_out", ["order 7 of alice"]),
    (WRONG, "execution_flagged", ["order 7 of alice"]),
]


@pytest.mark.parametrize(("event", "kind", "names"), HEARD, ids=[kind for _, kind, _ in HEARD])
def test_what_a_rule_may_name_is_heard_with_whom_it_hit(
    event: e.Event, kind: str, names: list[str]
) -> None:
    assert heard(event) == [Happening(kind, tuple(names))]


def test_every_kind_of_the_rules_is_tried() -> None:
    assert [kind for _, kind, _ in HEARD] == list(get_args(Event))


def said(*events: e.Event) -> list[str]:
    guard = VenueGuard(read_rules(venue_rules({}), title="test"))
    return [alert.text for one in heard(*events) for alert in guard.happened(one, 0)]


def test_the_words_name_who_bears_it_and_are_bounded() -> None:
    assert said(taken(BOB), shared(BOB)) == ["auto-deleveraged: bob", "loss socialised: bob"]
    assert said(shared(ALICE, BOB, LIQUIDITY, 3)) == ["loss socialised: alice, bob, liquidity, ..."]
    assert [len(one.names) for one in heard(taken(*range(1_000)))] == [4]
    assert said(shared()) == ["loss socialised"]


def test_a_pause_of_everything_says_so() -> None:
    assert said(e.Paused(instrument=-1, reason="test")) == ["paused: everything"]


def test_a_price_that_is_refused_is_named() -> None:
    factors = fine_venue().state.universe.factors
    row = [factor.kind.value for factor in factors].index("asset")
    assert said(refused(row)) == [f"price refused: asset {factors[row].name} at 12000.0"]


def test_a_price_that_only_grew_old_is_not_called_refused() -> None:
    rules = read_rules({**TABLE, "events": {"mark_refused": ["ops"]}}, title="test")
    guard = VenueGuard(rules)
    told = [
        (alert.text, alert.level, alert.channels)
        for one in heard(refused(0, "stale"), refused(1))
        for alert in guard.happened(one, 0)
    ]
    assert told == [
        ("price grew old: A", "mark_refused", ("ops",)),
        ("price refused: B at 12000.0", "mark_refused", ("ops",)),
    ]


def test_a_trade_of_a_liquidation_is_not_called_partial() -> None:
    assert said(SOLD) == ["liquidation trade: alice"]
