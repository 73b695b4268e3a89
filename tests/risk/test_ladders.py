"""Ladders: exact on every rung, with a rung wherever something happens."""

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, read_account
from keelmark.cli.ladder_table import ladder_lines
from keelmark.core.errors import InvalidInput, MissingMarkPrice
from keelmark.core.joint_move import joint_moves
from keelmark.core.liquidation_price import PriceStatus, liquidation_prices
from keelmark.core.margin import margin_report
from keelmark.risk.ladders import LIQUIDATION, NOW, ladder, recoveries, stretch_words, stretches
from keelmark.risk.what_if import whatif
from tests.risk.strategies import documents

NEAR = Decimal("1e-9")


def account_of(content: dict[str, Any]) -> Account:
    return read_account(json.dumps(content))


def book(*rows: tuple[str, str, str], usdt: str = "20000", **changes: object) -> dict[str, Any]:
    marks = {"BTCUSDT": "60000", "ETHUSDT": "3000", "BTCUSD": "60000"}
    positions = [
        {"instrument": symbol, "size": size, "entry_price": entry, "mark_price": marks[symbol]}
        for symbol, size, entry in rows
    ]
    collateral = [{"asset": "USDT", "balance": usdt}]
    start = {"venue": "generic@2025-10", "collateral": collateral, "positions": positions}
    return {**start, **changes}


@settings(max_examples=25)
@given(content=documents(isolated=False), steps=st.integers(2, 9))
def test_every_rung_is_the_margin_of_the_moved_document(
    content: dict[str, Any], steps: int
) -> None:
    account = account_of(content)
    symbol = content["positions"][0]["instrument"]
    coin = account.model.instrument(symbol).instrument.base
    found = ladder(account, coin, steps=steps)
    for rung in found.rungs:
        if rung.move == 0:
            moved = account
        else:
            moved = whatif(account, f"price {coin}={rung.move * 100:f}%").after.account
        (unit,) = (u for u in moved.units if u.unit_id == found.unit_id)
        report = margin_report(unit, moved.market, moved.model)
        close = Decimal("1e-20") * abs(report.equity_raw) + Decimal("1e-20")
        assert abs(rung.margin.equity - report.equity) <= close
        assert abs(rung.margin.maintenance_margin - report.maintenance_margin) <= close
        assert abs(rung.margin.initial_margin - report.initial_margin) <= close


@settings(max_examples=50)
@given(content=documents(isolated=False), usdt=st.integers(-2_000_000, 500_000))
def test_the_liquidations_of_one_mark_are_the_liquidation_prices_of_core(
    content: dict[str, Any], usdt: int
) -> None:
    content = {**content, "collateral": [{"asset": "USDT", "balance": str(usdt)}]}
    content["prices"] = {"BTC": "60050"}
    account = account_of(content)
    symbol = content["positions"][0]["instrument"]
    unit = next(u for u in account.units if u.positions)
    found = ladder(account, symbol, low=Decimal("-0.9"), high=Decimal(3), steps=5)
    exact = liquidation_prices(unit, symbol, account.market, account.model)
    mark = account.market.marks[symbol]
    low, high = mark * Decimal("0.1"), mark * 4
    expected = sorted(price for price in exact.values if low < price < high)
    prices = [rung.price for rung in found.liquidations]
    assert len(prices) == len(expected)
    for one, other in zip(prices, expected, strict=True):
        assert one is not None
        assert abs(one - other) <= NEAR * other


@settings(max_examples=25)
@given(content=documents(isolated=False), usdt=st.integers(-500_000, 300_000))
def test_all_prices_together_fall_where_the_joint_move_says(
    content: dict[str, Any], usdt: int
) -> None:
    content = {**content, "collateral": [{"asset": "USDT", "balance": str(usdt)}]}
    content["prices"] = {"BTC": "60050"}
    account = account_of(content)
    unit = next(u for u in account.units if u.positions)
    down, up = joint_moves(unit, account.market, account.model)
    found = ladder(account, low=Decimal("-0.9"), high=Decimal(5), steps=3)
    for move, side in ((down, -1), (up, 1)):
        if move.status is PriceStatus.UNKNOWN:
            continue
        mine = [r.move for r in found.liquidations if r.move * side > 0]
        nearest = min(map(abs, mine), default=None)
        if move.size and move.size < Decimal("0.9"):
            assert nearest is not None
            assert abs(nearest - move.size) <= NEAR


