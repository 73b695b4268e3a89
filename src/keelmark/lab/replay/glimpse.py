"""The columns as they were at a moment, kept to be asked later."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Tables
from keelmark.book.universe import Universe
from keelmark.engine.state import State

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """What questions about who falls next read.

    Attributes:
        time_ms: When.
        tables: The columns.
        universe: What their rows are.
        moving: Which price rows move in a joint move: marks, and assets that marks price.
        first_unit: The first unit of a client.
        units: Number of units.
        positions: Rows of positions in use.
    """

    time_ms: int
    tables: Tables
    universe: Universe
    moving: Bools
    first_unit: int
    units: int
    positions: int

    @classmethod
    def of(cls, state: State, first_unit: int) -> "Glimpse":
        """Return the present moment; it is gone with the next event."""
        return cls(
            time_ms=state.time_ms,
            tables=state.tables(),
            universe=state.universe,
            moving=_moving_factors(state),
            first_unit=first_unit,
            units=state.book.units_count,
            positions=state.book.positions.used,
        )

    def kept(self) -> "Glimpse":
        """Return the same for later: what events write is copied."""
        tables = self.tables
        written = {name: getattr(tables, name).copy() for name in WRITTEN}
        return Glimpse(
            time_ms=self.time_ms,
            tables=tables._replace(**written),
            universe=self.universe,
            moving=self.moving,
            first_unit=self.first_unit,
            units=self.units,
            positions=self.positions,
        )


WRITTEN = ("units", "positions", "balances", "prices")
"""Columns that events write; the others change with the rulebook alone, which a replay keeps."""


def _moving_factors(state: State) -> Bools:
    bases = {terms.instrument.base for terms in state.model.instruments.values()}
    symbols = set(state.universe.symbols)
    names = [f.name in symbols or f.name in bases for f in state.universe.factors]
    return np.array([*names, False])
