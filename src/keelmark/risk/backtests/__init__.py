"""How good were forecasts of losses? Tests, scores, and a rolling run of models over bars."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.backtests.betting import Monitor as Monitor
    from keelmark.risk.backtests.betting import monitor as monitor
    from keelmark.risk.backtests.coverage import Transitions as Transitions
    from keelmark.risk.backtests.coverage import accepted_counts as accepted_counts
    from keelmark.risk.backtests.coverage import conditional_coverage as conditional_coverage
    from keelmark.risk.backtests.coverage import independence as independence
    from keelmark.risk.backtests.coverage import kupiec as kupiec
    from keelmark.risk.backtests.coverage import violations as violations
    from keelmark.risk.backtests.hit_regression import dynamic_quantile as dynamic_quantile
    from keelmark.risk.backtests.holding import Holding as Holding
    from keelmark.risk.backtests.holding import of_account as of_account
    from keelmark.risk.backtests.holding import of_weights as of_weights
    from keelmark.risk.backtests.judged import Backtest as Backtest
    from keelmark.risk.backtests.judged import judge as judge
    from keelmark.risk.backtests.lights import Light as Light
    from keelmark.risk.backtests.lights import TrafficLight as TrafficLight
    from keelmark.risk.backtests.lights import traffic_light as traffic_light
    from keelmark.risk.backtests.models import MODELS as MODELS
    from keelmark.risk.backtests.models import Model as Model
    from keelmark.risk.backtests.models import models_named as models_named
    from keelmark.risk.backtests.pages import markdown as markdown
    from keelmark.risk.backtests.pages import page as page
    from keelmark.risk.backtests.rolling import Run as Run
    from keelmark.risk.backtests.rolling import Schedule as Schedule
    from keelmark.risk.backtests.rolling import roll as roll
    from keelmark.risk.backtests.run import backtest as backtest
    from keelmark.risk.backtests.scores import ConfidenceSet as ConfidenceSet
    from keelmark.risk.backtests.scores import confidence_set as confidence_set
    from keelmark.risk.backtests.scores import diebold_mariano as diebold_mariano
    from keelmark.risk.backtests.scores import fz0 as fz0
    from keelmark.risk.backtests.shortfall import Told as Told
    from keelmark.risk.backtests.shortfall import critical_values as critical_values
    from keelmark.risk.backtests.shortfall import shortfall_tests as shortfall_tests
    from keelmark.risk.backtests.shortfall import z1 as z1
    from keelmark.risk.backtests.shortfall import z2 as z2
    from keelmark.risk.backtests.shortfall import zmb as zmb
    from keelmark.risk.backtests.statistic import Statistic as Statistic

_HOMES = {
    "Backtest": "keelmark.risk.backtests.judged",
    "ConfidenceSet": "keelmark.risk.backtests.scores",
    "Holding": "keelmark.risk.backtests.holding",
    "Light": "keelmark.risk.backtests.lights",
    "MODELS": "keelmark.risk.backtests.models",
    "Model": "keelmark.risk.backtests.models",
    "Monitor": "keelmark.risk.backtests.betting",
    "Run": "keelmark.risk.backtests.rolling",
    "Schedule": "keelmark.risk.backtests.rolling",
    "Statistic": "keelmark.risk.backtests.statistic",
    "Told": "keelmark.risk.backtests.shortfall",
    "TrafficLight": "keelmark.risk.backtests.lights",
    "Transitions": "keelmark.risk.backtests.coverage",
    "accepted_counts": "keelmark.risk.backtests.coverage",
    "backtest": "keelmark.risk.backtests.run",
    "conditional_coverage": "keelmark.risk.backtests.coverage",
    "confidence_set": "keelmark.risk.backtests.scores",
    "critical_values": "keelmark.risk.backtests.shortfall",
    "diebold_mariano": "keelmark.risk.backtests.scores",
    "dynamic_quantile": "keelmark.risk.backtests.hit_regression",
    "fz0": "keelmark.risk.backtests.scores",
    "independence": "keelmark.risk.backtests.coverage",
    "judge": "keelmark.risk.backtests.judged",
    "kupiec": "keelmark.risk.backtests.coverage",
    "markdown": "keelmark.risk.backtests.pages",
    "models_named": "keelmark.risk.backtests.models",
    "monitor": "keelmark.risk.backtests.betting",
    "of_account": "keelmark.risk.backtests.holding",
    "of_weights": "keelmark.risk.backtests.holding",
    "page": "keelmark.risk.backtests.pages",
    "roll": "keelmark.risk.backtests.rolling",
    "shortfall_tests": "keelmark.risk.backtests.shortfall",
    "traffic_light": "keelmark.risk.backtests.lights",
    "violations": "keelmark.risk.backtests.coverage",
    "z1": "keelmark.risk.backtests.shortfall",
    "z2": "keelmark.risk.backtests.shortfall",
    "zmb": "keelmark.risk.backtests.shortfall",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
