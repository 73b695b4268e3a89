"""ccxt's structures: the venue's own answer inside them is read where it is known."""

from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.importers import import_account
from tests.accounts.importers.answers import BINANCE_ACCOUNT, BINANCE_RISK, BYBIT_POSITIONS
from tests.accounts.importers.hyperliquid_answers import MIXED
from tests.accounts.importers.other_answers import DERIBIT_POSITIONS, OKX_BALANCE, OKX_POSITIONS
from tests.accounts.importers.reading import as_payload, imported, refused, unknown


def balance(info: object, **currencies: object) -> dict[str, Any]:
    parts: dict[str, Any] = {"free": {}, "used": {}, "total": {}}
    return {"info": info, **parts, **currencies, "timestamp": None, "datetime": None}


def row(info: object, symbol: str = "BTC/USDT:USDT", **fields: object) -> dict[str, Any]:
    empty = dict.fromkeys(
        (
            *("contracts", "contractSize", "entryPrice", "markPrice", "notional", "leverage"),
            *("side", "hedged", "marginMode", "collateral", "unrealizedPnl", "liquidationPrice"),
            *("initialMargin", "maintenanceMargin", "timestamp"),
        ),
    )
    return {**empty, "info": info, "symbol": symbol, **fields}


USDT = {"free": 900.5, "used": 100.0, "total": 1000.5}
PLAIN = row(
    {"contract": "BTC_USDT"},
    contracts=20,
    contractSize=0.0001,
    side="short",
    entryPrice=60000,
    markPrice=61000,
    leverage=10,
    liquidationPrice=0,
    marginMode="cross",
)


TIERS = {
    "BTC/USDT:USDT": [
        {"tier": 1, "minNotional": 0, "maintenanceMarginRate": 0.004, "maxLeverage": 125},
        {"tier": 2, "minNotional": 100, "maintenanceMarginRate": 0.005, "maxLeverage": 100},
    ],
}


# --- the venue's own answer ---------------------------------------------------------------------


def test_the_venues_own_answer_inside_is_read_instead() -> None:
    assert imported([row(info) for info in BINANCE_RISK]) == imported(BINANCE_RISK)
    assert imported(balance(BINANCE_ACCOUNT, USDT=USDT)) == imported(BINANCE_ACCOUNT)


def test_rows_of_bybit_get_their_envelope_back() -> None:
    infos = BYBIT_POSITIONS["result"]["list"]
    linear, inverse = row(infos[0], "ETH/USDT:USDT"), row({**infos[0], "symbol": "BTCUSD"})
    document = imported([linear, {**inverse, "symbol": "BTC/USD:BTC"}])
    assert document["venue"] == "bybit-uta"
    assert [p["instrument"] for p in document["positions"]] == ["ETHUSDT", "BTCUSD"]
    assert document["positions"][1].get("spec", {}).get("contract_size", "1") == "1"


def test_answers_of_okx_and_deribit_are_found_inside() -> None:
    okx = imported(balance(OKX_BALANCE), [row(info) for info in OKX_POSITIONS["data"]])
    assert okx["venue"] == "okx-multi"
    assert len(okx["positions"]) == 2
    deribit = imported([row(info, "BTC/USD:BTC") for info in DERIBIT_POSITIONS["result"]])
    assert deribit["venue"] == "deribit-sm"


def test_hyperliquid_positions_are_those_of_its_state() -> None:
    rows = [row(info, "HYPE/USDC:USDC") for info in MIXED["assetPositions"]]
    assert imported(balance(MIXED), rows)["positions"] == imported(MIXED)["positions"]
    assert "collateral" in unknown(imported(rows))


# --- unified fields -----------------------------------------------------------------------------


def test_unified_fields_are_read_where_nothing_better_is_known() -> None:
    document = imported(balance({}, USDT=USDT, BTC={"free": 0, "used": 0, "total": 0}), [PLAIN])
    assert document["venue"] == "generic"
    assert document["collateral"] == [{"asset": "USDT", "balance": "1000.5"}]
    (position,) = document["positions"]
    assert position == {
        "instrument": "BTC_USDT",
        "size": "-0.002",
        "entry_price": "60000",
        "mark_price": "61000",
        "leverage": "10",
        "margin_mode": "cross",
        "spec": {"kind": "linear_perpetual", "base": "BTC", "settle": "USDT"},
    }
    assert "venue_reported" not in document  # a liquidation price of 0 is none
    notes = " ".join(document["notes"])
    assert "generic rules are taken; name it by --venue" in notes
    assert "`total` is taken as wallet balance" in notes
    assert imported([PLAIN], venue="okx-multi")["venue"] == "okx-multi"


