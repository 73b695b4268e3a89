"""Shared solvers: divide a whole number, fill under caps, reduce risk at the least cost.

These are the definitions. The array policies of the engine are tested against them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact

Number = int | Decimal | Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterFill:
    """Amounts `min(level * weight, cap)` that sum to a budget.

    Attributes:
        level: The smallest common multiple of weight at which the budget is met.
        amounts: One amount per weight, in the order given.
    """

    level: Fraction
    amounts: tuple[Fraction, ...]


def water_fill(
    budget: Number,
    weights: Sequence[Number],
    caps: Sequence[Number] | None = None,
) -> WaterFill:
    """Return `min(level * weight, cap)` with the level at which the amounts sum to `budget`.

    It is the allocation whose largest `amount / weight` is smallest; where caps bind, the
    second largest is smallest as well, and so on.

    Args:
        budget: What is to be divided, not negative.
        weights: Not negative; a zero weight receives nothing.
        caps: Largest amount of each, not negative; `None` is no cap.

    Raises:
        InvalidInput: The budget exceeds what the caps of positive weights hold.
    """
    shares = _fractions(weights, "weight")
    limits = None if caps is None else _fractions(caps, "cap")
    left = Fraction(budget)
    _check_fill(left, shares, limits)
    weight_left = sum(shares, Fraction(0))
    amounts = [Fraction(0)] * len(shares)
    if limits is None:
        level = left / weight_left if weight_left else Fraction(0)
        return WaterFill(level=level, amounts=tuple(level * share for share in shares))
    level = Fraction(0)
    open_rows = _by_fill_level(shares, limits)
    for count, row in enumerate(open_rows):
        if limits[row] * weight_left > left * shares[row]:
            level = left / weight_left
            for rest in open_rows[count:]:
                amounts[rest] = level * shares[rest]
            break
        amounts[row] = limits[row]
        level = limits[row] / shares[row]
        left -= limits[row]
        weight_left -= shares[row]
    return WaterFill(level=level, amounts=tuple(amounts))


def _by_fill_level(shares: Sequence[Fraction], limits: Sequence[Fraction]) -> list[int]:
    """Return the rows with a weight, those first that reach their cap at the lowest level."""
    rows = [row for row, share in enumerate(shares) if share > 0]
    return sorted(rows, key=lambda row: (limits[row] / shares[row], row))


def _fractions(values: Sequence[Number], what: str) -> list[Fraction]:
    fractions = [Fraction(value) for value in values]
    for row, value in enumerate(fractions):
        if value < 0:
            msg = f"{what} {row} is {values[row]}; it must not be negative"
            raise InvalidInput(msg)
    return fractions


def _check_fill(
    budget: Fraction,
    shares: Sequence[Fraction],
    limits: Sequence[Fraction] | None,
) -> None:
    if limits is not None and len(limits) != len(shares):
        msg = f"{len(shares)} weights but {len(limits)} caps; give one cap per weight"
        raise InvalidInput(msg)
    if budget < 0:
        msg = f"budget {budget} is negative; divide its absolute value"
        raise InvalidInput(msg)
    if limits is None:
        if budget > 0 and not any(shares):
            msg = f"budget {budget} has no positive weight to go to; give one"
            raise InvalidInput(msg)
        return
    room = sum((cap for cap, share in zip(limits, shares, strict=True) if share > 0), Fraction(0))
    if budget > room:
        msg = f"budget {budget} exceeds the {room} that fits under the caps; lower it first"
        raise InvalidInput(msg)


def capped_pro_rata(
    budget: Number,
    weights: Sequence[Number],
    fraction_max: Sequence[Number],
) -> WaterFill:
    """Return `weight * min(level, fraction_max)` summing to `budget`: one haircut, capped.

    Args:
        budget: What is to be taken.
        weights: What each holds.
        fraction_max: Largest fraction of its weight that each may lose.
    """
    caps = [Fraction(w) * Fraction(f) for w, f in zip(weights, fraction_max, strict=True)]
    return water_fill(budget, weights, caps)


def largest_remainder(
    total: int,
    weights: Sequence[Number],
    caps: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Return whole parts in proportion to `weights` that sum to `total` exactly.

    The exact quotas are those of `water_fill`. Each is rounded down; the units left over go to
    the largest remainders, equal remainders in the order given. A quota at its cap is whole, so
    no part exceeds its cap.

    Args:
        total: Whole number to divide. A negative total is divided like its absolute value and
            every part takes its sign.
        weights: Not negative; a zero weight receives nothing.
        caps: Largest absolute part of each; `None` is no cap.

    Raises:
        InvalidInput: `total` exceeds what the caps of positive weights hold.
    """
    quotas = water_fill(abs(total), weights, caps).amounts
    parts = [floor(quota) for quota in quotas]
    left = abs(total) - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda row: (parts[row] - quotas[row], row))
    for row in by_remainder[:left]:
        parts[row] += 1
    return tuple(parts) if total >= 0 else tuple(-part for part in parts)


