"""The stress library, run on one account or on many; events dated and cited, files of one's own."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.stress.account_stress import StressResult as StressResult
    from keelmark.risk.stress.account_stress import stress_account as stress_account
    from keelmark.risk.stress.library import StressScenario as StressScenario
    from keelmark.risk.stress.library import read_scenarios as read_scenarios
    from keelmark.risk.stress.library import stress_library as stress_library
    from keelmark.risk.stress.shocks import made_for as made_for

_HOMES = {
    "StressResult": "keelmark.risk.stress.account_stress",
    "StressScenario": "keelmark.risk.stress.library",
    "made_for": "keelmark.risk.stress.shocks",
    "read_scenarios": "keelmark.risk.stress.library",
    "stress_account": "keelmark.risk.stress.account_stress",
    "stress_library": "keelmark.risk.stress.library",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
