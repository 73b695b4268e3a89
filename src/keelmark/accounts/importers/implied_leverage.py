"""The leverage of a position from what the venue asks for it: notional over initial margin."""

from decimal import Decimal

from keelmark.accounts.agreement import agrees
from keelmark.accounts.importers.draft import divided
from keelmark.core.numbers import exact


def implied_leverage(notional: Decimal | None, initial_margin: Decimal | None) -> Decimal | None:
    """Return the one whole leverage that gives an initial margin to its printed digits.

    `None` where none does, or the margin has too few digits to tell it from the next.
    """
    if not notional or not initial_margin or initial_margin < 0:
        return None
    nearest = divided(abs(notional), initial_margin).to_integral_value()
    fitting = [n for n in (nearest - 1, nearest, nearest + 1) if _asks(notional, n, initial_margin)]
    return fitting[0] if fitting == [nearest] else None


def _asks(notional: Decimal, leverage: Decimal, initial_margin: Decimal) -> bool:
    if leverage < 1:
        return False
    with exact():
        return agrees(initial_margin, abs(notional) / leverage)
