"""Prices of an underlying that end a unit with options: found, confirmed, or honestly unknown."""

import math
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.bankruptcy import bankruptcy_price, bankruptcy_prices
from keelmark.core.errors import CannotReprice, InvalidInput
from keelmark.core.joint_move import joint_move, joint_moves, moved_market
from keelmark.core.liquidation_price import PriceStatus, liquidation_prices
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, MarginModel
from keelmark.core.numbers import exact
from keelmark.core.price_path import PricePath
from keelmark.core.repricing import Repricer, theoretical_price
from keelmark.core.scan import Looked, changes
from keelmark.core.underlying_price import underlying_bankruptcy, underlying_liquidation
from keelmark.core.unit import MarginUnit
from tests.option_books import NOW, YEARS, held, market_at, model_of, option, perpetual, unit_of
from tests.strategies import Shape, Situation, situations

D = Decimal
CALL, PUT, PERP = option("call", "60000"), option("put", "45000"), perpetual()
ALL = (CALL, PUT, PERP)
MODEL = model_of(*ALL)
MARKET = market_at("50000", *ALL)

sizes = st.sampled_from(["-3", "-1", "1", "4"])
books = st.builds(
    lambda c, p, f, cash: unit_of(
        cash, held(CALL, c, "700"), held(PUT, p, "1300"), held(PERP, f, "50000")
    ),
    sizes,
    sizes,
    sizes,
    st.sampled_from(["20000", "40000", "90000"]),
)


def excess_at(unit: MarginUnit, market: Market, model: MarginModel, share: Decimal) -> Decimal:
    """The excess with everything on BTC at a share of its price, coins held."""
    with exact():
        path = PricePath.along(unit, {p.instrument: D(1) for p in unit.positions}, market, model)
        return maintenance_excess(unit, path.at(share - 1), model)


