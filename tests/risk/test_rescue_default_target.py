"""The default of a rescue: out of the warning distance, and half of equity in use at most."""

from dataclasses import replace
from decimal import Decimal

from keelmark.accounts import Account, check
from keelmark.accounts.check import Verdict
from keelmark.core.margin import margin_report
from keelmark.core.model import MarginPurpose, ProfitTerms
from keelmark.risk.rescues import Action, RescueOptions, RescueStatus, Target, rescue
from tests.risk.rescue_cases import account_of, rulebook

TIERED = rulebook("tiered")
CLOSES = RescueOptions(actions=frozenset({Action.CLOSE}))


def one_long(cash: str) -> Account:
    """Ten coins at 100: notional 1,000, maintenance 56."""
    return account_of(TIERED, [("AAAUSDT", "10", "100", "100")], {"USDT": cash})


def test_a_red_account_below_half_usage_is_not_told_that_nothing_needs_doing() -> None:
    account = one_long("150")
    assert check(account).verdict is Verdict.WARNING
    assert rescue(account, Target.ratio(Decimal("0.5"))).status is RescueStatus.MET
    found = rescue(account, options=CLOSES)
    assert found.status is RescueStatus.PLAN
    assert check(found.rescued).verdict is Verdict.HEALTHY


def test_an_account_far_from_liquidation_is_still_brought_to_half_usage() -> None:
    account = one_long("150")
    found = rescue(account, Target.both(Decimal("0.2"), Decimal("0.15")))
    assert found.plan is not None
    assert found.plan.after.ratio is not None
    assert found.plan.after.ratio <= Decimal("0.2")
    assert (found.plan.after.distance or Decimal(0)) >= Decimal("0.15")
    report = margin_report(found.plan.unit, account.market, account.model)
    assert report.margin_ratio.value == found.plan.after.ratio


def test_a_target_of_both_says_both() -> None:
    target = Target.both(Decimal("0.5"), Decimal("0.15"))
    said = (
        "maintenance at most 50 % of equity, "
        "and no price alone, nor all alike, liquidates below 15 %"
    )
    assert target.text == said


def test_where_the_distance_cannot_be_solved_half_usage_is_asked_for_alone() -> None:
    """A cap on profit leaves no bound of moves of all prices together."""
    terms = ProfitTerms(cap=Decimal(1))
    model = replace(TIERED.model, profit={MarginPurpose.MAINTENANCE: terms})
    rows = [("AAAUSDT", "10", "100", "100")]
    account = account_of(replace(TIERED, model=model), rows, {"USDT": "60"})
    found = rescue(account)
    assert found.status is RescueStatus.PLAN
    assert found.target == Target.ratio(Decimal("0.5"))
    assert any("the target is the ratio alone" in note for note in found.notes)
