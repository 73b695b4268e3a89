"""A coin and its collateral in one move: nearest, verdict, words, JSON, explanation, rescue."""

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from keelmark.accounts import check, read_account
from keelmark.accounts.check import Verdict
from keelmark.accounts.check_document import check_document
from keelmark.accounts.explain import explain_account
from keelmark.cli import main
from keelmark.core.errors import MissingNumber
from keelmark.core.joint_move import nearness
from keelmark.core.margin import maintenance_excess
from keelmark.risk.ladders import ladder
from tests.risk.strategies import documents

D = Decimal


def row(instrument: str, size: str, price: str) -> dict[str, Any]:
    prices = {"entry_price": price, "mark_price": price}
    return {"instrument": instrument, "size": size, "leverage": "20", **prices}


def multi(usdt: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "venue": "binance-usdm-multi@2026-05",
        "collateral": [
            {"asset": "USDT", "balance": usdt},
            {"asset": "BTC", "balance": "10"},
        ],
        "prices": {"USDT": "1", "BTC": "100000"},
        "positions": rows,
    }


def portfolio(size: str, usdt: str) -> dict[str, Any]:
    return {
        "venue": "binance-pm@2025-12",
        "collateral": [{"asset": "BTC", "balance": "2"}, {"asset": "USDT", "balance": usdt}],
        "prices": {"USDT": "1"},
        "positions": [row("BTCUSD_PERP", size, "100000")],
    }


NEAR = multi("-800000", row("BTCUSDT", "1", "100000"), row("ETHUSDT", "-10", "4000"))


def test_the_verdict_is_of_the_coin_with_its_collateral() -> None:
    found = check(read_account(json.dumps(NEAR)), warn_distance=D("0.2"))
    nearest = found.units[0].nearest
    assert nearest is not None
    assert (nearest.coin, nearest.instrument) == ("BTC", None)
    assert all(abs(p.distance) > abs(nearest.distance) for p in found.positions if p.distance)
    assert found.verdict is Verdict.WARNING
    assert found.units[0].headline.startswith("BTC with its collateral -")
    document: Any = check_document(found)
    assert document["nearest_move"]["coin"] == "BTC"
    down = next(c for c in document["coin_moves"] if c["distance"] and c["coin"] == "BTC")
    assert down["direction"] == "down"
    assert down["moves"] == ["BTCUSDT", "BTC"]
    assert down["distance"] == document["nearest_move"]["distance"]


def test_the_terminal_says_it_and_the_exit_code_is_its() -> None:
    done = CliRunner().invoke(main, ["check", "-", "--warn", "20%"], input=json.dumps(NEAR))
    assert "RED  BTC with its collateral -" in done.output
    assert done.exit_code == 1


def test_collateral_without_a_contract_on_it_moves_too() -> None:
    held = multi("-800000", row("ETHUSDT", "-1", "4000"))
    found = check(read_account(json.dumps(held)))
    assert found.units[0].headline.startswith("BTC as collateral -15.8 %")


def test_a_coin_nearer_than_its_contracts_has_a_line_below_them() -> None:
    held = multi("-100000", row("BTCUSDT", "1", "100000"), row("ETHUSDT", "-900", "4000"))
    done = CliRunner().invoke(main, ["check", "-"], input=json.dumps(held))
    found = check(read_account(json.dumps(held))).units[0]
    assert found.nearest is not None
    assert found.nearest.instrument == "ETHUSDT"
    assert "\n  BTC with its collateral -" in done.output


@pytest.mark.parametrize(
    ("size", "usdt", "price"), [("-3000", "10000", "308740"), ("2000", "-60000", None)]
)
def test_the_coin_moves_with_the_mark_that_stands_for_it(
    size: str, usdt: str, price: str | None
) -> None:
    account = read_account(json.dumps(portfolio(size, usdt)))
    found = check(account)
    (position,) = found.positions
    assert position.naive is None
    assert found.units[0].nearest is not None
    assert position.distance is not None
    assert nearness(position.distance) == nearness(found.units[0].nearest.distance)
    if price is not None:
        assert position.liquidation.value is not None
        assert abs(position.liquidation.value - D(price)) < D("1e-15")
    assert any("stands for it, and moves with it" in note for note in account.notes)
    work = explain_account(account, "liquidation_price:BTCUSD_PERP")
    assert work.value == position.liquidation.value
    assert abs(work.parts[0].value or D(0)) < D("1e-8")
    given = portfolio(size, usdt)
    given["prices"]["BTC"] = "100000"
    apart = check(read_account(json.dumps(given)))
    (alone,) = apart.positions
    assert alone.liquidation.value != position.liquidation.value
    assert apart.units[0].nearest is not None
    assert nearness(apart.units[0].nearest.distance) == nearness(position.distance)


def test_a_move_of_a_coin_opens_to_its_working() -> None:
    account = read_account(json.dumps(NEAR))
    nearest = check(account).units[0].nearest
    assert nearest is not None
    work = explain_account(account, "coin_move:BTC")
    assert work.value == nearest.distance
    assert abs(work.parts[0].value or D(0)) < D("1e-8")
    whole = explain_account(account, "nearest_move")
    assert (whole.value, whole.note) == (nearest.distance, "it is coin_move:BTC")


