"""What a position's own requirement says of its row, and what an import says of tables."""

import json
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check, read_account
from keelmark.accounts.importers import import_account
from tests.accounts.importers.reading import as_payload, imported

D = Decimal
TIME = "1760000000000"


def okx(**changes: object) -> tuple[dict[str, Any], dict[str, Any]]:
    held = {
        "avgPx": "100000",
        "imr": "10100",
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "lever": "10",
        "markPx": "101000",
        "mgnMode": "cross",
        "mmr": "404",
        "notionalUsd": "101000",
        "pos": "-100",
        "posSide": "net",
        "uTime": TIME,
        "upl": "-1000",
        "idxPx": "101000",
    }
    cash = {"cashBal": "20000", "ccy": "USDT", "eq": "19000", "eqUsd": "19000", "disEq": "19000"}
    whole = {"adjEq": "19000", "details": [cash], "totalEq": "19000", "uTime": TIME}
    return {"code": "0", "data": [held | changes]}, {"code": "0", "data": [whole]}


def bybit(**changes: object) -> dict[str, Any]:
    held = {
        "positionIdx": 0,
        "symbol": "LINKUSDT",
        "side": "Sell",
        "size": "100",
        "avgPrice": "20",
        "positionValue": "2100",
        "tradeMode": 0,
        "leverage": "10",
        "markPrice": "21",
        "liqPrice": "",
        "positionMM": "22.21",
        "positionIM": "211.21",
        "unrealisedPnl": "-100",
    }
    result = {"nextPageCursor": "", "category": "linear", "list": [held | changes]}
    return {"retCode": 0, "result": result, "time": int(TIME)}


def test_the_rate_of_okx_is_its_requirement_over_the_notional() -> None:
    document = imported(*okx())
    (row,) = document["positions"]
    assert row["tier"] == {"maintenance_rate": "0.004"}
    assert any("0.4 %" in note and "okx:tiers" in note for note in document["notes"])
    account = import_account([as_payload(answer) for answer in okx()]).account()
    report = check(account).units[0].report
    assert report is not None
    # what the venue prints leaves the fee to close out: 0.05 % of the notional
    assert report.maintenance_margin == D("404") + D("50.5")


TIERS = {
    "code": "0",
    "data": [
        {"instFamily": "BTC-USDT", "minSz": "0", "maxSz": "500", "mmr": "0.004", "tier": "1"},
        {"instFamily": "BTC-USDT", "minSz": "500", "maxSz": "10000", "mmr": "0.03", "tier": "2"},
    ],
}
LONG = {"posSide": "long", "pos": "1000", "notionalUsd": "1010000", "upl": "10000"}


def legs(*rows: dict[str, str]) -> list[dict[str, Any]]:
    """Return positions and balance with a row for each leg."""
    answers = [okx(**row) for row in rows]
    return [{"code": "0", "data": [a["data"][0] for a, _ in answers]}, answers[0][1]]


@pytest.mark.parametrize("step", [1, -1])
def test_each_leg_of_okx_is_margined_by_the_row_of_its_own_size(step: int) -> None:
    rows = [LONG | {"mmr": ""}, {"posSide": "short", "pos": "100", "mmr": ""}][::step]
    document = imported(*legs(*rows), TIERS)
    rates = {row["size"]: row["tier"]["maintenance_rate"] for row in document["positions"]}
    assert rates == {"10": "0.03", "-1": "0.004"}
    notes = " ".join(document["notes"])
    assert "BTC-USDT-SWAP/long is margined by the venue's row" in notes
    assert "BTC-USDT-SWAP/short is margined by the venue's row" in notes


@pytest.mark.parametrize("step", [1, -1])
def test_the_rate_of_each_leg_of_okx_is_that_of_its_own_requirement(step: int) -> None:
    held = {"instId": "BTC-USD-SWAP", "markPx": "100000", "upl": "0", "posSide": "short"}
    held |= {"pos": "1000", "notionalUsd": "100000", "mmr": "0.01"}
    rows = [held, held | {"posSide": "long", "pos": "5000", "mmr": "0.05"}][::step]
    rows = [row | {"notionalUsd": f"{row['pos']}00"} for row in rows]
    document = imported(*legs(*rows))
    assert [row["tier"]["maintenance_rate"] for row in document["positions"]] == ["0.01", "0.01"]


def test_a_requirement_of_no_round_rate_keeps_its_quotient() -> None:
    (row,) = imported(*okx(mmr="404.123456"))["positions"]
    rate = D(row["tier"]["maintenance_rate"])
    assert abs(rate * 101_000 - D("404.123456")) < D("0.000001")


def test_the_rate_of_bybit_is_its_requirement_less_the_fee_to_close() -> None:
    # fee: 100 * 20 * (1 + 1/10) * 0.055 % = 1.21; the rest is 1 % of 2,100
    document = imported(bybit())
    assert document["positions"][0]["tier"] == {"maintenance_rate": "0.01"}
    assert any("the fee to close is taken out" in note for note in document["notes"])


@pytest.mark.parametrize("changes", [{"positionMM": "22.123457"}, {"leverage": ""}])
def test_a_requirement_that_is_no_rate_and_a_fee_says_so(changes: dict[str, str]) -> None:
    document = imported(bybit(**changes))
    assert "tier" not in document["positions"][0]
    notes = " ".join(document["notes"])
    assert "no one round rate" in notes
    assert "no bracket table of LINKUSDT" in notes
    assert "bybit:limits" in notes


