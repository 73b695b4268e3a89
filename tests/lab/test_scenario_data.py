"""The recorded crash, and that the built-in figures were read from it."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.lab.scenarios import Scenario, load_scenario
from keelmark.lab.scenarios.builtin import BuiltInPrices
from keelmark.lab.scenarios.document import epoch_seconds
from keelmark.rulebooks.bracket_files import read_brackets
from scripts import derive_oct10

pytestmark = pytest.mark.real_data
FIGURES = "src/keelmark/lab/scenarios/oct10_figures.toml"


@pytest.fixture(scope="module")
def recorded(data_folder: Path) -> Scenario:
    return load_scenario("oct10", data=data_folder, seed=3)


def test_the_committed_figures_are_what_the_script_derives(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    derive_oct10.main(data_folder)
    root = Path(__file__).resolve().parents[2]
    assert capsys.readouterr().out == (root / FIGURES).read_text(encoding="utf-8")


def test_the_report_is_told_that_prices_are_recorded(recorded: Scenario) -> None:
    assert "recorded" in recorded.statement
    assert "5-minute bars" in recorded.statement
    assert "/" not in recorded.statement


def test_built_in_and_recorded_agree_at_every_level_and_low(
    recorded: Scenario, crash: Scenario
) -> None:
    assert isinstance(crash.source, BuiltInPrices)
    figures = crash.source.figures
    clocks = [epoch_seconds(figures.at(clock)) for clock in figures.level_times]
    rows = np.searchsorted(recorded.times, clocks)
    assert np.array_equal(recorded.times[rows], clocks)
    mine, theirs = crash.mark_ticks("last"), recorded.mark_ticks("last")
    assert np.array_equal(mine[rows], theirs[rows])
    # A ten-second grid may step over the lowest second of a low after 22:15; all came before.
    assert np.array_equal(mine.min(axis=0), theirs.min(axis=0))


def test_average_marks_of_both_fall_alike(recorded: Scenario, crash: Scenario) -> None:
    falls = [
        scenario.mark_ticks().min(axis=0) / scenario.mark_ticks()[0]
        for scenario in (recorded, crash)
    ]
    assert abs(np.median(falls[0]) - np.median(falls[1])) < 0.08
    assert np.corrcoef(falls)[0, 1] > 0.9


def test_earlier_prices_agree_where_figures_give_them(recorded: Scenario, crash: Scenario) -> None:
    mine, theirs = crash.source.history(), recorded.source.history()
    assert np.array_equal(mine.times, theirs.times)
    assert isinstance(crash.source, BuiltInPrices)
    for ago in crash.source.figures.history_days:
        row = int(np.searchsorted(mine.times, mine.times[-1] - ago * 86_400))
        assert np.allclose(mine.prices[row], theirs.prices[row], rtol=1e-12, equal_nan=True)


def test_brackets_are_the_venues_own(data_folder: Path, crash: Scenario) -> None:
    tables = {
        date: read_brackets(data_folder / "tiers" / f"binance_usdm_brackets_{date}.parquet")
        for date in ("2025-06", "2025-12")
    }
    for instrument in crash.instruments:
        table = tables[instrument.brackets_as_of][instrument.symbol]
        assert len(table) == len(instrument.tiers)
        for row, tier in zip(table, instrument.tiers, strict=True):
            assert (row.floor, row.rate) == (tier.floor, tier.rate)
            assert row.amount == tier.deduction


def test_prices_lie_on_the_price_unit_and_volumes_on_the_lot(
    data_folder: Path, crash: Scenario
) -> None:
    bars = pl.read_parquet(data_folder / "bars" / "binance_usdm_5m_2025-10_crash.parquet")
    for instrument in crash.instruments:
        rows = bars.filter(pl.col("symbol") == instrument.symbol)
        for column, unit in (("low", instrument.price_unit), ("volume", instrument.lot)):
            steps = rows[column].to_numpy() / unit
            assert np.allclose(steps, np.rint(steps), rtol=1e-9, atol=1e-6), instrument.symbol
        assert Decimal(str(instrument.lot)) == instrument.contract.lot


def test_the_reference_series_marks_the_one_instrument_that_has_one(recorded: Scenario) -> None:
    short = replace(recorded, times=recorded.times[1_500:2_100], mark_model="reference")
    referenced, averaged = short.mark_ticks(), short.mark_ticks("ema:150s")
    differs = np.any(referenced != averaged, axis=0)
    assert [short.instruments[i].symbol for i in np.flatnonzero(differs)] == ["BTCUSDT"]
    distance = np.abs(referenced / averaged - 1)[:, short.column("BTCUSDT")]
    assert distance.max() < 0.06


def test_the_recorded_depth_is_where_it_says(recorded: Scenario) -> None:
    assert [path.is_file() for path in recorded.depth.values()] == [True]
    assert list(recorded.depth) == ["BTCUSDT"]


def test_the_recorded_stablecoin_reaches_its_low_minute(recorded: Scenario) -> None:
    prices = recorded.asset_prices("USDE", "last")
    assert prices.min() == pytest.approx(0.65, abs=1e-9)
    assert 0.65 < recorded.asset_prices("USDE").min() < 0.8
