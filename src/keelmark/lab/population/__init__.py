"""Seeded fleets of accounts, balanced by construction and sound at the start.

```python
spec = load_spec("default")
population = generate(spec, scenario.opening(), seed=7)
describe(population)
```
"""

from keelmark.lab.population.check import StartingMargin, starting_margin, unsound_units
from keelmark.lab.population.describe import PopulationSummary, describe
from keelmark.lab.population.generate import generate
from keelmark.lab.population.records import ACCOUNT, DEPOSIT, POSITION, UNIT, AccountKind
from keelmark.lab.population.spec import PopulationSpec, load_spec
from keelmark.lab.population.values import Population

__all__ = [
    "ACCOUNT",
    "DEPOSIT",
    "POSITION",
    "UNIT",
    "AccountKind",
    "Population",
    "PopulationSpec",
    "PopulationSummary",
    "StartingMargin",
    "describe",
    "generate",
    "load_spec",
    "starting_margin",
    "unsound_units",
]
