"""What venues answer becomes an account document; what they leave out is said."""

from decimal import Decimal
from pathlib import Path

import pytest

from keelmark.accounts.importers import Payload, import_account, payload_kinds, read_payload
from keelmark.core.errors import InvalidDocument
from tests.accounts.importers.answers import (
    BINANCE_ACCOUNT,
    BINANCE_BALANCE,
    BINANCE_ORDERS,
    BINANCE_RISK,
    BYBIT_POSITIONS,
    BYBIT_WALLET,
    bybit,
)
from tests.accounts.importers.reading import as_payload, imported, refused, unknown


def test_a_binance_account_holds_cross_wallets_and_both_kinds_of_positions() -> None:
    document = imported(BINANCE_ACCOUNT)

    assert document["venue"] == "binance-usdm"
    assert document["collateral"] == [
        {"asset": "USDT", "balance": "2000"},
        {"asset": "BNB", "balance": "0.5"},
    ]
    cross, isolated = document["positions"]
    assert cross == {
        "instrument": "BTCUSDT",
        "size": "0.2",
        "entry_price": "60000",
        "mark_price": "61250",
        "leverage": "20",
        "margin_mode": "cross",
    }
    assert isolated["size"] == "-1000"
    assert isolated["mark_price"] == "0.26"
    assert isolated["isolated_margin"] == "60"
    assert (
        "mark prices of BTCUSDT, DOGEUSDT worked out from the venue's own figures"
        in document["notes"]
    )
    assert document["venue_reported"]["maintenance_margin"]["BTCUSDT"] == "49"
    assert list(unknown(document)) == ["orders"]


def test_multi_assets_mode_is_another_rulebook() -> None:
    document = imported({**BINANCE_ACCOUNT, "multiAssetsMargin": True})

    assert document["venue"] == "binance-usdm-multi"


def test_a_balance_alone_knows_no_positions() -> None:
    document = imported(BINANCE_BALANCE)

    assert list(unknown(document)) == ["positions", "orders"]
    assert "GET /fapi" in document["unknown"][0]["why"]


def test_balance_positions_and_orders_make_a_whole_account() -> None:
    document = imported(BINANCE_BALANCE, BINANCE_RISK, BINANCE_ORDERS)

    assert "unknown" not in document
    assert document["account_mode"] == "hedge"
    assert [row["size"] for row in document["positions"]] == ["0.3", "-0.1"]
    assert document["orders"] == [
        {
            "instrument": "BTCUSDT",
            "side": "sell",
            "size": "0.200",
            "price": "70000",
            "reduce_only": False,
        },
    ]
    assert "order 2 has no price and is left out" in document["notes"]


def test_a_liquidation_price_of_zero_is_no_price() -> None:
    assert "venue_reported" not in imported(BINANCE_BALANCE, BINANCE_RISK)


def test_a_bybit_wallet_gives_balances_debts_and_the_prices_it_used() -> None:
    document = imported(BYBIT_WALLET, BYBIT_POSITIONS)

    assert document["venue"] == "bybit-uta"
    assert document["as_of"] == "2025-10-10T21:00:00Z"
    assert document["collateral"] == [
        {"asset": "USDT", "balance": "10000.5"},
        {"asset": "ETH", "balance": "0"},
        {"asset": "DOGE", "balance": "0"},
    ]
    assert document["liabilities"] == [{"asset": "ETH", "amount": "1.5"}]
    assert document["accrued_interest"] == {"ETH": "0.001"}
    assert document["prices"] == {"USDT": "0.9999", "ETH": "3000", "DOGE": "0.25"}
    assert "1000 DOGE is switched off as collateral and left out" in document["notes"]
    (short,) = document["positions"]
    assert (short["instrument"], short["size"]) == ("ETHUSDT", "-5")
    assert document["account_mode"] == "hedge"
    assert "liquidation_price" not in document["venue_reported"]


