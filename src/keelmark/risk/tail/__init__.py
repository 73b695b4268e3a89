"""How much is lost in the tail: VaR and ES, what contributes, liquidity and liquidation counted."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.tail.account_risk import AccountRisk as AccountRisk
    from keelmark.risk.tail.account_risk import RiskOptions as RiskOptions
    from keelmark.risk.tail.account_risk import risk_of as risk_of
    from keelmark.risk.tail.book import RiskBook as RiskBook
    from keelmark.risk.tail.contributions import Contributions as Contributions
    from keelmark.risk.tail.inputs import history_for as history_for
    from keelmark.risk.tail.inputs import liquidity_for as liquidity_for
    from keelmark.risk.tail.liquidity import Liquidity as Liquidity
    from keelmark.risk.tail.measures import TailRisk as TailRisk
    from keelmark.risk.tail.measures import tail_risk as tail_risk
    from keelmark.risk.tail.methods import Method as Method
    from keelmark.risk.tail.simulation import simulated as simulated

_HOMES = {
    "AccountRisk": "keelmark.risk.tail.account_risk",
    "Contributions": "keelmark.risk.tail.contributions",
    "Liquidity": "keelmark.risk.tail.liquidity",
    "Method": "keelmark.risk.tail.methods",
    "RiskBook": "keelmark.risk.tail.book",
    "RiskOptions": "keelmark.risk.tail.account_risk",
    "TailRisk": "keelmark.risk.tail.measures",
    "history_for": "keelmark.risk.tail.inputs",
    "liquidity_for": "keelmark.risk.tail.inputs",
    "risk_of": "keelmark.risk.tail.account_risk",
    "simulated": "keelmark.risk.tail.simulation",
    "tail_risk": "keelmark.risk.tail.measures",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
