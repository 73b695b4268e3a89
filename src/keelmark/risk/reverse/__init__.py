"""Reverse stress: which joint move liquidates with the fewest standard deviations, and why."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.reverse.by_unit import ReverseStressByUnit as ReverseStressByUnit
    from keelmark.risk.reverse.covariance import ShockCovariance as ShockCovariance
    from keelmark.risk.reverse.find import find_by_unit as find_by_unit
    from keelmark.risk.reverse.find import find_reverse_stress as find_reverse_stress
    from keelmark.risk.reverse.result import ReverseStress as ReverseStress

_HOMES = {
    "ReverseStress": "keelmark.risk.reverse.result",
    "ReverseStressByUnit": "keelmark.risk.reverse.by_unit",
    "ShockCovariance": "keelmark.risk.reverse.covariance",
    "find_by_unit": "keelmark.risk.reverse.find",
    "find_reverse_stress": "keelmark.risk.reverse.find",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
