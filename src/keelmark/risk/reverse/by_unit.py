"""The likeliest ways down of an account: each of its units is liquidated alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from keelmark.risk.reverse.result import ReverseStress


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseStressByUnit:
    """The least unusual liquidating move of every unit that holds a position.

    Attributes:
        found: At least one, the nearest first; units that nothing liquidates last.
        unknown: Why nothing can be told, by unit.
    """

    found: tuple[ReverseStress, ...]
    unknown: Mapping[str, str]

    @property
    def nearest(self) -> ReverseStress:
        """The move of the unit that goes first, of those that can be told."""
        return self.found[0]


def nearest_first(found: list[ReverseStress]) -> tuple[ReverseStress, ...]:
    """Return answers in the order in which their units go."""
    return tuple(sorted(found, key=_distance))


def _distance(one: ReverseStress) -> float:
    return float("inf") if one.distance is None else one.distance
