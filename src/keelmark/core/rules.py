"""Maintenance rules: how much a position must keep, as exact formula and as kernel parameters.

Each rule is one value with three faces that property tests hold together: `requirement` (exact),
`parameters` (what a kernel reads) and `supremum` with `breakpoints` (what the bound of
`core.bound` reads). A rule sees the notional in settle asset and the size, both unsigned.

Source: docs/model.md, "Maintenance margin"; the deduction recursion is published by Binance
(FAQ b3c689c1f50a44cabb3a84e663b81d93), Bybit ("MM deduction") and Hyperliquid.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import NoReturn, Protocol

from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput, MissingTable
from keelmark.core.numbers import ONE, ZERO, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One row of a bracket table.

    Attributes:
        floor: Lower edge: notional in settle asset, or size for tables kept in contracts.
        rate: Maintenance rate of the row, fraction.
        deduction: Maintenance amount subtracted, settle asset.
        leverage: Largest leverage allowed in the row, `None` where the venue names none.
    """

    floor: Decimal
    rate: Decimal
    deduction: Decimal = ZERO
    leverage: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement and the row that gave it: `amount = basis * rate - deduction`."""

    amount: Decimal
    basis: Decimal
    rate: Decimal
    deduction: Decimal = ZERO
    tier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleParameters:
    """What a kernel needs of a rule; floors and deductions in settle asset (size for `SIZED`)."""

    kind: RuleKind
    floors: tuple[Decimal, ...]
    rates: tuple[Decimal, ...]
    deductions: tuple[Decimal, ...]
    slope: Decimal = ZERO
    edge_upper: bool = False


class MaintenanceRule(Protocol):
    """What `core.margin`, `core.bound` and the columns ask of a rule."""

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:
        """Return the requirement of `size` worth `notional`, with the row that gave it."""

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the amount of `requirement` alone."""

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the larger of the one-sided limits of the requirement at `notional`."""

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:
        """Return the notionals at which the formula changes for this size."""

    def rate_at_infinity(self, size: Decimal) -> Decimal:
        """Return the slope of the requirement in the notional beyond every breakpoint."""

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:
        """Return the largest leverage the rule allows here, where it states one."""

    def parameters(self) -> RuleParameters:
        """Return the kernel face."""


def with_deductions(rows: Iterable[tuple[Decimal, Decimal]]) -> tuple[Tier, ...]:
    """Build tiers whose deductions make the requirement continuous.

    `cum_0 = 0`, `cum_n = cum_{n-1} + floor_n * (rate_n - rate_{n-1})`.

    Args:
        rows: (floor, rate) in rising order of floor.
    """
    with exact():
        tiers: list[Tier] = []
        for floor, rate in rows:
            deduction = ZERO
            if tiers:
                deduction = tiers[-1].deduction + floor * (rate - tiers[-1].rate)
            tiers.append(Tier(floor=floor, rate=rate, deduction=deduction))
        return tuple(tiers)


_EDGE = Decimal("1e-50")
"""Relative distance within which a notional is on a floor.