def test_a_table_that_is_built_in_stays() -> None:
    document = imported(bybit(symbol="BTCUSDT", markPrice="21"), venue="bybit-uta")
    notes = " ".join(document.get("notes", []))
    assert "tier" not in document["positions"][0]
    assert "no bracket table" not in notes


def test_an_account_of_before_the_first_table_is_told_at_import() -> None:
    old = {**bybit(), "time": 1560000000000}
    assert any("--venue bybit-uta@2024-01" in note for note in imported(old)["notes"])
    dated = imported(old, venue="bybit-uta@2024-01")
    assert not any("refuses this document" in note for note in dated["notes"])


def inverse(**changes: object) -> dict[str, Any]:
    """Return a position of 6,000 USD: 0.1 BTC at the mark, 0.12 BTC at the entry."""
    held = {
        "symbol": "BTCUSD",
        "size": "6000",
        "avgPrice": "50000",
        "markPrice": "60000",
        "positionMM": "0.0005594",
        "positionValue": "0.12",
    }
    answer = bybit(**held | changes)
    answer["result"]["category"] = "inverse"
    return answer


def test_the_rate_of_an_inverse_contract_of_bybit_is_on_its_worth_in_coin() -> None:
    # a short's fee: 0.12 * (1 - 1/10) * 0.055 % = 0.0000594 BTC; the rest is 0.5 % of 0.1 BTC
    document = imported(inverse())
    assert document["positions"][0]["tier"] == {"maintenance_rate": "0.005"}
    assert any("BTCUSD is margined at 0.5 %" in note for note in document["notes"])
    # a long's bankruptcy price is lower and its coin worth more there: 0.0000726
    long = imported(inverse(side="Buy", positionMM="0.0005726"))
    assert long["positions"][0]["tier"] == {"maintenance_rate": "0.005"}


def test_an_inverse_requirement_comes_out_of_a_check_as_it_went_in() -> None:
    coin = {"coin": "BTC", "walletBalance": "1", "equity": "1", "usdValue": "60000"}
    wallet = {
        "retCode": 0,
        "result": {"list": [{"accountType": "UNIFIED", "coin": [coin]}]},
        "time": int(TIME),
    }
    document = imported(inverse(), wallet)
    document["collateral"][0]["weight"] = "1"
    account = read_account(json.dumps(document), title="account")
    report = check(account).units[0].report
    assert report is not None
    assert report.maintenance_margin == D("0.0005594") * 60000


@pytest.mark.parametrize(
    "changes",
    [
        {"positionMM": "0.00056"},
        {"positionMM": "0.0006"},
        {"positionMM": "33.5"},
        {"leverage": ""},
        {"avgPrice": "40000"},
    ],
)
def test_an_inverse_requirement_that_tells_no_one_rate_says_so(changes: dict[str, str]) -> None:
    document = imported(inverse(**changes))
    assert "tier" not in document["positions"][0]
    notes = " ".join(document["notes"])
    assert "the venue's row cannot be told from it" in notes
    assert "no bracket table of BTCUSD" in notes


def test_an_inverse_contract_is_told_by_its_name_where_the_answer_lost_its_category() -> None:
    answer = inverse()
    del answer["result"]["category"]
    assert imported(answer)["positions"][0]["tier"] == {"maintenance_rate": "0.005"}


def test_few_printed_digits_tell_no_round_rate() -> None:
    (row,) = imported(*okx(mmr="400"))["positions"]
    assert D(row["tier"]["maintenance_rate"]) * 101_000 - 400 < D("0.001")


@pytest.mark.parametrize(
    ("symbol", "delivery"),
    [
        ("BTCUSDM26", "2026-06-26T08:00:00Z"),
        ("ETHUSDZ26", "2026-12-25T08:00:00Z"),
        ("BTCUSDH27", "2027-03-26T08:00:00Z"),
        ("BTCUSDU21", "2021-09-24T08:00:00Z"),  # the venue's own alias then: BTCUSD0924
        ("BTCUSDM21", "2021-06-25T08:00:00Z"),  # BTCUSD0625
    ],
)
def test_a_quarterly_inverse_contract_of_bybit_delivers_on_a_last_friday(
    symbol: str, delivery: str
) -> None:
    (row,) = imported(inverse(symbol=symbol))["positions"]
    assert row["spec"] == {
        "kind": "inverse_future",
        "base": symbol[:3],
        "settle": symbol[:3],
        "contract_size": "1",
        "expiry": delivery,
    }
    assert row["tier"] == {"maintenance_rate": "0.005"}


def test_an_inverse_contract_of_another_name_is_not_guessed() -> None:
    (row,) = imported(inverse(symbol="BTCUSDX26"))["positions"]
    assert "spec" not in row


def test_contracts_without_a_table_are_one_note() -> None:
    answer = bybit(positionMM="")
    (row,) = answer["result"]["list"]
    answer["result"]["list"] = [row, row | {"symbol": "NEWUSDT"}]
    notes = [note for note in imported(answer)["notes"] if "no bracket table" in note]
    (note,) = notes
    assert note.startswith("no bracket table of LINKUSDT, NEWUSDT: requirements are unknown")
