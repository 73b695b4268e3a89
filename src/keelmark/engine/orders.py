"""Reserved orders as `core` reads them: added up by instrument and side.

Orders that can only close are left out: they take no margin.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from keelmark.book.universe import Universe
from keelmark.core.numbers import ZERO
from keelmark.core.unit import OpenOrders
from keelmark.engine.entries import Order


def open_orders(universe: Universe, orders: Iterable[Order]) -> tuple[OpenOrders, ...]:
    """Return the orders of a unit by instrument, in the order of rows."""
    by_instrument: defaultdict[int, list[Order]] = defaultdict(list)
    for order in orders:
        if order.reserves:
            by_instrument[order.instrument].append(order)
    return tuple(_orders_in(universe, row, held) for row, held in sorted(by_instrument.items()))


def _orders_in(universe: Universe, row: int, orders: list[Order]) -> OpenOrders:
    instrument = universe.instrument(row)
    buys = [(o.lots * instrument.lot, o.ticks) for o in orders if o.lots > 0]
    sells = [(-o.lots * instrument.lot, o.ticks) for o in orders if o.lots < 0]
    unit = instrument.price_unit
    leverages = [o.leverage for o in orders if o.leverage]
    return OpenOrders(
        instrument=instrument.symbol,
        buy_size=sum((size for size, _ in buys), ZERO),
        sell_size=sum((size for size, _ in sells), ZERO),
        buy_value=sum((instrument.value(s, t * unit) for s, t in buys), ZERO),
        sell_value=sum((instrument.value(s, t * unit) for s, t in sells), ZERO),
        leverage=Decimal(min(leverages)) / 100 if leverages else None,
        hedged=any(o.leg for o in orders),
    )
