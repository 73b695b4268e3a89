from pathlib import Path

import polars as pl
import pytest

from keelmark.core.errors import InvalidInput, UnknownInstrument, UnreadableData
from keelmark.market.bars import Bars, gaps, grid, read_bars

START = 1_760_054_400_000
MINUTE = 60_000


def frame(rows: int = 6, symbol: str = "BTCUSDT", price: float = 100.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ts_ms": [START + MINUTE * i for i in range(rows)],
            "symbol": [symbol] * rows,
            "open": [price + i for i in range(rows)],
            "high": [price + i + 2 for i in range(rows)],
            "low": [price + i - 1 for i in range(rows)],
            "close": [price + i + 1 for i in range(rows)],
            "volume": [10.0] * rows,
        }
    )


def edited(row: int, **values: object) -> pl.DataFrame:
    table = frame()
    index = pl.int_range(pl.len())
    return table.with_columns(
        pl.when(index == row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def test_valid_rows_become_bars_sorted_by_symbol_and_time() -> None:
    table = pl.concat([frame(symbol="ETHUSDT"), frame(symbol="BTCUSDT")]).reverse()
    bars = Bars.from_frame(table)
    assert bars.symbols == ("BTCUSDT", "ETHUSDT")
    assert bars.interval_ms == MINUTE
    assert bars.start_ms == START
    assert bars.end_ms == START + 6 * MINUTE
    assert bars.frame["symbol"].to_list() == ["BTCUSDT"] * 6 + ["ETHUSDT"] * 6
    assert bars.frame["ts_ms"].head(6).is_sorted()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (edited(2, low=103.0), "low is above open or close: row 3"),
        (edited(2, high=102.5), "high is below open or close: row 3"),
        (edited(0, close=float("nan")), "a price or volume is not finite: row 1"),
        (edited(0, high=float("inf")), "a price or volume is not finite: row 1"),
        (edited(1, low=0.0), "a price is not positive: row 2"),
        (edited(1, volume=-1.0), "volume is negative: row 2"),
        (edited(1, open=None), "a value is missing: row 2"),
        (edited(5, ts_ms=START), "a symbol has two bars at one time: row 1, 6"),
        (edited(5, ts_ms=START // 1000), "ts_ms is not a time in milliseconds: row 6"),
        (edited(5, ts_ms=START * 1000), "ts_ms is not a time in milliseconds: row 6"),
    ],
)
def test_a_bad_row_is_named_with_its_file(table: pl.DataFrame, problem: str) -> None:
    with pytest.raises(UnreadableData, match=r"crash\.parquet") as caught:
        Bars.from_frame(table, source="crash.parquet")
    assert problem in str(caught.value)


def test_every_problem_is_named_at_once() -> None:
    table = edited(0, volume=-1.0).with_columns(
        low=pl.when(pl.int_range(pl.len()) >= 0).then(pl.lit(500.0))
    )
    with pytest.raises(UnreadableData) as caught:
        Bars.from_frame(table)
    assert "2 problem(s)" in str(caught.value)
    assert "volume is negative: row 1" in str(caught.value)
    assert "low is above open or close: row 1, 2, 3, 4, 5 and 1 more" in str(caught.value)


def test_missing_wrong_and_extra_columns_are_named() -> None:
    with pytest.raises(UnreadableData, match="no column high, volume; found ts_ms"):
        Bars.from_frame(frame().drop("high", "volume"))
    with pytest.raises(UnreadableData, match="column extra: not a bar column"):
        Bars(frame=frame().with_columns(extra=pl.lit(1)))
    with pytest.raises(UnreadableData, match="does not hold numbers"):
        Bars.from_frame(frame().with_columns(open=pl.lit("cheap")))
    with pytest.raises(UnreadableData, match="there are no rows"):
        Bars.from_frame(frame().head(0))


def test_the_constructor_refuses_unsorted_rows() -> None:
    with pytest.raises(UnreadableData, match="not sorted"):
        Bars(frame=frame().reverse())


def test_selection_by_symbol_and_time_keeps_the_half_open_window() -> None:
    bars = Bars.from_frame(pl.concat([frame(symbol="ETHUSDT"), frame()]))
    chosen = bars.select(["ETHUSDT"], start_ms=START + MINUTE, end_ms=START + 3 * MINUTE)
    assert chosen.symbols == ("ETHUSDT",)
    assert chosen.frame["ts_ms"].to_list() == [START + MINUTE, START + 2 * MINUTE]


def test_selecting_what_is_not_there_says_what_is() -> None:
    bars = Bars.from_frame(frame())
    with pytest.raises(UnknownInstrument, match="did you mean 'BTCUSDT'"):
        bars.select(["BTCUSD"])
    with pytest.raises(UnreadableData, match="no bars open in"):
        bars.select(start_ms=START + 100 * MINUTE)


def test_gaps_name_the_stretch_and_the_number_of_missing_bars() -> None:
    table = frame(10).filter(~pl.col("ts_ms").is_in([START + 3 * MINUTE, START + 4 * MINUTE]))
    (gap,) = gaps(Bars.from_frame(table))
    assert (gap.symbol, gap.start_ms, gap.end_ms, gap.bars_missing) == (
        "BTCUSDT",
        START + 3 * MINUTE,
        START + 5 * MINUTE,
        2,
    )
    assert gaps(Bars.from_frame(frame(10))) == ()


def test_instruments_with_different_intervals_are_refused() -> None:
    slow = frame(symbol="ETHUSDT").with_columns(ts_ms=START + (pl.col("ts_ms") - START) * 5)
    with pytest.raises(UnreadableData, match="share one interval"):
        _ = Bars.from_frame(pl.concat([frame(), slow])).interval_ms
    with pytest.raises(UnreadableData, match="no two bars"):
        _ = Bars.from_frame(frame(1)).interval_ms


def test_the_grid_is_dense_and_nan_where_bars_are_missing() -> None:
    table = pl.concat([frame(4), frame(4, symbol="ETHUSDT", price=10.0).tail(2)])
    dense = grid(Bars.from_frame(table), start_ms=START - MINUTE, end_ms=START + 4 * MINUTE)
    assert dense.times_ms.tolist() == [START + MINUTE * i for i in range(-1, 4)]
    assert dense.symbols == ("BTCUSDT", "ETHUSDT")
    assert str(dense.open[:, 0].tolist()) == "[nan, 100.0, 101.0, 102.0, 103.0]"
    assert str(dense.close[:, 1].tolist()) == "[nan, nan, nan, 13.0, 14.0]"


def test_a_bar_off_the_grid_or_an_empty_window_is_refused() -> None:
    bars = Bars.from_frame(edited(5, ts_ms=START + 5 * MINUTE + 1))
    with pytest.raises(UnreadableData, match="off the 60000 ms grid"):
        grid(bars)
    with pytest.raises(InvalidInput, match="before it starts"):
        grid(Bars.from_frame(frame()), start_ms=START, end_ms=START - 1)


def test_bars_survive_a_round_trip_through_parquet(tmp_path: Path) -> None:
    bars = Bars.from_frame(frame())
    bars.write(tmp_path / "bars.parquet")
    again = read_bars(tmp_path / "bars.parquet")
    assert again.frame.equals(bars.frame)
    assert again.source.endswith("bars.parquet")


def test_a_file_that_is_not_parquet_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "bars.parquet").write_text("ts_ms,open\n")
    with pytest.raises(UnreadableData, match="cannot be read as Parquet"):
        read_bars(tmp_path / "bars.parquet")
    with pytest.raises(UnreadableData, match="cannot be read as Parquet"):
        read_bars(tmp_path / "absent.parquet")
