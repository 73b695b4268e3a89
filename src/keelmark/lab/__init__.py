"""Populations, replay, cascades, the ADL laboratory, fleet stress and sweeps.

```python
spec = lab.ReplaySpec(accounts=2_000, seed=3)
replay = lab.run_replay(spec)
```

Names load when they are first used: half of them need the compiled kernels.
"""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.lab.population import Population as Population
    from keelmark.lab.population import describe as describe
    from keelmark.lab.population import generate as generate
    from keelmark.lab.population import load_spec as load_spec
    from keelmark.lab.replay.outputs import write_outputs as write_outputs
    from keelmark.lab.replay.run import Replay as Replay
    from keelmark.lab.replay.run import run_replay as run_replay
    from keelmark.lab.replay.spec import ReplaySpec as ReplaySpec
    from keelmark.lab.scenarios import Scenario as Scenario
    from keelmark.lab.scenarios import load_scenario as load_scenario

_HOMES = {
    "Population": "keelmark.lab.population",
    "Replay": "keelmark.lab.replay.run",
    "ReplaySpec": "keelmark.lab.replay.spec",
    "Scenario": "keelmark.lab.scenarios",
    "describe": "keelmark.lab.population",
    "generate": "keelmark.lab.population",
    "load_scenario": "keelmark.lab.scenarios",
    "load_spec": "keelmark.lab.population",
    "run_replay": "keelmark.lab.replay.run",
    "write_outputs": "keelmark.lab.replay.outputs",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
