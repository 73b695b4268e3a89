"""A plan is the cheapest there is: on small grids every combination of lots is tried."""

from decimal import Decimal

from hypothesis import given

from keelmark.risk.rescues import RescueStatus, rescue
from tests.risk.rescue_cases import Case, cases, cheapest_closes, cheapest_with_money, meets

CLOSE_ENOUGH = Decimal("1e-6")
"""Relative: the solver's own tolerance."""


def check_against(case: Case, least: Decimal | None) -> None:
    found = rescue(case.account, case.target, options=case.options)
    if meets(case, case.unit):
        assert found.status is RescueStatus.MET
        assert found.plan is None
    elif least is None:
        assert found.status is RescueStatus.OUT_OF_REACH
    else:
        assert found.status is RescueStatus.PLAN
        assert found.plan is not None
        assert meets(case, found.plan.unit)
        assert found.plan.cost.total <= least * (1 + CLOSE_ENOUGH)
        assert found.plan.bound is None or found.plan.bound <= least * (1 + CLOSE_ENOUGH)


@given(cases())
def test_no_combination_of_lots_is_cheaper(case: Case) -> None:
    check_against(case, cheapest_closes(case))


@given(cases(impact=True))
def test_no_combination_of_lots_is_cheaper_with_impact(case: Case) -> None:
    check_against(case, cheapest_closes(case))


@given(cases(money=True))
def test_no_mix_of_lots_and_paid_money_is_cheaper(case: Case) -> None:
    check_against(case, cheapest_with_money(case))
