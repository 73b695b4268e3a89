"""Where paths that liquidate most likely leave: the nearest points of the boundary, in normals.

In independent normals `w` of the whole way to a horizon `T` log prices are `drift T + F w`. The
boundary's nearest points to the origin are found by laying the plane anew at each point (Hasofer,
Lind 1974; Rackwitz, Fiessler 1978) from several starts; draws are pulled there.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.risk.liquidation.plans import Plan, Tilt, tilt_of
from keelmark.risk.liquidation.walks import Dues, Look

Array = npt.NDArray[np.float64]

FAR = 2.5
"""Deviations from which draws are pulled."""

_ROUNDS = 60
_CLOSE = 1e-7
_LOGS_MAX = 40.0
_ALIKE = 0.98
"""Cosine from which two points are one."""
_BEYOND = 1.0
"""Deviations by which another point may be farther than the nearest and still be pulled to."""
_FACES_MAX = 3
_PULLS_MAX = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A point of the boundary.

    Attributes:
        point: Normals of the whole way, (coins,).
        length: In deviations of the way.
        days: The way.
        unit: Whose boundary it is.
    """

    point: Array
    length: float
    days: float
    unit: int


def exits_of(look: Look, dues: Dues, plan: Plan, unit: int, days: float) -> list[Exit]:
    """Return the nearest points of a unit's boundary, nearest first; none where none was met.

    Where the first is so near that draws need no pull, it alone.
    """
    count, root = len(plan.drift), np.sqrt(days)
    search = _Search(look=look, dues=dues, plan=plan, unit=unit, days=days)
    first = search.descent(np.zeros(count))
    if first is not None and float(np.linalg.norm(first)) <= FAR * root:
        return [Exit(point=first, length=float(np.linalg.norm(first) / root), days=days, unit=unit)]
    reach = 3.0 * np.sqrt(days) if first is None else float(np.linalg.norm(first))
    sides = reach * np.vstack([np.eye(count), -np.eye(count)])
    found = [first, *(search.descent(side) for side in sides)]
    points = sorted((p for p in found if p is not None), key=lambda p: float(p @ p))
    kept: list[Array] = []
    for point in points:
        if all(point @ k < _ALIKE * np.sqrt((point @ point) * (k @ k)) for k in kept):
            kept.append(point)
    return [
        Exit(point=p, length=float(np.linalg.norm(p) / root), days=days, unit=unit) for p in kept
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    look: Look
    dues: Dues
    plan: Plan
    unit: int
    days: float

    def descent(self, start: Array) -> Array | None:
        """Return the point that the plane laid anew leads to; `None` where it leads nowhere."""
        point = start
        here, slope = self.value(point)
        for _ in range(_ROUNDS):
            square = float(slope @ slope)
            if not square > 0.0:
                return None
            foot = (float(slope @ point) - here) / square * slope
            step, share = foot - point, 1.0
            ahead, slope_ahead = self.value(foot)
            while abs(ahead) > 2.0 * abs(here) + _CLOSE and share > _CLOSE:
                share *= 0.5
                ahead, slope_ahead = self.value(point + share * step)
            moved = share * float(np.linalg.norm(step))
            point, here, slope = point + share * step, ahead, slope_ahead
            if moved <= _CLOSE * max(1.0, float(np.linalg.norm(point))):
                break
        near = abs(here) <= 1e-3 * float(np.linalg.norm(slope)) * np.sqrt(self.days)
        return point if near else None

    def value(self, point: Array) -> tuple[float, Array]:
        """Return excess and slope in normals at the end of a straight way to a point."""
        logs = self.plan.drift * self.days + self.plan.factor @ point
        ratios = np.exp(np.clip(logs, -_LOGS_MAX, _LOGS_MAX))[None, :]
        excess, slopes = self.look(ratios)
        still = np.ones_like(ratios)
        paid = 0.5 * self.days * (self.dues.at(ratios) + self.dues.at(still))[0, self.unit]
        return float(excess[0, self.unit] - paid), slopes[0, self.unit] @ self.plan.factor


def tilt_towards(exits: list[list[Exit]], plan: Plan) -> Tilt | None:
    """Return a mixture that pulls to these points; `None` where none is far enough to need it.

    Args:
        exits: Of every unit and horizon, nearest first.
        plan: Times.
    """
    far = [[e for e in found if e.length > FAR] for found in exits]
    pulled = [f for f, found in zip(far, exits, strict=True) if f and f[0] is found[0]]
    if not pulled:
        return None
    faces = [
        [e for e in found if e.length <= found[0].length + _BEYOND][:_FACES_MAX] for found in pulled
    ]
    if sum(map(len, faces)) > _PULLS_MAX:
        faces = [found[:1] for found in faces][:_PULLS_MAX]
    some_near = any(not found or found[0].length <= FAR for found in exits)
    pulls = [(e.point, e.days) for found in faces for e in found]
    return tilt_of(plan, pulls, with_plain=some_near)
