"""From a question to a problem: the demands, and the moves that can help at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.core.errors import MissingNumber
from keelmark.core.margin import margin_report
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.alone import best_count
from keelmark.risk.rescues.distance import doubtful_paths
from keelmark.risk.rescues.moves import Move, MoveKind, TradeMove
from keelmark.risk.rescues.offers import Question, offers
from keelmark.risk.rescues.opening import Opening
from keelmark.risk.rescues.problem import Problem
from keelmark.risk.rescues.scene import Scene, scenes_of
from keelmark.risk.rescues.target import Aim, aims_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A problem, and the closes left out because they cost more than they free.

    Attributes:
        problem: Demands and helpful moves.
        toxic: Closes of which not even the first lot raises the maintenance excess.
        unknown: Why hedges are left out whose initial margin is unknown.
    """

    problem: Problem
    toxic: tuple[TradeMove, ...]
    unknown: tuple[str, ...] = ()


def prepare(question: Question) -> Prepared:
    """Return the problem of a question.

    A close goes no further than it raises the maintenance excess by itself (INV-07 of the engine,
    held for users as well): beyond that every lot costs more than it frees. `toxic` lifts that.
    """
    account, unit = question.account, question.unit
    model, market = account.model, account.market
    moves: list[Move] = []
    toxic: list[TradeMove] = []
    unknown: dict[str, str] = {}
    excess = Scene(unit, Aim.not_liquidatable("now", market, model), model)
    for move in offers(question):
        is_close = isinstance(move, TradeMove) and move.kind is MoveKind.CLOSE
        if isinstance(move, TradeMove) and is_close and not question.options.toxic:
            most = best_count(move, excess) or _neutral_count(move, excess)
            if most:
                moves.append(replace(move, count_max=most))
            else:
                toxic.append(move)
        elif move.kind is MoveKind.HEDGE and (reason := _unknown_initial(move, question)):
            unknown[move.name] = (
                f"{move.name} is not opened, its initial margin is unknown: {reason}"
            )
        elif move.count_max != 0:
            moves.append(move)
    return Prepared(
        problem=problem_of(question, moves),
        toxic=tuple(toxic),
        unknown=tuple(unknown.values()),
    )


def problem_of(question: Question, moves: Sequence[Move]) -> Problem:
    """Return the problem of a question for some moves: what they cannot change is no doubt."""
    unit, market, model = question.unit, question.account.market, question.account.model
    wide = _widest(unit, moves)
    doubtful = doubtful_paths(unit, moves, model)
    aims = aims_of(question.target, wide, market, model, doubtful)
    return Problem(
        unit=unit,
        market=market,
        model=model,
        moves=tuple(moves),
        scenes=scenes_of(unit, aims, model),
        gap=question.options.gap,
        wide=wide,
        opening=Opening(unit, market, model),
        doubtful=doubtful,
    )


def _unknown_initial(move: Move, question: Question) -> str | None:
    """Return why the initial margin of what would be opened is unknown; `None` where it is not."""
    account, unit = question.account, question.unit
    opened = replace(unit, positions=(*unit.positions, *move.change(1).opened))
    try:
        margin_report(opened, account.market, account.model)
    except MissingNumber as error:
        return str(error)
    return None


def _neutral_count(move: TradeMove, excess: Scene) -> int:
    """Return all of an option whose close leaves the excess where it is: its value becomes cash.

    A long option needs no maintenance; without it a move of prices takes nothing any more.
    """
    if move.terms.option is None or move.count_max is None:
        return 0
    is_kept = excess.total(move.change(move.count_max)) >= excess.now
    return move.count_max if is_kept else 0


def _widest(unit: MarginUnit, moves: Sequence[Move]) -> MarginUnit:
    """Return the unit with a step of what comes in, so that its prices are among those that move.

    That is a lot of each hedge, and a quantum of each asset.
    """
    added = [move.change(1) for move in moves if move.kind is not MoveKind.CLOSE]
    opened = [position for change in added for position in change.opened]
    assets = {asset: Decimal(1) for change in added for asset in change.cash}
    balances = {**assets, **{a: x for a, x in unit.balances.items() if x or a not in assets}}
    return replace(unit, balances=balances, positions=(*unit.positions, *opened))
