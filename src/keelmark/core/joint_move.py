"""How far a joint move of prices can go before a unit is liquidatable.

Where every contract is linear and no held contract settles in an asset whose price moves, the
excess is piecewise linear in the size of the move: each piece is solved exactly, nearest first.
Otherwise the first crossing is found by branch and bound on the box law: a stretch of the path
whose lower bound stays above zero holds no crossing, so none can be missed, and what is left is
halved until the crossing is known to the stated precision. A book hedged too tightly for the bound
gives `unknown`, never an estimate.

Source: docs/model.md, "Joint move".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from keelmark.core.bound import (
    Box,
    Factor,
    FactorKind,
    Interval,
    excess_bound,
    factor_price,
    margin_factor,
    mark_factor,
    reads,
)
from keelmark.core.errors import InvalidInput, InvalidMark, MissingMarkPrice
from keelmark.core.excess import cash_of, counted_profit, maintenance_rule, value_and_notional
from keelmark.core.line import Line, apart
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, MarginPurpose
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.unit import MarginUnit

PRECISION = Decimal("1e-15")
"""Relative width at which a crossing counts as found."""

REACH_MAX = Decimal(10)
"""Largest rise searched: ten times the present price."""

_STRETCHES_MAX = 4_000
"""Stretches tried before a book counts as hedged too tightly for the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointMove:
    """The first joint move that liquidates.

    Attributes:
        status: `price` when found, `none` when no move along the direction liquidates, `unknown`.
        size: Multiple of the direction at which the unit becomes liquidatable.
        direction: Relative change of each mark per unit of size.
        prices: The marks there.
        reason: For `none` and `unknown`.
    """

    status: PriceStatus
    direction: Mapping[str, Decimal]
    size: Decimal | None = None
    prices: Mapping[str, Decimal] | None = None
    reason: str | None = None


def joint_move(
    unit: MarginUnit,
    direction: Mapping[str, Decimal],
    market: Market,
    model: MarginModel,
) -> JointMove:
    """Return the smallest move along `direction` at which `unit` is liquidatable.

    Prices move to `p * (1 + direction * size)`. A coin held as collateral moves with the
    instrument on it that has the shortest symbol; an index moves with its instrument.

    Args:
        unit: The margin unit.
        direction: Relative change of each mark per unit of size; instruments left out stay.
        market: Snapshot the move starts from.
        model: The venue's terms.

    Returns:
        The move, exact to `PRECISION` relative; zero when the unit is liquidatable already.

    Raises:
        InvalidInput: The direction is empty or all zero.
    """
    if not any(direction.values()):
        msg = "a joint move needs at least one instrument with a non-zero change"
        raise InvalidInput(msg)
    if model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None or (
        model.orders_in_maintenance and unit.orders
    ):
        reason = "no bound exists: profit is capped or orders count inside maintenance"
        return JointMove(status=PriceStatus.UNKNOWN, direction=direction, reason=reason)
    try:
        with exact():
            return _search(_Path.along(unit, direction, market, model))
    except (MissingMarkPrice, InvalidMark) as error:
        return JointMove(status=PriceStatus.UNKNOWN, direction=direction, reason=str(error))


def all_together(unit: MarginUnit, model: MarginModel, *, down: bool = True) -> dict[str, Decimal]:
    """Return the direction in which every price the unit reads moves alike by 100 %."""
    step = -ONE if down else ONE
    return {f.name: step for f in reads(unit, model) if f.kind is FactorKind.MARK}


def moved_market(
    unit: MarginUnit,
    move: JointMove,
    market: Market,
    model: MarginModel,
) -> Market:
    """Return the market at the end of a move that was found: marks, indices and held coins."""
    with exact():
        return _Path.along(unit, move.direction, market, model).at(move.size or ZERO)


