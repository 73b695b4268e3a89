"""Every price of one instrument at which a unit reaches maintenance, the others held.

Along one price everything is piecewise linear in `t`, the unsigned value of one unit of size
(`contract_size * price`, or `contract_size / price` for inverse contracts). The pieces end at tier
floors, where a profit changes sign, and where the collateral crosses a haircut floor. On each
piece the excess is a straight line through two of its points, so its root is exact; where the
excess jumps through zero at a floor, the floor is the price.

Where requirements are taken on an index, the index moves in proportion to the mark.

Source: docs/model.md, "Liquidation price".
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from keelmark.core.coin_rule import is_curved
from keelmark.core.errors import InvalidMark, MissingNumber, UnknownInstrument, nearest
from keelmark.core.excess import close_fee_amount, counted_profit, loan_margin, maintenance_rule
from keelmark.core.found_price import LEAST_SHARE, LiquidationPrices, PriceStatus
from keelmark.core.instrument import Instrument
from keelmark.core.line import SAME, Line, apart, parabola_roots
from keelmark.core.margin import (
    AssetMargin,
    MarginReport,
    PositionMargin,
    margin_report,
)
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    HaircutBase,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    Trigger,
)
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.plain_lines import UnitLines, plain_prices
from keelmark.core.quantum_rule import unrounded
from keelmark.core.underlying_price import Underlying, moves_together
from keelmark.core.unit import MarginUnit

__all__ = [
    "LEAST_SHARE",
    "LiquidationPrices",
    "PriceStatus",
    "liquidation_prices",
    "reach_of",
    "straight_prices",
]


def liquidation_prices(
    unit: MarginUnit,
    symbol: str,
    market: Market,
    model: MarginModel,
    *,
    report: MarginReport | None = None,
    along: Underlying | None = None,
) -> LiquidationPrices:
    """Return every mark price of `symbol` at which `unit` reaches maintenance margin.

    Where the unit holds options on the same underlying, everything on it moves together and the
    prices are searched for (`core.underlying_price`); of an option they are its underlying's.

    Args:
        unit: The margin unit; an isolated position is a unit of its own.
        symbol: Held instrument whose price moves, all its legs together.
        market: Snapshot; all other prices stay as given.
        model: The venue's terms.
        report: The unit's margin there, where it is at hand.
        along: The underlying of its options, where it was searched before.

    Returns:
        Prices in quote per base, unrounded, nearest first; or `none`; or `unknown` with the
        reason. Never a fallback estimate.

    Raises:
        UnknownInstrument: `unit` does not hold `symbol`.

    Source: docs/model.md, "Liquidation price".
    """
    _check_held(unit, symbol)
    unsolvable = _unsolvable(unit, model)
    if unsolvable is not None:
        return unsolvable
    if moves_together(unit, symbol, model):
        own = along or Underlying(unit, model.instrument(symbol).instrument.base, market, model)
        return own.liquidation(symbol)
    try:
        found = report or margin_report(unit, market, model)
    except (MissingNumber, InvalidMark) as error:
        return _unknown(str(error))
    return straight_prices(found, symbol, model)


def straight_prices(
    report: MarginReport, symbol: str, model: MarginModel, lines: UnitLines | None = None
) -> LiquidationPrices:
    """Return `liquidation_prices` of a unit without options, from its margin; `symbol` is held."""
    unsolvable = _unsolvable(report.unit, model)
    if unsolvable is not None:
        return unsolvable
    with exact():
        plain = plain_prices(report, symbol, model, lines)
        if plain is not None:
            return _of_plain(plain, report, symbol)
        return _solve(_Slice.of(report, symbol, model), report)


def _unsolvable(unit: MarginUnit, model: MarginModel) -> LiquidationPrices | None:
    """Return why the prices of a unit cannot be solved for; `None` where they can."""
    if model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None:
        return _unknown("a cap on positive profit inside maintenance has no closed form")
    if model.orders_in_maintenance and unit.orders:
        return _unknown("open orders are part of maintenance here: cancel or fill them first")
    return None


def _of_plain(prices: tuple[Decimal, ...], report: MarginReport, symbol: str) -> LiquidationPrices:
    """Return the prices of a plain slice; without any, no positive price is one."""
    if prices:
        return LiquidationPrices(status=PriceStatus.PRICE, values=prices)
    held = next(p for p in report.positions if p.position.instrument == symbol)
    reason = _why_none(report, held, is_beyond=False)
    return LiquidationPrices(status=PriceStatus.NONE, reason=reason)


def _check_held(unit: MarginUnit, symbol: str) -> None:
    held = {position.instrument for position in unit.positions}
    if symbol not in held:
        msg = f"unit {unit.unit_id} holds no {symbol}; {nearest(symbol, held)}"
        raise UnknownInstrument(msg)


def _unknown(reason: str) -> LiquidationPrices:
    return LiquidationPrices(status=PriceStatus.UNKNOWN, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slice:
    """The excess of a unit as a function of one instrument's `t`, everything else fixed."""

    moving: tuple[PositionMargin, ...]
    asset: AssetMargin
    terms: AssetTerms
    weight: Decimal
    level: Decimal
    fixed_value: Decimal
    fixed_profit: Decimal
    fixed_margin: Decimal
    inverse: bool
    contract_size: Decimal

    @classmethod
    def of(cls, report: MarginReport, symbol: str, model: MarginModel) -> "_Slice":
        """Cut the report along `symbol`."""
        moving = tuple(p for p in report.positions if p.position.instrument == symbol)
        instrument = moving[0].terms.instrument
        asset = next(a for a in report.assets if a.asset == instrument.settle)
        weight = model.profit_terms(MarginPurpose.MAINTENANCE).weight
        still = [p for p in report.positions if p.settle == asset.asset and p not in moving]
        others = [a for a in report.assets if a.asset != asset.asset]
        return cls(
            moving=moving,
            asset=asset,
            terms=model.asset_in(report.unit.kind, asset.asset),
            weight=weight,
            level=model.trigger_level,
            fixed_value=sum(
                (
                    (a.collateral_value - model.trigger_level * a.ask * a.maintenance_margin)
                    * a.price
                    for a in others
                ),
                ZERO,
            ),
            fixed_profit=sum((p.counted(weight) for p in still), ZERO),
            fixed_margin=sum(
                (g.maintenance for g in report.groups if g.settle == asset.asset),
                sum((p.maintenance_margin for p in still), asset.loan_margin),
            ),
            inverse=instrument.is_inverse,
            contract_size=instrument.contract_size,
        )

    @property
    def is_curved(self) -> bool:
        """Whether the excess is made of parabolas and not of straight lines."""
        return any(is_curved(maintenance_rule(p.position, p.terms)) for p in self.moving)

    def profit(self, t: Decimal) -> Decimal:
        """Return the counted profit settled in the asset."""
        sign = -ONE if self.inverse else ONE
        rows = (
            counted_profit(sign * p.position.size * t - p.position.cost, self.weight)
            for p in self.moving
        )
        return self.fixed_profit + sum(rows, ZERO)

    def counted(self, t: Decimal) -> Decimal:
        """Return the amount the haircuts of the asset apply to."""
        return self.asset.balance - self.asset.accrued_interest + self.profit(t)

    def margin(self, t: Decimal) -> Decimal:
        """Return the requirements settled in the asset."""
        total = self.fixed_margin
        for held in self.moving:
            size = abs(held.position.size)
            notional = held.notional if _stands_still(held) else size * t * self.ratio(held)
            rule = unrounded(maintenance_rule(held.position, held.terms))
            total += rule.requirement(size, notional).amount
            total += close_fee_amount(held.terms.close_fee, held.position, notional)
        return total

    def excess(self, t: Decimal) -> Decimal:
        """Return the excess of the unit, valuation currency."""
        schedule = self.terms.schedule
        if self.terms.haircut_base is HaircutBase.BALANCE:
            based = self.asset.balance - self.asset.accrued_interest
            value = schedule.value(based) + self.profit(t)
        else:
            based = self.counted(t)
            value = schedule.value(based)
        # once the loan margin is in the debt line
        required = self.level * self.margin(t) + (self.level - ONE) * loan_margin(schedule, based)
        return self.fixed_value + self.asset.price * (value - schedule.ask * required)

    def ratio(self, held: PositionMargin) -> Decimal:
        """Return notional at the margin price over notional at the mark."""
        if held.terms.margin_price is not MarginPrice.INDEX:
            return ONE
        if held.margin_price == held.mark_price:
            return ONE
        ratio = held.margin_price / held.mark_price
        return ONE / ratio if self.inverse else ratio

    def t_of(self, price: Decimal) -> Decimal:
        """Return `t` of a price."""
        return self.contract_size / price if self.inverse else self.contract_size * price

    def price_of(self, t: Decimal) -> Decimal:
        """Return the price of `t`."""
        return self.contract_size / t if self.inverse else t / self.contract_size

    def resolution(self, t: Decimal) -> Decimal:
        """Return the excess below which only the last digits of what it is made of are left."""
        total = self.terms.schedule.ask * (self.gross(t) + abs(self.margin(t)))
        return SAME * (abs(self.fixed_value) + self.asset.price * total)

    def gross(self, t: Decimal) -> Decimal:
        """Return the sum of what the counted amount is made of, all of one sign."""
        own = self.asset
        terms = [own.balance, own.accrued_interest, self.fixed_profit]
        for held in self.moving:
            terms += [held.position.size * t, held.position.cost]
        return sum((abs(term) for term in terms), ZERO)

    def falls(self, t: Decimal, trigger: Trigger) -> bool:
        """Whether the unit is liquidatable at `t`."""
        return trigger.holds(excess=ZERO if self.is_nothing(t) else self.excess(t))

    def is_nothing(self, t: Decimal) -> bool:
        """Whether the excess at `t` is no more than the last digits of what it is made of."""
        return abs(self.excess(t)) <= self.resolution(t)

    def breakpoints(self) -> list[Decimal]:
        """Return every positive `t` at which the formula of the excess changes, rising."""
        points: set[Decimal] = set()
        for held in self.moving:
            size = abs(held.position.size)
            rule = maintenance_rule(held.position, held.terms)
            per_size = size * self.ratio(held)
            if not _stands_still(held):
                points |= {notional / per_size for notional in rule.breakpoints(size)}
            sign = -ONE if self.inverse else ONE
            points.add(held.position.cost / (sign * held.position.size))
        rising = sorted(p for p in points if p > ZERO)
        if self.terms.haircut_base is HaircutBase.EQUITY:
            rising += self._haircut_points([ZERO, *rising])
        return apart(sorted(rising))

    def _haircut_points(self, edges: list[Decimal]) -> list[Decimal]:
        """Return where the counted amount, linear on each piece, crosses a haircut floor."""
        found: list[Decimal] = []
        for low, high in pairwise([*edges, None]):
            line = Line.through(self.counted, low or ZERO, high)
            width = line.anchor - line.low
            if abs(line.slope) * width <= SAME * self.gross(line.anchor + width):
                continue  # legs that cancel: all that it rises or falls is rounding
            for knot in self.terms.schedule.knots:
                root = line.root(knot)
                if root is not None and root > ZERO:
                    found.append(root)
        return found


