"""What sharing the columns costs the writer, and what reading them costs the others.

    python benchmarks/service/columns.py --units 1000000

Prints one JSON object. The writer is this process; a second one reads while it works. Figures of
publishing are of `publish` alone, after the group has been carried out. At the end what the reader
holds is compared with the engine, row by row.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from keelmark.book.kernels.fleet import RATE_SCALE
from keelmark.book.records import FILL, POSTING
from keelmark.engine.commands import PostFunding
from keelmark.engine.engine import Engine
from keelmark.engine.events import MarksSet, Posted
from keelmark.lab.bench.fleet import Outside, fleet_engine
from keelmark.lab.bench.venue import Shape, bench_rulebook
from keelmark.lab.bench.watched import require
from keelmark.service.columns.publisher import Publisher
from keelmark.service.columns.replica import Replica

MARKS = 3_000
MOVE = 1e-6
FILLS = (1, 100, 10_000)
READS = 2_000


def shape_of(units: int) -> Shape:
    """Return a fleet of a million units or fewer."""
    return Shape(units=units, stages=("takeover",))


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds of a call: on the clock, and of processor."""
    start, cpu = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - start, time.thread_time() - cpu


def spread(seconds: list[tuple[float, float]], scale: float) -> dict[str, float]:
    """Return median and 99th percentile on the clock, and the median of processor time.

    The first tenth is left out as warming up. Where others work on the same cores the clock shows
    them too; the processor's time does not.
    """
    warm = np.array(seconds[len(seconds) // 10 :]) * scale
    figures = {
        "median": float(np.median(warm[:, 0])),
        "p99": float(np.quantile(warm[:, 0], 0.99)),
        "cpu": float(np.median(warm[:, 1])),
    }
    return {name: round(figure, 3) for name, figure in figures.items()}


def resident_mb() -> float:
    """Return the most memory this process has had."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


# --- the writer ---------------------------------------------------------------------------------


def marks(engine: Engine, rng: np.random.Generator) -> MarksSet:
    """Return one snapshot that moves a tenth of the contracts by next to nothing."""
    state = engine.state
    rows = rng.choice(
        len(state.universe.instruments), len(state.universe.instruments) // 10, replace=False
    )
    factors = state.universe.instruments["mark_factor"][rows].astype(np.int32)
    moved = state.prices[factors] * (1 + MOVE * rng.standard_normal(len(factors)))
    return MarksSet(
        times_ms=np.array([state.time_ms + 1]),
        offsets=np.array([0, len(factors)]),
        factors=factors,
        prices=moved,
    )


def fills(engine: Engine, count: int, rng: np.random.Generator) -> Posted:
    """Return fills of one lot between random units, at the mark."""
    state = engine.state
    first = len(state.book.in_house)
    rows = np.zeros(count, POSTING)
    units = rng.integers(first, state.book.units_count, (2, count))
    units[1] += units[0] == units[1]
    units[1][units[1] >= state.book.units_count] = first
    instruments = rng.integers(0, 20, count)
    ticks = np.array([state.ticks(row) for row in range(20)])[instruments]
    rows["kind"], rows["unit"], rows["counterparty"], rows["subject"] = FILL, *units, instruments
    rows["lots"] = 1
    rows["value"] = ticks * state.universe.instruments["unit_value"][instruments]
    return Posted(rows=rows)


def published(engine: Engine, publisher: Publisher) -> dict[str, Any]:
    """Measure publishing calm marks, fills and funding."""
    rng = np.random.default_rng(3)
    calm = []
    for _ in range(MARKS):
        engine.submit_marks(marks(engine, rng))
        calm.append(timed(publisher.publish))
    result: dict[str, Any] = {"calm_marks_us": spread(calm, 1e6)}
    for count in FILLS:
        times = []
        for _ in range(60):
            engine.submit_bulk(fills(engine, count, rng), opening=True)
            times.append(timed(publisher.publish))
        result[f"{2 * count}_units_us"] = spread(times, 1e6)
        result[f"{2 * count}_units_us_each"] = spread(times, 1e6 / (2 * count))
    instruments = tuple(range(len(engine.state.universe.instruments)))
    ticks = tuple(engine.state.ticks(row) for row in instruments)
    times = []
    for _ in range(3):
        rates = rng.integers(-RATE_SCALE // 10_000, RATE_SCALE // 10_000, len(instruments))
        engine.submit(
            PostFunding(instruments=instruments, rates=tuple(rates.tolist()), ticks=ticks)
        )
        times.append(timed(publisher.publish))
    return result | {"funding_ms": spread(times, 1e3)}


def write(units: int) -> dict[str, Any]:
    """Measure the writer's side, with a reader at the end."""
    engine = fleet_engine(shape_of(units), Outside())
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        start = time.perf_counter()
        with Publisher(engine, run) as publisher:
            result: dict[str, Any] = {"first_copy_s": round(time.perf_counter() - start, 3)}
            sizes = [512 * path.stat().st_blocks for path in publisher.folder.iterdir()]
            result |= {"shared_mb": round(sum(sizes) / 2**20, 1)}
            result |= published(engine, publisher)
            command = [sys.executable, __file__, "--read", folder, "--units", str(units)]
            reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 ours
            rng, groups = np.random.default_rng(4), 0
            while reader.poll() is None:  # a thousand marks a second, fills now and then
                engine.submit_marks(marks(engine, rng))
                if groups % 50 == 0:
                    engine.submit_bulk(fills(engine, 10, rng), opening=True)
                publisher.publish()
                groups += 1
                time.sleep(0.0005)
            result |= {"reader": json.loads(reader.communicate()[0])}
            compare(engine, run, units)
    return result | {"writer_resident_mb": resident_mb()}


def compare(engine: Engine, run: Path, units: int) -> None:
    """Hold a reader's copy of every unit against the engine."""
    replica = Replica.open(run, bench_rulebook(shape_of(units)))
    fleet, state = replica.fleet(), engine.state
    rows = state.book.units
    require(fleet.position == engine.position, "the reader is where the engine is")
    require(bool((fleet.tables.units == rows).all()), "equal units")
    for name in ("positions", "balances"):
        counts = rows[f"{name}_count"].astype(np.int64)
        places = np.repeat(rows[f"{name}_start"] - np.cumsum(counts) + counts, counts)
        places += np.arange(len(places))
        own = getattr(state.book, name).rows[places]
        require(bool((getattr(fleet.tables, name)[places] == own).all()), f"equal {name}")


# --- the reader ---------------------------------------------------------------------------------


def read(run: Path, units: int) -> dict[str, Any]:
    """Measure reading while the writer works."""
    rulebook = bench_rulebook(shape_of(units))
    start = time.perf_counter()
    replica = Replica.open(run, rulebook)
    result: dict[str, Any] = {"open_s": round(time.perf_counter() - start, 3)}
    rng = np.random.default_rng(6)
    asked = rng.integers(len(replica.state.book.in_house), units, READS).tolist()
    result["moment_us"] = spread([timed(lambda: replica.position) for _ in asked], 1e6)
    result["view_us"] = spread([timed(partial(replica.view, unit)) for unit in asked], 1e6)
    result["report_us"] = spread([timed(partial(replica.report, unit)) for unit in asked], 1e6)
    result["first_fleet_s"] = round(timed(replica.fleet)[0], 3)
    times = [timed(lambda: replica.fleet(max_age_s=-1.0)) for _ in range(200)]
    return result | {"fleet_ms": spread(times, 1e3), "resident_mb": resident_mb()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--read", type=Path)
    chosen = parser.parse_args()
    done = read(chosen.read, chosen.units) if chosen.read else write(chosen.units)
    print(json.dumps(done, indent=1))
