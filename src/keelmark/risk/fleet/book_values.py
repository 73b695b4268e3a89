"""A whole book under scenarios: who falls, what they hold, what is missing, and what to keep ready.

A float64 screen judges every unit; whom it can neither clear nor convict, `core` decides on the
unit rebuilt from its columns. Units do not act on each other here: no cascade, no loss shared.

Source: docs/model.md, "Venue book".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Tables
from keelmark.core.errors import InvalidInput
from keelmark.core.margin import margin_report
from keelmark.risk.fleet.kernel import (
    COST,
    ERROR,
    EXCESS,
    FALLEN,
    NOTIONAL,
    UNDECIDED,
    WORTH,
    book_parallel,
    book_pass,
    coin_notional_kernel,
    funded_kernel,
    verdict_kernel,
    with_prices,
)
from keelmark.risk.fleet.measures import at_risk, tail_mean
from keelmark.risk.fleet.prices import BookMoves, book_moves
from keelmark.risk.fleet.venue_book import VenueBook
from keelmark.risk.revaluation.moved import after_scenario
from keelmark.risk.scenarios import Scenarios, Shocks

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

MOVES = (-0.5, -0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Moves of a ladder."""

FUND_LEVELS = (0.5, 0.9, 0.95, 0.99, 0.995, 0.999)
"""Probabilities that a fund of the size given covers what is drawn."""