def test_a_venue_that_is_named_gives_its_rules_and_its_symbols() -> None:
    unified = row({}, **{k: v for k, v in PLAIN.items() if k not in {"info", "symbol"}})
    order = {
        "info": {},
        "id": "1",
        "symbol": "BTC/USDT:USDT",
        "side": "buy",
        "amount": 1,
        "remaining": 1,
        "price": 50000,
        "clientOrderId": None,
        "timestamp": None,
    }
    document = imported([unified], as_payload([order], kind="ccxt:orders"), venue="binance-usdm")
    assert document["venue"] == "binance-usdm"
    (position,) = document["positions"]
    assert position["instrument"] == "BTCUSDT"
    assert "spec" not in position
    assert [placed["instrument"] for placed in document["orders"]] == ["BTCUSDT"]
    notes = " ".join(document["notes"])
    assert "do not say the venue" not in notes
    assert "BTC/USDT:USDT is BTCUSDT there" in notes
    okx = imported([unified], venue="okx-multi")
    assert okx["positions"][0]["instrument"] == "BTC-USDT-SWAP"


def test_a_contract_of_another_worth_keeps_ccxts_name() -> None:
    fields = {**PLAIN, "contractSize": 7}
    plain = {k: v for k, v in fields.items() if k not in {"info", "symbol"}}
    inverse = row({}, symbol="BTC/USD:BTC", **plain)
    document = imported([inverse], venue="deribit-sm")
    assert document["positions"][0]["instrument"] == "BTC/USD:BTC"


def test_an_empty_mark_and_contract_size_come_from_the_notional() -> None:
    holed = {**PLAIN, "markPrice": None, "notional": 122}
    assert imported([holed])["positions"][0]["mark_price"] == "61000"
    holed = {**PLAIN, "contractSize": None, "notional": 122}
    document = imported([holed])
    assert document["positions"][0]["size"] == "-0.002"
    assert "contract size of BTC/USDT:USDT worked out" in " ".join(document["notes"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"markPrice": None}, "no mark_price of BTC_USDT"),
        ({"entryPrice": None}, "no entry_price of BTC_USDT"),
        ({"contractSize": None}, "contractSize: is empty, and there is no notional and mark"),
        ({"side": None}, 'side: found None; "long" or "short" is needed'),
        ({"contracts": ""}, "contracts: is empty; it is required"),
        ({"marginMode": "isolated"}, "collateral: is null; it is required"),
        ({"markPrice": -1}, "markPrice: found -1; it must be above 0"),
    ],
)
def test_fields_that_ccxt_leaves_empty_are_named(change: dict[str, Any], message: str) -> None:
    assert message in refused([{**PLAIN, **change}])


def test_margin_of_an_isolated_position_is_collateral_less_profit() -> None:
    isolated = {**PLAIN, "marginMode": "isolated", "collateral": 10, "unrealizedPnl": -2}
    document = imported([isolated])
    assert document["positions"][0]["isolated_margin"] == "12"
    assert "margin of BTC/USDT:USDT is ccxt's collateral less" in " ".join(document["notes"])


def test_isolated_margin_is_part_of_the_total_and_counted_once() -> None:
    isolated = {**PLAIN, "marginMode": "isolated", "collateral": 10, "unrealizedPnl": -2}
    document = imported(balance({}, USDT=USDT), [isolated])
    assert document["collateral"] == [{"asset": "USDT", "balance": "988.5"}]
    assert "12 USDT of ccxt's total is taken to be margin" in " ".join(document["notes"])
    dear = {**isolated, "collateral": 2000}
    beside = imported(balance({}, USDT=USDT), [dear])
    assert beside["collateral"] == [{"asset": "USDT", "balance": "1000.5"}]
    assert "is more than ccxt's total of 1000.5" in " ".join(beside["notes"])


def test_a_position_renamed_for_okx_keeps_its_tier() -> None:
    tiers = {"BTC/USDT:USDT": [{"minNotional": 0, "maintenanceMarginRate": 0.01}]}
    document = imported([{**PLAIN, "info": {}}], tiers, venue="okx-multi")
    (position,) = document["positions"]
    assert position["instrument"] == "BTC-USDT-SWAP"
    assert position["tier"] == {"maintenance_rate": "0.01"}


