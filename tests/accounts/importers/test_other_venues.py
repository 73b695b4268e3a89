"""OKX, Deribit and the dYdX indexer: shapes, account modes, and what is said of what is missing."""

import copy
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.importers import import_account
from keelmark.accounts.levels import Level
from tests.accounts.importers.other_answers import (
    DERIBIT_BTC,
    DERIBIT_ORDERS,
    DERIBIT_POSITIONS,
    DERIBIT_SUMMARY,
    DYDX_MARKETS,
    DYDX_ORDERS,
    DYDX_SUBACCOUNT,
    OKX_BALANCE,
    OKX_CONFIG,
    OKX_INSTRUMENTS,
    OKX_ORDERS,
    OKX_POSITIONS,
    OKX_TIERS,
    OKX_USDT,
    deribit,
    okx,
)
from tests.accounts.importers.reading import as_payload, imported, refused, unknown

D = Decimal


def with_row(answer: dict[str, Any], row: int = 0, **values: object) -> dict[str, Any]:
    """Return an answer of OKX with one row changed."""
    changed = copy.deepcopy(answer)
    changed["data"][row] |= values
    return changed


# --- OKX ----------------------------------------------------------------------------------------


def test_an_okx_account_counts_cash_debts_and_units() -> None:
    document = imported(OKX_CONFIG, OKX_BALANCE, OKX_POSITIONS, OKX_INSTRUMENTS, OKX_ORDERS)
    assert document["venue"] == "okx-multi"
    assert document["account_mode"] == "one_way"
    assert document["collateral"] == [
        {"asset": "USDT", "balance": "4850.435693622894"},
        {"asset": "ETH", "balance": "-1.5"},
        {"asset": "BTC", "balance": "0", "weight": "0.95"},
    ]
    assert document["accrued_interest"] == {"ETH": "0.001"}
    assert document["prices"]["USDT"] == "0.99973"
    assert document["prices"]["ETH"] == "3000"
    linear, inverse = document["positions"]
    assert (linear["instrument"], linear["size"]) == ("BTC-USDT-SWAP", "0.1")
    assert (inverse["size"], inverse["isolated_margin"]) == ("-5", "0.01")
    (order,) = document["orders"]
    assert (order["size"], order["reduce_only"]) == ("0.03", True)
    assert document["venue_reported"]["health"] == "143682.59776662575"
    assert document["venue_reported"]["liquidation_price"] == {"BTC-USD-SWAP": "130000"}
    assert "150 USDT belongs to strategies and does not back positions" in document["notes"]
    assert "order 2 (BTC-USDT) is not one of a contract and is left out" in document["notes"]
    assert "unknown" not in document


def test_equity_of_an_okx_currency_is_cash_profit_and_strategies() -> None:
    cash, profit, apart = (D(OKX_USDT[key]) for key in ("cashBal", "upl", "stgyEq"))
    assert abs(cash + profit + apart - D(OKX_USDT["eq"])) < D("1e-12")


def test_a_contract_value_nobody_says_is_worked_out_and_said() -> None:
    document = imported(OKX_CONFIG, OKX_BALANCE, OKX_POSITIONS)
    assert [row["size"] for row in document["positions"]] == ["0.1", "-5"]
    notes = " ".join(document["notes"])
    assert "contract value of BTC-USDT-SWAP worked out as 0.01 from its notional" in notes


def test_a_contract_value_that_cannot_be_told_is_refused() -> None:
    odd = with_row(OKX_POSITIONS, notionalUsd="2500")
    text = refused(OKX_BALANCE, odd)
    assert "what a contract of BTC-USDT-SWAP is worth is not known" in text
    assert "GET /api/v5/public/instruments" in text


def test_position_tiers_are_over_contracts() -> None:
    document = imported(OKX_CONFIG, OKX_BALANCE, OKX_POSITIONS, OKX_TIERS)
    linear, inverse = document["positions"]
    assert linear["tier"] == {"maintenance_rate": "0.0052"}  # 10 contracts
    assert inverse["tier"] == {"maintenance_rate": "0.0041"}  # 5


def test_a_currency_the_rulebook_does_not_weigh_counts_as_the_venue_counted_it() -> None:
    account = copy.deepcopy(OKX_BALANCE)
    other = {"ccy": "ZZZ", "cashBal": "10", "eq": "10", "eqUsd": "200", "disEq": "170", "upl": "0"}
    account["data"][0]["details"].append(other)
    document = imported(OKX_CONFIG, account, OKX_POSITIONS)
    assert document["collateral"][-1] == {"asset": "ZZZ", "balance": "10", "weight": "0.85"}
    assert "weight" not in document["collateral"][0]


