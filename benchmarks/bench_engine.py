"""What one liquidation costs by how it ends, and what opening an engine again costs.

A case is timed from its opening event to its closing one: exact core, orders, postings, events and
attribution of a unit with five positions. The journal is in memory; the flush of a real one is
measured by `bench_journal.py`. Recovery is of a fleet with two positions a unit.
"""

import json
import sys
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from keelmark.book.book import LIQUIDITY
from keelmark.book.postings import Fill, Transfer, posting_rows
from keelmark.book.records import FILL, OUTSIDE, POSTING, TRANSFER
from keelmark.core.process import LiquidationRules, Stage
from keelmark.engine import events as e
from keelmark.engine.engine import Engine
from keelmark.engine.execution import Execution, LiquidationOrder, MarkMarket
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.engine.recovery import reading, replay
from keelmark.engine.snapshot import load
from keelmark.engine.watch import Watch
from keelmark.rulebooks.load import Rulebook, load_rulebook

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
LEVELS = {"BTC": 100_000.0, "ETH": 4_000.0, "SOL": 200.0, "XRP": 2.5, "DOGE": 0.2}
POSITION = 20_000.0  # money in each position
DEPOSIT = 5_000.0
USDT = 10**6
WINNERS = 500

Figures = dict[str, float]


class NoMarket(MarkMarket):
    """Nobody buys: every liquidation goes on to the takeover."""

    def execute(self, order: LiquidationOrder) -> Execution:
        """Fill nothing."""
        return Execution(lots=0, ticks=order.mark_ticks)


@dataclass(slots=True)
class Cases:
    """Times every case from its opening event to its closing one."""

    seconds: list[float] = field(default_factory=list)
    outcomes: set[str] = field(default_factory=set)
    began: float = 0.0

    def __call__(self, event: Any) -> None:  # noqa: ANN401 an event
        """Hear an event."""
        if isinstance(event, e.LiquidationStarted):
            self.began = perf_counter()
        elif isinstance(event, e.LiquidationEnded):
            self.seconds.append(perf_counter() - self.began)
            self.outcomes.add(event.outcome)


def rulebook(**changes: object) -> Rulebook:
    """Return the generic rulebook with five contracts, and its process changed."""
    base = load_rulebook("generic")
    book = base.with_terms(*(base.terms_for(symbol) for symbol in SYMBOLS))
    at_once = replace(book.liquidation.reduce, interval_s=0)
    rules = replace(book.liquidation, reduce=at_once)
    changed: LiquidationRules = replace(rules, **changes)  # type: ignore[arg-type]
    return replace(book, liquidation=changed)


def marks(engine: Engine, fall: float) -> e.MarksSet:
    """Return one snapshot with every coin this far below its level."""
    factors = engine.state.universe.factors
    coins = [factor.name.removesuffix("USDT") for factor in factors]
    prices = [LEVELS[coin] * (1.0 - fall) if coin in LEVELS else 1.0 for coin in coins]
    time_ms = engine.state.time_ms + 1000
    return e.MarksSet(
        times_ms=np.array([time_ms]),
        offsets=np.array([0, len(prices)]),
        factors=np.arange(len(prices), dtype=np.int32),
        prices=np.array(prices),
    )


