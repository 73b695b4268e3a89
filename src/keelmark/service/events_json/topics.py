"""What each event is about, so that a client hears what it asked for."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from keelmark.core.errors import InvalidInput, nearest
from keelmark.engine import events as e
from keelmark.engine import order_events as o


class Topic(StrEnum):
    """What an event is about."""

    HEALTH = "health"
    LIQUIDATIONS = "liquidations"
    ORDERS = "orders"
    FUND = "fund"
    ADL = "adl"
    TRADES = "trades"
    CASH = "cash"
    ADMIN = "admin"
    PRICES = "prices"
    STATUS = "status"
    ALERTS = "alerts"


TOPICS: dict[Topic, tuple[type, ...]] = {
    Topic.HEALTH: (
        e.HealthUnknown,
        e.HealthKnown,
        e.Warned,
        e.WarningCleared,
        e.GraceStarted,
        e.GraceEnded,
    ),
    Topic.LIQUIDATIONS: (
        e.LiquidationStarted,
        e.Waiting,
        e.StageExhausted,
        e.LiquidationEnded,
        o.RoundPlanned,
    ),
    Topic.ORDERS: (
        e.OrderReserved,
        e.OrderReleased,
        e.OrdersCancelled,
        e.ProtectionSet,
        e.ProtectionRemoved,
        o.OrderSent,
        o.OrderFilled,
        o.ExecutionFlagged,
        o.OrderTimedOut,
        o.CancelRequested,
        o.OrderClosed,
        o.OrdersPassed,
    ),
    Topic.FUND: (e.LossSocialised,),
    Topic.ADL: (e.Deleveraged,),
    Topic.TRADES: (e.Filled, e.LeverageSet, e.Posted),
    Topic.CASH: (
        e.Deposited,
        e.Withdrawn,
        e.Transferred,
        e.FundingPosted,
        e.InterestPosted,
        e.Settled,
    ),
    Topic.ADMIN: (
        e.AccountOpened,
        e.IsolatedOpened,
        e.AccountsOpened,
        e.AccountClosed,
        e.RulebookSet,
        e.Paused,
        e.Resumed,
        e.Overridden,
    ),
    Topic.PRICES: (e.MarksSet, e.MarkRefused, e.MarkDoubted, e.MarkConfirmed),
    Topic.STATUS: (e.JournalOpened, e.Keyed, e.TimeAdvanced, e.WorkDone),
    Topic.ALERTS: (),  # of a desk: what is told there is in no journal
}
_TOPIC_OF = {kind: topic for topic, kinds in TOPICS.items() for kind in kinds}
_FILLS = {
    "reduce": Topic.LIQUIDATIONS,
    "takeover": Topic.LIQUIDATIONS,
    "disposal": Topic.LIQUIDATIONS,
    "deleverage": Topic.ADL,
}
_PAYMENTS = {
    "surplus": Topic.FUND,
    "deficit": Topic.FUND,
    "clearance_fee": Topic.FUND,
    "socialised": Topic.FUND,
    "conversion": Topic.LIQUIDATIONS,
    "seizure": Topic.LIQUIDATIONS,
}


def topic_of(event: Any) -> Topic:  # noqa: ANN401 an event
    """Return what an event is about."""
    if isinstance(event, e.Filled):
        return _FILLS.get(event.reason, Topic.TRADES)
    if isinstance(event, e.Transferred):
        return _PAYMENTS.get(event.reason, Topic.CASH)
    return _TOPIC_OF[type(event)]


def topics_of(names: Iterable[str]) -> frozenset[Topic]:
    """Return the topics that are named; all of them where none is.

    Raises:
        InvalidInput: One is unknown; names the nearest.
    """
    found = set()
    for name in names:
        if name not in set(Topic):
            msg = f"no topic {name[:40]!r}; {nearest(name[:40], [topic.value for topic in Topic])}"
            raise InvalidInput(msg)
        found.add(Topic(name))
    return frozenset(found or Topic)
