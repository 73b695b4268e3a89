"""One liquidation of a unit with five positions, by how it ends.

Timed from the opening event of a case to its closing one: exact decision, orders, postings, events
and attribution. The journal is in memory; what a flush costs is measured by `journal`.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keelmark.book.book import LIQUIDITY
from keelmark.book.postings import Fill, Transfer, posting_rows
from keelmark.book.records import OUTSIDE
from keelmark.book.totals import totals
from keelmark.core.process import Stage
from keelmark.engine import events as e
from keelmark.engine.engine import Engine
from keelmark.engine.execution import Execution, ExecutionVenue, LiquidationOrder, MarkMarket
from keelmark.lab.bench.cases import Cases
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.rulebooks import Rulebook, load_rulebook

LEVELS = {"BTC": 100_000.0, "ETH": 4_000.0, "SOL": 200.0, "XRP": 2.5, "DOGE": 0.2}
POSITION = 20_000.0
"""Money in each position."""

DEPOSIT = 5_000.0
USDT = 10**6
LOSERS, WINNERS = 500, 500
RICH = 10**9
BAR_US = 500.0


class NoMarket(MarkMarket):
    """Nobody buys: every liquidation goes on to the takeover."""

    def execute(self, order: LiquidationOrder) -> Execution:
        """Fill nothing."""
        return Execution(lots=0, ticks=order.mark_ticks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A way for everybody to end.

    Attributes:
        name: Outcome of every case.
        what: In words.
        market: Where orders are sold.
        fall: Of every coin at one snapshot.
        left_out: Stages that the venue does not run.
    """

    name: str
    what: str
    market: ExecutionVenue
    fall: float
    left_out: frozenset[Stage] = frozenset()


ENDINGS = (
    Ending(
        name="recovered",
        what="reduced in the market",
        market=MarkMarket(),
        fall=0.0435,
    ),
    Ending(
        name="taken_over",
        what="no buyer, taken over with a deficit the fund pays",
        market=NoMarket(),
        fall=0.06,
    ),
    Ending(
        name="deleveraged",
        what="closed against winners at the transfer price",
        market=MarkMarket(),
        fall=0.06,
        left_out=frozenset({Stage.REDUCE, Stage.TAKEOVER, Stage.INSURANCE}),
    ),
)


def outcome_rows(size: Size) -> list[Row]:
    """Measure every ending."""
    return [_row(ending, size) for ending in ENDINGS]


def _row(ending: Ending, size: Size) -> Row:
    """Let everybody who is long fall at one snapshot."""
    losers = size.times(LOSERS, 10)
    cases = Cases()
    engine = _venue(ending, cases, losers)
    watch = Stopwatch()
    with watch:
        engine.submit_marks(_marks(engine, ending.fall))
    require(cases.outcomes == {ending.name: losers}, f"every case is {ending.name}")
    require(not any(totals(engine.state.book).residuals), "value conserved")
    return Row(
        name=f"liquidation_{ending.name}",
        what=f"one liquidation of five positions: {ending.what}",
        value=cases.mean_us,
        unit="us",
        bar=size.bar("<=", BAR_US, units=None),
        timings=cases.timings,
        data=f"{losers} units fall at one snapshot, {WINNERS} winners hold the other side",
        checked=f"every outcome; {cases.checked}",
        note=f"{1e6 * watch.total / losers:.0f} us each with index, screens and journal in memory",
    )


def _rulebook(left_out: frozenset[Stage]) -> Rulebook:
    """Return the generic rulebook with five contracts, every order at once."""
    base = load_rulebook("generic")
    symbols = [f"{coin}USDT" for coin in LEVELS]
    book = base.with_terms(*(base.terms_for(symbol) for symbol in symbols))
    rules = replace(
        book.liquidation,
        reduce=replace(book.liquidation.reduce, interval_s=0),
        stages=tuple(stage for stage in book.liquidation.stages if stage not in left_out),
    )
    return replace(book, liquidation=rules)


def _venue(ending: Ending, cases: Cases, losers: int) -> Engine:
    """Return an engine with losers, long in all five, and winners on the other side."""
    engine = Engine(_rulebook(ending.left_out), market=ending.market, listener=cases)
    engine.submit_marks(_marks(engine, 0.0))
    first = engine.state.book.units_count
    engine.submit_bulk(e.AccountsOpened(count=losers + WINNERS, isolated=np.zeros(0, np.int64)))
    rng = np.random.default_rng(3)
    moves: list[Fill | Transfer] = []
    for unit in range(first, first + losers + WINNERS):
        side = 1 if unit < first + losers else -max(1, losers // WINNERS)
        money = DEPOSIT * (1.0 if side > 0 else 100.0) * float(rng.uniform(1.0, 1.001))
        moves.append(_deposit(unit, int(money * USDT)))
        moves += _positions(engine, unit, side)
    moves += [_deposit(engine.state.fund_of(-1), RICH * USDT)]
    moves += [_deposit(engine.state.backstop, RICH * USDT)]
    engine.submit_bulk(e.Posted(rows=posting_rows(moves)))
    return engine


def _positions(engine: Engine, unit: int, side: int) -> list[Fill]:
    """Return an opening fill at the mark in every contract."""
    state, fills = engine.state, []
    for row in range(len(state.universe.symbols)):
        ticks = state.ticks(row)
        lots = side * int(POSITION * USDT / state.value(row, 1, ticks))
        value = state.value(row, lots, ticks)
        shared: dict[str, Any] = {"counterparty": LIQUIDITY, "instrument": row}
        fills.append(Fill(unit=unit, lots=lots, value=value, **shared))
    return fills


def _deposit(unit: int, quanta: int) -> Transfer:
    return Transfer(unit=OUTSIDE, counterparty=unit, asset=0, quanta=quanta)


def _marks(engine: Engine, fall: float) -> e.MarksSet:
    """Return one snapshot with every coin this far below its level, dollars at one."""
    factors = engine.state.universe.factors
    coins = [factor.name.removesuffix("USDT") for factor in factors]
    prices = [LEVELS[coin] * (1.0 - fall) if coin in LEVELS else 1.0 for coin in coins]
    return e.MarksSet(
        times_ms=np.array([engine.state.time_ms + 1000]),
        offsets=np.array([0, len(prices)]),
        factors=np.arange(len(prices), dtype=np.int32),
        prices=np.array(prices),
    )
