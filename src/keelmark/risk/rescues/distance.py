"""Demands of a distance that hang on the plan itself, and those missed between ends of a path."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from keelmark.core.bound import FactorKind, reads
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ZERO
from keelmark.core.price_path import PricePath
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.moves import Move, MoveKind, TradeMove
from keelmark.risk.rescues.problem import Missed, Problem
from keelmark.risk.rescues.scene import whole_total
from keelmark.risk.rescues.target import Aim, Path, paths_of

SAMPLES = 16


def doubtful_paths(unit: MarginUnit, moves: Sequence[Move], model: MarginModel) -> frozenset[str]:
    """Return the names of paths along which what moves depends on the plan.

    All prices together carry the price of a coin along while there is a contract on it. Where a
    plan may close the last one, or open the first, only the unit afterwards tells.
    """
    bases = {model.instrument(p.instrument).instrument.base for p in unit.positions}
    closed = {row for row in map(_whole_close, moves) if row is not None}
    sure = {
        model.instrument(p.instrument).instrument.base
        for row, p in enumerate(unit.positions)
        if row not in closed
    }
    opened = {
        move.terms.instrument.base
        for move in moves
        if isinstance(move, TradeMove) and move.kind is MoveKind.HEDGE
    }
    coins = {f.name for f in reads(unit, model) if f.kind is FactorKind.ASSET}
    moving = bases | opened
    if len(moving) < 2 or not coins & (moving - sure):  # noqa: PLR2004 one coin is all there is
        return frozenset()
    return frozenset(path.name for path in paths_of(unit, model) if path.is_together)


def _whole_close(move: Move) -> int | None:
    """Return the row a move may close whole."""
    if not isinstance(move, TradeMove) or move.kind is not MoveKind.CLOSE or move.reach is None:
        return None
    is_whole = move.count_max is not None and move.count_max >= move.reach
    return move.row if is_whole else None


def missed_aim(unit: MarginUnit, distance: Decimal, problem: Problem) -> Missed | None:
    """Return the lowest point of the paths of a unit within a distance; `None` if none is below.

    Points between the ends matter where the excess is not concave along a path: where a table
    jumps, or a coin held as collateral falls with its contract.
    """
    model = problem.model
    wide = {_key(path): path for path in paths_of(problem.wide, model)}
    points = []
    for path in paths_of(unit, model):
        known = wide.get(_key(path))
        is_certain = known is not None and path.name not in problem.doubtful
        along = path.along(unit, problem.market, model)
        if known is not None:
            along = _widened(known.along(problem.wide, problem.market, model), along)
        for number, size in enumerate(_sizes(distance)):
            market = along.at(size)
            aim = Aim.not_liquidatable(f"{path.name} {size:f}", market, model)
            missed = Missed(aim=aim, is_certain=is_certain)
            points.append((whole_total(unit, aim, model), number, missed))
    total, _, lowest = min(points, key=lambda point: point[:2], default=(ZERO, 0, None))
    return lowest if total < ZERO else None


def _key(path: Path) -> tuple[Decimal, str, str]:
    return path.step, path.symbol, "" if path.coin is None else path.coin.name


def _widened(wide: PricePath, own: PricePath) -> PricePath:
    """Return the path of a unit with the contracts that another plan would leave as well."""
    slopes = {f: step for f, step in wide.slopes.items() if f.kind is not FactorKind.ASSET}
    slopes |= {f: step for f, step in own.slopes.items() if f.kind is FactorKind.ASSET}
    return replace(wide, slopes=slopes)


def _sizes(distance: Decimal) -> Iterator[Decimal]:
    """Yield moves up to the distance."""
    for share in range(1, SAMPLES + 1):
        yield distance * share / SAMPLES
