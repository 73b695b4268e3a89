"""The two ways out, equal in rank: with money brought in, and with positions only."""

from collections.abc import Sequence
from dataclasses import dataclass

from keelmark.accounts.figures import percent
from keelmark.risk.rescues.moves import Move
from keelmark.risk.rescues.offers import Question
from keelmark.risk.rescues.options import Action
from keelmark.risk.rescues.prepare import Prepared, problem_of
from keelmark.risk.rescues.result import RescueStatus, Way
from keelmark.risk.rescues.standing import Standing
from keelmark.risk.rescues.verify import Planned, planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Both ways of one rescue."""

    with_money: Way
    without_money: Way


def ways_of(
    question: Question,
    prepared: Prepared,
    found: Planned,
) -> Ways:
    """Return both ways, given the plan of everything allowed; of that without, the reason."""
    status, plan = found.status, found.plan
    account = question.account
    money = [move for move in prepared.problem.moves if move.kind.is_money]
    trades = [move for move in prepared.problem.moves if not move.kind.is_money]
    if status is not RescueStatus.PLAN:
        reason = _why(status, plan.after, question, "all that is allowed")
        return Ways(
            with_money=Way(account=account, reason=reason if money else _no_money(question)),
            without_money=Way(
                account=account, reason=reason if trades else _no_trades(question, prepared)
            ),
        )
    mine = Way(account=account, plan=plan)
    if plan.money:
        other = (
            _other(question, trades)
            if trades
            else Way(account=account, reason=_no_trades(question, prepared))
        )
        return Ways(with_money=mine, without_money=other)
    other = _other(question, money) if money else Way(account=account, reason=_no_money(question))
    return Ways(with_money=other, without_money=mine)


def no_ways(question: Question, reason: str) -> Ways:
    """Return that neither way exists, for one reason."""
    none = Way(account=question.account, reason=reason)
    return Ways(with_money=none, without_money=none)


def _other(question: Question, moves: Sequence[Move]) -> Way:
    """Return the way of other moves than those of the plan of least cost."""
    found = planned(problem_of(question, moves), question)
    if found.status is RescueStatus.PLAN:
        return Way(account=question.account, plan=found.plan)
    what = "money alone" if moves[0].kind.is_money else "trading positions alone"
    return Way(
        account=question.account, reason=_why(found.status, found.plan.after, question, what)
    )


def _why(status: RescueStatus, nearest: Standing, question: Question, what: str) -> str:
    """Return why moves do not reach: how near they come."""
    if status is RescueStatus.UNKNOWN:
        return "the distance it leaves cannot be solved"
    target = question.target
    if nearest.ratio is None:
        return f"{what} leaves {nearest.shortage(question.currency)}"
    if target.far is None or nearest.misses_ratio_of(target) or nearest.distance is None:
        return f"{what} gets no lower than {percent(nearest.ratio)} of equity in use"
    if nearest.is_liquidatable:
        return f"{what} leaves {nearest.shortage(question.currency)}"
    return f"{what} gets no further than {percent(nearest.distance)} from liquidation"


def _no_trades(question: Question, prepared: Prepared) -> str:
    options = question.options
    if not (options.allows(Action.CLOSE) or (options.allows(Action.HEDGE) and options.hedges)):
        return "no action on positions is allowed"
    if prepared.toxic:
        return "every close costs more than it frees"
    return "there is nothing that may be closed or opened"


def _no_money(question: Question) -> str:
    options = question.options
    if not (options.allows(Action.DEPOSIT) or options.allows(Action.TRANSFER)):
        return "bringing money in is not allowed"
    return "no money is within reach"
