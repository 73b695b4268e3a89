"""The Basel committee's traffic lights: zones of the number of violations.

A zone begins where so many violations or fewer are more likely than 95 % (yellow) or 99.99 % (red)
under right forecasts: 5 and 10 of 250 days at 99 %, and the same rule elsewhere.
"""

from dataclasses import dataclass
from enum import Enum

from keelmark.risk.backtests.statistic import require_tail
from keelmark.risk.statistics.library import scipy_module

_YELLOW = 0.95
_RED = 0.9999


class Light(Enum):
    """Zone of a count of violations."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLight:
    """A count's zone, and the probability of that many violations or fewer."""

    light: Light
    cumulative: float


def traffic_light(count: int, periods: int, tail: float) -> TrafficLight:
    """Return the zone of `count` violations in `periods`.

    Raises:
        InvalidInput: A tail outside (0, 0.5).
    """
    require_tail(tail)
    cumulative = float(scipy_module("special").bdtr(count, periods, tail))
    if cumulative >= _RED:
        return TrafficLight(light=Light.RED, cumulative=cumulative)
    light = Light.YELLOW if cumulative >= _YELLOW else Light.GREEN
    return TrafficLight(light=light, cumulative=cumulative)
