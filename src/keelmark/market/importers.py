"""Turn the bars people have into canonical bars.

| file | recognised by |
|---|---|
| public-archive kline zip, with or without header, times in s, ms, us or ns | zip of CSV |
| freqtrade candles | Feather with a `date` column; the pair is in the file's name |
| CSV (also gzipped), Parquet | a time column and open, high, low, close, volume |
"""

import re
from pathlib import Path

import polars as pl

from keelmark.core.errors import UnreadableData
from keelmark.market.bars import PRICES, SCHEMA, Bars
from keelmark.market.files import read_table

KLINE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
_TIME_COLUMNS = ("ts_ms", "open_time", "date", "timestamp", "time", "datetime")
_SECONDS, _MILLISECONDS, _MICROSECONDS = 10**11, 10**14, 10**17  # each unit's first impossible
_INTERVAL = r"\d+(?:ms|s|m|h|d|w|M|mo)"
_ARCHIVE_NAME = re.compile(rf"([A-Z0-9_]+)-{_INTERVAL}(?:-|$)")
_FREQTRADE_NAME = re.compile(rf"([A-Z0-9]+)_([A-Z0-9]+)(?:_[A-Z0-9]+)?-{_INTERVAL}(?:-[a-z_]+)?$")


def import_bars(path: Path | str, *, symbol: str | None = None) -> Bars:
    """Read bars from any format above.

    Args:
        path: The file; its format is found from its content.
        symbol: Instrument of a file without a `symbol` column; by default read from its name.

    Raises:
        UnreadableData: Unreadable or truncated, columns missing, or rows that are not bars.
    """
    place = Path(path)
    table = read_table(place, KLINE_COLUMNS)
    table = table.rename({name: name.strip().lower() for name in table.columns})
    table = table.with_columns(_open_time(table, place))
    if "symbol" not in table.columns:
        table = table.with_columns(symbol=pl.lit(symbol or symbol_from_name(place)))
    missing = [name for name in (*PRICES, "volume") if name not in table.columns]
    if missing:
        msg = f"{place}: no column {', '.join(missing)}; found {', '.join(table.columns)}"
        raise UnreadableData(msg)
    return Bars.from_frame(table.select(list(SCHEMA)), source=str(place))


def symbol_from_name(path: Path) -> str:
    """Return the instrument a file name declares.

    `BTCUSDT-5m-2025-10-10.zip` is BTCUSDT; `ETH_USDT-1m.feather` and `ETH_USDT_USDT-1m-futures`
    are ETHUSDT.

    Raises:
        UnreadableData: The name declares none.
    """
    pair = _FREQTRADE_NAME.search(path.stem) if path.suffix == ".feather" else None
    if pair is not None:
        return pair[1] + pair[2]
    archive = _ARCHIVE_NAME.match(path.name.split(".")[0])
    if archive is not None:
        return archive[1]
    msg = f"{path}: no symbol column and none in the file's name; pass symbol="
    raise UnreadableData(msg)


def _open_time(table: pl.DataFrame, path: Path) -> pl.Expr:
    found = [name for name in _TIME_COLUMNS if name in table.columns]
    if not found:
        msg = f"{path}: no time column ({', '.join(_TIME_COLUMNS)}); found {table.columns}"
        raise UnreadableData(msg)
    name = found[0]
    kind = table.schema[name]
    column = pl.col(name)
    if kind == pl.String:
        column = column.str.to_datetime(time_zone="UTC", time_unit="ms", strict=True)
        return _parsed(table, column, path, name).dt.epoch("ms").alias("ts_ms")
    if kind.is_temporal():
        return column.cast(pl.Datetime("ms")).dt.epoch("ms").alias("ts_ms")
    if not kind.is_numeric():
        msg = f"{path}: column {name} is {kind}; times or numbers wanted"
        raise UnreadableData(msg)
    return _to_milliseconds(column.cast(pl.Int64)).alias("ts_ms")


def _parsed(table: pl.DataFrame, column: pl.Expr, path: Path, name: str) -> pl.Expr:
    try:
        table.select(column)
    except pl.exceptions.PolarsError as error:
        msg = f"{path}: column {name} does not hold ISO 8601 times: {error}"
        raise UnreadableData(msg) from error
    return column


def _to_milliseconds(column: pl.Expr) -> pl.Expr:
    """Return times in ms, the unit told row by row from the magnitude (archives changed units)."""
    return (
        pl.when(column < _SECONDS)
        .then(column * 1_000)
        .when(column < _MILLISECONDS)
        .then(column)
        .when(column < _MICROSECONDS)
        .then(column // 1_000)
        .otherwise(column // 1_000_000)
    )
