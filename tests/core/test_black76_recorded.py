"""Black-76 against recorded chains: the venue's volatility gives the venue's mark, and back."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from keelmark.core.black76 import EuropeanOption, coin_value, implied_volatility
from keelmark.core.errors import InvalidInput
from keelmark.market.datasets import find_data

pytestmark = pytest.mark.real_data


@pytest.fixture
def chains() -> Path:
    folder = find_data()
    if folder is None:
        pytest.skip("no recorded market data here: set KEELMARK_DATA to its folder")
    return folder / "options"


def rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8") as text:
        yield from csv.DictReader(text)


def test_the_volatility_of_the_venue_gives_its_marks(chains: Path) -> None:
    """676 BTC options of December 2025: one spot for all expiries, so not to the last digit."""
    missed = []
    for row in rows(chains / "deribit_btc_2025-12.csv"):
        option = EuropeanOption(
            is_call=row["type"] == "call",
            forward=float(row["S0"]),
            strike=float(row["strike"]),
            years=float(row["T_years"]),
        )
        model = coin_value(option, float(row["mark_iv"]) / 100)
        missed.append(abs(model - float(row["market_price_btc"])))
    assert len(missed) == 676
    assert median(missed) < 2e-6
    assert max(missed) < 3e-5


def test_call_and_put_of_one_strike_imply_one_volatility(chains: Path) -> None:
    """684 ETH options of January 2024, each on the forward of its expiry."""
    implied: dict[tuple[str, str], list[float]] = {}
    lost = 0
    for row in rows(chains / "deribit_eth_2024-01.csv"):
        now = datetime.fromtimestamp(int(row["creation_timestamp"]) / 1000, UTC)
        day = datetime.strptime(f"{row['expire_date']} +0000", "%d%b%y %z")
        option = EuropeanOption(
            is_call=row["option_type"] == "C",
            forward=float(row["underlying_price"]),
            strike=float(row["strike_price"]),
            years=(day + timedelta(hours=8) - now).total_seconds() / (365 * 86_400),
        )
        price = float(row["mark_price"]) * option.forward
        try:
            found = implied_volatility(option, price)
        except InvalidInput:
            lost += 1
            continue
        shows_time = price - option.intrinsic > 1e-3 * option.forward
        if shows_time:
            implied.setdefault((row["expire_date"], row["strike_price"]), []).append(found)
    pairs = [pair for pair in implied.values() if len(pair) == 2]
    assert lost == 1  # a mark rounded below its intrinsic value
    assert len(pairs) > 100
    assert median(abs(call - put) for call, put in pairs) < 0.001
