"""Derive the built-in figures of the October 2025 crash from recorded data.

`python -m scripts.derive_oct10 DATA > src/keelmark/lab/scenarios/oct10_figures.toml`

What is carried over is a handful of figures per instrument: prices at named minutes, the low, the
average volume and volatility before the crash, the finest steps seen, the bracket table. The bars
themselves are not.
"""

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

BARS: Final = "bars/binance_usdm_5m_2025-10_crash.parquet"
FINE_BARS: Final = "bars/binance_usdm_3m_2025-10_crash.parquet"
USDE_BARS: Final = "bars/binance_usde_1m_2025-10.parquet"
BRACKETS: Final = ("2025-06", "2025-12")

START: Final = datetime(2025, 10, 10, 20, 45, tzinfo=UTC)
END: Final = datetime(2025, 10, 10, 23, 55, tzinfo=UTC)
CALM: Final = (datetime(2025, 9, 25, tzinfo=UTC), datetime(2025, 10, 10, tzinfo=UTC))
LEVELS: Final = ("20:45", "20:50", "21:10", "21:15", "21:35", "23:55")
HISTORY_DAYS: Final = (15, 10, 5, 2, 1)
USDE_LEVELS: Final = (
    *("20:45", "21:15", "21:20", "21:22", "21:28", "21:33", "21:37", "21:40", "21:43"),
    *("21:46", "21:49", "21:51", "21:54", "21:55", "22:00", "22:15", "22:45", "23:55"),
)
BAR: Final = timedelta(minutes=5)
DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
DECIMALS_MAX: Final = 9

HEADER: Final = """\
# Figures of the 10 October 2025 crash, one block an instrument. Written by scripts/derive_oct10.py.
#
# source, prices and volumes: the venue's public archive klines (Binance USDS-M futures, 5 minutes,
#   2025-09-25 to 2025-10-20; 3 minutes for 19 of them; USDE/USDT spot, 1 minute, 2025-10-10).
# source, brackets: the venue's public leverage bracket table, as of `brackets_as_of`; contracts
#   listed after June 2025 carry the table of December 2025, the first one at hand.
#
# levels         opening trade of the 5-minute bar at each of `level_times` (UTC, 2025-10-10)
# low            lowest trade from 20:45 to 23:55 and its time: the middle of the shortest interval
#                the bars narrow it to
# around_low     opening trade of the bar with the low, and of the next bar
# low_bar        start of the bar with the low
# history        opening trade `history_days` earlier at 20:45; shorter where listed later
# daily_volume   notional traded a day, mean of 2025-09-25 to 2025-10-09, USDT, 5 digits
# daily_sigma    volatility of 5-minute log returns over the same days, scaled to one day
# price_unit     finest step in the prices recorded; lot: finest step in the volumes
# tiers          [notional floor, maintenance rate, largest leverage]; largest_notional: last cap
"""


def main(data: Path) -> None:
    """Print the figures file."""
    bars = _bars(data / BARS)
    fine = _bars(data / FINE_BARS)
    brackets = {date: _brackets(data, date) for date in BRACKETS}
    print(HEADER)
    print('day = "2025-10-10"')
    print(f"level_times = {_strings(LEVELS)}")
    print(f"history_days = {list(HISTORY_DAYS)}")
    _print_usde(_bars(data / USDE_BARS))
    by_volume = sorted(bars.partition_by("symbol"), key=_daily_volume, reverse=True)
    for frame in by_volume:
        _print_instrument(frame, fine, brackets)


def _bars(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path).with_columns(
        time=pl.from_epoch("ts_ms", "ms").dt.replace_time_zone("UTC"),
    )


def _brackets(data: Path, date: str) -> pl.DataFrame:
    frame = pl.read_parquet(data / f"tiers/binance_usdm_brackets_{date}.parquet")
    return frame.sort("symbol", "bracket")


