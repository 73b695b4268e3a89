"""The same book under another rulebook: what maps, what is converted, and what cannot be known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from keelmark.accounts.account import build_account
from keelmark.accounts.document import (
    AccountDocument,
    OrderRow,
    PositionRow,
    UnknownRow,
    Unlearnt,
)
from keelmark.core.errors import UnknownRulebook
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.risk.draft import Draft, renumbered
from keelmark.risk.edits import SetVenue
from keelmark.risk.netting import netted
from keelmark.risk.symbols import DOLLARS, Counterpart, counterpart, settle_there
from keelmark.rulebooks import Rulebook, load_rulebook, rulebook_names


def set_venue(draft: Draft, edit: SetVenue) -> Draft:
    """Return the book under another rulebook; what cannot be margined there is `unknown`.

    Raises:
        UnknownRulebook: There is no such rulebook.
    """
    present = draft.account.rulebook
    rulebook, notes = _rulebook(draft, edit.reference)
    mapping = _Mapping(present, rulebook)
    # a coin keeps its price though the contract whose mark stood for it may not exist there
    prices = {**draft.account.market.asset_prices, **draft.document.prices}
    document = mapping.document(
        replace(draft.document, venue=_reference(edit, rulebook), prices=prices)
    )
    document, legs = netted(document, rulebook)
    account = build_account(renumbered(document), rulebook=rulebook)
    return replace(draft, account=account).noting(*notes, *mapping.notes(), *legs)


def _reference(edit: SetVenue, rulebook: Rulebook) -> str:
    return edit.reference if edit.reference.endswith(".toml") else rulebook.name


def _rulebook(draft: Draft, reference: str) -> tuple[Rulebook, tuple[str, ...]]:
    """Return the rulebook of the document's date; the nearest known where none is of it."""
    if reference.endswith(".toml") and Path(reference).is_file():
        return load_rulebook(reference), ()
    venue, _, date = reference.partition("@")
    venue = venue or draft.account.rulebook.document.name
    if date or draft.document.as_of is None:
        return load_rulebook(f"{venue}@{date}" if date else venue), ()
    month = f"{draft.document.as_of:%Y-%m}"
    try:
        return load_rulebook(f"{venue}@{month}"), ()
    except UnknownRulebook:
        dated = [name for name in rulebook_names() if name.partition("@")[0] == venue]
        if not dated:
            raise
        chosen = min(dated, key=lambda name: _months_from(load_rulebook(name), month))
        return load_rulebook(chosen), (f"no {venue} table of {month} is known: {chosen} is used",)


def _months_from(rulebook: Rulebook, month: str) -> int:
    """Return how many months a table lies from one; it is in force until its end, if it has one."""
    first, last = rulebook.document.date, rulebook.document.until
    near = first if month < first or last is None else min(last, month)
    return abs(_months(near) - _months(month))


def _months(month: str) -> int:
    year, _, number = month.partition("-")
    return 12 * int(year) + int(number)


