"""Joint shocks of everything a margin reads, one row a scenario, and where they come from."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.scenarios.files import read_scenarios as read_scenarios
    from keelmark.risk.scenarios.filtered import Filtered as Filtered
    from keelmark.risk.scenarios.filtered import filtered_historical as filtered_historical
    from keelmark.risk.scenarios.filtered import volatility_scaled as volatility_scaled
    from keelmark.risk.scenarios.joining import combine as combine
    from keelmark.risk.scenarios.joining import concatenate as concatenate
    from keelmark.risk.scenarios.model import ReturnModel as ReturnModel
    from keelmark.risk.scenarios.scenarios import Scenarios as Scenarios
    from keelmark.risk.scenarios.scenarios import Shocks as Shocks
    from keelmark.risk.scenarios.shards import generator_of as generator_of
    from keelmark.risk.scenarios.shards import shards_of as shards_of

_HOMES = {
    "Filtered": "keelmark.risk.scenarios.filtered",
    "ReturnModel": "keelmark.risk.scenarios.model",
    "Scenarios": "keelmark.risk.scenarios.scenarios",
    "Shocks": "keelmark.risk.scenarios.scenarios",
    "combine": "keelmark.risk.scenarios.joining",
    "concatenate": "keelmark.risk.scenarios.joining",
    "filtered_historical": "keelmark.risk.scenarios.filtered",
    "generator_of": "keelmark.risk.scenarios.shards",
    "read_scenarios": "keelmark.risk.scenarios.files",
    "shards_of": "keelmark.risk.scenarios.shards",
    "volatility_scaled": "keelmark.risk.scenarios.filtered",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
