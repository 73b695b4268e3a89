"""Sizing policies by name: how many lots to close, of legs in the order they are given.

A policy is called as `policy(legs, shortfall)`. No policy closes lots of a leg whose closing does
not raise the margin excess after its own fee and slippage (INV-07).
"""

import inspect
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache, partial

from keelmark.core.allocation import OutOfReach, Reducible, ReliefPiece
from keelmark.core.allocation import least_cost as least_cost_closes
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.numbers import ZERO, exact
from keelmark.engine.reduce.legs import Close, Outcome, ReducePlan, ReducibleLeg, Shortfall
from keelmark.engine.registry import Registry

Legs = Sequence[ReducibleLeg]
SizingPolicy = Callable[[Legs, Shortfall], ReducePlan]
SizingRule = Callable[..., ReducePlan]
Setting = int | Decimal

SIZING: Registry[SizingRule] = Registry("sizing")


@lru_cache(maxsize=64)
def sizing_policy(name: str, **settings: Setting) -> SizingPolicy:
    """Return the sizing policy called `name` with its settings.

    Raises:
        InvalidInput: No such policy, or it has no such setting, with the nearest named; or a
            setting that counts is not whole.
    """
    rule = SIZING[name]
    known = dict(list(inspect.signature(rule).parameters.items())[2:])
    for setting in settings:
        if setting not in known:
            msg = f"sizing policy {name!r} has no setting {setting!r}; {nearest(setting, known)}"
            raise InvalidInput(msg)
    counts = {key for key, row in known.items() if isinstance(row.default, int)}
    return partial(
        rule,
        **{key: _whole(name, key, x) if key in counts else x for key, x in settings.items()},
    )


def _whole(name: str, setting: str, value: Setting) -> int:
    """Return a setting that counts; a rulebook writes every number as a decimal."""
    if value != int(value):
        msg = f"sizing policy {name!r}: {setting} is {value}; give a whole number"
        raise InvalidInput(msg)
    return int(value)


# --- One leg --------------------------------------------------------------------------------


def smallest_reaching(leg: ReducibleLeg, shortfall: Shortfall) -> int | None:
    """Return the smallest number of lots whose close reaches the target, if any does.

    With bracket `(rate, deduction)` after the close, `n` the notional of a lot and `t` the target
    multiple, what is over the target after closing `x` lots is the concave parabola

        equity - fee * n * x - impact * (n * x)**2
            - t * (others + n * (size - x) * rate - deduction).

    Each bracket's stretch of `x` is solved by itself, so tables that jump are exact as well. With
    one flat rate, no impact and buffer g this is `x * n = ((1 + g) m N - E) / ((1 + g) m - fee)`.
    """
    if shortfall.equity < ZERO:  # a close at the mark brings no equity
        return None
    for low, high in _stretches(leg):
        lots = _first_in_stretch(leg, shortfall, low, high)
        if lots is not None:
            return lots
    return None


def most_helpful(leg: ReducibleLeg, shortfall: Shortfall) -> int:
    """Return the lots whose close leaves the least missing; 0 where no close helps."""
    candidates = {0}
    for low, high in _stretches(leg):
        peak = _peak(leg, shortfall, low, high)
        candidates |= {low, peak, min(peak + 1, high)}
    return min(candidates, key=lambda lots: (shortfall.missing_after(leg, lots), lots))


def _stretches(leg: ReducibleLeg) -> list[tuple[int, int]]:
    """Return the ranges of closed lots, one per bracket, from the bracket now downwards."""
    stretches = []
    low = 0
    for tier in range(leg.tier_of(leg.size), -1, -1):
        floor_lots = leg.lots_within(tier - 1) if tier else -1
        high = min(leg.size - floor_lots - 1, leg.size)
        if low <= high:
            stretches.append((low, high))
            low = high + 1
    return stretches


def _slopes(leg: ReducibleLeg, shortfall: Shortfall, low: int) -> tuple[Decimal, Decimal]:
    """Return `(b, c)` of `a + b x - c x**2`, what is over the target in the stretch from `low`."""
    rate = leg.brackets[leg.tier_of(leg.size - low)].rate
    unit = leg.lot_notional
    return unit * (shortfall.target * rate - leg.fee_rate), leg.impact * unit * unit


