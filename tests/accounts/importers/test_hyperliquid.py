"""Hyperliquid accounts: recorded ones give the venue's own liquidation prices through import."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.check import AccountCheck, Verdict
from keelmark.accounts.importers import ImportedAccount, import_account, read_payload
from keelmark.rulebooks import load_rulebook
from tests.accounts.importers.hyperliquid_answers import META, MIXED, ORDERS, SPOT, state
from tests.accounts.importers.reading import as_payload, imported, refused, unknown

D = Decimal
NOW = "hyperliquid@2026-07"


def checked(found: ImportedAccount, rulebook: str = NOW) -> AccountCheck:
    return check(found.account(load_rulebook(rulebook)))


def residual(found: AccountCheck, number: str) -> Decimal:
    (row,) = [r for r in found.residuals if r.number == number]
    assert row.difference is not None, row.reason
    return abs(row.difference)


# --- recorded accounts --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def accounts(samples: Path) -> Path:
    return samples.parents[1] / "accounts"


@pytest.mark.real_data
def test_twelve_positions_of_2023_come_through_to_the_last_digit(accounts: Path) -> None:
    text = (accounts / "hyperliquid_2023-03_12_positions.yaml").read_text()
    answer = re.search(r"string: '(\{.*\})'", text)
    assert answer
    payload = as_payload(json.loads(answer[1], parse_float=str))
    found = import_account([payload], venue="hyperliquid@2023-03")
    result = check(found.account())
    assert len(list(result.positions)) == 12
    assert residual(result, "equity") == 0
    assert residual(result, "withdrawable") <= D("1e-6")
    sizes = {p.held.position.instrument: abs(p.held.position.size) for p in result.positions}
    prices = [r for r in result.residuals if r.number.startswith("liquidation_price")]
    assert len(prices) == 5
    for row in prices:  # the venue rounds maintenance to 1e-6 before it divides
        size = sizes[row.number.partition(":")[2]]
        assert abs(row.difference or D(1)) <= D("1e-6") / min(size, D(1)), row
    profits = [r for r in result.residuals if r.number.startswith("unrealized_pnl")]
    assert len(profits) == 12
    assert {r.difference for r in profits} == {D(0)}


@pytest.mark.real_data
def test_a_vault_of_2026_has_the_price_the_venue_shows(accounts: Path) -> None:
    """Three of its positions are recorded; one long and one short stand for the others."""
    saved = json.loads((accounts / "hyperliquid_2026-07_vault.json").read_text())["selection"]
    cross, rows = saved["crossMarginSummary"], saved["positions"]
    shown = sum(D(p["positionValue"]) for p in rows)
    signed = sum(D(p["positionValue"]).copy_sign(D(p["szi"])) for p in rows)
    rest = D(cross["totalNtlPos"]) - shown
    net = D(cross["accountValue"]) - D(cross["totalRawUsd"]) - signed
    others = [
        {**rows[0], "coin": coin, "szi": str(sign), "positionValue": str(value), "entryPx": "1"}
        for coin, sign, value in (("ATOM", 1, (rest + net) / 2), ("MATIC", -1, (rest - net) / 2))
    ]
    answer = {
        "assetPositions": [{"position": p, "type": "oneWay"} for p in [*rows, *others]],
        "crossMarginSummary": cross,
        "marginSummary": cross,
        "crossMaintenanceMarginUsed": saved["crossMaintenanceMarginUsed"],
        "time": 1784440205170,
    }
    found = import_account([as_payload(answer)])
    assert unknown(found.document).keys() == {"orders"}  # the venue's price fits this equity
    note = "BTC is margined by the venue's own figure for this account, at most 50x"
    assert any(note in str(n) for n in found.document["notes"] or [])  # type: ignore[union-attr]
    result = checked(found)
    assert residual(result, "liquidation_price:DYDX") <= D("1e-9")
    assert residual(result, "maintenance_margin") <= D("1e-4")
    assert residual(result, "equity") <= D("1e-5")  # marks of the two that stand in: 12 digits


@pytest.mark.real_data
def test_positions_that_are_missing_from_an_answer_are_noticed(accounts: Path) -> None:
    saved = json.loads((accounts / "hyperliquid_2026-07_vault.json").read_text())["selection"]
    answer = {
        "assetPositions": [{"position": p, "type": "oneWay"} for p in saved["positions"]],
        "crossMarginSummary": saved["crossMarginSummary"],
    }
    why = unknown(imported(answer))["positions"]
    assert "positions listed are worth 49865.355953" in why
    assert "some are missing; save the whole answer" in why


@pytest.mark.real_data
def test_an_account_whose_spot_balance_counts_is_recognised_by_the_venues_price(
    accounts: Path,
) -> None:
    bundle = read_payload(accounts / "hyperliquid_2026-09_unified.json")
    found = import_account([bundle])
    why = unknown(found.document)["collateral"]
    assert "price of BTC holds for an equity of 46599.61 USDC, these answers give 38252.70" in why
    assert "spotClearinghouseState" in why
    assert checked(found).verdict is Verdict.UNKNOWN

    balance = {"coin": "USDC", "token": 0, "total": "46599.61385", "hold": "37766.7"}
    spot = {"balances": [balance], "tokenToAvailableAfterMaintenance": [[0, "41878.77635"]]}
    whole = import_account([bundle, as_payload(spot)])
    assert whole.document["positions"][0]["entry_price"] == "81285.0429984444444"  # type: ignore[index, call-overload]
    assert whole.document["venue"] == "hyperliquid-unified"
    assert unknown(whole.document).keys() == {"orders"}
    result = checked(whole)
    assert residual(result, "liquidation_price:BTC") <= D("1e-6")
    assert residual(result, "maintenance_margin") == 0


# --- cross and isolated at once -----------------------------------------------------------------


def test_an_isolated_position_has_the_price_the_venue_shows() -> None:
    found = import_account([as_payload(MIXED)])
    cashcat = found.account(load_rulebook(NOW)).document.positions[1]
    assert cashcat.isolated_margin == D("37431.247752")
    result = checked(found)
    assert residual(result, "liquidation_price:CASHCAT") <= D("1e-9")
    assert residual(result, "unrealized_pnl:CASHCAT") == 0  # entryPx is rounded, profit is not


def test_a_price_that_fits_another_equity_makes_the_collateral_unknown() -> None:
    document = imported(MIXED)
    assert "price of HYPE holds for an equity of 786635.52 USDC" in unknown(document)["collateral"]


def test_a_unified_account_counts_the_spot_total_less_what_is_isolated() -> None:
    document = imported(MIXED, SPOT)
    assert document["venue"] == "hyperliquid-unified"
    assert unknown(document).keys() == {"orders"}
    assert "equity" not in document["venue_reported"]  # the venue prints none of it
    assert document["venue_reported"]["maintenance_margin"] == "5417.1"
    assert "spot balances (HYPE) do not back USDC perpetuals: left out" in document["notes"]
    result = checked(import_account([as_payload(MIXED), as_payload(SPOT)]))
    assert residual(result, "maintenance_margin") == 0
    assert residual(result, "liquidation_price:HYPE") <= D("1e-9")


def test_spot_of_another_instant_does_not_pass_for_the_balance() -> None:
    other = {**SPOT, "balances": [{**SPOT["balances"][0], "total": "500000.0"}]}
    why = unknown(imported(MIXED, other))["collateral"]
    assert "these answers give 469410.21; the answers are of different instants or modes" in why


def test_a_manual_account_leaves_spot_out() -> None:
    spot = {"balances": SPOT["balances"]}
    document = imported(MIXED, spot, as_payload("disabled", kind="hyperliquid:mode"))
    assert document["venue"] == "hyperliquid"
    assert document["collateral"] == [{"asset": "USDC", "balance": "14418.103262"}]
    note = "spot balances (USDC, HYPE) do not back perpetuals of this account: left out"
    assert note in document["notes"]
    assert unknown(document).keys() == {"orders"}


def test_a_unified_account_without_its_spot_state_has_unknown_collateral() -> None:
    why = unknown(imported(MIXED, "unifiedAccount"))["collateral"]
    assert "its balance is in the spot state; add the answer to spotClearinghouseState" in why


def test_portfolio_margin_is_said_not_to_be_covered() -> None:
    why = unknown(imported(MIXED, SPOT, "portfolioMargin"))["collateral"]
    assert "no rulebook margins that" in why
    assert unknown(imported(MIXED, {**SPOT, "portfolioMarginEnabled": True}))["collateral"] == why


def test_a_spot_state_alone_knows_neither() -> None:
    spot = {"balances": SPOT["balances"]}
    assert unknown(imported(spot)).keys() == {"collateral", "positions", "orders"}


# --- what the venue keeps margin for ------------------------------------------------------------

LONG: dict[str, Any] = {
    "coin": "BTC",
    "szi": "1.0",
    "entryPx": "60000.0",
    "positionValue": "62000.0",
    "unrealizedPnl": "2000.0",
    "marginUsed": "6200.0",
    "liquidationPx": None,
    "maxLeverage": 40,
    "leverage": {"type": "cross", "value": 10},
}


def pooled(total: str, available: str, *others: list[object]) -> dict[str, Any]:
    balance = {"coin": "USDC", "token": 0, "total": total, "hold": "6200.0"}
    dollar = {"coin": "USDH", "token": 360, "total": "1000.0", "hold": "0.0"}
    pairs = [[0, available], *others]
    return {"balances": [balance, dollar], "tokenToAvailableAfterMaintenance": pairs}


def long_state(**changes: object) -> dict[str, Any]:
    more = {"crossMaintenanceMarginUsed": "775.0"}
    return state({**LONG, **changes}, raw="-60000.0", value="2000.0", **more)


def test_margin_kept_for_positions_of_other_dexes_makes_the_positions_unknown() -> None:
    """HIP-3: all dexes share a unified balance, and a state has one dex alone."""
    answers = [as_payload(long_state()), as_payload(pooled("100000.0", "20000.0"))]
    found = import_account(answers)
    why = unknown(found.document)["positions"]
    assert "the venue keeps 80000 USDC for maintenance and isolated margin" in why
    assert "positions in these answers need 775;" in why
    assert 'clearinghouseState of each ("dex": a name that perpDexs lists)' in why
    assert found.document["venue_reported"]["maintenance_margin"] == "80000"  # type: ignore[index, call-overload]
    assert checked(found).verdict is Verdict.UNKNOWN


def test_margin_kept_for_what_is_listed_leaves_the_positions_known() -> None:
    found = import_account([as_payload(long_state()), as_payload(pooled("100000.0", "99225.0"))])
    assert unknown(found.document).keys() == {"orders"}
    assert residual(checked(found), "maintenance_margin") == 0


def test_less_margin_kept_than_the_positions_need_is_another_instant() -> None:
    why = unknown(imported(long_state(), pooled("100000.0", "99900.0")))["positions"]
    assert "keeps 100 USDC" in why
    assert "need 775; the answers are of different instants" in why
    document = imported(long_state(), pooled("100.0", "0.0"))  # below zero may be shown as zero
    assert "positions" not in unknown(document)


def test_margin_kept_in_another_dollar_makes_the_positions_unknown() -> None:
    spot = pooled("100000.0", "99225.0", [360, "400.0"])
    why = unknown(imported(long_state(), spot))["positions"]
    assert "600 USDH is kept for positions margined in USDH" in why
    idle = pooled("100000.0", "99225.0", [360, "1000.0"])
    assert "positions" not in unknown(imported(long_state(), idle))


def test_what_is_available_comes_in_pairs() -> None:
    spot = {**pooled("1", "1"), "tokenToAvailableAfterMaintenance": [[0]]}
    assert "tokenToAvailableAfterMaintenance[0]: a pair of" in refused(long_state(), spot)


def test_a_long_the_venue_has_no_price_of_tells_of_a_balance_that_is_missing() -> None:
    """Its value is lost at a price of zero: without a price, equity is at least that."""
    found = import_account([as_payload(long_state())])
    why = unknown(found.document)["collateral"]
    assert "no liquidation price of BTC, which holds for an equity of at least 62000.00" in why
    assert "these answers give 2000.00; its spot balance counts (a unified account)" in why
    assert "add the answer to spotClearinghouseState" in why
    assert checked(found).verdict is Verdict.UNKNOWN


def test_a_long_without_a_price_contradicts_a_mode_that_keeps_perps_apart() -> None:
    mode = as_payload("disabled", kind="hyperliquid:mode")
    why = unknown(imported(long_state(), mode))["collateral"]
    assert "these answers give 2000.00; the answers are of different instants or modes" in why


def test_a_missing_price_is_no_claim_of_a_short_or_of_an_isolated_position() -> None:
    """Nor is a key that is left out."""
    keyless = {k: v for k, v in LONG.items() if k != "liquidationPx"}
    isolated = {"leverage": {"type": "isolated", "value": 10, "rawUsd": "-54000"}}
    for answer in (
        state(keyless, raw="-60000.0", value="2000.0"),
        state({**LONG, "szi": "-1.0", "unrealizedPnl": "-2000.0"}, raw="-1", value="-62001"),
        state({**LONG, **isolated}, raw="100", value="100"),
    ):
        assert "collateral" not in unknown(imported(answer))


# --- tables, marks, orders ----------------------------------------------------------------------


def test_what_the_tables_list_needs_no_row_and_what_they_lack_gets_one() -> None:
    hype, cashcat = imported(MIXED)["positions"]
    assert "tier" not in hype
    assert cashcat["tier"] == {"maintenance_rate": "0.1666666666666666666666666667"}


def test_a_margin_table_gives_the_row_of_the_notional() -> None:
    meta: Any = json.loads(json.dumps(META))
    meta[0]["marginTables"][0][1]["marginTiers"] = [
        {"lowerBound": "0.0", "maxLeverage": 10},
        {"lowerBound": "1000.0", "maxLeverage": 5},
    ]
    meta[0]["universe"][2] |= {"maxLeverage": 10, "marginTableId": 52}
    position = {**MIXED["assetPositions"][1]["position"], "maxLeverage": 10}
    answer = {**MIXED, "assetPositions": [{"position": position, "type": "oneWay"}]}
    (row,) = imported(answer, meta)["positions"]
    assert row["tier"] == {"maintenance_rate": "0.1", "maintenance_amount": "50"}


def test_a_contract_of_a_builder_says_what_it_is() -> None:
    position = {**MIXED["assetPositions"][0]["position"], "coin": "xyz:NVDA", "liquidationPx": None}
    document = imported(state(position, raw="128690.018132", value="20348.018132"))
    (row,) = document["positions"]
    assert row["spec"] == {"kind": "linear_perpetual", "base": "NVDA", "settle": "USDC"}
    assert row["tier"] == {"maintenance_rate": "0.05"}


def test_dexes_that_keep_margin_apart_are_not_added_up() -> None:
    position = {**MIXED["assetPositions"][0]["position"], "coin": "xyz:NVDA"}
    other = state(position, raw="128690.018132", value="20348.018132")
    assert "(the venue's own, xyz) keep margin apart; import them one by one" in refused(
        MIXED, other
    )
    assert imported(MIXED, other, SPOT)["venue"] == "hyperliquid-unified"


def test_marks_of_another_instant_and_delisted_coins_are_said() -> None:
    meta: Any = json.loads(json.dumps(META))
    meta[1][1]["markPx"] = "60"
    meta[0]["universe"][2]["isDelisted"] = True
    notes = imported(MIXED, meta)["notes"]
    assert "CASHCAT is delisted: its mark may not move again" in notes
    assert any("mark of HYPE is 54.171 in the account and 60 in the asset" in n for n in notes)


def test_orders_of_coins_not_held_take_the_mark_of_the_contexts() -> None:
    document = imported(MIXED, META, ORDERS)
    (order,) = document["orders"]
    assert (order["instrument"], order["side"], order["size"]) == ("BTC", "buy", "0.2")
    assert document["prices"] == {"BTC": "64706"}
    assert "order 91490943 waits for its trigger and is left out" in document["notes"]
    assert "order 91490944 is a spot order (@107) and is left out" in document["notes"]


def test_orders_without_the_flag_are_taken_to_open() -> None:
    plain = [{k: v for k, v in ORDERS[0].items() if k not in {"reduceOnly", "isTrigger"}}]
    document = imported(MIXED, META, plain)
    assert "openOrders does not say which orders only reduce" in " ".join(document["notes"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crossMarginSummary": None}, "answer.crossMarginSummary: is missing"),
        ({"crossMarginSummary": {"accountValue": "1"}}, "totalRawUsd: is missing"),
        ({"assetPositions": [{"type": "oneWay"}]}, "assetPositions[0].position: is missing"),
        ({"assetPositions": [{"position": {"coin": "BTC", "szi": ""}}]}, "szi: is empty"),
        (
            {"assetPositions": [{"position": {"coin": "BTC", "szi": "1", "entryPx": "2"}}]},
            "no mark_price of BTC in these answers",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(change: object, message: str) -> None:
    assert isinstance(change, dict)
    assert message in refused({**MIXED, **change})


def test_perpetuals_margined_in_another_token_are_refused() -> None:
    meta = [{**META[0], "collateralToken": 360}, META[1]]
    assert "collateralToken: only perpetuals margined in USDC (token 0)" in refused(MIXED, meta)


def test_a_mode_nobody_knows_is_refused() -> None:
    assert "one of unifiedAccount, portfolioMargin" in refused(
        as_payload("anything", kind="hyperliquid:mode")
    )


def test_answers_far_apart_are_said_to_be() -> None:
    later = {**state(raw="0", value="0"), "time": 1785377282053 + 120_000}
    found = import_account(
        [as_payload(MIXED, title="a"), as_payload(later, title="b"), as_payload(SPOT)]
    )
    note = "a is 120 s older than b: its prices are stale; fetch them together"
    assert note in (found.document["notes"] or [])  # type: ignore[operator]