def venue(book: Rulebook, market: MarkMarket, cases: Cases, losers: int) -> Engine:
    """Return an engine with losers, long in all five, and winners on the other side."""
    engine = Engine(book, market=market, listener=cases)
    engine.submit_marks(marks(engine, 0.0))
    state = engine.state
    first = state.book.units_count
    engine.submit_bulk(e.AccountsOpened(count=losers + WINNERS, isolated=np.zeros(0, np.int64)))
    rng = np.random.default_rng(3)
    moves: list[Fill | Transfer] = []
    for unit in range(first, first + losers + WINNERS):
        is_loser = unit < first + losers
        money = DEPOSIT if is_loser else 100.0 * DEPOSIT
        money *= float(rng.uniform(1.0, 1.001))
        moves.append(_deposit(unit, int(money * USDT)))
        for row in range(len(state.universe.symbols)):
            ticks = state.ticks(row)
            lots = int(POSITION * USDT / state.value(row, 1, ticks))
            lots *= 1 if is_loser else -max(1, losers // WINNERS)
            value = state.value(row, lots, ticks)
            moves.append(
                Fill(unit=unit, counterparty=LIQUIDITY, instrument=row, lots=lots, value=value),
            )
    moves.append(_deposit(state.fund_of(-1), 10**9 * USDT))
    moves.append(_deposit(state.backstop, 10**9 * USDT))
    engine.submit_bulk(e.Posted(rows=posting_rows(moves)))
    return engine


def _deposit(unit: int, quanta: int) -> Transfer:
    return Transfer(unit=OUTSIDE, counterparty=unit, asset=0, quanta=quanta)


def one_outcome(market: MarkMarket, fall: float, losers: int, **changes: object) -> Figures:
    """Let everybody who is long fall at one snapshot; return what a case took, microseconds."""
    cases = Cases()
    engine = venue(rulebook(**changes), market, cases, losers)
    start = perf_counter()
    engine.submit_marks(marks(engine, fall))
    total = perf_counter() - start
    assert len(cases.seconds) == losers, f"{len(cases.seconds)} of {losers}: {cases.outcomes}"
    assert len(cases.outcomes) == 1, cases.outcomes
    taken = np.array(cases.seconds) * 1e6
    return {
        "median_us": float(np.median(taken)),
        "p99_us": float(np.quantile(taken, 0.99)),
        "mean_us": float(taken.mean()),
        "all_in_us": 1e6 * total / losers,
        "cases": float(losers),
    }


def waterfall(losers: int = 500) -> dict[str, Figures]:
    """Return what a case with five positions takes, by how it ends."""
    without = tuple(s for s in Stage if s not in {Stage.REDUCE, Stage.TAKEOVER, Stage.INSURANCE})
    outcomes = {
        "reduced in the market": partial(one_outcome, MarkMarket(), 0.0435, losers),
        "taken over, fund pays": partial(one_outcome, NoMarket(), 0.06, losers),
        "deleveraged": partial(one_outcome, MarkMarket(), 0.06, losers, stages=without),
    }
    for run in outcomes.values():  # compile, fill caches
        run()
    return {name: run() for name, run in outcomes.items()}


def recovery(units: int, fills: int) -> Figures:
    """Return what a snapshot, its wires and a tail of bulk fills cost, on SQLite."""
    rng = np.random.default_rng(5)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "snapshot"
        with SqliteJournal(Path(folder) / "journal") as journal:
            book = rulebook()
            engine = _fleet(book, journal, units, rng)
            before = perf_counter()
            engine.write_snapshot(path)
            figures = {"snapshot_write_s": perf_counter() - before}
            position = engine.position
            for _ in range(4):
                engine.submit_bulk(_fills(engine, units, fills // 4, rng))
            digest = engine.digest()
            before = perf_counter()
            loaded = load(path, book, MarkMarket())
            figures["snapshot_load_s"] = perf_counter() - before
            before = perf_counter()
            with reading(journal, after=position) as batches:
                for after, records in batches:
                    replay(loaded.state, MarkMarket(), records, after)
            seconds = perf_counter() - before
            figures["tail_fills_per_s"] = fills / seconds
            before = perf_counter()
            Watch(loaded.state)
            figures["wires_s"] = perf_counter() - before
            again = Engine.recover(book, journal, snapshot=path)
            assert again.digest() == digest
    return figures | {"units": float(units), "fills": float(fills)}


def _fleet(book: Rulebook, journal: SqliteJournal, units: int, rng: np.random.Generator) -> Engine:
    """Return an engine whose units have money and two positions each."""
    engine = Engine(book, journal=journal)
    engine.submit_marks(marks(engine, 0.0))
    first = engine.state.book.units_count
    engine.submit_bulk(e.AccountsOpened(count=units, isolated=np.zeros(0, np.int64)))
    money = np.zeros(units, POSTING)
    money["kind"], money["unit"], money["counterparty"] = TRANSFER, OUTSIDE, first
    money["counterparty"] += np.arange(units, dtype=np.int32)
    money["value"] = (DEPOSIT * USDT * rng.uniform(0.5, 2.0, units)).astype(np.int64)
    engine.submit_bulk(e.Posted(rows=money))
    for _ in range(2):
        engine.submit_bulk(_fills(engine, units, units, rng))
    return engine


def _fills(engine: Engine, units: int, count: int, rng: np.random.Generator) -> e.Posted:
    """Return fills between random clients, at the mark."""
    state = engine.state
    first = len(state.book.in_house)
    rows = np.zeros(count, POSTING)
    instruments = rng.integers(0, len(state.universe.symbols), count)
    ticks = np.array([state.ticks(row) for row in range(len(state.universe.symbols))])
    unit_value = state.universe.instruments["unit_value"][instruments]
    lot_value = unit_value * ticks[instruments]
    rows["kind"] = FILL
    rows["unit"] = first + rng.integers(0, units, count)
    rows["counterparty"] = first + (rows["unit"] - first + 1 + rng.integers(0, units - 1)) % units
    rows["subject"] = instruments
    rows["lots"] = np.maximum(1, (1_000 * USDT) // lot_value) * rng.choice([-1, 1], count)
    rows["value"] = rows["lots"] * lot_value
    return e.Posted(rows=rows)


def main() -> None:
    """Print the figures as JSON; the first argument is the number of units to recover."""
    units = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    figures = {"waterfall, five positions": waterfall(), "recovery": recovery(units, units)}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
