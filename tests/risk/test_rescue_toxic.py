"""Closes that lower the excess and still improve a ratio: never unasked, and never denied."""

from dataclasses import replace
from decimal import Decimal

from keelmark.accounts import Account
from keelmark.risk.rescues import Action, Impact, RescueOptions, RescueStatus, Target, rescue
from tests.risk.rescue_cases import account_of, rulebook

HALF = Target.ratio(Decimal("0.5"))
IMPACT = {"AAAUSDT": Impact(linear=Decimal("0.0001"))}
CLOSES = RescueOptions(actions=frozenset({Action.CLOSE}), impacts=IMPACT, gap=Decimal(0))


def one_long() -> Account:
    """Notional 1,000, maintenance 56; closing half costs 25.5 and brings maintenance to 16."""
    return account_of(rulebook("tiered"), [("AAAUSDT", "10", "100", "100")], {"USDT": "60"})


def test_a_target_beyond_the_best_excess_is_shown_with_what_it_costs() -> None:
    found = rescue(one_long(), HALF, options=CLOSES)
    assert found.status is RescueStatus.OUT_OF_REACH
    (single,) = found.singles
    assert single.reason is not None
    assert single.reason.endswith("; more lowers excess")
    other = found.with_toxic
    assert other is not None
    assert other.after.meets(HALF)
    assert found.plan is not None
    assert other.after.excess < found.plan.after.excess


def test_closes_that_lower_the_excess_are_planned_where_they_are_allowed() -> None:
    shown = rescue(one_long(), HALF, options=CLOSES).with_toxic
    found = rescue(one_long(), HALF, options=replace(CLOSES, toxic=True))
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    assert shown is not None
    assert found.plan.steps == shown.steps
    assert found.with_toxic is None


def test_where_no_close_reaches_at_any_price_none_is_shown() -> None:
    """A single lot slips by 100, more than there is."""
    dear = replace(CLOSES, impacts={"AAAUSDT": Impact(linear=Decimal("0.01"))})
    for options in (dear, RescueOptions(actions=frozenset())):
        found = rescue(one_long(), HALF, options=options)
        assert found.status is RescueStatus.OUT_OF_REACH
        assert found.with_toxic is None
