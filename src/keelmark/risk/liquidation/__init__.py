"""How likely a liquidation is by a horizon, and when."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.liquidation.draws import Points as Points
    from keelmark.risk.liquidation.inputs import ProbabilityOptions as ProbabilityOptions
    from keelmark.risk.liquidation.inputs import Way as Way
    from keelmark.risk.liquidation.one_barrier import Walk as Walk
    from keelmark.risk.liquidation.probability import (
        liquidation_probability as liquidation_probability,
    )
    from keelmark.risk.liquidation.result import HorizonProbability as HorizonProbability
    from keelmark.risk.liquidation.result import LiquidationProbability as LiquidationProbability
    from keelmark.risk.liquidation.result import Standing as Standing
    from keelmark.risk.liquidation.result import TimeQuantile as TimeQuantile
    from keelmark.risk.liquidation.result import UnitProbability as UnitProbability

_HOMES = {
    "HorizonProbability": "keelmark.risk.liquidation.result",
    "LiquidationProbability": "keelmark.risk.liquidation.result",
    "Points": "keelmark.risk.liquidation.draws",
    "ProbabilityOptions": "keelmark.risk.liquidation.inputs",
    "Standing": "keelmark.risk.liquidation.result",
    "TimeQuantile": "keelmark.risk.liquidation.result",
    "UnitProbability": "keelmark.risk.liquidation.result",
    "Walk": "keelmark.risk.liquidation.one_barrier",
    "Way": "keelmark.risk.liquidation.inputs",
    "liquidation_probability": "keelmark.risk.liquidation.probability",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
