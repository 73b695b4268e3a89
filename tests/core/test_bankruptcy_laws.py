"""Closing at zero-loss values takes nothing from anyone, and the whole unit ends at nothing."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given

from keelmark.core.bankruptcy import bankruptcy_price, toxicity, zero_loss_price, zero_loss_value
from keelmark.core.errors import InvalidInput, UnknownInstrument
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import PositionMargin, margin_report
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, InstrumentTerms, MarginModel
from keelmark.core.numbers import exact
from keelmark.core.rules import TieredRule, with_deductions
from keelmark.core.unit import MarginUnit, Position
from tests.core import reference
from tests.strategies import Shape, Situation, on_grid, situations

D = Decimal
ONE_ASSET = Shape(single_asset=True, positions_min=1, jumps=False)


def without_haircuts(situation: Situation) -> Situation:
    """The same unit with every asset at its full worth and no loan margin or profit weight."""
    model = situation.model
    plain = {name: AssetTerms(asset=name) for name in model.assets}
    return replace(situation, model=replace(model, assets=plain, profit={}))


def closed(situation: Situation, held: PositionMargin, size: Decimal, value: Decimal) -> Situation:
    """The unit after selling `size` of a position for `value`."""
    unit = situation.unit
    position = held.position
    share = size / position.size
    released = position.cost * share
    rest = tuple(p for p in unit.positions if p is not position)
    if position.size != size:
        kept = replace(position, size=position.size - size, cost=position.cost - released)
        rest = tuple(kept if p is position else p for p in unit.positions)
    asset = held.settle
    balances = dict(unit.balances)
    balances[asset] = balances.get(asset, D(0)) + value - released
    return replace(situation, unit=replace(unit, positions=rest, balances=balances))


@given(situations(ONE_ASSET))
def test_closing_the_whole_unit_at_zero_loss_values_leaves_nothing(situation: Situation) -> None:
    situation = without_haircuts(situation)
    unit, market, model = situation.unit, situation.market, situation.model
    report = margin_report(unit, market, model)
    assume(report.maintenance_margin > 0)
    with exact():
        after = situation
        for held in report.positions:
            value = zero_loss_value(report, held, held.position.size)
            after = closed(after, held, held.position.size, value)
        left = sum(after.unit.balances.values()) - sum(after.unit.accrued_interest.values())
    room = reference.scale(unit, market, model) + abs(Fraction(report.equity))
    assert abs(Fraction(left)) <= room * Fraction(1, 10**45)


@given(situations(ONE_ASSET), on_grid(1, 999, "0.001"))
def test_closing_a_slice_at_zero_loss_leaves_equity_over_maintenance(
    situation: Situation, share: Decimal
) -> None:
    situation = without_haircuts(situation)
    report = margin_report(situation.unit, situation.market, situation.model)
    assume(report.maintenance_margin > 0)
    held = report.positions[0]
    with exact():
        size = held.position.size * share
        after = closed(situation, held, size, zero_loss_value(report, held, size))
    then = margin_report(after.unit, after.market, after.model)
    room = reference.scale(situation.unit, situation.market, situation.model)
    gross = (room + abs(Fraction(report.equity))) * Fraction(1, 10**45)
    crossed = Fraction(then.equity) * Fraction(report.maintenance_margin) - Fraction(
        report.equity
    ) * Fraction(then.maintenance_margin)
    assert abs(crossed) <= gross * (room + Fraction(report.maintenance_margin))


@given(situations(Shape(positions_min=1)))
def test_at_its_bankruptcy_price_a_unit_is_worth_nothing(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    report = margin_report(unit, market, model)
    for symbol in dict.fromkeys(p.instrument for p in unit.positions):
        found = bankruptcy_price(report, symbol)
        assert found.status in {PriceStatus.PRICE, PriceStatus.NONE}
        assert (found.reason is None) == (found.status is PriceStatus.PRICE)
        if found.value is not None:
            there = replace(market, marks={**market.marks, symbol: found.value})
            worth = margin_report(unit, there, model).equity_raw
            room = reference.scale(unit, there, model) + reference.scale(unit, market, model)
            assert abs(Fraction(worth)) <= room * Fraction(1, 10**40)


def plain(rate: str, size: str, cash: str) -> tuple[MarginUnit, Market, MarginModel]:
    instrument = Instrument(
        symbol="BTCUSDT", kind=InstrumentKind.LINEAR_PERPETUAL, base="BTC", settle="USDT"
    )
    rule = TieredRule(tiers=with_deductions([(D(0), D(rate))]))
    model = MarginModel(
        name="plain",
        instruments={"BTCUSDT": InstrumentTerms(instrument=instrument, maintenance=rule)},
        assets={"USDT": AssetTerms(asset="USDT")},
        valuation="USDT",
    )
    held = Position(instrument="BTCUSDT", size=D(size), cost=D(size) * 100)
    unit = MarginUnit(balances={"USDT": D(cash)}, positions=(held,))
    return unit, Market(marks={"BTCUSDT": D(100)}), model


@pytest.mark.parametrize(
    ("cash", "price"), [("10", "90"), ("0", "100"), ("-10", "110")], ids=["solvent", "zero", "lost"]
)
def test_the_zero_loss_price_of_a_whole_position_is_its_bankruptcy_price(
    cash: str, price: str
) -> None:
    report = margin_report(*plain("0.01", "1", cash))
    held = report.positions[0]
    assert zero_loss_price(report, held, held.position.size) == D(price)
    assert bankruptcy_price(report, "BTCUSDT").value == D(price)


def test_a_step_that_costs_more_than_it_releases_is_toxic() -> None:
    held = margin_report(*plain("0.01", "1", "10")).positions[0]
    assert not toxicity(held, fee=D("0.004"), slippage=D("0.005")).is_toxic
    assert toxicity(held, fee=D("0.005"), slippage=D("0.005")).is_toxic
    # the definition: closing a little at mark less the cost raises the excess, or does not
    for slippage, raises in ((D("0.003"), True), (D("0.008"), False)):
        unit, market, model = plain("0.01", "1", "10")
        report = margin_report(unit, market, model)
        with exact():
            value = D("0.1") * 100 * (1 - slippage) - D("0.1") * 100 * D("0.004")
            after = closed(
                Situation(unit=unit, market=market, model=model),
                report.positions[0],
                D("0.1"),
                value,
            )
        found = reference.excess(after.unit, market, model) > reference.excess(unit, market, model)
        assert found is raises
        judged = toxicity(report.positions[0], fee=D("0.004"), slippage=slippage)
        assert judged.is_toxic is not raises


@pytest.mark.parametrize("size", ["2", "-1", "0"])
def test_only_a_part_of_a_position_can_be_closed(size: str) -> None:
    report = margin_report(*plain("0.01", "1", "10"))
    with pytest.raises(InvalidInput, match="is not a part of the position"):
        zero_loss_value(report, report.positions[0], D(size))


def test_without_maintenance_there_is_no_zero_loss_price() -> None:
    report = margin_report(*plain("0", "1", "10"))
    with pytest.raises(InvalidInput, match="no maintenance margin"):
        zero_loss_value(report, report.positions[0], D(1))


def test_the_bankruptcy_price_of_something_not_held_is_refused() -> None:
    with pytest.raises(UnknownInstrument, match="holds no ETHUSDT"):
        bankruptcy_price(margin_report(*plain("0.01", "1", "10")), "ETHUSDT")
