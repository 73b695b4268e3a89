"""Where a book's notional lies: by coin and side, and in how few accounts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.fleet.kernel import NOTIONAL, book_pass, coin_notional_kernel
from keelmark.risk.fleet.venue_book import VenueBook

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BookConcentration:
    """How a book's notional is spread, valuation currency.

    Attributes:
        coins: Names.
        long: Notional held long, by coin.
        short: Notional held short, by coin; of a whole venue it is what in-house units do not hold.
        coin_index: Herfindahl index of gross notional over coins: one for a single coin.
        account_index: The same over accounts.
        top: Accounts that share out the largest part.
        top_share: Their share of the gross notional.
    """

    coins: tuple[str, ...]
    long: Floats
    short: Floats
    coin_index: float
    account_index: float
    top: int
    top_share: float

    @property
    def shares(self) -> Floats:
        """Share of each coin in the gross notional."""
        return _shares(self.long + self.short)


def book_concentration(book: VenueBook, *, top: int = 10) -> BookConcentration:
    """Return where the notional of open accounts lies now.

    Raises:
        InvalidInput: `top` is below one.
    """
    if top < 1:
        msg = f"the {top} largest accounts; ask for at least one"
        raise InvalidInput(msg)
    names = book.coins
    coins = np.array([names.index(c) for c in book.instrument_coins], dtype=np.int32)
    sides = np.zeros((len(names), 2))
    coin_notional_kernel(book.tables, book.held, coins, sides)
    accounts = _by_account(book)
    shares = _shares(accounts)
    gross = _shares(sides.sum(axis=1))
    return BookConcentration(
        coins=names,
        long=sides[:, 0],
        short=sides[:, 1],
        coin_index=float((gross**2).sum()),
        account_index=float((shares**2).sum()),
        top=min(top, len(accounts)),
        top_share=float(np.sort(shares)[::-1][:top].sum()),
    )


def _by_account(book: VenueBook) -> Floats:
    units = book.book.units
    values = np.empty((len(units), 5))
    book_pass(book.tables, np.zeros(len(book.instrument_coins)), 0.0, values, 0, len(units))
    held = book.held
    found = np.bincount(units["account"][held], weights=values[held, NOTIONAL])
    return found.astype(np.float64)


def _shares(amounts: Floats) -> Floats:
    total = float(amounts.sum())
    return amounts / total if total > 0.0 else np.zeros_like(amounts)
