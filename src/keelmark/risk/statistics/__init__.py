"""Statistics of return panels: variance filters, correlations and tails.

Pure functions on float arrays; fits and distributions need scipy, `pip install 'keelmark[risk]'`.
"""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.statistics.filters import AsymmetricEwma as AsymmetricEwma
    from keelmark.risk.statistics.filters import Ewma as Ewma
    from keelmark.risk.statistics.filters import Filter as Filter
    from keelmark.risk.statistics.filters import ewma_variance as ewma_variance
    from keelmark.risk.statistics.filters import standardised as standardised
    from keelmark.risk.statistics.garch import GarchFit as GarchFit
    from keelmark.risk.statistics.garch import GarchModel as GarchModel
    from keelmark.risk.statistics.garch import Innovations as Innovations
    from keelmark.risk.statistics.garch import Mean as Mean
    from keelmark.risk.statistics.garch_filter import GarchFilter as GarchFilter
    from keelmark.risk.statistics.garch_filter import fit_filter as fit_filter
    from keelmark.risk.statistics.garch_fit import fit_garch as fit_garch
    from keelmark.risk.statistics.unknown import Unknown as Unknown

_HOMES = {
    "AsymmetricEwma": "keelmark.risk.statistics.filters",
    "Ewma": "keelmark.risk.statistics.filters",
    "Filter": "keelmark.risk.statistics.filters",
    "GarchFilter": "keelmark.risk.statistics.garch_filter",
    "GarchFit": "keelmark.risk.statistics.garch",
    "GarchModel": "keelmark.risk.statistics.garch",
    "Innovations": "keelmark.risk.statistics.garch",
    "Mean": "keelmark.risk.statistics.garch",
    "Unknown": "keelmark.risk.statistics.unknown",
    "ewma_variance": "keelmark.risk.statistics.filters",
    "fit_filter": "keelmark.risk.statistics.garch_filter",
    "fit_garch": "keelmark.risk.statistics.garch_fit",
    "standardised": "keelmark.risk.statistics.filters",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
