"""The rows of a program that say what a plan must reach: one for each scene."""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.core.excess import cash_of, gross_loan_margin, price_of
from keelmark.core.model import AssetTerms, HaircutBase
from keelmark.core.numbers import ONE, ZERO
from keelmark.risk.rescues.formulation import Formulation, Sum, Tally, position_after
from keelmark.risk.rescues.moves import MoneyMove, TradeMove
from keelmark.risk.rescues.scene import NOTHING, Scene, part_of, reading

Line = tuple[Decimal, Decimal]
"""Slope and intercept."""


def add_demands(built: Formulation, shortage: int | None = None) -> None:
    """Add a row for each scene; with a shortage column, what is missing there is made up by it."""
    for scene in built.problem.scenes:
        total = _demand(built, scene)
        if shortage is not None:
            total = total.plus(Sum(terms={shortage: ONE}))
        built.demands.append(built.program.row(total.terms, -total.constant))


def add_opening(built: Formulation, caps: Sequence[int]) -> None:
    """Add the row of the demand on what opens, drawn straight from nothing to all of each move.

    A guide for the search: what it proposes is asked of the core, and asked more of where it fails.
    """
    problem = built.problem
    now = problem.opening.total(NOTHING)
    total = Sum(now)
    for row, cap in enumerate(caps):
        if cap:
            gained = problem.opening.total(problem.moves[row].change(cap)) - now
            total = total.plus(built.counts[row].sum, gained / cap)
    built.demands.append(built.program.row(total.terms, -total.constant))


def _demand(built: Formulation, scene: Scene) -> Sum:
    """Return what a demand comes to, in columns."""
    cash = {name: Tally(cash_of(scene.unit, name)) for name in scene.worth}
    profit = {name: Tally(scene.profits.get(name, ZERO)) for name in scene.worth}
    margin = {name: Tally(scene.margins.get(name, ZERO)) for name in scene.worth}
    for row, move in enumerate(built.problem.moves):
        count = built.counts[row].sum
        if isinstance(move, MoneyMove):
            cash.setdefault(move.name, Tally()).add(count, move.step)
        elif isinstance(move, TradeMove):
            settle = move.settle
            per_step, gain = _per_step(built, row, move, scene)
            paid = cash.setdefault(settle, Tally())
            paid.add(count, per_step)
            paid.add(built.slippage[row], -ONE)
            profit.setdefault(settle, Tally()).add(count, gain)
            required = margin.setdefault(settle, Tally())
            required.constant -= ZERO if move.row is None else scene.parts[move.row].margin
            required.add(built.requirement(row, scene.aim.market))
    total = Sum(-scene.aim.slack)
    for name, money in cash.items():
        price = price_of(name, scene.aim.market, scene.model)
        gained = profit.get(name, Tally()).sum
        worth = _worth(built, scene, name, money.sum, gained)
        terms = scene.model.asset_in(scene.unit.kind, name)
        fixed = Sum(gross_loan_margin(scene.unit, terms))
        total = total.plus(worth, price).plus(
            margin.get(name, Tally()).sum.plus(fixed), -price * scene.aim.level * terms.schedule.ask
        )
    return total


def _per_step(
    built: Formulation, row: int, move: TradeMove, scene: Scene
) -> tuple[Decimal, Decimal]:
    """Return what a step adds to cash without slippage, and to the profit counted in a scene."""
    key = (row, reading(move.terms, scene.aim.market))
    known = built.per_step.get(key)
    if known is None:
        known = built.per_step[key] = _new_per_step(built, row, move, scene)
    return known


def _new_per_step(
    built: Formulation, row: int, move: TradeMove, scene: Scene
) -> tuple[Decimal, Decimal]:
    reach = built.counts[row].reach
    cash = move.change(reach).cash.get(move.settle, ZERO) + move.slippage(reach)
    before = ZERO if move.row is None else scene.parts[move.row].profit
    position = position_after(move, reach)
    after = ZERO
    if position is not None:
        after = part_of(position, scene.aim.market, scene.model).profit
    return cash / reach, (after - before) / reach


def _worth(built: Formulation, scene: Scene, name: str, cash: Sum, profit: Sum) -> Sum:
    """Return what an asset counts for: one line, or a column below every line of its schedule."""
    terms = scene.model.asset_in(scene.unit.kind, name)
    weight = scene.aim.equity_weight
    lines = _lines(terms, weight, scene.aim.level)
    on_balance = terms.haircut_base is HaircutBase.BALANCE
    counted = cash if on_balance else cash.plus(profit)
    beside = Sum().plus(profit, weight) if on_balance else Sum()
    values = [Sum(intercept).plus(counted, slope) for slope, intercept in lines]
    if len(values) == 1 or not any(counted.terms.values()):
        return beside.plus(min(values, key=lambda v: v.constant))
    reach = max(built.program.reach(value.terms, value.constant) for value in values)
    column = built.program.column(reach, low=-reach)
    for value in values:
        below = value.plus(Sum(terms={column: ONE}), -ONE)
        built.program.row(below.terms, -below.constant)
    return beside.plus(Sum(terms={column: ONE}))


def _lines(terms: AssetTerms, weight: Decimal, level: Decimal) -> list[Line]:
    """Return the lines whose minimum an amount counts for, loan margin taken off debts."""
    debt = (terms.schedule.ask * (weight + level * terms.schedule.loan_rate), ZERO)
    rest = terms.schedule.segments[1:]
    return [debt, *((weight * line.slope, weight * line.intercept) for line in rest)]