def _calm(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter((pl.col("time") >= CALM[0]) & (pl.col("time") < CALM[1]))


def _daily_volume(frame: pl.DataFrame) -> float:
    calm = _calm(frame)
    span_ms = float(calm["ts_ms"][-1] - calm["ts_ms"][0] + BAR // timedelta(milliseconds=1))
    return float((calm["close"] * calm["volume"]).sum()) * DAY_MS / span_ms


def _daily_sigma(frame: pl.DataFrame) -> float:
    returns = np.diff(np.log(_calm(frame)["close"].to_numpy()))
    return float(np.std(returns) * np.sqrt(timedelta(days=1) / BAR))


def _open_at(frame: pl.DataFrame, time: datetime) -> float | None:
    row = frame.filter(pl.col("time") == time)
    return float(row["open"][0]) if row.height else None


def _low_time(frame: pl.DataFrame, fine: pl.DataFrame) -> tuple[datetime, datetime]:
    """Return the start of the 5-minute bar with the low, and the middle of what it narrows to."""
    window = frame.filter(pl.col("time").is_between(START, END, closed="left"))
    begin = window.sort("low", "time")["time"][0]
    first, last = begin, begin + BAR
    inside = fine.filter(
        (pl.col("symbol") == frame["symbol"][0])
        & (pl.col("time") > begin - timedelta(minutes=3))
        & (pl.col("time") < begin + BAR),
    )
    if inside.height:
        fine_begin = inside.sort("low", "time")["time"][0]
        first = max(first, fine_begin)
        last = min(last, fine_begin + timedelta(minutes=3))
    return begin, first + (last - first) / 2


def _step(values: NDArray[np.float64]) -> Decimal:
    """Return the largest power-of-ten multiple that every value is a whole number of."""
    for decimals in range(DECIMALS_MAX + 1):
        scaled = np.round(values * 10.0**decimals)
        if np.all(np.abs(scaled / 10.0**decimals - values) <= 1e-12 * np.maximum(1.0, values)):
            common = int(np.gcd.reduce(scaled.astype(np.int64)))
            return Decimal(common if decimals else 1).scaleb(-decimals)
    message = "a price has more than nine decimals"
    raise ValueError(message)


def _at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return START.replace(hour=int(hours), minute=int(minutes))


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _numbers(values: list[float]) -> str:
    return f"[{', '.join(map(_number, values))}]"


def _strings(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def _rounded(value: float) -> int:
    return int(float(f"{value:.5g}"))


def _print_usde(frame: pl.DataFrame) -> None:
    window = frame.filter(pl.col("time").is_between(START, END, closed="left"))
    lowest = window.sort("low", "time")
    low_time = lowest["time"][0] + timedelta(seconds=30)
    levels = [_open_at(frame, _at(clock)) for clock in USDE_LEVELS]
    print('\n[[asset]]\nasset = "USDE"')
    print(f"level_times = {_strings(USDE_LEVELS)}")
    print(f"levels = {_numbers([level for level in levels if level is not None])}")
    print(f'low = {{ time = "{low_time:%H:%M:%S}", price = {_number(lowest["low"][0])} }}')
    calm = frame.filter(pl.col("time") < CALM[1])["close"].to_numpy()
    print(f"daily_sigma = {np.std(np.diff(np.log(calm))) * np.sqrt(DAY_MS / MINUTE_MS):.4f}")


def _print_instrument(
    frame: pl.DataFrame,
    fine: pl.DataFrame,
    brackets: dict[str, pl.DataFrame],
) -> None:
    symbol = str(frame["symbol"][0])
    low_bar, low_time = _low_time(frame, fine)
    low = frame.filter(pl.col("time") == low_bar)["low"][0]
    levels = [_open_at(frame, _at(clock)) for clock in LEVELS]
    around = [_open_at(frame, low_bar), _open_at(frame, low_bar + BAR)]
    past = [_open_at(frame, START - timedelta(days=days)) for days in HISTORY_DAYS]
    prices = frame.select("open", "high", "low", "close").to_numpy().ravel()
    print(f'\n[[instrument]]\nsymbol = "{symbol}"\nbase = "{symbol.removesuffix("USDT")}"')
    print(f"price_unit = {_step(prices):f}\nlot = {_step(frame['volume'].to_numpy()):f}")
    print(f"daily_volume = {_rounded(_daily_volume(frame))}")
    print(f"daily_sigma = {_daily_sigma(frame):.4f}")
    print(f"levels = {_numbers([level for level in levels if level is not None])}")
    print(f'low = {{ time = "{low_time:%H:%M:%S}", price = {_number(low)} }}')
    print(f'low_bar = "{low_bar:%H:%M}"')
    print(f"around_low = {_numbers([level for level in around if level is not None])}")
    print(f"history = {_numbers([level for level in past if level is not None])}")
    _print_tiers(symbol, brackets)


def _print_tiers(symbol: str, brackets: dict[str, pl.DataFrame]) -> None:
    name = f"{symbol.removesuffix('USDT')}/USDT:USDT"
    listed = {date: table.filter(pl.col("symbol") == name) for date, table in brackets.items()}
    date, rows = next((date, rows) for date, rows in listed.items() if rows.height)
    print(f'brackets_as_of = "{date}"\ntiers = [')
    columns = ("notional_floor", "maintenance_rate", "max_leverage")
    for floor, rate, leverage in rows.select(columns).iter_rows():
        print(f"  [{int(floor)}, {_number(rate)}, {leverage}],")
    print(f"]\nlargest_notional = {int(rows['notional_cap'][-1])}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
