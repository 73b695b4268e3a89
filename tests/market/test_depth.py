import gzip
import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.core.errors import InvalidInput, UnknownInstrument, UnreadableData
from keelmark.market.bars import Bars, read_bars
from keelmark.market.calibration import (
    activities,
    daily_activity,
    fit_density,
    flat_density,
    linear_density,
)
from keelmark.market.datasets import dataset_path
from keelmark.market.depth import (
    RecordedDepth,
    corrected,
    frozen_level,
    prices_at,
    read_recorded_depth,
)
from keelmark.market.depth_stream import read_depth_stream

START = 1_760_054_400_000
DAY = 86_400_000
FROZEN_PRICE = 110.0
FROZEN_SIZE = 5.0
MARKET = 100.0


def recorded(snapshots: int = 30, *, is_frozen: bool = True) -> RecordedDepth:
    """Record a flat book of 10 units per price point around 100 as the recorder would see it."""
    percents = np.array([-6.0, -1.0, 1.0, 6.0])
    mid = (FROZEN_PRICE + MARKET) / 2 if is_frozen else MARKET
    limits = mid * (1 + percents / 100)
    bids = 10.0 * np.maximum(MARKET - limits[:2], 0.0) + (FROZEN_SIZE if is_frozen else 0.0)
    asks = 10.0 * (limits[2:] - MARKET)
    size = np.tile(np.concatenate((bids, asks)), (snapshots, 1))
    wobble = 0.01 * np.arange(snapshots)
    size[:, [0, 2, 3]] += wobble[:, None]
    if not is_frozen:
        size[:, 1] += wobble
    return RecordedDepth(
        source="test",
        times_ms=START + 30_000 * np.arange(snapshots),
        percents=percents,
        size=size,
        notional=size * FROZEN_PRICE,
    )


def test_bids_that_never_change_are_found() -> None:
    level = frozen_level(recorded())
    assert level is not None
    assert (level.size, level.price, level.snapshots) == (FROZEN_SIZE, FROZEN_PRICE, 30)
    assert (level.first_ms, level.last_ms) == (START, START + 29 * 30_000)
    assert frozen_level(recorded(is_frozen=False)) is None


def test_frozen_bids_are_removed_and_both_sides_are_restated_from_the_market() -> None:
    depth = recorded()
    found = corrected(depth, np.full(30, MARKET), frozen_level(depth))
    assert found.is_corrected.all()
    assert np.isnan(found.distances[:, 1]).all()  # the -1 % limit lies above the market
    np.testing.assert_allclose(found.distances[0, [0, 2, 3]], [-0.013, 0.0605, 0.113])
    for column in (0, 2, 3):  # a flat book again: 10 units per price point
        away = abs(found.distances[0, column]) * MARKET
        assert found.size[0, column] == pytest.approx(10.0 * away)


def test_a_sound_recording_and_a_market_above_the_frozen_bids_stay_as_they_are() -> None:
    sound = recorded(is_frozen=False)
    same = corrected(sound, np.full(30, MARKET), frozen_level(sound))
    assert np.array_equal(same.size, sound.size)
    np.testing.assert_allclose(same.distances[0], sound.percents / 100)
    depth = recorded()
    above = corrected(depth, np.full(30, 111.0), frozen_level(depth))
    assert not above.is_corrected.any()
    assert np.array_equal(above.size, depth.size)


def test_one_price_per_snapshot_is_wanted() -> None:
    with pytest.raises(InvalidInput, match="2 prices for 30 snapshots"):
        corrected(recorded(), np.full(2, MARKET), None)


def minute_bars(closes: list[float], volume: float = 60.0) -> Bars:
    opens = [closes[0], *closes[:-1]]
    return Bars.from_frame(
        pl.DataFrame(
            {
                "ts_ms": START + 60_000 * np.arange(len(closes)),
                "symbol": ["BTCUSDT"] * len(closes),
                "open": opens,
                "high": np.maximum(opens, closes),
                "low": np.minimum(opens, closes),
                "close": closes,
                "volume": np.full(len(closes), volume),
            }
        )
    )


