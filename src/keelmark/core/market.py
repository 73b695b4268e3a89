"""One snapshot of every number a margin formula reads that no command to the account changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from keelmark.core.errors import InvalidMark, MissingMarkPrice, nearest
from keelmark.core.numbers import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Prices at one instant.

    Attributes:
        marks: Mark price by instrument, quote per base; of options, the premium.
        indices: Index price by index name.
        asset_prices: Price of each asset in the rulebook's valuation currency.
        open_interest: Open interest by instrument, in settle notional.
        forwards: Price of the underlying for an option's expiry, by option.
        volatilities: Implied volatility by option, annual fraction, where the venue gives one.
        stand_ins: Assets whose price nobody gave, with the instrument whose mark stands for it.
        time: Of the snapshot, UTC; options need it to know their time to expiry.
        snapshot_id: Names the snapshot in messages and workings.
        advice: What to do about a missing price; `{name}` stands for it.
    """

    marks: Mapping[str, Decimal] = field(default_factory=dict)
    indices: Mapping[str, Decimal] = field(default_factory=dict)
    asset_prices: Mapping[str, Decimal] = field(default_factory=dict)
    open_interest: Mapping[str, Decimal] = field(default_factory=dict)
    forwards: Mapping[str, Decimal] = field(default_factory=dict)
    volatilities: Mapping[str, Decimal] = field(default_factory=dict)
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    time: datetime | None = None
    snapshot_id: str = "as given"
    advice: str = "add it to the feed or close what depends on it"

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price of an instrument.

        Raises:
            MissingMarkPrice: The snapshot does not hold it.
            InvalidMark: It is not a positive finite number.
        """
        return self._price(self.marks, symbol, "mark price")

    def premium(self, symbol: str) -> Decimal:
        """Return the mark price of an option, which may be zero; raises as `mark`."""
        price = self.marks.get(symbol)
        return ZERO if price is not None and price == ZERO else self.mark(symbol)

    def forward(self, symbol: str) -> Decimal:
        """Return the price of an option's underlying for its expiry; raises as `mark`."""
        return self._price(self.forwards, symbol, "price of the underlying")

    def index(self, name: str) -> Decimal:
        """Return an index price; raises as `mark`."""
        return self._price(self.indices, name, "index price")

    def asset_price(self, asset: str) -> Decimal:
        """Return the price of an asset in the valuation currency; raises as `mark`."""
        return self._price(self.asset_prices, asset, "asset price")

    def _price(self, prices: Mapping[str, Decimal], name: str, what: str) -> Decimal:
        price = prices.get(name)
        if price is None:
            known = f"{nearest(name, prices)}; " if prices else ""
            advice = self.advice.replace("{name}", name)
            msg = f"no {what} for {name} in snapshot {self.snapshot_id}; {known}{advice}"
            raise MissingMarkPrice(msg)
        if not (price.is_finite() and price > ZERO):
            msg = f"{what} of {name} in snapshot {self.snapshot_id} is {price}; it must be positive"
            raise InvalidMark(msg)
        return price
