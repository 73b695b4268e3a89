"""Rows of one instrument as the one position that a venue without hedge mode keeps."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.accounts.document import AccountDocument, AccountMode, MarginMode, PositionRow
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import ZERO, exact, round_to
from keelmark.rulebooks import Rulebook


def netted(document: AccountDocument, rules: Rulebook) -> tuple[AccountDocument, list[str]]:
    """Return a document with one row an instrument, and what was netted, in words.

    The smaller side closes against the larger at the larger's entry price, as it would have at
    the venue whichever was opened first: what it made or lost is in the balance, equity is kept.
    """
    if rules.document.hedge_mode:
        return document, []
    book = _Netted(rules)
    for row in document.positions:
        book.put(row)
    collateral = dict(document.collateral)
    for asset, amount in book.realised.items():
        with exact():
            collateral[asset] = collateral.get(asset, ZERO) + amount
    mode = None if document.account_mode is AccountMode.HEDGE else document.account_mode
    positions = tuple(row for row in book.rows.values() if row.size)
    orders = tuple(replace(row, leg=None) for row in document.orders)
    changed = replace(
        document,
        positions=positions,
        orders=orders,
        collateral=collateral,
        account_mode=mode,
    )
    return changed, book.notes()


@dataclass(slots=True)
class _Netted:
    """The positions so far, and what closing a side of one brought."""

    rules: Rulebook
    rows: dict[str, PositionRow] = field(default_factory=dict)
    realised: dict[str, Decimal] = field(default_factory=dict)
    sides: dict[str, int] = field(default_factory=dict)

    def put(self, row: PositionRow) -> None:
        """Add a row to what is held of its instrument."""
        first = self.rows.get(row.instrument)
        if first is None or not first.size:
            self.rows[row.instrument] = row
            return
        self.sides[row.instrument] = self.sides.get(row.instrument, 1) + 1
        instrument = self.rules.terms_for(row.instrument).instrument
        larger, smaller = (first, row) if abs(first.size) >= abs(row.size) else (row, first)
        together = self._one_mode(larger, smaller, instrument.settle)
        with exact():
            size = larger.size + smaller.size
        if (larger.size > ZERO) == (smaller.size > ZERO):
            entry = _average(larger, smaller, instrument)
            self.rows[row.instrument] = replace(together, size=size, entry_price=entry)
            return
        with exact():
            at_larger = instrument.value(smaller.size, larger.entry_price)
            gain = at_larger - instrument.value(smaller.size, smaller.entry_price)
        if together.margin_mode is MarginMode.ISOLATED and size:
            margin = (together.isolated_margin or ZERO) + self._whole(gain, instrument.settle)
            together = replace(together, isolated_margin=margin)
        else:
            self._realise(instrument.settle, gain + (together.isolated_margin or ZERO))
        self.rows[row.instrument] = replace(together, size=size)

    def _one_mode(self, larger: PositionRow, smaller: PositionRow, settle: str) -> PositionRow:
        """Return the larger row in the mode both can have: isolated only where both are."""
        margins = [row.isolated_margin or ZERO for row in (larger, smaller)]
        with exact():
            total = sum(margins, ZERO)
        if larger.margin_mode is smaller.margin_mode is MarginMode.ISOLATED:
            return replace(larger, isolated_margin=total)
        self._realise(settle, total)
        return replace(larger, margin_mode=MarginMode.CROSS, isolated_margin=None)

    def _realise(self, asset: str, amount: Decimal) -> None:
        if amount:
            with exact():
                self.realised[asset] = self.realised.get(asset, ZERO) + self._whole(amount, asset)

    def _whole(self, amount: Decimal, asset: str) -> Decimal:
        quantum = self.rules.with_terms(assets=(asset,)).model.asset(asset).quantum
        return round_to(amount, quantum, up=False)

    def notes(self) -> list[str]:
        """Return what was netted."""
        return [
            f"{symbol}: {count} legs net to {self.rows[symbol].size.normalize():f}, for "
            f"{self.rules.name} has no hedge mode; what the smaller made against the larger's "
            "entry is in the balance"
            for symbol, count in self.sides.items()
        ]


def _average(one: PositionRow, other: PositionRow, instrument: Instrument) -> Decimal:
    """Return the entry price of two rows on one side."""
    with exact():
        cost = instrument.value(one.size, one.entry_price)
        cost += instrument.value(other.size, other.entry_price)
        entry = instrument.price_at(cost / (one.size + other.size))
    return one.entry_price if entry is None else entry
