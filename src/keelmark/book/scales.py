"""Integer scales as dated data: what one lot, one tick and one quantum are.

Outside, sizes, prices and amounts are decimals; in the columns they are whole numbers of lots,
ticks and quanta. What is off the grid is refused, never rounded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.core.errors import OutOfScale
from keelmark.core.numbers import ONE, exact, to_units


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetScale:
    """The grid of an asset.

    Attributes:
        asset: Name.
        quantum: Smallest amount the book holds, in units of the asset.
    """

    asset: str
    quantum: Decimal

    def __post_init__(self) -> None:
        require_positive(f"{self.asset}: quantum", self.quantum)

    def quanta(self, amount: Decimal) -> int:
        """Return an amount as quanta.

        Raises:
            OutOfScale: The amount is off the grid or out of bounds.
        """
        return on_grid(f"{self.asset} amount", amount, self.quantum, AMOUNT_LIMIT)

    def amount(self, quanta: int) -> Decimal:
        """Return quanta as an amount of the asset."""
        with exact():
            return quanta * self.quantum


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentScale:
    """The grid of an instrument, and its value per lot and tick in whole settle quanta.

    Linear value: `size * contract_size * multiplier * price`; inverse: the same with `/ price` and
    a minus sign.

    Attributes:
        instrument: Name.
        settle: Scale of the settle asset.
        lot: Smallest size, in the venue's unit of size (base units or contracts).
        price_unit: Smallest price step, quote per base.
        contract_size: Base (inverse: quote) per unit of size.
        multiplier: Further factor of the value.
        inverse: Settled in the base coin.
        since: First day the venue used it.
    """

    instrument: str
    settle: AssetScale
    lot: Decimal
    price_unit: Decimal
    contract_size: Decimal = ONE
    multiplier: Decimal = ONE
    inverse: bool = False
    since: date = date.min

    def __post_init__(self) -> None:
        for name in ("lot", "price_unit", "contract_size", "multiplier"):
            require_positive(f"{self.instrument}: {name}", getattr(self, name))
        with exact():
            grid = self.value_per_lot / self.settle.quantum
            grid = grid / self.price_unit if self.inverse else grid * self.price_unit
        if grid != int(grid) or not 1 <= grid <= AMOUNT_LIMIT:
            raise OutOfScale(self._grid_text(grid))

    @property
    def value_per_lot(self) -> Decimal:
        """Settle asset per lot at price 1 (inverse: quote per lot)."""
        with exact():
            return self.lot * self.contract_size * self.multiplier

    @property
    def unit_value(self) -> int:
        """Linear: settle quanta per lot and tick; inverse: settle quanta * ticks per lot."""
        with exact():
            whole = self.value_per_lot / self.settle.quantum
            return int(whole / self.price_unit if self.inverse else whole * self.price_unit)

    @property
    def value_scale(self) -> float:
        """Settle quanta per lot and 1.0 of price (inverse: quanta * price per lot)."""
        with exact():
            return float(self.value_per_lot / self.settle.quantum)

    def lots(self, size: Decimal) -> int:
        """Return a signed size as lots.

        Raises:
            OutOfScale: The size is off the grid or out of bounds.
        """
        return on_grid(f"{self.instrument} size", size, self.lot, SIZE_LIMIT)

    def size(self, lots: int) -> Decimal:
        """Return lots as a signed size."""
        with exact():
            return lots * self.lot

    def ticks(self, price: Decimal) -> int:
        """Return a price as ticks.

        Raises:
            OutOfScale: The price is off the grid, not positive, or out of bounds.
        """
        require_positive(f"{self.instrument} price", price)
        return on_grid(f"{self.instrument} price", price, self.price_unit, SIZE_LIMIT)

    def price(self, ticks: int) -> Decimal:
        """Return ticks as a price."""
        with exact():
            return ticks * self.price_unit

    def columns(self) -> Mapping[str, int | float]:
        """Return the fields of an `INSTRUMENT` record that the scale decides."""
        return {
            "unit_value": self.unit_value,
            "inverse": int(self.inverse),
            "price_unit": float(self.price_unit),
            "value_scale": self.value_scale,
        }

    def _grid_text(self, grid: Decimal) -> str:
        product = "lot * contract_size * multiplier"
        formula = f"{product} / price_unit" if self.inverse else f"{product} * price_unit"
        return (
            f"{self.instrument}: {formula} is {grid} quanta of {self.settle.quantum} "
            f"{self.settle.asset}; it must be a whole number from 1 to {AMOUNT_LIMIT}: "
            "choose a finer quantum, or a coarser lot or price unit"
        )


def scale_on(scales: Iterable[InstrumentScale], day: date) -> InstrumentScale:
    """Return the scale of one instrument that was in force on a day.

    Raises:
        OutOfScale: None of them had begun.
    """
    history = sorted(scales, key=lambda scale: scale.since)
    begun = [scale for scale in history if scale.since <= day]
    if not begun:
        first = f"; the first begins on {history[0].since}" if history else ""
        msg = f"no scale is in force on {day}{first}: add the older scale of the instrument"
        raise OutOfScale(msg)
    return begun[-1]


def require_positive(name: str, value: Decimal) -> None:
    """Refuse a scale or price that is zero, negative or not finite."""
    if not (value.is_finite() and value > 0):
        msg = f"{name} is {value}; it must be a finite number above zero"
        raise OutOfScale(msg)


def on_grid(name: str, value: Decimal, unit: Decimal, limit: int) -> int:
    """Return `value` in whole units, or say why it has none."""
    count = to_units(value, unit) if value.is_finite() else None
    if count is None:
        msg = f"{name} {value} is not a multiple of {unit}; round it to the grid first"
        raise OutOfScale(msg)
    if abs(count) > limit:
        msg = (
            f"{name} {value} is {count} units of {unit}; at most {limit} fit: use a coarser unit, "
            "or split it"
        )
        raise OutOfScale(msg)
    return count
