"""ccxt's leverage tiers: bounds in the unit that the venue behind them has, or none taken."""

from typing import Any

import pytest

from tests.accounts.importers.reading import imported, refused
from tests.accounts.importers.test_ccxt import PLAIN

INVERSE = {
    **PLAIN,
    "symbol": "BTC/USD:BTC",
    "contracts": 30_000,
    "contractSize": 100,
    "side": "long",
    "entryPrice": 50_000,
    "markPrice": 60_000,
}
"""3,000,000 USD: 50 BTC at the mark."""


def table(*rows: dict[str, Any], symbol: str = "BTC/USD:BTC") -> dict[str, Any]:
    named = [
        {"tier": n, "currency": "USD", "maxLeverage": 20, **row} for n, row in enumerate(rows, 1)
    ]
    return {symbol: named}


def unified(floor: object, cap: object, rate: object, **info: object) -> dict[str, Any]:
    row = {"minNotional": floor, "maxNotional": cap, "maintenanceMarginRate": rate}
    return {**row, "info": info} if info else row


BINANCE = table(
    unified(None, 5, 0.004, qtyCap=5, qtylFloor=0, cum=0),
    unified(None, 40, 0.005, qtyCap=40, qtylFloor=5, cum=0.005),
    unified(None, 200, 0.01, qtyCap=200, qtylFloor=40, cum=0.205),
)
BYBIT = table(
    unified(0, 20, 0.5, riskLimitValue="20", maintenanceMargin="0.5"),
    unified(20, 60, 1, riskLimitValue="60", maintenanceMargin="1"),
)
OKX = table(
    unified(0, 500, 0.004, minSz="0", maxSz="500"),
    unified(501, 30_000, 0.005, minSz="501", maxSz="30000"),
    unified(30_001, 60_000, 0.01, minSz="30001", maxSz="60000"),
)


def tier_of(tiers: dict[str, Any], venue: str | None = None, **held: object) -> Any:  # noqa: ANN401
    document = imported([{**INVERSE, **held}], tiers, venue=venue)
    return document["positions"][0].get("tier")


def notes(tiers: dict[str, Any], **held: object) -> str:
    return " ".join(imported([{**INVERSE, **held}], tiers)["notes"])


def test_binances_bounds_are_coins_also_under_its_misspelt_key() -> None:
    assert tier_of(BINANCE) == {"maintenance_rate": "0.01", "maintenance_amount": "0.205"}
    assert tier_of(BINANCE, contracts=2999)["maintenance_rate"] == "0.004"
    assert "worth in coin" in notes(BINANCE)


def test_bybits_bounds_are_coins_and_its_percents_are_read() -> None:
    # 20 BTC at 0.5 %, the other 30 at 1 %: 1 % of all less 0.1
    assert tier_of(BYBIT) == {"maintenance_rate": "0.01", "maintenance_amount": "0.1"}


def test_okxs_bounds_are_contracts_of_the_whole_position() -> None:
    assert tier_of(OKX) == {"maintenance_rate": "0.005"}
    assert tier_of(OKX, contracts=30_000.5) == {"maintenance_rate": "0.01"}
    assert tier_of(OKX, contracts=500) == {"maintenance_rate": "0.004"}


@pytest.mark.parametrize(
    ("venue", "rate"),
    [("binance-coinm@2025-09", "0.01"), ("bybit-uta", "0.01"), ("okx-multi", "0.02")],
)
def test_without_the_venues_own_rows_its_name_tells_the_unit(venue: str, rate: str) -> None:
    bare = table(unified(0, 40, 0.005), unified(40, 20_000, 0.01), unified(20_000, None, 0.02))
    assert tier_of(bare, venue)["maintenance_rate"] == rate


@pytest.mark.parametrize("info", [{}, {"risk_limit": "100"}, {"startUnit": "0"}])
def test_bounds_of_an_unknown_unit_are_not_read_and_that_is_said(info: dict[str, Any]) -> None:
    bare = table(unified(0, 40, 0.005, **info), unified(40, 200, 0.01, **info))
    assert tier_of(bare) is None
    assert "tiers of BTC_USDT are not read: of coin-margined contracts" in notes(bare)


def test_a_coin_margined_position_without_a_contract_size_has_no_row() -> None:
    assert tier_of(BINANCE, contractSize=None) is None


@pytest.mark.parametrize("info", [{"max_size": "5"}, {"riskIncrVol": "5"}])
def test_contracts_of_linear_venues_are_not_taken_for_notionals(info: dict[str, Any]) -> None:
    tiers = table(
        unified(0, 5, 0.005, **info), unified(5, 50, 0.01, **info), symbol="BTC/USDT:USDT"
    )
    document = imported([PLAIN], tiers)
    assert "tier" not in document["positions"][0]
    assert "tiers of BTC_USDT are not read: ccxt gives" in " ".join(document["notes"])


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([unified(5, 40, 0.005, qtyCap=40)], "the first row begins at 5, not at 0"),
        ([unified(0, 4, 0.01, qtyCap=4), unified(0, 4, 0.02, qtyCap=4)], "begin at one bound"),
        ([unified(0, 4, 1.5, qtyCap=4)], "a rate is not between 0 and 1"),
        ([unified(0, 4, None, qtyCap=4)], "maintenanceMarginRate: is null"),
        (
            [unified(0, None, 0.01, qtyCap=4), unified(None, None, 0.02, qtyCap=9)],
            "minNotional: is missing",
        ),
    ],
)
def test_a_table_no_venue_has_is_refused_with_its_place(
    rows: list[dict[str, Any]], problem: str
) -> None:
    assert problem in refused([INVERSE], table(*rows))


def test_a_broken_table_of_what_is_not_held_changes_nothing() -> None:
    other = table(unified(7, None, None), symbol="ETH/USDT:USDT")
    assert tier_of({**other, **BINANCE})["maintenance_rate"] == "0.01"
