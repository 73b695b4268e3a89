"""A price that was looked for: found, proven absent, or unknown with the reason."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

LEAST_SHARE = Decimal("1e-9")
"""Share of its present value per size below which a contract is not followed.

A fully funded position meets maintenance where its contract is worth nothing. Rounded entry prices
and the last digits move that root a little off nothing, where no mark can stand.
"""


class PriceStatus(StrEnum):
    """What is known of a liquidation price."""

    PRICE = "price"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationPrices:
    """The prices at which a unit reaches maintenance, or why there are none.

    Attributes:
        status: `price`, `none` (no positive price reaches it) or `unknown`.
        values: Quote per base, unrounded, nearest to the present price first.
        reason: For `none` and `unknown`.
        underlying: Where an option's price is meant: the present price of its underlying, which
            the values are prices of; `None` where they are prices of the instrument itself.
    """

    status: PriceStatus
    values: tuple[Decimal, ...] = ()
    reason: str | None = None
    underlying: Decimal | None = None

    @property
    def value(self) -> Decimal | None:
        """The nearest price."""
        return self.values[0] if self.values else None

    @property
    def others(self) -> tuple[Decimal, ...]:
        """The prices beyond the nearest."""
        return self.values[1:]
