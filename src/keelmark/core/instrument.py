"""Contracts and what a position in them is worth.

A position's value `V` is in its settle asset: linear `size * contract_size * price`, inverse
`-size * contract_size / price`. Both rise with the price, and profit is `V - cost` for both, so
every formula of the margin core is written once.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO


class InstrumentKind(StrEnum):
    """The payoff of a contract."""

    LINEAR_PERPETUAL = "linear_perpetual"
    INVERSE_PERPETUAL = "inverse_perpetual"
    LINEAR_FUTURE = "linear_future"
    INVERSE_FUTURE = "inverse_future"

    @property
    def is_inverse(self) -> bool:
        """Whether profit is paid in the coin whose price moves it."""
        return self in {InstrumentKind.INVERSE_PERPETUAL, InstrumentKind.INVERSE_FUTURE}

    @property
    def is_dated(self) -> bool:
        """Whether the contract settles at an expiry."""
        return self in {InstrumentKind.LINEAR_FUTURE, InstrumentKind.INVERSE_FUTURE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One contract.

    Attributes:
        symbol: The venue's name of it.
        kind: Payoff.
        base: Underlying asset.
        settle: Asset that profit, cost and margin are in.
        contract_size: Linear: base per unit of size. Inverse: quote (USD) per contract.
        lot: Smallest step of size.
        price_unit: Smallest step of price.
        index: Name of the index price it is margined on, where the venue margins on an index.
        expiry: Settlement time of a dated future, UTC.
    """

    symbol: str
    kind: InstrumentKind
    base: str
    settle: str
    contract_size: Decimal = ONE
    lot: Decimal = Decimal("0.001")
    price_unit: Decimal = Decimal("0.01")
    index: str | None = None
    expiry: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("contract_size", "lot", "price_unit"):
            value: Decimal = getattr(self, name)
            if not (value.is_finite() and value > 0):
                msg = f"instrument {self.symbol}: {name} is {value}; it must be a positive number"
                raise InvalidInput(msg)
        if self.kind.is_dated and self.expiry is None:
            msg = f"instrument {self.symbol}: a {self.kind} needs `expiry` (ISO 8601, UTC)"
            raise InvalidInput(msg)

    @property
    def is_inverse(self) -> bool:
        """Whether profit is paid in the coin whose price moves it."""
        return self.kind.is_inverse

    def value_per_size(self, price: Decimal) -> Decimal:
        """Return the value of one unit of size at `price`, in settle asset, rising with price."""
        return -self.contract_size / price if self.is_inverse else self.contract_size * price

    def value(self, size: Decimal, price: Decimal) -> Decimal:
        """Return the signed value of `size` at `price`, in settle asset."""
        return size * self.value_per_size(price)

    def price_at(self, value_per_size: Decimal) -> Decimal | None:
        """Return the price at which one unit of size has this value; `None` if there is none."""
        magnitude = -value_per_size if self.is_inverse else value_per_size
        if magnitude <= ZERO:
            return None
        return self.contract_size / magnitude if self.is_inverse else magnitude / self.contract_size
