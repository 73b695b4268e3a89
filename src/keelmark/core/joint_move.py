"""How far a joint move of prices can go before a unit is liquidatable.

Where the excess is piecewise linear in the size of the move (`core.straight_path` says when) each
piece is solved exactly, nearest first. Otherwise the first crossing is found by branch and bound on
the box law: a stretch of the path whose lower bound stays above zero holds no crossing, so none can
be missed, and what is left is halved until the crossing is known to the stated precision. A book
hedged too tightly for the bound gives `unknown`, never an estimate.

Source: docs/model.md, "Joint move".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal

from keelmark.core.bound import FactorKind, margin_factor, mark_factor, options_of
from keelmark.core.coins import coins_without_contract, has_debt
from keelmark.core.errors import InvalidInput, InvalidMark, MissingNumber
from keelmark.core.liquidation_price import LEAST_SHARE, PriceStatus
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, MarginPrice, MarginPurpose
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.plain_lines import UnitLines, plain_move
from keelmark.core.price_path import REACH_MAX, PricePath, resolution
from keelmark.core.scan import Looked, first_change
from keelmark.core.straight_path import first_root, straight_weight
from keelmark.core.underlying_price import path_nodes
from keelmark.core.unit import MarginUnit

JOINT_REACH = f"down to zero or up to +{REACH_MAX * 100:,} %"
"""How far moves of all prices together are searched."""

PAST = Decimal("1e-25")
"""A step past a root: sixty digits show that the unit is liquidatable there, nobody sees it."""

_TOLD = Context(prec=25)

_STRETCHES_MAX = 4_000
"""Stretches tried before a book counts as hedged too tightly for the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointMove:
    """The first joint move that liquidates.

    Attributes:
        status: `price` when found, `none` when no move along the direction liquidates, `unknown`.
        size: Multiple of the direction at which the unit becomes liquidatable.
        direction: Relative change of each mark, and of each coin by its own price, per unit of
            size.
        prices: What these are there.
        reason: For `none` and `unknown`.
    """

    status: PriceStatus
    direction: Mapping[str, Decimal]
    size: Decimal | None = None
    prices: Mapping[str, Decimal] | None = None
    reason: str | None = None

    @property
    def signed(self) -> Decimal | None:
        """The relative change of what moves alike, signed; `None` where no move was found."""
        if self.size is None:
            return None
        with exact():
            return self.size * next(iter(self.direction.values()))


def nearness(distance: Decimal) -> Decimal:
    """Return how near a move is, without the last digits: one move found in two ways is one."""
    return _TOLD.abs(distance)


def joint_move(
    unit: MarginUnit,
    direction: Mapping[str, Decimal],
    market: Market,
    model: MarginModel,
    *,
    report: MarginReport | None = None,
    lines: UnitLines | None = None,
) -> JointMove:
    """Return the smallest move along `direction` at which `unit` is liquidatable.

    Prices move to `p * (1 + direction * size)`. A coin held as collateral moves with the
    instrument on it that has the shortest symbol; an index moves with its instrument.

    Args:
        unit: The margin unit.
        direction: Relative change per unit of size, by contract, and by coin where no contract
            named is on it; what is left out stays.
        market: Snapshot the move starts from.
        model: The venue's terms.
        report: The unit's margin there, where it is at hand.
        lines: Its lines, where they are at hand.

    Returns:
        The move, exact to `PRECISION` relative; zero when the unit is liquidatable already.

    Raises:
        InvalidInput: The direction is empty or all zero.
    """
    if not any(direction.values()):
        msg = "a joint move needs at least one price with a non-zero change"
        raise InvalidInput(msg)
    reason = unsolved(unit, model)
    if reason is not None:
        return JointMove(status=PriceStatus.UNKNOWN, direction=direction, reason=reason)
    try:
        with exact():
            found = report or margin_report(unit, market, model)
            whole = with_options(unit, direction, model)
            factors = None if lines is None else lines.factors
            path = PricePath.along(unit, whole, market, model, factors)
            return path_move(path, found, lines)
    except (MissingNumber, InvalidMark) as error:
        return JointMove(status=PriceStatus.UNKNOWN, direction=direction, reason=str(error))


def unsolved(unit: MarginUnit, model: MarginModel) -> str | None:
    """Return why no joint move of a unit can be solved; `None` where it can."""
    capped = model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None
    if capped or (model.orders_in_maintenance and unit.orders):
        return "no bound exists: profit is capped or orders count inside maintenance"
    return None


def with_options(
    unit: MarginUnit, direction: Mapping[str, Decimal], model: MarginModel
) -> dict[str, Decimal]:
    """Return a direction in which options move as the shortest symbol on their underlying does."""
    found = dict(direction)
    for terms in options_of(unit, model):
        instrument = terms.instrument
        moving = (s for s in direction if s in model.instruments)
        named = (s for s in moving if model.instruments[s].instrument.base == instrument.base)
        leader = min(named, key=lambda symbol: (len(symbol), symbol), default=None)
        if leader is not None:
            found.setdefault(instrument.symbol, direction[leader])
    return found