def test_coins_held_only_as_collateral_move_with_all_prices() -> None:
    content = book(("BTCUSDT", "0.1", "60000"), usdt="-150000")
    content["collateral"] += [{"asset": coin, "balance": "1000"} for coin in ("SOL", "AVAX")]
    content["prices"] = {"SOL": "100", "AVAX": "100"}
    account = account_of(content)
    found = ladder(account, low=Decimal("-0.4"), high=Decimal("0.1"), steps=6)
    (unit,) = account.units
    down, _ = joint_moves(unit, account.market, account.model)
    assert down.size is not None
    assert any(abs(rung.move + down.size) <= NEAR for rung in found.liquidations)
    for rung in found.rungs:
        if rung.move:
            (moved,) = whatif(account, f"price all={rung.move * 100:f}%").after.account.units
            after = whatif(account, f"price all={rung.move * 100:f}%").after.account
            report = margin_report(moved, after.market, after.model)
            assert abs(report.equity - rung.margin.equity) < Decimal("1e-20")


def test_a_liquidation_has_solvent_and_liquidatable_neighbours() -> None:
    found = ladder(account_of(book(("BTCUSDT", "1", "65000"))), "BTC")
    (fall,) = found.liquidations
    assert found.nearest is fall
    assert found.axis.at(fall.move - Decimal("1e-9")).is_liquidatable
    assert not found.axis.at(fall.move + Decimal("1e-9")).is_liquidatable
    assert fall.price == found.axis.price(fall.move)


def test_there_is_a_rung_at_every_edge_of_a_formula() -> None:
    content = book(
        ("BTCUSDT", "20", "65000"), usdt="900000", collateral=[{"asset": "USDT", "balance": "9e5"}]
    )
    found = ladder(account_of(content), "BTC", steps=3)
    named = {what: rung.price for rung in found.rungs for what in rung.what}
    assert named["BTCUSDT at tier floor 1,000,000"] == 50000
    entry = named["BTCUSDT at entry"]
    assert entry is not None
    assert abs(entry - 65000) < NEAR
    assert named[NOW] == 60000
    inverse = book(("BTCUSD", "60000", "60000"), prices={"BTC": "60000"})
    inverse["collateral"] = [{"asset": "BTC", "balance": "0.5"}]
    along = ladder(account_of(inverse), "BTC", low=Decimal("-0.45"), steps=3)
    assert any("BTC turns into a debt" in what for rung in along.rungs for what in rung.what)


def test_one_mark_leaves_the_price_of_its_coin_and_a_coin_takes_it_along() -> None:
    content = book(("ETHUSDT", "-5", "3000"))
    content["collateral"] = [{"asset": "ETH", "balance": "10"}]
    account = account_of(content)
    alone = ladder(account, "ETHUSDT", low=Decimal("-0.1"), high=Decimal("0.1"), steps=2)
    coin = ladder(account, "ETH", low=Decimal("-0.1"), high=Decimal("0.1"), steps=2)
    # short five, and ten coins at 0.95
    assert alone.rungs[-1].margin.equity - alone.rungs[0].margin.equity == -5 * 600
    assert coin.rungs[-1].margin.equity - coin.rungs[0].margin.equity == (9.5 - 5) * 600


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(1, 40), min_size=2, max_size=2), usdt=st.integers(1, 400_000))
def test_mirrored_books_have_mirrored_ladders(sizes: list[int], usdt: int) -> None:
    rows = [("BTCUSDT", str(sizes[0]), "60000"), ("ETHUSDT", str(sizes[1]), "3000")]
    turned = [(symbol, f"-{size}", entry) for symbol, size, entry in rows]
    long, short = (
        ladder(account_of(book(*held, usdt=str(usdt))), "all", steps=11) for held in (rows, turned)
    )
    for rung in (r for r in long.rungs if set(r.what) <= {NOW}):
        # entered at the mark: what one side wins on a rise the other wins on the same fall
        other = short.axis.at(rung.move.copy_negate())
        assert rung.margin.equity == other.equity
    for one in (long, short):
        for rung in one.rungs:
            same = (long.axis.at(rung.move), short.axis.at(rung.move))
            assert {m.maintenance_margin for m in same} == {rung.margin.maintenance_margin}


def test_a_vector_moves_each_coin_by_its_own_step() -> None:
    account = account_of(book(("BTCUSDT", "1", "60000"), ("ETHUSDT", "10", "3000")))
    found = ladder(account, {"BTC": Decimal(1), "ETH": Decimal(2)}, low=Decimal("-0.1"), steps=3)
    first, last = found.rungs[0], found.rungs[-1]
    assert last.margin.equity - first.margin.equity == Decimal("0.6") * (60000 + 2 * 30000)
    assert first.price is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("BTCUSDT", "1", "60000")], "liquidated below 40,"),
        ([("BTCUSDT", "-1", "60000")], "liquidated above 79,"),
        ([("BTCUSDT", "0.1", "60000")], "not liquidated from -50.0 % to +50.0 %"),
    ],
)
def test_the_answer_is_said_in_words(rows: list[tuple[str, str, str]], words: str) -> None:
    assert stretch_words(ladder(account_of(book(*rows)), "BTC")).startswith(words)


