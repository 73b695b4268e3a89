"""Keelmark: the open cross-margin liquidation engine for crypto derivatives.

Names load when they are first used, so that `import keelmark` costs next to nothing.
"""

from typing import TYPE_CHECKING

from keelmark._compile_cache import use_own_folder
from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark import lab as lab
    from keelmark import risk as risk
    from keelmark.accounts import Account as Account
    from keelmark.accounts import AccountCheck as AccountCheck
    from keelmark.accounts import Table as Table
    from keelmark.accounts import check as check
    from keelmark.accounts import load_account as load_account
    from keelmark.accounts import margin_table as margin_table
    from keelmark.accounts import read_account as read_account
    from keelmark.accounts.bulk import check_many as check_many
    from keelmark.accounts.importers import import_account as import_account
    from keelmark.accounts.importers import read_payload as read_payload
    from keelmark.core.bankruptcy import bankruptcy_price as bankruptcy_price
    from keelmark.core.explain import explain as explain
    from keelmark.core.joint_move import joint_move as joint_move
    from keelmark.core.liquidation_price import liquidation_prices as liquidation_prices
    from keelmark.core.margin import MarginReport as MarginReport
    from keelmark.core.margin import margin_report as margin_report
    from keelmark.core.market import Market as Market
    from keelmark.core.model import MarginModel as MarginModel
    from keelmark.core.unit import MarginUnit as MarginUnit
    from keelmark.core.unit import Position as Position
    from keelmark.engine.engine import Engine as Engine
    from keelmark.risk.rescues import rescue as rescue
    from keelmark.risk.what_if import whatif as whatif
    from keelmark.rulebooks import load_rulebook as load_rulebook
    from keelmark.rulebooks import rulebook_names as rulebook_names

use_own_folder()

_HOMES = {
    "Account": "keelmark.accounts",
    "AccountCheck": "keelmark.accounts",
    "MarginModel": "keelmark.core.model",
    "MarginReport": "keelmark.core.margin",
    "MarginUnit": "keelmark.core.unit",
    "Engine": "keelmark.engine.engine",
    "Market": "keelmark.core.market",
    "Position": "keelmark.core.unit",
    "Table": "keelmark.accounts",
    "bankruptcy_price": "keelmark.core.bankruptcy",
    "check": "keelmark.accounts",
    "check_many": "keelmark.accounts.bulk",
    "explain": "keelmark.core.explain",
    "import_account": "keelmark.accounts.importers",
    "joint_move": "keelmark.core.joint_move",
    "lab": "",
    "liquidation_prices": "keelmark.core.liquidation_price",
    "load_account": "keelmark.accounts",
    "load_rulebook": "keelmark.rulebooks",
    "margin_table": "keelmark.accounts",
    "margin_report": "keelmark.core.margin",
    "read_account": "keelmark.accounts",
    "read_payload": "keelmark.accounts.importers",
    "rescue": "keelmark.risk.rescues",
    "risk": "",
    "rulebook_names": "keelmark.rulebooks",
    "whatif": "keelmark.risk.what_if",
}
"""Where each public name lives; empty for a package of this one."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
