"""What every stage of the waterfall works with: the state, the market, and a way to make facts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from keelmark.book.kernels.holders import CLAIM, claims_kernel
from keelmark.engine.adl.policies import QUEUES
from keelmark.engine.apply import Touched
from keelmark.engine.events import Event
from keelmark.engine.execution import Execution, ExecutionVenue, LiquidationOrder
from keelmark.engine.liquidation import by_core
from keelmark.engine.liquidation.holders import Holders, Sided, is_known
from keelmark.engine.losses import Claims
from keelmark.engine.order_events import OrderSent
from keelmark.engine.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Whose order it is and why it is sent; fields as those of `OrderSent`."""

    unit: int
    leg: int
    reason: str
    case: int = 0
    protection: int | None = None
    is_cut: bool = False
    is_limited: bool = False


@dataclass(slots=True)
class Desk:
    """The liquidation desk.

    Attributes:
        state: The engine's state; changed only through `emit`.
        market: Where orders are sold.
        emit: Applies an event and writes it down.
        holders: Candidates by instrument and side, as far as they are known at this snapshot.
        moved: Units with working orders whose rows have changed.
    """

    state: State
    market: ExecutionVenue
    emit: Callable[[Event], None]
    holders: Holders
    moved: set[int] = field(default_factory=set)

    def note(self, touched: Touched) -> None:
        """Remember what an event touched."""
        self.holders.note(touched)
        working = self.state.working
        if len(working):
            self.moved |= {unit for unit in touched.units.tolist() if working.has(unit)}

    def sell(self, order: LiquidationOrder, offer: Offer) -> Execution:
        """Have an order filled, or send it out where that is done outside: nothing is filled yet.

        An order that goes out does so once a lot: the caller asks for free lots alone.
        """
        terms = self.state.external
        if terms is None:
            return self.market.execute(order)
        self.emit(
            OrderSent(
                order=self.state.working.sent + 1,
                case=offer.case,
                unit=offer.unit,
                instrument=order.instrument,
                leg=offer.leg,
                lots=order.lots,
                limit_ticks=order.limit_ticks,
                mark_ticks=order.mark_ticks,
                time_ms=order.time_ms,
                expires_ms=order.time_ms + terms.time_out_ms,
                reason=offer.reason,
                protection=offer.protection,
                is_cut=offer.is_cut,
                is_limited=offer.is_limited,
            ),
        )
        return Execution(lots=0, ticks=order.mark_ticks)

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
        """Return what a loss in `asset` may be charged to; never the unit that is paid.

        A charge may turn a balance into a debt: it counts at the steepest line of the collateral.
        """
        state = self.state
        rows = np.zeros(state.book.units_count, CLAIM)
        claims_kernel(asset, instrument, state.tables(), rows)
        spare = rows["free"]
        spare[payee] = 0.0
        ordered = [unit for unit in state.orders if state.counts_orders_of(unit)]
        spare[ordered] = np.where(spare[ordered] > 0.0, np.nan, spare[ordered])
        usable = np.flatnonzero(~(spare <= 0.0))
        if state.untrusted:
            usable = usable[is_known(state, usable)]
        for unit in usable[np.isnan(spare[usable])].tolist():
            spare[unit] = by_core.free(state, asset, unit)
        spare /= float(state.steepest(state.universe.assets[asset]))
        usable = usable[spare[usable] >= 1.0]
        chosen = rows[usable]
        free = np.floor(np.minimum(chosen["free"], 2.0**62)).astype(np.int64)
        return Claims(
            unit=usable.astype(np.int64),
            profit=np.floor(chosen["profit"]).astype(np.int64),
            open_interest=chosen["lots"].astype(np.int64),
            withdrawable=np.minimum(chosen["cash"], free),
            cap=free,
        )
