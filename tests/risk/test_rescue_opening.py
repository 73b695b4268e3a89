"""A hedge is opened only where initial margin allows it, the whole plan done."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, check
from keelmark.core.margin import margin_report
from keelmark.core.model import OpenInterestInitial
from keelmark.core.unit import MarginUnit, Position
from keelmark.risk.rescues import (
    Action,
    Hedge,
    Money,
    RescueOptions,
    RescueStatus,
    Target,
    rescue,
)
from keelmark.risk.rescues.moves import MoveKind
from tests.risk.rescue_cases import account_of, rulebook

TIERED = rulebook("tiered")
NAMES = ("AAAUSDT", "BBBUSDT")
FAR = Target.distance(Decimal("0.3"))
HEDGES = RescueOptions(
    actions=frozenset({Action.HEDGE}),
    hedges=(Hedge(instrument="CCCUSDT", price=Decimal(50)),),
    gap=Decimal(0),
)


def book(cash: str, *sizes: int) -> Account:
    """Two longs at 100, of ten coins each unless told otherwise.

    Each asks 56 of maintenance and 200 of initial margin, twice the rate of its row. Together a
    fall of 30 % takes 600 and leaves 52 to require: 652. A hedge of 650 gives back 182 of it, and
    asks 65 of initial margin.
    """
    rows = [(s, str(n), "100", "100") for s, n in zip(NAMES, sizes or (10, 10), strict=True)]
    return account_of(TIERED, rows, {"USDT": cash})


def left_to_open(unit: MarginUnit, account: Account) -> Decimal:
    report = margin_report(unit, account.market, account.model)
    return report.equity_initial - report.initial_margin


def test_a_hedge_beyond_initial_margin_is_no_plan_and_says_why() -> None:
    found = rescue(book("350"), FAR, options=HEDGES)
    assert found.status is RescueStatus.OUT_OF_REACH
    assert found.plan is not None
    assert found.plan.steps == ()
    assert {s.reason for s in found.singles} == {"initial margin would exceed equity"}
    assert "a hedge is opened only where equity then covers the initial margin" in str(found.notes)
    few = rescue(book("430"), FAR, options=HEDGES)
    assert few.status is RescueStatus.OUT_OF_REACH
    assert "best 6.00: initial margin would exceed equity" in {s.reason for s in few.singles}
    rich = rescue(book("480"), FAR, options=HEDGES)
    assert rich.status is RescueStatus.PLAN
    assert rich.plan is not None
    assert left_to_open(rich.plan.unit, rich.account) >= 0


def test_money_that_is_needed_for_initial_margin_alone_is_brought_in() -> None:
    few = replace(
        HEDGES,
        actions=frozenset({Action.HEDGE, Action.DEPOSIT}),
        deposits=(Money(asset="USDT", amount_max=Decimal(60)),),
        deposit_cost=Decimal("0.05"),
    )
    found = rescue(book("430"), FAR, options=few)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    assert {s.kind for s in found.plan.steps} == {MoveKind.DEPOSIT, MoveKind.HEDGE}
    assert left_to_open(found.plan.unit, found.account) >= 0


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(2, 5), st.integers(2, 5)),
    st.integers(16, 50),
    st.integers(0, 15),
    st.sampled_from([Target.distance(Decimal(n) / 20) for n in (2, 3, 4)]),
)
def test_no_plan_opens_beyond_initial_margin_and_none_is_cheaper_by_trying_all(
    sizes: tuple[int, int], percent: int, fee: int, target: Target
) -> None:
    options = replace(
        HEDGES,
        actions=frozenset({Action.HEDGE, Action.CLOSE}),
        kept=frozenset({"BBBUSDT"}),
        fees={"AAAUSDT": Decimal(fee) / 1000},
    )
    found = rescue(book(str(sum(sizes) * percent), *sizes), target, options=options)
    if found.status is RescueStatus.MET:
        return
    least = cheapest(found.account, target, options.fees["AAAUSDT"])
    if found.status is not RescueStatus.PLAN:
        assert least is None
        return
    assert found.plan is not None
    if any(step.kind is MoveKind.HEDGE for step in found.plan.steps):
        assert left_to_open(found.plan.unit, found.account) >= 0
    assert least is not None
    assert found.plan.cost.total <= least
    assert found.plan.bound is None or found.plan.bound <= least


def cheapest(account: Account, target: Target, fee: Decimal) -> Decimal | None:
    """Return the least cost of closes of the first leg and a short hedge, by trying all."""
    (unit,) = account.units
    held, other = unit.positions
    gross = int(held.size + other.size) * 2
    costs = []
    for closed, opened in product(range(int(held.size) + 1), range(gross + 1)):
        share = 1 - closed / held.size
        positions = [other]
        if share:
            positions.append(replace(held, size=held.size - closed, cost=held.cost * share))
        if opened:
            size = Decimal(-opened)
            positions.append(Position(instrument="CCCUSDT", size=size, cost=size * 50))
        cost = closed * 100 * fee + opened * 50 * Decimal("0.001")
        balances = {"USDT": unit.balances["USDT"] - cost}
        after = replace(unit, balances=balances, positions=tuple(positions))
        if opened and left_to_open(after, account) < 0:
            continue
        checked = check(replace(account, units=(after,))).units[0]
        far = checked.distance is None or checked.distance >= target.value
        if far and not checked.is_liquidatable:
            costs.append(cost)
    return min(costs, default=None)


def test_a_hedge_whose_initial_margin_is_unknown_is_left_out_by_name() -> None:
    account = book("350")
    rules = account.rulebook.with_terms(account.rulebook.terms_for("CCCUSDT"))
    terms = dict(rules.model.instruments)
    scaled = OpenInterestInitial(base=Decimal("0.1"), lower=Decimal(1), upper=Decimal(2))
    terms["CCCUSDT"] = replace(terms["CCCUSDT"], initial=scaled)
    rules = replace(rules, model=replace(rules.model, instruments=terms))
    found = rescue(replace(account, rulebook=rules), FAR, options=HEDGES)
    assert found.status is RescueStatus.OUT_OF_REACH
    assert found.singles == ()
    text = "CCCUSDT is not opened, its initial margin is unknown: no open interest for CCCUSDT"
    assert text in str(found.notes)
