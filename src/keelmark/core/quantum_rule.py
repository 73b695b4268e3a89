"""Requirements in whole quanta: a fraction of the initial margin, each rounded up.

For venues that compute in integers and round where a general formula does not. No kernel rounds:
instruments with such a rule are decided by `core`. Prices at which a unit is liquidated are solved
on the formula without rounding (`unrounded`), as the venue's own closed form is; the rounding moves
them by at most three quanta a position over its size.

Source: dYdX v4, protocol/x/perpetuals (GetMarginRequirementsInQuoteQuantums); tests hold it to
`keelmark.rulebooks.formulas.dydx`.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact, round_to
from keelmark.core.rules import MaintenanceRule, Requirement, RowRule, RuleParameters

ROUNDINGS = 2
"""Quanta that rounding up twice adds at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantumRule:
    """`ceil(fraction * ceil(notional * initial))` in quanta of the settle asset.

    Attributes:
        initial: Initial margin rate, without scaling by open interest.
        fraction: Maintenance margin as a fraction of initial margin.
        quantum: Smallest amount of the settle asset.
    """

    initial: Decimal
    fraction: Decimal
    quantum: Decimal

    def __post_init__(self) -> None:
        if not (self.initial >= ZERO and ZERO <= self.fraction <= ONE and self.quantum > ZERO):
            msg = (
                f"quantum rule: initial {self.initial}, fraction {self.fraction}, quantum "
                f"{self.quantum}; rates of at least 0, a fraction up to 1, a positive quantum"
            )
            raise InvalidInput(msg)

    @property
    def rate(self) -> Decimal:
        """The rate before rounding."""
        with exact():
            return self.initial * self.fraction

    @property
    def unrounded(self) -> MaintenanceRule:
        """The formula without its roundings."""
        return RowRule(rate=self.rate)

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:
        """Return the rounded requirement; the rate named is the one before rounding."""
        amount = self.amount(size, notional)
        return Requirement(amount=amount, basis=notional, rate=self.rate)

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return the fraction of the rounded initial margin, rounded up again."""
        whole = round_to(notional * self.initial, self.quantum, up=True)
        return round_to(whole * self.fraction, self.quantum, up=True)

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return an upper bound of the requirement near `notional`."""
        return notional * self.rate + ROUNDINGS * self.quantum

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return none: the bound is a straight line."""
        return ()

    def rate_at_infinity(self, size: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return the rate before rounding."""
        return self.rate

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return the leverage that the initial rate allows."""
        return ONE / self.initial if self.initial else None

    def parameters(self) -> RuleParameters:
        """Return that there is no kernel face, with the rate before rounding."""
        return RuleParameters(
            kind=RuleKind.CORE_ONLY, floors=(ZERO,), rates=(self.rate,), deductions=(ZERO,)
        )


def unrounded(rule: MaintenanceRule) -> MaintenanceRule:
    """Return a rule without roundings: itself where it has none."""
    return rule.unrounded if isinstance(rule, QuantumRule) else rule


def towards_zero(value: Decimal, quantum: Decimal) -> Decimal:
    """Return a value in whole quanta, the part of one dropped."""
    return (value / quantum).to_integral_value(rounding=ROUND_DOWN) * quantum