A breakpoint is found as `floor / size` and comes back as `size * (floor / size)`, which is off by
the last of sixty digits: a bound must then still see both rows.
"""


def check_tiers(tiers: tuple[Tier, ...]) -> None:
    """Refuse a table that is empty, unordered or does not begin at zero.

    Raises:
        InvalidInput: Naming the first row that is wrong.
    """
    if not tiers or tiers[0].floor != ZERO:
        msg = "a tier table needs at least one row and its first floor must be 0"
        raise InvalidInput(msg)
    for number, (low, high) in enumerate(pairwise(tiers), start=1):
        if not low.floor < high.floor:
            msg = f"tier {number}: floor {high.floor} must lie above the floor before, {low.floor}"
            raise InvalidInput(msg)
    for number, tier in enumerate(tiers):
        if not (tier.rate.is_finite() and tier.rate >= ZERO):
            msg = f"tier {number}: rate {tier.rate} must be a fraction of at least 0"
            raise InvalidInput(msg)


@dataclass(frozen=True, kw_only=True)
class _TierTable:
    """Rows and which of them owns an edge."""

    tiers: tuple[Tier, ...]
    edge_upper: bool = False

    def __post_init__(self) -> None:
        check_tiers(self.tiers)

    @cached_property
    def floors(self) -> tuple[Decimal, ...]:
        """Lower edges of the rows."""
        return tuple(tier.floor for tier in self.tiers)

    def tier_index(self, key: Decimal) -> int:
        """Return the row of `key`; on an edge the rulebook says which row owns it."""
        owner = bisect_right if self.edge_upper else bisect_left
        return max(0, owner(self.floors, key) - 1)

    def _parameters(self, kind: RuleKind) -> RuleParameters:
        return RuleParameters(
            kind=kind,
            floors=self.floors,
            rates=tuple(tier.rate for tier in self.tiers),
            deductions=tuple(tier.deduction for tier in self.tiers),
            edge_upper=self.edge_upper,
        )


@dataclass(frozen=True, kw_only=True)
class TieredRule(_TierTable):
    """`notional * rate - deduction` of the row the notional falls in: continuous and convex."""

    def __post_init__(self) -> None:
        check_tiers(self.tiers)
        if self.tiers[0].deduction != ZERO:
            msg = f"tier 0: amount {self.tiers[0].deduction} must be 0: nothing lies below it"
            raise InvalidInput(msg)
        with exact():
            for number, (low, high) in enumerate(pairwise(self.tiers), start=1):
                expected = low.deduction + high.floor * (high.rate - low.rate)
                if high.deduction != expected or high.rate < low.rate:
                    msg = (
                        f"tier {number}: rate {high.rate} with amount {high.deduction} does not "
                        f"continue tier {number - 1} (expected amount {expected}, rates rising); "
                        "use WholeNotionalRule for tables that jump"
                    )
                    raise InvalidInput(msg)

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:  # noqa: ARG002 protocol
        """Return `notional * rate - deduction`."""
        index = self.tier_index(notional)
        tier = self.tiers[index]
        return Requirement(
            amount=notional * tier.rate - tier.deduction,
            basis=notional,
            rate=tier.rate,
            deduction=tier.deduction,
            tier=index,
        )

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return `notional * rate - deduction`."""
        tier = self.tiers[self.tier_index(notional)]
        return notional * tier.rate - tier.deduction

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the requirement: the table is continuous."""
        return self.amount(size, notional)

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return the inner floors."""
        return self.floors[1:]

    def rate_at_infinity(self, size: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return the top rate."""
        return self.tiers[-1].rate

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return the leverage of the row."""
        return self.tiers[self.tier_index(notional)].leverage

    def parameters(self) -> RuleParameters:
        """Return the kernel face."""
        return self._face

    @cached_property
    def _face(self) -> RuleParameters:
        return self._parameters(RuleKind.TIERED)


@dataclass(frozen=True, kw_only=True)
class WholeNotionalRule(_TierTable):
    """The row's rate on the whole notional: jumps at every floor."""

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:  # noqa: ARG002 protocol
        """Return `notional * rate`."""
        index = self.tier_index(notional)
        rate = self.tiers[index].rate
        return Requirement(amount=notional * rate, basis=notional, rate=rate, tier=index)

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return `notional * rate`."""
        return notional * self.tiers[self.tier_index(notional)].rate

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the larger one-sided limit: on a floor either row may be the dearer one."""
        slack = notional * _EDGE
        for low, high in pairwise(self.tiers):
            if abs(notional - high.floor) <= slack:
                return notional * max(low.rate, high.rate)
        return self.amount(size, notional)

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return the inner floors."""
        return self.floors[1:]

    def rate_at_infinity(self, size: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return the top rate."""
        return self.tiers[-1].rate

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return the leverage of the row."""
        return self.tiers[self.tier_index(notional)].leverage

    def parameters(self) -> RuleParameters:
        """Return the kernel face."""
        return self._face

    @cached_property
    def _face(self) -> RuleParameters:
        return self._parameters(RuleKind.WHOLE)


@dataclass(frozen=True, kw_only=True)
class SizeTierRule(_TierTable):
    """The rate of the row the *size* falls in, on the whole notional."""

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:
        """Return `notional * rate(size)`."""
        index = self.tier_index(size)
        rate = self.tiers[index].rate
        return Requirement(amount=notional * rate, basis=notional, rate=rate, tier=index)

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return `notional * rate(size)`."""
        return notional * self.tiers[self.tier_index(size)].rate

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the requirement: linear in the notional."""
        return self.amount(size, notional)

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return none: the rate is a constant of the size."""
        return ()

    def rate_at_infinity(self, size: Decimal) -> Decimal:
        """Return the rate of the size."""
        return self.tiers[self.tier_index(size)].rate

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return the leverage of the row."""
        return self.tiers[self.tier_index(size)].leverage

    def parameters(self) -> RuleParameters:
        """Return the kernel face."""
        return self._face

    @cached_property
    def _face(self) -> RuleParameters:
        return self._parameters(RuleKind.SIZED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeScaledRule:
    """`notional * (base + slope * size)`; the rate may exceed one.

    Source: Deribit standard margin (support article 25944738177565); Drift.
    """

    base: Decimal
    slope: Decimal = ZERO

    def __post_init__(self) -> None:
        if not (self.base >= ZERO and self.slope >= ZERO):
            msg = f"size-scaled rule: base {self.base} and slope {self.slope} must be at least 0"
            raise InvalidInput(msg)

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:
        """Return `notional * (base + slope * size)`."""
        rate = self.base + self.slope * size
        return Requirement(amount=notional * rate, basis=notional, rate=rate)

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return `notional * (base + slope * size)`."""
        return notional * (self.base + self.slope * size)

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the requirement: linear in the notional."""
        return self.amount(size, notional)

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return none: the rate is a constant of the size."""
        return ()

    def rate_at_infinity(self, size: Decimal) -> Decimal:
        """Return the rate of the size."""
        return self.base + self.slope * size

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return none: the rule states rates only."""
        return None

    def parameters(self) -> RuleParameters:
        """Return the kernel face."""
        return RuleParameters(
            kind=RuleKind.SCALED,
            floors=(ZERO,),
            rates=(self.base,),
            deductions=(ZERO,),
            slope=self.slope,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule:
    """One venue row at every price: `max(0, notional * rate - deduction)`."""

    rate: Decimal
    deduction: Decimal = ZERO

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:
        """Return `notional * rate - deduction`, not below zero."""
        return Requirement(
            amount=self.amount(size, notional),
            basis=notional,
            rate=self.rate,
            deduction=self.deduction,
        )

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return `notional * rate - deduction`, not below zero."""
        return max(ZERO, notional * self.rate - self.deduction)

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Return the requirement: continuous."""
        return self.amount(size, notional)

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return the notional below which the row asks nothing."""
        return (self.deduction / self.rate,) if self.rate > ZERO < self.deduction else ()

    def rate_at_infinity(self, size: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Return the rate of the row."""
        return self.rate

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return none: the row states a rate only."""
        return None

    def parameters(self) -> RuleParameters:
        """Return the kernel face: two tiers, the first of which asks nothing."""
        inner = self.breakpoints(ONE)
        return RuleParameters(
            kind=RuleKind.TIERED,
            floors=(ZERO, *inner),
            rates=(ZERO, self.rate) if inner else (self.rate,),
            # below zero it is a constant requirement; one the rate never reaches asks nothing
            deductions=(ZERO, self.deduction) if inner else (min(ZERO, self.deduction),),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRule:
    """A contract whose bracket table is not known: every question about it is `MissingTable`.

    The position's own venue row stands in for the table where the account gives one.

    Attributes:
        why: What is missing and what to do about it.
        for_engine: The same for whoever runs an engine and has no account document to edit.
    """

    why: str
    for_engine: str = ""

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:  # noqa: ARG002 protocol
        """Raise: the requirement is unknown."""
        self._refuse()

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Raise: the requirement is unknown."""
        self._refuse()

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Raise: the requirement is unknown."""
        self._refuse()

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Raise: the table is unknown."""
        self._refuse()

    def rate_at_infinity(self, size: Decimal) -> Decimal:  # noqa: ARG002 protocol
        """Raise: the table is unknown."""
        self._refuse()

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Raise: the table is unknown."""
        self._refuse()

    def parameters(self) -> RuleParameters:
        """Raise: no column can hold what is not known."""
        raise MissingTable(self.for_engine or self.why)

    def _refuse(self) -> NoReturn:
        raise MissingTable(self.why)
