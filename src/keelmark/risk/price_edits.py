"""Price moves in an account document: one mark, a coin with everything on it, or all of them."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.document import AccountDocument
from keelmark.core.coins import coins_without_contract
from keelmark.core.errors import InvalidInput, KeelmarkError, nearest
from keelmark.core.instrument import Instrument
from keelmark.core.model import MarginPrice
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.risk.draft import Draft
from keelmark.risk.edits import ALL, Change, MovePrice
from keelmark.risk.option_marks import with_options_moved


def move_price(draft: Draft, edit: MovePrice) -> Draft:
    """Return the draft at other prices.

    Raises:
        InvalidInput: The name is no instrument, coin or asset of the account, or the new price
            is not above zero.
    """
    held = _instruments(draft)
    bases = dict.fromkeys(instrument.base for instrument in held)
    if edit.only_collateral:
        return _asset_moved(draft, edit)
    if edit.name == ALL:
        if edit.change.by is None:
            msg = "one new price does not do for all; move `all` by a share, such as all=-10%"
            raise InvalidInput(msg)
        return _all_moved(draft, held, list(bases), _factor(edit, None))
    if edit.name in bases:
        on_it = [instrument for instrument in held if instrument.base == edit.name]
        return _moved(draft, on_it, [edit.name], _factor(edit, _reference(draft, on_it)))
    alone = [instrument for instrument in held if instrument.symbol == edit.name]
    if alone:
        return _mark_moved(draft, alone[0], edit)
    return _asset_moved(draft, edit)


def _instruments(draft: Draft) -> list[Instrument]:
    """Return the contracts held, ordered or only priced, the shortest symbol first."""
    held = {row.instrument for row in draft.document.positions}
    ordered = {row.instrument for row in draft.document.orders}
    priced = {name for name in draft.document.prices if _is_contract(draft, name)}
    symbols = sorted(held | ordered | priced, key=lambda symbol: (len(symbol), symbol))
    return [draft.instrument(symbol) for symbol in symbols]


def _is_contract(draft: Draft, name: str) -> bool:
    """Whether a price is the mark of a contract: one that was held before an edit closed it."""
    if name in draft.account.model.assets:
        return False
    try:
        draft.instrument(name)
    except KeelmarkError:
        return False
    return True


def _mark(draft: Draft, symbol: str) -> Decimal:
    """Return the mark of a contract that is held, ordered or only priced."""
    found = draft.account.market.marks.get(symbol)
    return draft.document.prices[symbol] if found is None else found


def _factor(edit: MovePrice, present: Decimal | None) -> Decimal:
    """Return new price over present price."""
    change: Change = edit.change
    with exact():
        if change.by is not None:
            factor = ONE + change.by
        else:
            factor = (change.to or ZERO) / (present or ONE)
    if factor <= ZERO:
        msg = f"{edit.name} must stay above 0"
        raise InvalidInput(msg)
    return factor


def _reference(draft: Draft, on_it: list[Instrument]) -> Decimal:
    """Return the present price of a coin: as given, else the mark of its shortest symbol."""
    given = draft.document.prices.get(on_it[0].base)
    if given is not None:
        return given
    plain = next((c for c in on_it if not c.is_option), None)
    if plain is None:  # an option's mark is a premium
        return draft.account.market.forward(on_it[0].symbol)
    return _mark(draft, plain.symbol)


def _moved(draft: Draft, moving: Iterable[Instrument], coins: list[str], factor: Decimal) -> Draft:
    """Return the draft with every mark, index and price on these coins moved alike."""
    moving = list(moving)
    symbols = {instrument.symbol for instrument in moving}
    indices = {instrument.index for instrument in moving if instrument.index is not None}
    priced = with_options_moved(draft, moving, factor)
    plain = symbols - {instrument.symbol for instrument in moving if instrument.is_option}
    return draft.with_document(_scaled(priced, plain, {*coins, *indices}, factor))


def _all_moved(
    draft: Draft, moving: Iterable[Instrument], coins: list[str], factor: Decimal
) -> Draft:
    """Return the draft with every coin moved, those that are only collateral or debt too."""
    account = draft.account
    present = account.market.asset_prices
    others = {
        coin for unit in account.units for coin in coins_without_contract(unit, account.model)
    }
    with exact():
        moved = {a: present[a] * factor for a in sorted(others - set(coins)) if a in present}
    found = _moved(draft, moving, coins, factor)
    document = replace(found.document, prices={**found.document.prices, **moved})
    return found.with_document(document)


def _scaled(
    document: AccountDocument, symbols: set[str], names: set[str], factor: Decimal
) -> AccountDocument:
    """Return the document with these marks and these given prices times a factor."""
    with exact():
        return replace(
            document,
            positions=tuple(
                replace(row, mark_price=row.mark_price * factor)
                if row.instrument in symbols
                else row
                for row in document.positions
            ),
            prices={
                name: price * factor if name in symbols | names else price
                for name, price in document.prices.items()
            },
        )


def _mark_moved(draft: Draft, instrument: Instrument, edit: MovePrice) -> Draft:
    """Return the draft with one mark moved, and with it the index it is margined on.

    A coin whose price the mark stands for keeps the price it has.
    """
    market = draft.account.market
    factor = _factor(edit, _mark(draft, instrument.symbol))
    terms = draft.account.rulebook.terms_for(instrument.symbol)
    on_index = terms.margin_price is MarginPrice.INDEX and instrument.index is not None
    indices = {instrument.index or ""} if on_index else set()
    pinned = {
        name: price
        for name, price in market.asset_prices.items()
        if name == instrument.base and name not in indices
    }
    document = replace(draft.document, prices={**pinned, **draft.document.prices})
    return draft.with_document(_scaled(document, {instrument.symbol}, indices, factor))


def _asset_moved(draft: Draft, edit: MovePrice) -> Draft:
    """Return the draft with the price of an asset as collateral moved."""
    present = draft.account.market.asset_prices.get(edit.name)
    is_held = edit.name in draft.document.collateral
    if present is None and not (is_held and edit.change.to is not None):
        raise InvalidInput(_unread(draft, edit.name))
    with exact():
        price = (present or ONE) * _factor(edit, present)
    prices = {**draft.document.prices, edit.name: price}
    return draft.with_document(replace(draft.document, prices=prices))


def _unread(draft: Draft, name: str) -> str:
    """Return why no price of this name can be moved."""
    model = draft.account.model
    if name in model.assets and not model.reads_price_of(name):
        return f"{model.name} reads no price of {name}: totals are counted in it"
    symbols = {instrument.symbol for instrument in _instruments(draft)}
    known = {*draft.account.market.asset_prices, *symbols}
    return f"no price of {name!r} is read; {nearest(name, known)}"
