"""Figures of the recorded crash that everything downstream rests on."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.market.bars import Bars, gaps, grid, read_bars
from keelmark.market.datasets import DATASETS, dataset_path, load_bars
from keelmark.market.marks import MarkSource, ReferenceMark, price_units_of
from keelmark.market.paths import intrabar_path

pytestmark = pytest.mark.real_data

DAY_START = 1_760_054_400_000  # 2025-10-10
CRASH_START = DAY_START + 21 * 3_600_000 + 15 * 60_000
CRASH_END = CRASH_START + 10 * 60_000


@pytest.fixture(scope="module")
def crash(data: Path) -> Bars:
    return read_bars(dataset_path("crash-2025-10", data))


@pytest.mark.parametrize(
    ("symbol", "low"), [("BTCUSDT", 101_516.5), ("SUIUSDT", 0.5669), ("DOGEUSDT", 0.08385)]
)
def test_the_crash_reached_its_lows_between_21_15_and_21_25(
    crash: Bars, symbol: str, low: float
) -> None:
    window = crash.select([symbol], start_ms=CRASH_START, end_ms=CRASH_END)
    assert window.frame["low"].min() == low
    assert crash.select([symbol]).frame["low"].min() == low


def test_the_crash_bars_have_no_gaps(crash: Bars) -> None:
    assert len(crash.symbols) == 60
    assert crash.interval_ms == 300_000
    assert gaps(crash) == ()


def test_every_file_of_bars_is_canonical(data: Path) -> None:
    for name, dataset in DATASETS.items():
        if dataset.file.startswith("bars/"):
            assert load_bars(name, data).frame.height > 1_000


def test_a_day_of_paths_respects_every_bar(crash: Bars) -> None:
    start, end = DAY_START + 20 * 3_600_000, DAY_START + 22 * 3_600_000
    path = intrabar_path(crash, start_ms=start, end_ms=end).prices.reshape(24, 300, 60)
    bars = grid(crash, start_ms=start, end_ms=end)
    assert np.array_equal(path[:, 0], bars.open[:24])
    assert np.array_equal(path.max(axis=1), bars.high[:24])
    assert np.array_equal(path.min(axis=1), bars.low[:24])
    assert np.array_equal(path[:, -1], bars.close[:24])


def test_lows_are_trades_not_marks(crash: Bars) -> None:
    """At 21:20 the median low is 18 % below its open and close; averaged marks stay far above."""
    deepest_bar = CRASH_START + 300_000
    bar = crash.select(start_ms=deepest_bar, end_ms=deepest_bar + 300_000).frame
    below = bar.select(1 - pl.col("low") / pl.min_horizontal("open", "close")).to_series()
    assert below.median() == pytest.approx(0.175, abs=0.001)
    source = MarkSource(bars=crash, price_units=price_units_of(crash))
    marks = source.marks(start_ms=CRASH_START, end_ms=CRASH_END)
    assert marks.trusted.all()
    lows = crash.select(start_ms=CRASH_START, end_ms=CRASH_END).frame
    lowest = lows.group_by("symbol", maintain_order=True).agg(pl.col("low").min())
    deepest = marks.prices.min(axis=0)
    assert (deepest > lowest["low"].to_numpy()).all()
    assert np.median(deepest / lowest["low"].to_numpy()) > 1.05


def test_price_units_are_the_venue_s_ticks(crash: Bars) -> None:
    units = {name: str(unit) for name, unit in price_units_of(crash).items()}
    assert units["BTCUSDT"] == "0.1"
    assert units["ETHUSDT"] == "0.01"
    assert units["DOGEUSDT"] == "0.00001"


def test_the_recorded_reference_marks_btc_in_the_crash(crash: Bars, data: Path) -> None:
    source = MarkSource(
        bars=crash.select(["BTCUSDT"]),
        price_units=price_units_of(crash),
        model=ReferenceMark(),
        reference=load_bars("btc-reference-2025-10", data),
        references={"BTCUSDT": "BTCUSD_PERP.MARK_OR_INDEX"},
    )
    marks = source.marks(start_ms=CRASH_START, end_ms=CRASH_END)
    assert marks.symbols == ("BTCUSDT",)
    assert marks.trusted.all()
    assert marks.prices.min() > 101_516.5  # the reference never printed the trade's low
