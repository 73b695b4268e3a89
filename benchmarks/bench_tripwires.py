"""What watching a fleet costs: wiring, calm and crash ticks, the full pass, and memory.

    python benchmarks/bench_tripwires.py [--large]

200 contracts, about five positions a unit, ticks of about one basis point, one mark a snapshot.
Every figure comes with the check that the law held: at the end of a stream no unit below its
maintenance is outside the suspects. `--large` adds ten million units.
"""

import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numba
import numpy as np

from benchmarks.fleet import FLOORS, Fleet, Int64s, fleet_tables
from keelmark.book.kernels.margin import Floats, Tables
from keelmark.book.tripwires import Stream, TripwireIndex
from keelmark.core.codes import UnitStatus, WatchState

Figures = dict[str, float]

CALM_TICKS = 200_000
CRASH_TICKS = 40_000
CRASH_FALL = 0.16
SMALL = Fleet(units=2_000)


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Return the median wall time of some calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def ticks(tables: Tables, fleet: Fleet, count: int, drift: float, sigma: float) -> Stream:
    """Return a stream of one mark a snapshot, contracts at random."""
    rng = np.random.default_rng(11)
    factors = rng.integers(0, fleet.instruments, count).astype(np.int32)
    moves = drift + sigma * rng.standard_normal(count)
    prices = np.empty(count)
    for factor in range(fleet.instruments):
        at = np.flatnonzero(factors == factor)
        prices[at] = tables.prices[factor] * np.exp(np.cumsum(moves[at]))
    return Stream(np.arange(count + 1), factors, prices)


def follow(index: TripwireIndex, stream: Stream) -> tuple[float, int, int]:
    """Follow a stream, closing every unit that is reported.

    Returns:
        Seconds, units closed, and stops.
    """
    units = index.tables.units
    closed = stops = first = 0
    start = time.perf_counter()
    while True:
        stop = index.advance(stream, first)
        if stop.units.shape[0] == 0:
            return time.perf_counter() - start, closed, stops
        units["status"][stop.units] = UnitStatus.CLOSED
        index.replace(stop.units)
        closed += stop.units.shape[0]
        stops += 1
        first = stop.snapshot + 1


def missed(index: TripwireIndex) -> int:
    """Return how many units are below their maintenance and not reported."""
    excess, error = index.full_pass()
    watched = index.tables.units["status"] != UnitStatus.CLOSED
    flagged = index.net.watch["state"] == WatchState.SUSPECT
    return int(np.sum(watched & ~flagged & (excess < -error)))


def bench_wiring(tables: Tables) -> tuple[TripwireIndex, Figures]:
    """Wire a fleet from nothing."""
    index = TripwireIndex(tables)
    units = np.arange(tables.units.shape[0], dtype=np.int32)
    taken = seconds(lambda: index.replace(units))
    states = index.states()
    figures = {
        "wiring_s": taken,
        "wiring_us_per_unit": taken / units.shape[0] * 1e6,
        "wires_per_unit": float(index.net.watch["wires_count"].mean()),
        "wired": states[WatchState.WIRED],
        "hot": states[WatchState.HOT],
    }
    return index, figures


def bench_stream(name: str, index: TripwireIndex, stream: Stream) -> Figures:
    """Follow a stream and check the law at its end."""
    before = index.statistics()
    taken, closed, stops = follow(index, stream)
    count = stream.offsets.shape[0] - 1
    done = {what: number - before[what] for what, number in index.statistics().items()}
    return {
        f"{name}_us_per_tick": taken / count * 1e6,
        f"{name}_evaluations_per_tick": done["evaluations"] / count,
        f"{name}_visits_per_tick": done["visits"] / count,
        f"{name}_stops": stops,
        f"{name}_closed_share": closed / index.tables.units.shape[0],
        f"{name}_missed": missed(index),
    }


