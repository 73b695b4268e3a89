"""The whole fleet of one moment as an engine's state, for questions the engine itself asks of it.

A state in another process has no columns of its own; a glimpse has nothing else. Together they are
what the engine would see: candidates of auto-deleveraging, totals, the equity of the backstop.
"""

from copy import copy
from dataclasses import dataclass

from keelmark.book.book import Book
from keelmark.book.kernels.blocks import Rows
from keelmark.engine.state import State
from keelmark.lab.fleet.glimpse import Glimpse


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Rows of a table, read only: what `book.tables.BlockTable` shows of itself."""

    rows: Rows
    used: int


class _Columns(Book):
    """The columns of a glimpse as a book; only what reads them works."""

    def __init__(self, glimpse: Glimpse, state: State) -> None:
        tables = glimpse.tables
        self.parameters = state.parameters()
        self.positions = _Table(tables.positions, glimpse.positions)  # type: ignore[assignment]  # read only
        self.balances = _Table(tables.balances, len(tables.balances))  # type: ignore[assignment]  # read only
        self.vault = list(state.book.vault)
        self.accounts_count = state.book.accounts_count
        self.units_count = glimpse.units
        self.in_house = state.book.in_house
        self._rows = tables.units

    @property
    def units(self) -> Rows:
        """The `UNIT` records."""
        return self._rows


def state_of(glimpse: Glimpse, state: State) -> State:
    """Return a state whose columns and prices are those of a glimpse, and whose notes are present.

    Nothing may be applied to it.
    """
    found = copy(state)
    found.book = _Columns(glimpse, state)
    found.universe = glimpse.universe
    found.prices = glimpse.tables.prices
    found.time_ms = glimpse.time_ms
    found._market, found._reports = None, {}  # noqa: SLF001 the original keeps what it knows
    return found
