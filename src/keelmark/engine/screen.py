"""Ask the kernels whether a unit that might be surely keeps its initial margin.

The screen only ever says yes for sure. Whoever it does not clear is asked in `core`, so no decision
depends on it (docs/decisions/0029-batches-are-screened.md).
"""

import numpy as np
import numpy.typing as npt

from keelmark.book.initial import initial_tables
from keelmark.book.kernels.initial import may_leave, may_open
from keelmark.book.kernels.margin import Tables
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.book.universe import Universe
from keelmark.book.views import UnitView
from keelmark.core.codes import UnitKind

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.void]

ROOM = 16
"""Rows of a unit there is room for at first."""


class Screen:
    """The initial terms of a universe, and room for one unit.

    Attributes:
        initial: Initial terms as kernels read them.
        level: Multiple of maintenance that must be kept too: where a liquidation ends.
        lets_profit_leave: Whether unrealised profit counts when money leaves.
        knows_leaving: Whether the kernels know everything that must stay then.
    """

    def __init__(self, universe: Universe) -> None:
        model = universe.model
        self.initial = initial_tables(universe)
        self.level = max(1.0, float(model.liquidation_end))
        self.lets_profit_leave = model.withdraw_profit
        self.knows_leaving = not model.withdraw_notional
        self._in_full = model.isolated_in_full
        self._universe = universe
        self._units: Rows = np.zeros(1, UNIT)
        self._positions: Rows = np.zeros(ROOM, POSITION)
        self._balances: Rows = np.zeros(ROOM, BALANCE)

    def keeps(self, view: UnitView, prices: Floats, *, leaving: bool) -> bool:
        """Whether a unit without orders surely keeps its initial margin.

        Args:
            view: The unit as it would be; every price it reads is trusted.
            prices: The price column.
            leaving: Whether money leaves it: unrealised profit then counts where it may leave.
        """
        if leaving and not self.knows_leaving:
            return False
        if self._in_full and view.kind is UnitKind.ISOLATED:
            return False
        try:
            tables = self._tables(view, prices)
        except OverflowError:
            return False
        ask = may_leave if leaving and not self.lets_profit_leave else may_open
        return bool(ask(0, self.level, tables, self.initial))

    def _tables(self, view: UnitView, prices: Floats) -> Tables:
        """Return tables that hold the unit alone; raises `OverflowError` if it does not fit."""
        positions, balances = len(view.positions), len(view.balances)
        if positions > len(self._positions):
            self._positions = np.zeros(2 * positions, POSITION)
        if balances > len(self._balances):
            self._balances = np.zeros(2 * balances, BALANCE)
        self._units[0] = (view.account, 0, 0, positions, balances, 0, 0, view.kind, view.status)
        for at, p in enumerate(view.positions):
            self._positions[at] = (p.lots, p.cost, p.instrument, p.leverage, p.leg, 0)
        for at, (asset, quanta) in enumerate(view.balances.items()):
            self._balances[at] = (quanta, asset, 0)
        universe = self._universe
        return Tables(
            units=self._units,
            positions=self._positions,
            balances=self._balances,
            instruments=universe.instruments,
            tiers=universe.tiers,
            assets=universe.asset_rows,
            segments=universe.segments,
            prices=prices,
        )
