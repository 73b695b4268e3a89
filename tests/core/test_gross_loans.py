"""Margin on what is borrowed, however much of it is held: loans beside net balances."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given

from keelmark.book.universe import Universe
from keelmark.core.bound import Factor, FactorKind, reads
from keelmark.core.errors import InvalidInput
from keelmark.core.explain import explain
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, MarginModel, MarginPurpose
from keelmark.core.numbers import ONE, exact
from keelmark.core.unit import MarginUnit
from tests.strategies import HELD, Situation, on_grid, situations

D = Decimal
BORROWED = AssetTerms(asset="BTC", gross_loan_rate=D("0.1"), gross_loan_rate_initial=D("0.25"))
MODEL = MarginModel(
    name="m", instruments={}, assets={"BTC": BORROWED, "USD": AssetTerms(asset="USD")}
)
MARKET = Market(asset_prices={"BTC": D(50_000)})
UNIT = MarginUnit(balances={"BTC": D("0.06"), "USD": D(10)}, loans={"BTC": D("0.04")})


def test_a_loan_asks_margin_while_more_than_it_is_held() -> None:
    report = margin_report(UNIT, MARKET, MODEL)
    assert (report.maintenance_margin, report.initial_margin) == (D(200), D(500))
    assert report.equity == D(3010)
    asset = report.assets[0]
    assert (asset.loan, asset.loan_margin, asset.loan_margin_initial) == (
        D("0.04"),
        D("0.004"),
        D("0.01"),
    )


def test_a_unit_with_a_loan_alone_can_be_liquidatable() -> None:
    unit = replace(UNIT, balances={"BTC": D("0.001"), "USD": D(0)})
    assert margin_report(unit, MARKET, MODEL).is_liquidatable
    free = replace(MODEL, assets={**MODEL.assets, "BTC": AssetTerms(asset="BTC")})
    assert not margin_report(unit, MARKET, free).is_liquidatable


def test_a_loan_of_an_asset_without_a_balance_reads_its_price() -> None:
    unit = MarginUnit(balances={"USD": D(1)}, loans={"BTC": D(1)})
    assert Factor(FactorKind.ASSET, "BTC") in reads(unit, MODEL)
    assert maintenance_excess(unit, MARKET, MODEL) == D(-4999)


def test_the_margin_of_a_loan_opens_to_its_working() -> None:
    part = next(p for p in explain(UNIT, MARKET, MODEL, "maintenance").parts if "loan" in p.name)
    assert (part.name, part.value) == ("asset:BTC.loan_margin", D("0.004"))
    assert dict(part.inputs) == {"loan": D("0.04"), "rate": D("0.1")}
    part = next(p for p in explain(UNIT, MARKET, MODEL, "initial").parts if "loan" in p.name)
    assert (part.name, part.value) == ("asset:BTC.loan_margin_initial", D("0.01"))


@pytest.mark.parametrize("loan", [D(-1), D("NaN"), D("Infinity")])
def test_a_loan_that_is_none_is_refused(loan: Decimal) -> None:
    with pytest.raises(InvalidInput, match="BTC"):
        MarginUnit(loans={"BTC": loan})


@pytest.mark.parametrize("rate", [D(-1), D("NaN")])
def test_a_rate_that_is_none_is_refused(rate: Decimal) -> None:
    with pytest.raises(InvalidInput, match="BTC"):
        AssetTerms(asset="BTC", gross_loan_rate=rate)


def test_a_book_refuses_a_rulebook_that_margins_loans() -> None:
    with pytest.raises(InvalidInput, match="what is borrowed of BTC"):
        Universe.build(MODEL)


@given(situations(HELD))
def test_a_loan_costs_its_rate_at_every_level_and_nothing_else(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    bare = replace(unit, loans={})
    with exact():
        asked = sum(
            (
                loan
                * model.asset(name).gross_loan_rate
                * (market.asset_prices[name] if model.reads_price_of(name) else ONE)
                for name, loan in unit.loans.items()
            ),
            D(0),
        )
        for level in (ONE, D("1.5")):
            less = maintenance_excess(bare, market, model, level)
            found = maintenance_excess(unit, market, model, level)
            scale = abs(less) + abs(asked) + ONE
            assert abs(less - found - level * model.trigger_level * asked) <= scale * D("1e-45")


@given(situations(HELD), on_grid(1, 100_000, "0.01"))
def test_a_loan_moves_the_liquidation_price_as_so_much_less_cash(
    situation: Situation, loan: Decimal
) -> None:
    """In the asset a unit is valued in, a loan's margin is cash that is not there."""
    name = situation.model.valuation
    terms = replace(situation.model.asset(name), gross_loan_rate=D("0.1"))
    model = replace(situation.model, assets={**situation.model.assets, name: terms})
    unit = replace(situation.unit, loans={**situation.unit.loans, name: loan})
    with exact():
        cash = unit.balances.get(name, D(0)) - loan * D("0.1") * model.trigger_level
    poorer = replace(unit, balances={**unit.balances, name: cash}, loans={**unit.loans, name: D(0)})
    symbol = unit.positions[0].instrument
    one = liquidation_prices(unit, symbol, situation.market, model)
    two = liquidation_prices(poorer, symbol, situation.market, model)
    assert one.status == two.status
    for ours, theirs in zip(one.values, two.values, strict=True):
        assert ours == pytest.approx(theirs, rel=D("1e-30"))


@given(situations(HELD))
def test_purposes_are_asked_at_their_own_rate(situation: Situation) -> None:
    for asset in margin_report(situation.unit, situation.market, situation.model).assets:
        terms = situation.model.asset(asset.asset)
        with exact():
            assert asset.loan_margin == asset.loan * terms.gross_loan_rate
            initial = asset.loan * terms.gross_loan_rate_for(MarginPurpose.INITIAL)
            assert asset.loan_margin_initial == initial
