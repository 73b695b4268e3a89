"""Venues that hold one side of an instrument: legs are refused, and what they come to is said.

Margined apart, two legs would ask for more than the venue does. What they come to is one position
at the larger leg's entry price; what the smaller made against it is cash, so equity is kept.
"""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.accounts.decode import Problems
from keelmark.accounts.document import AccountDocument, AccountMode, MarginMode, PositionRow
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import ZERO, exact
from keelmark.rulebooks import Rulebook


def check_one_way(document: AccountDocument, rules: Rulebook, problems: Problems) -> None:
    """Refuse hedge mode and both sides of one instrument, with the row to write instead."""
    if document.account_mode is AccountMode.HEDGE:
        text = f'found "hedge"; {rules.name} has no hedge mode: leave it out'
        problems.add("account_mode", text)
    by_symbol: dict[str, list[PositionRow]] = {}
    for row in document.positions:
        by_symbol.setdefault(row.instrument, []).append(row)
    for symbol, rows in by_symbol.items():
        other = next((r for r in rows if (r.size > ZERO) != (rows[0].size > ZERO)), None)
        if other is not None:
            instrument = rules.model.instrument(symbol).instrument
            text = (
                f"{symbol} is held on both sides and {rules.name} nets them; "
                f"{_instead(rows, instrument)}, or name a rulebook with hedge mode"
            )
            problems.add(f"{other.path}.instrument", text)


def _instead(rows: Sequence[PositionRow], instrument: Instrument) -> str:
    """Return what to write for legs of both sides."""
    with exact():
        size = sum((row.size for row in rows), ZERO)
        larger = max(rows, key=lambda row: abs(row.size))
        stays = bool(size) and all(row.margin_mode is MarginMode.ISOLATED for row in rows)
        cash = _made(rows, larger, instrument, stays=stays)
    into = "its `isolated_margin`" if stays else "`collateral`"
    paid = f" and add {cash:f} {instrument.settle} to {into}" if cash else ""
    if not size:
        return f"they cancel: leave both rows out{paid}"
    entry = f" and entry_price {larger.entry_price:f}"
    return f"write one row with size {size:f}{entry}{paid}"


def _made(
    rows: Sequence[PositionRow], larger: PositionRow, instrument: Instrument, *, stays: bool
) -> Decimal:
    """Return the cash of netting: gains against the larger's entry, and margins set free.

    The larger's own margin stays where it is, if what is left is isolated. An option's premium was
    cash when it was traded: netting brings none.
    """
    freed = sum((row.isolated_margin or ZERO for row in rows), ZERO)
    if stays:
        freed -= larger.isolated_margin or ZERO
    if instrument.is_option:
        return freed
    at_larger = (instrument.value(row.size, larger.entry_price) for row in rows)
    at_own = (instrument.value(row.size, row.entry_price) for row in rows)
    return freed + sum(at_larger, ZERO) - sum(at_own, ZERO)
