"""Edits applied one after the other, each to what the one before left."""

from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.core.errors import InvalidDocument, InvalidInput, KeelmarkError, MissingNumber
from keelmark.core.margin import margin_report
from keelmark.core.model import MarginPurpose
from keelmark.core.numbers import ZERO
from keelmark.risk.draft import Draft, with_named_accruals
from keelmark.risk.edit_text import edit_words
from keelmark.risk.edits import (
    Add,
    Close,
    Deposit,
    Edit,
    MovePrice,
    Resize,
    SetLeverage,
    SetMarginMode,
    SetVenue,
    Transfer,
    Withdraw,
)
from keelmark.risk.price_edits import move_price
from keelmark.risk.terms_edits import deposit, set_leverage, set_margin_mode, transfer, withdraw
from keelmark.risk.trades import add, close, resize
from keelmark.risk.venue_edit import set_venue


def applied(account: Account, edits: tuple[Edit, ...], *, fee_rate: Decimal | None = None) -> Draft:
    """Return an account after edits, in order.

    Args:
        account: Where they start.
        edits: One after the other.
        fee_rate: Fraction of notional a fill costs; `None` for the rulebook's taker fee.

    Raises:
        InvalidInput: An edit cannot be made; names it, and what to do.
    """
    draft = Draft(account=account, fee_rate=fee_rate)
    draft = draft.with_document(with_named_accruals(account))
    for edit in edits:
        draft = _noted(draft, _next(draft, edit), edit)
    return draft


def _next(draft: Draft, edit: Edit) -> Draft:
    """Return the draft after one edit; what is wrong names the edit."""
    try:
        return _dispatch(draft, edit)
    except InvalidDocument as error:
        msg = f"{edit_words(edit)}: {'; '.join(error.problems)}"
        raise InvalidInput(msg) from error
    except KeelmarkError as error:
        msg = f"{edit_words(edit)}: {error}"
        raise type(error)(msg) from error


def _dispatch(draft: Draft, edit: Edit) -> Draft:  # noqa: C901, PLR0911 one line a kind
    match edit:
        case Add():
            return add(draft, edit)
        case Close():
            return close(draft, edit)
        case Resize():
            return resize(draft, edit)
        case Deposit():
            return deposit(draft, edit)
        case Withdraw():
            return withdraw(draft, edit)
        case Transfer():
            return transfer(draft, edit)
        case SetLeverage():
            return set_leverage(draft, edit)
        case SetMarginMode():
            return set_margin_mode(draft, edit)
        case MovePrice():
            return move_price(draft, edit)
        case SetVenue():
            return set_venue(draft, edit)


def _noted(before: Draft, after: Draft, edit: Edit) -> Draft:
    """Return the draft, saying where the venue would not let the owner do this."""
    if isinstance(edit, Deposit | Close | MovePrice | SetVenue):
        return after
    leaves = isinstance(edit, Withdraw | Transfer)
    names = ", ".join(sorted(_worse(before.account, after.account, leaves=leaves)))
    text = f"{edit_words(edit)}: a venue would refuse it, initial margin of {names} is not covered"
    return after.noting(text) if names else after


def _worse(before: Account, after: Account, *, leaves: bool) -> set[str]:
    """Return the units that are short after an edit, and were not before or are shorter now."""
    was, now = _excesses(before, leaves=leaves), _excesses(after, leaves=leaves)
    return {
        unit
        for unit, excess in now.items()
        if excess < ZERO and (unit not in was or excess < was[unit])
    }


def _excesses(account: Account, *, leaves: bool) -> dict[str, Decimal]:
    """Return the initial excess of each unit, as far as known; for what leaves, without profit."""
    found = {}
    for unit in account.units:
        try:
            report = margin_report(unit, account.market, account.model)
        except MissingNumber:
            continue
        purpose = MarginPurpose.INITIAL
        found[unit.unit_id] = report.excess_to_leave if leaves else report.excess(purpose)
    return found
