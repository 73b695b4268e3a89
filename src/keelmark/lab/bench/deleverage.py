"""One auto-deleveraging of 20,000 candidates: capped pro rata, and every policy of the engine.

Sizes and equities are lognormal with a standard deviation of 2.5 and 2 in the logarithm, half of
everything closable has to go. Gathering the candidates from the book is left out.
"""

from functools import partial

import numpy as np

from keelmark.engine.adl import DELEVERAGE, Candidates
from keelmark.engine.adl.continuous import fill
from keelmark.lab.bench.timing import timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require

COUNT = 20_000
BAR_MS = 2.0
SLOW = ("lazy_open_interest",)
"""Policies that visit every candidate of every wave: a few runs say enough."""

TOLERANCE = 1e-9


def candidates(count: int, seed: int) -> Candidates:
    """Return random longs at a mark of 100."""
    rng = np.random.default_rng(seed)
    lots = np.ceil(rng.lognormal(5, 2.5, count)).astype(np.int64)
    equity = lots * 100 / rng.lognormal(1, 1, count)
    entry = 100 * rng.lognormal(0, 0.2, count)
    return Candidates(
        unit=np.arange(count, dtype=np.int64),
        closable=np.ceil(lots * rng.uniform(0.2, 1, count)).astype(np.int64),
        lots=lots,
        pnl=lots * (100 - entry),
        equity=equity,
        notional_total=lots * 100 * rng.uniform(1, 3, count),
        entry_value=entry,
        mark_value=np.full(count, 100.0),
        maintenance=equity * 0.2,
    )


def deleverage_rows(size: Size) -> list[Row]:
    """Time the continuous fill and every policy."""
    count = size.times(COUNT, 200)
    winners = candidates(count, seed=7)
    return [capped_row(winners, size), *policy_rows(winners, size)]


def capped_row(winners: Candidates, size: Size) -> Row:
    """Split a loss over profits, each capped; the common factor is found exactly."""
    profit = np.maximum(winners.pnl, 0)
    budget = float(profit.sum()) / 4
    caps = profit * np.random.default_rng(8).uniform(0, 1, len(profit))
    watch = timed(partial(fill, budget, profit, caps), size.times(51, 3))
    shares = fill(budget, profit, caps)
    require(bool(abs(shares.sum() - budget) <= TOLERANCE * budget), "shares sum to the loss")
    require(shares <= caps * (1.0 + TOLERANCE), "nobody pays more than the cap")
    free = (shares < caps * (1.0 - TOLERANCE)) & (profit > 0)
    factors = shares[free] / profit[free]
    require(bool(np.ptp(factors) <= TOLERANCE * factors.max()), "one factor below the caps")
    return Row(
        name="capped_pro_rata",
        what="a loss split pro rata under caps",
        value=1e3 * watch.median,
        unit="ms",
        bar=size.bar("<=", BAR_MS, units=None),
        timings=watch.timings(1e3),
        data=f"{len(profit):,} winners, {np.count_nonzero(~free):,} at their cap",
        checked="sums to the loss, nobody over the cap, one factor for all below it",
    )


def policy_rows(winners: Candidates, size: Size) -> list[Row]:
    """Time every deleverage policy on the same candidates, in whole lots."""
    needed = int(winners.closable.sum()) // 2
    rows = []
    for name in DELEVERAGE:
        policy = DELEVERAGE[name]
        runs = 2 if name in SLOW else size.times(15, 2)
        watch = timed(partial(policy, needed, winners), runs)
        taken = policy(needed, winners)
        require(bool(taken.sum() == needed), "lots sum to what is needed")
        require(taken <= winners.closable, "nobody gives more than is closable")
        rows.append(
            Row(
                name=f"deleverage_{name}",
                what=f"one deleveraging by {name}, in whole lots",
                value=1e3 * watch.median,
                unit="ms",
                timings=watch.timings(1e3),
                data=f"{len(winners.unit):,} candidates, {needed:,} lots",
                checked="lots sum to what is needed, nobody over what is closable",
            ),
        )
    return rows
