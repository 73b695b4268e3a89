"""What the open orders of a unit add to its requirements: the worst case of both sides.

Source: docs/model.md, "Initial margin".
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from keelmark.core.codes import Leg
from keelmark.core.excess import margin_price_of
from keelmark.core.filled import filled_notional
from keelmark.core.market import Market
from keelmark.core.model import InstrumentTerms, MarginModel, MarginPrice, PositionFacts
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.option_margin import option_facts, option_terms, order_initial
from keelmark.core.unit import OpenOrders, Position

if TYPE_CHECKING:
    from keelmark.core.margin import PositionMargin


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMargin:
    """What the open orders of one instrument add, settle asset: worst case of both sides.

    Attributes:
        orders: The orders.
        settle: What they settle in.
        exposure: Unsigned size of the worst case, positions included.
        notional: Its notional at the margin price.
        initial: What it adds to the initial requirement.
        maintenance: What it adds to the maintenance requirement.
        loss: What the orders lose at once if filled.
    """

    orders: OpenOrders
    settle: str
    exposure: Decimal
    notional: Decimal
    initial: Decimal
    maintenance: Decimal
    loss: Decimal


def order_margin(
    orders: OpenOrders,
    positions: "tuple[PositionMargin, ...]",
    market: Market,
    model: MarginModel,
) -> OrderMargin:
    """Return the requirement of the worst case of both sides, less the positions' own.

    One-way: the larger of `|q + buys|` and `|q - sells|`. Hedge mode: buys can fill the long leg
    and sells the short leg together, so both are added. Orders that can only close are not among
    them.
    """
    terms = model.instrument(orders.instrument)
    held = [p for p in positions if p.position.instrument == orders.instrument]
    if terms.option is not None:
        return _option_orders(orders, held, terms, market)
    hedged = orders.hedged or any(p.position.leg is not Leg.NET for p in held)
    size = sum((p.position.size for p in held), ZERO)
    if hedged:
        gross = sum((abs(p.position.size) for p in held), ZERO)
        exposure = gross + orders.buy_size + orders.sell_size
    else:
        exposure = max(abs(size + orders.buy_size), abs(size - orders.sell_size), abs(size))
    per_size = abs(terms.instrument.value_per_size(margin_price_of(terms, market)))
    notional = exposure * per_size
    if terms.margin_price is MarginPrice.ENTRY:
        notional = filled_notional([p.position for p in held], orders, exposure, per_size)
    facts = PositionFacts(
        symbol=orders.instrument,
        size=exposure,
        notional=notional,
        leverage=orders.leverage or next((p.position.leverage for p in held), None),
        open_interest=market.open_interest.get(orders.instrument),
        rule=terms.maintenance,
    )
    own_initial = sum((p.initial.amount for p in held), ZERO)
    own_maintenance = sum((p.maintenance.amount for p in held), ZERO)
    whole = terms.maintenance.requirement(exposure, notional).amount
    return OrderMargin(
        orders=orders,
        settle=terms.instrument.settle,
        exposure=exposure,
        notional=notional,
        initial=max(ZERO, terms.initial.requirement(facts).amount - own_initial),
        maintenance=max(ZERO, whole - own_maintenance) if model.orders_in_maintenance else ZERO,
        loss=_order_loss(orders, terms, market),
    )


def _option_orders(
    orders: OpenOrders,
    held: "list[PositionMargin]",
    terms: InstrumentTerms,
    market: Market,
) -> OrderMargin:
    """Return what unfilled orders in an option add; maintenance is the venue's on fills alone."""
    size = sum((p.position.size for p in held), ZERO)
    own = sum((p.initial.amount for p in held), ZERO)
    cost = sum((p.position.cost for p in held), ZERO)
    stand_in = Position(instrument=orders.instrument, size=size or ONE, cost=cost)
    facts = replace(option_facts(stand_in, terms, market), size=size)
    return OrderMargin(
        orders=orders,
        settle=terms.instrument.settle,
        exposure=max(abs(size + orders.buy_size), abs(size - orders.sell_size), abs(size)),
        notional=abs(facts.value),
        initial=order_initial(orders, own, facts, option_terms(terms)),
        maintenance=ZERO,
        loss=ZERO,
    )


def _order_loss(orders: OpenOrders, terms: InstrumentTerms, market: Market) -> Decimal:
    """Return what the orders lose at once if filled: buys above the mark, sells below it."""
    per_size = terms.instrument.value_per_size(market.mark(orders.instrument))
    buys = max(ZERO, orders.buy_value - per_size * orders.buy_size) if orders.buy_value else ZERO
    sells = (
        max(ZERO, per_size * orders.sell_size - orders.sell_value) if orders.sell_value else ZERO
    )
    return max(buys, sells)
