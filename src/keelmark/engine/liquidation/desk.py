"""What every stage of the waterfall works with: the state, the market, and a way to make facts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keelmark.book.kernels.holders import CLAIM, claims_kernel
from keelmark.engine.adl.policies import QUEUES
from keelmark.engine.events import Event
from keelmark.engine.execution import ExecutionVenue
from keelmark.engine.liquidation.holders import Holders, Sided, is_known
from keelmark.engine.losses import Claims
from keelmark.engine.state import State


@dataclass(slots=True)
class Desk:
    """The liquidation desk.

    Attributes:
        state: The engine's state; changed only through `emit`.
        market: Where orders are sold.
        emit: Applies an event and writes it down.
        holders: Candidates by instrument and side, as far as they are known at this snapshot.
    """

    state: State
    market: ExecutionVenue
    emit: Callable[[Event], None]
    holders: Holders

    def candidates(self, instrument: int, side: int, loss_per_lot: float, lots: int) -> Sided:
        """Return who can be closed against on one side: of a queue its head, else everybody.

        Args:
            instrument: Row of the instrument.
            side: Side the candidates hold, +1 longs, -1 shorts.
            loss_per_lot: Settle quanta each loses against the mark on a lot.
            lots: Lots to be closed.
        """
        score = QUEUES.get(self.state.rules.deleverage)
        if score is None:
            return self.holders.candidates(self.state, instrument, side, loss_per_lot)
        return self.holders.head(self.state, (instrument, side), loss_per_lot, lots, score)

    def claims(self, asset: int, instrument: int, payee: int) -> Claims:
        """Return what a loss in `asset` may be charged to; never the unit that is paid."""
        rows = np.zeros(self.state.book.units_count, CLAIM)
        claims_kernel(asset, instrument, self.state.tables(), rows)
        free = np.floor(np.minimum(rows["free"], 2.0**62)).astype(np.int64)
        free[payee] = 0
        usable = np.flatnonzero(free > 0)
        if self.state.untrusted:
            usable = usable[is_known(self.state, usable)]
        chosen = rows[usable]
        return Claims(
            unit=usable.astype(np.int64),
            profit=np.floor(chosen["profit"]).astype(np.int64),
            open_interest=chosen["lots"].astype(np.int64),
            withdrawable=np.minimum(chosen["cash"], free[usable]),
            cap=free[usable],
        )