def _peak(leg: ReducibleLeg, shortfall: Shortfall, low: int, high: int) -> int:
    """Return the lots of a stretch up to which closing more helps, rounded down."""
    with exact():
        gain, bend = _slopes(leg, shortfall, low)
        if gain <= 0:
            return low
        if bend == 0:
            return high
        return min(max(int(gain / (2 * bend)), low), high)


def _first_in_stretch(
    leg: ReducibleLeg,
    shortfall: Shortfall,
    low: int,
    high: int,
) -> int | None:
    if _reaches(leg, shortfall, low):
        return low
    peak = _peak(leg, shortfall, low, high)
    tops = sorted({peak, min(peak + 1, high)})
    top = next((lots for lots in tops if _reaches(leg, shortfall, lots)), None)
    if top is None:
        return None
    lots = min(max(_root(leg, shortfall, low), low + 1), top)
    while not _reaches(leg, shortfall, lots):
        lots += 1
    while lots - 1 > low and _reaches(leg, shortfall, lots - 1):
        lots -= 1
    return lots


def _root(leg: ReducibleLeg, shortfall: Shortfall, low: int) -> int:
    """Return where the parabola of a stretch crosses zero going up, rounded up to a lot."""
    with exact():
        gain, bend = _slopes(leg, shortfall, low)
        over = -shortfall.missing_after(leg, low)
        level = over - gain * low + bend * low * low
        if bend == 0:
            root = -level / gain
        else:
            root = (gain - max(gain * gain + 4 * bend * level, ZERO).sqrt()) / (2 * bend)
        return int(root.to_integral_value(rounding=ROUND_CEILING))


def _reaches(leg: ReducibleLeg, shortfall: Shortfall, lots: int) -> bool:
    return shortfall.missing_after(leg, lots) <= 0


def _raises_excess(leg: ReducibleLeg, lots: int) -> bool:
    """Whether closing `lots` frees more maintenance than it costs."""
    with exact():
        return leg.maintenance - leg.maintenance_of(leg.size - lots) > leg.cost(lots)


# --- Policies -------------------------------------------------------------------------------


def _plan(closes: Sequence[Close], left: Shortfall, cooldown_seconds: int = 0) -> ReducePlan:
    if left.missing <= 0:
        outcome = Outcome.REACHES_TARGET
    else:
        outcome = Outcome.FALLS_SHORT if closes else Outcome.EXHAUSTED
    return ReducePlan(closes=tuple(closes), outcome=outcome, cooldown_seconds=cooldown_seconds)


def _in_order(
    legs: Legs,
    shortfall: Shortfall,
    lots_of: Callable[[ReducibleLeg, Shortfall], int],
) -> tuple[list[Close], Shortfall]:
    """Size leg after leg until the target is reached; skip closes that do not help."""
    closes: list[Close] = []
    for leg in legs:
        if shortfall.missing <= 0:
            break
        lots = lots_of(leg, shortfall)
        if lots and _raises_excess(leg, lots):
            closes.append(Close(instrument=leg.instrument, leg=leg.leg, lots=lots))
            shortfall = shortfall.after(leg, lots)
    return closes, shortfall


@SIZING.register("to_target")
def to_target(legs: Legs, shortfall: Shortfall) -> ReducePlan:
    """Close the fewest lots, leg after leg, that reach the target after fees and slippage."""

    def lots_of(leg: ReducibleLeg, left: Shortfall) -> int:
        reaching = smallest_reaching(leg, left)
        return most_helpful(leg, left) if reaching is None else reaching

    return _plan(*_in_order(legs, shortfall, lots_of))


@SIZING.register("tier_drop")
def tier_drop(legs: Legs, shortfall: Shortfall, *, tiers: Setting = 1) -> ReducePlan:
    """Bring the first leg that can down by `tiers` brackets (Bybit, Binance 1; OKX 2).

    A leg in one of the lowest `tiers` brackets cannot go down that far: it is left to the next
    stage, the takeover.
    """
    for leg in legs:
        if shortfall.missing <= 0:
            break
        target = leg.tier_of(leg.size) - int(tiers)  # settings of rulebooks are decimals
        if target < 0:
            continue
        lots = leg.size - leg.lots_within(target)
        if _raises_excess(leg, lots):
            close = Close(instrument=leg.instrument, leg=leg.leg, lots=lots)
            return _plan([close], shortfall.after(leg, lots))
    return _plan([], shortfall)


