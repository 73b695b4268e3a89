"""One position of an account with the prices that end it."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.volatilities import in_sigmas
from keelmark.core.liquidation_price import LiquidationPrices
from keelmark.core.margin import PositionMargin
from keelmark.core.naive import distance_of
from keelmark.core.numbers import exact

MISLEADING = Decimal("0.01")
"""The naive distance is named where it differs from the true one by more than this."""


PRICE_HEADING, RECOVERY_HEADING = "liq. price", "healthy beyond"
"""What a column of `PositionCheck.liquidation` is called: of a liquidatable unit, the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCheck:
    """One position with the prices that end it.

    Attributes:
        unit_id: The unit it belongs to.
        held: Its margin.
        liquidation: Prices at which its unit reaches maintenance, all else held.
        bankruptcy: Price at which its unit is worth nothing, all else held.
        shown: What the venue shows as its liquidation price, where its form is another than ours.
        naive: What a calculator for one position shows, the others' maintenance ignored; `None`
            where no positive price solves it, or nothing else needs margin.
        missing: Why its requirements are unknown, where its bracket table is.
        deviation: Standard deviation of its coin, fraction; `None` where it is not at hand.
        recovers: Whether its unit is liquidatable now: then `liquidation` are the prices beyond
            which it is healthy again, and there is no distance.
    """

    unit_id: str
    held: PositionMargin
    liquidation: LiquidationPrices
    bankruptcy: LiquidationPrices
    shown: LiquidationPrices | None = None
    naive: Decimal | None = None
    missing: str | None = None
    deviation: float | None = None
    recovers: bool = False

    @property
    def maintenance_margin(self) -> Decimal | None:
        """Maintenance requirement, settle asset; `None` where it is unknown."""
        return None if self.missing else self.held.maintenance_margin

    @property
    def initial_margin(self) -> Decimal | None:
        """Initial requirement, settle asset; `None` where it is unknown."""
        return None if self.missing else self.held.initial_margin

    @property
    def return_on_margin(self) -> Decimal | None:
        """Profit over what the entry value asked at the leverage set; `None` without a leverage."""
        position = self.held.position
        if position.leverage is None:
            return None
        with exact():
            return self.held.unrealized_pnl * position.leverage / abs(position.cost)

    @property
    def distance(self) -> Decimal | None:
        """Liquidation price over what it is a price of, less one: the mark, or the underlying.

        `None` where the unit is liquidatable: the way to health is no room.
        """
        if self.recovers:
            return None
        now = self.liquidation.underlying or self.held.mark_price
        return distance_of(self.liquidation.value, now)

    @property
    def sigmas(self) -> float | None:
        """The distance in standard deviations of its coin; `None` where that is not at hand."""
        return in_sigmas(self.distance, self.deviation) if self.deviation else None

    @property
    def naive_distance(self) -> Decimal | None:
        """Naive price over mark, less one; `None` where the unit is liquidatable."""
        if self.recovers:
            return None
        return distance_of(self.naive, self.held.mark_price)

    @property
    def is_misleading(self) -> bool:
        """Whether the naive distance differs materially from the true one."""
        if self.naive is None:
            return False
        naive, true = self.naive_distance, self.distance
        return naive is not None and true is not None and abs(naive - true) > MISLEADING

    def price_text(self, money: Callable[[Decimal], str]) -> str:
        """Return the price, or the word for its state; one of recovery says that it is one."""
        value = self.liquidation.value
        if value is None:
            return self.liquidation.status.value
        return f"healthy {money(value)}" if self.recovers else money(value)
