"""What a balance is worth as collateral.

Haircuts are marginal tiers of quantity: the first units count at the first weight, the next at the
next. Weights fall, so the value is concave and is the smallest of its own straight lines. A debt
counts in full, at the venue's ask where it has one, and carries the loan's maintenance rate where
the venue charges one.

Source: docs/model.md, "Collateral"; Bybit collateral value ratio list, OKX discount rate tiers.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from keelmark.core.errors import InvalidInput, MissingTable
from keelmark.core.numbers import ONE, ZERO, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class HaircutTier:
    """Units of an asset above `floor` count at `weight` (1 - haircut)."""

    floor: Decimal
    weight: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A line `slope * amount + intercept`; the value is the smallest of the lines."""

    slope: Decimal
    intercept: Decimal


FULL_VALUE = (HaircutTier(floor=ZERO, weight=ONE),)


@dataclass(frozen=True, kw_only=True)
class CollateralSchedule:
    """Weights by quantity for credit balances, and the extra rate on debts.

    Attributes:
        tiers: Rising floors, falling weights in [0, 1].
        loan_rate: Margin on a debt, fraction of the debt; 0 where the venue charges none.
        ask: Price of what is owed or required over the asset's price, at least one (Binance
            multi-assets mode: one and the ask buffer). It moves with the price.
    """

    tiers: tuple[HaircutTier, ...] = FULL_VALUE
    loan_rate: Decimal = ZERO
    ask: Decimal = ONE

    def __post_init__(self) -> None:
        if not self.tiers or self.tiers[0].floor != ZERO:
            msg = "a collateral schedule needs at least one tier and its first floor must be 0"
            raise InvalidInput(msg)
        if not all(ZERO <= tier.weight <= ONE for tier in self.tiers) or self.loan_rate < ZERO:
            msg = "collateral weights must lie in [0, 1] and the loan rate must not be negative"
            raise InvalidInput(msg)
        if not self.ask >= ONE:
            msg = f"an ask of {self.ask} times the price: debts must cost at least the price"
            raise InvalidInput(msg)
        for low, high in pairwise(self.tiers):
            if not (low.floor < high.floor and low.weight >= high.weight):
                msg = (
                    f"collateral tier at {high.floor} with weight {high.weight}: floors must rise "
                    f"and weights fall (before it: {low.floor} with {low.weight})"
                )
                raise InvalidInput(msg)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The lines whose minimum is the value; the first is the one of debts."""
        with exact():
            lines = [Segment(slope=self.ask * (ONE + self.loan_rate), intercept=ZERO)]
            value = ZERO
            for tier, after in zip(self.tiers, (*self.tiers[1:], None), strict=True):
                lines.append(
                    Segment(slope=tier.weight, intercept=value - tier.weight * tier.floor),
                )
                if after is not None:
                    value += tier.weight * (after.floor - tier.floor)
            return tuple(dict.fromkeys(lines))

    @cached_property
    def knots(self) -> tuple[Decimal, ...]:
        """Amounts at which the slope changes."""
        return tuple(tier.floor for tier in self.tiers)

    @property
    def is_identity(self) -> bool:
        """Whether an amount counts in full on both sides of zero."""
        return len(self.segments) == 1

    def value(self, amount: Decimal) -> Decimal:
        """Return what `amount` counts for, in the asset itself; a debt with its margin."""
        return min(line.slope * amount + line.intercept for line in self.segments)

    def marginal_weight(self, amount: Decimal) -> Decimal:
        """Return the weight of the next unit sold from `amount`."""
        if amount <= ZERO:
            return self.ask * (ONE + self.loan_rate)
        return next(tier.weight for tier in reversed(self.tiers) if tier.floor < amount)


@dataclass(frozen=True, kw_only=True)
class UnknownWeights(CollateralSchedule):
    """Weights that are not known: what a credit balance counts for is `MissingTable`.

    A debt counts in full all the same.

    Attributes:
        why: What is missing and what to do about it.
    """

    why: str = ""

    @property
    def is_identity(self) -> bool:
        """No: what counts is not known."""
        return False

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Raise: no column can hold what is not known."""
        raise MissingTable(self.why)

    def value(self, amount: Decimal) -> Decimal:
        """Return a debt with its margin; raise for what is held."""
        if amount <= ZERO:
            return amount * self.ask * (ONE + self.loan_rate)
        raise MissingTable(self.why)

    def marginal_weight(self, amount: Decimal) -> Decimal:
        """Return the weight of a debt; raise for what is held."""
        if amount <= ZERO:
            return self.ask * (ONE + self.loan_rate)
        raise MissingTable(self.why)
