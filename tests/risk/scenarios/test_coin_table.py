"""The built-in table: whole, dated, and what it says it was estimated from."""

import os
from pathlib import Path

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Returns, read_returns
from keelmark.risk.scenarios.coin_estimates import coin_estimates, freedom_of
from keelmark.risk.scenarios.coin_table import coin_table

DATA = Path(os.environ.get("KEELMARK_DATA", "../shared/data"))
BARS = DATA / "bars" / "binance_usdm_5m_2025H2_majors.parquet"


def test_the_table_is_whole_dated_and_a_law() -> None:
    table = coin_table()
    assert table.name == "coins@2025-12"
    assert "179 daily changes" in table.source
    assert set(table.coins) >= {"BTC", "ETH", "SOL", "BNB", "XRP", "DOGE"}
    assert np.all((table.deviations > 0.005) & (table.deviations < 0.2))
    assert np.all((table.freedoms >= 3.0) & (table.freedoms <= 30.0))
    assert np.allclose(table.correlation, table.correlation.T)
    assert np.linalg.eigvalsh(table.correlation).min() >= -1e-12
    drawn = table.law(("ETH", "BTC")).scenarios(steps=1, count=40_000, seed=1).returns.values
    wanted = [table.deviations[table.coins.index(c)] for c in ("ETH", "BTC")]
    assert np.log1p(drawn).std(axis=0) == pytest.approx(wanted, rel=0.05)


def test_what_it_does_not_know_it_does_not_tell() -> None:
    with pytest.raises(InvalidInput, match="does not know PEPE, WIF; give --returns BARS that"):
        coin_table().law(("BTC", "PEPE", "WIF"))
    with pytest.raises(InvalidInput, match="no table 'coins@1999-01'"):
        coin_table("coins@1999-01")
    law = coin_table().law(("BTC", "PEPE"), days=0.25, like={"PEPE": "DOGE"})
    assert law.notes == ("PEPE is taken to move as DOGE",)
    table = coin_table()
    doge = table.deviations[table.coins.index("DOGE")]
    assert law.variance[1] == pytest.approx(doge**2 / 4)


def test_freedoms_are_found_from_draws() -> None:
    draws = np.random.default_rng(1).standard_t(5.0, 6_000)
    assert freedom_of(draws) == pytest.approx(5.0, rel=0.15)
    assert freedom_of(np.random.default_rng(2).standard_normal(6_000)) > 20.0


def test_estimates_are_of_the_sample() -> None:
    values = np.expm1(0.03 * np.random.default_rng(3).standard_t(6.0, (400, 2)))
    found = coin_estimates(
        Returns(coins=("A", "B"), values=values, period="1 day", days=1.0, source="made up")
    )
    assert found.deviations == pytest.approx(np.log1p(values).std(axis=0, ddof=1))
    assert found.errors == pytest.approx(found.deviations / np.sqrt(800), rel=1.0)
    assert abs(found.correlation[0, 1]) < 0.15
    assert found.rows == 400


@pytest.mark.real_data
@pytest.mark.skipif(not BARS.is_file(), reason="needs KEELMARK_DATA with the bars of 2025")
def test_the_table_is_what_the_bars_say() -> None:
    found, table = coin_estimates(read_returns(BARS, every="1d")), coin_table()
    assert found.coins == table.coins
    assert found.deviations == pytest.approx(table.deviations, abs=6e-5)
    assert found.freedoms == pytest.approx(table.freedoms, abs=0.06)
    assert found.correlation == pytest.approx(table.correlation, abs=0.011)
    assert found.freedom == pytest.approx(table.freedom, abs=0.06)
