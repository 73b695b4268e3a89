"""Bybit: margin modes, inverse contracts, options, older wallets."""

from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.importers import import_account
from tests.accounts.importers.answers import BYBIT_POSITIONS, BYBIT_WALLET, bybit
from tests.accounts.importers.reading import as_payload, imported, refused, unknown

ROW: dict[str, Any] = BYBIT_POSITIONS["result"]["list"][0]


def limit(value: str, rate: object, **more: object) -> dict[str, Any]:
    return {
        "id": 1,
        "symbol": "ETHUSDT",
        "riskLimitValue": value,
        "maintenanceMargin": rate,
        "initialMargin": "0.01",
        "isLowestRisk": 1,
        "maxLeverage": "100",
        "mmDeduction": "",
        **more,
    }


BYBIT_LIMITS = bybit(
    [
        limit("20000", "0.008", mmDeduction="30", isLowestRisk=0, maxLeverage="50"),
        limit("10000", "0.005"),
    ],
    category="linear",
    nextPageCursor="",
)


def info(mode: str) -> dict[str, Any]:
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {
            "marginMode": mode,
            "updatedTime": "1697078946000",
            "unifiedMarginStatus": 4,
            "spotHedgingStatus": "OFF",
        },
        "time": 1760130000000,
    }


def wallet(**values: object) -> dict[str, Any]:
    coin = {**BYBIT_WALLET["result"]["list"][0]["coin"][0], **values}
    return bybit([{"accountType": "UNIFIED", "coin": [coin]}])


CURSOR = "BTCUSDT%2C1780000000000%2C0"


def test_a_cursor_beside_a_short_page_is_the_last_page() -> None:
    """Bybit gives one with every page that has rows."""
    held = bybit([ROW], nextPageCursor=CURSOR, category="linear")
    document = imported(BYBIT_WALLET, held)
    assert len(document["positions"]) == 1
    assert unknown(document).keys() == {"orders"}
    notes = " ".join(document["notes"])
    assert "nextPageCursor beside a list of 1, taken for the last page" in notes
    assert "`cursor`" in notes


@pytest.mark.parametrize("rows", [20, 50, 100, 200])
def test_a_cursor_beside_a_full_page_is_refused_with_what_to_call(rows: int) -> None:
    page = [{**ROW, "symbol": f"C{number}USDT"} for number in range(rows)]
    why = refused(BYBIT_WALLET, bybit(page, nextPageCursor=CURSOR, category="linear"))
    assert f"result.nextPageCursor: {rows} rows are a full page" in why
    assert "call again with this as `cursor`" in why
    whole = [*page, {**ROW, "symbol": "LASTUSDT"}]
    joined = imported(BYBIT_WALLET, bybit(whole, nextPageCursor=CURSOR, category="linear"))
    assert len(joined["positions"]) == rows + 1


def test_risk_limits_of_some_coins_may_have_more_pages() -> None:
    page = [limit(str(1000 * (n + 1)), "0.005", mmDeduction="0") for n in range(20)]
    document = imported(BYBIT_WALLET, BYBIT_POSITIONS, bybit(page, nextPageCursor=CURSOR))
    assert any("beside a list of 20" in note for note in document["notes"])


def test_in_isolated_mode_every_position_is_margined_alone() -> None:
    document = imported(BYBIT_WALLET, BYBIT_POSITIONS, info("ISOLATED_MARGIN"))
    (row,) = document["positions"]
    assert (row["margin_mode"], row["isolated_margin"]) == ("isolated", "3000")


def test_the_margin_of_isolated_positions_is_counted_once() -> None:
    row = {
        **ROW,
        "symbol": "BTCUSDT",
        "side": "Buy",
        "size": "0.5",
        "avgPrice": "60000",
        "markPrice": "60000",
        "positionBalance": "6000",
        "unrealisedPnl": "0",
    }
    answers = (
        wallet(walletBalance="10000", equity="10000", usdValue="10000"),
        bybit([row], category="linear"),
        info("ISOLATED_MARGIN"),
    )
    document = imported(*answers)
    assert document["collateral"] == [{"asset": "USDT", "balance": "4000"}]
    assert document["positions"][0]["isolated_margin"] == "6000"
    account = import_account([as_payload(answer) for answer in answers]).account()
    reports = [unit.report for unit in check(account).units]
    assert sum(report.equity for report in reports if report is not None) == Decimal(10_000)


def test_equity_that_the_parts_do_not_add_up_to_is_said() -> None:
    agrees = imported(BYBIT_WALLET, BYBIT_POSITIONS, info("REGULAR_MARGIN"))
    assert "as taken apart" not in " ".join(agrees.get("notes", []))
    owed = wallet(walletBalance="-500", equity="-250", spotBorrow="500", usdValue="-250")
    notes = " ".join(imported(owed, BYBIT_POSITIONS, info("REGULAR_MARGIN"))["notes"])
    assert "coin[0].equity: equity of USDT is -250 by the venue and -750 as taken apart" in notes


