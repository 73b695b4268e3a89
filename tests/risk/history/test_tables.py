"""Tables of returns: what a row spans is read from its times, or asked for; never guessed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.risk.history.periods import Every
from keelmark.risk.returns import read_returns

START = 1_700_006_400_000  # a whole day
HOUR = 3_600_000
CLASH = (
    "1 times with rows that contradict each other, the first 2023-11-15 10:00: all left out, "
    "which is right is not known"
)


def moves(count: int, seed: int = 1) -> dict[str, Any]:
    drawn = np.random.default_rng(seed).standard_normal((count, 2)) * 0.005
    return {"BTC": drawn[:, 0].tolist(), "ETH": drawn[:, 1].tolist()}


def table(folder: Path, columns: Mapping[str, Any], name: str = "table.csv") -> Path:
    path = folder / name
    pl.DataFrame(columns).write_csv(path)
    return path


def hours(count: int) -> list[int]:
    return [START + i * HOUR for i in range(count)]


def test_a_column_of_times_tells_what_a_row_spans(tmp_path: Path) -> None:
    found = read_returns(table(tmp_path, {"ts_ms": hours(48), **moves(48)}))
    assert found.coins == ("BTC", "ETH")
    assert found.period == "1 hour"
    assert found.days == pytest.approx(1 / 24)
    assert found.times is not None
    assert found.times[0] == START + HOUR  # a time is that at which a row begins
    assert found.horizon == "a day: 24 rows of 1 hour"


def test_returns_of_bars_and_the_table_made_of_them_agree(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"ts_ms": hours(24 * 30), **moves(24 * 30)}
    read = read_returns(table(tmp_path, rows), every="8h")
    bars = [
        {"ts_ms": at, "symbol": f"{coin}USDT", "close": float(price)}
        for coin in ("BTC", "ETH")
        for at, price in zip(
            [START - HOUR, *hours(24 * 30)],
            100.0 * np.cumprod([1.0, *(1.0 + np.array(rows[coin]))]),
            strict=True,
        )
    ]
    pl.DataFrame(bars).write_parquet(tmp_path / "bars.parquet")
    own = read_returns(tmp_path / "bars.parquet", every="8h")
    assert read.values == pytest.approx(own.values)
    assert read.times is not None
    assert read.times.tolist() == np.asarray(own.times).tolist()
    assert read.days == own.days
    assert read_returns(table(tmp_path, rows), every="auto").period == "1 hour"


@pytest.mark.parametrize("name", ["date", "Timestamp", ""])
def test_times_may_be_written_as_dates(tmp_path: Path, name: str) -> None:
    first = datetime.fromtimestamp(START / 1_000, tz=UTC)
    days = [(first + timedelta(days=i)).strftime("%Y-%m-%d") for i in range(30)]
    found = read_returns(table(tmp_path, {name: days, **moves(30)}))
    assert found.period == "1 day"
    assert found.times is not None
    assert found.times[0] == START + 24 * HOUR
    stamps = pl.DataFrame({"time": [START + i * HOUR for i in range(30)], **moves(30)})
    path = tmp_path / "table.parquet"
    stamps.with_columns(pl.from_epoch("time", "ms")).write_parquet(path)
    assert read_returns(path).period == "1 hour"


def test_without_times_a_span_is_what_the_caller_says(tmp_path: Path) -> None:
    path = table(tmp_path, {"": list(range(40)), **moves(40)})
    found = read_returns(path)
    assert found.days is None
    assert found.coins == ("BTC", "ETH")  # an index is no coin
    said = read_returns(path, every=Every(period="auto", row="1h"))
    assert said.days == pytest.approx(1 / 24)
    assert "a row is taken to span 1 hour, as --every says" in said.notes
    assert read_returns(path, every=Every(period="auto", row="auto")).days is None
    with pytest.raises(UnreadableData, match="no column of times, so it cannot be taken by 1d"):
        read_returns(path, every="1d")
    with pytest.raises(UnreadableData, match="its clock cannot be set: add ts_ms"):
        read_returns(path, ahead_ms=HOUR)


def test_gaps_doubles_and_contradictions_of_rows_are_counted(tmp_path: Path) -> None:
    rows = pl.DataFrame({"ts_ms": hours(60), **moves(60)})
    clash = rows.slice(10, 1).with_columns(pl.lit(0.3).alias("BTC"))
    hole = rows.slice(30, 1).with_columns(pl.lit(None, dtype=pl.Float64).alias("ETH"))
    parts = [rows.head(30), hole, rows.slice(31, 9), rows.slice(42), rows.head(2), clash]
    pl.concat(parts).write_csv(tmp_path / "table.csv")
    found = read_returns(tmp_path / "table.csv")
    assert found.notes == (
        "2 rows doubled: left out",
        CLASH,
        "1 rows without a number for every coin: left out",
        "2 rows after gaps: left out, they may span them",
    )
    assert len(found.values) == 60 - 2 - 1 - 1 - 2
    days = read_returns(table(tmp_path, {"ts_ms": hours(70), **moves(70)}), every="3h")
    assert len(days.values) == 23
    assert "1 periods of 3 hours that lack a row: left out" in days.notes


def test_the_clock_and_the_end_hold_for_tables(tmp_path: Path) -> None:
    path = table(tmp_path, {"ts_ms": hours(60), **moves(60)})
    found = read_returns(path, ahead_ms=8 * HOUR, until_ms=START + 20 * HOUR)
    assert found.times is not None
    assert found.times[0] == START - 7 * HOUR
    assert found.times[-1] == START + 20 * HOUR
    with pytest.raises(UnreadableData, match=r"begins .* after .*--until end"):
        read_returns(path, until_ms=START)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ts_ms": [START + i**3 * HOUR for i in range(40)]}, "no fixed span apart"),
        ({"ts_ms": [x // 1_000 for x in hours(40)]}, "looks like seconds since 1970"),
        ({"time": ["soon"] * 40}, "'time' holds String, no times; give milliseconds"),
        ({"time": [None, *hours(39)]}, "1 rows have no 'time'"),
        ({"BTC": [60_000.0] * 40}, "half of the returns of BTC are longer than 60000; are these"),
        ({"ETH": [0.5, -1.5] * 20}, "are these prices"),
        ({"ETH": [0.1, float("inf")] * 20}, "must be finite"),
    ],
)
def test_tables_that_are_none_are_refused(
    tmp_path: Path, change: Mapping[str, Any], message: str
) -> None:
    path = table(tmp_path, {"ts_ms": hours(40), **moves(40), **change})
    if "time" in change:
        path = table(tmp_path, {**moves(40), **change})
    with pytest.raises(UnreadableData, match=message):
        read_returns(path)


def test_what_is_no_whole_number_of_rows_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, {"ts_ms": hours(60), **moves(60)})
    with pytest.raises(InvalidInput, match=r"a row spans 1 hour, of which 1[.]5 hours is no whole"):
        read_returns(path, every="90m")


def test_columns_that_are_no_coin_asked_for_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, {"ts_ms": hours(60), **moves(60)})
    with pytest.raises(UnreadableData, match=r"none of its columns \(BTC, ETH\) is one .* \(SOL\)"):
        read_returns(path, coins=["SOL"])
    assert read_returns(path, coins=["ETH", "SOL"]).coins == ("ETH",)


def test_every_coin_without_returns_is_named(tmp_path: Path) -> None:
    found = read_returns(table(tmp_path, {"ts_ms": hours(60), **moves(60)}))
    for ask in (found.of, found.covariance_of, lambda coins: found.betas("BTC", coins)):
        with pytest.raises(InvalidInput, match="has no returns of SOL, XRP; it has BTC, ETH"):
            ask(["SOL", "BTC", "XRP"])
