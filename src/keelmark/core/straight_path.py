"""Joint moves along which the excess is piecewise linear, solved exactly.

With prices `P (1 + d x)`, a linear contract's value is linear in the size `x` of the move. An
inverse contract's is `V / (1 + d x)`; times the price of its coin, which moves with it, it is
linear again. Where the coin is the account's own unit and has no price, the whole excess times
`1 + d x` is linear, and has the same sign. Between the floors of tables and haircuts and the points
where a profit changes its sign, the excess times its weight is then a straight line.

Source: docs/model.md, "Joint move".
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

from keelmark.core.bound import Factor, FactorKind, is_fixed, margin_factor, mark_factor
from keelmark.core.coin_rule import is_curved
from keelmark.core.excess import cash_of, counted_profit, maintenance_rule, value_and_notional
from keelmark.core.line import Line, apart
from keelmark.core.model import MarginPurpose
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.price_path import PRECISION, PricePath, resolution
from keelmark.core.unit import Position


def straight_weight(path: PricePath) -> Decimal | None:
    """Return `w` such that `(1 + w x) * excess` is piecewise linear; `None` if there is none."""
    if all(factor.kind is FactorKind.ASSET for factor in path.slopes):
        return ZERO  # amounts stand still: each counts its price times a constant
    weights = {_weight(path, position) for position in path.unit.positions}
    if None in weights or len(weights) > 1:
        return None
    weight = next(iter(weights), ZERO)
    prices_move = any(factor.kind is FactorKind.ASSET for factor in path.slopes)
    return None if weight and prices_move else weight


def _weight(path: PricePath, position: Position) -> Decimal | None:
    """Return the weight that makes a position's part of the excess piecewise linear."""
    terms = path.model.instrument(position.instrument)
    if is_curved(maintenance_rule(position, terms)):
        return None
    mark = path.slopes.get(mark_factor(terms), ZERO)
    coin = path.slopes.get(Factor(FactorKind.ASSET, terms.instrument.settle), ZERO)
    if not terms.instrument.is_inverse:
        return ZERO if coin == ZERO else None
    if path.slopes.get(margin_factor(terms), ZERO) != mark:
        return None
    if coin == ZERO:
        return mark
    return ZERO if coin == mark else None


def first_root(path: PricePath, weight: Decimal, stop: Decimal) -> Decimal | None:
    """Return the first liquidatable size of a straight path, piece by piece."""

    def weighted(size: Decimal) -> Decimal:
        return (ONE + weight * size) * path.excess(size)

    edges = apart(sorted(x for x in _breakpoints(path) if ZERO < x < stop))
    edges = apart(sorted([*edges, *_haircut_points(path, [ZERO, *edges, stop])]))
    for low, high in pairwise([ZERO, *edges, stop]):
        line = Line.through(weighted, low, high)
        fallen = path.model.trigger.holds(excess=line.at(low))
        root = low if fallen else line.root()
        found = None if root is None else _confirmed(path, root, line, stop)
        if found is not None:
            return found
    return None


def _confirmed(path: PricePath, size: Decimal, line: Line, stop: Decimal) -> Decimal | None:
    """Return the first size from the root on that is liquidatable, if this piece has one.

    At the root the excess is nothing, which a trigger of `below` does not count; where the excess
    only touches nothing and rises again, nothing after it is either. Where it falls, the next size
    within the precision is, unless it falls so slowly that the last digit of the excess does not
    show it yet: then the first size that shows it is searched.
    """
    beyond = size + resolution(size, stop)
    nearest = next((s for s in (size, beyond) if path.is_liquidatable(s)), None)
    if nearest is not None or line.slope >= ZERO or line.high is None:
        return nearest
    inside = (size + line.high) / 2
    return _first_shown(path, beyond, inside) if path.is_liquidatable(inside) else None


def _first_shown(path: PricePath, low: Decimal, high: Decimal) -> Decimal:
    """Return the first liquidatable size between one that is not and one that is."""
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if path.is_liquidatable(middle) else (middle, high)
    return high


def _breakpoints(path: PricePath) -> list[Decimal]:
    """Return the sizes at which a requirement or the sign of a profit changes its formula."""
    found: list[Decimal] = []
    for position in path.unit.positions:
        terms = path.model.instrument(position.instrument)
        value, notional = value_and_notional(position, terms, path.market)
        if not value or not notional:
            continue  # dust whose value is cut to no quantum: it moves nothing
        rule = maintenance_rule(position, terms)
        floors = () if is_fixed(terms) else rule.breakpoints(abs(position.size))
        shares = [(margin_factor(terms), floor / notional) for floor in floors]
        shares.append((mark_factor(terms), position.cost / value))
        for factor, share in shares:
            slope = path.slopes.get(factor, ZERO)
            if slope != ZERO and share > ZERO:
                # linear: 1 + slope * x is the share of today's value; inverse: its reciprocal
                reached = ONE / share if terms.instrument.is_inverse else share
                found.append((reached - ONE) / slope)
    return found


def _haircut_points(path: PricePath, edges: list[Decimal]) -> list[Decimal]:
    """Return the sizes at which the counted amount of an asset crosses a haircut floor."""
    found: list[Decimal] = []
    for asset in _settles(path):
        for knot in path.model.asset_in(path.unit.kind, asset).schedule.knots:
            beyond = _beyond(path, asset, knot)
            for low, high in pairwise(edges):
                root = Line.through(beyond, low, high).root()
                if root is not None and low < root < high:
                    found.append(root)
    return found


def _beyond(path: PricePath, asset: str, knot: Decimal) -> Callable[[Decimal], Decimal]:
    """Return a piecewise linear function with the sign of the counted amount less a knot."""
    held = [p for p in path.unit.positions if _settle(path, p) == asset]
    terms = path.model.instrument(held[0].instrument)
    slope = path.slopes.get(mark_factor(terms), ZERO) if terms.instrument.is_inverse else ZERO
    weight = path.model.profit_terms(MarginPurpose.MAINTENANCE).weight

    def beyond(size: Decimal) -> Decimal:
        market = path.at(size)
        counted = cash_of(path.unit, asset) - knot
        for position in held:
            own = path.model.instrument(position.instrument)
            value, _ = value_and_notional(position, own, market)
            counted += counted_profit(value - position.cost, weight)
        return (ONE + slope * size) * counted

    return beyond


def _settle(path: PricePath, position: Position) -> str:
    return path.model.instrument(position.instrument).instrument.settle


def _settles(path: PricePath) -> list[str]:
    return list(dict.fromkeys(_settle(path, position) for position in path.unit.positions))
