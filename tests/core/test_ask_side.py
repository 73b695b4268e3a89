"""What is owed and required priced at an ask above what is held: the same laws as at one price."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.bound import excess_bound
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.errors import InvalidInput
from keelmark.core.joint_move import all_together, joint_move
from keelmark.core.liquidation_price import PriceStatus, liquidation_prices
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.model import MarginPurpose
from keelmark.core.numbers import exact
from tests.core import reference
from tests.core.test_bound_laws import boxes, moved, points
from tests.core.test_joint_move import check_first
from tests.core.test_liquidation_price_laws import check_flips
from tests.core.test_margin_laws import parts, room
from tests.strategies import Shape, Situation, situations

D = Decimal
ASKED = Shape(asks=True, single_asset=False)
HELD = replace(ASKED, positions_min=1)


@given(situations(ASKED))
def test_the_excess_prices_debts_and_requirements_at_the_ask(situation: Situation) -> None:
    found = Fraction(margin_report(*parts(situation)).excess(MarginPurpose.MAINTENANCE))
    assert abs(found - reference.excess(*parts(situation))) <= room(situation)


@given(situations(ASKED), st.sampled_from([D(1), D("1.25"), D(2)]))
def test_the_lean_excess_is_the_one_of_the_report(situation: Situation, level: Decimal) -> None:
    report = margin_report(*parts(situation))
    with exact():
        times = level * situation.model.trigger_level
        whole = report.equity - times * report.maintenance_margin
    assert maintenance_excess(*parts(situation), level) == whole


@given(situations(HELD), st.data())
def test_no_point_of_a_box_lies_below_its_bound(situation: Situation, data: st.DataObject) -> None:
    box = data.draw(boxes(situation))
    bound = excess_bound(situation.unit, box, situation.market, situation.model)
    if bound is not None:
        there = moved(situation.market, data.draw(points(situation, box)))
        left = reference.excess(situation.unit, there, situation.model)
        assert left >= Fraction(bound) - room(replace(situation, market=there)) * 10


@given(situations(replace(HELD, index=False)))
def test_the_prices_are_exactly_the_flips_of_the_status(situation: Situation) -> None:
    for symbol in dict.fromkeys(p.instrument for p in situation.unit.positions):
        found = liquidation_prices(situation.unit, symbol, situation.market, situation.model)
        assert found.status in {PriceStatus.PRICE, PriceStatus.NONE}
        check_flips(situation, symbol, sorted(found.values))


@given(situation=situations(replace(HELD, inverse=False)), down=st.booleans())
def test_no_straight_move_liquidates_before_the_one_found(
    situation: Situation, *, down: bool
) -> None:
    direction = all_together(situation.unit, situation.model, down=down)
    found = joint_move(situation.unit, direction, situation.market, situation.model)
    check_first(situation, direction, found)


def test_a_debt_costs_more_than_what_is_held_brings() -> None:
    schedule = CollateralSchedule(
        tiers=(HaircutTier(floor=D(0), weight=D("0.95")),), ask=D("1.05"), loan_rate=D("0.1")
    )
    assert [schedule.value(D(x)) for x in (2, 0, -2)] == [D("1.9"), 0, D("-2.31")]
    assert schedule.marginal_weight(D(-1)) == D("1.155")
    assert not replace(schedule, tiers=(HaircutTier(floor=D(0), weight=D(1)),)).is_identity
    with pytest.raises(InvalidInput, match="at least the price"):
        CollateralSchedule(ask=D("0.99"))