@given(situations(Shape(positions_min=1, single_asset=True, index=False)))
def test_without_options_the_search_finds_what_the_exact_solver_finds(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    symbol = unit.positions[0].instrument
    alone = replace(unit, positions=tuple(p for p in unit.positions if p.instrument == symbol))
    mark = market.mark(symbol)
    exact_prices = liquidation_prices(alone, symbol, market, model).values
    found = underlying_liquidation(alone, symbol, market, model).values
    with exact():
        inside = [p for p in exact_prices if D("0.1") < p / mark < 10]
        for price in found:
            assert any(abs(price - p) <= abs(p) * D("1e-9") for p in exact_prices)
        isolated = [p for p in inside if _is_clear(p, exact_prices, alone, market, model)]
        for price in isolated:
            assert any(abs(price - p) <= p * D("1e-9") for p in found), (price, found)


def _is_clear(
    price: Decimal,
    others: tuple[Decimal, ...],
    unit: MarginUnit,
    market: Market,
    model: MarginModel,
) -> bool:
    """Whether the answer changes at a price and no other price is within a step of the grid."""
    symbol = unit.positions[0].instrument
    if any(o != price and abs(o / price - 1) < D("0.11") for o in others):
        return False
    sides = [replace(market, marks={symbol: price * s}) for s in (D("0.999999"), D("1.000001"))]
    low, high = (margin_report(unit, there, model).is_liquidatable for there in sides)
    return low != high


@given(books)
def test_the_answer_changes_at_every_price_found(unit: MarginUnit) -> None:
    found = liquidation_prices(unit, "60000-C", MARKET, MODEL)
    with exact():
        for price in found.values:
            sides = [excess_at(unit, MARKET, MODEL, price / 50000 * s) for s in _BESIDE]
            assert (sides[0] < 0) != (sides[1] < 0)


_BESIDE = (D("0.9999999"), D("1.0000001"))


@given(books)
def test_a_fine_walk_meets_no_price_that_was_not_found(unit: MarginUnit) -> None:
    found = liquidation_prices(unit, "BTC-PERP", MARKET, MODEL)
    prices = sorted(found.values)
    shares = [D(k) / 100 for k in range(20, 300)]
    falls = [excess_at(unit, MARKET, MODEL, share) < 0 for share in shares]
    for low, high, before, after in zip(shares, shares[1:], falls, falls[1:], strict=False):
        inside = [p for p in prices if low * 50000 <= p <= high * 50000]
        assert len(inside) % 2 == (before != after)


@given(books)
def test_every_instrument_on_an_underlying_names_the_same_moves(unit: MarginUnit) -> None:
    by_symbol = [liquidation_prices(unit, t.instrument.symbol, MARKET, MODEL) for t in ALL]
    assert len({found.values for found in by_symbol}) == 1  # all at 50000 here
    assert [found.underlying for found in by_symbol] == [D(50000), D(50000), None]
    assert {found.status for found in by_symbol} <= {PriceStatus.PRICE, PriceStatus.NONE}


@given(books)
def test_the_unit_is_worth_nothing_at_its_bankruptcy_price(unit: MarginUnit) -> None:
    report = margin_report(unit, MARKET, MODEL)
    for price in bankruptcy_prices(report, "45000-P", MARKET, MODEL).values:
        with exact():
            step = {p.instrument: D(1) for p in unit.positions}
            there = PricePath.along(unit, step, MARKET, MODEL).at(price / 50000 - 1)
        worth = margin_report(unit, there, MODEL).equity_raw
        assert abs(worth) < D("0.0001")
    assert bankruptcy_price(report, "BTC-PERP").status is PriceStatus.UNKNOWN


@given(books, st.booleans())
def test_a_joint_move_ends_where_the_unit_becomes_liquidatable(
    unit: MarginUnit,
    down: bool,  # noqa: FBT001
) -> None:
    move = joint_moves(unit, MARKET, MODEL)[0 if down else 1]
    if move.size:
        there = moved_market(unit, move, MARKET, MODEL)
        assert margin_report(unit, there, MODEL).is_liquidatable
        nearer = replace(move, size=move.size * D("0.999999"))
        before = moved_market(unit, nearer, MARKET, MODEL)
        assert not margin_report(unit, before, MODEL).is_liquidatable


def test_options_left_out_of_a_direction_move_with_their_underlying() -> None:
    unit = unit_of("12000", held(CALL, "-1", "700"), held(PERP, "-0.1", "50000"))
    whole = joint_move(unit, {"BTC-PERP": D(1), "60000-C": D(1)}, MARKET, MODEL)
    named = joint_move(unit, {"BTC-PERP": D(1)}, MARKET, MODEL)
    assert whole.size == named.size is not None


def test_a_short_put_has_a_price_below_and_one_above() -> None:
    """Its requirement is a share of the index: it grows on the way up too (Derive says so)."""
    unit = unit_of("6000", held(PUT, "-1", "1300"))
    found = liquidation_prices(unit, "45000-P", MARKET, MODEL)
    assert found.value is not None
    low, high = sorted(found.values)
    assert low < 50000 < high
    assert float(high) == pytest.approx(6000 / 0.075, rel=0.001)  # the put is worth nothing there


def test_a_long_option_alone_has_none_and_says_how_far_was_looked() -> None:
    unit = unit_of("100", held(CALL, "1", "700"))
    found = liquidation_prices(unit, "60000-C", MARKET, MODEL)
    assert found.status is PriceStatus.NONE
    assert found.reason == (
        "no price of BTC, from a billionth to a billion times its present one, brings the "
        "unit to its maintenance margin; volatilities held"
    )


@pytest.mark.parametrize(
    ("market", "reason"),
    [
        (replace(MARKET, time=None), "add .as_of."),
        (replace(MARKET, forwards={}), "no price of the underlying for 60000-C"),
        (replace(MARKET, marks={**MARKET.marks, "60000-C": D(0)}), "implies no volatility"),
        (replace(MARKET, marks={**MARKET.marks, "60000-C": D(60000)}), "unlimited volatility"),
    ],
    ids=["no time", "no forward", "no time value", "no volatility at all"],
)
def test_what_cannot_be_repriced_is_unknown_with_the_reason(market: Market, reason: str) -> None:
    unit = unit_of("100000", held(CALL, "1", "700"))
    found = underlying_liquidation(unit, "60000-C", market, MODEL)
    assert found.status is PriceStatus.UNKNOWN
    assert found.reason is not None
    assert re.search(reason, found.reason)
    worth = underlying_bankruptcy(unit, "60000-C", market, MODEL)
    moves = joint_moves(unit, market, MODEL)
    assert {worth.status, *(m.status for m in moves)} == {PriceStatus.UNKNOWN}


def test_a_given_volatility_is_used_where_the_mark_shows_none() -> None:
    market = replace(
        MARKET, marks={**MARKET.marks, "60000-C": D(0)}, volatilities={"60000-C": D("0.6")}
    )
    unit = unit_of("9000", held(CALL, "-1", "700"))
    found = underlying_liquidation(unit, "60000-C", market, MODEL)
    assert found.status is PriceStatus.PRICE


def test_a_mark_moves_with_the_model_from_where_it_is() -> None:
    repricer = Repricer.of(CALL.instrument, replace(MARKET, volatilities={"60000-C": D("0.7")}))
    assert repricer.mark_at(D(50000)) == MARKET.marks["60000-C"]
    risen = theoretical_price(CALL.instrument, D(55000), D("0.7"), YEARS)
    model = theoretical_price(CALL.instrument, D(50000), D("0.7"), YEARS)
    moved = repricer.mark_at(D(55000))
    assert abs(moved - MARKET.marks["60000-C"] - (risen - model)) < D("0.02")
    assert repricer.mark_at(D(1)) == 0


def test_after_expiry_an_option_moves_with_its_intrinsic_value() -> None:
    late = replace(MARKET, time=CALL.instrument.expiry, marks={**MARKET.marks, "60000-C": D(0)})
    repricer = Repricer.of(CALL.instrument, late)
    assert repricer.mark_at(D(61000)) == D(1000)


def test_only_options_are_repriced() -> None:
    with pytest.raises(InvalidInput, match="is no option"):
        Repricer.of(PERP.instrument, MARKET)


def test_a_time_is_needed_before_a_volatility() -> None:
    with pytest.raises(CannotReprice, match="no time to expiry"):
        Repricer.of(CALL.instrument, replace(MARKET, time=None))
    assert (CALL.instrument.expiry or NOW) > NOW


@given(st.lists(st.integers(-90, 90), min_size=1, max_size=5, unique=True))
def test_a_scan_finds_every_change_its_grid_can_show(roots: list[int]) -> None:
    """A polynomial through whole-numbered roots, on a grid of halves."""

    def look(at: Decimal) -> Looked:
        value = math.prod((at - root for root in roots), start=D(1))
        return Looked(at, value, value < 0)

    nodes = [D(k) / 2 + D("0.25") for k in range(-200, 201)]
    found = changes(look, nodes)
    assert [round(x) for x in found] == sorted(roots)


@pytest.mark.parametrize("counts", [True, False])
def test_an_instrument_on_another_underlying_is_solved_exactly_beside_options(
    counts: bool,  # noqa: FBT001 a case
) -> None:
    call = option("call", "60000", counts_value=counts)
    contract = replace(PERP.instrument, symbol="ETH-PERP", base="ETH")
    eth = replace(PERP, instrument=contract)
    model, market = model_of(call, eth), market_at("50000", call)
    market = replace(market, marks={**market.marks, "ETH-PERP": D(3000)})
    unit = unit_of("12000", held(call, "-1", "700"), held(eth, "3", "3000"))
    found = liquidation_prices(unit, "ETH-PERP", market, model)
    assert found.value is not None
    there = replace(market, marks={**market.marks, "ETH-PERP": found.value})
    assert abs(maintenance_excess(unit, there, model)) < D("1e-50")
    move = joint_move(unit, {"ETH-PERP": D(-1)}, market, model)
    assert move.size is not None
    assert abs(move.size - (1 - found.value / 3000)) < D("1e-11")


@pytest.mark.parametrize("carried", [True, False], ids=["stand-in", "own price"])
def test_a_coin_moves_with_its_options_where_an_inverse_mark_stands_for_it(
    carried: bool,  # noqa: FBT001 a case
) -> None:
    call, perp = option("call", "60000", inverse=True), perpetual(inverse=True)
    assets = {"BTC": AssetTerms(asset="BTC"), "USD": AssetTerms(asset="USD")}
    model = replace(model_of(call, perp), assets=assets, single_asset=False)
    market = market_at("50000", call, perp)
    stand_ins = {"BTC": "BTC-PERP"} if carried else {}
    market = replace(market, asset_prices={"BTC": D(50000)}, stand_ins=stand_ins)
    unit = unit_of("0.5", held(call, "-1", "0.02"), held(perp, "-20000", "50000"), asset="BTC")
    unit = replace(unit, balances={**unit.balances, "USD": D(3000)})
    found = liquidation_prices(unit, "BTC-PERP", market, model)
    worthless = bankruptcy_prices(margin_report(unit, market, model), "BTC-PERP", market, model)
    assert found.value is not None
    assert worthless.value is not None
    for price, left in ((found.value, "maintenance_excess"), (worthless.value, "equity_raw")):
        with exact():
            step = {p.instrument: D(1) for p in unit.positions}
            there = PricePath.along(unit, step, market, model).at(price / 50000 - 1)
        prices = there.asset_prices if carried else market.asset_prices
        report = margin_report(unit, replace(there, asset_prices=prices), model)
        assert abs(getattr(report, left)) < D("0.0001")
