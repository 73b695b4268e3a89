"""What wakes the operators of a venue: ill parts and broken laws, and what happens to accounts.

Happenings come by the thousand in a crash. They are counted, and each kind is told at most once in
a while, with how many there were and who was first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from keelmark.service.alerts.book import AlertBook, Standing
from keelmark.service.alerts.rules import AlertRules, LevelRule, read_rules, telling_all
from keelmark.service.alerts.values import Alert, Kind, Reading, Severity
from keelmark.service.health.values import Finding, Health

GATHER_S = 60.0
"""Each kind of happening is told at most once in so many seconds."""

NAMES_MAX = 3
"""Names that are told of each kind; of more it is said that there are more."""

VENUE_LEVELS = (
    LevelRule(name="degraded", severity=Severity.DEGRADED),
    LevelRule(name="failing", severity=Severity.FAILING),
)
"""Levels where a configuration names none."""

GRAVE = (
    "liquidation",
    "auto_deleveraged",
    "loss_socialised",
    "mark_refused",
    "order_timed_out",
    "execution_flagged",
)
"""What is told where a configuration names no events: each kind at most once in `GATHER_S`."""

_SEVERITIES = {Health.DEGRADED: Severity.DEGRADED, Health.FAILING: Severity.FAILING}

_SIMPLE = {
    "Deleveraged": "auto_deleveraged",
    "LossSocialised": "loss_socialised",
    "MarkRefused": "mark_refused",
    "Paused": "paused",
    "LiquidationStarted": "liquidation",
    "OrderTimedOut": "order_timed_out",
    "ExecutionFlagged": "execution_flagged",
}
_BEARERS = {"auto_deleveraged": "victims", "loss_socialised": "payers"}
"""Where an event lists those it hit."""

_OF_ORDERS = frozenset({"order_timed_out", "execution_flagged"})

_OLD = "mark_grew_old"
"""Gathered apart from refused prices, and told whom `mark_refused` is."""

_SAID = {
    "auto_deleveraged": "auto-deleveraged",
    "loss_socialised": "loss socialised",
    "mark_refused": "price refused",
    "paused": "paused",
    "liquidation": "liquidation started",
    "partial_liquidation": "liquidation trade",  # of a part, or of the whole
    "collateral_added": "collateral added",
    "order_timed_out": "order not answered in time",
    "execution_flagged": "execution is not what was ordered",
}


def reading_of(finding: Finding, time_ms: int) -> Reading:
    """Return what alerts read of a finding; a part that could not be looked at is no worse."""
    return Reading(
        subject=f"service {finding.name}",
        time_ms=time_ms,
        severity=_SEVERITIES.get(finding.health),
        reason=finding.detail,
    )


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened.

    Attributes:
        kind: What operators call it.
        names: Whom or what it hit, at most one more than is told.
    """

    kind: str
    names: tuple[str, ...]


def happening_of(event: Mapping[str, Any], warned: Iterable[str]) -> Happening | None:
    """Return what an event of the API is to operators; `None` for nothing.

    Args:
        event: As `/v1/events` tells it.
        warned: Accounts that stand at a warning level: money that comes in to them is told.
    """
    kind = _kind_of(event, warned)
    if kind is None:
        return None
    names = dict.fromkeys(_names_of(kind, event))
    return Happening(kind, tuple(islice(names, NAMES_MAX + 1)))


def _kind_of(event: Mapping[str, Any], warned: Iterable[str]) -> str | None:
    kind = event.get("type")
    if kind == "Filled" and event.get("reason") == "reduce":
        return "partial_liquidation"
    if kind == "MarkRefused" and event["reason"] == "stale":
        return _OLD
    if kind == "Deposited":
        return "collateral_added" if str(event.get("account")) in set(warned) else None
    return _SIMPLE.get(str(kind))


def _names_of(kind: str, event: Mapping[str, Any]) -> Iterator[str]:
    """Return whom or what an event hit."""
    if kind in _BEARERS:  # the event's own account is the one whose loss others bear
        yield from (_owner(row) for row in event[_BEARERS[kind]])
    elif kind == _OLD:
        yield _price_of(event)
    elif kind == "mark_refused":
        yield f"{_price_of(event)} at {event['price']}"
    elif kind == "paused":
        yield event["instrument"] or "everything"
    elif kind in _OF_ORDERS:
        yield f"order {event['order']} of {_owner(event)}"
    else:
        yield _owner(event)