def test_long_and_short_mode_is_unsigned() -> None:
    short = with_row(OKX_POSITIONS, posSide="short")
    document = imported(with_row(OKX_CONFIG, posMode="long_short_mode"), OKX_BALANCE, short)
    assert document["account_mode"] == "hedge"
    assert document["positions"][0]["size"] == "-0.1"


@pytest.mark.parametrize(
    ("level", "reason"),
    [("4", "the account is in portfolio margin"), ("2", "futures mode keeps USDT, ETH apart")],
)
def test_the_account_mode_decides_whether_collateral_is_known(level: str, reason: str) -> None:
    document = imported(with_row(OKX_CONFIG, acctLv=level), OKX_BALANCE, OKX_POSITIONS)
    assert reason in unknown(document)["collateral"]


def test_futures_mode_with_one_currency_is_margined() -> None:
    account = copy.deepcopy(OKX_BALANCE)
    account["data"][0]["details"] = [OKX_USDT]
    document = imported(with_row(OKX_CONFIG, acctLv="2"), account, okx(OKX_POSITIONS["data"][0]))
    assert list(unknown(document)) == ["orders"]
    assert (
        "futures mode keeps currencies apart; multi-currency rules are taken" in document["notes"]
    )


def test_an_okx_account_without_its_mode_says_so() -> None:
    assert "no answer says the account mode" in " ".join(imported(OKX_BALANCE)["notes"])


@pytest.mark.parametrize("kind", ["OPTION", "MARGIN"])
def test_positions_that_are_no_futures_make_positions_unknown(kind: str) -> None:
    document = imported(OKX_BALANCE, with_row(OKX_POSITIONS, instType=kind))
    assert "BTC-USDT-SWAP is a" in unknown(document)["positions"]


@pytest.mark.parametrize("kind", ["OPTION", ""])
@pytest.mark.parametrize("size", ["-3", "2"])
def test_options_of_okx_are_named_with_what_is_missing_and_what_to_do(kind: str, size: str) -> None:
    first = {**OKX_POSITIONS["data"][0], "instType": kind, "pos": size, "markPx": "0.021"}
    option = {**first, "instId": "BTC-USD-261225-100000-C", "notionalUsd": "1830"}
    other = {**option, "instId": "BTC-USD_UM-261225-90000-P"}
    answers = (OKX_CONFIG, OKX_BALANCE, okx(*OKX_POSITIONS["data"], option, other))
    document = imported(*answers, OKX_INSTRUMENTS)
    why = unknown(document)["positions"]
    assert "BTC-USD-261225-100000-C and BTC-USD_UM-261225-90000-P are options" in why
    assert "margin factor of its position tier (optMgnFactor)" in why
    assert "leave them out" in why
    assert [row["instrument"] for row in document["positions"]] == ["BTC-USDT-SWAP", "BTC-USD-SWAP"]
    payloads = [as_payload(answer) for answer in (*answers, OKX_INSTRUMENTS)]
    result = check(import_account(payloads).account())
    assert result.level is Level.UNKNOWN


def test_open_orders_in_options_of_okx_make_orders_unknown() -> None:
    order = {**OKX_ORDERS["data"][0], "instId": "BTC-USD-261225-100000-C", "instType": "OPTION"}
    document = imported(OKX_CONFIG, OKX_BALANCE, OKX_POSITIONS, okx(order))
    why = unknown(document)["orders"]
    assert f"order {order['ordId']} is in BTC-USD-261225-100000-C, an option" in why


def test_tiers_of_swaps_and_futures_of_one_family_are_not_mixed() -> None:
    dear = copy.deepcopy(OKX_TIERS)
    for row in dear["data"]:
        row["mmr"] = "0.3"
    document = imported(OKX_CONFIG, OKX_BALANCE, OKX_POSITIONS, OKX_TIERS, dear)
    assert document["positions"][0]["tier"] == {"maintenance_rate": "0.004"}  # by its own mmr
    assert "two tables of tiers of BTC-USDT" in " ".join(document["notes"])
    same = imported(OKX_CONFIG, OKX_BALANCE, OKX_POSITIONS, OKX_TIERS, OKX_TIERS)
    assert same["positions"][0]["tier"] == {"maintenance_rate": "0.0052"}


def test_factors_of_options_are_no_tiers_of_contracts() -> None:
    factors = copy.deepcopy(OKX_TIERS)
    for row in factors["data"]:
        row |= {"optMgnFactor": "1.02", "mmr": ""}
    document = imported(OKX_CONFIG, OKX_BALANCE, OKX_POSITIONS, OKX_TIERS, factors)
    assert document["positions"][0]["tier"] == {"maintenance_rate": "0.0052"}


