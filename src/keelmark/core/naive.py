"""The liquidation price of a position as if no other needed margin: what it is compared with.

Calculators for one position solve `equity = its own maintenance` on the row of the present
notional. In a cross unit the others' maintenance has to be kept as well, so the true price is
nearer. Shown beside the true price, never used for a decision.

Source: docs/model.md, "Liquidation price".
"""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.core.errors import UnknownInstrument, nearest
from keelmark.core.margin import MarginReport, PositionMargin
from keelmark.core.numbers import ONE, ZERO, exact


def naive_price(
    report: MarginReport, symbol: str, legs: Sequence[PositionMargin] = ()
) -> Decimal | None:
    """Return the price at which the unit's equity is the maintenance of `symbol` alone.

    With `u` the value of one unit of size (rising with the price), `E` equity over the price of
    the settle asset, `S` the signed size, `A` the requirement per `abs(u)` and `D` the deduction:
    `E + S (u - u0) = A abs(u) - D`.

    Args:
        report: The unit's margin; equity is taken to change with the profit one for one.
        symbol: Held instrument, all its legs together.
        legs: Those legs, where they are at hand.

    Returns:
        Quote per base, unrounded; `None` where no positive price solves it.

    Raises:
        UnknownInstrument: The unit does not hold `symbol`.
    """
    held = legs or [p for p in report.positions if p.position.instrument == symbol]
    if not held:
        known = {p.position.instrument for p in report.positions}
        msg = f"unit {report.unit.unit_id} holds no {symbol}; {nearest(symbol, known)}"
        raise UnknownInstrument(msg)
    with exact():
        instrument = held[0].terms.instrument
        now = instrument.value_per_size(held[0].mark_price)
        price = next(a.price for a in report.assets if a.asset == held[0].settle)
        size = rising = fixed = ZERO
        for p in held:
            size += p.position.size
            rising += p.notional * p.maintenance.rate + p.close_fee
            fixed += p.maintenance.deduction
        slope = size - rising / now  # abs(u) = u * sign(now)
        if slope * size <= ZERO or price == ZERO:
            return None
        return instrument.price_at((size * now - report.equity / price - fixed) / slope)


def distance_of(price: Decimal | None, mark: Decimal) -> Decimal | None:
    """Return a price over the mark, less one."""
    if price is None:
        return None
    with exact():
        return price / mark - ONE
