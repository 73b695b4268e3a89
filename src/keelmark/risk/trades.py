"""Fills in an account document: what they do to a leg, to cash, and what they cost.

A fill at price `p` moves equity by its fee alone when `p` is the mark: what a closed part has won
or lost leaves profit and enters cash. In an isolated leg that cash stays with the leg until the
last of it is closed. An option's premium is cash, paid or received whole with the fill.
"""

from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.document import AccountMode, MarginMode, PositionRow
from keelmark.accounts.figures import exactly, figure
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput
from keelmark.core.instrument import Instrument
from keelmark.core.margin import PositionMargin, position_margin
from keelmark.core.numbers import ZERO, exact
from keelmark.risk.draft import Draft, leg_name, row_named, rows_named, split_leg
from keelmark.risk.edits import Add, Close, Resize


def add(draft: Draft, edit: Add) -> Draft:
    """Return the draft after a fill of a signed size."""
    row = _row_for(draft, edit)
    if row is None:
        return _opened(draft, edit)
    return filled(draft, row, edit.size, edit.price or row.mark_price)


def close(draft: Draft, edit: Close) -> Draft:
    """Return the draft after closing a share of every row named, or a size of one."""
    if edit.size is not None:
        row = row_named(draft.document, edit.leg)
        if edit.size > abs(row.size):
            msg = (
                f"{leg_name(row, draft.document)} is {abs(row.size):f}: cannot close {edit.size:f}"
            )
            raise InvalidInput(msg)
        return filled(draft, row, -edit.size.copy_sign(row.size), row.mark_price)
    # from the last row on, so that the places of those before it hold while rows vanish
    for row in reversed(rows_named(draft.document, edit.leg)):
        with exact():
            size = -row.size * edit.share
        draft = filled(draft, row, size, row.mark_price)
    return draft


def resize(draft: Draft, edit: Resize) -> Draft:
    """Return the draft after the fill that leaves a leg at a signed size."""
    row = row_named(draft.document, edit.leg)
    with exact():
        size = edit.size - row.size
    if not size:
        return draft
    return add(draft, Add(leg=leg_name(row, draft.document), size=size))


def filled(draft: Draft, row: PositionRow, size: Decimal, price: Decimal) -> Draft:
    """Return the draft after a fill of a row that is held."""
    instrument = draft.instrument(row.instrument)
    with exact():
        fee = _fee(draft, instrument, size, price)
        if (size > ZERO) == (row.size > ZERO):
            left: PositionRow | None = _enlarged(row, size, price, instrument)
            cash = -fee
        else:
            left, realised = _reduced(row, size, price, instrument)
            cash = realised - fee
        if instrument.is_option:  # a premium is paid or received whole
            cash = -instrument.value(size, price) - fee
    paid = _feeless(draft, instrument).paying(instrument.settle, fee)
    if row.margin_mode is MarginMode.CROSS:
        return paid.with_rows({row.path: left}).with_cash(instrument.settle, cash)
    return _isolated(paid, row, left, cash)


def _row_for(draft: Draft, edit: Add) -> PositionRow | None:
    """Return the row a fill goes to; `None` where it opens one."""
    symbol, leg = split_leg(edit.leg)
    held = [row for row in draft.document.positions if row.instrument == symbol]
    in_hedge = len(held) > 1 or draft.document.account_mode is AccountMode.HEDGE
    if leg is Leg.NET:
        if in_hedge and held:
            msg = f"{symbol} is held in hedge mode; write {symbol}/long or {symbol}/short"
            raise InvalidInput(msg)
        return held[0] if held else None
    row = next((r for r in held if (r.size > ZERO) == (leg is Leg.LONG)), None)
    now = ZERO if row is None else row.size
    with exact():
        after = now + edit.size
    if leg * after < ZERO:
        side = leg.name.lower()
        msg = f"{edit.leg} is {abs(now):f}: a fill of {edit.size:f} would leave no {side} leg"
        raise InvalidInput(msg)
    return row


def _opened(draft: Draft, edit: Add) -> Draft:
    """Return the draft with a leg that was not held; it is cross, at no leverage set."""
    symbol, _ = split_leg(edit.leg)
    instrument = draft.instrument(symbol)
    others = [r.mark_price for r in draft.document.positions if r.instrument == symbol]
    mark = next(iter([*others, *_known_mark(draft, symbol)]), edit.price)
    if mark is None:
        msg = f"no mark price for {symbol}; write {edit.leg}={edit.size:f}@PRICE"
        raise InvalidInput(msg)
    price = edit.price or mark
    with exact():
        fee = _fee(draft, instrument, edit.size, price)
        premium = instrument.value(edit.size, price) if instrument.is_option else ZERO
    row = PositionRow(
        path="", instrument=symbol, size=edit.size, entry_price=price, mark_price=mark
    )
    rows = (*draft.document.positions, row)
    opened = draft.with_document(replace(draft.document, positions=rows))
    paid = _feeless(opened, instrument).paying(instrument.settle, fee)
    return paid.with_cash(instrument.settle, -fee - premium)


