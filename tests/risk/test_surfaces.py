"""Surfaces: exact at every point, and a contour with the trigger on one side only."""

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keelmark as km
from keelmark.accounts import Account, read_account
from keelmark.accounts.document import AccountDocument
from keelmark.core.errors import InvalidInput
from keelmark.core.margin import margin_report
from keelmark.risk.surfaces import surface
from keelmark.risk.volatility import NO_OPTIONS
from keelmark.risk.what_if import whatif
from keelmark.rulebooks import load_rulebook
from tests.option_books import held, market_at, model_of, option, perpetual, unit_of
from tests.risk.test_ladders import book

STEP = Decimal("1e-7")


def account_of(*rows: tuple[str, str, str], usdt: str = "20000", **changes: object) -> Account:
    return read_account(json.dumps({**book(*rows, usdt=usdt), **changes}))


LONG = (("BTCUSDT", "1", "60000"), ("ETHUSDT", "10", "3000"))
HEDGED = (("BTCUSDT", "2", "60000"), ("ETHUSDT", "-40", "3000"))


@pytest.mark.parametrize("rows", [LONG, HEDGED])
def test_every_point_is_the_margin_of_the_moved_document(
    rows: tuple[tuple[str, str, str], ...],
) -> None:
    account = account_of(*rows)
    found = surface(account, "BTC", "ETH", steps=5)
    for y, line in zip(found.moves_y, found.margins, strict=True):
        for x, margin in zip(found.moves_x, line, strict=True):
            edits = [f"price BTC={x * 100:f}%", f"price ETH={y * 100:f}%"]
            moved = whatif(account, *edits).after.account
            report = margin_report(moved.units[0], moved.market, moved.model)
            assert margin.equity == report.equity
            assert margin.maintenance_margin == report.maintenance_margin
            assert margin.is_liquidatable == report.is_liquidatable


@settings(max_examples=20)
@given(
    btc=st.integers(-5, 5).filter(bool),
    eth=st.integers(-90, 90).filter(bool),
    usdt=st.integers(1_000, 90_000),
)
def test_contour_points_liquidate_on_one_side_only(btc: int, eth: int, usdt: int) -> None:
    account = account_of(
        ("BTCUSDT", str(btc), "60000"), ("ETHUSDT", str(eth), "3000"), usdt=str(usdt)
    )
    found = surface(account, "BTC", "ETH", steps=9)
    for segment in found.contour:
        for x, y in segment:
            sides = {
                found.at(x + dx, y + dy).is_liquidatable
                for dx, dy in ((STEP, 0), (-STEP, 0), (0, STEP), (0, -STEP))
            }
            assert sides == {True, False}


@settings(max_examples=20)
@given(
    btc=st.integers(-5, 5).filter(bool),
    eth=st.integers(-90, 90).filter(bool),
    usdt=st.integers(1_000, 90_000),
)
def test_the_contour_parts_the_grid(btc: int, eth: int, usdt: int) -> None:
    rows = ("BTCUSDT", str(btc), "60000"), ("ETHUSDT", str(eth), "3000")
    found = surface(account_of(*rows, usdt=str(usdt)), "BTC", "ETH", steps=9)
    points = {point for segment in found.contour for point in segment}
    for row, y in enumerate(found.moves_y):
        falls = [margin.is_liquidatable for margin in found.margins[row]]
        changes = sum(one != other for one, other in pairwise(falls))
        on_row = {x for x, place in points if place == y and x not in found.moves_x}
        assert len(on_row) <= changes <= len({x for x, place in points if place == y})


def test_a_surface_through_now_meets_the_liquidation_prices() -> None:
    account = account_of(*LONG)
    found = surface(account, "BTCUSDT", "ETHUSDT", steps=41)
    check = km.check(account)
    on_axis = {x for segment in found.contour for x, y in segment if y == 0}
    price = check.units[0].positions[0]
    assert price.distance is not None
    (move,) = on_axis
    assert abs(move - price.distance) < Decimal("1e-12")


