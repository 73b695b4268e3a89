"""Growth of a leveraged position that may be liquidated on the way: the branch Kelly leaves out.

A path that reaches the liquidation barrier ends there. What is left of the margin is what
maintenance had kept less what the liquidation cost,

    left = L (m - cost) B,    B = price at the barrier over the price now,

nothing where the venue keeps it all, and then no leverage that any path liquidates grows at all,
unless part of the wealth stays outside. Growth jumps where one more path is liquidated, so it is
searched on a fine grid and refined there: the answer is the best of what was tried.

Source: docs/model.md, "Sizing".
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.sizing.liquidation_leverage import barrier

Array = npt.NDArray[np.float64]

_GRID = 400
_LEAST = 0.01
_REFINED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """What prices do on each path.

    Attributes:
        last: Relative change at the horizon, shape (paths,).
        worst: Relative change where it is worst for the side on the way, shape (paths,).
        is_long: Which side that is.
    """

    last: Array
    worst: Array
    is_long: bool = True

    def __post_init__(self) -> None:
        side = 1.0 if self.is_long else -1.0
        if self.last.ndim != 1 or self.last.shape != self.worst.shape or not len(self.last):
            msg = f"paths of shapes {self.last.shape} and {self.worst.shape}: one number a path"
            raise InvalidInput(msg)
        if not bool(np.all(np.isfinite(self.last) & (self.last >= -1.0) & (self.worst >= -1.0))):
            msg = "changes of paths must be finite and at least -1"
            raise InvalidInput(msg)
        if bool(np.any(side * self.worst > np.minimum(0.0, side * self.last) + 1e-12)):
            msg = "the worst change of a path is above its last one, or above none at all"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationTerms:
    """What a liquidation costs.

    Attributes:
        maintenance_rate: At which it happens, fraction of notional.
        cost: Fee and slippage, fraction of notional; at or above the rate nothing is left.
        outside: Share of the wealth that is not in the margin, fraction.
    """

    maintenance_rate: float
    cost: float
    outside: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.maintenance_rate < 1.0 and self.cost >= 0.0):
            msg = f"maintenance {self.maintenance_rate}, cost {self.cost}: fractions from 0"
            raise InvalidInput(msg)
        if not 0.0 <= self.outside < 1.0:
            msg = f"a share of {self.outside} outside the margin; it lies from 0 to below 1"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthOnPaths:
    """What a leverage comes to on paths.

    Attributes:
        leverage: Notional over margin.
        growth: Expected logarithm of wealth over the horizon; minus infinity where a path ruins.
        liquidated: Share of paths.
        left: Of the margin after a liquidation, fraction.
    """

    leverage: float
    growth: float
    liquidated: float
    left: float


def growth_on_paths(leverage: float, paths: Paths, terms: LiquidationTerms) -> GrowthOnPaths:
    """Return the growth of a leverage set at the start and left alone."""
    side = 1.0 if paths.is_long else -1.0
    move = barrier(leverage, terms.maintenance_rate, is_long=paths.is_long)
    end = -1.0 if move is None else math.expm1(move)
    is_out = (
        side * paths.worst <= side * end if move is not None else np.zeros(len(paths.last), bool)
    )
    kept = max(0.0, terms.maintenance_rate - terms.cost) * leverage * (1.0 + end)
    margin = np.where(is_out, kept, 1.0 + side * leverage * paths.last)
    wealth = terms.outside + (1.0 - terms.outside) * margin
    ruins = bool(np.any(wealth <= 0.0))
    return GrowthOnPaths(
        leverage=leverage,
        growth=-math.inf if ruins else float(np.mean(np.log(wealth))),
        liquidated=float(np.mean(is_out)),
        left=kept,
    )


def kelly_on_paths(
    paths: Paths, terms: LiquidationTerms, *, largest: float
) -> GrowthOnPaths | None:
    """Return the leverage that grows fastest, liquidations counted; `None` where none grows.

    Args:
        paths: With their worst points.
        terms: What a liquidation costs.
        largest: Leverage up to which it is looked for.

    Raises:
        InvalidInput: `largest` is not above 0.01.
    """
    if not largest > _LEAST:
        msg = f"leverage up to {largest}; it must be above {_LEAST}"
        raise InvalidInput(msg)
    low, high = _LEAST, largest
    best: GrowthOnPaths | None = None
    for _ in range(_REFINED):
        tried = np.geomspace(low, high, _GRID)
        grown = [growth_on_paths(float(leverage), paths, terms) for leverage in tried]
        top = max(range(_GRID), key=lambda i: grown[i].growth)
        if best is None or grown[top].growth > best.growth:
            best = grown[top]
        low, high = float(tried[max(0, top - 1)]), float(tried[min(_GRID - 1, top + 1)])
    return best if best is not None and best.growth > 0.0 else None
