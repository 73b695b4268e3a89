import gzip
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from keelmark.core.errors import UnreadableData
from keelmark.market.importers import KLINE_COLUMNS, import_bars

START = 1_760_054_400_000
MINUTE = 60_000
NAME = "BTCUSDT-1m-2025-10-10"


def kline_rows(scale: float = 1, count: int = 3) -> list[str]:
    return [
        f"{int((START + MINUTE * i) * scale)},100.5,103,99.25,102,7.5,0,0,300,0,0,0"
        for i in range(count)
    ]


def kline_csv(*, scale: float = 1, header: bool = True) -> str:
    head = [",".join(KLINE_COLUMNS)] if header else []
    return "\n".join((*head, *kline_rows(scale))) + "\n"


def zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def expect_bars(path: Path, symbol: str = "BTCUSDT") -> None:
    bars = import_bars(path)
    assert bars.symbols == (symbol,)
    assert bars.frame["ts_ms"].to_list() == [START + MINUTE * i for i in range(3)]
    assert bars.frame.row(0)[2:] == (100.5, 103.0, 99.25, 102.0, 7.5)


@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
@pytest.mark.parametrize("scale", [1e-3, 1, 1_000, 1_000_000], ids=["s", "ms", "us", "ns"])
def test_archive_klines_are_read_with_and_without_header_in_every_time_unit(
    tmp_path: Path,
    scale: float,
    header: bool,  # noqa: FBT001 a column of the table
) -> None:
    path = tmp_path / f"{NAME}.zip"
    path.write_bytes(zipped({f"{NAME}.csv": kline_csv(scale=scale, header=header)}))
    expect_bars(path)


def test_a_zip_of_several_days_is_one_set_of_bars(tmp_path: Path) -> None:
    rows = kline_rows()
    path = tmp_path / f"{NAME}.zip"
    path.write_bytes(zipped({"b.csv": rows[2] + "\n", "a.csv": "\n".join(rows[:2]) + "\n"}))
    expect_bars(path)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.csv"
    path.write_bytes(zipped({"any.csv": kline_csv()}))
    expect_bars(path)


def test_plain_and_gzipped_csv_are_read(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.csv"
    path.write_text(kline_csv(header=False))
    expect_bars(path)
    packed = tmp_path / f"{NAME}.csv.gz"
    packed.write_bytes(gzip.compress(kline_csv().encode()))
    expect_bars(packed)


def table(times: list[object]) -> pl.DataFrame:
    prices = {"open": 100.5, "high": 103.0, "low": 99.25, "close": 102.0, "volume": 7.5}
    return pl.DataFrame({"date": times}).with_columns(
        pl.lit(value).alias(name) for name, value in prices.items()
    )


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC_USDT-1m.feather", "BTCUSDT"),
        ("BTC_USDT_USDT-1m-futures.feather", "BTCUSDT"),
        ("my_BTC_USDT-1m.feather", "BTCUSDT"),
    ],
)
def test_freqtrade_candles_are_read_and_named_by_their_file(
    tmp_path: Path, name: str, symbol: str
) -> None:
    times = [datetime.fromtimestamp((START + MINUTE * i) / 1_000, UTC) for i in range(3)]
    path = tmp_path / name
    table(list(times)).with_columns(pl.col("date").cast(pl.Datetime("ns", "UTC"))).write_ipc(path)
    expect_bars(path, symbol)


def test_iso_times_and_a_symbol_column_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    times = [f"2025-10-10T00:0{i}:00Z" for i in range(3)]
    table(list(times)).with_columns(symbol=pl.lit("SOLUSDT")).write_csv(path)
    expect_bars(path, "SOLUSDT")


def test_a_given_symbol_wins_over_the_name(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.csv"
    path.write_text(kline_csv())
    assert import_bars(path, symbol="XBT").symbols == ("XBT",)


UNREADABLE = [
    ("empty.csv", b"", "the file is empty"),
    ("noise.csv", b"hello\n", "not a CSV header"),
    ("bad.zip", b"PK\x03\x04 and nothing else", "cannot be read as zip"),
    ("cut.zip", zipped({"a.csv": kline_csv() * 50})[:-40], "cannot be read as zip"),
    ("none.zip", zipped({"readme.txt": "x"}), "no CSV inside"),
    ("cut.csv.gz", gzip.compress(kline_csv().encode())[:-12], "truncated or damaged"),
    ("bad.parquet", b"PAR1 and nothing else", "cannot be read as parquet"),
    ("bad.feather", b"ARROW1 and nothing else", "cannot be read as feather"),
    ("five.csv", b"1760054400000,1,2,3,4\n", "5 columns and no header line"),
    ("BTCUSDT-1m.csv", b"open,high,low,close,volume\n1,2,1,1,1\n", "no time column"),
    ("BTCUSDT-1m.csv", b"ts_ms,open,high,low\n1760054400000,2,1,1\n", "no column close"),
    ("prices.csv", kline_csv().encode(), "pass symbol="),
    ("BTCUSDT-1m.csv", b"date,open\nyesterday,1\n", "does not hold ISO 8601 times"),
    ("BTCUSDT-1m.csv", b"time,open\ntrue,1\n", "times or numbers wanted"),
    ("BTCUSDT-1m.csv", kline_csv().encode()[:-30], "a value is missing: row 3"),
]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    UNREADABLE,
    ids=[
        f"{name}: {text}" for name, _, text in UNREADABLE
    ],  # bytes differ by worker: archives hold the time
)
def test_what_cannot_be_imported_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableData) as caught:
        import_bars(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_damaged_member_of_a_zip_fails_its_own_checksum(tmp_path: Path) -> None:
    whole = bytearray(zipped({"a.csv": kline_csv() * 50}))
    whole[60] ^= 0xFF
    path = tmp_path / f"{NAME}.zip"
    path.write_bytes(bytes(whole))
    with pytest.raises(UnreadableData, match="truncated or damaged"):
        import_bars(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="cannot be opened"):
        import_bars(tmp_path / "absent.zip")


@pytest.mark.real_data
def test_every_sample_of_bars_imports(data: Path) -> None:
    expected = {
        "BTCUSDT-5m-2025-10-10.zip": ("BTCUSDT", 300_000, 288),
        "BTCUSD_PERP-1m-2025-10-10.zip": ("BTCUSD_PERP", 60_000, 1_440),
        "freqtrade_ETH_USDT-1m.feather": ("ETHUSDT", 60_000, 43_208),
    }
    for name, (symbol, interval, rows) in expected.items():
        bars = import_bars(data / "samples" / name)
        assert (bars.symbols, bars.interval_ms, bars.frame.height) == ((symbol,), interval, rows)


@pytest.mark.real_data
def test_the_freqtrade_sample_equals_the_same_minutes_in_parquet(data: Path) -> None:
    feather = import_bars(data / "samples" / "freqtrade_ETH_USDT-1m.feather").frame
    parquet = import_bars(data / "bars" / "binance_spot_1m_2024-08-05_crash.parquet").frame
    both = feather.join(parquet, on=["ts_ms", "symbol"], suffix="_again")
    assert both.height > 40_000
    assert (both["close"] == both["close_again"]).all()
