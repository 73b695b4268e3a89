"""Apply the events of orders that are executed outside; none of them touches the book."""

from collections.abc import Callable
from typing import Any

from keelmark.engine import order_events as oe
from keelmark.engine.entries import Round
from keelmark.engine.state import State
from keelmark.engine.working import Told, WorkingOrder


def _round_planned(state: State, event: oe.RoundPlanned) -> None:
    case = state.cases[event.unit]
    case.attempts = event.attempts
    case.round = Round(closes=event.closes, cooldown_s=event.cooldown_s)


def _order_sent(state: State, event: oe.OrderSent) -> None:
    state.working.add(
        WorkingOrder(
            order=event.order,
            case=event.case,
            unit=event.unit,
            instrument=event.instrument,
            leg=event.leg,
            lots=event.lots,
            limit_ticks=event.limit_ticks,
            time_ms=event.time_ms,
            expires_ms=event.expires_ms,
            reason=event.reason,
            protection=event.protection,
            is_cut=event.is_cut,
        ),
    )
    current = _round_of(state, event.case, event.unit)
    if current is None:
        return
    current.is_limited |= event.is_limited
    keys = [(close.instrument, close.leg) for close in current.closes]
    current.closes = current.closes[keys.index((event.instrument, event.leg)) + 1 :]


def _order_filled(state: State, event: oe.OrderFilled) -> None:
    order = state.working.find(event.order)
    if order is None:
        return
    order.executions[event.execution] = Told(event.lots, event.ticks, event.fee)
    order.filled += event.lots
    current = _round_of(state, event.case, event.unit)
    if current is not None:
        current.is_filled = True
        current.is_limited |= order.is_cut


def _flagged(state: State, event: oe.ExecutionFlagged) -> None:
    """Told, and follows from what was sent and reported."""


def _timed_out(state: State, event: oe.OrderTimedOut) -> None:
    state.working.time_out(event.order)


def _cancel_requested(state: State, event: oe.CancelRequested) -> None:
    state.working[event.order].is_cancelling = True


def _order_closed(state: State, event: oe.OrderClosed) -> None:
    order = state.working[event.order]
    if order.reason == "protection" and order.rest and state.external is not None:
        state.working.retry_ms[event.unit] = event.time_ms + state.external.retry_ms
    state.working.close(event.order, event.outcome)


def _orders_passed(state: State, event: oe.OrdersPassed) -> None:
    for order in event.orders:
        state.working.give(order, event.receiver)


def _round_of(state: State, number: int, unit: int) -> Round | None:
    """Return the round in progress of a liquidation, if it goes on."""
    case = state.cases.get(unit)
    return None if case is None or number != case.case else case.round


APPLY_ORDERS: dict[type, Callable[[State, Any], None]] = {
    oe.RoundPlanned: _round_planned,
    oe.OrderSent: _order_sent,
    oe.OrderFilled: _order_filled,
    oe.ExecutionFlagged: _flagged,
    oe.OrderTimedOut: _timed_out,
    oe.CancelRequested: _cancel_requested,
    oe.OrderClosed: _order_closed,
    oe.OrdersPassed: _orders_passed,
}
