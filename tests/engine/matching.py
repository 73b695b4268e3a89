"""A matching engine in plain Python, as a user's might be: it reads the orders and keeps a book.

It fills in part, late, twice, in any order, too much, at any price, and may never answer. What it
knows of an order comes from `OrderSent` alone; what must become of a fill it works out from what
the model says the unit holds, without the engine's code.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from tests.engine.model import Model


@dataclass
class Resting:
    """An order as the matching engine has it."""

    order: int
    unit: int
    instrument: int
    leg: int
    lots: int
    limit: int | None
    reason: str
    filled: int = 0
    is_closed: bool = False
    reports: list[c.ReportExecution] = field(default_factory=list)


@dataclass
class Matching:
    """Follows the events, and says what the engine must make of a report.

    Attributes:
        backstop: The venue's own unit.
        orders: Every order ever sent, by number.
        cancels: Orders whose cancellation was asked for, and how often.
    """

    backstop: int
    orders: dict[int, Resting] = field(default_factory=dict)
    cancels: dict[int, int] = field(default_factory=dict)

    def take(self, event: Any) -> None:  # noqa: ANN401 an event
        match event:
            case oe.OrderSent():
                assert event.order == len(self.orders) + 1
                self.orders[event.order] = Resting(
                    order=event.order,
                    unit=event.unit,
                    instrument=event.instrument,
                    leg=event.leg,
                    lots=event.lots,
                    limit=event.limit_ticks,
                    reason=event.reason,
                )
            case oe.CancelRequested():
                self.cancels[event.order] = self.cancels.get(event.order, 0) + 1
                assert not self.orders[event.order].is_closed
            case oe.OrderClosed():
                assert not self.orders[event.order].is_closed, "closed twice"
                self.orders[event.order].is_closed = True
            case oe.OrdersPassed():
                for order in event.orders:
                    self.orders[order].unit, self.orders[order].leg = self.backstop, 0
            case _:
                pass

    def open(self) -> list[Resting]:
        return [order for order in self.orders.values() if not order.is_closed]

    def unconfirmed(self) -> list[int]:
        return [order for order in sorted(self.cancels) if not self.orders[order].is_closed]

    def require_room(self, event: oe.OrderSent, model: Model) -> None:
        """Hold an order that goes out against what is held and what works for it already."""
        key = (event.unit, event.instrument, event.leg)
        out = sum(
            max(0, abs(order.lots) - abs(order.filled))
            for order in self.open()
            if (order.unit, order.instrument, order.leg) == key
        )
        held, _ = model.positions.get(key, (0, 0))
        assert held * event.lots < 0, (event, held)
        assert out + abs(event.lots) <= abs(held), (event, held, out)

    def booked(self, order: Resting, lots: int, model: Model) -> int:
        """Return the lots of a fill that are the unit's: what shrinks its position."""
        if order.unit == self.backstop:
            return lots
        if order.unit in model.closed:
            return 0
        held, _ = model.positions.get((order.unit, order.instrument, order.leg), (0, 0))
        if held == 0 or (held > 0) == (lots > 0):
            return 0
        return max(lots, -held) if lots < 0 else min(lots, -held)

    def flags(self, order: Resting, report: c.ReportExecution, booked: int) -> set[str]:
        """Return what is odd about a report that has not been noted yet."""
        found = set()
        if abs(order.filled + report.lots) > abs(order.lots):
            found.add("beyond_lots")
        if order.limit is not None:
            worse = report.ticks > order.limit if order.lots > 0 else report.ticks < order.limit
            found |= {"worse_than_limit"} if worse else set()
        if order.is_closed:
            found.add("after_close")
        if booked != report.lots:
            found.add("more_than_held")
        return found

    def note(self, report: c.ReportExecution) -> None:
        order = self.orders[report.order]
        order.filled += report.lots
        order.reports.append(report)


def moved_lots(events: Iterable[Any]) -> dict[int, int]:
    """Return the lots each unit gained against the rest of the market in fills of orders."""
    result: dict[int, int] = {}
    for event in events:
        if isinstance(event, e.Filled) and event.reason in {
            "reduce",
            "disposal",
            "protection",
            "late",
        }:
            result[event.unit] = result.get(event.unit, 0) + event.lots
    return result
