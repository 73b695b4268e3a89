"""`accounts.parquet`: one row an account, what it had and what became of it.

Equities are values at the first and last marks after haircuts (float). Columns that end in
`_quanta` are exact whole numbers of the settle asset; the column of the same name without the
ending is the same amount as a float. `warning_level` is the highest level the account reached, 0
for none; the last level is the margin call.
"""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import polars as pl

from keelmark.lab.arrays import totals
from keelmark.lab.fleet.questions import Floats, Int64s, equities
from keelmark.lab.population.records import AccountKind
from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.recorder import Totals

AMOUNTS: dict[str, Callable[[Totals], int]] = {
    "notional_liquidated_quanta": lambda sums: sums.liquidated,
    "notional_deleveraged_quanta": lambda sums: sums.deleveraged,
    "socialised_paid_quanta": lambda sums: sums.socialised,
}


def accounts_table(measures: Measures) -> pl.DataFrame:
    """Return what became of every account."""
    replay = measures.replay
    book = replay.state.book
    kinds = replay.population.accounts["kind"]
    count = len(kinds)
    owner = book.units["account"].astype(np.int64)
    clients = owner >= 0

    def by_account(values: Floats) -> Floats:
        return totals(owner[clients], values[clients], count)

    opened = replay.population.units["account"][replay.population.positions["unit"]]
    names = {int(kind): kind.name.lower() for kind in AccountKind}
    sums = _sums(measures)
    columns = {
        "account": [replay.population.account_name(account) for account in range(count)],
        "kind": [names[int(kind)] for kind in kinds],
        "units": np.bincount(owner[clients], minlength=count),
        "equity_start": by_account(replay.equity_start),
        "equity_end": by_account(equities(replay.state)),
        "positions_start": np.bincount(opened, minlength=count),
        "positions_end": by_account(book.units["positions_count"].astype(np.float64)).astype(int),
        "warning_level": _levels(measures, count),
        "liquidated": _flags(measures, count),
        **sums,
    }
    quantum = float(measures.money(1))
    plain = {name.removesuffix("_quanta"): values * quantum for name, values in sums.items()}
    return pl.DataFrame({**columns, **plain})


def _sums(measures: Measures) -> dict[str, Int64s]:
    """Return exact sums by account."""
    owner = measures.replay.state.book.units["account"]
    count = measures.accounts
    result = {name: np.zeros(count, np.int64) for name in AMOUNTS}
    for unit, sums in measures.replay.recorder.units.items():
        account = int(owner[unit])
        if account >= 0:
            for name, value in AMOUNTS.items():
                result[name][account] += value(sums)
    return result


def _levels(measures: Measures, count: int) -> Int64s:
    owner = measures.replay.state.book.units["account"]
    highest: defaultdict[int, int] = defaultdict(int)
    for unit, level in measures.replay.recorder.warned.items():
        account = int(owner[unit])
        highest[account] = max(highest[account], level)
    return np.array([highest.get(account, 0) for account in range(count)], np.int64)


def _flags(measures: Measures, count: int) -> list[bool]:
    owner = measures.replay.state.book.units["account"]
    liquidated = {int(owner[unit]) for unit in measures.units_liquidated}
    return [account in liquidated for account in range(count)]
