"""Every kind that a rule may name is heard, from the events of the journal to the words."""

from typing import Any, get_args

import pytest

from keelmark.engine import events as e
from keelmark.engine import order_events as o
from keelmark.engine.codec import record_of
from keelmark.service.alerts.hearing import Heard, Hearing, history_of
from keelmark.service.alerts.rules import Event
from keelmark.service.link import messages as m
from keelmark.service.reading import EngineReader
from tests.service.alerts.test_hearing import FakeLink
from tests.service.commands.test_translate import ALICE, BOB, LIQUIDITY, USDT, fine_venue

M = 10**6


def heard(*events: Any) -> list[Any]:  # noqa: ANN401 events
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


def sold(lots: int = -3) -> e.Filled:
    value = 100 * M * lots
    return e.Filled(
        unit=ALICE, counterparty=LIQUIDITY, instrument=0, lots=lots, value=value, reason="reduce"
    )


HEARD: list[tuple[e.Event, str]] = [
    (e.Deposited(unit=ALICE, asset=USDT, quanta=M), "collateral_added"),
    (sold(), "partial_liquidation"),
    (
        e.LiquidationStarted(
            case=1, unit=ALICE, time_ms=1, equity="1", maintenance="2", holdings=(), balances=()
        ),
        "liquidation",
    ),
    (
        e.Deleveraged(
            case=1,
            unit=ALICE,
            instrument=0,
            leg=0,
            victims=(BOB,),
            victim_legs=(0,),
            lots=(-1,),
            values=(-M,),
        ),
        "auto_deleveraged",
    ),
    (
        e.LossSocialised(case=1, unit=ALICE, asset=USDT, form="x", payers=(BOB,), quanta=(M,)),
        "loss_socialised",
    ),
    (
        e.MarkRefused(factor=0, price="12000.0", time_ms=1, reason="outside its band"),
        "mark_refused",
    ),
    (e.Paused(instrument=0, reason="test"), "paused"),
    (o.OrderTimedOut(order=7, case=1, unit=ALICE, time_ms=1), "order_timed_out"),
    (
        o.ExecutionFlagged(order=7, execution="x", case=1, unit=ALICE, reason="after_close"),
        "execution_flagged",
    ),
]


@pytest.mark.parametrize(("event", "kind"), HEARD, ids=[kind for _, kind in HEARD])
def test_what_a_rule_may_name_is_heard(event: e.Event, kind: str) -> None:
    assert [found[0] for found in heard(event)] == [kind]


def test_every_kind_of_the_rules_is_tried() -> None:
    assert [kind for _, kind in HEARD] == list(get_args(Event))
