"""The columns as they were at a moment, kept to be asked later."""

from dataclasses import dataclass, replace

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
        position: Journal position, where whoever took it knows it.
        vault: Quanta by asset that the outside has paid in less what it took out, then; `None`
            where whoever took it does not know.
        untrusted: Price rows that are not believed, or never came.
    """

    time_ms: int
    tables: Tables
    universe: Universe
    moving: Bools
    first_unit: int
    units: int
    positions: int
    position: int | None = None
    vault: tuple[int, ...] | None = None
    untrusted: frozenset[int] = frozenset()

    @classmethod
    def of(cls, state: State, first_unit: int, position: int | None = None) -> "Glimpse":
        """Return the present moment; it is gone with the next event."""
        return cls(
            time_ms=state.time_ms,
            tables=state.tables(),
            universe=state.universe,
            moving=moving_factors(state.universe),
            first_unit=first_unit,
            units=state.book.units_count,
            positions=state.book.positions.used,
            position=position,
            vault=tuple(state.book.vault),
            untrusted=frozenset(state.untrusted),
        )

    def kept(self) -> "Glimpse":
        """Return the same for later: what events write is copied."""
        tables = self.tables
        written = {name: getattr(tables, name).copy() for name in WRITTEN}
        return replace(self, tables=tables._replace(**written))


WRITTEN = ("units", "positions", "balances", "prices")
"""Columns that events write; the others change with the rulebook alone, which a replay keeps."""


def moving_factors(universe: Universe) -> Bools:
    """Return which price rows move in a joint move: marks, and assets that marks price."""
    bases = {terms.instrument.base for terms in universe.model.instruments.values()}
    symbols = set(universe.symbols)
    names = [f.name in symbols or f.name in bases for f in universe.factors]
    return np.array([*names, False])
