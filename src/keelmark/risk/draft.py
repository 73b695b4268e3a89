"""An account while it is being edited: the document, what it means, and what the edits cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.accounts.account import Account, build_account
from keelmark.accounts.document import TOTAL, AccountDocument, MarginMode, PositionRow
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import ZERO
from keelmark.risk.edits import ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An account between two edits.

    Attributes:
        account: What the document means so far.
        fee_rate: Fraction of notional a fill costs; `None` for the taker fee of the rulebook.
        fees: Paid so far, by asset.
        notes: What was assumed, and what a venue would refuse.
    """

    account: Account
    fee_rate: Decimal | None = None
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def document(self) -> AccountDocument:
        """The document so far."""
        return self.account.document

    @property
    def fee(self) -> Decimal:
        """Fraction of notional a fill costs."""
        return (
            self.account.rulebook.liquidation.taker_fee if self.fee_rate is None else self.fee_rate
        )

    def instrument(self, symbol: str) -> Instrument:
        """Return a contract; raises `UnknownInstrument`."""
        return self.account.rulebook.terms_for(symbol).instrument

    def with_document(self, document: AccountDocument) -> "Draft":
        """Return the draft with another document under the same rules."""
        account = build_account(renumbered(document), rulebook=self.account.rulebook)
        return replace(self, account=account)

    def with_rows(self, changed: Mapping[str, PositionRow | None]) -> "Draft":
        """Return the draft with rows replaced, or removed, by path; prices stay known."""
        rows = (changed.get(row.path, row) for row in self.document.positions)
        kept = tuple(row for row in rows if row is not None)
        gone = [row for row in self.document.positions if changed.get(row.path, row) is None]
        prices = {**self._known(gone), **self.document.prices}
        return self.with_document(replace(self.document, positions=kept, prices=prices))

    def _known(self, gone: list[PositionRow]) -> dict[str, Decimal]:
        """Return the prices that only these rows tell: their marks, and those of their coins."""
        known = self.account.market.asset_prices
        bases = [self.instrument(row.instrument).base for row in gone]
        marks = {row.instrument: row.mark_price for row in gone}
        return {**{base: known[base] for base in bases if base in known}, **marks}

    def with_cash(self, asset: str, amount: Decimal) -> "Draft":
        """Return the draft with more, or less, of the shared collateral."""
        held = self.document.collateral
        collateral = {**held, asset: held.get(asset, ZERO) + amount}
        return self.with_document(replace(self.document, collateral=collateral))

    def paying(self, asset: str, fee: Decimal) -> "Draft":
        """Return the draft with a fee noted; the caller takes it from where it is paid."""
        if not fee:
            return self
        return replace(self, fees={**self.fees, asset: self.fees.get(asset, ZERO) + fee})

    def noting(self, *notes: str) -> "Draft":
        """Return the draft with further notes, each once."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))


def renumbered(document: AccountDocument) -> AccountDocument:
    """Return a document whose rows know their places again."""
    return replace(
        document,
        positions=tuple(
            replace(row, path=f"positions[{i}]") for i, row in enumerate(document.positions)
        ),
        orders=tuple(replace(row, path=f"orders[{i}]") for i, row in enumerate(document.orders)),
    )


def split_leg(name: str) -> tuple[str, Leg]:
    """Return the instrument and the leg a name names; net where it names none."""
    symbol, slash, side = name.rpartition("/")
    legs = {"long": Leg.LONG, "short": Leg.SHORT}
    return (symbol, legs[side]) if slash and side in legs else (name, Leg.NET)


def leg_name(row: PositionRow, document: AccountDocument) -> str:
    """Return the name of a row: with its side where both sides are held."""
    rows = [other for other in document.positions if other.instrument == row.instrument]
    side = "long" if row.size > ZERO else "short"
    return f"{row.instrument}/{side}" if len(rows) > 1 else row.instrument


def rows_named(document: AccountDocument, name: str) -> list[PositionRow]:
    """Return the rows a name names: all of them, both legs of an instrument, or one leg.

    Raises:
        InvalidInput: None is held under that name.
    """
    if name == ALL:
        return list(document.positions)
    symbol, leg = split_leg(name)
    found = [
        row
        for row in document.positions
        if row.instrument == symbol and leg in (Leg.NET, Leg.LONG if row.size > ZERO else Leg.SHORT)
    ]
    if not found:
        held = {leg_name(row, document) for row in document.positions}
        msg = f"no position in {name!r}; {nearest(name, held)}"
        raise InvalidInput(msg)
    return found


def row_named(document: AccountDocument, name: str) -> PositionRow:
    """Return the one row a name names; raises `InvalidInput` where it names two legs."""
    rows = rows_named(document, name)
    if len(rows) > 1:
        names = " or ".join(sorted(leg_name(row, document) for row in rows))
        msg = f"{name!r} names {len(rows)} legs; write {names}"
        raise InvalidInput(msg)
    return rows[0]


def with_named_accruals(account: Account) -> AccountDocument:
    """Return the document with bare accruals under the asset they belong to.

    A bare number belongs to the settle asset of the first cross position, which an edit may close.
    """
    document = account.document
    cross = [row for row in document.positions if row.margin_mode is MarginMode.CROSS]
    held = [account.model.instrument(row.instrument).instrument.settle for row in cross]
    owner = next(iter((*held, *document.collateral, *document.liabilities)), None)
    if owner is None:
        return document
    return replace(
        document,
        accrued_interest=_named(document.accrued_interest, owner),
        accrued_funding=_named(document.accrued_funding, owner),
    )


def _named(amounts: Mapping[str, Decimal], owner: str) -> dict[str, Decimal]:
    named = {asset: amount for asset, amount in amounts.items() if asset != TOTAL}
    if TOTAL in amounts:
        named[owner] = named.get(owner, ZERO) + amounts[TOTAL]
    return named
