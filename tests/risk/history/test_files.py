"""Files that are not what they seem: each is refused by what is wrong in it, with the fix."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.core.errors import UnreadableData
from keelmark.risk.history.volumes import daily_volumes
from keelmark.risk.returns import read_returns

START = 1_700_006_400_000
MINUTE = 60_000


def frame(count: int = 60) -> pl.DataFrame:
    steps = np.random.default_rng(1).standard_normal(count) * 0.002
    return pl.DataFrame(
        {
            "ts_ms": [START + i * 5 * MINUTE for i in range(count)],
            "symbol": ["BTCUSDT"] * count,
            "close": 100.0 * np.exp(np.cumsum(steps)),
        }
    )


def saved(folder: Path, content: pl.DataFrame) -> Path:
    path = folder / "bars.parquet"
    content.write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (pl.col("ts_ms") // 1_000, "ts_ms holds 1700006400, which looks like seconds since 1970"),
        (pl.col("ts_ms") * 1_000, r"microseconds since 1970; give milliseconds \(divided by 1,000"),
        (pl.col("ts_ms") * 1_000_000, "nanoseconds since 1970; give milliseconds"),
        (pl.col("ts_ms") // 10**9, "no time from 2009 to 2100"),
        (pl.from_epoch("ts_ms", "ms"), r"column ts_ms holds Datetime.*give whole milliseconds"),
        (pl.col("close").cast(pl.String), "column close holds String; give prices as numbers"),
        (pl.lit(7).alias("symbol"), "column symbol holds Int32; give names as BTCUSDT"),
        (-pl.col("close"), "no bar has a time, a symbol and a close above 0"),
    ],
)
def test_columns_of_other_things_are_named(tmp_path: Path, wrong: pl.Expr, message: str) -> None:
    with pytest.raises(UnreadableData, match=message):
        read_returns(saved(tmp_path, frame().with_columns(wrong)), every="auto")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"close": "Close"}, r"no column close \(found Close: rename it\)"),
        ({"ts_ms": "time", "close": "Close"}, r"ts_ms \(found time.*no column close \(found Clos"),
        ({"symbol": "ticker"}, r"no column symbol \(found ticker: rename it\)"),
    ],
)
def test_bars_with_other_names_are_no_table_of_returns(
    tmp_path: Path, names: dict[str, str], message: str
) -> None:
    with pytest.raises(UnreadableData, match=message):
        read_returns(saved(tmp_path, frame().rename(names)))


def test_what_holds_nothing_is_said_to(tmp_path: Path) -> None:
    for nothing in (frame().head(0), pl.DataFrame()):
        with pytest.raises(UnreadableData, match="has no rows; give bars"):
            read_returns(saved(tmp_path, nothing))
    (tmp_path / "no.csv").write_text("")
    with pytest.raises(UnreadableData, match="cannot be read as CSV or Parquet") as caught:
        read_returns(tmp_path / "no.csv")
    assert "\n" not in str(caught.value)


def test_closes_that_contradict_each_other_are_counted_and_none_is_taken(tmp_path: Path) -> None:
    other = frame().slice(20, 1).with_columns(pl.col("close") * 1.1)
    found = read_returns(saved(tmp_path, pl.concat([frame(), other, frame().head(3)])))
    assert len(found.values) == 59 - 2
    assert np.abs(found.values).max() < 0.02
    assert "3 bars doubled: left out" in found.notes
    clash = "BTCUSDT: 1 times twice with other closes, up to 10 % apart (first 2023-11-15 01:40)"
    assert f"{clash}: none of them is taken" in found.notes
    both = pl.concat([frame(), frame().with_columns(pl.col("close") * 1.1)])
    with pytest.raises(UnreadableData, match=r"BTCUSDT is there 60 times twice.*two markets"):
        read_returns(saved(tmp_path, both))


def test_a_stray_time_does_not_fill_a_century_with_bars(tmp_path: Path) -> None:
    far = frame().head(1).with_columns(pl.lit(4_000_000_000_000).alias("ts_ms"))
    minutes = frame(600).with_columns((START + MINUTE * pl.int_range(pl.len())).alias("ts_ms"))
    path = saved(tmp_path, pl.concat([minutes, far]))
    with pytest.raises(
        UnreadableData, match=r"2096-10-02 .* times 1 minute; are these times right"
    ):
        read_returns(path, every="1m")


def test_volumes_of_doubled_bars_count_once_and_text_is_refused(tmp_path: Path) -> None:
    whole = frame().with_columns(pl.lit(2.0).alias("volume"))
    once = daily_volumes([saved(tmp_path, whole)])
    assert daily_volumes([saved(tmp_path, pl.concat([whole, whole]))]) == pytest.approx(once)
    text = whole.with_columns(pl.col("volume").cast(pl.String))
    with pytest.raises(UnreadableData, match="column volume holds String"):
        daily_volumes([saved(tmp_path, text)])
