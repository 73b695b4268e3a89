"""One position of an account with the prices that end it."""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.liquidation_price import LiquidationPrices
from keelmark.core.margin import PositionMargin
from keelmark.core.numbers import ONE, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCheck:
    """One position with the prices that end it.

    Attributes:
        unit_id: The unit it belongs to.
        held: Its margin.
        liquidation: Prices at which its unit reaches maintenance, all else held.
        bankruptcy: Price at which its unit is worth nothing, all else held.
        shown: What the venue shows as its liquidation price, where its form is another than ours.
    """

    unit_id: str
    held: PositionMargin
    liquidation: LiquidationPrices
    bankruptcy: LiquidationPrices
    shown: LiquidationPrices | None = None

    @property
    def distance(self) -> Decimal | None:
        """Liquidation price over mark, less one."""
        if self.liquidation.value is None:
            return None
        with exact():
            return self.liquidation.value / self.held.mark_price - ONE
