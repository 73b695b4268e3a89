"""How near is near: the words for a distance and where they change."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO

WARN_DISTANCE = Decimal("0.15")
"""A nearest liquidating move below this is a warning: red."""

AMBER_FROM = 2
"""Amber below this many times the warning distance, unless told otherwise."""


class Level(StrEnum):
    """What a distance is called; the same word on every surface."""

    GREEN = "GREEN"
    AMBER = "AMBER"
    RED = "RED"
    LIQUIDATABLE = "LIQUIDATABLE"
    UNKNOWN = "UNKNOWN"


WORST_FIRST = (Level.LIQUIDATABLE, Level.UNKNOWN, Level.RED, Level.AMBER, Level.GREEN)
"""An account is as bad as its worst unit, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Where the words change, as fractions of the price.

    Attributes:
        red: Red below this: the warning distance.
        amber: Amber below this.
    """

    red: Decimal = WARN_DISTANCE
    amber: Decimal = AMBER_FROM * WARN_DISTANCE

    @classmethod
    def of(cls, red: Decimal = WARN_DISTANCE, amber: Decimal | None = None) -> "Levels":
        """Return levels; without one for amber, twice the red.

        Raises:
            InvalidInput: Amber begins nearer than red.
        """
        wide = AMBER_FROM * red if amber is None else amber
        if wide < red:
            msg = f"amber begins at {wide:f}, red at {red:f}: amber must be the larger distance"
            raise InvalidInput(msg)
        return cls(red=red, amber=wide)

    def of_distance(self, distance: Decimal | None) -> Level:
        """Return the level of a distance, either sign; a move that does not exist is far."""
        if distance is None or abs(distance) >= self.amber:
            return Level.GREEN
        return Level.RED if abs(distance) < self.red else Level.AMBER

    @property
    def red_share(self) -> Decimal:
        """Where red ends on a scale that is full where green begins."""
        return self.red / self.amber if self.amber > ZERO else ZERO
