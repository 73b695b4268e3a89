"""Notionals at what was paid, where requirements are taken on entry prices.

Source: Bybit, "Initial Margin" and "Maintenance Margin" before the new margin calculation: the
position's value is size times average entry price, an order's is size times order price.
"""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.core.instrument import Instrument
from keelmark.core.numbers import ZERO
from keelmark.core.unit import OpenOrders, Position


def price_paid(position: Position, instrument: Instrument) -> Decimal:
    """Return the average entry price; zero for what cost nothing."""
    return instrument.price_at(position.cost / position.size) or ZERO


def filled_notional(
    held: Sequence[Position],
    orders: OpenOrders,
    exposure: Decimal,
    per_size: Decimal,
) -> Decimal:
    """Return the notional of the worst case of open orders, each part at what it costs.

    Args:
        held: Positions in the instrument.
        orders: Its open orders.
        exposure: Unsigned size of the worst case.
        per_size: Unsigned value of one unit of size at the mark, for orders without a value.
    """
    own = sum((abs(p.size) for p in held), ZERO)
    paid = sum((abs(p.cost) for p in held), ZERO)
    buys = _value(orders.buy_value, orders.buy_size, per_size)
    sells = _value(orders.sell_value, orders.sell_size, per_size)
    if orders.hedged or len(held) > 1:
        return paid + buys + sells
    size = sum((p.size for p in held), ZERO)
    if exposure == own:
        return paid
    filled, worth = (
        (orders.buy_size, buys)
        if exposure == abs(size + orders.buy_size)
        else (orders.sell_size, sells)
    )
    if exposure > filled:
        return paid + worth
    return worth * exposure / filled


def _value(value: Decimal, size: Decimal, per_size: Decimal) -> Decimal:
    """Return the unsigned value of one side at its order prices."""
    return abs(value) or size * per_size
