"""The stretches of whole steps over which one formula of a rule holds.

`starts` are the counts at which a new row of a table may begin: on an edge itself either row may
own it, so both the edge and the next count begin a stretch. Inside a stretch the requirement is a
straight line, except for rules that scale with size, which are curved and convex.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import Enum

from keelmark.core.codes import RuleKind
from keelmark.core.excess import maintenance_rule, value_and_notional
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ZERO
from keelmark.core.option_rules import ShortOptionRule
from keelmark.risk.rescues.moves import Move, MoveKind, TradeMove
from keelmark.risk.rescues.scene import Reading, reading

Stretch = tuple[int, int]


class Rows(Enum):
    """What is known of the form of a requirement."""

    STATED = "stated"
    """Straight between the floors it states."""
    CURVED = "curved"
    """Convex, without floors."""
    UNKNOWN = "unknown"
    """Neither: taken for a straight line, and no bound is a proof."""


def stretches(
    move: Move, count_max: int, markets: Iterable[Market], model: MarginModel
) -> list[Stretch]:
    """Return the whole counts `0..count_max` as stretches, first to last, both ends included."""
    starts = {0}
    if isinstance(move, TradeMove):
        for market in distinct(markets, move):
            starts |= {s for s in _starts(move, market, model) if 0 < s <= count_max}
    rising = sorted(starts)
    return list(zip(rising, [start - 1 for start in rising[1:]] + [count_max], strict=True))


def distinct(markets: Iterable[Market], move: TradeMove) -> list[Market]:
    """Return the markets that differ in what the requirement of a trade reads."""
    found: dict[Reading, Market] = {}
    for market in markets:
        found.setdefault(reading(move.terms, market), market)
    return list(found.values())


def rows_of(move: TradeMove) -> Rows:
    """Return what is known of the form of a trade's requirement."""
    position = move.held or move.change(1).opened[0]
    if move.terms.option is not None:
        rule = move.terms.option.rule
        is_straight = isinstance(rule, ShortOptionRule) and not rule.factors
        return Rows.STATED if is_straight else Rows.UNKNOWN
    kind = maintenance_rule(position, move.terms).parameters().kind
    if kind in {RuleKind.TIERED, RuleKind.WHOLE, RuleKind.SIZED}:
        return Rows.STATED
    return Rows.CURVED if kind is RuleKind.SCALED else Rows.UNKNOWN


def _starts(move: TradeMove, market: Market, model: MarginModel) -> list[int]:
    """Return the counts from which another row may apply, at one market."""
    position = move.held or move.change(1).opened[0]
    if move.terms.option is not None:
        rule = move.terms.option.rule
        factors = rule.factors if isinstance(rule, ShortOptionRule) else ()
        return [start for row in factors for start in _at_size(move, row.floor)]
    parameters = maintenance_rule(position, move.terms).parameters()
    if parameters.kind not in {RuleKind.TIERED, RuleKind.WHOLE, RuleKind.SIZED}:
        return []
    floors = parameters.floors[1:]
    if parameters.kind is not RuleKind.SIZED:
        _, notional = value_and_notional(position, model.instrument(position.instrument), market)
        floors = tuple(floor * abs(position.size) / notional for floor in floors)
    return [start for floor in floors for start in _at_size(move, floor)]


def _at_size(move: TradeMove, size: Decimal) -> tuple[int, int]:
    """Return the counts at and after which the position has crossed a size."""
    begun = _begun(move)
    steps = (begun - size if move.kind is MoveKind.CLOSE else size - begun) / move.step
    at = int(steps.to_integral_value(rounding=ROUND_CEILING))
    return at, int(steps.to_integral_value(rounding=ROUND_FLOOR)) + 1


def _begun(move: TradeMove) -> Decimal:
    return ZERO if move.held is None else abs(move.held.size)