def test_prices_between_bars_run_from_open_to_close() -> None:
    bars = minute_bars([100.0, 110.0])
    times = START + np.array([-1, 0, 60_000, 75_000, 120_000])
    found = prices_at(bars, "BTCUSDT", times)
    assert str(found.tolist()) == "[nan, 100.0, 100.0, 102.5, nan]"
    with pytest.raises(UnknownInstrument):
        prices_at(bars, "ETHUSDT", times)


def test_a_recording_must_hold_every_percentage_and_column(tmp_path: Path) -> None:
    path = tmp_path / "depth.parquet"
    table = pl.DataFrame(
        {"ts_ms": [1, 1, 2], "percent": [-1.0, 1.0, 1.0], "depth": [5.0] * 3, "notional": [9.0] * 3}
    )
    table.write_parquet(path)
    with pytest.raises(UnreadableData, match="not every snapshot holds the 2 percentages"):
        read_recorded_depth(path)
    table.drop("notional").write_parquet(path)
    with pytest.raises(UnreadableData, match="no column notional"):
        read_recorded_depth(path)


def test_both_densities_are_recovered_from_books_drawn_with_them() -> None:
    away = np.array([-0.05, -0.02, 0.01, 0.03, np.nan])
    flat = fit_density(away, np.abs(away) * 4_000.0, lot_size=0.1)
    assert flat.flat.density == pytest.approx(40_000.0)
    assert flat.flat_error == pytest.approx(0.0, abs=1e-12)
    assert flat.linear_error > 0.1
    linear = fit_density(away, (away / 0.002) ** 2, lot_size=1.0)
    assert linear.linear.scale == pytest.approx(0.002)
    assert linear.linear_error == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(InvalidInput, match="1 usable points"):
        fit_density(np.array([0.01, np.nan]), np.array([1.0, 1.0]), lot_size=1.0)


def test_activity_is_a_day_s_volume_and_volatility() -> None:
    step = 0.001
    closes = [100.0 * math.exp(step * (i % 2)) for i in range(2 * 1_440)]
    bars = minute_bars(closes)
    (activity,) = activities(bars, until_ms=START + 2 * DAY, days=1)
    assert activity == daily_activity(bars, "BTCUSDT", until_ms=START + 2 * DAY, days=1)
    assert activity.volume == pytest.approx(60.0 * 1_440)
    assert activity.volatility == pytest.approx(step * math.sqrt(1_440))
    assert activity.days == 1.0
    shape = linear_density(activity, lot_size=0.01)
    lots = 0.01 * activity.volume / 0.01
    assert shape.displacement(lots, 1.0) == pytest.approx(0.9 * activity.volatility * 0.1)
    assert flat_density(activity, lot_size=0.01).displacement(lots, 1.0) == pytest.approx(
        shape.displacement(lots, 1.0)
    )


def test_nothing_can_be_calibrated_on_a_price_that_never_moves() -> None:
    with pytest.raises(InvalidInput, match="never moves"):
        daily_activity(minute_bars([100.0] * 10), "BTCUSDT", until_ms=START + DAY)


def update(first: int, last: int, previous: int, second: int, **sides: object) -> str:
    data = {"e": "depthUpdate", "T": 1_000_000 * 1_000 + second * 1_000}
    numbers = {"U": first, "u": last, "pu": previous, "b": [], "a": []}
    return "1 " + json.dumps({"stream": "x@depth", "data": data | numbers | sides})


SNAPSHOT = "1 " + json.dumps(
    {
        "lastUpdateId": 100,
        "T": 1_000_000_000,
        "bids": [["99.5", "2"], ["99.0", "3"]],
        "asks": [["100.5", "1"], ["101.0", "4"]],
    }
)
STREAM = [
    update(80, 90, 79, 0, b=[["99.5", "777"]]),
    update(91, 105, 90, 0, b=[["99.6", "5"]]),
    '1 {"stream":"x@trade","data":{"e":"trade"}}',
    SNAPSHOT,
    update(106, 110, 105, 1, a=[["100.5", "0.000"], ["100.7", "9"]]),
    update(111, 120, 110, 5, b=[["99.6", "0"]]),
]


def write_stream(folder: Path, lines: list[str]) -> Path:
    path = folder / "stream.gz"
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path


