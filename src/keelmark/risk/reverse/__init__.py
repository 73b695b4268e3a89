"""Reverse stress: which joint move liquidates with the fewest standard deviations, and why."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.reverse.covariance import ShockCovariance as ShockCovariance
    from keelmark.risk.reverse.find import find_reverse_stress as find_reverse_stress
    from keelmark.risk.reverse.result import ReverseStress as ReverseStress

_HOMES = {
    "ReverseStress": "keelmark.risk.reverse.result",
    "ShockCovariance": "keelmark.risk.reverse.covariance",
    "find_reverse_stress": "keelmark.risk.reverse.find",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
