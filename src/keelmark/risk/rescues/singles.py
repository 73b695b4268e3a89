"""Every action alone: its cost, or why it does not reach. The proof beside a plan."""

from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.figures import figure, percent
from keelmark.core.bankruptcy import toxicity
from keelmark.core.margin import margin_report
from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.alone import Alone, fewest
from keelmark.risk.rescues.moves import MoneyMove, Move, MoveKind, TradeMove
from keelmark.risk.rescues.offers import Question
from keelmark.risk.rescues.prepare import Prepared, problem_of
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.result import RescueStatus, Single, Step
from keelmark.risk.rescues.standing import standing_of
from keelmark.risk.rescues.steps import step_of
from keelmark.risk.rescues.verify import Outcome, Planned, verified


def singles_of(prepared: Prepared, found: Planned, question: Question) -> tuple[Single, ...]:
    """Return every action alone, those that reach first, cheapest first.

    Args:
        prepared: The moves, and those that were left out as toxic.
        found: The plan, with every demand found since, and what moves do alone as far as its
            search has found it.
        question: Who asks for what.
    """
    problem, known = found.outcome.problem, found.outcome.solved.alone
    if found.singly:
        singles = [_verified(one, question) for one in found.singly]
    else:
        alone = [known.get(row) or fewest(problem, row, {}) for row in range(len(problem.moves))]
        singles = [_single(problem, row, one, question) for row, one in enumerate(alone)]
    weighed = {move.name for move in problem.moves}
    rest = [move for move in prepared.problem.moves if move.name not in weighed]
    singles += [
        _verified(verified(problem_of(question, [move]), question), question) for move in rest
    ]
    singles += [_toxic(problem, move, question) for move in prepared.toxic]
    return tuple(sorted(singles, key=_rank))


def _rank(single: Single) -> tuple[bool, bool, Decimal]:
    return not single.reaches, not single.step.is_fee_known, single.step.cost.total


def _verified(found: Outcome, question: Question) -> Single:
    """Return a move alone that was solved with demands of its own."""
    problem = found.problem
    if found.status is not RescueStatus.PLAN:
        return _single(problem, 0, replace(fewest(problem, 0, {}), count=None), question)
    step = step_of(problem, 0, {0: found.solved.counts.get(0, 0)}, question.account)
    return Single(step=step, reaches=True)


def _single(problem: Problem, row: int, one: Alone, question: Question) -> Single:
    best = one.best if problem.may_open({row: one.best}) else 0
    step = step_of(problem, row, {row: best}, question.account)
    if one.count is not None:
        return Single(step=step, reaches=True)
    return Single(step=step, reaches=False, reason=_why_not(problem, row, step, question))


def _why_not(problem: Problem, row: int, step: Step, question: Question) -> str:
    """Return in words how far an action gets by itself, and what stands in its way."""
    move = problem.moves[row]
    target = question.target
    is_ratio = target.far is None or step.after.misses_ratio_of(target)
    if not step.amount and is_ratio:
        if move.kind is MoveKind.HEDGE:
            return "opening adds maintenance and frees none"
        return "no amount of it brings the target nearer"
    if move.kind is MoveKind.HEDGE and _is_refused(problem, row, step):
        most = f"best {figure(abs(step.amount))}: " if step.amount else ""
        return f"{most}initial margin would exceed equity"
    amount = _amount_in_words(move, step)
    if is_ratio or step.after.ratio is None:
        ratio = step.after.ratio
        reason = f"{amount} leaves {percent(ratio)}" if ratio else f"{amount}: no equity is left"
    elif step.after.is_liquidatable:
        reason = f"{amount} leaves it liquidatable"
    else:
        reason = f"{amount}: {_worst_scene(problem, row, step)} still liquidates"
    return f"{reason}; more lowers excess" if _is_held_back(move, step) else reason


def _is_refused(problem: Problem, row: int, step: Step) -> bool:
    """Whether the venue would not let one lot more be opened."""
    count = int(abs(step.amount) / problem.moves[row].step) + 1
    return problem.opening.total(problem.moves[row].change(count)) < ZERO


def _is_held_back(move: Move, step: Step) -> bool:
    """Whether a close ends where one more lot would lower the excess, and not where it is best."""
    if not isinstance(move, TradeMove) or move.reach is None or move.count_max is None:
        return False
    return move.count_max < move.reach and step.amount == move.amount(move.count_max)


def _amount_in_words(move: object, step: Step) -> str:
    if isinstance(move, MoneyMove):
        is_all = move.count_max is not None and step.amount == move.amount(move.count_max)
        return "all there is" if is_all else "however much"
    if not step.amount:
        return "any of it"
    return "all of it" if step.is_whole else f"best {figure(abs(step.amount))}"


def _worst_scene(problem: Problem, row: int, step: Step) -> str:
    """Return the name of the demand that is met worst after a step alone."""
    count = int(abs(step.amount) / problem.moves[row].step)
    change = problem.change({row: count})
    return min(problem.scenes, key=lambda scene: scene.total(change)).aim.name


def _toxic(problem: Problem, move: TradeMove, question: Question) -> Single:
    """Return a close that costs more than it frees, with both rates."""
    report = margin_report(problem.unit, problem.market, problem.model)
    held = report.positions[move.row or 0]
    slippage = move.slippage(1) / move.notional(1)
    found = toxicity(held, fee=move.fee_rate, slippage=slippage)
    cost, released = _bps(found.cost), _bps(found.released)
    step = Step(
        kind=move.kind,
        name=move.name,
        source="",
        amount=ZERO,
        notional=ZERO,
        is_whole=False,
        price=None,
        cost=move.cost(0),
        buys=move.sign > 0,
        after=standing_of(problem.unit, question.account),
    )
    reason = f"toxic: closing costs {cost} of notional and frees {released}"
    return Single(step=step, reaches=False, reason=reason)


def _bps(rate: Decimal) -> str:
    return f"{rate * 10_000:.1f} bps"
