"""The figures that are called our own measurement are measured again from the real bars."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.market.datasets import find_data
from keelmark.risk.stress.calm import calm
from keelmark.risk.stress.library import Figure, StressScenario, named, stress_library

DATA = find_data() or Path()
BARS = DATA / "bars"
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        find_data() is None,
        reason="no recorded market data here; set KEELMARK_DATA to its folder",
    ),
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


RISES = {
    "october-2019-rise": ("binance_spot_1h_2017_2022", 3_600_000, "2019-10-27T00:00"),
    "may-2021-rebound": ("binance_spot_1m_2021-05-19_crash", 60_000, "2021-05-20T00:00"),
    "october-2025-rebound": ("binance_usdm_5m_2025-10_crash", 300_000, "2025-10-11T00:00"),
}


def bars_of(file: str) -> pl.DataFrame:
    """Return bars with the coin of each, by time."""
    bars = pl.read_parquet(BARS / f"{file}.parquet").sort("ts_ms")
    coins = [re.sub(r"^1000|USDT$", "", s) for s in bars["symbol"].to_list()]
    return bars.with_columns(coin=pl.Series(coins))


@pytest.mark.parametrize("name", RISES)
def test_a_rise_is_to_the_bar_at_which_the_median_coin_stood_highest(name: str) -> None:
    file, step, last = RISES[name]
    row = scenario(name)
    assert row.begins is not None
    assert row.ends is not None
    begins, ends = (int(time.timestamp() * 1000) - step for time in (row.begins, row.ends))
    table = bars_of(file).pivot(on="coin", index="ts_ms", values="close").sort("ts_ms")
    inside = table.filter((pl.col.ts_ms >= begins) & (pl.col.ts_ms < instant(last)))
    closes = inside.drop("ts_ms").to_numpy()
    rises = closes / closes[0] - 1.0
    highest = int(np.nanmedian(rises, axis=1).argmax())
    assert inside["ts_ms"][highest] == ends
    found = dict(zip(inside.columns[1:], rises[highest].tolist(), strict=True))
    cited = row.blocks["returns"].names
    assert set(cited) == set(found)
    for coin, figure in cited.items():
        assert figure.value == pytest.approx(found[coin], abs=6e-5), coin
    alts = [value for coin, value in found.items() if coin not in {"BTC", "ETH", "PAXG"}]
    other = row.blocks["returns"].other
    assert other is not None
    assert other.value == pytest.approx(float(np.median(alts or [found["ETH"]])), abs=6e-5)


def test_a_squeeze_is_the_largest_day_of_each_coin_with_three_months_of_bars() -> None:
    rises: dict[str, float] = {}
    days: dict[str, set[int]] = {}
    files = {*(file for file, _ in FILES.values()), "binance_usdm_5m_2025H2_majors"}
    for file in sorted(files):
        closes = bars_of(file).group_by("coin", pl.col.ts_ms // DAY_MS).agg(pl.col.close.last())
        for (coin,), rows in closes.sort("coin", "ts_ms").group_by("coin"):
            times, prices = rows["ts_ms"].to_numpy(), rows["close"].to_numpy()
            order = np.argsort(times)
            times, prices = times[order], prices[order]
            changes = (prices[1:] / prices[:-1] - 1.0)[np.diff(times) == 1]
            rises[str(coin)] = max(rises.get(str(coin), -1.0), float(changes.max()))
            days.setdefault(str(coin), set()).update(times.tolist())
    found = {coin: rise for coin, rise in rises.items() if len(days[coin]) >= 90}
    returns = scenario("squeeze").blocks["returns"]
    assert set(returns.names) == set(found)
    for coin, figure in returns.names.items():
        assert figure.value == pytest.approx(found[coin], abs=6e-5), coin
    alts = [rise for coin, rise in found.items() if coin not in {"BTC", "ETH", "PAXG"}]
    assert returns.other is not None
    assert returns.other.value == pytest.approx(float(np.median(alts)), abs=6e-5)


def test_wrapped_coins_are_told_against_the_price_of_their_coin_before() -> None:
    _, before = window("october-2025")
    assert (before["ETH"], before["SOL"]) == (4009.99, 207.06)


def window(name: str) -> tuple[pl.DataFrame, dict[str, float]]:
    """Return the bars of an event's window by coin, and the price before it."""
    file, start = FILES[name]
    (row,) = named([name], stress_library())
    assert row.ends is not None
    bars = bars_of(file)
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


def scenario(name: str) -> StressScenario:
    (row,) = named([name], stress_library())
    return row


def test_usde_fell_to_sixty_five_cents_on_one_venue_and_stood_where_it_is_said() -> None:
    bars = pl.read_parquet(BARS / "binance_usde_1m_2025-10.parquet")
    close = dict(bars.select("ts_ms", "close").iter_rows())
    assert bars["low"].min() == 0.65
    assert close[instant("2025-10-10T20:49")] == 1.0
    for name, minute in (("joint", "21:19"), ("depeg", "21:43")):
        figure = scenario(f"october-2025-{name}").blocks["collateral"].names["USDE"]
        at = close[instant(f"2025-10-10T{minute}")]
        assert figure.value == pytest.approx(at - 1.0, abs=6e-5), name


def test_the_coins_beside_the_depeg_are_closes_of_its_bar() -> None:
    inside, before = window("october-2025")
    at = inside.filter(pl.col.ts_ms == instant("2025-10-10T21:40"))
    closes = dict(at.select("coin", "close").iter_rows())
    for coin, figure in figures("october-2025-depeg").items():
        assert figure.value == pytest.approx(closes[coin] / before[coin] - 1.0, abs=6e-5), coin