def _fee(draft: Draft, instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """Return what a fill costs; venues charge options by the underlying, which no rulebook has."""
    return ZERO if instrument.is_option else draft.fee * abs(instrument.value(size, price))


def _feeless(draft: Draft, instrument: Instrument) -> Draft:
    """Return the draft, saying that the fee of an option is not counted."""
    if not instrument.is_option or not draft.fee:
        return draft
    text = f"no fee is counted for {instrument.symbol}: fees of options are not in the rulebook"
    return draft.noting(text)


def _known_mark(draft: Draft, symbol: str) -> list[Decimal]:
    found = draft.document.prices.get(symbol)
    return [] if found is None else [found]


def _enlarged(
    row: PositionRow, size: Decimal, price: Decimal, instrument: Instrument
) -> PositionRow:
    """Return the row with the entry price that adds both costs up."""
    total = row.size + size
    cost = instrument.value(row.size, row.entry_price) + instrument.value(size, price)
    entry = instrument.price_at(cost / total)
    return replace(row, size=total, entry_price=price if entry is None else entry)


def _reduced(
    row: PositionRow, size: Decimal, price: Decimal, instrument: Instrument
) -> tuple[PositionRow | None, Decimal]:
    """Return what is left of a row, flipped where the fill is larger, and what was realised."""
    closed = row.size if abs(size) > abs(row.size) else -size
    realised = instrument.value(closed, price) - instrument.value(closed, row.entry_price)
    left = row.size + size
    if left == ZERO:
        return None, realised
    is_flipped = (left > ZERO) != (row.size > ZERO)
    return replace(row, size=left, entry_price=price if is_flipped else row.entry_price), realised


def _isolated(draft: Draft, row: PositionRow, left: PositionRow | None, cash: Decimal) -> Draft:
    """Return the draft after a fill of an isolated leg; closed, its margin joins the rest."""
    settle = draft.instrument(row.instrument).settle
    with exact():
        margin = (row.isolated_margin or ZERO) + cash
    if left is None:
        if margin < ZERO:
            text = f"{row.instrument} closes {-margin:f} {settle} below nothing: not charged"
            draft, margin = draft.noting(text), ZERO
        return draft.with_rows({row.path: None}).with_cash(settle, margin)
    larger = abs(left.size) > abs(row.size)
    changed = draft.with_rows({row.path: replace(left, isolated_margin=margin)})
    if not larger:
        return changed
    own = held_margin(changed, left)
    with exact():
        added = own.initial_margin * (1 - abs(row.size / left.size))
    note = f"{row.instrument}: {added:,.2f} {settle} of initial margin moves in with what is added"
    return moved_margin(changed, row.path, added).noting(note)


def held_margin(draft: Draft, row: PositionRow) -> PositionMargin:
    """Return the margin of a row that is in the draft."""
    account = draft.account
    side = Leg.LONG if row.size > ZERO else Leg.SHORT
    position = next(
        p
        for unit in account.units
        for p in unit.positions
        if p.instrument == row.instrument and p.leg in (Leg.NET, side)
    )
    with exact():
        return position_margin(position, account.market, account.model)


def moved_margin(draft: Draft, path: str, amount: Decimal) -> Draft:
    """Return the draft with settle asset moved from the shared collateral into an isolated row.

    Raises:
        InvalidInput: One of the two has less than is taken from it.
    """
    row = next(r for r in draft.document.positions if r.path == path)
    settle = draft.instrument(row.instrument).settle
    shared = draft.document.collateral.get(settle, ZERO)
    own = row.isolated_margin or ZERO
    if amount > max(shared, ZERO):
        msg = (
            f"{row.instrument} would take {figure(amount)} {settle} of shared collateral, "
            f"which holds {exactly(shared)}; deposit {settle} first"
        )
        raise InvalidInput(msg)
    if amount < -own:
        msg = f"{row.instrument} has {exactly(own)} {settle} of its own; take out at most that"
        raise InvalidInput(msg)
    with exact():
        margin = own + amount
    return draft.with_rows({path: replace(row, isolated_margin=margin)}).with_cash(settle, -amount)
