"""How a unit stands against a target, by the core alone."""

from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.accounts import Account, check
from keelmark.accounts.figures import figure
from keelmark.accounts.unit_check import UnitCheck
from keelmark.core.margin import margin_report
from keelmark.core.numbers import exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A unit at the prices now.

    Attributes:
        equity: Valuation currency.
        maintenance: Maintenance margin, valuation currency.
        ratio: Maintenance over equity; `None` where equity is not above zero.
        excess: Maintenance excess, below zero where the unit is liquidatable; valuation currency.
        health: Equity over maintenance; `None` where none is required.
        is_liquidatable: Whether the venue's trigger holds.
        holds: Whether there is any position.
        distance: Nearest liquidating move, unsigned; `None` where none is found or asked for.
        is_settled: Whether no nearer move may be hidden among those that cannot be solved.
    """

    equity: Decimal
    maintenance: Decimal
    ratio: Decimal | None
    excess: Decimal
    health: Decimal | None
    is_liquidatable: bool
    holds: bool
    distance: Decimal | None = None
    is_settled: bool = True

    def meets(self, target: Target) -> bool:
        """Whether the unit is at a target or beyond it."""
        if self.is_liquidatable:
            return False
        if self.misses_ratio_of(target):
            return False
        if target.far is None:
            return True
        return self.is_settled and (self.distance is None or self.distance >= target.far)

    def shortage(self, currency: str) -> str:
        """Return in words what a liquidatable unit is short of: it has no room to speak of."""
        if self.ratio is None:
            return f"equity of {figure(self.equity)} {currency}"
        return f"it liquidatable, with an excess of {figure(self.excess)} {currency}"

    def misses_ratio_of(self, target: Target) -> bool:
        """Whether more of equity is in use than a target allows."""
        with exact():
            usage = target.usage
            return usage is not None and usage * self.equity < self.maintenance


def standing_of(unit: MarginUnit, account: Account) -> Standing:
    """Return how a unit stands, without its distance.

    Raises:
        MissingNumber: A number its margin reads is not known.
    """
    report = margin_report(unit, account.market, account.model)
    return Standing(
        equity=report.equity,
        maintenance=report.maintenance_margin,
        ratio=report.margin_ratio.value,
        excess=report.maintenance_excess,
        health=report.health.value,
        is_liquidatable=report.is_liquidatable,
        holds=bool(unit.positions),
    )


def standing_for(unit: MarginUnit, account: Account, target: Target) -> Standing:
    """Return how a unit stands, with its distance where the target is one."""
    found = standing_of(unit, account)
    if target.far is None:
        return found
    checked = unit_check(unit, account)
    return replace(found, distance=checked.distance, is_settled=not checked.is_unsettled)


def unit_check(unit: MarginUnit, account: Account) -> UnitCheck:
    """Return the check of one unit of an account, as `keelmark check` has it."""
    return check(replace(account, units=(unit,), reported={})).units[0]
