"""What a unit would look like after a fill or a payment: plain values, nothing is posted.

The arithmetic is the definition of the posting kernel, in Python integers.
"""

from dataclasses import replace

from keelmark.book.views import PositionView, UnitView
from keelmark.core.codes import Leg
from keelmark.core.numbers import Rounding, mul_div


def after_payment(view: UnitView, asset: int, quanta: int) -> UnitView:
    """Return the unit after receiving quanta (negative: paying)."""
    balances = {**view.balances, asset: view.balances.get(asset, 0) + quanta}
    return replace(view, balances=balances)


def after_fill(view: UnitView, settle: int, fill: PositionView, fee: int) -> UnitView:
    """Return the unit after a fill.

    Args:
        view: The unit.
        settle: Settle asset of the instrument.
        fill: Lots gained and their value as `cost`; leg and leverage as the fill states them.
        fee: Quanta paid.
    """
    key = (fill.instrument, fill.leg)
    held = next((p for p in view.positions if (p.instrument, p.leg) == key), None)
    others = tuple(p for p in view.positions if p is not held)
    if held is None:
        return after_payment(replace(view, positions=(*others, fill)), settle, -fee)
    lots, cost, cash = _merged(held.lots, held.cost, fill.lots, fill.cost)
    leverage = held.leverage if lots * held.lots > 0 else fill.leverage
    merged = PositionView(held.instrument, Leg(held.leg), lots, cost, leverage)
    positions = (*others, merged) if lots else others
    return after_payment(replace(view, positions=positions), settle, cash - fee)


def _merged(held: int, cost: int, lots: int, value: int) -> tuple[int, int, int]:
    """Return (lots, cost, cash received) after a fill on a position."""
    if held * lots > 0:
        return held + lots, cost + value, 0
    if abs(lots) <= abs(held):
        released = cost
        if abs(lots) < abs(held):
            released = mul_div(cost, abs(lots), abs(held), Rounding.CEILING)
        return held + lots, cost - released, -value - released
    closing = mul_div(value, abs(held), abs(lots), Rounding.CEILING)
    return held + lots, value - closing, -closing - cost