def test_in_isolated_mode_a_position_needs_its_margin() -> None:
    positions = bybit([{**ROW, "positionBalance": ""}])
    text = refused(BYBIT_WALLET, positions, info("ISOLATED_MARGIN"))
    assert "ETHUSDT is isolated and has no positionBalance; save the answer whole" in text


def test_portfolio_margin_leaves_the_whole_unknown() -> None:
    document = imported(BYBIT_WALLET, BYBIT_POSITIONS, info("PORTFOLIO_MARGIN"))
    assert "the account is in portfolio margin" in unknown(document)["collateral"]
    assert len(document["positions"]) == 1


def test_without_the_mode_cross_is_taken_and_said() -> None:
    said = "no answer says the margin mode (account/info): cross is taken"
    assert said in imported(BYBIT_WALLET, BYBIT_POSITIONS)["notes"]
    assert said not in imported(BYBIT_WALLET, BYBIT_POSITIONS, info("REGULAR_MARGIN"))["notes"]


def test_a_mode_nobody_knows_is_refused_with_the_nearest() -> None:
    text = refused(BYBIT_WALLET, info("ISOLATED"))
    assert "result.marginMode: found 'ISOLATED'; did you mean 'ISOLATED_MARGIN'" in text


def test_each_of_two_legs_keeps_its_own_figures() -> None:
    short = {**ROW, "positionIdx": 2, "liqPrice": "3900"}
    long = {**ROW, "positionIdx": 1, "side": "Buy", "positionIM": "1000.5", "liqPrice": "2000"}
    reported = imported(BYBIT_WALLET, bybit([short, long]))["venue_reported"]
    assert reported["initial_margin"] == {"ETHUSDT/short": "3000", "ETHUSDT/long": "1000.5"}
    assert reported["liquidation_price"] == {"ETHUSDT/short": "3900", "ETHUSDT/long": "2000"}
    bare = {**long, "positionIM": ""}
    half = imported(BYBIT_WALLET, bybit([short, bare]))["venue_reported"]
    assert half["initial_margin"] == {"ETHUSDT/short": "3000"}


def test_sizes_of_inverse_contracts_are_dollars() -> None:
    inverse = {**ROW, "symbol": "BTCUSD", "size": "6000", "positionIdx": 0}
    document = imported(BYBIT_WALLET, bybit([inverse], category="inverse"))
    (row,) = document["positions"]
    assert row["size"] == "-6000"
    spec = {"kind": "inverse_perpetual", "base": "BTC", "settle": "BTC", "contract_size": "1"}
    assert row.get("spec", spec) == spec


@pytest.mark.parametrize("symbol", ["BTC-27MAR26-100000-C", "BTC-27MAR26-100000-P-USDT"])
def test_options_are_read_where_the_rulebook_margins_them(symbol: str) -> None:
    option = {**ROW, "symbol": symbol, "size": "2", "markPrice": "950.5", "avgPrice": "1000"}
    row = {**option, "leverage": "", "positionIdx": 0, "unrealisedPnl": "99"}
    document = imported(BYBIT_WALLET, bybit([row], category="option"))
    (position,) = document["positions"]
    assert (position["instrument"], position["size"]) == (symbol, "-2")
    assert (position["mark_price"], position["entry_price"]) == ("950.5", "1000")


@pytest.mark.parametrize("symbol", ["BTC-SOON-100000-C", "?-P-USDT"])
def test_options_nobody_can_tell_make_positions_unknown(symbol: str) -> None:
    options = bybit([{**ROW, "symbol": symbol}], category="option")
    assert f"{symbol} is an option" in unknown(imported(BYBIT_WALLET, options))["positions"]


def test_what_an_older_wallet_borrowed_is_not_counted_twice() -> None:
    values = {"spotBorrow": None, "walletBalance": "-100", "borrowAmount": "130", "equity": "-130"}
    document = imported(wallet(**values, usdValue="-130"))
    assert document["collateral"][0]["balance"] == "-100"
    assert document["liabilities"] == [{"asset": "USDT", "amount": "30"}]


def test_risk_limits_give_the_row_of_the_value() -> None:
    (row,) = imported(BYBIT_WALLET, BYBIT_POSITIONS, BYBIT_LIMITS)["positions"]
    assert row["tier"] == {"maintenance_rate": "0.008", "maintenance_amount": "30"}


