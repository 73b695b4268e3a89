"""The maintenance rate in effect, from what the venue asks for a position: no table is needed."""

from decimal import Decimal

from keelmark.accounts.agreement import agrees
from keelmark.accounts.importers.draft import Draft, PositionDraft, divided, plain
from keelmark.accounts.importers.listed import listed_terms, terms_of
from keelmark.core.errors import KeelmarkError
from keelmark.core.excess import close_fee_amount
from keelmark.core.model import CloseFeeBasis, InstrumentTerms
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.unit import Position

_GRAINS = (Decimal("0.0001"), Decimal("0.00001"), Decimal("0.000001"))
"""Venues print rates in whole units of one of these."""


def has_table(terms: InstrumentTerms | None, size: Decimal, notional: Decimal) -> bool:
    """Whether built-in terms know what is asked for a position of this size."""
    try:
        return terms is not None and bool(terms.maintenance.requirement(size, notional))
    except KeelmarkError:
        return False


def note_rate(
    position: PositionDraft, draft: Draft, *, notional: Decimal, table: str, venue: str
) -> None:
    """Note the rate of a requirement without fees, where no table is built in."""
    asked = position.reported.get("maintenance_margin")
    known = has_table(listed_terms(draft, position.instrument, venue), position.size, notional)
    if known or position.tier or not asked or not notional:
        return
    rate = _round_rate(asked, ZERO, notional) or divided(asked, notional)
    _set(position, draft, rate, f"{table} has the table")


def note_rate_beside_fee(
    position: PositionDraft, draft: Draft, *, notional: Decimal, table: str, venue: str
) -> None:
    """Note the rate of a requirement that holds the fee to close, where no table is built in.

    A requirement less the fee that comes to no round rate, or whose digits fit several, holds a
    deduction or another fee, or does not tell: it would not be the row, so none is noted.

    Args:
        position: With the venue's own requirement.
        draft: Where it is noted.
        notional: At the mark, in the settle asset: coin of inverse contracts.
        table: The answer that has the venue's table.
        venue: Rulebook with the fee.
    """
    asked = position.reported.get("maintenance_margin")
    terms = terms_of(position, draft, venue)
    known = has_table(terms, position.size, notional)
    if terms is None or known or position.tier or not asked or not notional:
        return
    fee = fee_to_close(position, terms, notional)
    rate = None if fee is None else _round_rate(asked, fee, notional)
    if rate is None:
        draft.say(
            f"positionMM of {draft.name_of(position)} less the fee to close is no one round rate "
            "of its value, so the venue's row cannot be told from it"
        )
        return
    _set(position, draft, rate, f"the fee to close is taken out of it; {table} has the table")


def _set(position: PositionDraft, draft: Draft, rate: Decimal, more: str) -> None:
    position.tier = {"maintenance_rate": plain(rate)}
    draft.say(
        f"{draft.name_of(position)} is margined at {plain(rate * 100)} %, worked out from what the "
        f"venue asks for it now, at every price; {more}"
    )


def _round_rate(asked: Decimal, fee: Decimal, notional: Decimal) -> Decimal | None:
    """Return the one round rate that, with a fee, gives a requirement to its printed digits."""
    for grain in _GRAINS:
        with exact():
            steps = ((asked - fee) / notional / grain).to_integral_value()
            near = [grain * (steps + step) for step in (-1, 0, 1)]
            fitting = [rate for rate in near if agrees(asked, rate * notional + fee)]
            if fitting == [near[1]] and ZERO < near[1] <= ONE:
                return near[1].normalize()
    return None


def fee_to_close(
    position: PositionDraft, terms: InstrumentTerms, notional: Decimal
) -> Decimal | None:
    """Return the fee to close that the rulebook has inside maintenance."""
    entry, leverage = position.entry_price, position.figures.get("leverage")
    if terms.close_fee is None:
        return ZERO
    if entry is None or (leverage is None and terms.close_fee.basis is CloseFeeBasis.BANKRUPTCY):
        return None
    held = Position(
        instrument=position.instrument,
        size=position.size,
        cost=terms.instrument.value(position.size, entry),
        leverage=leverage,
    )
    with exact():
        return close_fee_amount(terms.close_fee, held, notional)