def _owner(row: Mapping[str, Any]) -> str:
    """Return an account, or which unit of the venue's own it is."""
    account = row["account"]
    return str(row["unit"] if account is None else account)


def _price_of(event: Mapping[str, Any]) -> str:
    """Return which price it is; a mark is called like its instrument."""
    kind, name = event["price_kind"], event["price_of"]
    return str(name) if kind == "mark" else f"{kind} {name}"


class Gathered(msgspec.Struct):
    """Happenings of one kind that have not been told."""

    since_ms: int
    count: int = 0
    names: list[str] = msgspec.field(default_factory=list)


class Following(msgspec.Struct, kw_only=True):
    """Up to where happenings are told, or gathered: what a restart goes on from.

    Attributes:
        position: Journal position up to which everything was heard.
        gathered: By kind, what has not been told.
        told_ms: When each kind was last told.
    """

    position: int = 0
    gathered: dict[str, Gathered] = msgspec.field(default_factory=dict)
    told_ms: dict[str, int] = msgspec.field(default_factory=dict)


class VenueGuard:
    """Folds findings and events into alerts; without a clock, like the book behind it.

    Attributes:
        book: Which part is at which level.
        following: What is told of what happened, and what is not; plain values that are kept.
    """

    def __init__(
        self,
        rules: AlertRules,
        standings: Mapping[str, Standing] | None = None,
        following: Following | None = None,
    ) -> None:
        self.book = AlertBook(rules, standings)
        self.following = following or Following()

    def looked(self, findings: Iterable[Finding], time_ms: int) -> list[Alert]:
        """Take note of how the parts are; what is not known yet changes nothing."""
        known = (f for f in findings if f.health is not Health.UNKNOWN)
        alerts = [a for f in known for a in self.book.observe(reading_of(f, time_ms))]
        return [*alerts, *self.book.tick(time_ms), *self._due(time_ms)]

    def happened(self, happening: Happening, time_ms: int) -> list[Alert]:
        """Take note of something that happened; return what is to be told now."""
        gathered = self.following.gathered.setdefault(happening.kind, Gathered(time_ms))
        gathered.count += 1
        for name in happening.names:
            if name not in gathered.names and len(gathered.names) <= NAMES_MAX:
                gathered.names.append(name)
        return list(self._due(time_ms))

    def _due(self, time_ms: int) -> Iterator[Alert]:
        gathered, told_ms = self.following.gathered, self.following.told_ms
        for kind in list(gathered):
            last = told_ms.get(kind)
            if last is None or time_ms - last >= 1000 * GATHER_S:
                told_ms[kind] = time_ms
                yield self._told(kind, gathered.pop(kind), time_ms)

    def _told(self, kind: str, gathered: Gathered, time_ms: int) -> Alert:
        names = [*gathered.names[:NAMES_MAX], *["..."] * (len(gathered.names) > NAMES_MAX)]
        whom = f": {', '.join(names)}" if names else ""
        times = "" if gathered.count == 1 else f" {gathered.count} times"
        channels = {str(event): told for event, told in self.book.rules.events.items()}
        event, said = ("mark_refused", "price grew old") if kind == _OLD else (kind, _SAID[kind])
        return Alert(
            subject="venue",
            kind=Kind.EVENT,
            level=event,
            rank=-1,
            since_ms=gathered.since_ms,
            time_ms=time_ms,
            text=f"{said}{times}{whom}",
            channels=channels.get(event, ()),
        )


def venue_rules(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `[alerts]` part of a service's configuration with the levels of a venue."""
    return {"levels": telling_all(VENUE_LEVELS, table), **table}


def read_venue_rules(table: Mapping[str, Any]) -> AlertRules:
    """Return the rules of a venue; without events of its own the grave ones are told.

    They are told to every channel that a level tells at once. A table of events, also an empty
    one, is all that is told.

    Raises:
        InvalidDocument: Listing every problem.
    """
    rules = read_rules(venue_rules(table), title="[alerts]")
    if "events" in table:
        return rules
    told = {name for level in rules.levels for name in level.channels}
    channels = tuple(name for name in rules.channels if name in told)
    return rules.model_copy(update={"events": dict.fromkeys(GRAVE, channels)})
