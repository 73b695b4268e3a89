"""Rows and whole numbers of an event as names and text."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from keelmark.core.codes import Leg
from keelmark.core.errors import UnknownUnit
from keelmark.engine.events import AccountOpened, IsolatedOpened
from keelmark.engine.state import State
from keelmark.service.times import iso_time
from keelmark.service.views import figures
from keelmark.service.views.names import Roster

Json = dict[str, Any]
HUNDRED = 100
TRILLION = Decimal(10) ** 12
MILLION = Decimal(10) ** 6


class Namer:
    """Writes rows as names; one for each state, it keeps up with it.

    Args:
        state: The present state.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._roster = Roster()
        self._in_house = {unit: name for name, unit in state.book.in_house.items()}
        self._owners: dict[int, int] = {}
        self._opened: dict[int, str] = {}

    def learn(self, event: Any) -> None:  # noqa: ANN401 an event
        """Take note of an account or unit that the state may not show yet."""
        if isinstance(event, AccountOpened | IsolatedOpened):
            self._owners[event.unit] = event.account
        if isinstance(event, AccountOpened) and event.name:
            self._opened[event.account] = event.name

    def account(self, number: int) -> str | int:
        """Return the name of an account, or its number if it has none."""
        name = self._roster.of(self.state).get(number) or self._opened.get(number)
        return number if name is None else name

    def unit(self, unit: int, prefix: str = "") -> Json:
        """Return a unit and its account; of the venue's own the name, and no account."""
        house = self._in_house.get(unit)
        if house is not None:
            return {f"{prefix}account": None, f"{prefix}unit": house}
        owner = self._owner(unit)
        name = self.account(owner) if owner is not None else None
        return {f"{prefix}account": name, f"{prefix}unit": unit}

    def units(self, units: Iterable[int]) -> list[Json]:
        """Return several units."""
        return [self.unit(unit) for unit in units]

    def _owner(self, unit: int) -> int | None:
        """Return the account of a unit; nothing where the state does not know it yet."""
        owner = self._owners.get(unit)
        if owner is None:
            try:
                return self.state.book.account_of(unit)
            except UnknownUnit:
                return None
        return owner

    def asset(self, row: int) -> str | None:
        """Return an asset; nothing where none is meant (-1)."""
        return self.state.universe.assets[row] if row >= 0 else None

    def instrument(self, row: int) -> str | None:
        """Return an instrument; nothing where all are meant (-1)."""
        return self.state.universe.symbols[row] if row >= 0 else None

    def factor(self, row: int) -> Json:
        """Return which price a row of the price column is."""
        factor = self.state.universe.factors[row]
        return {"price_kind": factor.kind.value, "price_of": factor.name}

    def money(self, asset: int, quanta: int) -> str:
        """Return quanta as an amount."""
        return figures.money(self.state.universe, asset, quanta)

    def cash(self, asset: int, quanta: int) -> Json:
        """Return an amount with its asset."""
        return {"asset": self.asset(asset), "amount": self.money(asset, quanta)}

    def settle(self, instrument: int) -> int:
        """Return the row of the asset an instrument settles in."""
        return figures.settle_row(self.state.universe, instrument)

    def worth(self, instrument: int, quanta: int) -> str:
        """Return quanta of an instrument's settle asset as an amount."""
        return self.money(self.settle(instrument), quanta)

    def size(self, instrument: int, lots: int) -> str:
        """Return lots as a size."""
        return figures.text(figures.size(self.state.universe, instrument, lots))

    def price(self, instrument: int, ticks: int | None) -> str | None:
        """Return ticks as a price; nothing where there was none (0)."""
        if not ticks:
            return None
        return figures.text(figures.tick_price(self.state.universe, instrument, ticks))


def leg(code: int) -> str:
    """Return the name of a leg."""
    return Leg(code).name.lower()


def leverage(hundredths: int) -> str | None:
    """Return a leverage; nothing where it stayed what it was (0)."""
    return figures.text(Decimal(hundredths) / HUNDRED) if hundredths else None


def rate(parts: int) -> str:
    """Return parts per trillion as a fraction."""
    return figures.text(Decimal(parts) / TRILLION)


def usage(parts: int) -> str | None:
    """Return parts per million as a fraction; nothing where there is none (0)."""
    return figures.text(Decimal(parts) / MILLION) if parts else None


def instant(time_ms: int) -> str | None:
    """Return an instant; nothing where there is none (0)."""
    return iso_time(time_ms) if time_ms else None
