"""Arrays and core say the same of drawn units under drawn scenarios."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.model import MarginPurpose, ProfitTerms
from keelmark.risk.revaluation import UnitValuer
from tests.risk.revaluation.drawn import agrees_with_core, scenarios_of
from tests.strategies import ANY, HELD, Shape, Situation, situations

ASKED = Shape(asks=True, positions_min=1)


def valuer_of(situation: Situation) -> UnitValuer:
    """Compile a drawn unit."""
    return UnitValuer.over(situation.unit, situation.market, situation.model)


@given(situation=st.one_of(situations(HELD), situations(ASKED), situations(ANY)), data=st.data())
def test_every_number_is_that_of_core_within_the_stated_error(
    situation: Situation, data: st.DataObject
) -> None:
    valuer = valuer_of(situation)
    assert valuer.method == "arrays", valuer.why
    agrees_with_core(valuer, data.draw(scenarios_of(valuer)))


@given(situation=situations(HELD), data=st.data(), cap=st.integers(0, 10**6).map(Decimal))
def test_a_cap_on_profit_is_one_for_the_whole_unit(
    situation: Situation, data: st.DataObject, cap: Decimal
) -> None:
    terms = situation.model.profit_terms(MarginPurpose.MAINTENANCE)
    capped = {MarginPurpose.MAINTENANCE: ProfitTerms(weight=terms.weight, cap=cap)}
    valuer = valuer_of(replace(situation, model=replace(situation.model, profit=capped)))
    assert valuer.method == "arrays"
    agrees_with_core(valuer, data.draw(scenarios_of(valuer)))