def test_isolated_bybit_positions_carry_their_own_margin() -> None:
    row = {**BYBIT_POSITIONS["result"]["list"][0], "tradeMode": 1}
    document = imported(BYBIT_WALLET, bybit([row]))

    assert document["positions"][0]["margin_mode"] == "isolated"
    assert document["positions"][0]["isolated_margin"] == "3000"


def test_a_table_of_answers_is_taken_apart() -> None:
    together = {"wallet": BYBIT_WALLET, "positions": BYBIT_POSITIONS, "taken": "by hand"}

    assert imported(together) == imported(BYBIT_WALLET, BYBIT_POSITIONS)


def test_an_empty_answer_needs_its_kind() -> None:
    text = refused(BINANCE_BALANCE, [])
    assert "answer: is empty and tells nothing of itself; name its kind" in text

    empty = Payload(title="positions.json", content=[], kind="binance-usdm:positions")
    found = import_account([as_payload(BINANCE_BALANCE), empty])
    assert list(unknown(found.document)) == ["orders"]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([], "there are none; give at least one file"),
        ([{"code": -2015, "msg": "Invalid API-key"}], "the venue answered with an error: -2015"),
        ([{"retCode": 10003, "retMsg": "API key is invalid"}], "an error: 10003 API key is"),
        ([{"hello": "world"}], "is no answer of a known kind; `keelmark import"),
        ([BINANCE_BALANCE, BYBIT_WALLET], "of several venues (binance-usdm, bybit-uta)"),
        (
            [BYBIT_WALLET, bybit(BYBIT_POSITIONS["result"]["list"] * 10, nextPageCursor="x")],
            "call again with this as `cursor`",
        ),
    ],
)
def test_what_cannot_be_imported_is_refused_by_name(contents: list[object], message: str) -> None:
    assert message in refused(*contents)


def test_a_wrong_kind_is_refused_with_the_nearest() -> None:
    wrong = Payload(title="a.json", content=[], kind="binance-usdm:position")
    with pytest.raises(InvalidDocument, match="did you mean 'binance-usdm:positions'"):
        import_account([wrong])


def test_answers_of_two_instants_are_refused() -> None:
    later = [{**BINANCE_RISK[0], "positionSide": "BOTH", "positionAmt": "0.25"}]
    text = refused(BINANCE_ACCOUNT, later)
    assert "found size 0.25 of BTCUSDT; answer.positions[0] has 0.200" in text
    assert "different instants" in text

    other = [{**BINANCE_BALANCE[0], "crossWalletBalance": "1999"}]
    assert "found 1999 USDT; another answer has 2000" in refused(BINANCE_ACCOUNT, other)


def test_numbers_that_are_none_are_named_with_their_place() -> None:
    broken = [{**BINANCE_RISK[0], "positionAmt": "", "entryPrice": "1,5"}]
    text = refused(BINANCE_BALANCE, broken)

    assert "answer[0].positionAmt: is empty; it is required" in text


def test_a_position_without_any_price_names_what_is_missing() -> None:
    bare = [{"symbol": "BTCUSDT", "positionAmt": "1", "markPrice": "", "unRealizedProfit": ""}]
    bare[0] |= {"notional": "", "entryPrice": "50000"}

    assert "no mark_price of BTCUSDT in these answers" in refused(BINANCE_BALANCE, bare)


def test_prices_and_venue_can_be_given() -> None:
    document = imported(BINANCE_ACCOUNT, venue="generic", prices={"BNB": Decimal("600.5")})

    assert document["venue"] == "generic"
    assert document["prices"] == {"BNB": "600.5"}


def test_every_kind_has_its_own_alias() -> None:
    aliases = [kind.alias for kind in payload_kinds()]

    assert len(aliases) == len(set(aliases))


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("<html>")
    with pytest.raises(InvalidDocument, match="not JSON"):
        read_payload(tmp_path / "a.json")
    with pytest.raises(InvalidDocument, match="cannot be read"):
        read_payload(tmp_path / "b.json")