@SIZING.register("fraction_then_cooldown")
def fraction_then_cooldown(
    legs: Legs,
    shortfall: Shortfall,
    *,
    fraction: Decimal = Decimal("0.2"),
    threshold: Decimal = Decimal(100_000),
    cooldown_seconds: int = 30,
) -> ReducePlan:
    """Close a part of large positions and wait; close small ones, and any while waiting, whole.

    Hyperliquid: 20 % of a position above 100,000, then 30 seconds in which further orders are for
    the whole position. A part is rounded up to a lot.
    """
    in_part = False

    def lots_of(leg: ReducibleLeg, left: Shortfall) -> int:
        nonlocal in_part
        if left.in_cooldown or leg.notional <= threshold:
            return leg.size
        in_part = True
        with exact():
            return int((fraction * leg.size).to_integral_value(rounding=ROUND_CEILING))

    closes, left = _in_order(legs, shortfall, lots_of)
    return _plan(closes, left, cooldown_seconds if closes and in_part else 0)


@SIZING.register("whole")
def whole(legs: Legs, shortfall: Shortfall) -> ReducePlan:
    """Close whole legs, one after the other, until the target is reached."""
    return _plan(*_in_order(legs, shortfall, lambda leg, _: leg.size))


@SIZING.register("least_cost")
def least_cost(legs: Legs, shortfall: Shortfall, *, attempts: int = 4) -> ReducePlan:
    """Close across all legs what reaches the target at the least fee and slippage.

    The optimum of `core.allocation.least_cost` is rounded up to lots. Where a rounded-up lot costs
    more than it frees, the missing rest is asked for again, at most `attempts` times. A table that
    jumps frees at least what its rates say: the plan is then safe, not always the cheapest.
    """
    reducibles = [_reducible(leg, shortfall) for leg in legs]
    needed = shortfall.missing
    closes: list[Close] = []
    left = shortfall
    for _ in range(attempts):
        solution = least_cost_closes(reducibles, needed)
        closes, left = _rounded_up(legs, shortfall, solution.amounts)
        if left.missing <= 0 or isinstance(solution, OutOfReach):
            break
        needed += left.missing
    return _plan(closes, left)


def _reducible(leg: ReducibleLeg, shortfall: Shortfall) -> Reducible:
    """Return the leg's relief at the target multiple, bracket by bracket from the top.

    It ends where closing more would no longer raise the margin excess itself.
    """
    pieces = []
    with exact():
        above = leg.notional
        for tier in reversed(leg.brackets[: leg.tier_of(leg.size) + 1]):
            low = leg.notional - above
            room = above - tier.floor
            if leg.impact:
                room = min(room, max((tier.rate - leg.fee_rate) / (2 * leg.impact) - low, ZERO))
            elif tier.rate <= leg.fee_rate:
                room = ZERO
            pieces.append(ReliefPiece(size=room, rate=shortfall.target * tier.rate))
            if room < above - tier.floor:
                break
            above = tier.floor
    return Reducible(pieces=tuple(pieces), fee_rate=leg.fee_rate, impact=leg.impact)


def _rounded_up(
    legs: Legs,
    shortfall: Shortfall,
    amounts: Sequence[Decimal],
) -> tuple[list[Close], Shortfall]:
    closes = []
    for leg, amount in zip(legs, amounts, strict=True):
        with exact():
            lots = (amount / leg.lot_notional).to_integral_value(rounding=ROUND_CEILING)
        rounded = min(int(lots), leg.size)
        # The last lot of an optimum may lie beyond the leg's peak, where it costs too much.
        closed = next((x for x in (rounded, rounded - 1) if x > 0 and _raises_excess(leg, x)), 0)
        if closed:
            closes.append(Close(instrument=leg.instrument, leg=leg.leg, lots=closed))
            shortfall = shortfall.after(leg, closed)
    return closes, shortfall