@pytest.mark.parametrize("name", ["may-2021", "terra-2022", "ftx-2022", "october-2025"])
def test_what_stands_for_other_coins_is_the_median_of_the_measured(name: str) -> None:
    for shape in ("", "-joint"):
        found = figures(f"{name}{shape}")
        alts = [f.value for coin, f in found.items() if coin not in {"BTC", "ETH", "PAXG"}]
        other = scenario(f"{name}{shape}").blocks["returns"].other
        assert other is not None
        assert other.value == pytest.approx(float(np.median(alts)), abs=6e-5)


def test_the_weekend_of_usdc_is_that_of_the_bars() -> None:
    bars = pl.read_parquet(BARS / "binanceus_1m_2023-03_usdc_depeg.parquet").sort("ts_ms")
    tether = bars.filter(pl.col.symbol == "BTCUSDT")
    before = tether.filter(pl.col.ts_ms < instant("2023-03-10T00:00"))["close"][-1]
    low = tether.filter(pl.col.ts_ms >= instant("2023-03-10T00:00"))["low"].min()
    assert isinstance(low, float)
    assert figures("usdc-2023")["BTC"].value == pytest.approx(low / before - 1.0, abs=6e-5)
    traded = bars.filter(pl.col.volume > 0).pivot(on="symbol", index="ts_ms", values="close")
    implied = traded.drop_nulls().select(pl.col.BTCUSD / pl.col.BTCUSDC)["BTCUSD"].min()
    assert implied == pytest.approx(0.875, abs=5e-4)


def test_calm_days_of_the_majors_are_those_of_the_bars() -> None:
    bars = pl.read_parquet(BARS / "binance_usdm_5m_2025H2_majors.parquet").sort("ts_ms")
    days = (
        bars.with_columns(usd=pl.col.volume * pl.col.close)
        .group_by("symbol", pl.col.ts_ms // DAY_MS)
        .agg(pl.col.close.last(), pl.col.usd.sum())
        .sort("symbol", "ts_ms")
    )
    for (symbol,), rows in days.group_by("symbol"):
        whole = rows[1:-1]
        day = calm().of(str(symbol).removesuffix("USDT"))
        sigma = float(np.diff(np.log(whole["close"].to_numpy())).std(ddof=1))
        assert day.is_measured
        assert day.sigma == pytest.approx(sigma, abs=6e-5), symbol
        assert day.volume == pytest.approx(float(np.median(whole["usd"].to_numpy())), rel=6e-3)


def test_the_dearest_days_of_funding_are_those_of_the_records() -> None:
    records = pl.read_parquet(DATA / "funding/hyperliquid_1h_2023_2025-07.parquet")
    eight_hourly = pl.read_parquet(DATA / "funding/binance_8h_btc_2022_2025-10.parquet")
    signs = {"funding-longs-pay": 1.0, "funding-shorts-pay": -1.0}
    for name, sign in signs.items():
        for coin, figure in scenario(name).blocks["funding"].names.items():
            rows = records.filter(pl.col.symbol == coin)
            worst = dearest_day(rows, sign)
            if coin == "BTC":
                worst = sign * max(sign * worst, sign * dearest_day(eight_hourly, sign))
            assert figure.value == pytest.approx(worst, abs=6e-5), (name, coin)
    shorts = scenario("funding-shorts-pay").blocks["funding"].names["BTC"]
    assert shorts.source == "binance"
    assert figure_of_day(eight_hourly, "2022-11-10T08:00") == pytest.approx(shorts.value, abs=6e-5)


def dearest_day(records: pl.DataFrame, sign: float) -> float:
    """Return the dearest 24 hours of funding, whatever the interval it is paid in."""
    rows = records.sort("ts_ms")
    times, rates = rows["ts_ms"].to_numpy(), rows["funding_rate"].to_numpy()
    before = np.searchsorted(times, times - DAY_MS + HOUR_MS // 2)
    paid = np.concatenate([[0.0], np.cumsum(rates)])
    return float((sign * (paid[1:] - paid[before])).max()) * sign


def figure_of_day(records: pl.DataFrame, last: str) -> float:
    """Return what was paid in the 24 hours up to an interval."""
    end = instant(last) + HOUR_MS // 2
    inside = (pl.col.ts_ms < end) & (pl.col.ts_ms > end - DAY_MS)
    return float(records.filter(inside)["funding_rate"].sum())


def test_the_depth_left_is_that_of_the_book_above_the_price() -> None:
    depth = pl.read_parquet(DATA / "depth/binance_btcusdt_book_depth_2025-10-10.parquet")
    near = depth.filter(pl.col.percent == 1.0)

    def between(first: str, last: str) -> pl.Series:
        inside = (pl.col.ts_ms >= instant(f"2025-10-10T{first}")) & (
            pl.col.ts_ms < instant(f"2025-10-10T{last}")
        )
        return near.filter(inside)["notional"]

    least, usual = between("21:10", "21:30").min(), between("19:50", "20:50").median()
    assert isinstance(least, float)
    assert isinstance(usual, float)
    for name in ("october-2025", "october-2025-joint"):
        other = scenario(name).blocks["depth"].other
        assert other is not None
        assert other.value == pytest.approx(least / usual, abs=6e-4)
