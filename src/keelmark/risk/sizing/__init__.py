"""How large a position may be: Kelly, falls, and the chance of liquidation."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.sizing.branch import GrowthOnPaths as GrowthOnPaths
    from keelmark.risk.sizing.branch import LiquidationTerms as LiquidationTerms
    from keelmark.risk.sizing.branch import Paths as Paths
    from keelmark.risk.sizing.branch import growth_on_paths as growth_on_paths
    from keelmark.risk.sizing.branch import kelly_on_paths as kelly_on_paths
    from keelmark.risk.sizing.empirical import FallLimit as FallLimit
    from keelmark.risk.sizing.empirical import Outcomes as Outcomes
    from keelmark.risk.sizing.empirical import Sizes as Sizes
    from keelmark.risk.sizing.empirical import kelly_size as kelly_size
    from keelmark.risk.sizing.kelly import Drift as Drift
    from keelmark.risk.sizing.kelly import KellyShare as KellyShare
    from keelmark.risk.sizing.kelly import kelly_leverage as kelly_leverage
    from keelmark.risk.sizing.kelly import kelly_shares as kelly_shares
    from keelmark.risk.sizing.liquidation_leverage import Bound as Bound
    from keelmark.risk.sizing.liquidation_leverage import largest_leverage as largest_leverage
    from keelmark.risk.sizing.mean_variance import Limits as Limits
    from keelmark.risk.sizing.mean_variance import kelly_of_moments as kelly_of_moments
    from keelmark.risk.sizing.recommend import Recommendation as Recommendation
    from keelmark.risk.sizing.recommend import Rule as Rule
    from keelmark.risk.sizing.recommend import Wish as Wish
    from keelmark.risk.sizing.recommend import recommend as recommend
    from keelmark.risk.sizing.several import kelly_sizes as kelly_sizes

_HOMES = {
    "Bound": "keelmark.risk.sizing.liquidation_leverage",
    "Drift": "keelmark.risk.sizing.kelly",
    "FallLimit": "keelmark.risk.sizing.empirical",
    "GrowthOnPaths": "keelmark.risk.sizing.branch",
    "KellyShare": "keelmark.risk.sizing.kelly",
    "Limits": "keelmark.risk.sizing.mean_variance",
    "LiquidationTerms": "keelmark.risk.sizing.branch",
    "Outcomes": "keelmark.risk.sizing.empirical",
    "Paths": "keelmark.risk.sizing.branch",
    "Recommendation": "keelmark.risk.sizing.recommend",
    "Rule": "keelmark.risk.sizing.recommend",
    "Sizes": "keelmark.risk.sizing.empirical",
    "Wish": "keelmark.risk.sizing.recommend",
    "growth_on_paths": "keelmark.risk.sizing.branch",
    "kelly_leverage": "keelmark.risk.sizing.kelly",
    "kelly_of_moments": "keelmark.risk.sizing.mean_variance",
    "kelly_on_paths": "keelmark.risk.sizing.branch",
    "kelly_shares": "keelmark.risk.sizing.kelly",
    "kelly_size": "keelmark.risk.sizing.empirical",
    "kelly_sizes": "keelmark.risk.sizing.several",
    "largest_leverage": "keelmark.risk.sizing.liquidation_leverage",
    "recommend": "keelmark.risk.sizing.recommend",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
