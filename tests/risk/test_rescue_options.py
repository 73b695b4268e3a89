"""Rescues that close options: at their marks, margined anew by the core, legs apart or together."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, check
from keelmark.accounts.account import build_account
from keelmark.accounts.document import read_document
from keelmark.core.margin import margin_report
from keelmark.risk.rescues import Action, RescueOptions, RescueStatus, Target, rescue
from keelmark.risk.rescues.document import rescue_document
from keelmark.risk.rescues.moves import MoveKind
from keelmark.risk.what_if import whatif

CLOSES = RescueOptions(actions=frozenset({Action.CLOSE}))
CALL, PUT = "BTC-26DEC26-100000-C", "BTC-26DEC26-80000-P"
MARKS = (Decimal("0.06"), Decimal("0.02"))
FAR_CALL = "BTC-26DEC26-130000-C"
LAST_DIGITS = Decimal("1e-20")


def book(venue: str, cash: dict[str, str], rows: dict[str, tuple[str, str]]) -> Account:
    """Return an account of options by size and mark."""
    content = {
        "venue": venue,
        "as_of": "2026-11-01T00:00:00Z",
        "collateral": [{"asset": asset, "balance": amount} for asset, amount in cash.items()],
        "prices": {"BTC": "100000", "ETH": "4000"},
        "positions": [
            {"instrument": symbol, "size": size, "entry_price": mark, "mark_price": mark}
            for symbol, (size, mark) in rows.items()
        ],
    }
    return build_account(read_document(content, title="account"))


def deribit(call: str = "-5", put: str = "-3", cash: str = "2") -> Account:
    rows = {CALL: (call, "0.06"), PUT: (put, "0.02")}
    return book("deribit-sm", {"BTC": cash}, {s: row for s, row in rows.items() if row[0] != "0"})


def spread(short: str = "-20", long: str = "20", cash: str = "9000") -> Account:
    rows = {"ETH-20261225-4400-C": (short, "150"), "ETH-20261225-4800-C": (long, "80")}
    return book("derive-sm", {"USDC": cash}, rows)


def test_a_short_option_is_bought_back_lot_by_lot_until_the_ratio_holds() -> None:
    account, target = deribit(put="0", cash="1.5"), Target.ratio(Decimal("0.2"))
    found = rescue(account, target, options=CLOSES)
    assert found.plan is not None
    (step,) = found.plan.steps
    assert (step.kind, step.name) == (MoveKind.CLOSE, CALL)
    assert step.price == Decimal("0.06")
    for size, is_met in ((step.amount, True), (step.amount - Decimal("0.1"), False)):
        told = whatif(account, f"close {CALL}={size:f}").after.units[0].report
        assert told is not None
        used = told.maintenance_margin <= target.value * told.equity
        assert used is is_met


@settings(max_examples=25)
@given(
    st.integers(-6, 6).filter(bool),
    st.integers(-6, 6).filter(bool),
    st.integers(5, 30),
    st.sampled_from([Target.ratio(Decimal("0.2")), Target.distance(Decimal("0.3"))]),
)
def test_the_account_after_closes_of_options_is_that_of_their_edits(
    call: int, put: int, tenths: int, target: Target
) -> None:
    account = deribit(str(call), str(put), str(Decimal(tenths) / 10))
    found = rescue(account, target, options=CLOSES)
    if found.plan is None or not found.plan.steps:
        return
    told = whatif(account, *found.edits).after.units[0]
    own = check(found.rescued).units[0]
    assert told.report is not None
    assert own.report is not None
    assert abs(told.report.equity - own.report.equity) <= LAST_DIGITS
    assert abs(told.report.maintenance_margin - own.report.maintenance_margin) <= LAST_DIGITS
    assert (told.distance is None) == (own.distance is None)
    if found.status is RescueStatus.PLAN:
        assert found.plan.after.meets(target)


@pytest.mark.parametrize("fee", ["0.01", "0.3"])
def test_where_each_leg_has_its_margin_no_combination_of_lots_is_cheaper(fee: str) -> None:
    account, target = deribit("-0.6", "-0.5", "0.12"), Target.ratio(Decimal("0.4"))
    fees = {CALL: Decimal("0.01"), PUT: Decimal(fee)}
    found = rescue(account, target, options=replace(CLOSES, fees=fees, gap=Decimal(0)))
    assert found.plan is not None
    assert found.status is RescueStatus.PLAN
    unit = account.units[0]
    costs = []
    for lots in product(range(7), range(6)):
        sizes = [Decimal(n) / 10 for n in lots]
        cost = sum(
            (n * mark * fees[s] for s, n, mark in zip(fees, sizes, MARKS, strict=True)), Decimal(0)
        )
        positions = tuple(
            replace(p, size=p.size + n, cost=p.cost * (1 + n / p.size))
            for p, n in zip(unit.positions, sizes, strict=True)
            if p.size + n
        )
        paid = sum((n * mark for n, mark in zip(sizes, MARKS, strict=True)), cost)
        balances = {"BTC": unit.balances["BTC"] - paid}
        report = margin_report(
            replace(unit, positions=positions, balances=balances), account.market, account.model
        )
        if report.maintenance_margin <= target.value * report.equity:
            costs.append(cost)
    assert abs(found.plan.cost.total - min(costs)) <= LAST_DIGITS
    assert found.plan.bound is not None


def test_legs_that_share_a_margin_are_closed_and_verified_and_nothing_is_claimed() -> None:
    account = spread()
    report = margin_report(account.units[0], account.market, account.model)
    target = Target.ratio(report.maintenance_margin / report.equity / 2)
    found = rescue(account, target, options=CLOSES)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    assert found.plan.bound is None
    assert {single.step.name for single in found.singles} == {
        p.instrument for p in account.units[0].positions
    }
    after = margin_report(found.plan.unit, account.market, account.model)
    assert after.maintenance_margin <= target.value * after.equity
    assert any("none of them is proven the cheapest" in note for note in found.notes)
    told = whatif(account, *found.edits).after.units[0].report
    assert told is not None
    assert abs(told.equity - after.equity) <= LAST_DIGITS


def test_a_long_option_may_be_sold_where_only_its_fall_is_the_danger() -> None:
    """Its close leaves the excess where it is; a fall takes its value no more."""
    rows = {CALL: ("5", "0.06"), "BTC-PERPETUAL": ("30000", "100000")}
    account = book("deribit-sm", {"BTC": "0.3"}, rows)
    found = rescue(account, Target.distance(Decimal("0.9")), options=CLOSES)
    assert CALL in {single.step.name for single in found.singles}


def beside_a_perpetual(size: str = "200000", cash: str = "3") -> Account:
    rows = {FAR_CALL: ("-10", "0.02"), "BTC-PERPETUAL": (size, "100000")}
    return book("deribit-sm", {"BTC": cash}, rows)


def test_where_fees_of_options_are_unknown_a_plan_without_them_is_preferred() -> None:
    """Counted as free, their closes looked cheaper than those of the perpetual that reach alone."""
    account = beside_a_perpetual()
    now = check(account).units[0].distance
    assert now is not None
    found = rescue(account, Target.distance(now + Decimal("0.04")), options=CLOSES)
    plan = found.without_money.plan
    assert plan is not None
    assert [step.name for step in plan.steps] == ["BTC-PERPETUAL"]
    assert plan.is_fee_known
    assert plan.spared == (FAR_CALL,)
    assert {single.step.name for single in found.singles} == {FAR_CALL, "BTC-PERPETUAL"}
    assert found.cheapest_single is not None
    assert found.cheapest_single.step.name == "BTC-PERPETUAL"
    assert any("only where nothing else reaches" in note for note in found.notes)


def test_options_are_closed_where_nothing_else_reaches_and_no_cost_is_claimed() -> None:
    account = beside_a_perpetual("10000", "2")
    report = margin_report(account.units[0], account.market, account.model)
    target = Target.ratio(report.maintenance_margin / report.equity / 3)
    found = rescue(account, target, options=CLOSES)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    assert FAR_CALL in {step.name for step in found.plan.steps}
    assert (found.plan.bound, found.plan.spared) == (None, ())
    document = rescue_document(found)
    assert document["plan"]["fee"] is None  # type: ignore[index, call-overload]
    assert document["plan"]["cost"] is None  # type: ignore[index, call-overload]
    named = rescue(account, target, options=replace(CLOSES, fees={FAR_CALL: Decimal("0.003")}))
    assert named.plan is not None
    assert named.plan.is_fee_known
    assert not any("only where nothing else reaches" in note for note in named.notes)
