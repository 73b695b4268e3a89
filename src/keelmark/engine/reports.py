"""Decide about what a market of the user's reports of the orders that were sent to it.

What was executed is a fact and is never refused for being late, too much or too dear. It is booked
on the unit the order was sent for as far as it still shrinks that unit's position; the rest is the
venue's own and goes to the backstop. What is not as it was ordered is flagged. Refused is what
names no order, or what nothing can carry (docs/decisions/0030-external-execution.md).
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING
from typing import Any

from keelmark.book.records import SIZE_LIMIT
from keelmark.book.views import PositionView
from keelmark.core.codes import Leg, UnitStatus
from keelmark.core.errors import DuplicateId, InvalidInput, RejectionReason, nearest
from keelmark.core.numbers import Rounding, exact, mul_div
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.admission import refuse
from keelmark.engine.entries import PRICE_KINDS
from keelmark.engine.execution import Execution
from keelmark.engine.fills import require_carried
from keelmark.engine.liquidation.reduce import clearance_fee, share_of_fund
from keelmark.engine.state import State
from keelmark.engine.trial import Trial, after_fill, after_payment
from keelmark.engine.working import Told, WorkingOrder

Events = list[Any]

OUTCOMES = ("cancelled", "rejected", "expired", "done")
"""How an order is closed."""

ID_LENGTH_MAX = 64
REASON_LENGTH_MAX = 500


def report_events(state: State, command: c.ReportExecution) -> Events:
    """Return what a reported execution does: nothing, if it was reported before.

    Raises:
        Rejected: No such order was sent, or it was closed so long ago that it is forgotten; or the
            columns cannot carry the figures.
        DuplicateId: The id was reported with other figures.
        InvalidInput: The report is malformed, or is of the other side than the order.
    """
    order = _require_order(state, command.order)
    told = Told(command.lots, command.ticks, command.fee)
    known = order.executions.get(command.execution)
    if known is not None:
        if known == told:
            return []
        msg = (
            f"execution {command.execution!r} of order {command.order} was reported as "
            f"{known.lots} lots at {known.ticks} ticks, fee {known.fee}; give every execution an "
            "id of its own"
        )
        raise DuplicateId(msg)
    _require_report(state, order, command)
    with exact():
        return _booked(state, order, command)


def close_events(state: State, command: c.CloseOrder) -> Events:
    """Return what the end of an order does: nothing, if it has ended before.

    Raises:
        Rejected: No such order was sent, or it was closed so long ago that it is forgotten.
        InvalidInput: The outcome is not one of the known, or the reason too long.
    """
    order = _require_order(state, command.order)
    if command.outcome not in OUTCOMES:
        msg = f"outcome {command.outcome!r} of an order; {nearest(command.outcome, OUTCOMES)}"
        raise InvalidInput(msg)
    if len(command.reason) > REASON_LENGTH_MAX:
        msg = f"a reason of {len(command.reason)} characters; give at most {REASON_LENGTH_MAX}"
        raise InvalidInput(msg)
    if order.outcome:
        return []
    return [_closed(state, order, command.outcome, order.filled, command.reason)]


def cancels(state: State, orders: Iterable[WorkingOrder], reason: str) -> Events:
    """Return the requests to cancel those of the orders for which none was made yet."""
    return [
        oe.CancelRequested(
            order=order.order,
            case=order.case,
            unit=order.unit,
            reason=reason,
            time_ms=state.time_ms,
        )
        for order in orders
        if not order.is_cancelling
    ]


def cancels_in(state: State, instrument: int) -> Events:
    """Return the requests to cancel what works in an instrument (-1: in all) that is paused."""
    rows = (row for row in state.working.rows() if instrument in {-1, row.instrument})
    return cancels(state, rows, "paused")


def cancels_of(state: State, unit: int, protection: int) -> Events:
    """Return the requests to cancel what a protection that is removed or replaced has sent."""
    rows = (row for row in state.working.of(unit) if row.protection == protection)
    return cancels(state, rows, "protection_removed")


# --- what is refused ----------------------------------------------------------------------------


def _require_order(state: State, number: int) -> WorkingOrder:
    order = state.working.find(number)
    if order is not None:
        return order
    sent = state.working.sent
    forgotten = 1 <= number <= sent
    what = "was closed so long ago that it is forgotten" if forgotten else "was never sent"
    raise refuse(
        RejectionReason.NO_SUCH_ORDER,
        f"order {number} {what}; {len(state.working)} orders work, the last one sent is {sent}",
    )


def _require_report(state: State, order: WorkingOrder, command: c.ReportExecution) -> None:
    where = f"execution {command.execution!r:.80} of order {command.order}"
    if not 1 <= len(command.execution) <= ID_LENGTH_MAX:
        msg = f"{where}: an id has 1 to {ID_LENGTH_MAX} characters"
        raise InvalidInput(msg)
    if command.lots * order.lots <= 0:
        side = "buys" if order.lots > 0 else "sells"
        msg = f"{where}: {command.lots} lots of an order that {side}; sign them like the order's"
        raise InvalidInput(msg)
    if abs(command.lots) > SIZE_LIMIT or not 1 <= command.ticks <= SIZE_LIMIT:
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"{where}: {command.lots} lots at {command.ticks} ticks; both are 1 to {SIZE_LIMIT}",
        )
    value = state.value(order.instrument, command.lots, command.ticks)
    if command.fee is not None and abs(command.fee) > abs(value):
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"{where}: a fee of {command.fee} on {abs(value)} quanta; at most the notional",
        )


# --- what is booked -----------------------------------------------------------------------------


def _booked(state: State, order: WorkingOrder, command: c.ReportExecution) -> Events:
    """Return the fact, what it moves, what is odd about it, and what ends with it."""
    own = _own_lots(state, order, command.lots)
    filled = order.filled + command.lots
    events: Events = [
        oe.OrderFilled(
            order=order.order,
            execution=command.execution,
            case=order.case,
            unit=order.unit,
            instrument=order.instrument,
            lots=command.lots,
            ticks=command.ticks,
            booked=own,
            time_ms=state.time_ms,
            fee=command.fee,
        ),
    ]
    moves = list(_moves(state, order, command, own))
    _require_carried(state, moves)
    events += moves
    events += [
        oe.ExecutionFlagged(
            order=order.order,
            execution=command.execution,
            case=order.case,
            unit=order.unit,
            reason=reason,
        )
        for reason in _oddities(order, command, own)
    ]
    if not order.outcome and abs(filled) >= abs(order.lots):
        events.append(_closed(state, order, "done", filled))
    events += _protection_done(state, order, own)
    return events


def _own_lots(state: State, order: WorkingOrder, lots: int) -> int:
    """Return the signed lots that are booked on the unit of an order.

    The backstop's orders are its own whole; of anybody else's, what still shrinks the position.
    """
    if order.unit == state.backstop:
        return lots
    if state.book.unit_view(order.unit).status is UnitStatus.CLOSED:
        return 0
    held = state.book.lots(order.unit, order.instrument, Leg(order.leg))
    if held * lots >= 0:
        return 0
    return lots if abs(lots) <= abs(held) else -held


def _moves(
    state: State, order: WorkingOrder, command: c.ReportExecution, own: int
) -> Iterator[e.Filled | e.Transferred]:
    """Yield the fill of the unit with the fund's share of its fee, then that of the backstop."""
    rest, row = command.lots - own, order.instrument
    fee = _fee(state, order, command, own)
    if own:
        yield e.Filled(
            unit=order.unit,
            counterparty=state.liquidity,
            instrument=row,
            lots=own,
            value=state.value(row, own, command.ticks),
            leg=order.leg,
            fee=fee,
            ticks=command.ticks,
            reason=order.reason,
            case=order.case if _is_open(state, order) else 0,
        )
        if order.reason == "reduce":
            yield from share_of_fund(state, row, fee, order.case if _is_open(state, order) else 0)
    if rest:
        yield e.Filled(
            unit=state.backstop,
            counterparty=state.liquidity,
            instrument=row,
            lots=rest,
            value=state.value(row, rest, command.ticks),
            fee=0 if command.fee is None else command.fee - (fee if own else 0),
            ticks=command.ticks,
            reason="late",
        )


