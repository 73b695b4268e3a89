"""Where paths that liquidate most likely leave: the nearest points of the boundary, in normals.

In independent normals `w` of the whole way to a horizon `T` log prices are `drift T + F w`. The
boundary's nearest points to the origin are found by laying the plane anew at each point (Hasofer,
Lind 1974; Rackwitz, Fiessler 1978) from several starts; draws are pulled there.
"""

from collections.abc import Sequence
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
_SERVED = 0.7
"""Deviations by which a shorter horizon may be farther than one that draws are pulled to."""
_FACES_MAX = 3
_PULLS_MAX = 24
_STARTS_MAX = 12
"""Main directions that a search starts in, each both ways."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """Where units most likely leave on the way to some horizons.

    Attributes:
        nearest: By unit and horizon; `None` where no point of the boundary was met.
        faces: What draws are pulled to: points of one unit and horizon, nearest first.
        some_near: Whether some unit is near its boundary, or was not found to have one.
    """

    nearest: dict[tuple[int, float], Exit | None]
    faces: list[list[Exit]]
    some_near: bool


def exits_of(looks: Sequence[Look], dues: Dues, plan: Plan, horizons: Sequence[float]) -> Exits:
    """Return where draws are to be pulled for units, a look at each, and these rising horizons.

    A pull to one horizon serves a shorter one too while the two are about as far, in deviations.
    """
    nearest: dict[tuple[int, float], Exit | None] = {}
    faces: list[list[Exit]] = []
    some_near = False
    for unit, look in enumerate(looks):
        served = FAR
        for days in reversed(horizons):
            search = _Search(look=look, dues=dues, plan=plan, unit=unit, days=days)
            first = search.nearest()
            if first is not None and first.length > FAR and first.length >= served:
                found = search.faces(first)
                first = found[0]
                served = first.length + _SERVED
                if first.length > FAR:
                    faces.append(found)
            nearest[unit, days] = first
            some_near |= first is None or first.length <= FAR
    return Exits(nearest=nearest, faces=faces, some_near=some_near)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    look: Look
    dues: Dues
    plan: Plan
    unit: int
    days: float

    def nearest(self) -> Exit | None:
        """Return the point that the way from now leads to; `None` where it leads nowhere."""
        found = self.descent(np.zeros(len(self.plan.drift)))
        return None if found is None else self.exit(found)

    def faces(self, first: Exit) -> list[Exit]:
        """Return the nearest points from several starts, nearest first, each once."""
        reach = first.length * float(np.sqrt(self.days))
        sides = reach * np.eye(len(self.plan.drift))[:_STARTS_MAX]  # main directions come first
        found = [first.point, *(self.descent(side) for side in np.vstack([sides, -sides]))]
        points = sorted((p for p in found if p is not None), key=lambda p: float(p @ p))
        kept: list[Array] = []
        for point in points:
            if all(point @ k < _ALIKE * np.sqrt((point @ point) * (k @ k)) for k in kept):
                kept.append(point)
        return [self.exit(point) for point in kept]

    def exit(self, point: Array) -> Exit:
        """Return a point as an exit."""
        length = float(np.linalg.norm(point) / np.sqrt(self.days))
        return Exit(point=point, length=length, days=self.days, unit=self.unit)

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
        return float(excess[0, 0] - paid), slopes[0, 0] @ self.plan.factor


def tilt_towards(exits: Exits, plan: Plan) -> Tilt | None:
    """Return a mixture that pulls to these points; `None` where none is far enough to need it."""
    if not exits.faces:
        return None
    faces = [
        [e for e in found if e.length <= found[0].length + _BEYOND][:_FACES_MAX]
        for found in exits.faces
    ]
    if sum(map(len, faces)) > _PULLS_MAX:
        faces = [found[:1] for found in faces][:_PULLS_MAX]
    pulls = [(e.point, e.days) for found in faces for e in found]
    return tilt_of(plan, pulls, with_plain=exits.some_near)
