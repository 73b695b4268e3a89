"""How the parts of the service are: the writer, the journal, snapshots, prices, alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keelmark.service.health.values import Finding, Health

LAG_MAX = 1_000
"""Batches a reader may be behind the writer before somebody should look."""

STILL_S = 5.0
"""The writer turns twice a second at least; so long without is looked at."""

STUCK_S = 30.0

SNAPSHOT_MAX_S = 3600.0
QUEUE_MAX = 10_000

NAMES_MAX = 5
"""Prices that a finding names."""

TIMED_OUT_MAX = 3
"""Orders out whose time is up from which the matching engine is taken for gone."""

UNANSWERED_S = 60.0
"""So long after its time was up an order nobody has closed is taken for lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Liquidation orders that are out in a matching engine of the venue's.

    Attributes:
        working: Orders nobody has closed.
        timed_out: Of them, those whose time is up.
        oldest_s: Age of the oldest, by the venue's clock; 0 for none.
        overdue_s: For how long the time of the oldest is up; 0 for none.
    """

    working: int
    timed_out: int
    oldest_s: float
    overdue_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is known of the parts; `None` is not known.

    Attributes:
        is_connected: Whether the writer answers.
        cells: The writer's own counts, by name.
        still_s: How long the writer's loop has not gone round.
        position: Journal position of what is read here.
        snapshot: What the follower wrote of itself last.
        snapshot_age_s: How long ago.
        untrusted: Prices that somebody reads and nobody is liquidated on, by name.
        unread: Prices that are not trusted either, and that nothing anybody holds is read by.
        guards_off: Guards of prices that are off, in words.
        undelivered: Alerts that could not be delivered for good.
        orders: Orders that are out; `None` where the built-in book executes.
        backstop_equity: Of the unit that takes positions over, valuation currency.
    """

    is_connected: bool
    cells: Mapping[str, int] | None = None
    still_s: float | None = None
    position: int | None = None
    snapshot: Mapping[str, object] | None = None
    snapshot_age_s: float | None = None
    untrusted: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    guards_off: tuple[str, ...] = ()
    undelivered: int = 0
    orders: Orders | None = None
    backstop_equity: float | None = None


def part_findings(parts: Parts) -> list[Finding]:
    """Return how each part is."""
    return [
        _writer(parts),
        _journal(parts),
        _lag(parts),
        _queue(parts),
        _snapshots(parts),
        _prices(parts),
        _execution(parts.orders),
        _backstop(parts.backstop_equity),
        _alerts(parts),
    ]


def _writer(parts: Parts) -> Finding:
    still_s = parts.still_s or 0.0
    if parts.is_connected and still_s > STILL_S:
        health = Health.FAILING if still_s > STUCK_S else Health.DEGRADED
        detail = f"it has done nothing for {still_s:.0f} s: it waits for the disk or the database"
        return Finding(name="writer", health=health, detail=detail)
    if parts.is_connected:
        return Finding(name="writer", health=Health.OK, detail="it answers")
    since = f" for {still_s:.0f} s" if parts.still_s is not None else ""
    detail = f"no answer{since}: it is starting, or was ended; reads are of the last position"
    return Finding(name="writer", health=Health.FAILING, detail=detail)


def _journal(parts: Parts) -> Finding:
    if parts.cells is None:
        return Finding(name="journal", health=Health.UNKNOWN, detail="no counts of the writer yet")
    if parts.cells.get("is_behind"):
        detail = "it cannot be written: commands are refused; look at the disk or the database"
        return Finding(name="journal", health=Health.FAILING, detail=detail)
    position = parts.cells.get("position", 0)
    return Finding(name="journal", health=Health.OK, detail=f"durable up to position {position}")


def _lag(parts: Parts) -> Finding:
    if parts.cells is None or parts.position is None:
        return Finding(name="lag", health=Health.UNKNOWN, detail="nothing published yet")
    behind = max(0, parts.cells.get("position", 0) - parts.position)
    health = Health.DEGRADED if behind > LAG_MAX else Health.OK
    return Finding(name="lag", health=health, detail=f"{behind} batches behind the writer")


def _queue(parts: Parts) -> Finding:
    if parts.cells is None:
        return Finding(name="queue", health=Health.UNKNOWN, detail="no counts of the writer yet")
    waiting = parts.cells.get("queue_items", 0) + parts.cells.get("queue_marks", 0)
    health = Health.DEGRADED if waiting > QUEUE_MAX else Health.OK
    return Finding(name="queue", health=health, detail=f"{waiting} commands and marks wait")


def _snapshots(parts: Parts) -> Finding:
    if parts.snapshot is None:
        return Finding(name="snapshots", health=Health.UNKNOWN, detail="none has been written yet")
    broken = parts.snapshot.get("findings")
    if broken:
        detail = f"{broken}; the journal does not give what is published (INV-10)"
        return Finding(name="snapshots", health=Health.FAILING, detail=detail)
    age = parts.snapshot_age_s or 0.0
    detail = f"the last is of position {parts.snapshot.get('position')}, {age:.0f} s old"
    health = Health.DEGRADED if age > SNAPSHOT_MAX_S else Health.OK
    return Finding(name="snapshots", health=health, detail=detail)


def _prices(parts: Parts) -> Finding:
    rest = f"; not needed: {some_of(parts.unread)}" if parts.unread else ""
    rest += f"; {', '.join(parts.guards_off)}" if parts.guards_off else ""
    if not parts.untrusted:
        every = "every price that is read is trusted" if parts.unread else "every price is trusted"
        return Finding(name="prices", health=Health.OK, detail=f"{every}{rest}")
    count, shown = len(parts.untrusted), some_of(parts.untrusted)
    detail = f"{count} not trusted, nobody is liquidated on them: {shown}{rest}"
    return Finding(name="prices", health=Health.DEGRADED, detail=detail)


def some_of(names: Sequence[str]) -> str:
    """Return as many names as fit, and that there are more."""
    return ", ".join(names[:NAMES_MAX]) + (", ..." if len(names) > NAMES_MAX else "")


def _execution(orders: Orders | None) -> Finding:
    if orders is None:
        return Finding(name="execution", health=Health.OK, detail="the built-in book executes")
    if not orders.timed_out:
        detail = f"{orders.working} orders are out, each in its time"
        return Finding(name="execution", health=Health.OK, detail=detail)
    is_gone = orders.timed_out >= TIMED_OUT_MAX or orders.overdue_s > UNANSWERED_S
    detail = (
        f"{orders.timed_out} of {orders.working} orders out are not answered in time, the oldest "
        f"is {orders.oldest_s:.0f} s old: look at the matching engine, then at /v1/orders"
    )
    health = Health.FAILING if is_gone else Health.DEGRADED
    return Finding(name="execution", health=health, detail=detail)


def _backstop(equity: float | None) -> Finding:
    if equity is None:
        detail = "its equity is not known: a price that it reads is missing"
        return Finding(name="backstop", health=Health.OK, detail=detail)
    if equity >= 0:
        return Finding(name="backstop", health=Health.OK, detail=f"its equity is {equity:,.0f}")
    detail = (
        f"it owes {-equity:,.0f} more than it has, in the valuation currency: close what it holds, "
        "pay it in, and look at /v1/fund for what brought it there"
    )
    return Finding(name="backstop", health=Health.DEGRADED, detail=detail)


def _alerts(parts: Parts) -> Finding:
    if not parts.undelivered:
        return Finding(name="alerts", health=Health.OK, detail="none is undelivered")
    detail = f"{parts.undelivered} could not be delivered; look at their channel"
    return Finding(name="alerts", health=Health.DEGRADED, detail=detail)