def _stands_still(held: PositionMargin) -> bool:
    """Whether the notional of a position's requirements is fixed at its entry."""
    return held.terms.margin_price is MarginPrice.ENTRY


def _solve(cut: _Slice, report: MarginReport) -> LiquidationPrices:
    edges = [ZERO, *cut.breakpoints()]
    lines = [Line.through(cut.excess, low or ZERO, high) for low, high in pairwise([*edges, None])]
    holds = report.trigger.holds
    # a curved requirement does not jump, and its chord is not its value at an end
    jumps = (
        []
        if cut.is_curved
        else [
            right.low
            for left, right in pairwise(lines)
            if holds(excess=left.at(right.low)) != holds(excess=right.at(right.low))
        ]
    )
    roots = [root for line in lines for root in _roots(cut, line)]
    mark = cut.moving[0].mark_price
    now = cut.t_of(mark)
    changes = _changes(cut, report.trigger, [*jumps, *roots])
    near = [cut.price_of(t) for t in changes if t >= now * LEAST_SHARE]
    if near:
        prices = tuple(sorted(near, key=lambda price: abs(price - mark)))
        return LiquidationPrices(status=PriceStatus.PRICE, values=prices)
    is_beyond = any(t > now * SAME for t in changes)
    reason = _why_none(report, cut.moving[0], is_beyond=is_beyond)
    return LiquidationPrices(status=PriceStatus.NONE, reason=reason)


