"""Edits of cash, leverage and margin mode."""

from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.document import MarginMode, PositionRow
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.numbers import ZERO, exact
from keelmark.risk.draft import Draft, row_named, rows_named
from keelmark.risk.edits import Deposit, SetLeverage, SetMarginMode, Transfer, Withdraw
from keelmark.risk.trades import held_margin, moved_margin


def deposit(draft: Draft, edit: Deposit) -> Draft:
    """Return the draft with more collateral.

    Raises:
        InvalidInput: The rulebook knows no such asset.
    """
    rulebook = draft.account.rulebook
    if edit.asset not in rulebook.with_terms(assets=(edit.asset,)).model.assets:
        hint = nearest(edit.asset, rulebook.model.assets)
        msg = f"rulebook {rulebook.name} has no asset {edit.asset!r}; {hint}"
        raise InvalidInput(msg)
    return draft.with_cash(edit.asset, edit.amount)


def withdraw(draft: Draft, edit: Withdraw) -> Draft:
    """Return the draft with less collateral; raises `InvalidInput` where it holds less."""
    held = draft.document.collateral.get(edit.asset)
    if held is None:
        msg = f"no balance in {edit.asset!r}; {nearest(edit.asset, draft.document.collateral)}"
        raise InvalidInput(msg)
    if edit.amount > held:
        msg = f"{held:,f} {edit.asset} are held; withdraw at most that"
        raise InvalidInput(msg)
    return draft.with_cash(edit.asset, -edit.amount)


def transfer(draft: Draft, edit: Transfer) -> Draft:
    """Return the draft with margin moved into an isolated leg, or out of it."""
    row = row_named(draft.document, edit.leg)
    if row.margin_mode is not MarginMode.ISOLATED:
        msg = f"{edit.leg} is cross: it shares all collateral; make it isolated first"
        raise InvalidInput(msg)
    return moved_margin(draft, row.path, edit.amount)


def set_leverage(draft: Draft, edit: SetLeverage) -> Draft:
    """Return the draft with the leverage of every row named changed, and of its orders."""
    rows = rows_named(draft.document, edit.leg)
    changed = {row.path: replace(row, leverage=edit.leverage) for row in rows}
    symbols = {row.instrument for row in rows}
    orders = tuple(
        replace(order, leverage=edit.leverage) if order.instrument in symbols else order
        for order in draft.document.orders
    )
    after = draft.with_rows(changed)
    return after.with_document(replace(after.document, orders=orders))


def set_margin_mode(draft: Draft, edit: SetMarginMode) -> Draft:
    """Return the draft with every row named cross or isolated."""
    rows = rows_named(draft.document, edit.leg)
    if edit.margin is not None and len(rows) > 1:
        msg = f"{edit.leg} names {len(rows)} legs; give each its margin by itself"
        raise InvalidInput(msg)
    for row in rows:
        if row.margin_mode is not edit.mode:
            draft = _isolated(draft, row, edit.margin) if _to_isolated(edit) else _cross(draft, row)
    return draft


def _to_isolated(edit: SetMarginMode) -> bool:
    return edit.mode is MarginMode.ISOLATED


def _isolated(draft: Draft, row: PositionRow, margin: Decimal | None) -> Draft:
    """Return the draft with a row isolated: its margin leaves the shared collateral."""
    if margin is None:
        margin = isolating_margin(draft, row)
        settle = draft.instrument(row.instrument).settle
        what = f"{row.instrument}: {margin:,.2f} {settle} move in"
        draft = draft.noting(f"{what}, its initial margin and what it has lost so far")
    empty = replace(row, margin_mode=MarginMode.ISOLATED, isolated_margin=ZERO)
    return moved_margin(draft.with_rows({row.path: empty}), row.path, margin)


def isolating_margin(draft: Draft, row: PositionRow) -> Decimal:
    """Return the margin a row takes along by itself: its initial margin, and what it has lost."""
    held = held_margin(draft, row)
    with exact():
        return held.initial_margin + max(ZERO, -held.unrealized_pnl)


def _cross(draft: Draft, row: PositionRow) -> Draft:
    """Return the draft with a row that shares collateral: its own margin joins the rest."""
    settle = draft.instrument(row.instrument).settle
    shared = replace(row, margin_mode=MarginMode.CROSS, isolated_margin=None)
    return draft.with_rows({row.path: shared}).with_cash(settle, row.isolated_margin or ZERO)