@pytest.mark.parametrize(("venue", "info"), [("okx-multi", {}), (None, {"maxSz": "100"})])
def test_tiers_of_okx_are_contracts_and_whole(venue: str | None, info: dict[str, str]) -> None:
    rates = ((0, 0.004), (100, 0.01), (1000, 0.05))
    tiers = {
        "BTC/USDT:USDT": [
            {"minNotional": floor, "maintenanceMarginRate": rate, "info": info}
            for floor, rate in rates
        ]
    }
    held = {**PLAIN, "side": "long", "contracts": 300, "contractSize": 0.01, "markPrice": 60000}
    answers = (balance({}, USDT={"free": 5000, "used": 0, "total": 5000}), [held], tiers)
    document = imported(*answers, venue=venue)
    assert document["positions"][0]["tier"] == {"maintenance_rate": "0.01"}
    edge = imported(answers[0], [{**held, "contracts": 100}], tiers, venue=venue)
    assert edge["positions"][0]["tier"] == {"maintenance_rate": "0.004"}
    if venue is not None:
        made = import_account([as_payload(answer) for answer in answers], venue=venue)
        result = check(made.account())
        assert result.main is not None
        assert result.main.total("maintenance_margin") == 1890  # 0.05 % to close
        assert result.main.is_liquidatable is False


def test_an_empty_margin_mode_is_said() -> None:
    notes = imported([{**PLAIN, "marginMode": None}])["notes"]
    assert "ccxt gives no margin mode of BTC/USDT:USDT: cross is taken" in notes


def test_hedge_legs_stay_apart() -> None:
    legs = [{**PLAIN, "hedged": True}, {**PLAIN, "hedged": True, "side": "long"}]
    assert [p["size"] for p in imported(legs)["positions"]] == ["-0.002", "0.002"]


def test_inverse_contracts_stay_contracts() -> None:
    inverse = {**PLAIN, "symbol": "BTC/USD:BTC-260626", "contractSize": 100}
    (position,) = imported([inverse])["positions"]
    assert position["size"] == "-20"
    assert position["spec"] == {
        "kind": "inverse_future",
        "base": "BTC",
        "settle": "BTC",
        "expiry": "2026-06-26T08:00:00Z",
        "contract_size": "100",
    }


def test_tiers_give_the_row_of_the_notional() -> None:
    (position,) = imported([PLAIN], TIERS)["positions"]
    assert position["tier"] == {"maintenance_rate": "0.005", "maintenance_amount": "0.1"}


def test_tiers_whose_rates_fall_are_refused() -> None:
    falling = {"BTC/USDT:USDT": [TIERS["BTC/USDT:USDT"][0], {**TIERS["BTC/USDT:USDT"][1]}]}
    falling["BTC/USDT:USDT"][1]["maintenanceMarginRate"] = 0.003
    assert "a rate falls with the notional" in refused([PLAIN], falling)


def test_orders_and_debts_are_read() -> None:
    order = {
        "info": {"contract": "BTC_USDT"},
        "symbol": "BTC/USDT:USDT",
        "id": "7",
        "side": "buy",
        "amount": 2,
        "remaining": 1.5,
        "price": 50000,
        "reduceOnly": None,
    }
    document = imported(balance({}, USDT={**USDT, "debt": 12}), [PLAIN], [order])
    assert document["liabilities"] == [{"asset": "USDT", "amount": "12"}]
    assert document["orders"][0]["size"] == "1.5"
    spot = imported(balance({}, USDT=USDT), [PLAIN], [{**order, "symbol": "BTC/USDT"}])
    assert spot["orders"] == []


@pytest.mark.parametrize(
    "symbol", ["BTC/USD:BTC-261225-100000-C", "BTC/USDT:USDT-261225-90000-P", "BTC/USDC:USDC-SOON"]
)
def test_options_of_ccxt_are_never_taken_for_contracts(symbol: str) -> None:
    option = {**PLAIN, "symbol": symbol, "contractSize": 1, "info": {}}
    document = imported([PLAIN, option])
    why = unknown(document)["positions"]
    assert f"{symbol} is no perpetual and no dated future" in why
    assert "leave it out" in why
    assert [row["instrument"] for row in document["positions"]] == ["BTC_USDT"]
    placed = {"info": {}, "id": "9", "symbol": symbol, "side": "sell", "amount": 1, "remaining": 1}
    order = as_payload([{**placed, "price": 0.02}], kind="ccxt:orders")
    assert f"order 9 is in {symbol}" in unknown(imported([PLAIN], order))["orders"]
    other = {**option, "symbol": "ETH/USD:ETH-261225-4000-C"}
    both = unknown(imported([PLAIN, option, other]))["positions"]
    assert symbol in both
    assert "ETH/USD:ETH-261225-4000-C" in both