def _is_open(state: State, order: WorkingOrder) -> bool:
    """Whether the liquidation that an order was sent in goes on."""
    case = state.cases.get(order.unit)
    return case is not None and case.case == order.case


def _fee(state: State, order: WorkingOrder, command: c.ReportExecution, own: int) -> int:
    """Return the quanta the unit pays: its share of the fee reported, else by the rulebook."""
    if command.fee is not None:
        return mul_div(command.fee, abs(own), abs(command.lots), Rounding.CEILING)
    if not own or order.unit == state.backstop:
        return 0
    if order.reason == "reduce":
        report = state.report(order.unit)
        symbol = state.universe.symbols[order.instrument]
        held = next(
            p
            for p in report.positions
            if (p.position.instrument, int(p.position.leg)) == (symbol, order.leg)
        )
        return clearance_fee(state, report, held, Execution(lots=own, ticks=command.ticks))
    value = state.value(order.instrument, own, command.ticks)
    return int((abs(value) * state.rules.taker_fee).to_integral_value(ROUND_CEILING))


def _require_carried(state: State, moves: Iterable[e.Filled | e.Transferred]) -> None:
    """Refuse what the columns cannot hold; raises `OutOfScale`."""
    trial = Trial(state)
    for move in moves:
        if isinstance(move, e.Transferred):
            continue
        settle, row = state.settle_of(move.instrument), move.instrument
        sides = (
            (move.unit, PositionView(row, Leg(move.leg), move.lots, move.value, 0), move.fee),
            (move.counterparty, PositionView(row, Leg.NET, -move.lots, -move.value, 0), 0),
        )
        for unit, fill, fee in sides:
            trial.views[unit] = after_fill(trial.view(unit), settle, fill, fee)
        trial.views[state.fees] = after_payment(trial.view(state.fees), settle, move.fee)
    for view in trial.views.values():
        require_carried(state, view)