def test_an_okx_error_is_repeated() -> None:
    assert "an error: 50111 Invalid OK-ACCESS-KEY" in refused(
        {"code": "50111", "msg": "Invalid OK-ACCESS-KEY", "data": []}
    )


# --- Deribit ------------------------------------------------------------------------------------


def test_deribit_cash_is_equity_less_profit_since_entry() -> None:
    document = imported(DERIBIT_SUMMARY, DERIBIT_POSITIONS, DERIBIT_ORDERS)
    assert document["venue"] == "deribit-sm"
    (row,) = document["positions"]
    assert (row["entry_price"], row["mark_price"]) == ("60000", "61000")
    profit = D(-60000) * (1 / D(60000) - 1 / D(61000))
    (cash,) = document["collateral"]
    assert abs(D(cash["balance"]) - (D("2.105") - profit)) < D("1e-8")
    assert abs(profit - D("-0.01639344")) < D("1e-8")  # what the venue prints
    assert document["prices"] == {"BTC": "61010"}
    assert document["as_of"] == "2025-10-10T21:00:00Z"
    assert "order BTC-2 (BTC-PERPETUAL) is no order that can be margined" in str(document["notes"])
    assert "unknown" not in document


def test_summaries_of_several_currencies_are_read_together() -> None:
    eth = {**DERIBIT_BTC, "currency": "ETH", "equity": 10, "balance": 10}
    both = deribit({"id": 1, "summaries": [DERIBIT_BTC, eth]})
    document = imported(both, DERIBIT_POSITIONS)
    assert [row["asset"] for row in document["collateral"]] == ["BTC", "ETH"]
    assert "segregated margin: each currency backs what settles in it" in str(document["notes"])


def test_deribit_equity_alone_does_not_say_its_cash() -> None:
    why = unknown(imported(DERIBIT_SUMMARY))["collateral"]
    assert "equity holds the profit of positions nobody gave" in why


@pytest.mark.parametrize("model", ["cross_pm", "segregated_pm"])
def test_deribit_scenario_models_are_not_the_rulebooks(model: str) -> None:
    summary = deribit({**DERIBIT_BTC, "margin_model": model})
    why = unknown(imported(summary, DERIBIT_POSITIONS))["collateral"]
    assert f"margin model {model} is one of scenarios" in why


def test_cross_collateral_is_not_the_segregated_rulebook() -> None:
    btc = {**DERIBIT_BTC, "equity": 0.0, "balance": 0.0164, "margin_model": "cross_sm"}
    usdc = {**DERIBIT_BTC, "currency": "USDC", "equity": 60000, "margin_model": "cross_sm"}
    both = deribit({"id": 1, "summaries": [btc, usdc]})
    account = import_account([as_payload(both), as_payload(DERIBIT_POSITIONS)]).account()
    assert "margin model cross_sm lets every currency back every position" in str(account.unlearnt)
    result = check(account)
    assert result.is_liquidatable is None


def test_equity_the_venue_prints_as_zero_is_none() -> None:
    empty = deribit({**DERIBIT_BTC, "equity": 0.0, "balance": 0.0164, "margin_balance": 0.0})
    document = imported(empty, DERIBIT_POSITIONS)
    (cash,) = document["collateral"]
    assert cash["balance"] == "0.01639344"
    result = check(import_account([as_payload(empty), as_payload(DERIBIT_POSITIONS)]).account())
    assert result.main is not None
    assert result.main.report is not None
    assert -D("1e-8") < result.main.report.equity <= 0


OPTION: dict[str, Any] = {
    "instrument_name": "BTC-26JUN26-100000-C",
    "kind": "option",
    "direction": "sell",
    "size": -2.5,
    "average_price": 0.012,
    "mark_price": 0.0104,
    "index_price": 61010,
    "floating_profit_loss": 0.001,
    "total_profit_loss": 0.004,
    "initial_margin": 0.276,
    "maintenance_margin": 0.2135,
    "delta": -0.5,
    "gamma": 0,
    "vega": -50,
    "theta": 12,
}


