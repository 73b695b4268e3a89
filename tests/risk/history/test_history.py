"""Histories on one clock: what a file lacks, doubles or invents is named, and kept out."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.risk.history.bad_prints import bad_prints
from keelmark.risk.history.periods import milliseconds, period_words
from keelmark.risk.history.volumes import daily_volumes
from keelmark.risk.returns import read_returns

START = 1_699_999_200_000  # a whole hour
MINUTE = 60_000


def walk(count: int, seed: int, sigma: float = 0.002) -> list[float]:
    steps = np.random.default_rng(seed).standard_normal(count) * sigma
    return [float(x) for x in 100.0 * np.exp(np.cumsum(steps))]


def bars(
    folder: Path,
    closes: dict[str, list[float]],
    *,
    minutes: dict[str, int] | None = None,
    offsets: dict[str, int] | None = None,
) -> Path:
    rows = [
        {
            "ts_ms": START
            + (offsets or {}).get(symbol, 0)
            + i * (minutes or {}).get(symbol, 5) * MINUTE,
            "symbol": symbol,
            "close": close,
        }
        for symbol, values in closes.items()
        for i, close in enumerate(values)
    ]
    path = folder / "bars.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


def test_changes_of_an_hour_are_those_between_the_closes_that_end_whole_hours(
    tmp_path: Path,
) -> None:
    closes = walk(12 * 40, 1)
    found = read_returns(bars(tmp_path, {"BTCUSDT": closes}), every="1h")
    ends = np.array(closes)[11::12]  # the bar that opens at :55 ends with the hour
    assert found.values[:, 0] == pytest.approx(ends[1:] / ends[:-1] - 1.0)
    assert found.period == "1 hour"
    assert found.days == pytest.approx(1 / 24)
    assert found.times is not None
    assert set(found.times % 3_600_000) == {0}


def test_log_changes_add_up_over_any_period(tmp_path: Path) -> None:
    path = bars(tmp_path, {"BTCUSDT": walk(12 * 48, 2), "ETHUSDT": walk(12 * 48, 3)})
    short, long = read_returns(path, every="5m"), read_returns(path, every="1h")
    assert long.logs.sum(axis=0) == pytest.approx(
        np.log1p(short.values)[11 : 11 + 12 * len(long.values)].sum(axis=0)
    )


def test_bars_of_two_lengths_meet_where_they_end_together(tmp_path: Path) -> None:
    fine = walk(300, 4)
    coarse = fine[4::5]
    path = bars(
        tmp_path, {"BTCUSDT": coarse, "ETHUSDT": fine}, minutes={"BTCUSDT": 5, "ETHUSDT": 1}
    )
    for every in (None, "5m"):
        found = read_returns(path, every=every)
        assert found.values[:, 0] == pytest.approx(found.values[:, 1])
        assert len(found.values) == 59


def test_clocks_that_never_meet_are_refused_and_a_longer_period_says_what_it_takes(
    tmp_path: Path,
) -> None:
    closes = {"BTCUSDT": walk(600, 5), "ETHUSDT": walk(600, 6)}
    path = bars(tmp_path, closes, offsets={"ETHUSDT": 120_000})
    with pytest.raises(UnreadableData, match="bars of BTCUSDT and ETHUSDT end 120 s apart"):
        read_returns(path)
    found = read_returns(path, every="1h")
    assert any("ETHUSDT: its bars end 120 s past whole bars" in note for note in found.notes)


def test_what_is_no_whole_number_of_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="7 minutes is no whole number"):
        read_returns(bars(tmp_path, {"BTCUSDT": walk(60, 7)}), every="7m")


def test_a_bad_print_is_left_out_and_a_crash_of_all_is_not(tmp_path: Path) -> None:
    closes = {"BTCUSDT": walk(400, 8), "ETHUSDT": walk(400, 9), "SOLUSDT": walk(400, 10)}
    closes["ETHUSDT"][200] *= 0.5
    found = read_returns(bars(tmp_path, closes))
    assert np.abs(found.values).max() < 0.05
    assert any(n.startswith("ETHUSDT: one close jumps away for one bar") for n in found.notes)
    for values in closes.values():
        values[300] *= 0.6
    found = read_returns(bars(tmp_path, closes))
    assert found.values.min() < -0.35
    assert sum("bad prints" in note for note in found.notes) == 1


def test_without_another_coin_a_jump_is_kept_and_said() -> None:
    closes = np.array(walk(400, 11))[:, None]
    closes[200] *= 0.5
    bad, alone = bad_prints(closes)
    assert not bad.any()
    assert np.argwhere(alone).tolist() == [[200, 0]]


def test_a_violent_stretch_is_no_bad_print() -> None:
    closes = np.column_stack([walk(400, 12), walk(400, 13)])
    closes[190:210, 0] *= np.exp(0.1 * np.random.default_rng(14).standard_normal(20))
    assert not bad_prints(closes)[0].any()


def test_gaps_doubles_and_prices_of_nothing_are_counted(tmp_path: Path) -> None:
    path = bars(tmp_path, {"BTCUSDT": walk(200, 15), "ETHUSDT": walk(200, 16)})
    frame = pl.read_parquet(path)
    hole = (pl.col("symbol") == "ETHUSDT") & (pl.col("ts_ms") == START + 50 * 5 * MINUTE)
    nothing = (pl.col("symbol") == "BTCUSDT") & (pl.col("ts_ms") == START + 90 * 5 * MINUTE)
    frame = frame.filter(~hole).with_columns(
        pl.when(nothing).then(0.0).otherwise(pl.col("close")).alias("close")
    )
    pl.concat([frame, frame.head(3)]).write_parquet(path)
    found = read_returns(path)
    assert len(found.values) == 199 - 4
    assert "1 bars without a price above 0: left out" in found.notes
    assert "3 bars doubled: left out" in found.notes
    assert "2 times at which a coin has no bar: left out" in found.notes
    assert "2 changes over gaps: left out" in found.notes


def test_a_coin_nobody_asks_for_drops_no_rows(tmp_path: Path) -> None:
    closes = {"BTCUSDT": walk(200, 17), "OPUSDT": walk(60, 18), "STILLUSDT": [1.0] * 200}
    path = bars(tmp_path, closes)
    assert len(read_returns(path).values) == 59
    found = read_returns(path, coins=["BTC"])
    assert len(found.values) == 199
    assert found.notes == ()
    assert "STILLUSDT: its price never changes" in read_returns(path).notes


def test_the_period_chosen_leaves_five_hundred_changes(tmp_path: Path) -> None:
    path = bars(tmp_path, {"BTCUSDT": walk(12 * 600, 19)})
    assert read_returns(path, every="auto").period == "1 hour"


def test_a_coin_stands_for_another_where_that_is_said(tmp_path: Path) -> None:
    found = read_returns(bars(tmp_path, {"BTCUSDT": walk(60, 20), "ETHUSDT": walk(60, 21)}))
    both = found.like({"POL": "ETH"}).of(["POL", "BTC"])
    assert both.values[:, 0] == pytest.approx(found.values[:, 1])
    assert "POL is taken to move as ETH" in both.notes
    with pytest.raises(InvalidInput, match="has returns of ETH"):
        found.like({"ETH": "BTC"})
    with pytest.raises(InvalidInput, match="has no returns of XRP"):
        found.like({"POL": "XRP"})


def test_files_of_bars_are_read_together_and_tables_are_not(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one = bars(tmp_path / "a", {"BTCUSDT": walk(600, 22)})
    other = bars(tmp_path, {"USDEUSDT": walk(3000, 23, 1e-4)}, minutes={"USDEUSDT": 1})
    found = read_returns([one, other], every="1h")
    assert set(found.coins) == {"BTC", "USDE"}
    table = tmp_path / "table.csv"
    pl.DataFrame({"BTC": [0.01, -0.01] * 20}).write_csv(table)
    with pytest.raises(UnreadableData, match="only bars"):
        read_returns([one, table])


def test_bars_after_a_time_are_left_out_and_said(tmp_path: Path) -> None:
    path = bars(tmp_path, {"BTCUSDT": walk(12 * 40, 24)})
    end = START + 30 * 3_600_000
    found = read_returns(path, every="1h", until_ms=end)
    assert found.times is not None
    assert found.times[-1] == end
    assert any("are left out: nobody knew them then" in note for note in found.notes)
    whole = read_returns(path, every="1h")
    both = whole.until(end)
    assert both.values == pytest.approx(found.values)
    with pytest.raises(UnreadableData, match=r"begins .*, after"):
        read_returns(path, until_ms=START - 1)


def test_volumes_of_a_day_are_quantity_times_close(tmp_path: Path) -> None:
    path = bars(tmp_path, {"BTCUSDT": [100.0] * 289, "1000PEPEUSDT": [0.01] * 289})
    assert daily_volumes([path]) == {}
    frame = pl.read_parquet(path).with_columns(pl.lit(3.0).alias("volume"))
    frame.write_csv(tmp_path / "bars.csv")
    found = daily_volumes([tmp_path / "bars.csv"])
    assert found["BTC"] == pytest.approx(289 * 300.0)
    assert found["PEPE"] == pytest.approx(289 * 0.03)
    half = daily_volumes([tmp_path / "bars.csv"], until_ms=START + 145 * 5 * MINUTE)
    assert half["BTC"] == pytest.approx(145 * 300.0 / 0.5)


def test_spans_read_and_are_read() -> None:
    assert [milliseconds(t) for t in ("5m", "8h", "1d")] == [300_000, 28_800_000, 86_400_000]
    assert [period_words(t) for t in (300_000, 3_600_000, 86_400_000)] == [
        "5 minutes",
        "1 hour",
        "1 day",
    ]
    with pytest.raises(InvalidInput, match="'soon' is no span"):
        milliseconds("soon")