PARALLEL_FROM = 5_000
"""Units from which a second thread pays."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BookStress:
    """A book under every scenario, valuation currency; arrays of one a scenario.

    Attributes:
        labels: Of the scenarios.
        weights: Their probabilities; `None` for equal ones.
        accounts_count: Accounts with an open unit.
        worth_now: Worth of all open units now.
        notional_now: Notional of all open units now.
        fund: What the insurance funds are worth now.
        accounts: Accounts with a liquidatable unit.
        units: Liquidatable units.
        notional: Their notional at the marks after: what would have to be traded.
        equity_lost: What the liquidatable units lose of what they were worth, as far as they had
            it: a loss beyond that is deficit.
        deficit: What is missing in them once all is closed, slippage included: the fund's draw.
        lost: What all losing units lose.
        by_coin: Notional of the liquidatable by coin, long and short, (n, coins, 2).
        coins: Names of the coins.
        decided_by_core: Units the screen could not judge.
        currency: Of the amounts.
    """

    labels: tuple[str, ...]
    weights: Floats | None
    accounts_count: int
    worth_now: float
    notional_now: float
    fund: float
    accounts: Int64s
    units: Int64s
    notional: Floats
    equity_lost: Floats
    deficit: Floats
    lost: Floats
    by_coin: Floats
    coins: tuple[str, ...]
    decided_by_core: Int64s
    currency: str

    @property
    def expected_draw(self) -> float:
        """Mean deficit over the scenarios, by their probabilities."""
        return float(np.average(self.deficit, weights=self.weights))

    @property
    def beyond_fund(self) -> Floats:
        """Deficit the funds of today would not cover, by scenario."""
        left: Floats = np.maximum(0.0, self.deficit - max(0.0, self.fund))
        return left

    def liquidations_at_risk(self, level: float = 0.95) -> float:
        """Return LaR: the quantile of the notional liquidated; raises as `measures.at_risk`."""
        return at_risk(self.notional, level, self.weights)

    def liquidations_beyond(self, level: float = 0.95) -> float:
        """Return the mean notional liquidated in the worst scenarios; raises likewise."""
        return tail_mean(self.notional, level, self.weights)

    def equity_at_risk(self, level: float = 0.95) -> float:
        """Return the quantile of what liquidatable units lose of their own; raises likewise."""
        return at_risk(self.equity_lost, level, self.weights)

    def value_at_risk(self, level: float = 0.95) -> float:
        """Return VaR: the quantile of the debt nobody can pay; raises as `measures.at_risk`."""
        return at_risk(self.deficit, level, self.weights)

    def expected_shortfall(self, level: float = 0.95) -> float:
        """Return the mean deficit of the worst scenarios; raises as `measures.at_risk`."""
        return tail_mean(self.deficit, level, self.weights)

    def fund_sizes(self, levels: Sequence[float] = FUND_LEVELS) -> Mapping[float, float]:
        """Return how large a fund covers the draw with each probability."""
        return {level: at_risk(self.deficit, level, self.weights) for level in levels}


def book_stress(book: VenueBook, scenarios: Scenarios, *, slippage: float = 0.0) -> BookStress:
    """Return a book under scenarios.

    Args:
        book: The venue's whole book.
        scenarios: With returns of every coin of `book.coins`; `made_for_book` makes them of the
            stress library.
        slippage: What closing costs, fraction of notional in a book of full depth; a share `d` of
            depth makes it `slippage / sqrt(d)`.

    Raises:
        InvalidInput: A coin has no returns, the slippage is no fraction, or each coin of the venue
            is margined by itself, so that there is no sum.
    """
    if not 0.0 <= slippage < 1.0:
        msg = f"a slippage of {slippage}; give a fraction from 0 to 1, such as 0.002"
        raise InvalidInput(msg)
    _require_one_currency(book)
    run = _Run(book=book, scenarios=scenarios, moves=book_moves(book, scenarios, slippage))
    now = run.values(book.prices, np.zeros(len(book.instrument_coins)))
    rows = [run.row(at, now) for at in range(len(scenarios))]
    held = book.held
    return BookStress(
        labels=scenarios.labels or tuple(str(at) for at in range(len(scenarios))),
        weights=scenarios.weights,
        accounts_count=len(np.unique(book.book.units["account"][held])),
        worth_now=float(now[held, WORTH].sum()),
        notional_now=float(now[held, NOTIONAL].sum()),
        fund=float(now[list(book.fund_units), WORTH].sum()),
        accounts=np.array([row.accounts for row in rows], dtype=np.int64),
        units=np.array([row.units for row in rows], dtype=np.int64),
        notional=np.array([row.notional for row in rows]),
        equity_lost=np.array([row.equity_lost for row in rows]),
        deficit=np.array([row.deficit for row in rows]),
        lost=np.array([row.lost for row in rows]),
        by_coin=np.array([row.by_coin for row in rows]),
        coins=book.coins,
        decided_by_core=np.array([row.decided for row in rows], dtype=np.int64),
        currency=_currency(book),
    )


def moves_of(book: VenueBook, coin: str | None = None, moves: Sequence[float] = MOVES) -> Scenarios:
    """Return a ladder of moves as scenarios: of one coin alone, or of all coins alike.

    Raises:
        InvalidInput: The book has no such coin.
    """
    wide = np.zeros((len(moves), len(book.coins)))
    scenarios = Scenarios(
        returns=Shocks(names=book.coins, values=wide),
        labels=tuple(f"{coin or 'all'} {move * 100:+.0f} %" for move in moves),
        source="moves asked for",
    )
    if coin is not None:
        scenarios.require([coin])
    for column, name in enumerate(book.coins):
        if coin in {None, name}:
            wide[:, column] = moves
    return Scenarios(
        returns=Shocks(names=book.coins, values=wide),
        labels=scenarios.labels,
        source=scenarios.source,
    )


def _require_one_currency(book: VenueBook) -> None:
    model = book.universe.model
    settles = {terms.instrument.settle for terms in model.instruments.values()}
    if model.single_asset and len(settles) > 1:
        msg = (
            f"{model.name} margins {', '.join(sorted(settles))} each by itself: there is no sum of "
            "them; stress a book of one settle asset at a time"
        )
        raise InvalidInput(msg)


def _currency(book: VenueBook) -> str:
    model = book.universe.model
    if not model.single_asset:
        return model.valuation
    return next(iter(model.instruments.values())).instrument.settle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One scenario, added up."""

    accounts: int
    units: int
    notional: float
    equity_lost: float
    deficit: float
    lost: float
    by_coin: Floats
    decided: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """A book being stressed."""

    book: VenueBook
    scenarios: Scenarios
    moves: BookMoves

    def row(self, at: int, now: Floats) -> _Row:
        """Return one scenario."""
        tables = with_prices(self.book.tables, self.moves.prices[at])
        slack = 0.0
        if self.moves.funding is not None:
            tables = with_prices(self.book.tables, self.moves.prices[at], self._funded(at))
            slack = 1.0
        after = self._values(tables, self.moves.costs[at], slack)
        down, decided = self._down(tables, after, at)
        worth_now, worth = now[:, WORTH], after[:, WORTH]
        change = np.where(self.book.held, worth - worth_now, 0.0)
        missing = np.maximum(0.0, after[:, COST] - worth)
        had = np.maximum(0.0, worth_now)
        by_coin = np.zeros((len(self.book.coins), 2))
        names = self.book.coins
        coins = np.array([names.index(c) for c in self.book.instrument_coins], dtype=np.int32)
        coin_notional_kernel(tables, down, coins, by_coin)
        return _Row(
            accounts=len(np.unique(self.book.book.units["account"][down])),
            units=int(down.sum()),
            notional=float(after[down, NOTIONAL].sum()),
            equity_lost=float(np.clip(had - np.maximum(0.0, worth), 0.0, None)[down].sum()),
            deficit=float(missing[down].sum()),
            lost=float(-np.minimum(0.0, change).sum()),
            by_coin=by_coin,
            decided=decided,
        )

    def values(self, prices: Floats, costs: Floats) -> Floats:
        """Return what every unit comes to at prices, (units, 5)."""
        return self._values(with_prices(self.book.tables, prices), costs, 0.0)

    def _values(self, tables: Tables, costs: Floats, slack: float) -> Floats:
        count = self.book.book.units_count
        values = np.empty((count, 5))
        if count >= PARALLEL_FROM:
            book_parallel(tables, costs, slack, values)
        else:
            book_pass(tables, costs, slack, values, 0, count)
        return values

    def _funded(self, at: int) -> "npt.NDArray[np.void]":
        """Return the balances after funding, rounded to quanta."""
        rows: npt.NDArray[np.void] = self.book.book.balances.rows.copy()
        funding = self.moves.funding
        if funding is not None:
            paid = np.zeros(len(rows))
            funded_kernel(self.book.tables, funding[at], paid)
            rows["quanta"] -= np.rint(paid).astype(np.int64)
        return rows

    def _down(self, tables: Tables, after: Floats, at: int) -> tuple[Bools, int]:
        """Return which units are liquidatable, and how many of them core had to judge."""
        verdict = np.empty(len(after), dtype=np.int8)
        verdict_kernel(tables, after, self.book.held, verdict)
        down: Bools = verdict == FALLEN
        doubtful = np.flatnonzero(verdict == UNDECIDED)
        for unit in doubtful.tolist():
            down[unit] = self._by_core(unit, at)
        return down, len(doubtful)

    def _by_core(self, unit: int, at: int) -> bool:
        model = self.book.universe.model
        rebuilt = self.book.unit(unit)
        market, paid = after_scenario(rebuilt, self.book.market, model, self.scenarios, at)
        return margin_report(paid, market, model).is_liquidatable


def screened(book: VenueBook, scenarios: Scenarios, at: int) -> tuple[Floats, Floats, Floats]:
    """Return excess, its error and worth of every unit in one scenario, before any decision."""
    run = _Run(book=book, scenarios=scenarios, moves=book_moves(book, scenarios, 0.0))
    slack = 0.0 if run.moves.funding is None else 1.0
    balances = None if run.moves.funding is None else run._funded(at)  # noqa: SLF001 of this module
    tables = with_prices(book.tables, run.moves.prices[at], balances)
    values = run._values(tables, run.moves.costs[at], slack)  # noqa: SLF001 as above
    return values[:, EXCESS], values[:, ERROR], values[:, WORTH]
