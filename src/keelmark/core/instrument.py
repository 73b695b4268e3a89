"""Contracts and what a position in them is worth.

A position's value `V` is in its settle asset: linear `size * contract_size * price`, inverse
`-size * contract_size / price`. Both rise with the price, and profit is `V - cost` for both, so
every formula of the margin core is written once.

An option's price is its premium per unit of the underlying, in its settle asset (quote for linear
options, coin for inverse ones), so its value is `size * contract_size * price` for both.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.payoff import Vanilla


class InstrumentKind(StrEnum):
    """The payoff of a contract."""

    LINEAR_PERPETUAL = "linear_perpetual"
    INVERSE_PERPETUAL = "inverse_perpetual"
    LINEAR_FUTURE = "linear_future"
    INVERSE_FUTURE = "inverse_future"
    LINEAR_OPTION = "linear_option"
    INVERSE_OPTION = "inverse_option"

    @property
    def is_inverse(self) -> bool:
        """Whether value is a reciprocal of the price: profit paid in the coin that moves it.

        No option is: its price is a premium, in whatever it settles in.
        """
        return self is InstrumentKind.INVERSE_PERPETUAL or self is InstrumentKind.INVERSE_FUTURE

    @property
    def is_option(self) -> bool:
        """Whether its price is a premium."""
        return self in {InstrumentKind.LINEAR_OPTION, InstrumentKind.INVERSE_OPTION}

    @property
    def is_dated(self) -> bool:
        """Whether the contract settles at an expiry."""
        futures = {InstrumentKind.LINEAR_FUTURE, InstrumentKind.INVERSE_FUTURE}
        return self in futures or self.is_option


_INVERSE_PERPETUAL = InstrumentKind.INVERSE_PERPETUAL
_INVERSE_FUTURE = InstrumentKind.INVERSE_FUTURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One contract.

    Attributes:
        symbol: The venue's name of it.
        kind: Payoff.
        base: Underlying asset.
        settle: Asset that profit, cost and margin are in.
        contract_size: Linear and options: base per unit of size. Inverse: quote (USD) per contract.
        lot: Smallest step of size.
        price_unit: Smallest step of price.
        index: Name of the index price it is margined on, where the venue margins on an index.
        expiry: Settlement time of a dated contract, UTC.
        payoff: What an option pays; `None` for every other kind.
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
    payoff: Vanilla | None = None

    def __post_init__(self) -> None:
        for name in ("contract_size", "lot", "price_unit"):
            value: Decimal = getattr(self, name)
            if not (value.is_finite() and value > 0):
                msg = f"instrument {self.symbol}: {name} is {value}; it must be a positive number"
                raise InvalidInput(msg)
        if self.kind.is_dated and self.expiry is None:
            msg = f"instrument {self.symbol}: a {self.kind} needs `expiry` (ISO 8601, UTC)"
            raise InvalidInput(msg)
        if self.kind.is_option != (self.payoff is not None):
            wrong = "needs" if self.kind.is_option else "has no"
            msg = f"instrument {self.symbol}: a {self.kind} {wrong} `strike` and `right`"
            raise InvalidInput(msg)

    @property
    def is_inverse(self) -> bool:
        """Whether value is a reciprocal of the price."""
        kind = self.kind  # asked at every price: no further call
        return kind is _INVERSE_PERPETUAL or kind is _INVERSE_FUTURE

    @property
    def is_option(self) -> bool:
        """Whether its price is a premium."""
        return self.kind.is_option

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
