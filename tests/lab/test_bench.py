"""Every measurement compares its results with the plain method; here on very small fleets."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from keelmark.book.totals import totals
from keelmark.cli.bench import bench
from keelmark.core.errors import InvalidInput, InvariantViolated
from keelmark.core.margin import maintenance_excess
from keelmark.core.numbers import exact
from keelmark.lab.bench import crash_day, run
from keelmark.lab.bench.fleet import draw, excesses, fleet_state
from keelmark.lab.bench.plain import layout, plain_excess
from keelmark.lab.bench.run import BENCHES, TINY, Bench, Task, chosen, report
from keelmark.lab.bench.timing import Stopwatch, peak_bytes, resident_bytes
from keelmark.lab.bench.values import Bar, Row, Size
from keelmark.lab.bench.venue import SINGLE_ASSET, Shape
from keelmark.lab.bench.walk import calm, pieces, stream_of
from keelmark.lab.bench.watched import require, require_equal_suspects, watched

SMALL = Shape(units=300)
LONG = {"crash_day"}


@pytest.mark.parametrize("one", [b for b in BENCHES if b.name not in LONG], ids=lambda b: b.name)
def test_every_measurement_agrees_with_the_plain_method_on_a_small_fleet(one: Bench) -> None:
    module, _, function = one.home.partition(":")
    rows: list[Row] = getattr(import_module(module), function)(TINY)
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.value > 0
        assert json.dumps(row.plain())


@pytest.mark.slow
def test_a_small_crash_day_conserves_value_and_counts_its_liquidations() -> None:
    rows = crash_day.crash_day_rows(Size(units=400, effort=0.01))
    assert [row.name for row in rows] == ["crash_day", "crash_day_memory"]
    assert "60 instruments" in rows[0].data


@pytest.mark.parametrize("more", [{}, SINGLE_ASSET], ids=["general", "single_asset"])
def test_the_plain_method_the_kernel_and_the_exact_core_agree(more: dict[str, Any]) -> None:
    state = fleet_state(Shape(units=300, **more))
    plain = plain_excess(state, layout(state.tables()))
    excess, error = excesses(state)
    assert np.all(np.abs(plain - excess) <= error)
    for unit in range(len(state.book.in_house), state.book.units_count, 7):
        with exact():
            precise = maintenance_excess(state.unit(unit), state.market, state.model)
        assert abs(float(precise) - excess[unit]) <= error[unit]
    assert not any(totals(state.book).residuals)


def test_a_fleet_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    one, again = draw(SMALL, 300, 0), draw(SMALL, 300, 0)
    other = draw(SMALL, 300, 1)
    assert np.array_equal(one.cost, again.cost)
    assert np.array_equal(one.cash, again.cash)
    assert not np.array_equal(one.cash, other.cash)


def test_about_a_third_hold_coins_and_few_owe_them() -> None:
    drawn = draw(Shape(units=5000), 5000, 0)
    assert np.mean(drawn.coins > 0) == pytest.approx(0.30, abs=0.03)
    assert np.mean(drawn.coins < 0) == pytest.approx(0.02, abs=0.01)
    assert len(drawn.owner) / 5000 == pytest.approx(5.0, abs=0.15)


def test_a_stream_keeps_to_the_grid_and_its_pieces_are_the_stream() -> None:
    state = fleet_state(SMALL)
    stream = stream_of(state, calm(Size(effort=0.01)))
    rows = state.universe.instruments
    grid = dict(zip(rows["mark_factor"].tolist(), rows["price_unit"].tolist(), strict=True))
    for factor, price in zip(stream.factors.tolist(), stream.prices.tolist(), strict=True):
        ticks = price / grid.get(factor, 0.01)
        assert ticks == pytest.approx(round(ticks), rel=1e-12)
    parts = pieces(stream, 300)
    assert np.array_equal(np.concatenate([p.prices for p in parts]), stream.prices)
    assert [p.offsets[-1] for p in parts[:-1]] == [300] * (len(parts) - 1)


def test_a_unit_below_maintenance_that_nobody_reports_fails_the_measurement() -> None:
    fleet = watched(SMALL)
    assert "0 missed" in require_equal_suspects(fleet)
    tables = fleet.index.tables
    tables.balances["quanta"][tables.units["balances_start"][-1]] -= 10**18
    with pytest.raises(InvariantViolated, match="below maintenance"):
        require_equal_suspects(fleet)


def test_a_claim_that_does_not_hold_names_its_places() -> None:
    require(holds=True, what="nothing")
    with pytest.raises(InvariantViolated, match=r"sums: 2 differ, first at \[1, 2\]"):
        require(np.array([True, False, False]), "sums")


def test_a_bar_is_met_on_its_side_and_set_for_its_size_only() -> None:
    assert Bar("<=", 2.0).is_met(2.0)
    assert not Bar("<=", 2.0).is_met(2.1)
    assert Bar(">=", 2.0).is_met(2.0)
    assert not Bar(">=", 2.0).is_met(1.9)
    assert Size(units=1_000_000).bar("<=", 1.0) is not None
    assert Size(units=100_000).bar("<=", 1.0) is None
    assert Size(units=100_000).bar("<=", 1.0, units=None) is not None
    assert Size(effort=0.5).bar("<=", 1.0, units=None) is None
    row = Row(name="a", what="b", value=3.0, unit="us", bar=Bar("<=", 2.0))
    assert row.plain()["met"] is False
    assert Row(name="a", what="b", value=3.0, unit="us").is_met is None


def test_a_stopwatch_tells_the_cold_run_apart() -> None:
    watch = Stopwatch(cold=1, wall=[9.0, 1.0, 3.0], cpu=[9.0, 1.0, 2.0])
    timings = watch.timings(1000.0, count=10)
    assert (timings.cold, timings.median, timings.cpu, timings.runs) == (900.0, 200.0, 150.0, 2)
    assert watch.total == 4.0
    assert 0 < resident_bytes() <= peak_bytes() * 1.01


def test_what_is_measured_follows_from_names_and_sizes() -> None:
    default = [task.bench.name for task in chosen((), (), is_quick=False)]
    assert default == [b.name for b in BENCHES if not b.is_long]
    large = [t.bench.name for t in chosen((), (10_000_000,), is_quick=False) if t.bench.has_fleet]
    assert large == ["large"]
    sizes = [t.size.units for t in chosen(("marks",), (100_000, 1_000_000), is_quick=False)]
    assert sizes == [100_000, 1_000_000]
    assert [t.size for t in chosen(("crash_day",), (), is_quick=True)] == [run.QUICK]
    with pytest.raises(InvalidInput, match="marks"):
        chosen(("mark",), (), is_quick=False)
    with pytest.raises(InvalidInput, match="nothing to measure"):
        chosen(("marks",), (10_000_000,), is_quick=False)


def test_the_page_names_the_machine_and_every_row() -> None:
    def measured(task: Task) -> list[Row]:
        return [Row(name=task.bench.name, what="", value=1.0, unit="s", bar=Bar("<=", 2.0))]

    told: list[tuple[str, int, int]] = []
    tasks = chosen(("marks", "crash"), (), is_quick=True)
    page = report(tasks, date="2025-10-10", progress=lambda *step: told.append(step), run=measured)
    assert page["machine"]["date"] == "2025-10-10"
    assert page["machine"]["cores"] >= 1
    assert [row["name"] for row in page["rows"]] == ["marks", "crash"]
    assert told[-1] == ("done", 2, 2)


def test_compiling_is_told_apart_from_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TINY", Size(units=1, effort=0.005))
    small = Task(bench=BENCHES[6], size=Size(effort=0.005))
    assert small.bench.name == "deleverage"
    rows = run.measured(small)
    assert all(row.timings.compile_s is not None for row in rows)


def test_the_command_prints_a_table_and_writes_the_same_figures(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    arguments = ["--only", "deleverage", "--quick", "--out", str(out), "--date", "2025-10-10"]
    done = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "capped_pro_rata" in done.output
    assert "nobody over the cap" in " ".join(done.output.split())
    page = json.loads(out.read_text("utf-8"))
    assert page["machine"]["date"] == "2025-10-10"
    assert page["rows"][0]["name"] == "capped_pro_rata"


def test_a_size_that_is_no_number_is_refused() -> None:
    done = CliRunner().invoke(bench, ["--units", "1m,lots"])
    assert done.exit_code == 2
    assert "lots" in done.output
