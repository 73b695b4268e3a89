"""The whole engine over a journal, driven by the kill harness: `engine_script.py MODE TARGET SEED`.

- `drive PATH SEED` recovers the engine from the journal at PATH and goes on until it is killed.
- `replay PATH SEED` folds the journal at PATH from its first batch.
- `expect COUNT SEED` makes the first COUNT batches in memory, without an interruption.

Each prints `ack <position> <digest of the state>` for every batch, `drive` once it is durable. What
comes next depends on the seed and the state alone: in the middle of a minute its remaining marks,
else a command, a bulk of fills or a minute of marks drawn from the seed and the position.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from keelmark.book.book import LIQUIDITY
from keelmark.book.postings import Fill, posting_rows
from keelmark.core.errors import InvalidInput, Rejected
from keelmark.engine import commands as c
from keelmark.engine.digest import state_digest
from keelmark.engine.engine import Engine
from keelmark.engine.events import MarksSet, Posted
from keelmark.engine.execution import SimulatedMarket
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.journal.port import Batch, Journal, Record
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings
from keelmark.engine.recovery import replay
from keelmark.engine.state import State
from keelmark.market.impact import FlatDensity, ImpactModel, exponential_memory
from keelmark.rulebooks.load import Rulebook, load_rulebook

SETTINGS = SqliteSettings(checkpoint_bytes=256 * 1024)  # many checkpoints to be killed in
ACCOUNTS = 10
SNAPSHOTS = 12
STEP_MS = 5000
BEGIN_MS = 1_760_000_000_000 // (SNAPSHOTS * STEP_MS) * (SNAPSHOTS * STEP_MS)
MILLION = 10**6
LEVELS = {"BTCUSDT": 100_000.0, "ETHUSDT": 4_000.0, "BTC": 100_000.0, "ETH": 4_000.0}

Action = c.Command | Posted | MarksSet


Sink = Callable[[str], object]


class AcknowledgedJournal:
    """Says so as soon as a batch is durable."""

    def __init__(self, inner: Journal, sink: Sink) -> None:
        self.engine: Engine | None = None
        self._inner, self._sink = inner, sink

    def append(self, batch: Batch, *, expected_position: int) -> int:
        position = self._inner.append(batch, expected_position=expected_position)
        assert self.engine is not None
        self._sink(acknowledgement(position, self.engine.state))
        return position

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        return self._inner.append_many(batches, expected_position=expected_position)

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        return self._inner.read(after=after)


def acknowledgement(position: int, state: State) -> str:
    return f"ack {position} {state_digest(state)}\n"


def rulebook() -> Rulebook:
    """Return the generic rulebook with waits, so that kills find liquidations in progress."""
    book = load_rulebook("generic")
    rules = book.liquidation
    slow = replace(
        rules,
        reduce=replace(rules.reduce, interval_s=7),
        margin_call=replace(rules.margin_call, grace_s=10),
    )
    return replace(book, liquidation=slow)


def market() -> SimulatedMarket:
    model = ImpactModel(
        shape=FlatDensity(density=200_000.0), memory=exponential_memory(half_life_s=30.0)
    )
    return SimulatedMarket([model, model])


# --- what comes next ----------------------------------------------------------------------------


def actions(state: State, seed: int, position: int) -> Iterator[Action]:
    """Yield candidates for the next batch; the last of them is always accepted."""
    done = (state.time_ms - BEGIN_MS) // STEP_MS % SNAPSHOTS if state.time_ms else 0
    if state.time_ms == 0 or done:
        yield minute(state, seed, done)
        return
    missing = ACCOUNTS - state.book.accounts_count
    if missing > 0:
        yield c.OpenAccount(name=f"account {ACCOUNTS - missing}")
        return
    rng = np.random.default_rng([seed, position])
    for _ in range(int(rng.integers(8))):
        yield command(state, rng)
    yield minute(state, seed, 0)


def minute(state: State, seed: int, done: int) -> MarksSet:
    """Return the marks of a minute after its first `done` snapshots; they follow from the state."""
    start_ms = BEGIN_MS if state.time_ms == 0 else state.time_ms
    number = (start_ms - BEGIN_MS) // (STEP_MS * SNAPSHOTS)
    rng = np.random.default_rng([seed, number, 7])
    moves = rng.normal(0.0, 0.012, (SNAPSHOTS, 2)) + rng.normal(0.0, 0.01, 2)
    names = [factor.name for factor in state.universe.factors]
    last = {name: state.prices[i] for i, name in enumerate(names)}
    rows = []
    for move in moves[done:]:
        for column, coin in enumerate(("BTC", "ETH")):
            mark = f"{coin}USDT"
            level = last[mark] if np.isfinite(last[mark]) else LEVELS[mark]
            pull = 0.02 * np.log(LEVELS[mark] / level)
            last[mark] = float(np.round(level * np.exp(move[column] + pull), 1))
            last[coin] = last[mark]
        rows.append([last[name] if name in LEVELS else 1.0 for name in names])
    count = len(rows)
    return MarksSet(
        times_ms=start_ms + STEP_MS * np.arange(1, count + 1, dtype=np.int64),
        offsets=np.arange(count + 1, dtype=np.int64) * len(names),
        factors=np.tile(np.arange(len(names), dtype=np.int32), count),
        prices=np.array(rows).reshape(-1),
    )


def command(state: State, rng: np.random.Generator) -> Action:
    """Draw a command; a rule may refuse it."""
    kinds = tuple(KINDS)
    weights = np.array([KINDS[kind][0] for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    first = len(state.book.in_house)
    unit, other = (first + int(n) for n in rng.choice(ACCOUNTS, 2, replace=False))
    return KINDS[kind][1](state, rng, unit, other)


def money(rng: np.random.Generator) -> int:
    return int(rng.integers(1_000, 50_000)) * MILLION


def lots(rng: np.random.Generator, instrument: int) -> int:
    return int(rng.choice([-1, 1])) * int(rng.integers(100, 8000)) * (1, 25)[instrument]


def deposit(_: State, rng: np.random.Generator, unit: int, __: int) -> Action:
    return c.Deposit(unit=unit, asset=0, quanta=money(rng))


def withdraw(_: State, rng: np.random.Generator, unit: int, __: int) -> Action:
    return c.Withdraw(unit=unit, asset=0, quanta=money(rng) // 10)


def transfer(_: State, rng: np.random.Generator, unit: int, other: int) -> Action:
    return c.Transfer(source=unit, target=other, asset=0, quanta=money(rng) // 10)


def fill(state: State, rng: np.random.Generator, unit: int, _: int) -> Action:
    row = int(rng.integers(2))
    return c.Fill(
        unit=unit,
        counterparty=LIQUIDITY,
        instrument=row,
        lots=lots(rng, row),
        ticks=state.ticks(row),
    )


def batch(state: State, rng: np.random.Generator, unit: int, other: int) -> Action:
    """Draw a few fills that stand or fall together, some with a leverage."""
    fills = []
    for _ in range(int(rng.integers(1, 5))):
        row = int(rng.integers(2))
        fills.append(
            c.Fill(
                unit=unit,
                counterparty=other,
                instrument=row,
                lots=lots(rng, row) // 10,
                ticks=state.ticks(row),
                leverage=int(rng.choice([0, 300, 1000])),
            )
        )
    return c.FillBatch(fills=tuple(fills))


def leverage(_: State, rng: np.random.Generator, unit: int, __: int) -> Action:
    return c.SetLeverage(
        unit=unit, instrument=int(rng.integers(2)), leverage=int(rng.integers(100, 2000))
    )


def execute(state: State, rng: np.random.Generator, unit: int, _: int) -> Action:
    """Fill half of an order that is reserved, if any is."""
    for number, order in sorted(state.orders.get(unit, {}).items()):
        return c.Fill(
            unit=unit,
            counterparty=LIQUIDITY,
            instrument=order.instrument,
            lots=order.lots // 2 or order.lots,
            ticks=order.ticks,
            order=number,
        )
    return leverage(state, rng, unit, unit)


def reserve(state: State, rng: np.random.Generator, unit: int, _: int) -> Action:
    row, order = int(rng.integers(2)), int(rng.integers(10**9))
    return c.ReserveOrder(
        unit=unit, order=order, instrument=row, lots=lots(rng, row), ticks=state.ticks(row)
    )


def protect(_: State, rng: np.random.Generator, unit: int, __: int) -> Action:
    trigger = int(rng.integers(400_000, 900_000))
    return c.SetProtection(
        unit=unit, protection=1, kind="deleverage", trigger=trigger, target=trigger // 2
    )


def funding(state: State, rng: np.random.Generator, _: int, __: int) -> Action:
    rates = tuple(int(rate) for rate in rng.integers(-(10**8), 10**8, 2))
    return c.PostFunding(instruments=(0, 1), rates=rates, ticks=(state.ticks(0), state.ticks(1)))


def bulk(state: State, rng: np.random.Generator, _: int, __: int) -> Action:
    """Draw many small fills between clients, at the mark."""
    first = len(state.book.in_house)
    moves = []
    for _ in range(int(rng.integers(1, 200))):
        unit, other = (first + int(n) for n in rng.choice(ACCOUNTS, 2, replace=False))
        instrument = int(rng.integers(2))
        size = int(rng.integers(1, 20))
        value = state.value(instrument, size, state.ticks(instrument))
        moves.append(
            Fill(unit=unit, counterparty=other, instrument=instrument, lots=size, value=value)
        )
    return Posted(rows=posting_rows(moves))


KINDS: dict[str, tuple[float, Callable[[State, np.random.Generator, int, int], Action]]] = {
    "deposit": (3.0, deposit),
    "withdraw": (1.0, withdraw),
    "transfer": (1.0, transfer),
    "fill": (7.0, fill),
    "fills": (3.0, bulk),
    "batch": (2.0, batch),
    "leverage": (1.0, leverage),
    "execute": (1.0, execute),
    "reserve": (2.0, reserve),
    "protect": (2.0, protect),
    "funding": (1.0, funding),
}


def advance(engine: Engine, seed: int) -> None:
    """Carry out the first candidate that no rule refuses."""
    for action in actions(engine.state, seed, engine.position):
        try:
            if isinstance(action, MarksSet):
                engine.submit_marks(action)
            elif isinstance(action, Posted):
                engine.submit_bulk(action)
            else:
                twice(engine, action, f"{seed}/{engine.position}")
        except (Rejected, InvalidInput):
            assert not engine.is_behind
        else:
            return


def twice(engine: Engine, action: c.Command, key: str) -> None:
    """Send a command under a key, and again: the second time nothing happens."""
    first = engine.submit(action, key=key)
    again = engine.submit(action, key=key)
    assert (again.position, again.is_repeated) == (first.position, True)


# --- the modes ----------------------------------------------------------------------------------


def drive(path: Path, seed: int) -> None:
    with SqliteJournal(path, SETTINGS) as inner:
        journal = AcknowledgedJournal(inner, lambda line: os.write(1, line.encode()))
        engine = journal.engine = Engine.recover(rulebook(), journal, market=market())
        while True:
            advance(engine, seed)


def fold(path: Path) -> list[str]:
    state, venue = State(rulebook()), market()
    lines = []
    with SqliteJournal(path, SETTINGS) as journal:
        for position, records in journal.read(after=0):
            replay(state, venue, records, position)
            lines.append(acknowledgement(position, state))
    return lines


def expect(count: int, seed: int) -> list[str]:
    lines: list[str] = []
    journal = AcknowledgedJournal(MemoryJournal(), lines.append)
    engine = journal.engine = Engine(rulebook(), journal=journal, market=market())
    while engine.position < count:
        advance(engine, seed)
    return lines[:count]


def told(mode: str, target: str, seed: int) -> list[str]:
    """Return the lines of `replay` or `expect`."""
    return fold(Path(target)) if mode == "replay" else expect(int(target), seed)


def main(mode: str, target: str, seed: int) -> None:
    if mode == "drive":
        drive(Path(target), seed)
    os.write(1, "".join(told(mode, target, seed)).encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
