"""Statistics of return panels: variance filters, correlations and tails.

Pure functions on float arrays; fits and distributions need scipy, `pip install 'keelmark[risk]'`.
"""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.statistics.copula import TCopula as TCopula
    from keelmark.risk.statistics.copula import TCopulaFit as TCopulaFit
    from keelmark.risk.statistics.copula import fit_t_copula as fit_t_copula
    from keelmark.risk.statistics.copula import kendall_correlation as kendall_correlation
    from keelmark.risk.statistics.copula import ranks_of as ranks_of
    from keelmark.risk.statistics.copula import tail_dependence as tail_dependence
    from keelmark.risk.statistics.cornish_fisher import CornishFisher as CornishFisher
    from keelmark.risk.statistics.correlations import blend as blend
    from keelmark.risk.statistics.correlations import correlation_of as correlation_of
    from keelmark.risk.statistics.correlations import covariance_of as covariance_of
    from keelmark.risk.statistics.correlations import equicorrelation as equicorrelation
    from keelmark.risk.statistics.correlations import ewma_correlation as ewma_correlation
    from keelmark.risk.statistics.correlations import ewma_covariance as ewma_covariance
    from keelmark.risk.statistics.correlations import ewma_covariances as ewma_covariances
    from keelmark.risk.statistics.correlations import mean_correlation as mean_correlation
    from keelmark.risk.statistics.correlations import sample_correlation as sample_correlation
    from keelmark.risk.statistics.dcc import DccFit as DccFit
    from keelmark.risk.statistics.dcc import DccLikelihood as DccLikelihood
    from keelmark.risk.statistics.dcc import fit_dcc as fit_dcc
    from keelmark.risk.statistics.ewma_fit import EwmaFit as EwmaFit
    from keelmark.risk.statistics.ewma_fit import fit_ewma as fit_ewma
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
    from keelmark.risk.statistics.hill import HillTail as HillTail
    from keelmark.risk.statistics.hill import fit_hill as fit_hill
    from keelmark.risk.statistics.moments import excess_kurtosis as excess_kurtosis
    from keelmark.risk.statistics.moments import skewness as skewness
    from keelmark.risk.statistics.nearest import Nearest as Nearest
    from keelmark.risk.statistics.nearest import nearest_psd as nearest_psd
    from keelmark.risk.statistics.nearest import root_of as root_of
    from keelmark.risk.statistics.pareto import Gpd as Gpd
    from keelmark.risk.statistics.pareto import PotTail as PotTail
    from keelmark.risk.statistics.pareto import fit_gpd as fit_gpd
    from keelmark.risk.statistics.pareto import fit_pot as fit_pot
    from keelmark.risk.statistics.pareto import pot_figures as pot_figures
    from keelmark.risk.statistics.shrinkage import ShrinkageTarget as ShrinkageTarget
    from keelmark.risk.statistics.shrinkage import Shrunk as Shrunk
    from keelmark.risk.statistics.shrinkage import ledoit_wolf as ledoit_wolf
    from keelmark.risk.statistics.tail_figures import TailFigures as TailFigures
    from keelmark.risk.statistics.tail_figures import normal_tail as normal_tail
    from keelmark.risk.statistics.tail_figures import student_tail as student_tail
    from keelmark.risk.statistics.unknown import Unknown as Unknown

_HOMES = {
    "AsymmetricEwma": "keelmark.risk.statistics.filters",
    "CornishFisher": "keelmark.risk.statistics.cornish_fisher",
    "DccFit": "keelmark.risk.statistics.dcc",
    "DccLikelihood": "keelmark.risk.statistics.dcc",
    "Ewma": "keelmark.risk.statistics.filters",
    "EwmaFit": "keelmark.risk.statistics.ewma_fit",
    "Filter": "keelmark.risk.statistics.filters",
    "GarchFilter": "keelmark.risk.statistics.garch_filter",
    "GarchFit": "keelmark.risk.statistics.garch",
    "GarchModel": "keelmark.risk.statistics.garch",
    "Gpd": "keelmark.risk.statistics.pareto",
    "HillTail": "keelmark.risk.statistics.hill",
    "Innovations": "keelmark.risk.statistics.garch",
    "Mean": "keelmark.risk.statistics.garch",
    "Nearest": "keelmark.risk.statistics.nearest",
    "PotTail": "keelmark.risk.statistics.pareto",
    "ShrinkageTarget": "keelmark.risk.statistics.shrinkage",
    "Shrunk": "keelmark.risk.statistics.shrinkage",
    "TCopula": "keelmark.risk.statistics.copula",
    "TCopulaFit": "keelmark.risk.statistics.copula",
    "TailFigures": "keelmark.risk.statistics.tail_figures",
    "Unknown": "keelmark.risk.statistics.unknown",
    "blend": "keelmark.risk.statistics.correlations",
    "correlation_of": "keelmark.risk.statistics.correlations",
    "covariance_of": "keelmark.risk.statistics.correlations",
    "equicorrelation": "keelmark.risk.statistics.correlations",
    "ewma_correlation": "keelmark.risk.statistics.correlations",
    "ewma_covariance": "keelmark.risk.statistics.correlations",
    "ewma_covariances": "keelmark.risk.statistics.correlations",
    "ewma_variance": "keelmark.risk.statistics.filters",
    "excess_kurtosis": "keelmark.risk.statistics.moments",
    "fit_dcc": "keelmark.risk.statistics.dcc",
    "fit_ewma": "keelmark.risk.statistics.ewma_fit",
    "fit_filter": "keelmark.risk.statistics.garch_filter",
    "fit_garch": "keelmark.risk.statistics.garch_fit",
    "fit_gpd": "keelmark.risk.statistics.pareto",
    "fit_hill": "keelmark.risk.statistics.hill",
    "fit_pot": "keelmark.risk.statistics.pareto",
    "fit_t_copula": "keelmark.risk.statistics.copula",
    "kendall_correlation": "keelmark.risk.statistics.copula",
    "ledoit_wolf": "keelmark.risk.statistics.shrinkage",
    "mean_correlation": "keelmark.risk.statistics.correlations",
    "nearest_psd": "keelmark.risk.statistics.nearest",
    "normal_tail": "keelmark.risk.statistics.tail_figures",
    "pot_figures": "keelmark.risk.statistics.pareto",
    "ranks_of": "keelmark.risk.statistics.copula",
    "root_of": "keelmark.risk.statistics.nearest",
    "sample_correlation": "keelmark.risk.statistics.correlations",
    "skewness": "keelmark.risk.statistics.moments",
    "standardised": "keelmark.risk.statistics.filters",
    "student_tail": "keelmark.risk.statistics.tail_figures",
    "tail_dependence": "keelmark.risk.statistics.copula",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
