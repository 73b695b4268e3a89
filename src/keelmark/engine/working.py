"""Orders that are out in a market of the user's: what was sent, and what came back of it.

An order that was closed is remembered, so that a report that comes late or twice is known for what
it is: the latest `CLOSED_KEPT` of them, by count and not by time.
"""

from collections.abc import Iterator

import msgspec

CLOSED_KEPT = 100_000
"""Closed orders that are remembered. Part of the journal's format: another number is another
state."""

NEVER = 2**62


class ExternalTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How orders are executed outside; a term of the journal.

    Attributes:
        time_out_ms: How long an order may work before its cancellation is requested.
        retry_ms: How long a protection waits whose order came back without having closed all.
    """

    time_out_ms: int
    retry_ms: int


class Told(msgspec.Struct, frozen=True, array_like=True):
    """An execution as it was reported: signed lots, ticks, and the fee if one was named."""

    lots: int
    ticks: int
    fee: int | None


class WorkingOrder(msgspec.Struct, kw_only=True, array_like=True):
    """An order that was sent.

    Attributes:
        order: Its number; numbers rise.
        case: Liquidation it was sent in; 0 for none.
        unit: Whose it is now; the backstop's once its unit was taken over.
        instrument: Row of the instrument.
        leg: Leg of the position it closes.
        lots: Signed; negative sells.
        limit_ticks: Worst price; `None` for none.
        time_ms: When it was sent.
        expires_ms: When its cancellation is requested.
        reason: `reduce`, `disposal` or `protection`.
        protection: Number of the protection that sent it, `None` for none.
        is_cut: Whether the notional limit of the window cut it short.
        filled: Signed lots that were reported.
        is_cancelling: Whether its cancellation was requested.
        is_timed_out: Whether nobody waits for it any more.
        outcome: How it was closed; empty while it works.
        executions: What was reported, by the id of the execution.
    """

    order: int
    case: int
    unit: int
    instrument: int
    leg: int
    lots: int
    limit_ticks: int | None
    time_ms: int
    expires_ms: int
    reason: str
    protection: int | None = None
    is_cut: bool = False
    filled: int = 0
    is_cancelling: bool = False
    is_timed_out: bool = False
    outcome: str = ""
    executions: dict[str, Told] = {}

    @property
    def rest(self) -> int:
        """Lots that may still be filled, without sign."""
        return max(0, abs(self.lots) - abs(self.filled))

    def copy(self) -> "WorkingOrder":
        """Return an order that does not follow this one."""
        return msgspec.structs.replace(self, executions=dict(self.executions))


class WorkingOrders:
    """The orders that work, by number, and the latest that were closed.

    Attributes:
        sent: Orders ever sent: the number of the last.
        closed: Closed orders by number, in the order in which they were closed.
        retry_ms: Until when protections of a unit wait that could not close all.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.closed: dict[int, WorkingOrder] = {}
        self.retry_ms: dict[int, int] = {}
        self._open: dict[int, WorkingOrder] = {}
        self._awaited: dict[int, WorkingOrder] = {}  # neither closed nor timed out
        self._of: dict[int, dict[int, WorkingOrder]] = {}

    # --- reading --------------------------------------------------------------------------------

    def __getitem__(self, order: int) -> WorkingOrder:
        return self._open[order]

    def __contains__(self, order: object) -> bool:
        return order in self._open

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def rows(self) -> tuple[WorkingOrder, ...]:
        """Return the orders that work, by number."""
        return tuple(self._open[order] for order in self)

    def find(self, order: int) -> WorkingOrder | None:
        """Return an order that works, or that was closed and is remembered."""
        return self._open.get(order) or self.closed.get(order)

    def of(self, unit: int) -> tuple[WorkingOrder, ...]:
        """Return the orders of a unit that work, by number."""
        return tuple(row for _, row in sorted(self._of.get(unit, {}).items()))

    def has(self, unit: int) -> bool:
        """Whether a unit has orders that work."""
        return unit in self._of

    def awaits(self, unit: int) -> bool:
        """Whether a unit has an order out whose time is not up."""
        return any(not row.is_timed_out for row in self._of.get(unit, {}).values())

    def rests(self, unit: int, time_ms: int) -> bool:
        """Whether the protections of a unit wait since an order of theirs did not close all."""
        return time_ms < self.retry_ms.get(unit, 0)

    def lots_out(self, unit: int, instrument: int, leg: int) -> int:
        """Return the lots of a position that orders still work for, without sign."""
        rows = self._of.get(unit, {}).values()
        return sum(row.rest for row in rows if (row.instrument, row.leg) == (instrument, leg))

    def lots_reducing(self) -> dict[int, int]:
        """Return the lots that liquidations have out, without sign, by instrument."""
        result: dict[int, int] = {}
        for row in self._open.values():
            if row.reason == "reduce" and row.rest:
                result[row.instrument] = result.get(row.instrument, 0) + row.rest
        return result

    def next_expiry(self) -> int:
        """Return when the time of the next order is up, `NEVER` if none is awaited.

        Numbers rise with time and the time-out is a term of the journal: the first is the oldest.
        """
        return next((row.expires_ms for row in self._awaited.values()), NEVER)

    def expired(self, time_ms: int) -> list[WorkingOrder]:
        """Return the orders whose time is up, oldest first."""
        found = []
        for row in self._awaited.values():
            if row.expires_ms > time_ms:
                break
            found.append(row)
        return found

    # --- writing: `apply_orders` alone, and copies of a state ------------------------------------

    def add(self, row: WorkingOrder) -> None:
        """Take note of an order that was sent."""
        self.sent = max(self.sent, row.order)
        self._open[row.order] = row
        self._of.setdefault(row.unit, {})[row.order] = row
        if not row.is_timed_out:
            self._awaited[row.order] = row

    def put(self, row: WorkingOrder) -> None:
        """Take over an order as it is now: for whoever keeps a copy of the state."""
        old = self._open.get(row.order)
        if old is not None:
            self._leave(old)
        if not row.outcome:
            self.add(row)
        elif row.order in self.closed:
            self.closed[row.order] = row
        else:
            self._open[row.order] = row
            self._of.setdefault(row.unit, {})[row.order] = row
            self.close(row.order, row.outcome)
        if row.is_timed_out:
            self._awaited.pop(row.order, None)

    def time_out(self, order: int) -> None:
        """Wait for an order no longer."""
        self._open[order].is_timed_out = True
        self._awaited.pop(order, None)

    def give(self, order: int, unit: int) -> None:
        """Let an order be the backstop's: from now on it disposes of what that took over."""
        row = self._open[order]
        self._leave(row)
        row.unit, row.leg, row.reason, row.protection = unit, 0, "disposal", None
        self._of.setdefault(unit, {})[order] = row

    def detach(self, unit: int, protection: int) -> None:
        """Let no order be the work of a protection that is another one now, or none."""
        for row in self._of.get(unit, {}).values():
            if row.protection == protection:
                row.protection = None

    def close(self, order: int, outcome: str) -> None:
        """Remember an order as closed; forget the one closed longest ago."""
        row = self._open.pop(order)
        self._awaited.pop(order, None)
        self._leave(row)
        row.outcome = outcome
        self.closed[order] = row
        if len(self.closed) > CLOSED_KEPT:
            del self.closed[next(iter(self.closed))]

    def _leave(self, row: WorkingOrder) -> None:
        rows = self._of[row.unit]
        del rows[row.order]
        if not rows:
            del self._of[row.unit]
