"""How much is lost in the tail: VaR and ES, what contributes, liquidity and liquidation counted."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.tail.contributions import Contributions as Contributions
    from keelmark.risk.tail.contributions import contributions as contributions
    from keelmark.risk.tail.measures import TailRisk as TailRisk
    from keelmark.risk.tail.measures import tail_risk as tail_risk

_HOMES = {
    "Contributions": "keelmark.risk.tail.contributions",
    "TailRisk": "keelmark.risk.tail.measures",
    "contributions": "keelmark.risk.tail.contributions",
    "tail_risk": "keelmark.risk.tail.measures",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
