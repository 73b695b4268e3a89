"""Hypotheses about how a figure is printed, not about what it is."""

from collections.abc import Iterator
from decimal import Decimal

from keelmark.accounts.mismatch.values import Question, Trial
from keelmark.core.numbers import ONE, ZERO, exact

DIGITS_MIN = 3
"""Digits below which a round figure says nothing about its rounding."""

FLOAT_SHARE = Decimal("1e-9")
"""Relative difference that binary floating point leaves in a venue's arithmetic."""

ENTRY_DIGITS = 5
"""Digits that venues show of an entry price, at least."""

PERCENT = Decimal(100)


def printed(question: Question) -> Iterator[Trial]:
    """Fewer digits than are shown, per cent for a fraction, a ratio upside down, another sign."""
    ours, theirs = question.computed, question.reported
    if ours is None or not ours or not theirs:
        return
    with exact():
        yield from _rounded(question, ours, theirs)
        if question.name in {"margin_ratio", "utilisation"}:
            yield Trial(code="display", text="the figure is in per cent", value=ours * PERCENT)
        if question.name in {"margin_ratio", "health", "utilisation"}:
            yield Trial(code="display", text="the ratio is upside down", value=ONE / ours)
        yield Trial(code="wrong_sign", text="the sign is the other one", value=-ours)


def _rounded(question: Question, ours: Decimal, theirs: Decimal) -> Iterator[Trial]:
    """Yield the figure itself where rounding alone explains the difference."""
    gap = abs(ours - theirs)
    unit = _unit(theirs)
    digits = len(theirs.normalize().as_tuple().digits)
    if digits >= DIGITS_MIN and gap <= unit:
        yield Trial(code="display", text=f"rounded to {digits} digits for display", value=theirs)
    if question.symbol and question.name.endswith("_price"):
        instrument = question.scene.model.instrument(question.symbol).instrument
        if gap <= instrument.price_unit:
            text = f"rounded to the price unit, {instrument.price_unit:f}"
            yield Trial(code="display", text=text, value=theirs)
    if gap <= FLOAT_SHARE * abs(ours):
        text = "the last digits of the venue's own floating-point arithmetic"
        yield Trial(code="display", text=text, value=theirs)
    if question.name in {"unrealized_pnl", "equity"} and gap <= _entry_slack(question):
        text = "the entry price given is rounded for display"
        yield Trial(code="rounded_entry", text=text, value=theirs, change=ZERO)


def _entry_slack(question: Question) -> Decimal:
    """Return what half a unit of the last digit of each entry price is worth."""
    total = ZERO
    for position in question.scene.unit.positions:
        instrument = question.scene.model.instrument(position.instrument).instrument
        entry = instrument.price_at(position.cost / position.size)
        if entry is not None and question.asks(position):
            unit = min(_unit(entry), ONE.scaleb(entry.adjusted() + 1 - ENTRY_DIGITS))
            beyond = instrument.value(position.size, entry + unit / 2)
            total += abs(beyond - position.cost)
    return total


def _unit(figure: Decimal) -> Decimal:
    """Return one unit of the last digit that is not an idle zero."""
    exponent = figure.normalize().as_tuple().exponent
    return ONE.scaleb(exponent) if isinstance(exponent, int) else ZERO
