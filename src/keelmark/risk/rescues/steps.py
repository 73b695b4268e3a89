"""Counts as steps: what to do in which order, what each costs and how the unit then stands."""

from collections.abc import Mapping
from decimal import Decimal

from keelmark.accounts import Account
from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.moves import MoneyMove, Move, MoveKind, TradeMove
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.result import Plan, Step
from keelmark.risk.rescues.solve import Solved
from keelmark.risk.rescues.standing import Standing, standing_of

ORDER = (
    MoveKind.TRANSFER,
    MoveKind.WALLET,
    MoveKind.DEPOSIT,
    MoveKind.CLOSE,
    MoveKind.HEDGE,
)
"""Money first: trades are then made from a safer unit; what adds a position comes last."""


def plan_of(problem: Problem, solved: Solved, after: Standing, account: Account) -> Plan:
    """Return the plan of counts; of the closes, the largest first."""
    rows = [row for row, count in solved.counts.items() if count]
    sizes = {row: notional_of(problem.moves[row], solved.counts[row]) for row in rows}
    rows.sort(key=lambda row: (ORDER.index(problem.moves[row].kind), -sizes[row], row))
    done: dict[int, int] = {}
    steps = []
    for row in rows:
        done[row] = solved.counts[row]
        steps.append(step_of(problem, row, done, account))
    return Plan(
        steps=tuple(steps),
        cost=problem.cost(done),
        money=sum((sizes[row] for row in rows if problem.moves[row].kind.is_money), ZERO),
        bound=solved.bound if all(step.is_fee_known for step in steps) else None,
        unit=problem.after(done),
        after=after,
    )


def step_of(problem: Problem, row: int, done: Mapping[int, int], account: Account) -> Step:
    """Return one step, the unit standing as after everything in `done`."""
    move, count = problem.moves[row], done[row]
    return Step(
        kind=move.kind,
        name=move.name,
        source=move.source if isinstance(move, MoneyMove) else "",
        amount=move.amount(count),
        notional=notional_of(move, count),
        is_whole=_is_whole(move, count),
        price=move.fill_price(count) if isinstance(move, TradeMove) else None,
        cost=move.cost(count),
        is_fee_known=move.is_fee_known,
        buys=isinstance(move, TradeMove) and move.sign > 0,
        after=standing_of(problem.after(done), account),
    )


def notional_of(move: Move, count: int) -> Decimal:
    """Return what a move moves or trades, valuation currency."""
    if isinstance(move, TradeMove):
        return move.notional(count) * move.price
    assert isinstance(move, MoneyMove)  # noqa: S101 there are two kinds of moves
    return move.amount(count) * move.price


def _is_whole(move: Move, count: int) -> bool:
    if not isinstance(move, TradeMove) or move.kind is not MoveKind.CLOSE or move.held is None:
        return False
    return abs(move.amount(count)) == abs(move.held.size)
