"""How likely a liquidation is by a horizon, and when."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.liquidation.one_barrier import Walk as Walk

_HOMES = {
    "Walk": "keelmark.risk.liquidation.one_barrier",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
