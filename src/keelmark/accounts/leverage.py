"""A leverage set above what the venue allows: the account is a fact, so it is said, not refused."""

from collections.abc import Iterable, Iterator
from decimal import Context, Decimal

from keelmark.core.errors import MissingNumber
from keelmark.core.excess import value_and_notional
from keelmark.core.margin import position_facts
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, exact
from keelmark.core.unit import MarginUnit, Position

_SHOWN = Context(prec=6)


def leverage_notes(
    units: Iterable[MarginUnit], market: Market, model: MarginModel
) -> Iterator[str]:
    """Say of each position that is charged more than its leverage asks what it is charged.

    Price moves carry notionals into rows that allow less, and rates rise with open interest.
    """
    with exact():
        held = [p for unit in units for p in unit.positions if p.leverage is not None]
        taken = [(p, _taken(p, market, model)) for p in held]
    for position, leverage in taken:
        if leverage is not None and position.leverage is not None and leverage < position.leverage:
            yield (
                f"leverage {position.leverage:f} of {position.instrument} is more than its row "
                f"allows: initial margin is taken at {leverage:f}x"
            )


def _taken(position: Position, market: Market, model: MarginModel) -> Decimal | None:
    """Return the leverage that the initial margin of a position comes to, six digits."""
    try:
        terms = model.instrument(position.instrument)
        _, notional = value_and_notional(position, terms, market)
        facts = position_facts(position, terms, notional, market)
        rate = terms.initial.requirement(facts).rate
    except MissingNumber:
        return None
    return _SHOWN.divide(ONE, rate).normalize(_SHOWN) if rate else None
