"""The crash of 10 October 2025 as a whole: every account, every second, every liquidation."""

from keelmark.lab.bench.timing import Stopwatch, peak_bytes
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.lab.replay.run import Looks, Replay, run_replay
from keelmark.lab.replay.spec import ReplaySpec

ACCOUNTS = 400_000


def crash_day_rows(size: Size) -> list[Row]:
    """Replay the built-in crash with looks switched off."""
    watch = Stopwatch()
    with watch:
        replay = run_replay(ReplaySpec(accounts=size.units), looks=Looks(moments=0))
    require(not any(replay.residuals.values()), "value conserved")
    marks = replay.timings["marks_s"]
    data = _data(replay)
    laps = ", ".join(f"{name} {taken:.1f}" for name, taken in replay.timings.items())
    return [
        Row(
            name="crash_day",
            what="the crash day through the engine: marks, liquidations, waterfall, journal",
            value=marks,
            unit="s",
            bar=size.bar("<=", 60.0, units=ACCOUNTS),
            timings=watch.timings(1.0, of="s, drawing the population and opening the book too"),
            data=data,
            checked="value conserved in every asset, longs equal shorts in every instrument",
            note=laps,
        ),
        Row(
            name="crash_day_memory",
            what="largest memory of that process",
            value=peak_bytes() / 1e9,
            unit="GB",
            bar=size.bar("<=", 4.0, units=ACCOUNTS),
            data=data,
        ),
    ]


def _data(replay: Replay) -> str:
    spec = replay.population.spec
    return (
        f"{spec.accounts:,} accounts, {len(replay.population.positions):,} positions, "
        f"{len(replay.scenario.instruments)} instruments, {len(replay.feed.times_ms):,} snapshots, "
        f"{len(replay.recorder.cases):,} liquidations"
    )
