"""How what open orders add to a requirement came about: one working an instrument.

Source: docs/model.md, "Initial margin".
"""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.core.codes import Leg
from keelmark.core.margin import PositionMargin
from keelmark.core.model import InstrumentTerms, MarginPrice
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.order_margin import OrderMargin
from keelmark.core.working import Working

Inputs = tuple[tuple[str, Decimal], ...]


def order_working(
    found: OrderMargin,
    positions: Sequence[PositionMargin],
    terms: InstrumentTerms,
    *,
    initial: bool,
) -> Working:
    """Return how what the orders of one instrument add to a requirement came about.

    Args:
        found: What they add.
        positions: Every position of the unit.
        terms: Of the instrument.
        initial: Whether to the initial requirement, else to maintenance.
    """
    symbol = found.orders.instrument
    held = [p for p in positions if p.position.instrument == symbol]
    word = "initial" if initial else "maintenance"
    value = found.initial if initial else found.maintenance
    if terms.option is not None:
        inputs, formula = _sides(found, held), "sells that open a short, and the premium of buys"
        note = ""
    else:
        inputs, formula, note = _worst_case(found, held, terms, initial=initial)
    return Working(
        name=f"orders:{symbol}.{word}",
        value=value,
        unit=found.settle,
        formula=formula,
        inputs=inputs,
        source=terms.source,
        note=note,
    )


def _worst_case(
    found: OrderMargin, held: list[PositionMargin], terms: InstrumentTerms, *, initial: bool
) -> tuple[Inputs, str, str]:
    """Return inputs, formula and note: requirement of the worst case less the position's own."""
    with exact():
        own = sum(((p.initial if initial else p.maintenance).amount for p in held), ZERO)
        added = found.initial if initial else found.maintenance
        rate = (added + own) / found.notional if added and found.notional else None
    size_formula, note = _side(found, held)
    price = "order prices" if terms.margin_price is MarginPrice.ENTRY else terms.margin_price.value
    inputs = (*_sides(found, held), ("worst size", found.exposure), ("notional", found.notional))
    of_position = ("position's own", own)
    where = f"worst size = {size_formula}; notional at the {price}"
    if rate is None:
        text = "the position asks as much alone: orders add nothing"
        return (*inputs, of_position), "max(0, requirement of notional - position's own)", text
    leverage = found.orders.leverage or next((p.position.leverage for p in held), None)
    with exact():
        is_leverage = initial and leverage is not None and rate * leverage == ONE
    if is_leverage and leverage is not None:
        factor, formula = ("leverage", leverage), "notional / leverage - position's own"
    else:
        factor, formula = ("rate", rate), "notional * rate - position's own"
        if initial and leverage is None:
            note += "; no leverage is set: the venue's own rate counts"
        elif initial:
            note += "; the venue's own rate counts, not the leverage set"
    return (*inputs, factor, of_position), formula, f"{where}; {note}"


def _sides(found: OrderMargin, held: list[PositionMargin]) -> Inputs:
    size = sum((p.position.size for p in held), ZERO)
    return (
        ("position", size),
        ("buys", found.orders.buy_size),
        ("sells", found.orders.sell_size),
    )


def _side(found: OrderMargin, held: list[PositionMargin]) -> tuple[str, str]:
    """Return how the worst size came about, and which side of the orders it is."""
    orders = found.orders
    if orders.hedged or any(p.position.leg is not Leg.NET for p in held):
        return "both legs + buys + sells", "both sides count: each opens its own leg"
    with exact():
        size = sum((p.position.size for p in held), ZERO)
        bought, sold = abs(size + orders.buy_size), abs(size - orders.sell_size)
    formula = "max(|position|, |position + buys|, |position - sells|)"
    if found.exposure == bought == sold:
        return formula, "both sides end at the same size: one of them counts"
    if found.exposure == bought:
        return formula, "the buys count"
    return formula, "the sells count" if found.exposure == sold else "neither side counts"
