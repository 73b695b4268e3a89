"""What the reduce stage reads and what it answers, as plain values in valuation units."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import NamedTuple

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact


class TierRow(NamedTuple):
    """A maintenance bracket: `notional * rate - deduction` from `floor` up."""

    floor: Decimal
    rate: Decimal
    deduction: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReducibleLeg:
    """A position that can be closed in part.

    Attributes:
        instrument: Name of the instrument.
        leg: 0 net, 1 long, -1 short.
        lots: Size, signed.
        lot_notional: Notional of one lot at the mark.
        maintenance: Maintenance margin of the leg now.
        maintenance_rate: Maintenance per unit of notional now, where there are no tiers.
        tiers: Brackets from the lowest, the first with floor 0; empty for one flat rate.
        edge_upper: Whether a notional on a floor belongs to the upper bracket.
        pnl: Unrealised profit or loss.
        fee_rate: Fee on closed notional.
        impact: Slippage of closing notional `x` is `impact * x**2`.
        hedged_lots: Lots that an opposite leg of the instrument covers.
    """

    instrument: str
    leg: int
    lots: int
    lot_notional: Decimal
    maintenance: Decimal
    maintenance_rate: Decimal
    tiers: tuple[TierRow, ...] = ()
    edge_upper: bool = False
    pnl: Decimal = ZERO
    fee_rate: Decimal = ZERO
    impact: Decimal = ZERO
    hedged_lots: int = 0

    def __post_init__(self) -> None:
        if self.lots == 0 or self.lot_notional <= 0:
            msg = (
                f"{self.instrument}: {self.lots} lots of notional {self.lot_notional}; "
                "only open legs with a positive notional can be reduced"
            )
            raise InvalidInput(msg)
        floors = [tier.floor for tier in self.brackets]
        if floors[0] != 0 or floors != sorted(set(floors)):
            msg = f"{self.instrument}: tier floors {floors} must rise from 0"
            raise InvalidInput(msg)

    @property
    def size(self) -> int:
        """Lots held, without sign."""
        return abs(self.lots)

    @property
    def notional(self) -> Decimal:
        """Notional at the mark."""
        return self.notional_of(self.size)

    @property
    def brackets(self) -> tuple[TierRow, ...]:
        """The tiers, or the one flat rate as a tier."""
        return self.tiers or (TierRow(ZERO, self.maintenance_rate, ZERO),)

    def notional_of(self, lots: int) -> Decimal:
        """Notional of `lots` at the mark."""
        with exact():
            return lots * self.lot_notional

    def cost(self, lots: int) -> Decimal:
        """Fee and slippage of closing `lots`."""
        with exact():
            return self._cost(lots * self.lot_notional)

    def tier_of(self, lots: int) -> int:
        """Index of the bracket that a size of `lots` falls in."""
        return self._tier_at(self.notional_of(lots))

    def maintenance_of(self, lots: int) -> Decimal:
        """Maintenance margin of a size of `lots`."""
        with exact():
            return self._maintenance(lots * self.lot_notional)

    def after(self, lots: int) -> tuple[Decimal, Decimal]:
        """What closing `lots` costs, and the maintenance margin of the leg that stays."""
        with exact():
            closed = lots * self.lot_notional
            return self._cost(closed), self._maintenance(self.size * self.lot_notional - closed)

    # these three compute in the caller's context: sizing asks them many times an order

    def _cost(self, closed: Decimal) -> Decimal:
        cost = self.fee_rate * closed
        return cost + self.impact * closed * closed if self.impact else cost

    def _tier_at(self, notional: Decimal) -> int:
        reached = 0
        for index, tier in enumerate(self.tiers):
            if notional < tier.floor or (notional == tier.floor and not self.edge_upper):
                break
            reached = index
        return reached

    def _maintenance(self, notional: Decimal) -> Decimal:
        if not self.tiers:
            return notional * self.maintenance_rate
        tier = self.tiers[self._tier_at(notional)]
        return notional * tier.rate - tier.deduction

    def lots_within(self, tier: int) -> int:
        """Largest size that stays in bracket `tier` or below."""
        if tier + 1 >= len(self.brackets):
            return self.size
        with exact():
            ratio = self.brackets[tier + 1].floor / self.lot_notional
            lots = int(ratio.to_integral_value(rounding=ROUND_FLOOR))
            on_edge = lots * self.lot_notional == self.brackets[tier + 1].floor
        return min(self.size, lots - 1 if on_edge and self.edge_upper else lots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Where a unit stands and what it has to reach.

    Attributes:
        equity: Equity now.
        maintenance: Maintenance margin of all its legs now.
        buffer: Target: equity of at least `(1 + buffer) * maintenance`.
        in_cooldown: Whether a part has been ordered and its cool-down has not ended.
    """

    equity: Decimal
    maintenance: Decimal
    buffer: Decimal = ZERO
    in_cooldown: bool = False

    @property
    def target(self) -> Decimal:
        """Multiple of maintenance that equity has to reach."""
        return ONE + self.buffer

    @property
    def missing(self) -> Decimal:
        """What equity lacks to the target; zero or less when it is reached."""
        with exact():
            return self.target * self.maintenance - self.equity

    def missing_after(self, leg: ReducibleLeg, lots: int) -> Decimal:
        """What is missing once `lots` of `leg` are closed at the mark less their cost."""
        cost, rest = leg.after(lots)
        with exact():
            kept = self.maintenance - leg.maintenance + rest
            return self.target * kept - (self.equity - cost)

    def after(self, leg: ReducibleLeg, lots: int) -> "Shortfall":
        """Return the shortfall once `lots` of `leg` are closed at the mark less their cost."""
        cost, rest = leg.after(lots)
        with exact():
            return Shortfall(
                equity=self.equity - cost,
                maintenance=self.maintenance - leg.maintenance + rest,
                buffer=self.buffer,
                in_cooldown=self.in_cooldown,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Lots of one leg to be closed, without sign."""

    instrument: str
    leg: int
    lots: int


class Outcome(StrEnum):
    """What a plan achieves if it fills at the mark less the assumed costs."""

    REACHES_TARGET = "reaches_target"
    FALLS_SHORT = "falls_short"
    """It helps; the next stage has to do the rest."""
    EXHAUSTED = "exhausted"
    """No close that the rule allows raises the margin excess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReducePlan:
    """Closes in the order of execution; the engine stops once the target is reached.

    Attributes:
        closes: What to close.
        outcome: What it achieves.
        cooldown_seconds: How long no further close is sized after this one.
    """

    closes: tuple[Close, ...]
    outcome: Outcome
    cooldown_seconds: int = 0
