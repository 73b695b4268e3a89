"""Rescues where the venue liquidates at a multiple of maintenance: its own excess decides."""

from dataclasses import replace
from decimal import Decimal

import pytest

from keelmark.accounts import Account, check
from keelmark.accounts.account import build_account
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.core.margin import margin_report
from keelmark.core.model import Trigger
from keelmark.core.numbers import exact
from keelmark.core.rules import TieredRule, with_deductions
from keelmark.risk.rescues import Action, RescueOptions, RescueStatus, Target, rescue
from tests.risk.rescue_cases import account_of, rulebook

CLOSES = RescueOptions(actions=frozenset({Action.CLOSE}))
DEPOSITS = RescueOptions(actions=frozenset({Action.DEPOSIT}))


def portfolio_margin(cash: str) -> Account:
    """Ninety Ether short at 4,000, liquidated at a uniMMR of 1.05."""
    row = PositionRow(
        path="positions[0]",
        instrument="ETHUSDT",
        size=Decimal(-90),
        entry_price=Decimal(4000),
        mark_price=Decimal(4000),
    )
    collateral, prices = {"USDT": Decimal(cash)}, {"USDT": Decimal(1)}
    document = AccountDocument(
        venue="binance-pm@2025-12", collateral=collateral, prices=prices, positions=(row,)
    )
    return build_account(document)


def between() -> Account:
    """Return an account between a uniMMR of one and of 1.05: liquidatable."""
    bare = portfolio_margin("60000")
    with exact():
        needed = margin_report(bare.units[0], bare.market, bare.model).maintenance_margin
        return portfolio_margin(f"{needed * Decimal('1.02'):f}")


@pytest.mark.parametrize("target", [Target.ratio(Decimal(1)), Target.ratio(Decimal("0.99"))])
@pytest.mark.parametrize("options", [CLOSES, DEPOSITS])
def test_a_liquidatable_account_is_never_told_that_nothing_needs_doing(
    target: Target, options: RescueOptions
) -> None:
    account = between()
    assert check(account).is_liquidatable
    found = rescue(account, target, options=options)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    assert found.plan.after.meets(target)
    report = margin_report(found.plan.unit, account.market, account.model)
    assert not report.is_liquidatable


@pytest.mark.parametrize("options", [CLOSES, DEPOSITS])
def test_a_distance_is_reached_where_the_trigger_is_a_multiple(options: RescueOptions) -> None:
    target = Target.distance(Decimal("0.1"))
    found = rescue(portfolio_margin("12000"), target, options=options)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    distance = found.plan.after.distance
    assert distance is not None
    assert distance >= target.value
    assert distance < Decimal("0.101")


def test_the_excess_of_a_rescue_is_that_of_the_check() -> None:
    account = portfolio_margin("60000")
    report = check(account).units[0].report
    assert report is not None
    assert rescue(account, Target.distance(Decimal("0.2"))).standing.excess == (
        report.maintenance_excess
    )


def test_a_unit_at_its_trigger_that_needs_no_maintenance_is_still_brought_off_it() -> None:
    """Nothing over nothing meets every ratio; where the trigger holds at nothing it still ends."""
    bare = account_of(rulebook("tiered"), [("AAAUSDT", "2", "100", "100")], {"USDT": "0"})
    row = TieredRule(tiers=with_deductions(((Decimal(0), Decimal(0)),)))
    terms = {
        symbol: replace(known, maintenance=row) for symbol, known in bare.model.instruments.items()
    }
    model = replace(bare.model, trigger=Trigger.AT_OR_BELOW, instruments=terms)
    account = replace(bare, rulebook=replace(bare.rulebook, model=model))
    assert check(account).is_liquidatable
    found = rescue(account, Target.ratio(Decimal("0.5")), options=DEPOSITS)
    assert found.plan is not None
    assert found.plan.money == Decimal("0.01")
    assert found.status is RescueStatus.PLAN
