"""The hedged book on USDe of 10 October 2025: what the bars of that month call its end."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.accounts import load_account
from keelmark.market.datasets import find_data
from keelmark.risk.returns import read_returns
from keelmark.risk.reverse import find_reverse_stress

BOOK = Path(__file__).parents[3] / "docs" / "examples" / "usde_delta_neutral.json"
DATA = find_data() or Path()

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        find_data() is None,
        reason="no recorded market data here; set KEELMARK_DATA to its folder",
    ),
]


def test_the_peg_of_usde_ends_it_and_prices_alone_do_not() -> None:
    bars = DATA / "bars"
    coins = bars / "binance_usdm_5m_2025-10_crash.parquet"
    held = ("BTC", "ETH", "SOL")
    alone = find_reverse_stress(load_account(BOOK), read_returns(coins, coins=held))
    assert alone.distance is not None
    assert alone.distance > 50
    assert alone.still == ("USDE",)
    both = read_returns(
        [coins, bars / "binance_usde_1m_2025-10.parquet"], every="5m", coins=(*held, "USDE")
    )
    found = find_reverse_stress(load_account(BOOK), both)
    assert found.distance is not None
    assert found.distance < 4
    assert found.is_proved
    assert found.sentence.startswith("USDE 0.69")


def test_half_of_the_coins_fell_by_thirteen_of_their_sigmas() -> None:
    """The day's deviation by the sample of 5-minute changes until 20:50, the lowest close after."""
    bars = pl.read_parquet(DATA / "bars" / "binance_usdm_5m_2025-10_crash.parquet")
    end = int(datetime(2025, 10, 10, 20, 50, tzinfo=UTC).timestamp() * 1_000)
    ends = pl.col("ts_ms") + 300_000
    falls = []
    for (_,), own in bars.sort("ts_ms").group_by("symbol"):
        before = own.filter(ends <= end)["close"].to_numpy()
        after = own.filter((ends > end) & (ends <= end + 7_200_000))["close"].to_numpy()
        if len(before) > 500 and len(after):
            day = np.std(np.diff(before) / before[:-1]) * np.sqrt(288)
            falls.append((1.0 - after.min() / before[-1]) / day)
    assert len(falls) == 60
    assert np.median(falls) > 13.0