@settings(max_examples=25)
@given(content=documents(isolated=False))
def test_a_coin_moves_as_far_as_its_ladder_says(content: dict[str, Any]) -> None:
    account = read_account(json.dumps(content))
    (unit,) = check(account).units
    for coin in unit.coin_moves:
        if coin.coin.name == "USDT" or coin.distance in (None, 0):
            continue
        assert coin.distance is not None
        low, high = sorted((coin.distance * D("0.9"), coin.distance * D("1.1")))
        low = max(low, D("-0.9999"))
        found = ladder(account, coin.coin.name, low=low, high=high, steps=3)
        assert any(abs(r.move - coin.distance) < D("1e-9") for r in found.liquidations) or (
            abs(maintenance_excess(unit.unit, account.market, account.model)) < D("1e-9")
        )


def test_without_a_price_nothing_of_a_coin_is_told() -> None:
    held = multi("-800000", row("ETHUSDT", "-1", "4000"))
    del held["prices"]["BTC"]
    account = read_account(json.dumps(held))
    with pytest.raises(MissingNumber):
        explain_account(account, "coin_move:BTC")
    assert check(account).units[0].coin_moves == ()


@pytest.mark.parametrize(
    ("size", "usdt"), [("-3000", "10000"), ("2000", "-60000"), ("3000", "-120000")]
)
def test_the_bankruptcy_price_moves_the_coin_with_the_mark_that_stands_for_it(
    size: str, usdt: str
) -> None:
    account = read_account(json.dumps(portfolio(size, usdt)))
    (position,) = check(account).positions
    price = position.bankruptcy.value
    assert price is not None
    # 2 BTC and the profit of 100 USD a contract, all in BTC at its own price, and the USDT
    coin = D(2) + D(size) * 100 * (1 / D(100_000) - 1 / price)
    assert abs(coin * price + D(usdt)) < D("1e-15")
    assert explain_account(account, "bankruptcy_price:BTCUSD_PERP").value == price
    given = portfolio(size, usdt)
    given["prices"]["BTC"] = "100000"
    (apart,) = check(read_account(json.dumps(given))).positions
    held = apart.bankruptcy.value
    assert held is None or abs(held - price) > 1  # its coin held


def test_a_unit_of_one_coin_is_worth_nothing_at_one_price_whatever_the_coin_is_worth() -> None:
    content = portfolio("3000", "0")
    content["collateral"].pop()
    known = {**content, "prices": {"USDT": "1", "BTC": "90000"}}
    (carried,) = check(read_account(json.dumps(content))).positions
    (held,) = check(read_account(json.dumps(known))).positions
    for one, other in (
        (carried.bankruptcy, held.bankruptcy),
        (carried.liquidation, held.liquidation),
    ):
        assert one.value is not None
        assert other.value is not None
        assert abs(one.value - other.value) < D("1e-20")
    assert abs((carried.bankruptcy.value or D(0)) - D(300_000) / (D(2) + 3)) < D("1e-20")


def test_worth_that_no_price_with_its_coin_uses_up_says_so() -> None:
    (position,) = check(read_account(json.dumps(portfolio("-2000", "10000")))).positions
    assert position.bankruptcy.value is None
    assert position.bankruptcy.reason is not None
    assert "BTC moving with it" in position.bankruptcy.reason


def test_a_book_of_both_sides_tells_how_far_its_coins_may_part() -> None:
    rows = [
        {"instrument": symbol, "size": size, "entry_price": price, "mark_price": price}
        for symbol, size, price in (("BTCUSDT", "2", "60000"), ("ETHUSDT", "-48", "2500"))
    ]
    document = {
        "venue": "generic@2025-10",
        "collateral": [{"asset": "USDT", "balance": "40000"}],
        "positions": rows,
    }
    found = check(read_account(json.dumps(document)))
    move = check_document(found)["adverse_move"]
    assert isinstance(move, dict)
    assert move["direction"] == {"BTCUSDT": "-1", "ETHUSDT": "1"}
    assert Decimal(str(move["size"])) < (found.distance or 0)
    long = json.dumps({**document, "positions": rows[:1]})
    told = check_document(check(read_account(long)))["adverse_move"]
    assert isinstance(told, dict)
    assert (told["status"], told["size"]) == ("none", None)


@pytest.mark.parametrize("venue", ["bybit-uta", "okx-multi", "binance-usdm-multi"])
@pytest.mark.parametrize("coin", ["USDC", "FDUSD", "USDT"])
def test_no_dollar_behind_a_short_moves_with_all_prices(venue: str, coin: str) -> None:
    symbol, size = ("BTC-USDT-SWAP", "-1") if venue == "okx-multi" else ("BTCUSDT", "-1")
    position = row(symbol, size, "60000") | {"tier": {"maintenance_rate": "0.01"}}
    document = {
        "venue": venue,
        "collateral": [{"asset": coin, "balance": "40000", "weight": "1"}],
        "prices": {"USDT": "1", coin: "1"},
        "positions": [position],
    }
    (unit,) = check(read_account(json.dumps(document))).units
    assert unit.joint_move is not None
    assert set(unit.joint_move.direction) == {symbol}
    assert unit.joint_move.signed is not None
    assert unit.joint_move.signed > 0
