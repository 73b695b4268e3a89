"""Binance's other futures books, portfolio margin, brackets and what version 3 left out."""

from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.importers import import_account
from keelmark.rulebooks.load import read_rulebook
from tests.accounts.importers.answers import BINANCE_ACCOUNT, BINANCE_BALANCE, BINANCE_RISK
from tests.accounts.importers.binance_answers import (
    ACCOUNT_CONFIG,
    ACCOUNT_V3,
    ASSET_INDEX,
    BRACKETS,
    COINM_ACCOUNT,
    COINM_BALANCE,
    COINM_BRACKETS,
    COINM_RISK,
    PM_ACCOUNT,
    PM_BALANCE,
    PM_CM,
    PM_UM,
    SYMBOL_CONFIG,
)
from tests.accounts.importers.reading import as_payload, imported, refused, unknown

D = Decimal
COINS = """
name = "coins"
date = "2025-10"
source = "none: for tests"
valuation = "USD"
single_asset = true
[symbols]
inverse_perpetual = '(?P<base>[A-Z]+)USD_PERP'
inverse_future = '(?P<base>[A-Z]+)USD_(?P<expiry>[0-9]{6})'
[defaults]
contract_size = "10"
[instruments.BTCUSD_PERP]
contract_size = "100"
[default_asset]
quantum = "0.00000001"
[liquidation]
stages = ["cancel_orders", "reduce"]
"""


def changed(rows: list[dict[str, Any]], **values: object) -> list[dict[str, Any]]:
    return [{**rows[0], **values}, *rows[1:]]


# --- COIN-M -------------------------------------------------------------------------------------


def test_a_coinm_account_counts_contracts_and_coins() -> None:
    document = imported(COINM_ACCOUNT, COINM_RISK)
    assert document["venue"] == "binance-coinm"
    assert document["collateral"] == [{"asset": "BTC", "balance": "1.45"}]
    perpetual, future = document["positions"]
    assert (perpetual["instrument"], perpetual["size"]) == ("BTCUSD_PERP", "-300")
    assert perpetual["mark_price"] == "61000"
    assert (future["margin_mode"], future["isolated_margin"]) == ("isolated", "0.02")
    assert document["venue_reported"]["liquidation_price"] == {"ETHUSD_260626": "2500"}
    assert list(unknown(document)) == ["orders"]


def test_profit_of_a_coinm_account_is_the_venues() -> None:
    found = import_account([as_payload(COINM_BALANCE), as_payload(COINM_RISK)])
    result = check(found.account(read_rulebook(COINS, title="coins")))
    profits = [r for r in result.residuals if r.number.startswith("unrealized_pnl")]
    assert len(profits) == 2
    assert all(abs(r.difference or D(1)) < D("1e-8") for r in profits)


def test_a_coinm_overview_alone_names_the_call_that_has_marks() -> None:
    text = refused(COINM_ACCOUNT)
    assert "no mark_price of BTCUSD_PERP in these answers; add the answer to GET /dapi" in text


def test_a_contract_of_another_worth_is_noticed() -> None:
    document = imported(COINM_BALANCE, changed(COINM_RISK, notionalValue="-4.9180327"))
    assert any("a contract of 1000.00 USD, 100 is taken" in note for note in document["notes"])


def test_an_isolated_coinm_position_needs_its_wallet() -> None:
    rows = changed(COINM_RISK, marginType="isolated", isolatedMargin="", isolatedWallet="")
    assert "BTCUSD_PERP is isolated and no answer has its wallet" in refused(COINM_BALANCE, rows)


def test_coinm_brackets_are_over_coins() -> None:
    big = changed(COINM_RISK, positionAmt="-4000", notionalValue="-6.557377")
    document = imported(COINM_BALANCE, big, COINM_BRACKETS)
    row = document["positions"][0]
    # 4,000 contracts of 100 USD at 61,000 are 6.56 BTC: the second row
    tier = row.get("tier", {"maintenance_rate": "0.005", "maintenance_amount": "0.005"})
    assert tier == {"maintenance_rate": "0.005", "maintenance_amount": "0.005"}
    assert "BTCUSD_PERP has brackets of its own, wider than the published ones" in document["notes"]


# --- USDS-M, version 3 and brackets -------------------------------------------------------------


def test_version_three_takes_mode_and_leverage_from_the_configuration() -> None:
    document = imported(ACCOUNT_V3, ACCOUNT_CONFIG, SYMBOL_CONFIG)
    (row,) = document["positions"]
    assert (row["entry_price"], row["mark_price"], row["leverage"]) == ("60000", "61250", "21")
    assert document["account_mode"] == "one_way"
    assert not any("multi-assets" in note for note in document["notes"])
    alone = imported(ACCOUNT_V3)
    assert any("accountConfig says it" in note for note in alone["notes"])


def test_version_three_gives_a_leverage_by_its_initial_margin() -> None:
    document = imported(ACCOUNT_V3, ACCOUNT_CONFIG)
    (row,) = document["positions"]
    assert row["leverage"] == "20"
    assert any("worked out as 20" in note for note in document["notes"])


@pytest.mark.parametrize("margin", ["613.5", "10", "0"])
def test_an_initial_margin_of_no_whole_leverage_gives_none(margin: str) -> None:
    position = {**ACCOUNT_V3["positions"][0], "initialMargin": margin, "notional": "12250"}
    document = imported({**ACCOUNT_V3, "positions": [position]}, ACCOUNT_CONFIG)
    assert "leverage" not in document["positions"][0]


