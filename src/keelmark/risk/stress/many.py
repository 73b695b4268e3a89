"""A book of account documents under stress: per scenario who falls, how much is lost and missing.

A document that cannot be read, or whose margin is unknown, is an answer like any other and stops
nobody else. Amounts in different currencies are added apart; dollars count one to one.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import load_account, read_account
from keelmark.accounts.bulk import BATCH, POOL_FROM
from keelmark.core.errors import KeelmarkError
from keelmark.risk.stress.account_stress import StressResult, StressRow, UnitStress, stress_account
from keelmark.risk.stress.library import StressScenario
from keelmark.risk.symbols import summed_in

Floats = npt.NDArray[np.float64]

FIGURES = ("liquidated", "notional", "lost", "gained", "deficit", "equity_lost")
"""What is added up, in the order of `BookTotals.values`."""


@dataclass(slots=True, kw_only=True, eq=False)
class BookTotals:
    """Sums over accounts in one currency.

    Attributes:
        currency: Of the amounts.
        accounts: How many accounts.
        equity: Sum of equity now.
        liquidatable_now: Accounts with a unit that is liquidatable before any scenario.
        values: Shape (scenarios, figures): accounts with a unit liquidated, notional of such
            units after, what losing accounts lose, what winning ones gain, deficit, and what
            liquidated units lose of what they were worth, as far as they had it.
        worst: Shape (scenarios,): the largest deficit of one account.
        worst_name: Whose that is.
    """

    currency: str
    accounts: int = 0
    equity: float = 0.0
    liquidatable_now: int = 0
    values: Floats
    worst: Floats
    worst_name: list[str]

    @classmethod
    def empty(cls, currency: str, count: int) -> "BookTotals":
        """Return no account yet."""
        return cls(
            currency=currency,
            values=np.zeros((count, len(FIGURES))),
            worst=np.zeros(count),
            worst_name=[""] * count,
        )

    def add(self, name: str, units: Sequence[UnitStress], values: Floats) -> None:
        """Add the units of an account and what their figures come to."""
        self.accounts += 1
        self.equity += sum(unit.now[0] for unit in units)
        self.liquidatable_now += any(unit.is_liquidatable_now for unit in units)
        self.values += values
        deficit = values[:, FIGURES.index("deficit")]
        for at in np.flatnonzero(deficit > self.worst).tolist():
            self.worst[at], self.worst_name[at] = deficit[at], name

    def join(self, other: "BookTotals") -> None:
        """Add other totals; of equal deficits the first account's stays."""
        self.accounts += other.accounts
        self.equity += other.equity
        self.liquidatable_now += other.liquidatable_now
        self.values += other.values
        for at in np.flatnonzero(other.worst > self.worst).tolist():
            self.worst[at], self.worst_name[at] = other.worst[at], other.worst_name[at]


@dataclass(slots=True, kw_only=True, eq=False)
class BookStress:
    """A book of documents under stress.

    Attributes:
        wanted: The scenarios.
        totals: Sums by currency.
        stand_ins: Accounts by coin that took a figure not its own in some scenario.
        unread: Documents that cannot be read, and why.
        unknown: Units whose margin is unknown, and why.
        coins: Every coin that accounts stand on.
    """

    wanted: tuple[StressScenario, ...]
    totals: dict[str, BookTotals] = field(default_factory=dict)
    stand_ins: Counter[str] = field(default_factory=Counter)
    unread: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    coins: set[str] = field(default_factory=set)

    def join(self, other: "BookStress") -> None:
        """Add what was found of further documents."""
        for currency, totals in other.totals.items():
            self.of(currency).join(totals)
        self.stand_ins.update(other.stand_ins)
        self.unread |= other.unread
        self.unknown |= other.unknown
        self.coins |= other.coins

    def of(self, currency: str) -> BookTotals:
        """Return the sums of a currency, begun where there are none."""
        return self.totals.setdefault(currency, BookTotals.empty(currency, len(self.wanted)))


def stress_many(
    documents: Iterable[tuple[str, str | Path]],
    wanted: Sequence[StressScenario],
    *,
    scale: float = 1.0,
    processes: int | None = None,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> BookStress:
    """Return a book of documents under stress.

    Args:
        documents: Name with text or file, from `accounts.bulk.sources`.
        wanted: Scenarios of the library or of a file.
        scale: Of every shock.
        processes: How many at once; without it as many as there are processors, from a thousand
            documents on. The result does not depend on it.
        tell: Told how many documents are done, and how many there are.
    """
    work = list(documents)
    count = processes or (os.cpu_count() or 1 if len(work) >= POOL_FROM else 1)
    run = partial(_batch, wanted=tuple(wanted), scale=scale)
    whole = BookStress(wanted=tuple(wanted))
    batches = list(_batches(work))
    with ExitStack() as stack:
        parts: Iterable[BookStress] = map(run, batches)
        if count > 1:
            pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
            parts = stack.enter_context(pool).map(run, batches)
        done = 0
        for batch, part in zip(batches, parts, strict=True):
            whole.join(part)
            done += len(batch)
            tell(done, len(work))
    return whole


def _batches(work: Sequence[tuple[str, str | Path]]) -> Iterator[list[tuple[str, str | Path]]]:
    rows = iter(work)
    return iter(lambda: list(islice(rows, BATCH)), [])


def _batch(
    batch: Sequence[tuple[str, str | Path]], *, wanted: tuple[StressScenario, ...], scale: float
) -> BookStress:
    """Return one batch; batches do not depend on the number of processes."""
    found = BookStress(wanted=wanted)
    for name, source in batch:
        try:
            is_file = isinstance(source, Path)
            account = load_account(source) if is_file else read_account(str(source), title=name)
            result = stress_account(account, wanted, scale=scale)
        except KeelmarkError as error:
            found.unread[name] = str(error)
            continue
        found.unknown |= {f"{name} {unit}": why for unit, why in result.unknown.items()}
        _add(found, name, result)
    return found


def _add(found: BookStress, name: str, result: StressResult) -> None:
    """Add one account: liquidated where any of its units is, amounts summed over them."""
    count = len(found.wanted)
    for currency in dict.fromkeys(summed_in(unit.currency) for unit in result.units):
        units = [unit for unit in result.units if summed_in(unit.currency) == currency]
        values = np.zeros((count, len(FIGURES)))
        for unit in units:
            values += _values(unit, found.wanted)
        values[:, 0] = values[:, 0] > 0.0
        found.of(currency).add(name, units, values)
    rows = (row for unit in result.units for row in unit.made.stand_ins.values())
    found.stand_ins.update({coin for row in rows for coin in row})
    found.coins |= {coin for unit in result.units for coin in unit.valuer.coins}


def _own_loss(unit: UnitStress, row: StressRow) -> float:
    """Return what a unit loses of what it was worth; a loss beyond that is deficit."""
    return max(0.0, max(0.0, unit.now[2]) - max(0.0, row.worth))


def _values(unit: UnitStress, wanted: Sequence[StressScenario]) -> Floats:
    """Return the figures of one unit; what was left out adds nothing."""
    rows = {row.scenario.name: row for row in unit.rows}
    values = np.zeros((len(wanted), len(FIGURES)))
    for at, scenario in enumerate(wanted):
        row = rows.get(scenario.name)
        if row is not None:
            values[at] = (
                float(row.is_liquidatable),
                row.notional if row.is_liquidatable else 0.0,
                max(0.0, -row.pnl),
                max(0.0, row.pnl),
                row.deficit,
                _own_loss(unit, row) if row.is_liquidatable else 0.0,
            )
    return values