@dataclass(slots=True)
class _Mapping:
    """Rewrites a document from one rulebook to another, and remembers what it did."""

    present: Rulebook
    target: Rulebook
    renamed: dict[str, str] = field(default_factory=dict)
    converted: dict[str, str] = field(default_factory=dict)
    settles: dict[str, str] = field(default_factory=dict)
    dropped: list[UnknownRow] = field(default_factory=list)
    own_rows: list[str] = field(default_factory=list)
    at_par: list[str] = field(default_factory=list)
    left_behind: bool = False

    def document(self, document: AccountDocument) -> AccountDocument:
        """Return the document in the words of the target."""
        self._choose_settles(document)
        mapped = replace(
            document,
            positions=tuple(filter(None, map(self._position, document.positions))),
            orders=tuple(filter(None, map(self._order, document.orders))),
            collateral=self._amounts(document.collateral),
            liabilities=self._amounts(document.liabilities),
            accrued_interest=self._amounts(document.accrued_interest),
            accrued_funding=self._amounts(document.accrued_funding),
            prices=self._prices(document),
            venue_reported={},
        )
        if self.present.document.name != self.target.document.name:
            # the venue's own figures
            mapped = replace(mapped, weights={}, ask_buffers={}, open_interest={})
            given = (document.weights, document.ask_buffers, document.open_interest)
            self.left_behind = any(given)
        unknown = (*document.unknown, *dict.fromkeys(self.dropped))
        return replace(mapped, unknown=unknown, prices=self._with_dollars(mapped))

    def _with_dollars(self, mapped: AccountDocument) -> dict[str, Decimal]:
        """Return the prices with one for every dollar the target prices and nobody does."""
        own = [row.spec.settle for row in mapped.positions if row.spec and row.spec.settle]
        known = [row.instrument for row in mapped.positions if row.spec is None]
        settles = [*own, *(self.target.terms_for(name).instrument.settle for name in known)]
        held = dict.fromkeys((*mapped.collateral, *mapped.liabilities, *settles))
        self.at_par = [
            asset
            for asset in held
            if asset in DOLLARS
            and asset not in mapped.prices
            and self.target.model.reads_price_of(asset)
        ]
        return {**mapped.prices, **dict.fromkeys(self.at_par, ONE)}

    def notes(self) -> list[str]:
        """Return what was done, in words."""
        found = [f"{old} is {new} there" for old, new in self.renamed.items()]
        found += [f"{old} counts one to one as {new}" for old, new in self.converted.items()]
        found += [f"{name} is one {self.target.model.valuation} there" for name in self.at_par]
        if self.left_behind:
            found.append(
                "weights, asks and open interest that the document gives are left out there"
            )
        if self.own_rows:
            names = ", ".join(dict.fromkeys(self.own_rows))
            found.append(f"the venue's own tier of {names} is left out: the table there applies")
        return found

    def _choose_settles(self, document: AccountDocument) -> None:
        """Choose one asset there for every asset that contracts settle in here."""
        rows = [row.instrument for row in document.positions]
        rows += [row.instrument for row in document.orders]
        own = [self.present.terms_for(symbol).instrument for symbol in dict.fromkeys(rows)]
        for settle in dict.fromkeys(instrument.settle for instrument in own):
            held = [instrument for instrument in own if instrument.settle == settle]
            self.settles[settle] = settle_there(held, self.target, settle)
            if self.settles[settle] != settle:
                self.converted[settle] = self.settles[settle]

    def _counterpart(self, symbol: str) -> tuple[Instrument, Counterpart] | None:
        """Return a contract and its counterpart; what has none is noted as unknown."""
        own = self.present.terms_for(symbol).instrument
        settle = self.settles[own.settle]
        found = counterpart(own, self.target, settle)
        if found is None:
            kind = own.kind.value.replace("_", " ")
            why = f"{self.target.name} has no {own.base} {kind} in {settle} for {symbol}"
            self.dropped.append(UnknownRow(what=Unlearnt.POSITIONS, why=why))
            return None
        if found.instrument.symbol != symbol:
            self.renamed[symbol] = found.instrument.symbol
        return own, found

    def _position(self, row: PositionRow) -> PositionRow | None:
        if row.tier is not None:
            self.own_rows.append(row.instrument)
        if row.spec is not None and self.present.document.name == self.target.document.name:
            return replace(row, tier=None)  # another date of the venue that its spec belongs to
        pair = self._counterpart(row.instrument)
        if pair is None:
            return None
        own, found = pair
        return replace(
            row,
            instrument=found.instrument.symbol,
            size=_size(row.size, own, found),
            entry_price=_price(row.entry_price, found),
            mark_price=_price(row.mark_price, found),
            tier=None,
            spec=None,
        )

    def _order(self, row: OrderRow) -> OrderRow | None:
        pair = self._counterpart(row.instrument)
        if pair is None:
            return None
        own, found = pair
        size, price = _size(row.size, own, found), _price(row.price, found)
        return replace(row, instrument=found.instrument.symbol, size=size, price=price)

    def _amounts(self, amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Return amounts in assets the target knows; the others are noted as unknown."""
        found: dict[str, Decimal] = {}
        for asset, amount in amounts.items():
            name = self._asset(asset)
            if name is None and amount:
                why = f"{self.target.name} has no asset {asset}"
                self.dropped.append(UnknownRow(what=Unlearnt.COLLATERAL, why=why))
            elif name is not None:
                with exact():
                    found[name] = found.get(name, ZERO) + amount
        return found

    def _asset(self, asset: str) -> str | None:
        """Return the name of an asset there: its own, or the dollar of the contracts there."""
        other = self.converted.get(asset)
        if other is not None:
            return other
        if asset in self.target.with_terms(assets=(asset,)).model.assets:
            return asset
        listed = (name for name in DOLLARS if name in self.target.document.assets)
        dollar = next(listed, None) if asset in DOLLARS else None
        if dollar is not None:
            self.converted[asset] = dollar
        return dollar

    def _prices(self, document: AccountDocument) -> dict[str, Decimal]:
        """Return the prices under the names they have there."""
        found = {self.renamed.get(name, name): price for name, price in document.prices.items()}
        return {name: price for name, price in found.items() if name not in self.converted}


def _size(size: Decimal, own: Instrument, found: Counterpart) -> Decimal:
    """Return a size in the contracts of the counterpart."""
    with exact():
        return size * found.bundle * own.contract_size / found.instrument.contract_size


def _price(price: Decimal, found: Counterpart) -> Decimal:
    """Return a price per coin of the counterpart."""
    with exact():
        return price / found.bundle
