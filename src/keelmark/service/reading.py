"""What the service reads from: one interface, over an engine here or its columns elsewhere.

Whatever a reader answers is exact and is what the journal holds at one position: never half of a
command, never a unit of one moment with prices of another. Two calls may answer of two positions;
`read` answers about several units of one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from keelmark.book.views import UnitView
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.unit import MarginUnit
from keelmark.engine.engine import Engine
from keelmark.engine.state import State
from keelmark.lab.fleet.glimpse import Glimpse

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Units of one moment.

    Attributes:
        position: Journal position.
        time_ms: The clock there.
        market: Prices there.
        model: Margin terms there.
        views: What the book holds of each unit asked about, in the order asked.
        units: The same as `core` reads them, with open orders and accrued interest.
    """

    position: int
    time_ms: int
    market: Market
    model: MarginModel
    views: tuple[UnitView, ...]
    units: tuple[MarginUnit, ...]

    def report(self, place: int = 0) -> MarginReport:
        """Return the exact margin of the unit at a place of `units`."""
        return margin_report(self.units[place], self.market, self.model)


class Reader(Protocol):
    """Reads what is durable; changes nothing."""

    @property
    def position(self) -> int:
        """Journal position of what is read now."""

    @property
    def time_ms(self) -> int:
        """The clock there."""

    @property
    def state(self) -> State:
        """The state there.

        Of its book read units (`unit_view`, `balance`, `lots`, `units_of`), counts, names and
        vault; columns of the fleet come from `fleet`: a state in another process has none.
        """

    @property
    def prices(self) -> Floats:
        """A copy of the price column there; the last row is time."""

    def view(self, unit: int) -> UnitView:
        """Return a unit as plain values.

        Raises:
            UnknownUnit: It was never opened.
        """

    def report(self, unit: int) -> MarginReport:
        """Return a unit's exact margin.

        Raises:
            UnknownUnit: It was never opened.
        """

    def read(self, units: Iterable[int]) -> Reading:
        """Return several units of one moment, and the market there.

        Raises:
            UnknownUnit: One was never opened.
        """

    def fleet(self, max_age_s: float = 1.0) -> Glimpse:
        """Return every unit of one moment, at most so old, for passes over the fleet.

        It is the reader's own and stays as it is until `fleet` is called again: ask for it, and
        use it, on one thread (a worker's: it may take a good part of a second), or keep a copy
        (`Glimpse.kept`).
        """


class EngineReader:
    """Reads an engine of this process, between its commands."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def position(self) -> int:
        """Journal position of the engine."""
        return self._engine.position

    @property
    def time_ms(self) -> int:
        """The engine's clock."""
        return self.state.time_ms

    @property
    def state(self) -> State:
        """The engine's state."""
        return self._engine.state

    @property
    def prices(self) -> Floats:
        """A copy of the price column."""
        return self.state.prices.copy()

    def view(self, unit: int) -> UnitView:
        """Return a unit as plain values."""
        return self.state.book.unit_view(unit)

    def report(self, unit: int) -> MarginReport:
        """Return a unit's exact margin."""
        return self.state.report(self.state.book.known(unit))

    def read(self, units: Iterable[int]) -> Reading:
        """Return several units and the market."""
        return reading_of(self.state, self.position, map(self.view, units))

    def fleet(self, max_age_s: float = 1.0) -> Glimpse:  # noqa: ARG002 it is always of now
        """Return a copy of the columns as they are now."""
        state = self.state
        return Glimpse.of(state, len(state.book.in_house), self.position).kept()


def reading_of(state: State, position: int, views: Iterable[UnitView]) -> Reading:
    """Return views of a state as a reading."""
    seen = tuple(views)
    return Reading(
        position=position,
        time_ms=state.time_ms,
        market=state.market,
        model=state.model,
        views=seen,
        units=tuple(state.plain(view) for view in seen),
    )


__all__ = ["EngineReader", "Reader", "Reading", "reading_of"]
