"""An account under many scenarios at once: arrays where its rules allow, `core` where not."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.revaluation.account_values import AccountValues as AccountValues
    from keelmark.risk.revaluation.account_values import value_account as value_account
    from keelmark.risk.revaluation.moved import scenario_market as scenario_market
    from keelmark.risk.revaluation.valuer import UnitValuer as UnitValuer
    from keelmark.risk.revaluation.valuer import UnitValues as UnitValues

_HOMES = {
    "AccountValues": "keelmark.risk.revaluation.account_values",
    "UnitValuer": "keelmark.risk.revaluation.valuer",
    "UnitValues": "keelmark.risk.revaluation.valuer",
    "scenario_market": "keelmark.risk.revaluation.moved",
    "value_account": "keelmark.risk.revaluation.account_values",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