def _roots(cut: _Slice, line: Line) -> tuple[Decimal, ...]:
    """Return where a piece is nothing, unless all that it rises or falls is rounding."""
    if cut.is_curved:
        return parabola_roots(cut.excess, line.low, line.high)
    root = _root(cut, line)
    return () if root is None else (root,)


def _root(cut: _Slice, line: Line) -> Decimal | None:
    width = line.anchor - line.low
    if abs(line.slope) * width <= cut.resolution(line.anchor + width):
        return None
    return line.root()


def _changes(cut: _Slice, trigger: Trigger, candidates: list[Decimal]) -> list[Decimal]:
    """Return the candidates at which the trigger changes its answer, rising.

    Where the answer is the same on both sides the excess touches nothing there: a price only if
    nothing itself is answered differently.
    """
    roots = _without_copies([t for t in candidates if t > ZERO])
    if not roots:
        return []
    middles = [(low + high) / 2 for low, high in pairwise(roots)]
    between = [cut.falls(t, trigger) for t in (roots[0] / 2, *middles, roots[-1] * 2)]
    return [
        t
        for t, (before, after) in zip(roots, pairwise(between), strict=True)
        if before != after or (trigger.holds(excess=ZERO) != before and cut.is_nothing(t))
    ]


def _without_copies(points: list[Decimal]) -> list[Decimal]:
    """Return the points rising, of those that are one the first: neighbouring pieces share ends."""
    kept: list[Decimal] = []
    for point in points:
        if all(abs(point - other) > SAME * point for other in kept):
            kept.append(point)
    return sorted(kept)


def reach_of(instrument: Instrument) -> str:
    """Return in words how far the prices of a contract are followed."""
    return (
        "up to a billion times its mark"
        if instrument.is_inverse
        else "down to a billionth of its mark"
    )


def _why_none(report: MarginReport, held: PositionMargin, *, is_beyond: bool) -> str:
    symbol = held.position.instrument
    reach = f", {reach_of(held.terms.instrument)}," if is_beyond else ""
    if report.is_liquidatable:
        return f"the unit is liquidatable at every price of {symbol}{reach.removesuffix(',')}"
    return (
        f"no positive price of {symbol}{reach} brings the unit to its maintenance margin, "
        "others held"
    )
