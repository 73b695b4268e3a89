"""Joint shocks of everything a margin reads, one row a scenario, and where they come from."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.scenarios.scenarios import Scenarios as Scenarios
    from keelmark.risk.scenarios.scenarios import Shocks as Shocks
    from keelmark.risk.scenarios.shards import generator_of as generator_of
    from keelmark.risk.scenarios.shards import shards_of as shards_of

_HOMES = {
    "Scenarios": "keelmark.risk.scenarios.scenarios",
    "Shocks": "keelmark.risk.scenarios.scenarios",
    "generator_of": "keelmark.risk.scenarios.shards",
    "shards_of": "keelmark.risk.scenarios.shards",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