def all_together(unit: MarginUnit, model: MarginModel, *, down: bool = True) -> dict[str, Decimal]:
    """Return the direction in which every price the unit reads moves alike by 100 %.

    Those are the marks of its contracts and the prices of coins it holds or owes; what stands for
    the dollar stays. Empty where nothing can liquidate: no position and no debt.
    """
    if not unit.positions and not has_debt(unit):
        return {}
    step = -ONE if down else ONE
    held = (*(p.instrument for p in unit.positions), *(o.instrument for o in unit.orders))
    symbols = [model.instrument(symbol).instrument.symbol for symbol in held]
    return dict.fromkeys((*symbols, *coins_without_contract(unit, model)), step)


def joint_moves(
    unit: MarginUnit,
    market: Market,
    model: MarginModel,
    *,
    report: MarginReport | None = None,
    lines: UnitLines | None = None,
) -> tuple[JointMove, ...]:
    """Return how far all prices together can fall, and how far rise; empty where none can move."""
    steps = [all_together(unit, model, down=down) for down in (True, False)]
    return tuple(
        joint_move(unit, step, market, model, report=report, lines=lines) for step in steps if step
    )


def nearest_joint_move(moves: Sequence[JointMove]) -> JointMove | None:
    """Return the smaller move of those found; without any, an unknown one, or none."""
    found = [move for move in moves if move.size is not None]
    if found:
        return min(found, key=lambda move: move.size or ZERO)
    unknown = [move for move in moves if move.status is PriceStatus.UNKNOWN]
    if unknown or not moves:
        return next(iter(unknown), None)
    reason = f"no move of all prices together, {JOINT_REACH}, liquidates"
    return replace(moves[0], reason=reason)


def moved_market(
    unit: MarginUnit,
    move: JointMove,
    market: Market,
    model: MarginModel,
) -> Market:
    """Return the market at the end of a move that was found: marks, indices and held coins."""
    with exact():
        direction = with_options(unit, move.direction, model)
        return PricePath.along(unit, direction, market, model).at(move.size or ZERO)


def path_move(path: PricePath, report: MarginReport, lines: UnitLines | None = None) -> JointMove:
    """Return the first liquidating move along a path; `report` is the margin at its start."""
    if report.is_liquidatable:
        return _found(path, ZERO)
    end = path.end()
    stop = end * (ONE - LEAST_SHARE)  # nor is a price of next to nothing a mark
    try:
        size = _first_size(path, report, stop, lines)
    except _TooTight as error:
        return JointMove(status=PriceStatus.UNKNOWN, direction=path.direction, reason=str(error))
    if size is not None:
        return _found(path, size)
    reason = f"no move along the direction up to {end:f} times its size liquidates"
    return JointMove(status=PriceStatus.NONE, direction=path.direction, reason=reason)


def _first_size(
    path: PricePath, report: MarginReport, stop: Decimal, lines: UnitLines | None
) -> Decimal | None:
    """Return the first liquidatable size: by rows, by pieces, or by branch and bound."""
    plain = _plain_size(path, report, stop, lines)
    if plain is not None:
        (root,) = plain
        return None if root is None else root * (ONE + PAST)
    if options_of(path.unit, path.model):
        return _first_seen(path, stop)
    weight = straight_weight(path)
    if weight is None:
        return _first_crossing(path, ZERO, stop)
    return first_root(path, weight, stop)


def _plain_size(
    path: PricePath, report: MarginReport, stop: Decimal, lines: UnitLines | None
) -> tuple[Decimal | None] | None:
    """Return where the excess is nothing on a plain path; `None` where the path is not plain."""
    for held in report.positions:
        terms = held.terms
        if terms.margin_price is MarginPrice.INDEX:
            step = path.slopes.get(mark_factor(terms), ZERO)
            if path.slopes.get(margin_factor(terms), ZERO) != step:
                return None
    coins = {f.name: s for f, s in path.slopes.items() if f.kind is FactorKind.ASSET}
    return plain_move(report, path.direction, coins, stop, path.model, lines)


def _found(path: PricePath, size: Decimal) -> JointMove:
    return JointMove(
        status=PriceStatus.PRICE,
        direction=path.direction,
        size=size,
        prices=_prices(path, size),
    )


def _prices(path: PricePath, size: Decimal) -> dict[str, Decimal]:
    """Return the prices that are named in the direction of a move, after it."""
    if path.options:
        there = path.at(size)
        moved = {**there.asset_prices, **there.marks}
        return {name: moved[name] for name in path.direction if name in moved}
    now = path.market
    return {
        name: max(ZERO, _price(name, now) * (ONE + step * size))
        for name, step in path.direction.items()
        if name in now.marks or name in now.asset_prices
    }


def _price(name: str, market: Market) -> Decimal:
    return market.marks[name] if name in market.marks else market.asset_prices[name]


def _first_seen(path: PricePath, stop: Decimal) -> Decimal | None:
    """Return the first liquidatable size of a path with options, looked for on a grid."""

    def look(size: Decimal) -> Looked:
        excess = path.excess(size)
        return Looked(size, excess, path.model.trigger.holds(excess=excess))

    return first_change(look, path_nodes(path, ZERO, stop))


class _TooTight(Exception):
    """The bound could not clear the path within its budget."""


def _first_crossing(path: PricePath, start: Decimal, stop: Decimal) -> Decimal | None:
    """Return the first liquidatable size in `[start, stop]`, nearest stretches first."""
    stretches = [(start, stop)]
    for _ in range(_STRETCHES_MAX):
        if not stretches:
            return None
        low, high = stretches.pop()
        if path.is_cleared(low, high):
            continue
        if high - low <= resolution(high, stop):
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