# --- Least-cost reduction of risk -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliefPiece:
    """A stretch of a leg over which each unit closed releases the same maintenance."""

    size: Decimal
    """Notional that can be closed at this rate."""
    rate: Decimal
    """Maintenance released per unit of notional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reducible:
    """A leg that can be closed at a cost of `fee_rate * x + impact * x**2`.

    `pieces` are in the order of closing; their rates never rise, as in every marginal tier table
    read from the top.
    """

    pieces: tuple[ReliefPiece, ...]
    fee_rate: Decimal
    impact: Decimal = ZERO

    def __post_init__(self) -> None:
        rates = [piece.rate for piece in self.pieces]
        if any(later > earlier for earlier, later in pairwise(rates)):
            msg = f"relief rates {rates} rise while closing; order the pieces from the top tier"
            raise InvalidInput(msg)
        if self.fee_rate < 0 or self.impact < 0:
            msg = f"fee rate {self.fee_rate} and impact {self.impact} must not be negative"
            raise InvalidInput(msg)

    def cost(self, amount: Decimal) -> Decimal:
        """Fee and slippage of closing `amount` of notional."""
        with exact():
            return self.fee_rate * amount + self.impact * amount * amount


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastCost:
    """The cheapest closes that gain what is needed.

    Attributes:
        amounts: Notional to close, per leg.
        cost: Fees and slippage of all closes.
        weight: `lam / (1 + lam)`, where `lam` is what the last unit of margin excess cost.
    """

    amounts: tuple[Decimal, ...]
    cost: Decimal
    weight: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfReach:
    """No combination of closes gains what is needed.

    Attributes:
        amounts: The closes that gain the most.
        gain: What they gain.
        missing: What is needed beyond that.
    """

    amounts: tuple[Decimal, ...]
    gain: Decimal
    missing: Decimal


@dataclass(frozen=True, slots=True)
class _Stretch:
    """One relief piece between the closed amounts `low` and `high` of its leg."""

    leg: int
    low: Decimal
    high: Decimal
    rate: Decimal
    fee: Decimal
    impact: Decimal

    @property
    def start(self) -> Decimal:
        """The weight at which closing begins to pay."""
        return (2 * self.impact * self.low + self.fee) / self.rate

    @property
    def end(self) -> Decimal:
        """The weight from which all of it is closed."""
        return (2 * self.impact * self.high + self.fee) / self.rate

    def closed(self, weight: Decimal) -> Decimal:
        """Amount closed at a weight strictly inside, or at the smooth edges, of the stretch."""
        if self.impact == 0:
            return self.high - self.low if self.start < weight else ZERO
        best = (weight * self.rate - self.fee) / (2 * self.impact)
        return min(max(best, self.low), self.high) - self.low

    def gain(self, amount: Decimal) -> Decimal:
        """Margin excess gained by closing `amount` of this stretch."""
        slippage = self.impact * amount * (2 * self.low + amount)
        return (self.rate - self.fee) * amount - slippage


def least_cost(legs: Sequence[Reducible], needed: Decimal) -> LeastCost | OutOfReach:
    """Return the cheapest closes whose relief net of their own cost reaches `needed`.

    Minimises the sum of costs subject to `sum(relief_i(x_i) - cost_i(x_i)) >= needed`. With the
    multiplier `lam` of the constraint and the weight `mu = lam / (1 + lam)`, the optimum of a leg
    with one rate `m`, fee `c` and impact `k` is

        x_i = clip((lam * (m - c) - c) / (2k * (1 + lam)), 0, N) = clip((mu * m - c) / 2k, 0, N).

    The gain grows with `mu`. Its breakpoints are sorted and bisected; between two of them the
    gain is linear in `1 - (1 - mu)**2`, so `mu` is one square root. Without impact a leg closes
    whole at `mu = c / m`: the greedy knapsack. A leg whose fee is not below its relief rate is
    toxic and never touched.

    Args:
        legs: What can be closed.
        needed: Margin excess to gain, valuation units.
    """
    with exact():
        stretches = _stretches(legs)
        if needed <= 0:
            return _plan(legs, stretches, [ZERO] * len(stretches), ZERO)
        weights = sorted({w for s in stretches for w in (s.start, s.end) if w < 1} | {ONE})
        reached = _first_reaching(stretches, weights, needed)
        if reached is None:
            return _out_of_reach(legs, stretches, needed)
        weight, amounts = _solve(stretches, weights, reached, needed)
        return _plan(legs, stretches, amounts, weight)


def _stretches(legs: Sequence[Reducible]) -> list[_Stretch]:
    """Return the stretches whose closing can raise the excess at all."""
    found: list[_Stretch] = []
    for index, leg in enumerate(legs):
        low = ZERO
        for piece in leg.pieces:
            high = low + piece.size
            if piece.size > 0 and piece.rate > leg.fee_rate + 2 * leg.impact * low:
                found.append(_Stretch(index, low, high, piece.rate, leg.fee_rate, leg.impact))
            low = high
    return found


def _closed(stretches: Sequence[_Stretch], weight: Decimal, *, steps: bool) -> list[Decimal]:
    """Return the amounts at a weight, with or without the steps that stand exactly there."""
    return [
        s.high - s.low if steps and s.impact == 0 and s.start == weight else s.closed(weight)
        for s in stretches
    ]


def _gain(stretches: Sequence[_Stretch], amounts: Sequence[Decimal]) -> Decimal:
    return sum((s.gain(x) for s, x in zip(stretches, amounts, strict=True)), ZERO)


def _first_reaching(
    stretches: Sequence[_Stretch],
    weights: Sequence[Decimal],
    needed: Decimal,
) -> int | None:
    """Return the first breakpoint at which the gain reaches `needed`, by bisection."""
    low, high = 0, len(weights)
    while low < high:
        middle = (low + high) // 2
        if _gain(stretches, _closed(stretches, weights[middle], steps=True)) >= needed:
            high = middle
        else:
            low = middle + 1
    return low if low < len(weights) else None


def _solve(
    stretches: Sequence[_Stretch],
    weights: Sequence[Decimal],
    reached: int,
    needed: Decimal,
) -> tuple[Decimal, list[Decimal]]:
    """Return the weight and the amounts that gain exactly `needed`."""
    weight = weights[reached]
    amounts = _closed(stretches, weight, steps=False)
    missing = needed - _gain(stretches, amounts)
    if missing <= 0:
        weight = _interior_weight(stretches, weights[reached - 1], weight, needed)
        return weight, _closed(stretches, weight, steps=False)
    for row, stretch in enumerate(stretches):
        if stretch.impact == 0 and stretch.start == weight:
            unit_gain = stretch.rate - stretch.fee
            amounts[row] = min(stretch.high - stretch.low, missing / unit_gain)
            missing -= amounts[row] * unit_gain
            if missing <= 0:
                break
    return weight, amounts


def _interior_weight(
    stretches: Sequence[_Stretch],
    low: Decimal,
    high: Decimal,
    needed: Decimal,
) -> Decimal:
    """Return the weight in `(low, high]` at which the gain is `needed`."""
    at_low = _gain(stretches, _closed(stretches, low, steps=True))
    moving = [s for s in stretches if s.impact > 0 and s.start < high and s.end > low]
    slope = sum((s.rate * s.rate / (4 * s.impact) for s in moving), ZERO)
    if slope == 0:
        return high
    rise = (needed - at_low) / slope  # (1 - low)^2 - (1 - weight)^2
    return ONE - max((ONE - low) ** 2 - rise, ZERO).sqrt()


def _totals(
    count: int,
    stretches: Sequence[_Stretch],
    amounts: Sequence[Decimal],
) -> tuple[Decimal, ...]:
    """Return the amount closed per leg."""
    totals = [ZERO] * count
    for stretch, amount in zip(stretches, amounts, strict=True):
        totals[stretch.leg] += amount
    return tuple(totals)


def _plan(
    legs: Sequence[Reducible],
    stretches: Sequence[_Stretch],
    amounts: Sequence[Decimal],
    weight: Decimal,
) -> LeastCost:
    totals = _totals(len(legs), stretches, amounts)
    cost = sum((leg.cost(x) for leg, x in zip(legs, totals, strict=True)), ZERO)
    return LeastCost(amounts=totals, cost=cost, weight=weight)


def _out_of_reach(
    legs: Sequence[Reducible],
    stretches: Sequence[_Stretch],
    needed: Decimal,
) -> OutOfReach:
    amounts = _closed(stretches, ONE, steps=True)
    gain = _gain(stretches, amounts)
    return OutOfReach(
        amounts=_totals(len(legs), stretches, amounts),
        gain=gain,
        missing=needed - gain,
    )