def test_a_book_is_the_snapshot_and_the_differences_that_span_and_follow_it(
    tmp_path: Path,
) -> None:
    first, last = read_depth_stream(write_stream(tmp_path, STREAM), every_ms=1_000)
    assert first.update_id == 110
    assert first.bids.tolist() == [[99.6, 5.0], [99.5, 2.0], [99.0, 3.0]]
    assert first.asks.tolist() == [[100.7, 9.0], [101.0, 4.0]]
    assert last.update_id == 120
    assert last.bids.tolist() == [[99.5, 2.0], [99.0, 3.0]]
    away, size = last.cumulative(is_ask=False)
    assert last.mid == pytest.approx(100.1)
    assert size.tolist() == [2.0, 5.0]
    assert away[0] == pytest.approx(0.6 / 100.1)


def test_levels_are_limited_best_first(tmp_path: Path) -> None:
    (*_, last) = read_depth_stream(write_stream(tmp_path, STREAM), levels=1)
    assert last.bids.tolist() == [[99.5, 2.0]]
    assert last.asks.tolist() == [[100.7, 9.0]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*STREAM[:4], STREAM[5]], "line 5: differences 105 to 110 are missing"),
        ([SNAPSHOT, STREAM[4]], "line 2: differences 100 to 105 are missing"),
        (STREAM[:3], "no snapshot with differences that follow it"),
        ([SNAPSHOT, "1 depthUpdate but not JSON"], "line 2: not a depth message"),
    ],
    ids=["hole", "late", "no snapshot", "no json"],
)
def test_a_stream_with_a_hole_or_without_a_start_is_refused(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(UnreadableData) as caught:
        list(read_depth_stream(write_stream(tmp_path, lines)))
    assert message in str(caught.value)


def test_a_truncated_stream_says_so(tmp_path: Path) -> None:
    path = write_stream(tmp_path, STREAM)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableData, match="truncated or damaged"):
        list(read_depth_stream(path))


@pytest.mark.real_data
def test_the_recorded_stream_rebuilds_the_venue_s_own_best_prices(data: Path) -> None:
    """The stream carries the venue's best bid and ask too; they check the rebuilt book."""
    path = data / "samples" / "binance_usdm_raw_depth_ethusdt_20240808.gz"
    best = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            if '"bookTicker"' in line:
                ticker = json.loads(line.split(" ", 1)[1])["data"]
                best[ticker["u"]] = (float(ticker["b"]), float(ticker["a"]))
    numbers = np.array(sorted(best))
    agreed = []
    for book in read_depth_stream(path):
        assert book.bids[0, 0] < book.asks[0, 0]
        place = np.searchsorted(numbers, book.update_id, side="right") - 1
        agreed.append(best[int(numbers[place])] == (book.bids[0, 0], book.asks[0, 0]))
    assert len(agreed) > 300
    assert np.mean(agreed) > 0.99


@pytest.mark.real_data
def test_frozen_bids_of_the_crash_are_found_and_both_sides_shrink(data: Path) -> None:
    depth = read_recorded_depth(dataset_path("depth-2025-10-10", data))
    level = frozen_level(depth)
    assert level is not None
    assert level.size == pytest.approx(17.654)
    assert level.price == pytest.approx(121_363.66, abs=0.01)
    bars = read_bars(dataset_path("crash-2025-10", data))
    market = prices_at(bars, "BTCUSDT", depth.times_ms)
    found = corrected(depth, market, level)
    crash = int(np.searchsorted(depth.times_ms, 1_760_131_380_000))  # 21:23
    plus_one = int(np.flatnonzero(depth.percents == 1.0)[0])
    assert found.distances[crash, plus_one] > 0.07  # "+1 %" reached 8 % above the market
    asks = depth.percents > 0.0
    fits = [
        fit_density(found.distances[i, asks], found.size[i, asks], lot_size=1.0) for i in (0, crash)
    ]
    assert fits[1].flat.density < 0.1 * fits[0].flat.density  # over 90 % of the quotes were gone
    assert fits[0].flat_error < 0.5 * fits[0].linear_error  # a calm visible book is nearer to flat
