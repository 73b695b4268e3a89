"""What units would look like after fills or payments: plain values, nothing is posted.

The arithmetic is the definition of the posting kernel, in Python integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keelmark.book.views import PositionView, UnitView
from keelmark.core.codes import Leg
from keelmark.core.numbers import Rounding, mul_div
from keelmark.engine.entries import Order
from keelmark.engine.state import State


@dataclass(slots=True)
class Trial:
    """A state as it would be after some fills: what they changed, over what there is.

    Attributes:
        state: The state; nobody writes it.
        views: Units that would be others.
        orders: Reservations of units that would be others.
    """

    state: State
    views: dict[int, UnitView] = field(default_factory=dict)
    orders: dict[int, dict[int, Order]] = field(default_factory=dict)

    def view(self, unit: int) -> UnitView:
        """Return a unit as it would be; raises `UnknownUnit`."""
        changed = self.views.get(unit)
        return self.state.book.unit_view(unit) if changed is None else changed

    def orders_of(self, unit: int) -> Mapping[int, Order]:
        """Return the reservations of a unit as they would be."""
        return self.orders.get(unit, self.state.orders.get(unit, {}))

    def shrink(self, unit: int, number: int, lots: int) -> int:
        """Take lots off a reservation; return its signed rest."""
        orders = dict(self.orders_of(unit))
        order = orders.pop(number)
        rest = order.lots - lots
        if rest:
            orders[number] = replace(order, lots=rest)
        self.orders[unit] = orders
        return rest


def after_payment(view: UnitView, asset: int, quanta: int) -> UnitView:
    """Return the unit after receiving quanta (negative: paying)."""
    balances = {**view.balances, asset: view.balances.get(asset, 0) + quanta}
    return replace(view, balances=balances)


def after_fill(view: UnitView, settle: int, fill: PositionView, fee: int) -> UnitView:
    """Return the unit after a fill.

    Args:
        view: The unit.
        settle: Settle asset of the instrument.
        fill: Lots gained and their value as `cost`; its leg, and the leverage it sets (0: none).
        fee: Quanta paid.
    """
    key = (fill.instrument, fill.leg)
    held = next((p for p in view.positions if (p.instrument, p.leg) == key), None)
    others = tuple(p for p in view.positions if p is not held)
    if held is None:
        return after_payment(replace(view, positions=(*others, fill)), settle, -fee)
    lots, cost, cash = _merged(held.lots, held.cost, fill.lots, fill.cost)
    leverage = fill.leverage or held.leverage
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