def test_a_deribit_option_is_worth_its_mark_and_no_cash() -> None:
    summary = {**DERIBIT_BTC, "options_value": -0.026, "equity": 2.079, "margin_balance": 2.105}
    positions = deribit([DERIBIT_POSITIONS["result"][0], OPTION])
    document = imported(deribit(summary), positions)
    future, option = document["positions"]
    assert (option["instrument"], option["size"]) == ("BTC-26JUN26-100000-C", "-2.5")
    assert (option["entry_price"], option["mark_price"]) == ("0.012", "0.0104")
    assert "leverage" not in option
    assert list(unknown(document)) == ["orders"]
    found = import_account([as_payload(deribit(summary)), as_payload(positions)])
    (equity,) = [r for r in check(found.account()).residuals if r.number == "equity"]
    assert equity.reported == D("2.105")
    assert equity.difference is not None
    assert abs(equity.difference) < D("1e-8")  # coins have 8 decimals
    assert future["instrument"] == "BTC-PERPETUAL"


def test_options_that_the_positions_lack_are_noticed() -> None:
    summary = deribit({**DERIBIT_BTC, "options_value": -0.5})
    why = unknown(imported(summary, DERIBIT_POSITIONS))["positions"]
    assert "options listed are worth 0 BTC, the summary says -0.5" in why


@pytest.mark.parametrize("symbol", ["DOGE-26JUN26-1-C", "BTC-FS-26JUN26_PERP"])
def test_positions_the_rulebook_cannot_tell_make_positions_unknown(symbol: str) -> None:
    kind = "option" if symbol.endswith("C") else "future_combo"
    answer = deribit([{**OPTION, "instrument_name": symbol, "kind": kind}])
    assert symbol in unknown(imported(DERIBIT_SUMMARY, answer))["positions"]


def test_a_dated_deribit_future_is_what_its_name_says() -> None:
    dated = {**DERIBIT_POSITIONS["result"][0], "instrument_name": "BTC-26JUN26"}
    (row,) = imported(DERIBIT_SUMMARY, deribit([dated]))["positions"]
    spec = row.get("spec", {"kind": "inverse_future", "expiry": "2026-06-26T08:00:00Z"})
    assert (spec["kind"], spec["expiry"]) == ("inverse_future", "2026-06-26T08:00:00Z")


# --- dYdX ---------------------------------------------------------------------------------------


def test_a_subaccount_adds_up_to_the_indexers_equity() -> None:
    found = import_account([as_payload(c) for c in (DYDX_SUBACCOUNT, DYDX_MARKETS, DYDX_ORDERS)])
    document = imported(DYDX_SUBACCOUNT, DYDX_MARKETS, DYDX_ORDERS)
    assert document["venue"] == "dydx-v4"
    long, short = document["positions"]
    assert (long["mark_price"], short["size"]) == ("118700.5426", "-100000000")
    assert short["tier"] == {"maintenance_rate": "0.05"}
    assert short["leverage"] == "10"
    # -47,749.7713 + 0.5 * 110,000 - 1e8 * 0.00001
    assert document["collateral"] == [{"asset": "USDC", "balance": "6250.2287"}]
    assert document["prices"] == {"ETH-USD": "3800.5"}
    assert "PEPE-USD is not active: its oracle price may not move again" in document["notes"]
    (equity,) = [r for r in check(found.account()).residuals if r.number == "equity"]
    assert equity.reported == D("10500.5")
    assert equity.difference == 0


def test_without_markets_the_oracle_price_comes_from_profit() -> None:
    document = imported(DYDX_SUBACCOUNT)
    assert document["positions"][0]["mark_price"] == "118700.5426"
    assert any("worked out from the venue's own figures" in note for note in document["notes"])


def test_oracle_prices_of_another_instant_are_noticed() -> None:
    markets = copy.deepcopy(DYDX_MARKETS)
    markets["markets"]["BTC-USD"]["oraclePrice"] = "100000"
    notes = " ".join(imported(DYDX_SUBACCOUNT, markets)["notes"])
    assert "they are of different instants; fetch both together" in notes


def test_a_second_subaccount_is_refused() -> None:
    assert "a second subaccount" in refused(DYDX_SUBACCOUNT, DYDX_SUBACCOUNT)


def test_a_side_nobody_knows_is_refused() -> None:
    wrong = copy.deepcopy(DYDX_SUBACCOUNT)
    wrong["subaccount"]["assetPositions"]["USDC"]["side"] = "UP"
    assert 'USDC.side: must be "LONG" or "SHORT"' in refused(wrong)


def test_dust_worth_no_quantum_can_be_checked() -> None:
    dust = copy.deepcopy(DYDX_SUBACCOUNT)
    (coin,) = [c for c in dust["subaccount"]["openPerpetualPositions"] if c.startswith("PEPE")]
    dust["subaccount"]["openPerpetualPositions"][coin]["size"] = "1e-23"
    account = import_account([as_payload(dust), as_payload(DYDX_MARKETS)]).account()
    assert check(account).main is not None
