"""A liquidating move by the exact core, on the ray that the search found.

Moves of coins alone are solved by `core.joint_move`, which misses no crossing on the way. Moves
with a peg or a volatility are halved by core's own margin until the next float is not enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from keelmark.core.joint_move import JointMove, joint_move
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.axes import coins_that_move, direction_of
from keelmark.risk.revaluation.moved import after_scenario
from keelmark.risk.reverse.boundary import Boundary
from keelmark.risk.reverse.covariance import Shock, ShockKind
from keelmark.risk.reverse.search import Found
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.scenarios.scenarios import Array
from keelmark.risk.symbols import coin_of

NARROW = 1e-12
"""Relative width at which a crossing counts as found."""

WIDEST = 1e-3
"""How far core may put a crossing from where floats have it."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A move on the boundary by core, its length, and the market there."""

    shocks: Mapping[Shock, Decimal]
    distance: float
    market: Market

    @property
    def point(self) -> Array:
        """The move as floats, in the order of the shocks."""
        return np.array([float(move) for move in self.shocks.values()])


def placed(boundary: Boundary, found: Found) -> Placed | None:
    """Return the exact crossing on the ray of what was found; `None` where core finds none."""
    moving = [shock for shock, x in zip(boundary.shocks, found.point, strict=True) if x]
    if all(shock.kind is ShockKind.RETURN for shock in moving):
        by_core = _by_joint_move(boundary, found)
        if by_core is not None:
            return by_core
    return _by_halving(boundary, found)


def _by_joint_move(boundary: Boundary, found: Found) -> Placed | None:
    """Return where core's own joint move ends; `None` where it cannot tell."""
    valuer = boundary.valuer
    ray = found.point / found.distance
    steps = {
        shock.name: Decimal(repr(float(x)))
        for shock, x in zip(boundary.shocks, ray, strict=True)
        if shock.kind is ShockKind.RETURN
    }
    unit, model = valuer.unit, valuer.model
    vector = {name: steps[coin_of(name)[0]] for name in coins_that_move(unit, model)}
    move: JointMove = joint_move(unit, direction_of(unit, vector, model), valuer.market, model)
    if move.status is not PriceStatus.PRICE or move.size is None:
        return None
    with exact():
        shocks = {
            shock: steps[shock.name] * move.size if shock.kind is ShockKind.RETURN else ZERO
            for shock in boundary.shocks
        }
    return _at(boundary, shocks)


def _by_halving(boundary: Boundary, found: Found) -> Placed | None:
    """Return the least liquidating multiple of the move, to a float's last digits but three."""
    low, high = 1.0, 1.0
    width = NARROW
    while width < WIDEST:
        low, high = 1.0 - width, 1.0 + width
        if not _is_gone(boundary, low * found.point) and _is_gone(boundary, high * found.point):
            break
        width *= 8
    else:
        return None
    while high - low > NARROW:
        middle = (low + high) / 2
        if _is_gone(boundary, middle * found.point):
            high = middle
        else:
            low = middle
    numbers = zip(boundary.shocks, high * found.point, strict=True)
    return _at(boundary, {shock: Decimal(repr(float(x))) for shock, x in numbers})


def _at(boundary: Boundary, shocks: Mapping[Shock, Decimal]) -> Placed:
    point = np.array([float(move) for move in shocks.values()])
    market, _ = moved_to(boundary, point)
    return Placed(shocks, float(boundary.lengths(point[None, :])[0]), market)


def moved_to(boundary: Boundary, point: Array) -> tuple[Market, MarginUnit]:
    """Return the market and the unit after a move, exactly."""
    valuer = boundary.valuer
    scenarios = scenario_of(boundary.shocks, point)
    return after_scenario(valuer.unit, valuer.market, valuer.model, scenarios, 0)


def scenario_of(shocks: tuple[Shock, ...], point: Array) -> Scenarios:
    """Return a move as one scenario."""

    def block(kind: ShockKind) -> Shocks | None:
        pairs = zip(shocks, point, strict=True)
        named = {shock.name: float(x) for shock, x in pairs if shock.kind is kind}
        return Shocks.of(named) if named else None

    returns = block(ShockKind.RETURN)
    return Scenarios(
        returns=returns or Shocks(names=(), values=np.empty((1, 0))),
        collateral=block(ShockKind.COLLATERAL),
        volatility=block(ShockKind.VOLATILITY),
        source="the nearest liquidating move",
    )


def _is_gone(boundary: Boundary, point: Array) -> bool:
    """Whether core liquidates after a move."""
    market, unit = moved_to(boundary, point)
    return margin_report(unit, market, boundary.valuer.model).is_liquidatable
