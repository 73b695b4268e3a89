"""A maintenance rate that grows with the position's worth in coin: curved in the notional.

For inverse contracts whose venue scales the rate by the size in coin (Deribit): the size in coin is
the notional, so the requirement is `base * N + slope * N**2`. No kernel has this form, so `core`
decides such instruments alone. The excess is concave in the notional: its least value on an
interval lies at an end, which is what the bound reads, and its roots are those of parabolas.

Source: Deribit support 25944738177565 (position size scaling), standard margin.
"""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO
from keelmark.core.rules import MaintenanceRule, Requirement, RuleParameters

INFINITY = Decimal("Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinScaledRule:
    """`notional * (base + slope * notional)`, notional in the settle asset.

    Attributes:
        base: Rate of a position of no size.
        slope: Rate per unit of notional.
    """

    base: Decimal
    slope: Decimal

    def __post_init__(self) -> None:
        if not (self.base >= ZERO and self.slope > ZERO):
            msg = f"coin-scaled rule: base {self.base} must be at least 0, slope {self.slope} above"
            raise InvalidInput(msg)

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:  # noqa: ARG002 protocol
        """Return `notional * (base + slope * notional)`."""
        rate = self.base + self.slope * notional
        return Requirement(amount=notional * rate, basis=notional, rate=rate)

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return `notional * (base + slope * notional)`."""
        return notional * (self.base + self.slope * notional)

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the requirement: continuous."""
        return self.amount(size, notional)

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return none: one curve."""
        return ()

    def rate_at_infinity(self, size: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return infinity: the rate grows without end."""
        return INFINITY

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return none: the rule states rates only."""
        return None

    def parameters(self) -> RuleParameters:
        """Return that there is no kernel face, with the rate of no size."""
        return RuleParameters(
            kind=RuleKind.CORE_ONLY, floors=(ZERO,), rates=(self.base,), deductions=(ZERO,)
        )


def is_curved(rule: MaintenanceRule) -> bool:
    """Whether a requirement is curved in the notional and not piecewise straight."""
    return isinstance(rule, CoinScaledRule)
