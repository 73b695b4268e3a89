"""What a venue asks before it lets a position be opened: initial margin within equity."""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import InitialRule, MarginModel
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.scene import Change


@dataclass(frozen=True, slots=True)
class Opening:
    """The demand on a plan that opens anything: the whole unit's initial margin, by the core."""

    unit: MarginUnit
    market: Market
    model: MarginModel

    def total(self, change: Change) -> Decimal:
        """Return what equity leaves of the initial margin after a change; orders count as well."""
        report = margin_report(change.after(self.unit), self.market, self.model)
        return report.equity_initial - report.initial_margin


LEAST = (Decimal(1), Decimal(1))
"""A size and a notional in the first row of a table."""


def unstated_initial(symbol: str, model: MarginModel) -> bool:
    """Whether no initial margin of a new position is stated: then it is twice its maintenance."""
    terms = model.instrument(symbol)
    return type(terms.initial) is InitialRule and terms.maintenance.leverage_max(*LEAST) is None