def bench_full_pass(index: TripwireIndex) -> Figures:
    """Margin every unit by reading everything, on one thread and on all."""
    positions = int(index.tables.units["positions_count"].sum())
    serial, _ = index.full_pass()
    parallel, _ = index.full_pass(parallel=True)
    assert np.array_equal(serial, parallel)
    one = seconds(index.full_pass, 7)
    every = seconds(lambda: index.full_pass(parallel=True), 7)
    return {
        "pass_ms": one * 1e3,
        "pass_parallel_ms": every * 1e3,
        "pass_parallel_threads": numba.get_num_threads(),
        "pass_positions_per_s": positions / one,
        "pass_parallel_positions_per_s": positions / every,
    }


def brute_force(tables: Tables, owner: Int64s, rows: Int64s) -> Floats:
    """Return the excess of a plain fleet with numpy alone."""
    held = tables.positions[rows]
    terms = tables.instruments[held["instrument"]]
    value = held["lots"] * terms["value_scale"] * tables.prices[terms["mark_factor"]]
    notional = np.abs(value)
    tier = np.searchsorted(FLOORS, notional, side="right") - 1
    required = notional * tables.tiers["rate"][tier] - tables.tiers["deduction"][tier]
    net = np.bincount(owner, value - held["cost"] - required, tables.units.shape[0])
    cash = tables.balances["quanta"][tables.units["balances_start"]]
    result: Floats = (net + cash) * tables.assets["value_scale"][0]
    return result


def bench_brute_force(fleet: Fleet) -> Figures:
    """Compare the pass with numpy on a plain fleet: one coin, marginal tiers."""
    tables = fleet_tables(replace(fleet, general=False))
    index = TripwireIndex(tables)
    counts = tables.units["positions_count"].astype(np.int64)
    owner = np.repeat(np.arange(counts.shape[0]), counts)
    offset = np.arange(owner.shape[0]) - (np.cumsum(counts) - counts)[owner]
    rows = tables.units["positions_start"][owner] + offset
    excess, error = index.full_pass()
    assert np.all(np.abs(brute_force(tables, owner, rows) - excess) <= error)
    return {
        "brute_force_numpy_ms": seconds(lambda: brute_force(tables, owner, rows), 3) * 1e3,
        "pass_plain_ms": seconds(index.full_pass, 5) * 1e3,
    }


def bench_fleet(fleet: Fleet, *, brute: bool = True) -> Figures:
    """Run everything on one fleet."""
    tables = fleet_tables(fleet)
    index, figures = bench_wiring(tables)
    figures |= bench_full_pass(index)
    calm = ticks(tables, fleet, CALM_TICKS, 0.0, 1e-4)
    figures |= bench_stream("calm", index, calm)
    drift = np.log(1.0 - CRASH_FALL) / (CRASH_TICKS / fleet.instruments)
    crash = ticks(tables, fleet, CRASH_TICKS, drift, 3e-3)
    figures |= bench_stream("crash", index, crash)
    book = sum(table.nbytes for table in tables)
    figures |= {
        "units": fleet.units,
        "positions": int(tables.units["positions_count"].sum()),
        "book_mb": book / 1e6,
        "index_mb": sum(index.memory().values()) / 1e6,
        "resident_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    return figures | (bench_brute_force(fleet) if brute else {})


def main() -> None:
    """Print the figures of every fleet as JSON lines."""
    start = time.perf_counter()
    bench_fleet(SMALL)
    compiled = time.perf_counter() - start
    print(json.dumps({"machine": platform.platform(), "first_run_s": round(compiled, 1)}))
    sizes = [100_000, 1_000_000] + ([10_000_000] if "--large" in sys.argv else [])
    for units in sizes:
        figures = bench_fleet(Fleet(units=units), brute=units <= 1_000_000)
        print(json.dumps({name: float(f"{number:.4g}") for name, number in figures.items()}))


if __name__ == "__main__":
    main()
