"""Rows, lots, ticks and quanta of a replay as people read them, exact."""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.codes import UnitKind
from keelmark.core.numbers import exact
from keelmark.engine.state import State
from keelmark.lab.population.values import Population
from keelmark.lab.replay.run import Replay

PRICE_DIGITS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Decodes what the engine numbers.

    Attributes:
        state: The engine's state.
        population: Whose accounts are in it, numbered alike.
        isolated: Instrument row of each isolated unit, by engine unit.
    """

    state: State
    population: Population
    isolated: dict[int, int]

    def account(self, unit: int) -> str:
        """Return the account of a unit, as `directional-12`; the name of an in-house unit."""
        account = int(self.state.book.units["account"][unit])
        return self.population.account_name(account) if account >= 0 else self._in_house(unit)

    def unit(self, unit: int) -> str:
        """Return which unit of its account it is: `cross`, `isolated BTCUSDT`, or in-house."""
        kind = self.state.book.units["kind"][unit]
        if kind == UnitKind.IN_HOUSE:
            return "in-house"
        if kind == UnitKind.CROSS:
            return "cross"
        row = self.isolated.get(unit)
        return "isolated" if row is None else f"isolated {self.symbol(row)}"

    def _in_house(self, unit: int) -> str:
        return self.state.book.unit_name(unit)

    def symbol(self, instrument: int) -> str:
        """Return an instrument's symbol."""
        return self.state.universe.symbols[instrument]

    def asset(self, asset: int) -> str:
        """Return an asset's name."""
        return self.state.universe.assets[asset]

    def amount(self, asset: int, quanta: int) -> Decimal:
        """Return quanta of an asset as an amount."""
        with exact():
            return quanta * self.state.universe.quantum(asset)

    def money(self, instrument: int, quanta: int) -> Decimal:
        """Return quanta of an instrument's settle asset as an amount."""
        return self.amount(self.state.settle_of(instrument), quanta)

    def size(self, instrument: int, lots: int) -> Decimal:
        """Return signed lots as a size."""
        with exact():
            return lots * self.state.universe.instrument(instrument).lot

    def price(self, instrument: int, ticks: int) -> Decimal:
        """Return a price in ticks as a price."""
        with exact():
            return ticks * self.state.universe.instrument(instrument).price_unit

    def average_price(self, instrument: int, lots: int, value: int) -> Decimal | None:
        """Return the price at which lots have a signed value; `None` if no price has it.

        It need not lie on a tick; ten digits are kept.
        """
        contract = self.state.universe.instrument(instrument)
        with exact():
            price = contract.price_at(self.money(instrument, value) / self.size(instrument, lots))
        return None if price is None else rounded(price)


def rounded(price: Decimal) -> Decimal:
    """Return a price to ten significant digits, without an exponent."""
    with exact():
        digits = PRICE_DIGITS - 1 - price.adjusted()
        return price.quantize(Decimal(1).scaleb(-max(0, digits)))


def names_of(replay: Replay) -> Names:
    """Return the names of a replay."""
    population = replay.population
    isolated = population.units["kind"] == UnitKind.ISOLATED
    rows = population.positions
    held = rows[isolated[rows["unit"]]]
    units = replay.stage.units[held["unit"]].tolist()
    first = dict(zip(reversed(units), reversed(held["instrument"].tolist()), strict=True))
    return Names(replay.state, population, first)