def test_the_margin_of_a_position_is_taken_without_that_of_its_orders() -> None:
    position = {
        **ACCOUNT_V3["positions"][0],
        "initialMargin": "1225",
        "positionInitialMargin": "612.5",
    }
    document = imported({**ACCOUNT_V3, "positions": [position]}, ACCOUNT_CONFIG)
    assert document["positions"][0]["leverage"] == "20"


def test_multi_assets_mode_is_told_by_the_configuration_too() -> None:
    document = imported(ACCOUNT_V3, {"multiAssetsMargin": True}, ASSET_INDEX)
    assert document["venue"] == "binance-usdm-multi"
    assert document["prices"] == {"ADA": "1.9295737"}
    assert document["ask_buffers"] == {"ADA": "0.1"}


def test_what_an_asset_index_says_of_both_sides_is_what_counts() -> None:
    assets = [*ACCOUNT_V3["assets"], {"asset": "ADA", "walletBalance": "100"}]
    answer = {**ACCOUNT_V3, "assets": assets}
    document = imported(answer, {"multiAssetsMargin": True}, ASSET_INDEX)
    weights = {row["asset"]: row.get("weight") for row in document["collateral"]}
    assert weights == {"USDT": None, "ADA": "0.9"}
    alone = imported(answer, {"multiAssetsMargin": False}, ASSET_INDEX)
    assert "ask_buffers" not in alone
    wrong = [{**ASSET_INDEX[0], "askBuffer": "2.1"}]
    assert "askBuffer" in refused(answer, {"multiAssetsMargin": True}, wrong)


def test_an_isolated_symbol_whose_wallet_nobody_gives_is_refused() -> None:
    isolated = changed(SYMBOL_CONFIG, marginType="ISOLATED")
    position = {k: v for k, v in ACCOUNT_V3["positions"][0].items() if "isolated" not in k}
    account = {**ACCOUNT_V3, "positions": [position]}
    assert "BTCUSDT is isolated by symbolConfig" in refused(account, isolated)


def test_brackets_give_the_row_of_the_notional() -> None:
    document = imported(BINANCE_ACCOUNT, BRACKETS)
    btc, doge = document["positions"]
    assert btc["tier"] == {"maintenance_rate": "0.011", "maintenance_amount": "70"}
    assert "tier" not in doge
    assert any("at every price; import the venue's full table" in n for n in document["notes"])


def test_a_bracket_the_built_in_table_has_needs_no_row() -> None:
    bracket = {"bracket": 1, "notionalFloor": 0, "maintMarginRatio": "0.004", "cum": "0"}
    account = {**BINANCE_ACCOUNT, "updateTime": 1760130000000}
    document = imported(account, [{"symbol": "BTCUSDT", "brackets": [bracket]}])
    assert "tier" not in document["positions"][0]


# --- portfolio margin ---------------------------------------------------------------------------


def test_a_portfolio_margin_account_adds_wallets_and_debts() -> None:
    document = imported(PM_ACCOUNT, PM_BALANCE, PM_UM, PM_CM)
    assert document["venue"] == "binance-pm"
    assert document["collateral"] == [
        {"asset": "USDT", "balance": "1300.5"},
        {"asset": "BTC", "balance": "2.5"},
    ]
    assert document["liabilities"] == [{"asset": "BTC", "amount": "1.5"}]
    assert document["accrued_interest"] == {"BTC": "0.001"}
    assert document["venue_reported"]["health"] == "5.16792171"
    assert [row["instrument"] for row in document["positions"]] == ["BTCUSDT", "BTCUSD_PERP"]
    assert list(unknown(document)) == ["orders"]
    note = "the parts of the BTC wallet do not add up to its total 2.5: the total is taken"
    assert note in document["notes"]


@pytest.mark.parametrize(("rows", "other"), [(PM_UM, "cm"), (PM_CM, "um")])
def test_one_of_the_two_books_is_not_all_positions(rows: object, other: str) -> None:
    why = unknown(imported(PM_BALANCE, rows))["positions"]
    assert f"GET /papi/v1/{other}/positionRisk" in why


def test_market_data_belongs_to_the_account_it_comes_with() -> None:
    document = imported(PM_BALANCE, PM_UM, PM_CM, ASSET_INDEX)
    assert document["venue"] == "binance-pm"
    assert document["prices"] == {"ADA": "1.9295737"}


def test_the_scenario_margin_of_the_pro_account_is_not_covered() -> None:
    why = unknown(imported({**PM_ACCOUNT, "accountType": "PM_3"}, PM_BALANCE, PM_UM, PM_CM))
    assert "no rulebook margins that" in why["collateral"]


def test_look_alikes_are_told_apart() -> None:
    def kinds(*contents: object) -> list[str]:
        return [k.alias for k in import_account([as_payload(c) for c in contents]).kinds]

    assert kinds(COINM_BALANCE, COINM_RISK) == ["binance-coinm:balance", "binance-coinm:positions"]
    assert kinds(BINANCE_BALANCE, BINANCE_RISK) == [
        "binance-usdm:balance",
        "binance-usdm:positions",
    ]
    assert kinds(PM_BALANCE, PM_UM, PM_CM) == [
        "binance-pm:balance",
        "binance-pm:um",
        "binance-pm:cm",
    ]