def test_amounts_that_risk_limits_leave_out_are_worked_out() -> None:
    bare = bybit([limit("10000", "0.005"), limit("20000", "0.008", maxLeverage="50")])
    (row,) = imported(BYBIT_WALLET, BYBIT_POSITIONS, bare)["positions"]
    assert row["tier"] == {"maintenance_rate": "0.008", "maintenance_amount": "30"}


def test_risk_limits_in_percent_are_recognised() -> None:
    old = bybit([limit("1000000", 0.5)])
    (row,) = imported(BYBIT_WALLET, BYBIT_POSITIONS, old)["positions"]
    assert row["tier"] == {"maintenance_rate": "0.005"}


def test_risk_limits_whose_rates_fall_are_refused() -> None:
    falling = bybit([limit("10000", "0.008"), limit("20000", "0.005")])
    assert "risk limits of ETHUSDT" in refused(BYBIT_WALLET, BYBIT_POSITIONS, falling)


def totals(**figures: str) -> dict[str, Any]:
    """Return a wallet of 100,000 USDT with the venue's totals."""
    coin = {"coin": "USDT", "walletBalance": "100000", "equity": "100000", "usdValue": "100000"}
    return bybit([{"accountType": "UNIFIED", "coin": [coin], **figures}])


HALF = {**ROW, "symbol": "BTCUSDT", "side": "Buy", "positionIdx": 0, "size": "0.5"}
HALF |= {"avgPrice": "99000", "markPrice": "99000", "unrealisedPnl": "0", "positionMM": ""}


def test_a_cursor_and_a_wallet_that_holds_more_make_positions_unknown() -> None:
    wallet = totals(totalMaintenanceMargin="30000")
    document = imported(wallet, bybit([HALF], nextPageCursor=CURSOR, category="linear"))
    why = unknown(document)["positions"]
    assert "the wallet holds maintenance of 30000 USD" in why
    assert "positions are missing, or open orders (order/realtime) hold it; " in why
    assert "answer has a nextPageCursor: call again with it as `cursor`" in why
    assert "taken for the last page" not in " ".join(document["notes"])


def test_a_wallet_that_holds_more_than_all_rows_need_makes_positions_unknown() -> None:
    row = {**HALF, "positionMM": "275"}
    held = bybit([row], nextPageCursor="", category="linear")
    answer = totals(totalMaintenanceMargin="30000")
    answer["result"]["list"][0]["coin"][0]["totalPositionMM"] = "20000"
    why = unknown(imported(answer, held))["positions"]
    assert "holds maintenance of 20000 USD, what is in these answers needs at most 275.00" in why
    assert "positions are missing; add the answers to position/list of the other categories" in why


def orders(price: str) -> dict[str, Any]:
    """Return an answer with one open order, as a payload of its kind has it."""
    row = {"orderId": "1", "symbol": "BTCUSDT", "side": "Buy", "leavesQty": "1", "price": price}
    return bybit([{**row, "positionIdx": 0, "reduceOnly": False}], category="linear")


def test_open_orders_may_hold_what_positions_do_not_need() -> None:
    answer, held = totals(totalMaintenanceMargin="30000"), bybit([HALF], category="linear")
    assert "positions" not in unknown(imported(answer, held))  # orders are not known
    assert "positions" not in unknown(imported(answer, held, orders("50000")))
    assert "positions" in unknown(imported(answer, held, orders("9000")))


@pytest.mark.parametrize("told", ["", "275", "400"])
def test_a_wallet_that_holds_about_as_much_leaves_positions_known(told: str) -> None:
    held = bybit([HALF], nextPageCursor=CURSOR, category="linear")
    document = imported(totals(totalMaintenanceMargin=told), held)
    assert unknown(document).keys() == {"orders"}
    assert "taken for the last page" in " ".join(document["notes"])


def test_scenarios_of_a_portfolio_tell_nothing_of_missing_positions() -> None:
    answers = [totals(totalMaintenanceMargin="30000"), bybit([HALF]), info("PORTFOLIO_MARGIN")]
    assert "positions" not in unknown(imported(*answers))


def test_a_row_of_no_known_table_may_need_all_it_is_worth() -> None:
    row = {**HALF, "symbol": "NEWUSDT"}
    held = bybit([row], nextPageCursor=CURSOR, category="linear")
    assert "positions" not in unknown(imported(totals(totalMaintenanceMargin="49000"), held))
    assert "positions" in unknown(imported(totals(totalMaintenanceMargin="99000"), held))


def test_a_debt_may_need_all_that_is_owed() -> None:
    answer = totals(totalMaintenanceMargin="30000")
    answer["result"]["list"][0]["coin"][0]["spotBorrow"] = "40000"
    held = bybit([HALF], nextPageCursor="", category="linear")
    assert "positions" not in unknown(imported(answer, held))
