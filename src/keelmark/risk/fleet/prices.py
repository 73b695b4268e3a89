"""What scenarios make of a book's price column, of its balances, and of what closing costs.

The same rules as `risk.revaluation.moved`: a mark moves by its coin and its basis, an index and a
forward by the coin, a coin as collateral by its return and its own shock, a dollar by its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.bound import Factor, FactorKind
from keelmark.core.instrument import InstrumentKind
from keelmark.risk.fleet.venue_book import VenueBook
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.stress.library import StressScenario
from keelmark.risk.stress.shocks import Made, Needs, made_for
from keelmark.risk.symbols import coin_of

Floats = npt.NDArray[np.float64]

PERPETUALS = frozenset({InstrumentKind.LINEAR_PERPETUAL, InstrumentKind.INVERSE_PERPETUAL})


def made_for_book(book: VenueBook, wanted: Sequence[StressScenario], *, scale: float = 1.0) -> Made:
    """Return scenarios of the library for every coin and asset of a book.

    What is made against one account's own positions is left out, and said.
    """
    needs = Needs(
        coins=book.coins,
        dollars=book.dollars,
        others=tuple(a for a in book.priced_assets if a not in book.dollars),
    )
    return made_for(wanted, needs, scale=scale)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BookMoves:
    """Scenarios in the rows of a book.

    Attributes:
        prices: Price column after each scenario, shape (n, factors + 1).
        funding: What longs pay of their notional now, by instrument, shape (n, instruments);
            `None` where nobody pays.
        costs: What closing costs, fraction of the notional after, shape (n, instruments).
    """

    prices: Floats
    funding: Floats | None
    costs: Floats


def book_moves(book: VenueBook, scenarios: Scenarios, slippage: float) -> BookMoves:
    """Return the rows of a book after scenarios.

    Args:
        book: Whose rows.
        scenarios: A column of returns for each of `book.coins`.
        slippage: Cost of closing, fraction of notional in a whole book; by the square root of the
            share of depth left.

    Raises:
        InvalidInput: A coin of the book has no column of returns.
    """
    scenarios.require(book.coins)
    count = len(scenarios)
    columns = _Columns(scenarios=scenarios)
    factors = [columns.ratio(factor, book) for factor in book.universe.factors]
    ratios = np.column_stack([*factors, np.ones(count)])
    coins = book.instrument_coins
    rates = np.column_stack([columns.of("funding", coin) for coin in coins])
    pays = np.array([_is_perpetual(book, row) for row in range(len(coins))])
    depth = np.column_stack([columns.of("depth", coin, still=1.0) for coin in coins])
    with np.errstate(divide="ignore", invalid="ignore"):
        thinned = np.where(slippage > 0.0, slippage / np.sqrt(depth), 0.0)
    return BookMoves(
        prices=np.ascontiguousarray(book.prices * ratios),
        funding=np.ascontiguousarray(rates * pays) if (rates * pays).any() else None,
        costs=np.ascontiguousarray(np.minimum(1.0, thinned)),
    )


def _is_perpetual(book: VenueBook, row: int) -> bool:
    return book.universe.instrument(row).kind in PERPETUALS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Scenarios by name."""

    scenarios: Scenarios

    def of(self, block: str, name: str, *, still: float = 0.0) -> Floats:
        """Return a column of a block, or one that stands still."""
        shocks: Shocks | None = getattr(self.scenarios, block)
        found = None if shocks is None else shocks.column(name)
        return np.full(len(self.scenarios), still) if found is None else found

    def ratio(self, factor: Factor, book: VenueBook) -> Floats:
        """Return a factor's price over the present one."""
        if factor.kind is FactorKind.ASSET:
            own = 1.0 + self.of("collateral", factor.name)
            return own if factor.name in book.dollars else own * self._coin(factor.name)
        model = book.universe.model
        if factor.kind is FactorKind.MARK:
            base = model.instruments[factor.name].instrument.base
            return self._coin(base) * (1.0 + self.of("basis", coin_of(base)[0]))
        bases = (
            terms.instrument.base
            for terms in model.instruments.values()
            if terms.instrument.index == factor.name
        )
        return self._coin(next(bases, factor.name))

    def _coin(self, base: str) -> Floats:
        moved: Floats = 1.0 + self.of("returns", coin_of(base)[0])
        return moved
