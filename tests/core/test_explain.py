"""Every number of a report opens to a working that leads to it."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given

from keelmark.core.errors import InvalidInput
from keelmark.core.explain import explain, explainable
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.joint_move import joint_move
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    ProfitTerms,
)
from keelmark.core.rules import TieredRule, WholeNotionalRule, with_deductions
from keelmark.core.unit import MarginUnit, OpenOrders, Position, TierRow
from keelmark.core.working import Working
from tests.core import reference
from tests.strategies import Situation, situations

D = Decimal


def book(**changes: object) -> MarginModel:
    def terms(symbol: str, rule: TieredRule | WholeNotionalRule) -> InstrumentTerms:
        instrument = Instrument(
            symbol=symbol,
            kind=InstrumentKind.LINEAR_PERPETUAL,
            base=symbol.removesuffix("USDT"),
            settle="USDT",
            index=symbol.removesuffix("USDT"),
        )
        return InstrumentTerms(instrument=instrument, maintenance=rule, source="the test's table")

    tiers = with_deductions([(D(0), D("0.01")), (D(50_000), D("0.02"))])
    return MarginModel(
        name="book@2025-10",
        instruments={
            "BTCUSDT": terms("BTCUSDT", TieredRule(tiers=tiers)),
            "ETHUSDT": terms("ETHUSDT", WholeNotionalRule(tiers=tiers, edge_upper=True)),
        },
        assets={"USDT": AssetTerms(asset="USDT", source="one for one")},
        valuation="USDT",
        **changes,  # type: ignore[arg-type]  # test shorthand
    )


MARKET = Market(
    marks={"BTCUSDT": D(60_000), "ETHUSDT": D(2_500)}, indices={"BTC": D(60_600), "ETH": D(2_500)}
)
UNIT = MarginUnit(
    balances={"USDT": D(10_000)},
    positions=(
        Position(instrument="BTCUSDT", size=D(1), cost=D(61_000), leverage=D(20)),
        Position(instrument="ETHUSDT", size=D(-8), cost=D(-20_400)),
    ),
)


@given(situations())
def test_every_number_named_explainable_is_explained(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    report = margin_report(unit, market, model)
    for number in explainable(report):
        found = explain(unit, market, model, number)
        assert found.name.partition("/")[0] == number.partition("/")[0]
        assert found.formula
        assert found.rounding
        assert found.value is not None or found.note


@given(situations())
def test_the_parts_of_a_total_lead_to_it(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    report = margin_report(unit, market, model)
    room = reference.scale(unit, market, model) * Fraction(1, 10**45)
    equity = explain(unit, market, model, "equity")
    assert equity.value == report.equity
    parts = sum((Fraction(p.value or 0) for p in equity.parts), Fraction(0))
    assert abs(parts - Fraction(report.equity)) <= room
    prices = {asset.asset: Fraction(asset.price) for asset in report.assets}
    margin = explain(unit, market, model, "maintenance")
    assert margin.value == report.maintenance_margin
    total = sum((Fraction(p.value or 0) * prices[p.unit] for p in margin.parts), Fraction(0))
    assert abs(total - Fraction(report.maintenance_margin)) <= room
    excess = explain(unit, market, model, "excess")
    assert excess.value == report.excess(MarginPurpose.MAINTENANCE)
    first, second = (Fraction(p.value or 0) for p in excess.parts)
    times = Fraction(model.trigger_level)
    assert abs(first - times * second - Fraction(excess.value or 0)) <= room


def figure(number: str, model: MarginModel | None = None, unit: MarginUnit = UNIT) -> Working:
    return explain(unit, MARKET, model or book(), number)


def test_maintenance_names_the_row_it_used() -> None:
    found = figure("position:BTCUSDT.maintenance")
    assert (found.value, found.unit, found.source) == (D(700), "USDT", "the test's table")
    assert found.tier is not None
    assert (found.tier.number, found.tier.floor, found.tier.ceiling) == (2, D(50_000), None)
    assert (found.tier.rate, found.tier.deduction) == (D("0.02"), D(500))
    assert found.tier.owner == "lower row"
    assert found.formula == "notional * rate - deduction"
    assert dict(found.inputs)["notional"] == D(60_000)


def test_each_rule_is_explained_by_its_own_formula() -> None:
    other = figure("position:ETHUSDT.maintenance")
    assert (other.value, other.formula) == (D(200), "notional * rate")
    assert other.tier is not None
    assert other.tier.owner == "upper row"
    row = TierRow(maintenance_rate=D("0.1"), maintenance_amount=D(5_000))
    own = replace(UNIT, positions=(replace(UNIT.positions[0], tier=row),))
    found = figure("position:BTCUSDT.maintenance", unit=own)
    assert found.value == D(1_000)
    assert "own row" in found.note
    assert found.tier is not None
    assert found.tier.number is None


def test_initial_margin_says_where_its_leverage_came_from() -> None:
    assert figure("position:BTCUSDT.initial").formula == "notional / leverage"
    assert figure("position:BTCUSDT.initial").value == D(3_000)
    assert "no leverage is set" in figure("position:ETHUSDT.initial").note


def test_a_liquidation_price_comes_with_the_excess_there() -> None:
    found = figure("liquidation_price:BTCUSDT")
    roots = liquidation_prices(UNIT, "BTCUSDT", MARKET, book())
    assert found.value == roots.value
    (there,) = found.parts
    assert there.value is not None
    assert abs(there.value) < D("1e-40")
    assert dict(found.inputs)["mark"] == D(60_000)
    assert [part.name for part in there.parts] == ["equity", "maintenance_margin"]


def test_an_index_moves_with_the_price_that_is_explained() -> None:
    base = book()
    on_index = {s: replace(t, margin_price=MarginPrice.INDEX) for s, t in base.instruments.items()}
    found = figure("liquidation_price:BTCUSDT", replace(base, instruments=on_index))
    (there,) = found.parts
    assert there.value is not None
    assert abs(there.value) < D("1e-40")


def test_the_joint_move_comes_with_the_prices_and_the_excess_there() -> None:
    found = figure("joint_move")
    direction = {"BTCUSDT": D(-1), "ETHUSDT": D(-1)}
    size = joint_move(UNIT, direction, MARKET, book()).size
    assert size is not None
    assert found.value == size.copy_negate()
    assert {name for name, _ in found.inputs} == {"price of BTCUSDT", "price of ETHUSDT"}
    (there,) = found.parts
    assert there.value is not None
    assert -1 < there.value <= 0
    alone = figure("joint_move", unit=MarginUnit(balances={"USDT": D(1)}))
    assert (alone.value, alone.note) == (None, "the unit holds no position and owes nothing")


def test_a_clamped_excess_says_so() -> None:
    # at 100x the venue asks 600 to open and 700 to stay: decisions use the smaller excess
    sure = replace(UNIT, positions=(replace(UNIT.positions[0], leverage=D(100)),))
    report = margin_report(sure, MARKET, book())
    assert report.initial_margin < report.maintenance_margin
    for number in ("excess:initial", "available"):
        assert "INV-05" in figure(number, unit=sure).note
    assert "INV-05" not in figure("excess:initial").note
    assert figure("excess").note == "liquidatable when the excess is below zero"


def test_numbers_in_notes_end() -> None:
    positions = (replace(UNIT.positions[0], leverage=D(1_000_003)), UNIT.positions[1])
    balances = {"USDT": D(20_000) / D(3)}
    capped = book(profit={MarginPurpose.MAINTENANCE: ProfitTerms(cap=D(100) / D(3))})
    sure = replace(UNIT, positions=positions, balances=balances)
    for number in ("excess:initial", "equity"):
        note = figure(number, capped, sure).note
        assert any(character.isdigit() for character in note)
        assert max(len(word.strip(";,")) for word in note.split() if word[0].isdigit()) <= 20


def test_a_ratio_over_nothing_is_none_with_the_reason() -> None:
    lost = replace(UNIT, balances={"USDT": D(-10_000)})
    found = figure("margin_ratio", unit=lost)
    assert found.value is None
    assert "not above zero" in found.note


def test_profit_beyond_a_cap_is_said() -> None:
    capped = book(profit={MarginPurpose.MAINTENANCE: ProfitTerms(cap=D(100))})
    found = figure("equity", capped)
    assert found.note == "300 of positive profit lies beyond the cap"


def test_open_orders_are_a_part_of_the_initial_margin() -> None:
    order = OpenOrders(instrument="BTCUSDT", buy_size=D(1), buy_value=D(60_000), leverage=D(20))
    found = figure("initial_margin", unit=replace(UNIT, orders=(order,)))
    assert [part.name for part in found.parts][-1] == "orders:BTCUSDT.initial"
    part = found.parts[-1]
    assert part.value == D(3_000)
    inputs = dict(part.inputs)
    whole, own = inputs["notional"] / inputs["leverage"], inputs["position's own"]
    assert whole - own == part.value
    assert part.formula == "notional / leverage - position's own"
    assert part.note.endswith("the buys count")


@pytest.mark.parametrize(
    ("buys", "sells", "worst", "note"),
    [
        (3, 1, 4, "the buys count"),
        (1, 6, 5, "the sells count"),
        (1, 3, 2, "both sides end at the same size: one of them counts"),
        (0, 1, 1, "the position asks as much alone: orders add nothing"),
    ],
)
def test_the_side_of_open_orders_that_counts_is_said(
    buys: int, sells: int, worst: int, note: str
) -> None:
    one = replace(UNIT, positions=tuple(p for p in UNIT.positions if p.instrument == "BTCUSDT"))
    (position,) = one.positions
    assert position.size == 1
    order = OpenOrders(instrument="BTCUSDT", buy_size=D(buys), sell_size=D(sells), leverage=D(20))
    found = figure("initial_margin", unit=replace(one, orders=(order,)))
    part = found.parts[-1]
    assert part.name == "orders:BTCUSDT.initial"
    assert dict(part.inputs)["worst size"] == worst
    assert note in part.note
    assert sum(p.value or 0 for p in found.parts) == found.value


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        ("maintenence", "maintenance_margin"),
        ("liquidation_price:BTCUSD", "liquidation_price:BTCUSDT"),
        ("position:BTCUSDT.maintainance", "position:BTCUSDT.maintenance"),
        ("asset:USDC.collateral_value", "asset:USDT.collateral_value"),
    ],
)
def test_a_number_nobody_knows_is_refused_with_the_nearest(number: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match="no number") as refused:
        figure(number)
    assert f"did you mean '{hint}'?" in str(refused.value)
