"""Venues that liquidate above maintenance: the level is part of the excess decisions turn on."""

from dataclasses import replace
from decimal import Decimal

import pytest

from keelmark.book.universe import Universe
from keelmark.core.collateral import CollateralSchedule
from keelmark.core.errors import InvalidInput
from keelmark.core.explain import explain
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.joint_move import joint_move
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, InstrumentTerms, MarginModel, Trigger
from keelmark.core.rules import Tier, TieredRule
from keelmark.core.unit import MarginUnit, Position

D = Decimal
X = InstrumentTerms(
    instrument=Instrument(
        symbol="XUSD", kind=InstrumentKind.LINEAR_PERPETUAL, base="X", settle="USD"
    ),
    maintenance=TieredRule(tiers=(Tier(floor=D(0), rate=D("0.1")),)),
)
MODEL = MarginModel(
    name="m",
    instruments={"XUSD": X},
    assets={"USD": AssetTerms(asset="USD")},
    trigger=Trigger.AT_OR_BELOW,
    trigger_level=D("1.05"),
    single_asset=True,
)
UNIT = MarginUnit(
    balances={"USD": D(20)},
    positions=(Position(instrument="XUSD", size=D(1), cost=D(100)),),
)
PRICE = D(80) / D("0.895")
"""`20 + p - 100 = 1.05 * 0.1 p`."""


def at(price: Decimal) -> Market:
    return Market(marks={"XUSD": price})


def test_a_unit_is_liquidatable_at_the_level_and_not_above_it() -> None:
    for price, is_due in ((PRICE - D("1e-20"), True), (PRICE + D("1e-20"), False)):
        report = margin_report(UNIT, at(price), MODEL)
        assert report.is_liquidatable is is_due
        assert report.equity > report.maintenance_margin
        assert maintenance_excess(UNIT, at(price), MODEL) == report.maintenance_excess


def test_prices_and_moves_are_those_of_the_level() -> None:
    found = liquidation_prices(UNIT, "XUSD", at(D(100)), MODEL)
    assert found.value == pytest.approx(PRICE, rel=D("1e-30"))
    move = joint_move(UNIT, {"XUSD": D(-1)}, at(D(100)), MODEL)
    assert move.size == pytest.approx(1 - PRICE / 100, rel=D("1e-12"))


def test_the_margin_of_a_debt_counts_at_the_level_too() -> None:
    schedule = CollateralSchedule(loan_rate=D("0.5"))
    model = replace(MODEL, assets={"USD": AssetTerms(asset="USD", schedule=schedule)})
    unit = replace(UNIT, balances={"USD": D(-20)})
    market = at(D(120) + D(40))
    found = liquidation_prices(unit, "XUSD", market, model)
    assert found.value is not None
    assert abs(maintenance_excess(unit, at(found.value), model)) < D("1e-40")


def test_the_working_of_the_excess_names_the_level() -> None:
    found = explain(UNIT, at(D(100)), MODEL, "excess")
    assert found.formula == "equity - trigger_level * maintenance_margin"
    assert (found.value, dict(found.inputs)) == (D("9.5"), {"trigger_level": D("1.05")})


def test_ratios_stay_the_venues_own() -> None:
    report = margin_report(UNIT, at(D(100)), MODEL)
    assert (report.health.value, report.margin_ratio.value) == (D(2), D("0.5"))


def test_a_level_below_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="trigger_level"):
        replace(MODEL, trigger_level=D("0.9"))


def test_a_book_refuses_a_level_it_has_no_kernel_for() -> None:
    with pytest.raises(InvalidInput, match=r"1\.05 times maintenance"):
        Universe.build(MODEL)
