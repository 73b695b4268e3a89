"""How the backstop gets rid of what it took: a share at each interval, and its own ADL trigger."""

from decimal import ROUND_CEILING

import numpy as np

from keelmark.core.numbers import exact
from keelmark.engine import events as e
from keelmark.engine.adl.policies import DELEVERAGE
from keelmark.engine.execution import LiquidationOrder
from keelmark.engine.liquidation.desk import Desk, Offer
from keelmark.engine.liquidation.resolve import cancel_victims_orders
from keelmark.engine.liquidation.shares import split_value


def dispose(desk: Desk) -> None:
    """Offer a share of every position of the backstop to the market, without a limit."""
    state = desk.state
    share = state.rules.takeover.dispose_share
    for held in state.book.unit_view(state.backstop).positions:
        if state.is_paused(held.instrument) or state.is_untrusted_instrument(held.instrument):
            continue
        with exact():
            lots = int((abs(held.lots) * share).to_integral_value(ROUND_CEILING))
        lots = min(lots, state.free_lots(state.backstop, held.instrument, held.leg))
        if lots == 0:
            continue
        order = LiquidationOrder(
            instrument=held.instrument,
            lots=-lots if held.lots > 0 else lots,
            mark_ticks=state.ticks(held.instrument),
            limit_ticks=None,
            time_ms=state.time_ms,
        )
        offer = Offer(unit=state.backstop, leg=int(held.leg), reason="disposal")
        done = desk.sell(order, offer)
        if done.lots:
            desk.emit(
                e.Filled(
                    unit=state.backstop,
                    counterparty=state.liquidity,
                    instrument=held.instrument,
                    lots=done.lots,
                    value=state.value(held.instrument, done.lots, done.ticks),
                    leg=int(held.leg),
                    ticks=done.ticks,
                    reason="disposal",
                ),
            )


def deleverage_backstop(desk: Desk) -> None:
    """Close the backstop's positions against winners at the mark: its equity is used up.

    What orders work for outside is left to them.
    """
    state = desk.state
    for held in state.book.unit_view(state.backstop).positions:
        if state.is_paused(held.instrument) or state.is_untrusted_instrument(held.instrument):
            continue
        free = state.free_lots(state.backstop, held.instrument, held.leg)
        if not free:
            continue
        side = -1 if held.lots > 0 else 1
        sided = desk.candidates(held.instrument, side, 0.0, free)
        lots = DELEVERAGE[state.rules.deleverage](free, sided.candidates)
        chosen = np.flatnonzero(lots)
        if not len(chosen):
            continue
        closed = [int(n) for n in lots[chosen]]
        sign = -1 if held.lots > 0 else 1
        value = state.value(held.instrument, sign * sum(closed), state.ticks(held.instrument))
        victims = sided.candidates.unit[chosen].tolist()
        cancel_victims_orders(desk, 0, victims, held.instrument)
        desk.emit(
            e.Deleveraged(
                case=0,
                unit=state.backstop,
                instrument=held.instrument,
                leg=int(held.leg),
                victims=tuple(victims),
                victim_legs=tuple(sided.legs[chosen].tolist()),
                lots=tuple(sign * n for n in closed),
                values=tuple(split_value(value, closed)),
            ),
        )
