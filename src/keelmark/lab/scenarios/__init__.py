"""Crashes to replay: from recorded bars where they are at hand, else from cited figures.

```python
scenario = load_scenario("oct10", data=None, seed=7)
ticks = scenario.mark_ticks()          # int64 (n_times, n_instruments)
```
"""

from keelmark.lab.scenarios.load import load_scenario
from keelmark.lab.scenarios.values import (
    Opening,
    PriceHistory,
    PriceSource,
    Scenario,
    ScenarioAsset,
    ScenarioInstrument,
    TimeWindow,
)

__all__ = [
    "Opening",
    "PriceHistory",
    "PriceSource",
    "Scenario",
    "ScenarioAsset",
    "ScenarioInstrument",
    "TimeWindow",
    "load_scenario",
]
