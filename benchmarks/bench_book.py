"""How fast the book posts, funds, totals, digests, writes and loads.

A fleet of `units` accounts with one deposit and five opening fills each over 200 linear perpetuals.
Measured batches are 200,000 fills of random units in instruments they hold (opening, growing,
shrinking, closing, flipping; each with a fee), against the market or against another random unit.
Wall-clock seconds in memory, kernels compiled before; nothing is journaled and no wire is kept.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from keelmark.book.book import LIQUIDITY, Book, Capacity
from keelmark.book.digest import digest
from keelmark.book.fleet import post_funding
from keelmark.book.kernels.fleet import RATE_SCALE
from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.muldiv import mul_div_kernel
from keelmark.book.parameters import Parameters
from keelmark.book.postings import Fill, fill, fill_values, post
from keelmark.book.records import ASSET, INSTRUMENT, OUTSIDE, POSTING, TRANSFER
from keelmark.book.snapshots import load_snapshot, write_snapshot
from keelmark.book.totals import totals

INSTRUMENTS = 200
POSITIONS = 5
BATCH = 200_000
RUNS = 7

Figures = dict[str, float]
Rows = npt.NDArray[np.void]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def durations(call: Callable[[], object], runs: int = RUNS) -> Floats:
    """Return the seconds of each of `runs` calls after one that is not counted."""
    call()
    seconds = np.empty(runs)
    for run in range(runs):
        start = perf_counter()
        call()
        seconds[run] = perf_counter() - start
    return seconds


def parameters() -> Parameters:
    """Return 200 linear perpetuals of 100 quanta a lot and tick, settled in one asset."""
    instruments = np.zeros(INSTRUMENTS, dtype=INSTRUMENT)
    instruments["unit_value"] = 100
    return Parameters(
        instrument_names=tuple(f"PERP-{row}" for row in range(INSTRUMENTS)),
        asset_names=("USD",),
        instruments=instruments,
        assets=np.zeros(1, dtype=ASSET),
    )


def fleet(units: int, rng: np.random.Generator) -> tuple[Book, int]:
    """Return a book with deposits and positions, and its first client unit."""
    capacity = Capacity(units=units + 8, positions=8 * units, balances=2 * units)
    book = Book(parameters(), capacity=capacity)
    first = book.cross_unit(book.open_accounts(units))
    clients = np.arange(first, first + units)
    deposits = np.zeros(units, dtype=POSTING)
    deposits["unit"], deposits["counterparty"] = OUTSIDE, clients
    deposits["kind"], deposits["value"] = TRANSFER, 10**12
    post(book, deposits)
    for part in np.array_split(clients, max(1, units // 100_000)):
        held = rng.integers(0, INSTRUMENTS, POSITIONS * len(part))
        post(book, random_fills(book, np.repeat(part, POSITIONS), held, LIQUIDITY, rng))
    return book, first


def random_fills(
    book: Book,
    units: Int64s,
    instruments: Int64s,
    counterparty: int | Int64s,
    rng: np.random.Generator,
) -> Rows:
    """Return fills of random size, side and price, with a fee of 5 bp."""
    count = len(units)
    rows = np.zeros(count, dtype=POSTING)
    rows["unit"], rows["counterparty"], rows["subject"] = units, counterparty, instruments
    lots = rng.integers(1, 1000, count) * rng.choice([-1, 1], count)
    ticks = rng.integers(50_000, 60_000, count)
    rows["lots"], rows["value"] = lots, fill_values(book, rows["subject"], lots, ticks)
    rows["fee"] = np.abs(rows["value"]) // 2000
    return rows


def fill_figures(book: Book, first: int, rng: np.random.Generator) -> Figures:
    """Return fills a second against the market and between clients, and one fill's latency."""
    figures = {}
    for name, market in (("market", True), ("clients", False)):
        seconds = np.empty(RUNS)
        for run in range(RUNS):
            units = rng.integers(first, book.units_count, BATCH)
            others = LIQUIDITY if market else rng.integers(first, book.units_count, BATCH)
            rows = random_fills(book, units, held_instruments(book, units, rng), others, rng)
            start = perf_counter()
            post(book, rows)
            seconds[run] = perf_counter() - start
        figures[f"fills_per_s_against_{name}"] = BATCH / float(np.median(seconds))
    trade = Fill(unit=first, counterparty=LIQUIDITY, instrument=0, lots=1, value=5_000_000, fee=9)
    single = durations(lambda: fill(book, trade), 2000)
    figures["single_fill_us_p50"] = 1e6 * float(np.median(single))
    figures["single_fill_us_p99"] = 1e6 * float(np.quantile(single, 0.99))
    return figures


def held_instruments(book: Book, units: Int64s, rng: np.random.Generator) -> Int64s:
    """Return a random instrument that each unit holds, or any where it holds none."""
    heads = book.units[units]
    counts = heads["positions_count"].astype(np.int64)
    rows = heads["positions_start"] + rng.integers(0, 2**30, len(units)) % np.maximum(counts, 1)
    found: Int64s = np.where(counts > 0, book.positions.rows["instrument"][rows], 0).astype("i8")
    return found


def fleet_figures(book: Book) -> Figures:
    """Return the seconds of a funding instant, of the totals and of the digest."""
    ticks, rates = np.full(INSTRUMENTS, 55_000), np.full(INSTRUMENTS, RATE_SCALE // 10_000)
    figures = {
        "funding_s": float(np.median(durations(lambda: post_funding(book, ticks, rates)))),
        "totals_s": float(np.median(durations(lambda: totals(book)))),
        "digest_s": float(np.median(durations(lambda: digest(book)))),
    }
    assert totals(book).residuals == (0,)
    return figures


def snapshot_figures(book: Book, folder: Path) -> Figures:
    """Return the seconds of writing and of loading, with checksums and digest, and the size."""
    path = folder / "book"
    known = digest(book)
    figures = {
        "snapshot_write_s": float(np.median(durations(lambda: write_snapshot(book, path), 3))),
        "snapshot_load_s": float(
            np.median(durations(lambda: load_snapshot(path, book.parameters), 3)),
        ),
        "snapshot_mb": path.stat().st_size / 1e6,
    }
    assert digest(load_snapshot(path, book.parameters).book) == known
    return figures


@njit
def mul_div_loop(a: Int64s, b: Int64s, c: Int64s, out: Int64s) -> None:
    """Write every quotient."""
    for row in range(a.shape[0]):
        out[row] = mul_div_kernel(a[row], b[row], c[row], 4)


def mul_div_figures(rng: np.random.Generator) -> Figures:
    """Return nanoseconds a call where the product needs both limbs."""
    count = 1_000_000
    a, b = rng.integers(-(2**62), 2**62, count), rng.integers(0, 2**53, count)
    c, out = rng.integers(2**53, 2**60, count), np.empty(count, dtype=np.int64)
    seconds = durations(lambda: mul_div_loop(a, b, c, out))
    return {"mul_div_ns": 1e9 * float(np.median(seconds)) / count}


def report(units: int = 1_000_000, seed: int = 7) -> Figures:
    """Return every figure for a fleet of `units`."""
    rng = np.random.default_rng(seed)
    book, first = fleet(units, rng)
    figures = {"units": float(units), "positions": float(book.units["positions_count"].sum())}
    figures |= mul_div_figures(rng) | fill_figures(book, first, rng) | fleet_figures(book)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        figures |= snapshot_figures(book, Path(folder))
    return figures


if __name__ == "__main__":
    print(json.dumps(report(int((sys.argv[1:] or ["1000000"])[0])), indent=2))