def test_a_span_may_reach_farther_up_than_down() -> None:
    found = surface(account_of(*LONG), "BTC", "ETH", span=(Decimal("-0.9"), Decimal(4)), steps=8)
    assert (found.moves_x[0], found.moves_y[-1]) == (Decimal("-0.9"), Decimal(4))
    now = found.moves_x.index(Decimal(0))
    assert found.margins[now][now] == found.now


def test_mirrored_books_have_mirrored_equity() -> None:
    turned = tuple((symbol, f"-{size}", entry) for symbol, size, entry in LONG)
    long = surface(account_of(*LONG), "BTC", "ETH", steps=5)
    short = surface(account_of(*turned), "BTC", "ETH", steps=5)
    for row, line in enumerate(long.margins):
        for column, margin in enumerate(line):
            assert margin.equity == short.margins[-1 - row][-1 - column].equity


def test_a_coin_held_as_collateral_moves_on_its_own_axis() -> None:
    account = account_of(
        *LONG, collateral=[{"asset": "SOL", "balance": "300"}], prices={"SOL": "150"}
    )
    found = surface(account, "SOL", "BTC", steps=3)
    assert found.margins[0][2].equity - found.margins[0][0].equity == 300 * 150 * Decimal("0.9")


def test_volatility_changes_nothing_of_a_linear_book_and_that_is_said() -> None:
    found = surface(account_of(*LONG), "BTC", "volatility", steps=3)
    assert found.notes == (NO_OPTIONS,)
    assert len({row[0].equity for row in found.margins}) == 1


def option_account(size: str, mark_of: str = "0.6") -> Account:
    """A put on a coin that stands at 50 000, and a perpetual that hedges nothing."""
    put, perp = option("put", "48000", counts_value=True), perpetual()
    positions = (held(put, size, "1500"), held(perp, "0.01", "50000"))
    return Account(
        document=AccountDocument(venue="options"),
        rulebook=replace(load_rulebook("generic"), model=model_of(put, perp)),
        as_of=None,
        units=(unit_of("12000", *positions),),
        market=market_at("50000", put, perp, volatility=mark_of),
        reported={},
        notes=(),
    )


def test_a_short_option_falls_in_price_and_in_volatility() -> None:
    account = option_account("-1")
    found = surface(account, "BTC", "volatility", steps=5)
    assert found.notes == ()
    middle = len(found.moves_x) // 2
    by_volatility = [row[middle].equity for row in found.margins]
    assert by_volatility == sorted(by_volatility, reverse=True)
    assert len(set(by_volatility)) == len(by_volatility)
    assert found.now == found.margins[middle][middle]
    assert found.contour
    assert found.x.reference == 50000  # the perpetual's mark, not the premium of the option
    unit = account.units[0]
    report = margin_report(unit, account.market, account.model)
    assert found.now.equity == report.equity


def test_a_volatility_moved_is_the_margin_at_marks_of_that_volatility() -> None:
    found = surface(option_account("-1"), "BTC", "volatility", steps=3)
    dear = option_account("-1", mark_of="0.9")  # half as much again
    (unit,) = dear.units
    report = margin_report(unit, dear.market, dear.model)
    # marks are on a grid of a hundredth, so the two differ by the rounding of today's
    assert abs(found.margins[2][1].equity - report.equity) <= Decimal("0.01")


def test_two_axes_that_move_one_price_are_refused() -> None:
    with pytest.raises(InvalidInput, match="both move BTCUSDT; choose two prices"):
        surface(account_of(*LONG), "BTC", "BTCUSDT")
    with pytest.raises(InvalidInput, match="both move"):
        surface(account_of(*LONG), "all", "ETH")


def test_a_frame_and_a_document_hold_every_point() -> None:
    found = surface(account_of(*LONG), "BTC", "ETH", steps=5)
    assert found.to_polars().height == 25
    document: Any = found.document()
    assert len(document["margins"]) == 5
    assert Decimal(document["now"]["equity"]) == found.now.equity
    assert len(document["contour"]) == len(found.contour)
    assert "BTC x ETH" in found._repr_html_()
