"""The margin unit: what is margined and liquidated alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.core.codes import Leg, UnitKind
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """A maintenance row taken from the venue itself; it applies at every price."""

    maintenance_rate: Decimal
    maintenance_amount: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A holding in one instrument, or one leg of it.

    Attributes:
        instrument: Symbol.
        size: Signed; base units for linear contracts, contracts for inverse ones.
        cost: Signed value at entry in settle asset; profit is value minus cost.
        leg: `NET` in one-way mode.
        leverage: The leverage set for it, `None` for the tier's maximum.
        tier: The venue's own maintenance row, where the document gives one.
    """

    instrument: str
    size: Decimal
    cost: Decimal
    leg: Leg = Leg.NET
    leverage: Decimal | None = None
    tier: TierRow | None = None

    def __post_init__(self) -> None:
        if not (self.size.is_finite() and self.cost.is_finite()) or self.size == ZERO:
            msg = (
                f"position in {self.instrument}: size {self.size}, cost {self.cost}; "
                "size must be a non-zero number and cost finite: leave flat positions out"
            )
            raise InvalidInput(msg)
        if self.leg * self.size < 0:
            msg = f"position in {self.instrument}: a {self.leg.name.lower()} leg of {self.size}"
            raise InvalidInput(msg)
        if self.leverage is not None and not self.leverage > 0:
            msg = f"position in {self.instrument}: leverage {self.leverage} must be positive"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrders:
    """The unfilled orders of a unit in one instrument, added up by side.

    Attributes:
        instrument: Symbol.
        buy_size: Sum of unfilled buys, not negative.
        sell_size: Sum of unfilled sells, not negative.
        buy_value: Value of the buys at their order prices, settle asset.
        sell_value: Value of the sells at their order prices, settle asset.
        leverage: The leverage set for the instrument, `None` for the tier's maximum.
        hedged: Whether they are orders of hedge legs: buys and sells may both open.
    """

    instrument: str
    buy_size: Decimal = ZERO
    sell_size: Decimal = ZERO
    buy_value: Decimal = ZERO
    sell_value: Decimal = ZERO
    leverage: Decimal | None = None
    hedged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginUnit:
    """Balances, positions and orders that stand and fall together.

    Attributes:
        unit_id: Names it in messages.
        kind: Cross, isolated or in-house.
        balances: Amount by asset; negative amounts are debts.
        positions: Every open position or leg.
        orders: Unfilled orders by instrument.
        accrued_interest: Interest owed and not yet posted, by asset, not negative.
        loans: Gross amount borrowed by asset, not negative; `balances` are net of it. Counted
            where the venue asks margin on the loan itself (`AssetTerms.gross_loan_rate`).
    """

    unit_id: str = "unit"
    kind: UnitKind = UnitKind.CROSS
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    positions: tuple[Position, ...] = ()
    orders: tuple[OpenOrders, ...] = ()
    accrued_interest: Mapping[str, Decimal] = field(default_factory=dict)
    loans: Mapping[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for asset, loan in self.loans.items():
            if not (loan.is_finite() and loan >= ZERO):
                msg = f"unit {self.unit_id}: a loan of {loan} {asset}; what is owed is positive"
                raise InvalidInput(msg)
