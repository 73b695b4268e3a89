"""The reduce stage where orders are executed outside: a round goes out order by order.

A round is the plan of the rulebook's policies, as in the built-in market. Its orders go out one
after the other, each priced when it is sent, on what those before it have left: together they
cannot cost more than the policy allows. Nothing is decided about the unit while one is out whose
time is not up. When the last is closed or timed out, the round counts as an attempt.
"""

from keelmark.core.codes import Leg
from keelmark.engine import order_events as oe
from keelmark.engine.entries import Case, Round
from keelmark.engine.liquidation.desk import Desk, Offer
from keelmark.engine.liquidation.reduce import (
    Attempt,
    Legs,
    Progress,
    after_round,
    has_price,
    order_of,
    planned,
    reducible_legs,
    window_lots,
)
from keelmark.engine.reduce.legs import Close
from keelmark.engine.state import State


def reduce_outside(desk: Desk, case: Case) -> Progress:
    """Go on with the round of a unit, or begin another; answers as `reduce_in_market`."""
    state, attempts = desk.state, case.attempts
    if state.working.awaits(case.unit):
        return Progress.WAITING
    current = case.round
    while True:
        if current is None:
            if attempts >= state.rules.reduce.attempts:
                return Progress.DONE
            current = _begun(desk, case, attempts)
        is_limited = _send_next(desk, case, current)
        if is_limited is None:
            return Progress.WAITING
        done = Attempt(
            cooldown_s=current.cooldown_s, is_filled=current.is_filled, is_limited=is_limited
        )
        progress = after_round(desk, case, attempts, done)
        if progress is not None:
            return progress
        current, attempts = None, attempts + 1


def _begun(desk: Desk, case: Case, attempts: int) -> Round:
    """Plan a round for the lots that no order works for any more, and write it down."""
    state = desk.state
    legs = reducible_legs(state, state.report(case.unit))
    plan = planned(state, case, {key: leg for key, leg in legs.items() if _free(state, case, *key)})
    closes = tuple(
        oe.CloseRow(
            instrument=state.universe.instrument_row(close.instrument),
            leg=close.leg,
            lots=close.lots,
        )
        for close in plan.closes
    )
    desk.emit(
        oe.RoundPlanned(
            case=case.case,
            unit=case.unit,
            attempts=attempts,
            closes=closes,
            cooldown_s=plan.cooldown_seconds,
        ),
    )
    return case.round or Round(closes=closes)  # the event has set it


def _send_next(desk: Desk, case: Case, current: Round) -> bool | None:
    """Send the next order of a round: `None`, or whether the notional limit left none to send."""
    state = desk.state
    legs: Legs = reducible_legs(state, state.report(case.unit))
    is_limited = current.is_limited
    for row in current.closes:
        symbol = state.universe.symbols[row.instrument]
        leg, free = legs.get((symbol, row.leg)), _free(state, case, symbol, row.leg)
        if leg is None or not free:  # paused or closed since, or all of it is out already
            continue
        close = Close(instrument=symbol, leg=row.leg, lots=min(row.lots, free))
        room = window_lots(state, leg)
        if room == 0:
            is_limited |= has_price(state, case, close)
            continue
        order = order_of(state, case, close, min(close.lots, room))
        if order is not None:
            offer = Offer(
                unit=case.unit,
                leg=row.leg,
                reason="reduce",
                case=case.case,
                is_cut=room < close.lots,
                is_limited=is_limited,
            )
            desk.sell(order, offer)
            return None
    return is_limited


def _free(state: State, case: Case, symbol: str, leg: int) -> int:
    return state.free_lots(case.unit, state.universe.instrument_row(symbol), Leg(leg))
