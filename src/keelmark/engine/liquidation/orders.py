"""What becomes of orders that are executed outside when their time is up or their unit changes."""

from collections.abc import Iterable

from keelmark.core.codes import Leg
from keelmark.engine import order_events as oe
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.reports import cancels
from keelmark.engine.working import WorkingOrder


def request_cancels(desk: Desk, orders: Iterable[WorkingOrder], reason: str) -> None:
    """Ask for the cancellation of orders, once each."""
    for event in cancels(desk.state, orders, reason):
        desk.emit(event)


def time_out(desk: Desk) -> None:
    """Wait no longer for the orders whose time is up, and ask for their cancellation."""
    state = desk.state
    for order in state.working.expired(state.time_ms):
        desk.emit(
            oe.OrderTimedOut(
                order=order.order, case=order.case, unit=order.unit, time_ms=state.time_ms
            ),
        )
        request_cancels(desk, (order,), "timed_out")


def pass_orders(desk: Desk, unit: int, case: int) -> None:
    """Let what works for a unit that is taken over be the backstop's."""
    orders = desk.state.working.of(unit)
    if orders:
        desk.moved.add(desk.state.backstop)  # what it does not take is not to be sold for it
        desk.emit(
            oe.OrdersPassed(
                case=case,
                unit=unit,
                receiver=desk.state.backstop,
                orders=tuple(order.order for order in orders),
            ),
        )


def keep_within_positions(desk: Desk) -> None:
    """Ask for the cancellation of what works beyond what its unit still holds, newest first.

    Looked at are the units whose rows have changed since this was asked last.
    """
    state = desk.state
    moved, desk.moved = sorted(desk.moved), set()
    for unit in moved:
        left: dict[tuple[int, int], int] = {}
        beyond = []
        for order in state.working.of(unit):
            if order.is_cancelling:
                continue
            key = (order.instrument, order.leg)
            held = state.book.lots(unit, order.instrument, Leg(order.leg))
            room = left.get(key, abs(held) if held * order.lots < 0 else 0)
            left[key] = room - order.rest
            if left[key] < 0:
                beyond.append(order)
                left[key] = room
        request_cancels(desk, beyond, "beyond_position")
