"""ADL policies as the literature states them: money taken from profits, in float64.

A policy is called as `policy(winners, budget)` and returns what is taken from each. All but
`full_closure` take `min(budget, what their caps hold)` in total.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.engine.apportion import Float64Array
from keelmark.engine.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Winners:
    """Accounts that profits can be taken from, one row each.

    Attributes:
        endowment: Profit that may be taken, `max(pnl, 0)`.
        equity: Collateral plus profit, positive.
        leverage: Notional over equity.
        cap: Largest fraction of its endowment that each may lose.
        size: Absolute contracts.
        score: Place in a queue, largest first; equal scores in the order given.
    """

    endowment: Float64Array
    equity: Float64Array
    leverage: Float64Array
    cap: Float64Array
    size: Float64Array
    score: Float64Array

    @property
    def limit(self) -> Float64Array:
        """Largest amount each may lose."""
        result: Float64Array = self.endowment * self.cap
        return result


ContinuousPolicy = Callable[[Winners, float], Float64Array]

CONTINUOUS: Registry[ContinuousPolicy] = Registry("continuous deleverage")


def fill_level(budget: float, weights: Float64Array, caps: Float64Array) -> float:
    """Return the level at which `sum(min(level * weights, caps))` is `budget`.

    Definition: `core.allocation.water_fill`. One sort by `cap / weight`, then prefix sums: with
    the first `j` saturated the level is `(budget - their caps) / weights of the others`, and the
    first `j` whose next ratio is not below its level is the solution. Where the caps hold less
    than the budget, the level saturates all.
    """
    rows = weights > 0
    weights, caps = weights[rows], caps[rows]
    if not len(weights):
        return 0.0
    ratios = caps / weights
    order = np.argsort(ratios, kind="stable")
    caps_before = np.cumsum(caps[order]) - caps[order]
    weights_from = np.cumsum(weights[order][::-1])[::-1]
    levels = (budget - caps_before) / weights_from
    unsaturated = ratios[order] >= levels
    if not unsaturated.any():
        return float(ratios[order[-1]])
    return float(levels[int(np.argmax(unsaturated))])


def fill(budget: float, weights: Float64Array, caps: Float64Array) -> Float64Array:
    """Return `min(level * weights, caps)` summing to `budget`, or the caps if they hold less."""
    return np.minimum(fill_level(budget, weights, caps) * weights, caps)


def _in_queue(winners: Winners, budget: float) -> Float64Array:
    order = np.argsort(-winners.score, kind="stable")
    reached = np.minimum(np.cumsum(winners.limit[order]), budget)
    taken = np.empty(len(order))
    taken[order] = np.diff(reached, prepend=0.0)
    return taken


@CONTINUOUS.register("queue")
def queue(winners: Winners, budget: float) -> Float64Array:
    """Take everything from the highest score down until the budget is met."""
    return _in_queue(winners, budget)


@CONTINUOUS.register("full_closure")
def full_closure(winners: Winners, budget: float) -> Float64Array:
    """Close whole positions from the highest score down until the budget is met or passed.

    The total exceeds the budget by up to the last position: the overshoot of production queues.
    """
    order = np.argsort(-winners.score, kind="stable")
    limits = winners.limit[order]
    taken = np.empty(len(order))
    taken[order] = np.where(np.cumsum(limits) - limits < budget, limits, 0.0)
    return taken


@CONTINUOUS.register("pro_rata")
def pro_rata(winners: Winners, budget: float) -> Float64Array:
    """One fraction of every profit, whatever the caps."""
    return fill(budget, winners.endowment, winners.endowment)


@CONTINUOUS.register("capped_pro_rata")
def capped_pro_rata(winners: Winners, budget: float) -> Float64Array:
    """One fraction of every profit, each at most its cap."""
    return fill(budget, winners.endowment, winners.limit)


@CONTINUOUS.register("equity_pro_rata")
def equity_pro_rata(winners: Winners, budget: float) -> Float64Array:
    """In proportion to equity, each at most its profit."""
    return fill(budget, winners.equity, winners.endowment)


@CONTINUOUS.register("min_max")
def min_max(winners: Winners, budget: float) -> Float64Array:
    """Make the largest fraction of equity that anyone loses as small as the caps allow."""
    return fill(budget, winners.equity, winners.limit)


@CONTINUOUS.register("contracts")
def contracts(winners: Winners, budget: float) -> Float64Array:
    """The same charge per contract, each at most its cap."""
    return fill(budget, winners.size, winners.limit)


def leverage_weighted(winners: Winners, budget: float, omega: Float64Array) -> Float64Array:
    """Haircut fractions in proportion to `omega`, each at most its cap (RAP)."""
    return fill(budget, winners.endowment * omega, winners.limit)


@CONTINUOUS.register("leverage_pro_rata")
def leverage_pro_rata(winners: Winners, budget: float) -> Float64Array:
    """LPR: haircut fractions in proportion to leverage, `g = 1`."""
    return leverage_weighted(winners, budget, winners.leverage)


@CONTINUOUS.register("risk_aware")
def risk_aware(winners: Winners, budget: float) -> Float64Array:
    """RAP with `g(leverage) = leverage`: haircut fractions in proportion to leverage squared."""
    return leverage_weighted(winners, budget, winners.leverage**2)


def loss_omega(leverage: Float64Array, shocks: Float64Array) -> Float64Array:
    """Return the optimal omega, `leverage * psi(1 / leverage)`, under a sample of shocks.

    `psi(u) = E[(u + shock)-]`: the expected loss beyond equity per unit of notional.

    Args:
        leverage: (n,) notional over equity.
        shocks: (s,) returns on notional.
    """
    cushion = 1 / leverage
    result: Float64Array = leverage * expected_overrun(cushion, shocks)
    return result


def expected_overrun(cushion: Float64Array, shocks: Float64Array) -> Float64Array:
    """Return `E[(cushion + shock)-]` for each cushion, by one sort and prefix sums.

    Args:
        cushion: (n,) equity over notional.
        shocks: (s,) returns on notional, equally likely.
    """
    if not len(shocks):
        msg = "no shocks given; pass a sample of returns on notional"
        raise InvalidInput(msg)
    ordered = np.sort(shocks)
    below = np.searchsorted(ordered, -cushion, side="left")
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    result: Float64Array = -(cushion * below + sums[below]) / len(ordered)
    return result


def smart_queue(winners: Winners, budget: float, deficit: float) -> Float64Array:
    """Return the queue's take with the budget capped at the deficit and at all profits."""
    return _in_queue(winners, min(budget, deficit, float(winners.endowment.sum())))
