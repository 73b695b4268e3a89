"""Every event has its words, its topic, and says them in names and decimals."""

from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from keelmark.book.records import FILL, OUTSIDE, POSTING, TRANSFER
from keelmark.core.errors import InvalidInput
from keelmark.engine import events as e
from keelmark.engine import order_events as o
from keelmark.engine.codec import record_of
from keelmark.engine.event_rows import AssetRow, BillRow, HoldingRow, Payment
from keelmark.service.events_json.topics import TOPICS, Topic, topic_of, topics_of
from keelmark.service.events_json.write import ALL_WORDS, EventWriter
from tests.service.commands.test_translate import ALICE, BOB, BTC, USDT, fine_venue

A = {"account": "alice", "unit": ALICE}
M = 1_000_000


def posted() -> e.Posted:
    rows = np.zeros(2, POSTING)
    rows[0] = (5, 500 * M // 1000, 7, 0, ALICE, BOB, 0, 0, 0, 0, 0, FILL, 0, 0)
    rows[1] = (0, 3 * M, 0, 0, OUTSIDE, ALICE, USDT, 0, 0, 0, 0, TRANSFER, 0, 0)
    return e.Posted(rows=rows)


MARKS = e.MarksSet(
    times_ms=np.array([1000, 2000]),
    offsets=np.array([0, 2, 3]),
    factors=np.array([0, 1, 0], np.int32),
    prices=np.array([100.0, 50.5, np.nan]),
)
TABLE: list[tuple[Any, Topic, dict[str, Any]]] = [
    (
        e.JournalOpened(format=1, rulebook="r", terms="t"),
        Topic.STATUS,
        {"rulebook": "r", "external": False},
    ),
    (e.Keyed(stamp=b"\x01\x02", position=3), Topic.STATUS, {"digest": "0102"}),
    (
        e.AccountOpened(account=9, unit=90, name="new"),
        Topic.ADMIN,
        {"account": "new", "unit": 90, "number": 9},
    ),
    (e.IsolatedOpened(account=0, unit=91), Topic.ADMIN, {"account": "alice", "unit": 91}),
    (
        e.Deposited(unit=ALICE, asset=USDT, quanta=1),
        Topic.CASH,
        A | {"asset": "USDT", "amount": "0.000001"},
    ),
    (
        e.Withdrawn(unit=3, asset=BTC, quanta=10**8),
        Topic.CASH,
        {"account": None, "unit": "fund:default", "asset": "BTC", "amount": "1"},
    ),
    (
        e.Transferred(source=ALICE, target=3, asset=USDT, quanta=M, reason="deficit", case=4),
        Topic.FUND,
        {
            "source_account": "alice",
            "source_unit": ALICE,
            "target_account": None,
            "target_unit": "fund:default",
            "amount": "1",
            "reason": "deficit",
            "case": 4,
        },
    ),
    (
        e.Filled(
            unit=ALICE,
            counterparty=2,
            instrument=0,
            lots=-5,
            value=-M,
            fee=10,
            ticks=201,
            leverage=250,
            reason="reduce",
            case=1,
        ),
        Topic.LIQUIDATIONS,
        A
        | {
            "counterparty_unit": "liquidity",
            "instrument": "A",
            "size": "-0.01",
            "price": "100.5",
            "value": "-1",
            "fee": "0.00001",
            "settle": "USDT",
            "leg": "net",
            "leverage": "2.5",
        },
    ),
    (
        e.LeverageSet(unit=ALICE, instrument=1, leg=-1, leverage=300),
        Topic.TRADES,
        A | {"instrument": "B", "leg": "short", "leverage": "3"},
    ),
    (
        e.Deleveraged(
            case=1,
            unit=ALICE,
            instrument=0,
            leg=0,
            victims=(BOB,),
            victim_legs=(1,),
            lots=(-2,),
            values=(-M,),
            loss=5,
        ),
        Topic.ADL,
        A
        | {
            "victims": [
                {"account": "bob", "unit": BOB, "leg": "long", "size": "-0.004", "value": "-1"}
            ],
            "loss": "0.000005",
        },
    ),
    (
        e.LossSocialised(
            case=1,
            unit=ALICE,
            asset=USDT,
            form="by_profit",
            payers=(BOB,),
            quanta=(M,),
            instrument=0,
            lots=2,
            loss=M,
        ),
        Topic.FUND,
        A
        | {
            "payers": [{"account": "bob", "unit": BOB, "amount": "1"}],
            "size": "0.004",
            "loss": "1",
        },
    ),
    (
        e.FundingPosted(instruments=(0,), rates=(-1,), ticks=(2,)),
        Topic.CASH,
        {"rows": [{"instrument": "A", "rate": "-0.000000000001", "price": "1"}]},
    ),
    (
        e.InterestPosted(assets=(BTC,), rates=(10**10,)),
        Topic.CASH,
        {"rows": [{"asset": "BTC", "rate": "0.01"}]},
    ),
    (e.Settled(instrument=1, ticks=3), Topic.CASH, {"instrument": "B", "price": "1.5"}),
    (
        e.OrderReserved(unit=ALICE, order=7, instrument=0, lots=1, ticks=2),
        Topic.ORDERS,
        A | {"order": 7, "size": "0.002", "price": "1", "reduce_only": False},
    ),
    (e.OrderReleased(unit=ALICE, order=7, lots=0), Topic.ORDERS, A | {"order": 7, "lots_left": 0}),
    (
        e.OrdersCancelled(unit=ALICE, instrument=-1),
        Topic.ORDERS,
        A | {"instrument": None, "case": None},
    ),
    (e.RulebookSet(text="abc"), Topic.ADMIN, {"characters": 3}),
    (
        e.TimeAdvanced(time_ms=1000),
        Topic.STATUS,
        {"to": "1970-01-01T00:00:01.000Z", "time": "1970-01-01T00:00:01.000Z"},
    ),
    (e.WorkDone(work="recheck", time_ms=5), Topic.STATUS, {"work": "recheck"}),
    (
        e.MarkRefused(factor=0, price="nan", time_ms=1, reason="stale"),
        Topic.PRICES,
        {"price_kind": "mark", "price_of": "A", "reason": "stale"},
    ),
    (
        e.MarkDoubted(factor=1, price=2.5, time_ms=1, marks=2, since_ms=1000),
        Topic.PRICES,
        {"price_of": "B", "price": "2.5", "marks": 2, "since": "1970-01-01T00:00:01.000Z"},
    ),
    (
        e.MarkConfirmed(factor=2, price=2.5, time_ms=1, marks=2),
        Topic.PRICES,
        {"price_kind": "asset", "price_of": "BTC"},
    ),
    (
        e.HealthUnknown(units=(ALICE,), factors=(0,)),
        Topic.HEALTH,
        {"units": [A], "missing": [{"price_kind": "mark", "price_of": "A"}]},
    ),
    (e.HealthKnown(units=(ALICE,)), Topic.HEALTH, {"units": [A]}),
    (e.Paused(instrument=-1, reason="x"), Topic.ADMIN, {"instrument": None, "reason": "x"}),
    (e.Resumed(instrument=0, reason="x"), Topic.ADMIN, {"instrument": "A"}),
    (
        e.Warned(level=1, units=(ALICE, BOB)),
        Topic.HEALTH,
        {"level": 1, "units": [A, {"account": "bob", "unit": BOB}]},
    ),
    (e.WarningCleared(level=0, units=()), Topic.HEALTH, {"level": 0, "units": []}),
    (
        e.GraceStarted(unit=ALICE, until_ms=1000),
        Topic.HEALTH,
        A | {"until": "1970-01-01T00:00:01.000Z"},
    ),
    (e.GraceEnded(unit=ALICE), Topic.HEALTH, A),
    (
        e.LiquidationStarted(
            case=1,
            unit=ALICE,
            time_ms=1,
            equity="1.5",
            maintenance="2",
            holdings=(
                HoldingRow(
                    instrument=0,
                    leg=1,
                    lots=5,
                    cost=1,
                    mark="100",
                    notional="1",
                    maintenance="0.1",
                    tier=0,
                ),
            ),
            balances=((USDT, M),),
            assets=(AssetRow(asset=USDT, counted="1", value="1", maintenance="1", price="1"),),
        ),
        Topic.LIQUIDATIONS,
        A
        | {
            "case": 1,
            "equity": "1.5",
            "maintenance_margin": "2",
            "balances": [{"asset": "USDT", "amount": "1"}],
        },
    ),
    (
        e.Waiting(case=1, unit=ALICE, until_ms=1000, reason="interval", attempts=2),
        Topic.LIQUIDATIONS,
        A | {"case": 1, "reason": "interval", "attempts": 2},
    ),
    (
        e.StageExhausted(case=1, unit=ALICE, stage="reduce", reason="x"),
        Topic.LIQUIDATIONS,
        A | {"stage": "reduce"},
    ),
    (
        e.LiquidationEnded(
            case=1,
            unit=ALICE,
            time_ms=1,
            outcome="recovered",
            asset=USDT,
            deficit=M,
            others=(
                BillRow(
                    asset=BTC, deficit=0, fund=1, deleveraged=0, socialised=0, backstop=0, surplus=0
                ),
            ),
        ),
        Topic.LIQUIDATIONS,
        A | {"outcome": "recovered"},
    ),
    (
        e.ProtectionSet(
            unit=ALICE,
            protection=1,
            kind="top_up",
            instrument=-1,
            trigger=800_000,
            source=BOB,
            asset=0,
            target=1,
        ),
        Topic.ORDERS,
        A
        | {
            "trigger": "0.8",
            "target": "0.000001",
            "source_unit": BOB,
            "asset": "USDT",
            "instrument": None,
        },
    ),
    (e.ProtectionRemoved(unit=ALICE, protection=1, fired=True), Topic.ORDERS, A | {"fired": True}),
    (
        e.Overridden(unit=ALICE, action="hold", operator="anna", reason="r"),
        Topic.ADMIN,
        A | {"operator": "anna"},
    ),
    (
        e.AccountClosed(
            account=0,
            reason="request",
            price_source="mark",
            statement=(Payment(payee="owner", asset=USDT, quanta=M),),
        ),
        Topic.ADMIN,
        {"account": "alice", "statement": [{"payee": "owner", "asset": "USDT", "amount": "1"}]},
    ),
    (
        MARKS,
        Topic.PRICES,
        {"snapshots": 2, "marks": {"A": None, "B": "50.5"}, "time": "1970-01-01T00:00:02.000Z"},
    ),
    (posted(), Topic.TRADES, {"fills": 1, "payments": 1}),
    (e.AccountsOpened(count=2, isolated=np.array([0])), Topic.ADMIN, {"count": 2, "isolated": 1}),
    (
        o.RoundPlanned(
            case=1, unit=ALICE, attempts=0, closes=(o.CloseRow(instrument=0, leg=0, lots=3),)
        ),
        Topic.LIQUIDATIONS,
        A | {"closes": [{"instrument": "A", "leg": "net", "size": "0.006"}]},
    ),
    (
        o.OrderSent(
            order=1,
            case=0,
            unit=ALICE,
            instrument=0,
            leg=0,
            lots=-3,
            limit_ticks=None,
            mark_ticks=200,
            time_ms=1,
            expires_ms=1000,
            reason="protection",
            protection=2,
        ),
        Topic.ORDERS,
        A | {"order": 1, "case": None, "size": "-0.006", "limit_price": None, "mark_price": "100"},
    ),
    (
        o.OrderFilled(
            order=1,
            execution="x",
            case=1,
            unit=ALICE,
            instrument=0,
            lots=-3,
            ticks=200,
            booked=-2,
            time_ms=1,
            fee=1,
        ),
        Topic.ORDERS,
        A | {"execution": "x", "booked": "-0.004", "price": "100", "fee": "0.000001"},
    ),
    (
        o.ExecutionFlagged(order=1, execution="x", case=1, unit=ALICE, reason="after_close"),
        Topic.ORDERS,
        A | {"reason": "after_close"},
    ),
    (o.OrderTimedOut(order=1, case=1, unit=ALICE, time_ms=1), Topic.ORDERS, A | {"order": 1}),
    (
        o.CancelRequested(order=1, case=1, unit=ALICE, reason="held", time_ms=1),
        Topic.ORDERS,
        A | {"reason": "held"},
    ),
    (
        o.OrderClosed(order=1, case=1, unit=ALICE, outcome="done", filled=-2, time_ms=1),
        Topic.ORDERS,
        A | {"lots_filled": -2},
    ),
    (
        o.OrdersPassed(case=1, unit=ALICE, receiver=4, orders=(1, 2)),
        Topic.ORDERS,
        A | {"receiver_unit": "backstop:main", "orders": [1, 2]},
    ),
]


@pytest.mark.parametrize(("event", "topic", "says"), TABLE, ids=range(len(TABLE)))
def test_an_event_says_what_happened_in_names(
    event: object, topic: Topic, says: dict[str, Any]
) -> None:
    writer = EventWriter(fine_venue(), time_ms=7)
    (told,) = writer.tell(41, [record_of(event)], set(Topic))
    assert told.topic is topic
    assert {name: told.body[name] for name in says} == says
    body = msgspec.json.decode(told.text)
    assert (body["position"], body["index"], body["type"]) == (41, 0, type(event).__name__)
    assert body["topic"] == topic.value
    assert told.id == "41.0"


def test_every_type_of_event_has_words_a_topic_and_a_row_in_this_table() -> None:
    kinds = {
        *get_args(e.AnyEvent),
        *get_args(o.AnyOrderEvent),
        e.MarksSet,
        e.Posted,
        e.AccountsOpened,
    }
    assert set(ALL_WORDS) == kinds
    assert {type(event) for event, _, _ in TABLE} == kinds
    listed = [kind for rows in TOPICS.values() for kind in rows]
    assert sorted(x.__name__ for x in listed) == sorted(x.__name__ for x in kinds)
    assert set(TOPICS) == set(Topic)


def test_time_is_the_latest_that_an_event_told() -> None:
    writer = EventWriter(fine_venue())
    records = [record_of(x) for x in (e.GraceEnded(unit=ALICE), MARKS, e.GraceEnded(unit=ALICE))]
    times = [told.body["time"] for told in writer.tell(1, records, set(Topic))]
    assert times == [None, "1970-01-01T00:00:02.000Z", "1970-01-01T00:00:02.000Z"]


def test_what_is_not_asked_for_is_not_told() -> None:
    writer = EventWriter(fine_venue())
    records = [record_of(x) for x in (MARKS, e.GraceEnded(unit=ALICE))]
    assert [told.index for told in writer.tell(1, records, {Topic.HEALTH})] == [1]


def test_postings_are_written_row_by_row_where_asked() -> None:
    (told,) = EventWriter(fine_venue(), rows=True).tell(1, [record_of(posted())], set(Topic))
    fill, payment = told.body["rows"]
    assert fill == {
        "kind": "fill",
        **A,
        "counterparty_account": "bob",
        "counterparty_unit": BOB,
        "instrument": "A",
        "size": "0.01",
        "value": "0.5",
        "fee": "0.000007",
        "counterparty_fee": "0",
    }
    assert payment["source"] == {"account": None, "unit": None}
    assert (payment["target"], payment["amount"]) == (A, "3")


def test_a_unit_that_the_state_does_not_know_yet_is_named_by_its_opening() -> None:
    writer = EventWriter(fine_venue())
    opened = e.AccountOpened(account=70, unit=71, name="late")
    records = [record_of(x) for x in (opened, e.Deposited(unit=71, asset=0, quanta=1))]
    records.append(record_of(e.Deposited(unit=999, asset=0, quanta=1)))
    bodies = [told.body for told in writer.tell(1, records, set(Topic))]
    assert (bodies[1]["account"], bodies[1]["unit"]) == ("late", 71)
    assert (bodies[2]["account"], bodies[2]["unit"]) == (None, 999)


def test_fills_and_payments_are_about_their_reason() -> None:
    fill = e.Filled(unit=1, counterparty=2, instrument=0, lots=1, value=1)
    paid = e.Transferred(source=1, target=2, asset=0, quanta=1)
    assert (topic_of(fill), topic_of(paid)) == (Topic.TRADES, Topic.CASH)
    assert topic_of(msgspec.structs.replace(fill, reason="deleverage")) is Topic.ADL


def test_topics_are_named_or_all_of_them() -> None:
    assert topics_of([]) == frozenset(Topic)
    assert topics_of(["adl", "fund"]) == {Topic.ADL, Topic.FUND}
    with pytest.raises(InvalidInput, match="did you mean 'orders'"):
        topics_of(["order"])
