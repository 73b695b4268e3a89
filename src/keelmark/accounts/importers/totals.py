"""Whether the positions listed can be all of them: what the venue holds for the whole tells."""

from decimal import Decimal

from keelmark.accounts.importers.draft import Draft, PositionDraft
from keelmark.accounts.importers.listed import terms_of
from keelmark.accounts.importers.own_rows import fee_to_close
from keelmark.core.errors import KeelmarkError
from keelmark.core.numbers import ONE, ZERO, exact

_FAR = Decimal("1.5")
"""How many times what is listed needs the venue may hold: marks and fees differ by far less."""


def is_far_beyond(told: Decimal, known: Decimal) -> bool:
    """Whether a venue's requirement is more than what is listed can need."""
    return told > max(known * _FAR, ONE)


def most_asked(position: PositionDraft, draft: Draft, venue: str) -> Decimal | None:
    """Return the most a position is asked as maintenance, in its settle asset.

    It is the venue's own figure, or that of the row and the fee that are known; where no row is
    known it is the whole notional. `None` where nothing bounds it.
    """
    asked = position.reported.get("maintenance_margin")
    if asked:
        return asked
    terms, mark = terms_of(position, draft, venue), position.mark_price
    if terms is None or terms.option is not None or mark is None:
        return None
    with exact():
        notional = abs(terms.instrument.value(position.size, mark))
        fee = fee_to_close(position, terms, notional)
        rate = position.tier.get("maintenance_rate")
        if fee is None:
            return notional
        if isinstance(rate, str):
            return notional * Decimal(rate) + fee
        try:
            return (terms.maintenance.amount(position.size, notional) or notional) + fee
        except KeelmarkError:
            return notional


def in_dollars(amounts: dict[str, Decimal], draft: Draft) -> Decimal | None:
    """Return amounts of assets in dollars; `None` where one has no price."""
    whole = ZERO
    with exact():
        for asset, amount in amounts.items():
            price = draft.prices.get(asset, ONE if asset in {"USDT", "USDC"} else None)
            if price is None and amount:
                return None
            whole += amount * (price or ZERO)
    return whole
