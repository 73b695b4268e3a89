"""Deleverage policies by name: how many lots each candidate gives up.

A policy is called as `policy(lots_needed, candidates)` and returns whole lots that sum to
`min(lots_needed, total closable)`, never above a candidate's closable lots. Candidates are put in
the order of their unit ids first, so that the order in which they are listed never matters and
the unit id is the last tie-break.
"""

from collections.abc import Callable
from functools import wraps

import numpy as np

from keelmark.core.errors import DuplicateId, InvalidInput
from keelmark.engine.adl import scores
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.apportion import (
    Float64Array,
    Int64Array,
    apportion,
    exact_sum,
    whole_weights,
)
from keelmark.engine.registry import Registry

DeleveragePolicy = Callable[[int, Candidates], Int64Array]

DELEVERAGE: Registry[DeleveragePolicy] = Registry("deleverage")


def deleverage_policy(name: str) -> Callable[[DeleveragePolicy], DeleveragePolicy]:
    """Return a decorator that enters a rule for the general case under `name`.

    The rule is called only with unit ids that rise and `0 < lots_needed < total closable`.
    """

    def enter(rule: DeleveragePolicy) -> DeleveragePolicy:
        @wraps(rule)
        def policy(lots_needed: int, candidates: Candidates) -> Int64Array:
            if lots_needed < 0:
                msg = f"{lots_needed} lots needed; give the absolute number of lots"
                raise InvalidInput(msg)
            if lots_needed == 0:
                return np.zeros(len(candidates), dtype=np.int64)
            if lots_needed >= exact_sum(candidates.closable):
                return candidates.closable.copy()
            if np.all(candidates.unit[1:] > candidates.unit[:-1]):
                return rule(lots_needed, candidates)
            return _in_unit_order(rule, lots_needed, candidates)

        return DELEVERAGE.register(name)(policy)

    return enter


def _in_unit_order(rule: DeleveragePolicy, lots_needed: int, candidates: Candidates) -> Int64Array:
    order = np.argsort(candidates.unit, kind="stable")
    ordered = candidates.take(order)
    same = ordered.unit[1:] == ordered.unit[:-1]
    if same.any():
        msg = f"unit {ordered.unit[int(np.argmax(same))]} is listed twice; join its rows"
        raise DuplicateId(msg)
    taken = np.empty(len(candidates), dtype=np.int64)
    taken[order] = rule(lots_needed, ordered)
    return taken


# --- Queues ---------------------------------------------------------------------------------


def _first_come(lots_needed: int, closable: Int64Array) -> Int64Array:
    """Take everything from the first rows until the need is met."""
    reached = np.minimum(np.cumsum(closable), lots_needed)
    return np.diff(reached, prepend=np.int64(0))


def _queue(name: str, lots_needed: int, candidates: Candidates) -> Int64Array:
    order = np.argsort(-QUEUES[name](candidates), kind="stable")
    taken = np.empty(len(candidates), dtype=np.int64)
    taken[order] = _first_come(lots_needed, candidates.closable[order])
    return taken


QUEUES: dict[str, Callable[[Candidates], Float64Array]] = {
    "queue_leverage_profit": scores.leverage_times_profit,
    "queue_price_ratio": scores.price_ratio_times_leverage,
    "queue_leverage_pnl": scores.leverage_pnl,
}
"""Scores of the policies that take from the head of a queue, and need not see the rest of it."""


@deleverage_policy("queue_leverage_profit")
def queue_leverage_profit(lots_needed: int, candidates: Candidates) -> Int64Array:
    """Highest profit share times leverage first (Binance, BitMEX)."""
    return _queue("queue_leverage_profit", lots_needed, candidates)


@deleverage_policy("queue_price_ratio")
def queue_price_ratio(lots_needed: int, candidates: Candidates) -> Int64Array:
    """Highest price ratio times leverage first (Hyperliquid)."""
    return _queue("queue_price_ratio", lots_needed, candidates)


@deleverage_policy("queue_leverage_pnl")
def queue_leverage_pnl(lots_needed: int, candidates: Candidates) -> Int64Array:
    """Highest LeveragePnl first (Binance's published score)."""
    return _queue("queue_leverage_pnl", lots_needed, candidates)


