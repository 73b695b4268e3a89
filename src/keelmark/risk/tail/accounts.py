"""Many accounts under the same drawn scenarios: who falls, what is lost, what a fund would pay.

Every account is valued under the same rows, so what falls together is counted together. Prices are
looked at once, at the horizon; a liquidated unit is closed there without slippage, and what it is
then worth below nothing is its deficit. A unit that is liquidatable now is closed now. An account
that cannot be read or valued is named, and stops nobody else. Currencies are added apart; dollars
count one to one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keelmark.accounts import Account, load_account, read_account
from keelmark.core.errors import InvalidInput, KeelmarkError
from keelmark.risk.fleet.measures import at_risk, tail_mean
from keelmark.risk.returns import Array, Returns
from keelmark.risk.scenarios.coin_table import coin_table
from keelmark.risk.scenarios.filtered import filtered, filtered_historical
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.symbols import summed_in
from keelmark.risk.tail.book import RiskBook
from keelmark.risk.tail.sizes import sizes_of

History = Callable[[tuple[str, ...], int | None], Returns]
"""Reads the returns of coins up to an instant (milliseconds), or to their end."""

FIGURES = ("liquidated", "notional", "equity_lost", "deficit", "lost")
"""Rows of `BookRisk.amounts`."""


@dataclass(slots=True, kw_only=True, eq=False)
class BookRisk:
    """Sums over the accounts of one currency.

    Attributes:
        currency: Of the amounts.
        accounts: How many.
        worth: Of all of them now.
        liquidatable_now: Accounts with a unit that is liquidatable before any scenario.
        amounts: (figures, scenarios): accounts with a liquidated unit; gross notional, as of now,
            of such units; what they lose of what they were worth, as far as they had it; their
            deficit, which a fund would pay; and what all accounts together lose, gains taken off.
    """

    currency: str
    accounts: int = 0
    worth: float = 0.0
    liquidatable_now: int = 0
    amounts: Array

    @property
    def expected_draw(self) -> float:
        """Mean deficit: what a fund pays on average."""
        return float(self.of("deficit").mean())

    def of(self, figure: str) -> Array:
        """Return a figure by scenario."""
        found: Array = self.amounts[FIGURES.index(figure)]
        return found

    def at_risk(self, figure: str, level: float) -> float:
        """Return the amount that is not exceeded with a probability; raises as `at_risk`."""
        return at_risk(self.of(figure), level)

    def beyond(self, figure: str, level: float) -> float:
        """Return the mean of the worst scenarios; raises as `tail_mean`."""
        return tail_mean(self.of(figure), level)

    def add(self, account: Array, worth: float, *, is_due: bool) -> None:
        """Add the figures of one account."""
        self.accounts += 1
        self.worth += worth
        self.liquidatable_now += is_due
        self.amounts += account


@dataclass(slots=True, kw_only=True, eq=False)
class AccountsRisk:
    """A book of documents under drawn scenarios.

    Attributes:
        books: Sums by currency.
        law: Where the scenarios come from.
        days: Horizon.
        scenarios: How many were drawn.
        seed: Of the draws.
        unread: Documents that cannot be read, and why.
        unknown: Accounts that cannot be valued, and why.
    """

    books: dict[str, BookRisk] = field(default_factory=dict)
    law: ReturnModel
    days: float
    scenarios: int
    seed: int
    unread: Mapping[str, str]
    unknown: dict[str, str] = field(default_factory=dict)


def risk_of_accounts(
    documents: Iterable[tuple[str, str | Path]],
    history: History | None = None,
    *,
    days: float = 1.0,
    count: int = 10_000,
    seed: int = 0,
) -> AccountsRisk:
    """Return what many accounts can lose together by a horizon.

    Args:
        documents: Name with text or file, from `accounts.bulk.sources`.
        history: Reads the returns of their coins, up to the newest account's own time where every
            account has one; the built-in table without.
        days: Horizon.
        count: Scenarios drawn.
        seed: Of the draws.

    Raises:
        InvalidInput: No account can be read, or none of their coins has returns.
    """
    held, unread = _read(documents)
    if not held:
        first = next(iter(unread.items()), None)
        why = "there is no document" if first is None else f"{first[0]}: {first[1]}"
        msg = f"no account can be read; {why}"
        raise InvalidInput(msg)
    law = _law([book for _, book in held], history, days)
    drawn = law.scenarios(steps=law.steps_of(days), count=count, seed=seed).returns.values
    found = AccountsRisk(law=law, days=days, scenarios=count, seed=seed, unread=unread)
    for name, book in held:
        lacking = [coin for coin in book.coins if coin not in law.coins]
        if lacking:
            found.unknown[name] = f"no returns of {', '.join(lacking)}"
            continue
        _add(found, book, drawn)
    return found


def _read(
    documents: Iterable[tuple[str, str | Path]],
) -> tuple[list[tuple[str, RiskBook]], dict[str, str]]:
    held: list[tuple[str, RiskBook]] = []
    unread: dict[str, str] = {}
    for name, source in documents:
        try:
            held += [(name, book) for book in _books(_account(name, source))]
        except KeelmarkError as error:
            unread[name] = str(error)
    return held, unread


def _account(name: str, source: str | Path) -> Account:
    return load_account(source) if isinstance(source, Path) else read_account(source, title=name)


def _books(account: Account) -> list[RiskBook]:
    """Return an account, apart by the currency its units are margined in."""
    by_currency: dict[str, list[RiskBook]] = {}
    for unit in account.units:
        if unit.positions or unit.balances or unit.loans:
            book = RiskBook.of(account, unit.unit_id)
            by_currency.setdefault(summed_in(book.currency), []).append(book)
    return [_joined(account, books) for books in by_currency.values()]


def _joined(account: Account, books: Sequence[RiskBook]) -> RiskBook:
    return RiskBook(
        account=account,
        valuers=tuple(v for book in books for v in book.valuers),
        coins=tuple(dict.fromkeys(coin for book in books for coin in book.coins)),
        assets=tuple(dict.fromkeys(asset for book in books for asset in book.assets)),
    )


def _law(books: Sequence[RiskBook], history: History | None, days: float) -> ReturnModel:
    """Return the law of every coin that has returns."""
    coins = tuple(dict.fromkeys(coin for book in books for coin in book.coins))
    if history is None:
        table = coin_table()
        known = [coin for coin in coins if coin in table.coins]
        if not known:
            msg = f"the table {table.name} knows none of their coins; give --returns BARS"
            raise InvalidInput(msg)
        return table.law(known, days=min(1.0, days))
    pegs = (asset for book in books for asset in book.assets)
    wanted = tuple(dict.fromkeys((*coins, *pegs)))
    returns = history(wanted, _newest(books))
    known = [name for name in wanted if name in returns.coins]
    if not known:
        msg = f"{returns.source} has returns of none of their coins"
        raise InvalidInput(msg)
    return filtered_historical(filtered(returns.of(known)))


def _newest(books: Sequence[RiskBook]) -> int | None:
    """Return the newest account's own time; `None` where an account has none."""
    times = [book.account.as_of for book in books]
    known = [int(time.timestamp() * 1_000) for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def _add(found: AccountsRisk, book: RiskBook, drawn: Array) -> None:
    """Add one account of one currency."""
    columns = [i for i, name in enumerate(found.law.coins) if name in (*book.coins, *book.assets)]
    names = [found.law.coins[i] for i in columns]
    scenarios = book.scenarios(names, drawn[:, columns], found.days)
    sizes = sizes_of(book).own
    amounts = np.zeros((len(FIGURES), found.scenarios))
    start, is_due = 0, False
    for valuer in book.valuers:
        size = float(sizes[start : start + len(valuer.legs)].sum())
        start += len(valuer.legs)
        if valuer.is_liquidatable_now:
            amounts[0] = 1.0
            amounts[1] += size
            amounts[3] += max(0.0, -valuer.now[2])
            is_due = True
            continue
        values = valuer.values(scenarios)
        down = values.is_liquidatable
        now = valuer.now[2]
        kept = np.maximum(0.0, values.worth)
        amounts[0] = np.maximum(amounts[0], down)
        amounts[1] += size * down
        amounts[2] += np.where(down, np.maximum(0.0, max(0.0, now) - kept), 0.0)
        amounts[3] += np.where(down, np.maximum(0.0, -values.worth), 0.0)
        amounts[4] -= values.pnl
    currency = summed_in(book.valuers[0].currency)
    empty = BookRisk(currency=currency, amounts=np.zeros_like(amounts))
    found.books.setdefault(currency, empty).add(amounts, book.worth, is_due=is_due)
