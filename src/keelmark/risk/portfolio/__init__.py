"""What a unit is exposed to: volatility, Greeks, concentration, leverage, open interest, carry."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.portfolio.greeks import LegGreeks as LegGreeks
    from keelmark.risk.portfolio.greeks import legs_of as legs_of
    from keelmark.risk.portfolio.portfolio import Bucket as Bucket
    from keelmark.risk.portfolio.portfolio import Concentration as Concentration
    from keelmark.risk.portfolio.portfolio import Known as Known
    from keelmark.risk.portfolio.portfolio import Portfolio as Portfolio
    from keelmark.risk.portfolio.portfolio import portfolio_of as portfolio_of
    from keelmark.risk.portfolio.portfolio import portfolios_of as portfolios_of

_HOMES = {
    "Bucket": "keelmark.risk.portfolio.portfolio",
    "Concentration": "keelmark.risk.portfolio.portfolio",
    "Known": "keelmark.risk.portfolio.portfolio",
    "LegGreeks": "keelmark.risk.portfolio.greeks",
    "Portfolio": "keelmark.risk.portfolio.portfolio",
    "legs_of": "keelmark.risk.portfolio.greeks",
    "portfolio_of": "keelmark.risk.portfolio.portfolio",
    "portfolios_of": "keelmark.risk.portfolio.portfolio",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
