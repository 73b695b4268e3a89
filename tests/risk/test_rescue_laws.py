"""What holds of every rescue: it reaches, mirrors agree, and more means never cost more."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account
from keelmark.accounts.document import AccountDocument
from keelmark.core.allocation import LeastCost, Reducible, ReliefPiece, least_cost
from keelmark.core.margin import margin_report
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.risk.rescues import (
    Action,
    Impact,
    Money,
    Rescue,
    RescueOptions,
    RescueStatus,
    Target,
    rescue,
)
from keelmark.risk.rescues.alone import telling
from keelmark.risk.rescues.demands import add_demands
from keelmark.risk.rescues.formulation import Formulation
from keelmark.risk.rescues.offers import Question
from keelmark.risk.rescues.prepare import prepare
from keelmark.risk.rescues.scene import Change, Scene, whole_total
from keelmark.risk.rescues.target import Aim, TargetKind
from keelmark.risk.what_if import whatif
from keelmark.rulebooks import load_rulebook
from tests.risk.rescue_cases import SYMBOLS, Case, account_of, cases, meets, rulebook
from tests.strategies import HELD, Situation, situations

TOLERANCE = Decimal("1e-6")
"""Relative: what the solver may leave between its answer and the cheapest."""

LAST_DIGITS = Decimal("1e-40")
DOCUMENT_DIGITS = Decimal("1e-20")


def solved(case: Case, options: RescueOptions | None = None) -> Rescue:
    return rescue(case.account, case.target, options=options or case.options)


@given(situations(), st.data())
def test_a_scene_after_any_change_is_what_the_core_says(
    situation: Situation, data: st.DataObject
) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    aim = Aim(name="drawn", market=market, equity_weight=data.draw(st.sampled_from([ONE, ONE / 4])))
    legs = {}
    with exact():
        for row, held in enumerate(unit.positions):
            share = data.draw(st.sampled_from([None, ZERO, ONE / 2, ONE / 8]))
            if share is not None:
                rest = (
                    replace(held, size=held.size * share, cost=held.cost * share) if share else None
                )
                legs[row] = rest
        cash = {asset: Decimal(data.draw(st.integers(-50, 50))) for asset in unit.balances}
        change = Change(cash=cash, legs=legs)
        found = Scene(unit, aim, model).total(change)
        told = whole_total(change.after(unit), aim, model)
        report = margin_report(change.after(unit), market, model)
        size = abs(report.equity) + report.maintenance_margin + ONE
        assert abs(found - told) <= Decimal("1e-45") * size


MEANS = (
    RescueOptions(),
    RescueOptions(actions=frozenset({Action.CLOSE})),
    RescueOptions(deposit_cost=Decimal("0.01")),
    RescueOptions(deposit_max=ONE),
    RescueOptions(actions=frozenset({Action.CLOSE}), fee=Decimal("0.01")),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    situations(HELD),
    st.sampled_from([Target.ratio(ONE), Target.ratio(ONE / 2), Target.distance(ONE / 10)]),
    st.sampled_from(MEANS),
    st.sampled_from([Impact(), Impact(linear=Decimal("1e-9"), root=Decimal("1e-6"))]),
)
def test_any_unit_at_all_is_answered_and_what_is_answered_holds_by_the_core(
    situation: Situation, target: Target, means: RescueOptions, impact: Impact
) -> None:
    """Hedge legs, inverse contracts, haircuts, debts, loans, own rows, numbers of every size."""
    account = account_with(situation)
    impacts = {p.instrument: impact for p in situation.unit.positions}
    found = rescue(account, target, options=replace(means, impacts=impacts))
    if found.status is not RescueStatus.PLAN:
        return
    plan, single = found.plan, found.cheapest_single
    assert plan is not None
    report = margin_report(plan.unit, situation.market, situation.model)
    with exact():
        room = target.value * report.equity - report.maintenance_margin
    assert target.kind is TargetKind.DISTANCE or room >= ZERO
    assert (
        target.kind is TargetKind.RATIO
        or plan.after.distance is None
        or (plan.after.distance >= target.value)
    )
    assert single is None or plan.cost.total <= single.step.cost.total
    assert plan.bound is None or plan.bound <= plan.cost.total * (1 + TOLERANCE)


def account_with(situation: Situation) -> Account:
    """Return an account that holds a drawn unit alone, under its drawn terms."""
    rules = replace(load_rulebook("generic"), model=situation.model)
    return Account(
        document=AccountDocument(venue="generic"),
        rulebook=rules,
        as_of=None,
        units=(situation.unit,),
        market=situation.market,
        reported={},
        notes=(),
    )


@given(cases(impact=True))
def test_a_plan_reaches_by_the_core_and_no_single_action_is_cheaper(case: Case) -> None:
    found = solved(case)
    assume(found.status is RescueStatus.PLAN)
    plan, single = found.plan, found.cheapest_single
    assert plan is not None
    assert meets(case, plan.unit)
    assert plan.after.ratio is None or plan.after.ratio <= case.target.value
    assert single is None or plan.cost.total <= single.step.cost.total
    assert plan.bound is None or plan.bound <= plan.cost.total
    with exact():
        parts = sum((step.cost.total for step in plan.steps), ZERO)
        assert abs(parts - plan.cost.total) <= LAST_DIGITS * plan.cost.total
    last = plan.steps[-1].after.ratio  # the same sums in another order
    assert (last is None) is (plan.after.ratio is None)
    if last is not None and plan.after.ratio is not None:
        with exact():
            assert abs(last - plan.after.ratio) <= LAST_DIGITS * plan.after.ratio


@given(cases(impact=True))
def test_every_single_action_that_is_said_to_reach_does_with_no_step_to_spare(case: Case) -> None:
    prepared = prepare(question_of(case))
    for single in solved(case).singles:
        if not single.reaches:
            continue
        row = next(
            row for row, move in enumerate(prepared.problem.moves) if move.name == single.step.name
        )
        count = int(abs(single.step.amount) / prepared.problem.moves[row].step)
        assert prepared.problem.reaches({row: count})
        assert not prepared.problem.reaches({row: count - 1})


@given(cases(impact=True, money=True), st.integers(1, 18), st.data())
def test_the_demands_that_tell_of_a_move_are_the_worst_met_at_every_count(
    case: Case, twentieths: int, data: st.DataObject
) -> None:
    """One demand of those that see a move alike stands for them; parts shared are the same."""
    far = replace(case, target=Target.distance(Decimal(twentieths) / 20))
    problem = prepare(question_of(far)).problem
    for row, move in enumerate(problem.moves):
        others = {
            other: data.draw(st.integers(0, moved.count_max or 9))
            for other, moved in enumerate(problem.moves)
            if other != row
        }
        told = replace(problem, scenes=telling(problem, row, others))
        for count in {0, 1, data.draw(st.integers(0, move.count_max or 999))}:
            counts = {**others, row: count}
            with exact():
                change = problem.change(counts)
                alone = min(
                    whole_total(change.after(problem.unit), s.aim, s.model) for s in problem.scenes
                )
                found = told.least(counts)
                assert abs(found - problem.least(counts)) <= LAST_DIGITS * (1 + abs(found))
                assert abs(found - alone) <= LAST_DIGITS * (1 + abs(found))


def question_of(case: Case) -> Question:
    return Question(account=case.account, unit=case.unit, target=case.target, options=case.options)


@given(cases(impact=True))
def test_the_same_book_on_the_other_side_costs_the_same(case: Case) -> None:
    found, mirrored = solved(case), solved(mirror(case))
    assert found.status is mirrored.status
    if found.status is RescueStatus.PLAN:
        assert found.plan is not None
        assert mirrored.plan is not None
        assert mirrored.plan.cost.total == found.plan.cost.total


def mirror(case: Case) -> Case:
    """Return the case with longs as shorts that have won and lost as much."""
    market = case.account.market
    with exact():
        positions = tuple(
            replace(p, size=-p.size, cost=p.cost - 2 * p.size * market.mark(p.instrument))
            for p in case.unit.positions
        )
    unit = replace(case.unit, positions=positions)
    return replace(case, account=replace(case.account, units=(unit,)))


@given(cases(impact=True), st.sampled_from([ZERO, ONE / 2]))
def test_more_liquidity_never_costs_more(case: Case, share: Decimal) -> None:
    thinner = solved(case)
    impacts = {
        symbol: Impact(linear=impact.linear * share, root=impact.root * share)
        for symbol, impact in case.options.impacts.items()
    }
    deeper = solved(case, replace(case.options, impacts=impacts))
    assert never_worse(deeper, thinner)


@given(cases(money=True), st.integers(0, 100))
def test_more_money_never_costs_more(case: Case, amount: int) -> None:
    few = replace(case.options, deposits=(Money(asset="USDT", amount_max=Decimal(amount)),))
    more = replace(case.options, deposits=(Money(asset="USDT", amount_max=Decimal(2 * amount)),))
    assert never_worse(solved(case, more), solved(case, few))


@given(cases(money=True))
def test_another_action_never_costs_more(case: Case) -> None:
    one = replace(case.options, actions=frozenset({Action.DEPOSIT}))
    assert never_worse(solved(case), solved(case, one))


def never_worse(better: Rescue, worse: Rescue) -> bool:
    """Whether a rescue with more means reaches where the other does, at no higher cost."""
    if worse.status is not RescueStatus.PLAN:
        return True
    assert better.plan is not None
    assert worse.plan is not None
    limit = worse.plan.cost.total * (1 + TOLERANCE)
    return better.status is RescueStatus.PLAN and better.plan.cost.total <= limit


@given(cases(impact=True, money=True), st.lists(st.floats(0, 100), min_size=60, max_size=60))
def test_any_weights_of_the_rows_prove_a_bound_that_no_plan_beats(
    case: Case, weights: list[float]
) -> None:
    found = solved(case)
    assume(found.status is RescueStatus.PLAN)
    assert found.plan is not None
    problem = prepare(question_of(case)).problem
    money = 10**6
    built = Formulation(problem, [move.count_max or money for move in problem.moves])
    add_demands(built)
    duals = (weights * (1 + len(built.program.rows) // len(weights)))[: len(built.program.rows)]
    with exact():
        assert built.program.bound(duals) <= found.plan.cost.total


@given(cases(impact=True))
def test_whatif_told_the_edits_of_a_plan_gives_the_same_unit(case: Case) -> None:
    fee = Decimal("0.001")
    found = solved(case, replace(case.options, fees={}, fee=fee))
    assume(found.status is RescueStatus.PLAN)
    assert found.plan is not None
    told = whatif(case.account, *found.edits, fee_rate=fee).after.units[0].report
    own = margin_report(found.plan.unit, case.account.market, case.account.model)
    assert told is not None
    with exact():
        # a fill away from the mark pays its fee on the price it fills at
        slack = DOCUMENT_DIGITS * (1 + abs(own.equity)) + fee * found.plan.cost.slippage
        assert abs(told.equity - own.equity) <= slack
        assert abs(told.maintenance_margin - own.maintenance_margin) <= LAST_DIGITS


@given(
    st.lists(st.tuples(st.integers(50, 900), st.integers(1, 40)), min_size=1, max_size=3),
    st.integers(4, 9),
)
def test_with_small_lots_the_cost_is_that_of_the_continuous_optimum(
    legs: list[tuple[int, int]], tenths: int
) -> None:
    """`core.allocation.least_cost` solves the same by KKT, written apart."""
    rules = rulebook("tiered")
    rows = [
        (symbol, str(notional * 10), "0.1", "0.1")
        for symbol, (notional, _) in zip(SYMBOLS, legs, strict=False)
    ]
    needed = sum(requirement(Decimal(notional)) for notional, _ in legs)
    target = Decimal(tenths) / 10
    cash = (needed / target * Decimal("0.8")).quantize(Decimal("0.01"))
    account = account_of(rules, rows, {"USDT": str(cash)})
    impacts = {
        symbol: Impact(linear=Decimal(size) / 1_000_000)
        for symbol, (_, size) in zip(SYMBOLS, legs, strict=False)
    }
    options = RescueOptions(actions=frozenset({Action.CLOSE}), impacts=impacts, gap=ZERO)
    found = rescue(account, Target.ratio(target), options=options)
    oracle = least_cost(
        [reducible(Decimal(n), Decimal(k) / 1_000_000, target) for n, k in legs],
        needed / target - cash,
    )
    assume(isinstance(oracle, LeastCost) and found.status is RescueStatus.PLAN)
    assert isinstance(oracle, LeastCost)
    assert found.plan is not None
    lot_cost = Decimal("0.1") * (Decimal("0.001") + Decimal("0.08"))
    assert oracle.cost * (1 - TOLERANCE) <= found.plan.cost.total <= oracle.cost + 3 * lot_cost


def requirement(notional: Decimal) -> Decimal:
    """The tiers of the grid: 2 % to 300, 5 % to 700, 10 % above."""
    beyond = [max(ZERO, notional - floor) for floor in (0, 300, 700)]
    rates = (Decimal("0.02"), Decimal("0.03"), Decimal("0.05"))
    return sum((part * rate for part, rate in zip(beyond, rates, strict=True)), ZERO)


def reducible(notional: Decimal, impact: Decimal, target: Decimal) -> Reducible:
    """Return a leg as the continuous solver sees it, up to where its excess is best."""
    fee = Decimal("0.001")
    pieces = []
    above, closed = notional, ZERO
    for floor, rate in ((700, "0.1"), (300, "0.05"), (0, "0.02")):
        if above <= floor:
            continue
        helpful = max((Decimal(rate) - fee) / (2 * impact) - closed, ZERO)
        size = min(above - floor, helpful)
        pieces.append(ReliefPiece(size=size, rate=Decimal(rate) / target))
        if size < above - floor:
            break
        above, closed = Decimal(floor), closed + size
    return Reducible(pieces=tuple(pieces), fee_rate=fee, impact=impact)