@dataclass(frozen=True, slots=True)
class _Path:
    """The factors of a unit as functions of the size of the move."""

    unit: MarginUnit
    market: Market
    model: MarginModel
    direction: Mapping[str, Decimal]
    slopes: Mapping[Factor, Decimal]

    @classmethod
    def along(
        cls,
        unit: MarginUnit,
        direction: Mapping[str, Decimal],
        market: Market,
        model: MarginModel,
    ) -> "_Path":
        slopes = {f: _slope(f, direction, model) for f in reads(unit, model)}
        return cls(unit, market, model, direction, {f: s for f, s in slopes.items() if s != ZERO})

    def price(self, factor: Factor, size: Decimal) -> Decimal:
        """Return a factor's price after a move; never below zero."""
        start = factor_price(factor, self.market, self.model)
        return max(ZERO, start * (ONE + self.slopes[factor] * size))

    def at(self, size: Decimal) -> Market:
        """Return the market after a move."""
        moved = {f: self.price(f, size) for f in self.slopes}
        by_kind = {
            kind: {f.name: p for f, p in moved.items() if f.kind is kind} for kind in FactorKind
        }
        return Market(
            marks={**self.market.marks, **by_kind[FactorKind.MARK]},
            indices={**self.market.indices, **by_kind[FactorKind.INDEX]},
            asset_prices={**self.market.asset_prices, **by_kind[FactorKind.ASSET]},
            open_interest=self.market.open_interest,
            snapshot_id=f"{self.market.snapshot_id} moved by {size:f}",
        )

    def is_liquidatable(self, size: Decimal) -> bool:
        """Whether the unit is liquidatable after a move."""
        return margin_report(self.unit, self.at(size), self.model).is_liquidatable

    def excess(self, size: Decimal) -> Decimal:
        """Return the maintenance excess after a move."""
        return maintenance_excess(self.unit, self.at(size), self.model)

    def profit(self, asset: str, size: Decimal, weight: Decimal) -> Decimal:
        """Return the counted profit settled in an asset after a move."""
        market = self.at(size)
        total = ZERO
        for position in self.unit.positions:
            terms = self.model.instrument(position.instrument)
            if terms.instrument.settle == asset:
                value, _ = value_and_notional(position, terms, market)
                total += counted_profit(value - position.cost, weight)
        return total

    def is_cleared(self, low: Decimal, high: Decimal) -> bool:
        """Whether the box law proves that no move between `low` and `high` liquidates."""
        box: Box = {
            f: Interval(*sorted((self.price(f, low), self.price(f, high)))) for f in self.slopes
        }
        bound = excess_bound(self.unit, box, self.market, self.model)
        return bound is not None and not self.model.trigger.holds(excess=bound)

    def end(self) -> Decimal:
        """Return the size at which the first price reaches zero, or the largest rise searched."""
        falls = [-ONE / slope for slope in self.slopes.values() if slope < ZERO]
        rises = [REACH_MAX / slope for slope in self.slopes.values() if slope > ZERO]
        return min((*falls, *rises), default=ZERO)


def _slope(factor: Factor, direction: Mapping[str, Decimal], model: MarginModel) -> Decimal:
    """Return a factor's relative change per unit of the move."""
    if factor.kind is FactorKind.MARK:
        return direction.get(factor.name, ZERO)
    symbols = sorted(model.instruments, key=lambda s: (len(s), s))
    for symbol in symbols:
        instrument = model.instruments[symbol].instrument
        known = instrument.index if factor.kind is FactorKind.INDEX else instrument.base
        if known == factor.name and symbol in direction:
            return direction[symbol]
    return ZERO


def _search(path: _Path) -> JointMove:
    if path.is_liquidatable(ZERO):
        return _found(path, ZERO)
    end = path.end()
    stop = end * (ONE - PRECISION)  # a price of zero is no mark
    try:
        straight = is_straight(path)
        size = _first_root(path, stop) if straight else _first_crossing(path, ZERO, stop)
    except _TooTight as error:
        return JointMove(status=PriceStatus.UNKNOWN, direction=path.direction, reason=str(error))
    if size is not None:
        return _found(path, size)
    reason = f"no move along the direction up to {end:f} times its size liquidates"
    return JointMove(status=PriceStatus.NONE, direction=path.direction, reason=reason)


def _found(path: _Path, size: Decimal) -> JointMove:
    prices = {s: path.at(size).marks[s] for s in path.direction if s in path.market.marks}
    return JointMove(
        status=PriceStatus.PRICE,
        direction=path.direction,
        size=size,
        prices=prices,
    )


