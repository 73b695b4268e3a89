"""Orders meet the traded price, not the mark: in a crash the market is below a smoothed mark.

The engine decides on marks; what it sells is filled around the last trade of that second, displaced
by what was sold before. A limit that the traded price has passed fills nothing.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.engine.execution import Execution, LiquidationOrder, SimulatedMarket

Int64s = npt.NDArray[np.int64]


class TradedMarket:
    """A simulated order book around a path of traded prices.

    Attributes:
        book: The impact books.
    """

    def __init__(self, book: SimulatedMarket, times_ms: Int64s, ticks: Int64s) -> None:
        self.book = book
        self._times_ms, self._ticks = times_ms, ticks

    def traded(self, order: LiquidationOrder) -> int:
        """Return the last traded price at the order's time, in ticks."""
        row = int(np.searchsorted(self._times_ms, order.time_ms, side="right")) - 1
        return int(self._ticks[max(row, 0), order.instrument])

    def execute(self, order: LiquidationOrder) -> Execution:
        """Fill an order around the traded price."""
        return self.book.execute(replace(order, mark_ticks=self.traded(order)))

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Displace the book by a fill that happened before."""
        self.book.observe(order, execution)

    def memory(self) -> list[Any]:
        """Return the state of the books."""
        return self.book.memory()

    def restore(self, memory: list[Any]) -> None:
        """Take over a state that `memory` returned."""
        self.book.restore(memory)
