"""Closed forms where the excess is concave and continuous: most books, at a tenth of the work.

Where every requirement is `rate * notional - deduction` on rising rates, profit counts in full and
the settle asset counts at par, the excess along one price, or along a joint move of linear
contracts, is a concave chain of straight lines. Its roots are then found row by row without
evaluating the unit at all. Whatever does not meet these terms, or lies within the last digits of an
edge, is answered `None`: the general solver decides. A property test holds the two equal.

Source: docs/model.md, "Liquidation price" and "Joint move".
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from keelmark.core.bound import Factor, reads
from keelmark.core.codes import RuleKind
from keelmark.core.excess import maintenance_rule
from keelmark.core.instrument import InstrumentKind
from keelmark.core.margin import AssetMargin, MarginReport, PositionMargin
from keelmark.core.model import (
    CloseFeeBasis,
    HaircutBase,
    MarginModel,
    MarginPrice,
    MarginPurpose,
)
from keelmark.core.numbers import ONE, ZERO, exact

STRAIGHT_KINDS = frozenset(
    {
        InstrumentKind.LINEAR_PERPETUAL,
        InstrumentKind.LINEAR_FUTURE,
        InstrumentKind.INVERSE_PERPETUAL,
        InstrumentKind.INVERSE_FUTURE,
    },
)

CLEAR = Decimal("1e-30")
"""Relative distance from an edge, or of two slopes, that the last digits cannot bridge."""

FOLLOWED = Decimal("1e-6")
"""Share of the present value below which the general solver decides whether a price exists."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """A requirement as `rate * notional - deduction` by floor, its close fee in the rates."""

    floors: Sequence[Decimal]
    rates: Sequence[Decimal]
    deductions: Sequence[Decimal]
    fee: Decimal
    now: Decimal

    @classmethod
    def of(cls, held: PositionMargin) -> "_Rows | None":
        """Return the rows of a position; `None` where its requirement is no such chain."""
        terms, row = held.terms, held.maintenance
        if terms.instrument.kind not in STRAIGHT_KINDS or terms.whole_quanta is not None:
            return None
        fee = terms.close_fee
        moves = fee is not None and (
            fee.basis is CloseFeeBasis.MARK or held.position.leverage is None
        )
        rate = fee.rate if fee is not None and moves else ZERO
        now = row.amount + (held.close_fee if moves else ZERO)
        if terms.margin_price is MarginPrice.ENTRY:
            return cls((ZERO,), (ZERO,), (-row.amount,), ZERO, row.amount)  # nothing moves
        face = maintenance_rule(held.position, terms).parameters()
        if face.kind in {RuleKind.SIZED, RuleKind.SCALED}:
            return cls((ZERO,), (row.rate,), (ZERO,), rate, now)
        if face.kind is not RuleKind.TIERED:
            return None
        return cls(face.floors, face.rates, face.deductions, rate, now)


@dataclass(frozen=True, slots=True, eq=False)
class UnitLines:
    """What the closed forms of a unit read, worked out once for all its prices and moves.

    Attributes:
        factors: Every factor its excess reads.
        legs: Its positions by instrument, each with its rows where its requirement is such a chain.
        assets: Its assets by name.
        in_full: The settle assets in which profit and requirements count one for one.
    """

    factors: frozenset[Factor]
    legs: Mapping[str, Sequence[tuple[PositionMargin, _Rows | None]]]
    assets: Mapping[str, AssetMargin]
    in_full: frozenset[str]

    @classmethod
    def of(cls, report: MarginReport, model: MarginModel) -> "UnitLines":
        """Return the lines of a unit from its margin."""
        legs: dict[str, list[tuple[PositionMargin, _Rows | None]]] = {}
        with exact():
            for held in report.positions:
                legs.setdefault(held.position.instrument, []).append((held, _Rows.of(held)))
        settles = {held.settle for held in report.positions}
        return cls(
            factors=reads(report.unit, model),
            legs=legs,
            assets={asset.asset: asset for asset in report.assets},
            in_full=frozenset(s for s in settles if _counts_in_full(report, s, model)),
        )

    def positions(self, symbol: str) -> list[PositionMargin]:
        """Return the legs of an instrument."""
        return [held for held, _ in self.legs.get(symbol, ())]


def plain_prices(
    report: MarginReport, symbol: str, model: MarginModel, lines: UnitLines | None = None
) -> tuple[Decimal, ...] | None:
    """Return the prices of `symbol` at which the excess is nothing, nearest first.

    With `t` the value of one unit of size and `a` its signed slope, the excess in settle asset is
    `c + a t - (rate n t - deduction)` on each row, `n t` being the notional.

    Args:
        report: The unit's margin.
        symbol: Held instrument whose price moves.
        model: The venue's terms.
        lines: The unit's, where they are at hand.

    Returns:
        Quote per base; empty where no price of the contract does it; `None` where the terms are
        not plain or an answer hangs on the last digits.
    """
    known = lines or UnitLines.of(report, model)
    moving = known.legs[symbol]
    if len(moving) != 1 or moving[0][0].settle not in known.in_full:
        return None
    held, rows = moving[0]
    asset = known.assets[held.settle]
    if rows is None or not asset.price or not held.notional:
        return None
    instrument = held.terms.instrument
    value = held.value / held.position.size  # rising with the price, negative for inverse ones
    now = abs(value)
    excess = report.equity - report.maintenance_margin
    line = _Chain(
        rows=rows,
        rest=excess / asset.price - held.value + rows.now,
        rising=held.value / now,
        per_t=held.notional / now,
    )
    found = line.roots(held.notional, excess)
    if found is None or any(t < now * FOLLOWED for t in found):
        return None
    size = instrument.contract_size
    prices = [size / t if instrument.is_inverse else t / size for t in found]
    mark = held.mark_price
    return tuple(sorted(prices, key=lambda price: abs(price - mark)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """The excess `rest + rising t - requirement(per_t t)`, concave, in settle asset.

    Attributes:
        rows: The requirement.
        rest: The excess at `t = 0`, were the requirement nothing there.
        rising: Signed size.
        per_t: Notional per `t`.
    """

    rows: _Rows
    rest: Decimal
    rising: Decimal
    per_t: Decimal

    def roots(self, notional: Decimal, excess: Decimal) -> list[Decimal] | None:
        """Return where the excess is nothing; `None` where the last digits decide.

        Above zero now, a concave excess reaches nothing at most once on each side.
        """
        if excess <= ZERO:
            return None
        row = _row_of(self.rows, notional)
        found: list[Decimal] = []
        for side in (self._below(row), self._above(row)):
            if side is None:
                return None
            found += side
        return found

    def _below(self, row: int) -> list[Decimal] | None:
        """Return the root between nothing and the present row, if there is one."""
        for number in range(row, -1, -1):
            floor = self.rows.floors[number]
            slope, start = self._line(number)
            there = start + slope * (floor / self.per_t) if floor else start
            if abs(there) <= CLEAR * (abs(start) + abs(self.rest)):
                return None
            if there < ZERO:
                return [-start / slope]
        return []

    def _above(self, row: int) -> list[Decimal] | None:
        """Return the root beyond the present row, if there is one."""
        last = len(self.rows.floors) - 1
        slope, start = self._line(last)
        if abs(slope) <= CLEAR * self.per_t:
            return None
        if slope > ZERO:
            return []  # concave and rising at the end: it never falls
        for number in range(row, last):
            ceiling = self.rows.floors[number + 1]
            own_slope, own_start = self._line(number)
            there = own_start + own_slope * (ceiling / self.per_t)
            if abs(there) <= CLEAR * (abs(own_start) + abs(self.rest)):
                return None
            if there < ZERO:
                return [-own_start / own_slope]
        return [-start / slope]

    def _line(self, number: int) -> tuple[Decimal, Decimal]:
        """Return the slope of a row and its value at `t = 0`."""
        rate = self.rows.rates[number] + self.rows.fee
        return self.rising - rate * self.per_t, self.rest + self.rows.deductions[number]


def plain_move(
    report: MarginReport,
    direction: Mapping[str, Decimal],
    coins: Mapping[str, Decimal],
    stop: Decimal,
    model: MarginModel,
    lines: UnitLines | None = None,
) -> tuple[Decimal | None] | None:
    """Return the first size of a joint move of linear contracts at which the excess is nothing.

    Args:
        report: The unit's margin at the start, its excess above zero.
        direction: Relative change of each mark, and of the index it is margined on, per size.
        coins: The same of each asset whose price moves; none that a contract settles in.
        stop: Where the move ends.
        model: The venue's terms.
        lines: The unit's, where they are at hand.

    Returns:
        The size in a tuple, or a tuple of `None` where no size up to `stop` does it; `None` where
        the terms are not plain.
    """
    start = report.equity - report.maintenance_margin
    known = lines or UnitLines.of(report, model)
    slope = _coin_slope(report.assets, coins)
    if start <= ZERO or model.trigger_level != ONE:
        return None
    events: list[tuple[Decimal, Decimal]] = []
    gross = ZERO
    for held, rows in chain.from_iterable(known.legs.values()):
        step, settle = direction.get(held.position.instrument, ZERO), held.settle
        is_plain = settle in known.in_full and not held.terms.instrument.is_inverse
        if rows is None or not is_plain or settle in coins:
            return None
        if step and held.notional:
            price = known.assets[settle].price
            gross += held.notional * price
            row = _row_of(rows, held.notional)
            rate = rows.rates[row] + rows.fee
            slope += step * price * (held.value - rate * held.notional)
            events += _events(rows, row, held.notional, step, price)
    root = _first_root(start, slope, sorted(events), stop)
    if root is None or root[0] is None:
        return root
    is_near_end = root[0] >= stop * (ONE - FOLLOWED)
    return None if is_near_end or root[1] * root[0] <= CLEAR * gross else (root[0],)


def _coin_slope(assets: Sequence[AssetMargin], coins: Mapping[str, Decimal]) -> Decimal:
    """Return what the excess gains per size by the prices of coins held as collateral."""
    moving = (a for a in assets if a.asset in coins)
    gains = (
        (a.collateral_value - a.ask * a.maintenance_margin) * a.price * coins[a.asset]
        for a in moving
    )
    return sum(gains, ZERO)


def _row_of(rows: _Rows, notional: Decimal) -> int:
    return max(0, bisect_left(rows.floors, notional) - 1)


def _events(
    rows: _Rows, row: int, notional: Decimal, step: Decimal, price: Decimal
) -> list[tuple[Decimal, Decimal]]:
    """Return the sizes at which a row ends, each with the change of the slope of the excess."""
    passed = range(row + 1, len(rows.floors)) if step > ZERO else range(row, 0, -1)
    if not passed:
        return []
    pull = abs(step) * notional * price
    return [
        (
            (rows.floors[number] / notional - ONE) / step,
            (rows.rates[number - 1] - rows.rates[number]) * pull,
        )
        for number in passed
    ]


def _first_root(
    value: Decimal, slope: Decimal, events: list[tuple[Decimal, Decimal]], stop: Decimal
) -> "tuple[None] | tuple[Decimal, Decimal] | None":
    """Return where the chain first is nothing, with its fall there; a tuple of `None` without."""
    low = ZERO
    for size, change in [*events, (stop, ZERO)]:
        end = min(size, stop)
        there = value + slope * (end - low)
        if there <= ZERO:
            return (low - value / slope, -slope)
        if end == stop:
            break
        low, value = end, there
        slope += change
    return (None,)


def _counts_in_full(report: MarginReport, settle: str, model: MarginModel) -> bool:
    """Whether profit and requirements in a settle asset change the excess one for one."""
    terms = model.asset_in(report.unit.kind, settle)
    weight = model.profit_terms(MarginPurpose.MAINTENANCE).weight
    if weight != ONE or model.trigger_level != ONE:
        return False
    in_full = terms.haircut_base is HaircutBase.BALANCE and terms.schedule.ask == ONE
    return in_full or terms.schedule.is_identity
