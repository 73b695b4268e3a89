"""Run measurements, each in a process of its own, and put their rows on the machine's page."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import get_context
from typing import Any

from keelmark.core.errors import InvalidInput, nearest
from keelmark.lab.bench.machine import machine
from keelmark.lab.bench.timing import compiling
from keelmark.lab.bench.values import MILLION, Row, Size

TINY = Size(units=400, effort=0.01)
"""Run before anything is measured: it compiles every kernel that will be called."""

QUICK = Size(units=20_000, effort=0.05)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One measurement.

    Attributes:
        name: What it is called on the command line.
        home: `module:function` of `Size` to rows, imported in the process that runs it.
        units: Fleet it is measured on unless told otherwise; 0 where there is none.
        units_min: Smallest fleet it is asked for, units_max the largest.
        is_long: Whether it takes minutes and is left out unless asked for.
    """

    name: str
    home: str
    units: int = MILLION
    units_min: int = 1
    units_max: int = 5 * MILLION
    is_long: bool = False

    @property
    def has_fleet(self) -> bool:
        """Whether the number of units means anything to it."""
        return self.units > 0


def _bench(name: str, home: str, **more: Any) -> Bench:  # noqa: ANN401 attributes of a bench
    return Bench(name=name, home=f"keelmark.lab.bench.{home}", **more)


BENCHES = (
    _bench("marks", "marks:marks_rows"),
    _bench(
        "large",
        "marks:large_rows",
        units=10 * MILLION,
        units_min=5 * MILLION + 1,
        units_max=50 * MILLION,
        is_long=True,
    ),
    _bench("crash", "crash:crash_rows"),
    _bench("liquidation", "waterfall:liquidation_rows", units=0),
    _bench("postings", "postings:postings_rows"),
    _bench("engine", "engine:engine_rows"),
    _bench("deleverage", "deleverage:deleverage_rows", units=0),
    _bench("journal", "journal:journal_rows", units=0),
    _bench("rescue", "rescue:rescue_rows", units=0),
    _bench("revaluation", "revaluation:revaluation_rows", units=0),
    _bench("fits", "fits:fits_rows", units=0),
    _bench(
        "liquidation_probability",
        "liquidation_probability:liquidation_probability_rows",
        units=0,
    ),
    _bench("book_stress", "book_stress:book_stress_rows", units=100_000),
    _bench("tail", "tail:tail_rows", units=0),
    _bench("reverse", "reverse:reverse_rows", units=0),
    _bench("backtest", "backtest:backtest_rows", units=0),
    _bench("sizing", "sizing:sizing_rows", units=0),
    _bench("startup", "startup:startup_rows", units=0),
    _bench("desk", "desk:desk_rows", units=0),
    _bench("crash_day", "crash_day:crash_day_rows", units=400_000, is_long=True),
)
"""Every measurement, in the order of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A measurement at a size."""

    bench: Bench
    size: Size


def chosen(names: Sequence[str], units: Sequence[int], *, is_quick: bool) -> list[Task]:
    """Return what to measure.

    Args:
        names: Measurements asked for; none is all that do not take minutes.
        units: Fleets to measure on; none is each measurement's own. Ten million units are measured
            by `large`, everything smaller by the others.
        is_quick: Whether a small fleet and few repetitions will do; bars then do not apply.

    Raises:
        InvalidInput: A name is unknown, or no measurement takes such a fleet.
    """
    known = [bench.name for bench in BENCHES]
    for name in names:
        if name not in known:
            msg = f"no measurement {name!r}; {nearest(name, known)}"
            raise InvalidInput(msg)
    tasks = []
    for bench in BENCHES:
        if bench.name in names or (not names and _is_wanted(bench, units)):
            tasks += _tasks(bench, units, is_quick=is_quick)
    if not tasks:
        msg = f"nothing to measure: {', '.join(names)} with {', '.join(map(str, units))} units"
        raise InvalidInput(msg)
    return tasks


def _is_wanted(bench: Bench, units: Sequence[int]) -> bool:
    """Whether a measurement is part of a run that names none."""
    if bench.has_fleet and units:
        fits = any(bench.units_min <= count <= bench.units_max for count in units)
        return fits and (not bench.is_long or bench.units in units)
    return not bench.is_long


def _tasks(bench: Bench, units: Sequence[int], *, is_quick: bool) -> list[Task]:
    if is_quick:
        return [Task(bench=bench, size=QUICK)]
    if not bench.has_fleet:
        return [Task(bench=bench, size=Size())]
    wanted = units or (bench.units,)
    fitting = [count for count in wanted if bench.units_min <= count <= bench.units_max]
    return [Task(bench=bench, size=Size(units=count)) for count in fitting]


def measured(task: Task) -> list[Row]:
    """Compile on a tiny fleet, then measure; each row says how long compiling took."""
    module, _, function = task.bench.home.partition(":")
    measure = getattr(import_module(module), function)
    with compiling() as found:
        measure(TINY)
    rows: list[Row] = measure(task.size)
    spent = found.seconds
    return [replace(row, timings=replace(row.timings, compile_s=spent)) for row in rows]


def apart(task: Task) -> list[Row]:
    """Measure in a new process: nobody else's memory, caches or garbage is in the figures."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, task).result()


def report(
    tasks: Sequence[Task],
    *,
    date: str,
    progress: Progress,
    run: Callable[[Task], list[Row]] = apart,
) -> dict[str, Any]:
    """Return the page: the machine, then every row.

    Args:
        tasks: What to measure, one after the other.
        date: YYYY-MM-DD, of the caller's clock.
        progress: Told what is being measured.
        run: How one is run.
    """
    page = {"machine": machine(date)}
    rows: list[dict[str, Any]] = []
    for number, task in enumerate(tasks):
        progress(task.bench.name, number, len(tasks))
        rows += [row.plain() for row in run(task)]
    progress("done", len(tasks), len(tasks))
    return {**page, "rows": rows}