@deleverage_policy("queue_full_closure")
def queue_full_closure(lots_needed: int, candidates: Candidates) -> Int64Array:
    """Close whole positions in queue order as long as they fit, then take the rest in part.

    Venues that close whole positions overshoot the need, which here would leave open interest
    uneven (INV-02). So a position that no longer fits is passed over, and what whole positions
    cannot meet is taken from the first in the queue that still can give.
    """
    order = np.argsort(-scores.leverage_times_profit(candidates), kind="stable")
    closable = candidates.closable[order]
    is_whole = closable == np.abs(candidates.lots[order])
    whole = _whole_that_fit(lots_needed, np.where(is_whole, closable, 0))
    taken = np.empty(len(candidates), dtype=np.int64)
    rest = _first_come(lots_needed - exact_sum(whole), closable - whole)
    taken[order] = whole + rest
    return taken


def _whole_that_fit(lots_needed: int, sizes: Int64Array) -> Int64Array:
    left = lots_needed
    taken = []
    for size in sizes.tolist():
        fits = size if size <= left else 0
        taken.append(fits)
        left -= fits
    return np.array(taken, dtype=np.int64)


# --- Shares ---------------------------------------------------------------------------------


def _shared(lots_needed: int, candidates: Candidates, weights: Float64Array) -> Int64Array:
    """Take lots in proportion to `weights`; those without weight give only what then is missing."""
    taken = apportion(lots_needed, whole_weights(weights), candidates.closable)
    missing = lots_needed - exact_sum(taken)
    if missing:
        room = candidates.closable - taken
        taken += apportion(missing, whole_weights(room.astype(np.float64)), room)
    return taken


@deleverage_policy("pro_rata_profit")
def pro_rata_profit(lots_needed: int, candidates: Candidates) -> Int64Array:
    """One haircut on profits, capped by what is closable; losers only after every winner."""
    return _shared(lots_needed, candidates, np.maximum(candidates.pnl, 0))


@deleverage_policy("equity_min_max")
def equity_min_max(lots_needed: int, candidates: Candidates) -> Int64Array:
    """Make the largest share of equity that anyone loses as small as possible."""
    return _shared(lots_needed, candidates, candidates.equity)


@deleverage_policy("per_contract")
def per_contract(lots_needed: int, candidates: Candidates) -> Int64Array:
    """The same part of every position."""
    return _shared(lots_needed, candidates, np.abs(candidates.lots).astype(np.float64))


@deleverage_policy("leverage_drain")
def leverage_drain(lots_needed: int, candidates: Candidates) -> Int64Array:
    """Lower everyone's notional to at most one multiple of equity, from the top.

    The multiple is the one at which the cuts, each at most what is closable, meet the need.
    """
    value = np.abs(candidates.mark_value)
    room = candidates.closable.astype(np.float64) * value
    need = lots_needed * float(np.average(value, weights=candidates.closable))
    level = drain_level(candidates.notional_total, candidates.equity, room, need)
    cuts = np.clip(candidates.notional_total - level * candidates.equity, 0, room) / value
    return _shared(lots_needed, candidates, cuts)


def drain_level(
    notional: Float64Array,
    equity: Float64Array,
    room: Float64Array,
    need: float,
) -> float:
    """Return the leverage at which `sum(clip(notional - leverage * equity, 0, room))` is `need`.

    The sum is piecewise linear in leverage: sort where each candidate begins and ends to give,
    accumulate slopes downwards, and interpolate in the piece that reaches the need.

    Args:
        notional: (n,) notional of all positions.
        equity: (n,) positive.
        room: (n,) largest cut.
        need: What the cuts must sum to, at most `room.sum()`.
    """
    points = np.concatenate((notional / equity, (notional - room) / equity))
    order = np.argsort(-points, kind="stable")
    levels = points[order]
    slopes = np.cumsum(np.concatenate((equity, -equity))[order])
    cut = np.concatenate(([0.0], np.cumsum(slopes[:-1] * -np.diff(levels))))
    row = min(int(np.searchsorted(cut, need)), len(cut) - 1)
    if row == 0 or slopes[row - 1] <= 0:
        return float(levels[row])
    return float(levels[row - 1] - (need - cut[row - 1]) / slopes[row - 1])