def test_stretches_and_rungs_agree() -> None:
    found = ladder(account_of(book(("BTCUSDT", "1", "60000"), ("ETHUSDT", "-20", "3000"))), "BTC")
    inside = [
        (
            first.move if first else found.rungs[0].move - 1,
            last.move if last else found.rungs[-1].move + 1,
        )
        for first, last in stretches(found)
    ]
    for rung in found.rungs:
        if LIQUIDATION not in rung.what:
            expected = any(low < rung.move < high for low, high in inside)
            assert rung.margin.is_liquidatable is expected


def test_the_grid_is_even_and_holds_now() -> None:
    found = ladder(account_of(book(("BTCUSDT", "1", "60000"))), "BTC", steps=4)
    plain = [rung.move for rung in found.rungs if not rung.what]
    steps = {after - before for before, after in pairwise(plain)}
    assert len(steps) == 1
    assert any(NOW in rung.what for rung in found.rungs)


@pytest.mark.parametrize(
    ("along", "options", "message"),
    [
        ("BTX", {}, "reads no price of 'BTX'; did you mean 'BTC'?"),
        ("BTC", {"low": Decimal(-1)}, "takes a price of BTC to zero"),
        ("BTC", {"low": Decimal(1)}, "the lower end must be below the upper one"),
        ("BTC", {"steps": 1}, "1 steps: between 2 and 2001"),
        ("BTC", {"unit_id": "crosss"}, "did you mean 'cross'?"),
        ({"SOL": Decimal(1)}, {}, "holds nothing on 'SOL'"),
        ({"BTC": Decimal(0)}, {}, "at least one price with a non-zero change"),
        ({"BTC": Decimal(-4)}, {"high": Decimal(1)}, "to zero; stay inside it"),
    ],
)
def test_what_makes_no_ladder_is_refused(
    along: str | dict[str, Decimal], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        ladder(account_of(book(("BTCUSDT", "1", "60000"))), along, **options)
    assert message in str(caught.value)


def test_an_account_without_positions_or_prices_says_so() -> None:
    with pytest.raises(InvalidInput, match="holds no position"):
        ladder(account_of(book()))
    content = book(("BTCUSDT", "1", "60000"))
    content["collateral"] = [{"asset": "SOL", "balance": "1"}]
    with pytest.raises(MissingMarkPrice):
        ladder(account_of(content), "BTC")


def test_a_frame_and_a_document_hold_every_rung() -> None:
    found = ladder(account_of(book(("BTCUSDT", "1", "60000"))), "BTC")
    assert found.to_polars().height == len(found.rungs)
    rungs: Any = found.document()["rungs"]
    assert Decimal(rungs[0]["move"]) == found.rungs[0].move
    assert "equity" in found._repr_html_()


@pytest.mark.parametrize(
    ("size", "entry", "usdt", "word"),
    [
        ("1", "64000", "1000", "USDT is no longer a debt"),
        ("1", "60000", "3000", "USDT turns into a debt"),
        ("-1", "60000", "3000", "USDT turns into a debt"),
        ("-1", "56000", "1000", "USDT is no longer a debt"),
    ],
)
def test_words_of_an_edge_follow_the_direction_away_from_now(
    size: str, entry: str, usdt: str, word: str
) -> None:
    position = {"instrument": "BTCUSDT", "size": size, "entry_price": entry, "mark_price": "60000"}
    collateral = [{"asset": "USDT", "balance": usdt}, {"asset": "BTC", "balance": "1"}]
    content = {"venue": "binance-usdm-multi@2025-12", "collateral": collateral}
    prices = {"USDT": "1", "BTC": "60000"}
    account = account_of({**content, "positions": [position], "prices": prices})
    rungs = ladder(account, "BTCUSDT").rungs
    # 3000 USDT are gone after a loss of 3000, that is 5 %; so are 3000 of debt after a gain
    (edge,) = (rung for rung in rungs if any("debt" in what for what in rung.what))
    assert word in edge.what
    assert edge.move == Decimal("0.05") * (
        -1 if (word.endswith("into a debt")) == (size == "1") else 1
    )


def test_where_a_liquidatable_unit_is_healthy_again_is_a_recovery() -> None:
    healthy = ladder(account_of(book(("BTCUSDT", "1", "60000"))), "BTC")
    assert len(healthy.liquidations) == 1
    assert recoveries(healthy) == ()
    sunk = ladder(account_of(book(("BTCUSDT", "1", "85000"))), "BTC")
    (rung,) = recoveries(sunk)
    assert rung.move > 0
    lines = "\n".join(ladder_lines(sunk))
    assert "<- recovers" in lines
    assert "<- liquidation" not in lines
    assert sunk.document()["recoveries"] == sunk.document()["liquidations"]
