"""What forms of a book are ranked by: prices of coins in dollars, and what is no venue."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from keelmark.accounts.account import Account
from keelmark.risk.symbols import DOLLARS

NOT_VENUES = frozenset({"generic"})
"""Rulebooks that nobody can move a book to: shown beside venues, never the best of them."""


def is_venue(reference: str) -> bool:
    """Whether a rulebook, by its name with or without a date, is that of a venue."""
    return reference.partition("@")[0] not in NOT_VENUES


def dollar_prices(account: Account) -> Mapping[str, Decimal]:
    """Return the price in dollars of each coin: as given, else by the mark of a contract on it.

    Marks of contracts are quoted in dollars, which count one to one; an option's mark is a premium,
    its underlying's price stands for it.
    """
    model, market = account.model, account.market
    found: dict[str, Decimal] = {}
    for symbol in sorted({*market.marks, *market.forwards}, key=lambda name: (len(name), name)):
        terms = model.instrument(symbol)
        price = market.marks.get(symbol) if terms.option is None else market.forwards.get(symbol)
        if price is not None:
            found.setdefault(terms.instrument.base, price)
    if model.single_asset:
        return MappingProxyType(found | dict(account.document.prices))
    given = market.asset_prices if model.valuation in DOLLARS else {}
    return MappingProxyType(found | dict(given))