def _oddities(order: WorkingOrder, command: c.ReportExecution, own: int) -> Iterator[str]:
    """Yield in which ways an execution is not what was ordered."""
    if abs(order.filled + command.lots) > abs(order.lots):
        yield "beyond_lots"
    limit = order.limit_ticks
    if limit is not None and (command.ticks - limit) * (1 if order.lots > 0 else -1) > 0:
        yield "worse_than_limit"
    if order.outcome:
        yield "after_close"
    if own != command.lots:
        yield "more_than_held"


def _closed(
    state: State, order: WorkingOrder, outcome: str, filled: int, reason: str = ""
) -> oe.OrderClosed:
    return oe.OrderClosed(
        order=order.order,
        case=order.case,
        unit=order.unit,
        outcome=outcome,
        filled=filled,
        time_ms=state.time_ms,
        reason=reason,
    )


def _protection_done(state: State, order: WorkingOrder, own: int) -> Events:
    """Return the end of a protection that has done its work with a fill.

    A stop, when nothing of what it closes is left; an automatic de-leverage, once it has moved
    something.
    """
    number = order.protection
    if number is None or not own:
        return []
    protection = state.protections[order.unit][number]
    chosen = protection.instrument if protection.kind in PRICE_KINDS else -1
    left = sum(
        abs(held.lots)
        for held in state.book.unit_view(order.unit).positions
        if chosen in {-1, held.instrument}
    )
    if protection.kind != "deleverage" and left > abs(own):
        return []
    return [e.ProtectionRemoved(unit=order.unit, protection=number, fired=True)]
