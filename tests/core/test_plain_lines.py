"""The closed forms of plain books give what the general solvers give, or leave it to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keelmark.core import joint_move as joint_module
from keelmark.core import liquidation_price as price_module
from keelmark.core.adverse_move import adverse_move
from keelmark.core.bankruptcy import bankruptcy_prices, straight_bankruptcy
from keelmark.core.coin_move import coin_moves
from keelmark.core.joint_move import JointMove, joint_moves
from keelmark.core.liquidation_price import (
    LiquidationPrices,
    PriceStatus,
    liquidation_prices,
    straight_prices,
)
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.market import Market
from keelmark.core.model import LiquidationPriceForm, MarginModel
from keelmark.core.naive import naive_price
from keelmark.core.numbers import exact
from keelmark.core.plain_lines import UnitLines, plain_prices
from keelmark.core.price_path import PRECISION
from keelmark.core.unit import MarginUnit, Position, TierRow
from keelmark.rulebooks import load_rulebook
from tests.strategies import HELD, PLAIN, Situation, situations

D = Decimal
CLOSE = D("1e-25")


@contextmanager
def general() -> Iterator[None]:
    """Solve without the closed forms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(price_module, "plain_prices", lambda *_: None)
        patch.setattr(joint_module, "plain_move", lambda *_: None)
        yield


def same(left: Decimal | None, right: Decimal | None, precision: Decimal) -> bool:
    if left is None or right is None:
        return left is right
    with exact():
        return abs(left - right) <= precision * max(abs(left), abs(right))


def check_prices(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    for symbol in {p.instrument for p in unit.positions}:
        found = liquidation_prices(unit, symbol, market, model)
        with general():
            wanted = liquidation_prices(unit, symbol, market, model)
        assert (found.status, found.reason) == (wanted.status, wanted.reason)
        assert len(found.values) == len(wanted.values)
        assert all(map(lambda a, b: same(a, b, CLOSE), found.values, wanted.values))


def check_moves(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    found = joint_moves(unit, market, model)
    with general():
        wanted = joint_moves(unit, market, model)
    assert [m.status for m in found] == [m.status for m in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        assert same(ours.size, theirs.size, 4 * PRECISION)
        assert ours.reason == theirs.reason


@given(situations(PLAIN))
def test_prices_of_plain_books_are_those_of_the_general_solver(situation: Situation) -> None:
    check_prices(situation)


@given(situations(HELD))
def test_prices_of_any_book_are_those_of_the_general_solver(situation: Situation) -> None:
    check_prices(situation)


@given(situations(PLAIN))
def test_moves_of_plain_books_are_those_of_the_general_solver(situation: Situation) -> None:
    check_moves(situation)


@given(situations(HELD))
def test_moves_of_any_book_are_those_of_the_general_solver(situation: Situation) -> None:
    check_moves(situation)


BOOK = load_rulebook("generic")
TERMS = [BOOK.terms_for(symbol) for symbol in ("BTCUSDT", "ETHUSDT", "AAAUSDT", "BBBUSDT")]
MODEL = replace(BOOK.with_terms(*TERMS).model, liquidation_price_form=LiquidationPriceForm.EXACT)


def book(balance: Decimal, notionals: list[Decimal], *, row: TierRow | None = None) -> Situation:
    """Return positions of these signed notionals at marks of 100, in the generic tables."""
    symbols = [terms.instrument.symbol for terms in TERMS]
    positions = tuple(
        Position(instrument=symbol, size=n / 100, cost=n, tier=row)
        for symbol, n in zip(symbols, notionals, strict=False)
        if n
    )
    unit = MarginUnit(balances={"USDT": balance, "BTC": D(1)}, positions=positions)
    market = Market(marks=dict.fromkeys(symbols, D(100)), asset_prices={"BTC": D(100)})
    return Situation(unit=unit, market=market, model=MODEL)


sizes = st.integers(-400, 400).map(lambda n: n * D(50_000)) | st.sampled_from(
    [D(1_000_000), D(-1_000_000), D(100_000), D(10_000_000)]
)


@given(st.integers(1, 200).map(lambda n: n * D(25_000)), st.lists(sizes, min_size=1, max_size=4))
@example(D(100_000), [D(1_000_000)])
@example(D(5_000_000), [D(10_000_000), D(-1_000_000)])
def test_books_across_the_rows_of_real_tables_agree_at_every_edge(
    balance: Decimal, notionals: list[Decimal]
) -> None:
    situation = book(balance, notionals)
    check_prices(situation)
    check_moves(situation)


def test_a_venue_row_with_an_amount_has_a_kink_that_is_followed() -> None:
    row = TierRow(maintenance_rate=D("0.1"), maintenance_amount=D(50_000))
    situation = book(D(200_000), [D(1_000_000), D(-600_000)], row=row)
    check_prices(situation)
    check_moves(situation)


def reported(situation: Situation) -> MarginReport:
    return margin_report(situation.unit, situation.market, situation.model)


def answered(prices: LiquidationPrices, moves: tuple[JointMove, ...]) -> bool:
    return prices.status is PriceStatus.PRICE and any(m.size is not None for m in moves)


def test_a_plain_book_is_answered_by_the_closed_forms() -> None:
    situation = book(D(200_000), [D(1_000_000), D(-600_000)])
    with exact():
        assert plain_prices(reported(situation), "BTCUSDT", MODEL)
    prices = liquidation_prices(situation.unit, "BTCUSDT", situation.market, MODEL)
    assert answered(prices, joint_moves(situation.unit, situation.market, MODEL))


def test_what_is_not_plain_is_left_to_the_general_solver() -> None:
    situation = book(D(1), [D(1_000_000)])  # under water
    with exact():
        assert plain_prices(reported(situation), "BTCUSDT", MODEL) is None
    haircut = replace(MODEL, assets={**MODEL.assets, "USDT": MODEL.asset("BTC")})
    situation = replace(book(D(200_000), [D(1_000_000)]), model=haircut)
    with exact():
        assert plain_prices(reported(situation), "BTCUSDT", haircut) is None


@given(situations())
def test_lines_worked_out_once_change_no_digit(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    report = reported(situation)
    lines = UnitLines.of(report, model)
    joint = joint_moves(unit, market, model)
    assert joint_moves(unit, market, model, report=report, lines=lines) == joint
    assert adverse_move(report, market, model, lines) == adverse_move(report, market, model)
    coins = coin_moves(report, market, model, joint)
    assert coin_moves(report, market, model, joint, lines) == coins
    for symbol in {p.instrument for p in unit.positions}:
        legs = lines.positions(symbol)
        assert straight_prices(report, symbol, model, lines) == straight_prices(
            report, symbol, model
        )
        assert straight_bankruptcy(report, symbol, market, model, legs) == bankruptcy_prices(
            report, symbol, market, model
        )
        assert naive_price(report, symbol, legs) == naive_price(report, symbol)


def test_a_report_at_hand_changes_nothing() -> None:
    situation = book(D(200_000), [D(1_000_000), D(-600_000)])
    unit, market = situation.unit, situation.market
    report = reported(situation)
    model: MarginModel = MODEL
    assert liquidation_prices(unit, "ETHUSDT", market, model, report=report) == (
        liquidation_prices(unit, "ETHUSDT", market, model)
    )
    assert joint_moves(unit, market, model, report=report) == joint_moves(unit, market, model)
