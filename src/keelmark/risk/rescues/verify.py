"""Solve until the core agrees: what decides is the unit after a plan, as the check sees it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.core.errors import InvariantViolated
from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.distance import missed_aim
from keelmark.risk.rescues.offers import Question
from keelmark.risk.rescues.prepare import problem_of
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.result import Plan, RescueStatus
from keelmark.risk.rescues.solve import Solved, solve
from keelmark.risk.rescues.standing import Standing, standing_for
from keelmark.risk.rescues.steps import plan_of
from keelmark.risk.rescues.target import Target, alive_aim

LAST_DIGITS = Decimal("1e-45")
ROUNDS_MAX = 8
"""Demands added between the ends of a path before a distance counts as out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a problem ends.

    Attributes:
        problem: With every demand found since.
        solved: The counts.
        after: How the unit stands after them, by the core.
        status: Whether they reach.
    """

    problem: Problem
    solved: Solved
    after: Standing
    status: RescueStatus

    def plan(self, question: Question) -> Plan:
        """Return the counts as a plan."""
        return plan_of(self.problem, self.solved, self.after, question.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The cheapest plan of a problem, or what comes nearest.

    Attributes:
        outcome: How all moves together end.
        status: How it ends with the moves that were tried alone.
        plan: The plan of that.
        singly: How each move ends alone, where that was tried; else empty.
    """

    outcome: Outcome
    status: RescueStatus
    plan: Plan
    singly: Sequence[Outcome] = ()


def planned(problem: Problem, question: Question) -> Planned:
    """Return how a problem ends, and its plan or what comes nearest.

    Closes whose fee is unknown cannot be weighed against others: without them first, then with.
    """
    priced = [move for move in problem.moves if move.is_fee_known]
    if priced and len(priced) < len(problem.moves):
        found = _planned(problem_of(question, priced), question)
        if found.status is RescueStatus.PLAN:
            spared = tuple(move.name for move in problem.moves if not move.is_fee_known)
            return replace(found, plan=replace(found.plan, spared=spared))
    return _planned(problem, question)


def _planned(problem: Problem, question: Question) -> Planned:
    """Return how a problem ends, and its plan or what comes nearest.

    A demand that one plan misses may not be one of another that closes the last contract on a coin:
    held to both, the search may find nothing, or not the cheapest. Each move alone is then solved
    with demands of its own, and the cheapest of what reaches is taken.
    """
    outcome = verified(problem, question)
    plan, status = outcome.plan(question), outcome.status
    is_missed = status is not RescueStatus.PLAN and question.target.far is not None
    if not (problem.doubtful or is_missed):
        return Planned(outcome=outcome, status=status, plan=plan)
    singly = [verified(problem_of(question, [move]), question) for move in problem.moves]
    plans = [one.plan(question) for one in singly if one.status is RescueStatus.PLAN]
    best = min(plans, key=lambda found: (not found.is_fee_known, found.cost.total), default=None)
    if best is not None and (status is not RescueStatus.PLAN or best.cost.total < plan.cost.total):
        plan, status = replace(best, bound=_bound_of(outcome, best)), RescueStatus.PLAN
    return Planned(outcome=outcome, status=status, plan=plan, singly=singly)


def _bound_of(outcome: Outcome, plan: Plan) -> Decimal | None:
    """Return what is proven of all moves together: nothing is cheaper than what costs nothing."""
    if not plan.is_fee_known:
        return None
    if not plan.cost.total:
        return ZERO
    return outcome.problem.floor if outcome.solved.bound is None else outcome.solved.bound


def verified(problem: Problem, question: Question, rounds: int = ROUNDS_MAX) -> Outcome:
    """Solve until the core agrees: where a path dips between its ends, that point is demanded too.

    Raises:
        InvariantViolated: A plan for a ratio does not reach it by the core's own report.
    """
    account, target = question.account, question.target
    solved = solve(problem)
    unit = problem.after(solved.counts)
    after = standing_for(unit, account, target)
    if not solved.reaches or not after.is_settled or after.meets(target):
        return _outcome(problem, solved, after, target)
    if after.is_liquidatable and rounds:
        alive = alive_aim(account.market, account.model)
        return verified(problem.with_scene(alive), question, rounds - 1)
    if target.far is None:
        return _with_slack(problem, after, question)
    if not rounds:
        return _outcome(problem, replace(solved, reaches=False), after, target)
    missed = None if after.misses_ratio_of(target) else missed_aim(unit, target.far, problem)
    if missed is None:
        return verified(_slackened(problem, after), question, rounds - 1)
    return verified(problem.with_missed(missed, solved.bound), question, rounds - 1)


def _outcome(problem: Problem, solved: Solved, after: Standing, target: Target) -> Outcome:
    status = RescueStatus.OUT_OF_REACH
    if solved.reaches and not after.is_settled:
        status = RescueStatus.UNKNOWN
    elif solved.reaches and after.meets(target):
        status = RescueStatus.PLAN
    return Outcome(problem=problem, solved=solved, after=after, status=status)


def _with_slack(problem: Problem, missed: Standing, question: Question) -> Outcome:
    """Solve again with room for the digits beyond the core's sixty, in which sums may differ.

    Raises:
        InvariantViolated: The plan still does not reach its ratio by the core's own report.
    """
    problem = _slackened(problem, missed)
    solved = solve(problem)
    after = standing_for(problem.after(solved.counts), question.account, question.target)
    if solved.reaches and not after.meets(question.target):
        msg = f"a plan for {question.target.text} ends elsewhere: {dict(solved.counts)}"
        raise InvariantViolated(msg)
    return _outcome(problem, solved, after, question.target)


def _slackened(problem: Problem, missed: Standing) -> Problem:
    return problem.with_slack(LAST_DIGITS * (abs(missed.equity) + missed.maintenance))