class _TooTight(Exception):
    """The bound could not clear the path within its budget."""


def _first_crossing(path: _Path, start: Decimal, stop: Decimal) -> Decimal | None:
    """Return the first liquidatable size in `[start, stop]`, nearest stretches first."""
    stretches = [(start, stop)]
    for _ in range(_STRETCHES_MAX):
        if not stretches:
            return None
        low, high = stretches.pop()
        if path.is_cleared(low, high):
            continue
        if high - low <= _resolution(high, stop):
            if path.is_liquidatable(high):
                return high
            continue
        middle = (low + high) / 2
        stretches += [(middle, high), (low, middle)]
    msg = (
        f"the book is hedged too tightly for the bound: {_STRETCHES_MAX} stretches of the path "
        "did not settle it; move fewer instruments at once"
    )
    raise _TooTight(msg)


def _resolution(size: Decimal, stop: Decimal) -> Decimal:
    """Return the step within which two sizes are one; near zero, a share of the whole path."""
    return PRECISION * max(size, stop * PRECISION)


def is_straight(path: _Path) -> bool:
    """Whether the excess is piecewise linear along the path."""
    for position in path.unit.positions:
        instrument = path.model.instrument(position.instrument).instrument
        moves = Factor(FactorKind.ASSET, instrument.settle) in path.slopes
        if instrument.is_inverse or moves:
            return False
    return True


def _first_root(path: _Path, stop: Decimal) -> Decimal | None:
    """Return the first liquidatable size of a straight path, piece by piece."""
    edges = apart(sorted(x for x in _breakpoints(path) if ZERO < x < stop))
    edges = apart(sorted([*edges, *_haircut_points(path, [ZERO, *edges, stop])]))
    holds = path.model.trigger.holds
    for low, high in pairwise([ZERO, *edges, stop]):
        line = Line.through(path.excess, low, high)
        root = low if holds(excess=line.at(low)) else line.root()
        found = None if root is None else _confirmed(path, root, stop)
        if found is not None:
            return found
    return None


def _confirmed(path: _Path, size: Decimal, stop: Decimal) -> Decimal | None:
    """Return the size itself, or the next one within the precision, if it is liquidatable.

    At the root the excess is nothing, which a trigger of `below` does not count; where the excess
    only touches nothing and rises again, neither is.
    """
    beyond = size + _resolution(size, stop)
    return next((s for s in (size, beyond) if path.is_liquidatable(s)), None)


def _breakpoints(path: _Path) -> list[Decimal]:
    """Return the sizes at which a requirement or the sign of a profit changes its formula."""
    found: list[Decimal] = []
    for position in path.unit.positions:
        terms = path.model.instrument(position.instrument)
        value, notional = value_and_notional(position, terms, path.market)
        rule = maintenance_rule(position, terms)
        rate = path.slopes.get(margin_factor(terms), ZERO)
        if rate != ZERO:
            size = abs(position.size)
            found += [(edge / notional - ONE) / rate for edge in rule.breakpoints(size)]
        slope = path.slopes.get(mark_factor(terms), ZERO)
        if slope != ZERO:
            found.append((position.cost / value - ONE) / slope)
    return found


def _haircut_points(path: _Path, edges: list[Decimal]) -> list[Decimal]:
    """Return the sizes at which the counted amount of an asset crosses a haircut floor."""
    found: list[Decimal] = []
    weight = path.model.profit_terms(MarginPurpose.MAINTENANCE).weight
    for asset in _settles(path):

        def counted(size: Decimal, asset: str = asset) -> Decimal:
            return cash_of(path.unit, asset) + path.profit(asset, size, weight)

        for low, high in pairwise(edges):
            line = Line.through(counted, low, high)
            roots = (line.root(knot) for knot in path.model.asset(asset).schedule.knots)
            found += [root for root in roots if root is not None and low < root < high]
    return found


def _settles(path: _Path) -> list[str]:
    held = (path.model.instrument(p.instrument).instrument.settle for p in path.unit.positions)
    return list(dict.fromkeys(held))
