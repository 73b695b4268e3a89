"""Time of one deleveraging: every policy over 20,000 candidates, heavy-tailed.

Sizes and equities are lognormal with a standard deviation of 2.5 and 2 in the logarithm, half of
everything closable has to go, unit ids rise. Excluded: gathering the candidates from the book.
Run: `python -m benchmarks.deleverage`.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np

from keelmark.engine.adl import DELEVERAGE, Candidates
from keelmark.engine.adl.continuous import fill

COUNT = 20_000
RUNS = 51


def candidates(count: int, seed: int) -> Candidates:
    """Return random longs at a mark of 100."""
    random = np.random.default_rng(seed)
    lots = np.ceil(random.lognormal(5, 2.5, count)).astype(np.int64)
    equity = lots * 100 / random.lognormal(1, 1, count)
    entry = 100 * random.lognormal(0, 0.2, count)
    return Candidates(
        unit=np.arange(count, dtype=np.int64),
        closable=np.ceil(lots * random.uniform(0.2, 1, count)).astype(np.int64),
        lots=lots,
        pnl=lots * (100 - entry),
        equity=equity,
        notional_total=lots * 100 * random.uniform(1, 3, count),
        entry_value=entry,
        mark_value=np.full(count, 100.0),
        maintenance=equity * 0.2,
    )


def milliseconds(call: Callable[[], object], runs: int = RUNS) -> tuple[float, float]:
    """Return the median and the 99th percentile of warm calls."""
    call()
    times = []
    for _ in range(runs):
        start = perf_counter()
        call()
        times.append(1e3 * (perf_counter() - start))
    return float(np.median(times)), float(np.quantile(times, 0.99))


def main() -> None:
    """Print one line per policy."""
    winners = candidates(COUNT, seed=7)
    needed = int(winners.closable.sum()) // 2
    for name in DELEVERAGE:
        policy = DELEVERAGE[name]
        taken = policy(needed, winners)
        assert taken.sum() == needed
        assert np.all(taken <= winners.closable)
        runs = 3 if name == "lazy_open_interest" else RUNS
        median, slow = milliseconds(partial(policy, needed, winners), runs)
        print(f"{name:24} median {median:8.2f} ms   p99 {slow:8.2f} ms")
    profit = np.maximum(winners.pnl, 0)
    budget = float(profit.sum()) / 4
    caps = profit * np.random.default_rng(8).uniform(0, 1, COUNT)
    median, slow = milliseconds(partial(fill, budget, profit, caps))
    print(f"{'capped pro rata, float':24} median {median:8.2f} ms   p99 {slow:8.2f} ms")


if __name__ == "__main__":
    main()
