"""The figures that are called our own measurement are measured again from the real bars."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from keelmark.risk.stress.library import Figure, named, stress_library

DATA = Path(os.environ.get("KEELMARK_DATA", "../shared/data"))
BARS = DATA / "bars"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not BARS.is_dir(), reason="no bars: set KEELMARK_DATA to their folder"),
]
FILES = {
    "march-2020": ("binance_spot_1h_2017_2022", "2020-03-12T00:00"),
    "may-2021": ("binance_spot_1m_2021-05-19_crash", "2021-05-19T00:00"),
    "terra-2022": ("okx_swap_5m_2022-05_12_luna_ftx", "2022-05-09T00:00"),
    "ftx-2022": ("okx_swap_5m_2022-05_12_luna_ftx", "2022-11-08T00:00"),
    "august-2024": ("binance_spot_1m_2024-08-05_crash", "2024-08-04T00:00"),
    "october-2025": ("binance_usdm_5m_2025-10_crash", "2025-10-10T20:50"),
}


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def figures(name: str) -> dict[str, Figure]:
    (row,) = named([name], stress_library())
    return {c: f for c, f in row.blocks["returns"].names.items() if f.source == "bars"}


def window(name: str) -> tuple[pl.DataFrame, dict[str, float]]:
    """Return the bars of an event's window by coin, and the price before it."""
    file, start = FILES[name]
    (row,) = named([name], stress_library())
    assert row.ends is not None
    bars = pl.read_parquet(BARS / f"{file}.parquet").sort("ts_ms")
    coins = [re.sub(r"^1000|USDT$", "", s) for s in bars["symbol"].to_list()]
    bars = bars.with_columns(coin=pl.Series(coins))
    before = bars.filter(pl.col.ts_ms < instant(start)).group_by("coin").agg(pl.col.close.last())
    inside = bars.filter(
        (pl.col.ts_ms >= instant(start)) & (pl.col.ts_ms < row.ends.timestamp() * 1000)
    )
    return inside, dict(before.iter_rows())


@pytest.mark.parametrize("name", FILES)
def test_the_lows_are_those_of_the_bars(name: str) -> None:
    inside, before = window(name)
    lows = dict(inside.group_by("coin").agg(pl.col.low.min()).iter_rows())
    cited = figures(name)
    assert set(cited) == set(lows) & set(before)
    for coin, figure in cited.items():
        assert figure.value == pytest.approx(lows[coin] / before[coin] - 1.0, abs=6e-5), coin


@pytest.mark.parametrize("name", FILES)
def test_the_falls_at_one_moment_are_closes_of_one_bar(name: str) -> None:
    inside, before = window(name)
    (row,) = named([f"{name}-joint"], stress_library())
    assert row.ends is not None
    upto = inside.filter(pl.col.ts_ms < row.ends.timestamp() * 1000)
    closes = dict(upto.group_by("coin").agg(pl.col.close.sort_by("ts_ms").last()).iter_rows())
    for coin, figure in figures(f"{name}-joint").items():
        assert figure.value == pytest.approx(closes[coin] / before[coin] - 1.0, abs=6e-5), coin


def test_usde_fell_to_sixty_five_cents_on_one_venue() -> None:
    bars = pl.read_parquet(BARS / "binance_usde_1m_2025-10.parquet")
    assert bars["low"].min() == 0.65
