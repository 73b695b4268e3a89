"""What every stage of the waterfall works with: the state, the market, and a way to make facts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keelmark.book.kernels.holders import (
    CLAIM,
    HOLDER,
    Int32s,
    Rows,
    claims_kernel,
    closable_kernel,
    holders_kernel,
)
from keelmark.core.codes import UnitStatus
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.events import Event
from keelmark.engine.execution import ExecutionVenue
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
    holders: "Holders"

    def candidates(self, instrument: int, side: int, loss_per_lot: float) -> "Sided":
        """Return who can be closed against on one side (+1 longs, -1 shorts).

        Args:
            instrument: Row of the instrument.
            side: Side the candidates hold.
            loss_per_lot: Settle quanta each loses against the mark on a lot.
        """
        return self.holders.candidates(self.state, instrument, side, loss_per_lot)

    def claims(self, asset: int, instrument: int, payee: int) -> Claims:
        """Return what a loss in `asset` may be charged to; never the unit that is paid."""
        rows = np.zeros(self.state.book.units_count, CLAIM)
        claims_kernel(asset, instrument, self.state.tables(), rows)
        free = np.floor(np.minimum(rows["free"], 2.0**62)).astype(np.int64)
        free[payee] = 0
        usable = np.flatnonzero(free > 0)
        chosen = rows[usable]
        return Claims(
            unit=usable.astype(np.int64),
            profit=np.floor(chosen["profit"]).astype(np.int64),
            open_interest=chosen["lots"].astype(np.int64),
            withdrawable=np.minimum(chosen["cash"], free[usable]),
            cap=free[usable],
        )


@dataclass(frozen=True, slots=True)
class Sided:
    """Candidates with the leg each of them holds."""

    candidates: Candidates
    legs: Rows


class Holders:
    """Remembers who holds which side while prices stand still.

    A scan of the fleet is made once a snapshot for each side that is needed; units that changed
    since are looked at again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Rows] = {}
        self._stale: dict[tuple[int, int], set[int]] = {}

    def forget(self) -> None:
        """Prices have moved: nothing is known any more."""
        self._known.clear()
        self._stale.clear()

    def touched(self, units: Int32s) -> None:
        """Units have changed."""
        for stale in self._stale.values():
            stale.update(units.tolist())

    def candidates(self, state: State, instrument: int, side: int, loss: float) -> Sided:
        """Return the candidates of a side, in rising unit order."""
        rows = self._rows(state, instrument, side)
        closable = np.zeros(len(rows), np.int64)
        steepest = _steepest(state, instrument)
        closable_kernel(instrument, loss, steepest, state.tables(), rows, closable)
        value = _lot_value(state, instrument)
        kept = closable > 0
        rows, closable = rows[kept], closable[kept]
        lots = rows["lots"].astype(np.int64)
        candidates = Candidates(
            unit=rows["unit"].astype(np.int64),
            closable=closable,
            lots=lots,
            pnl=lots * value - rows["cost"],
            equity=rows["equity"].copy(),
            notional_total=rows["notional"].copy(),
            entry_value=rows["cost"] / lots,
            mark_value=np.full(len(rows), value),
            maintenance=rows["maintenance"].copy(),
        )
        return Sided(candidates, rows["leg"])

    def _rows(self, state: State, instrument: int, side: int) -> Rows:
        key = (instrument, side)
        if key not in self._known:
            everyone = np.arange(state.book.units_count, dtype=np.int32)
            self._known[key] = _scan(state, instrument, side, everyone)
        elif self._stale[key]:
            again = np.array(sorted(self._stale[key]), np.int32)
            old = self._known[key]
            kept = old[~np.isin(old["unit"], again)]
            rows = np.concatenate((kept, _scan(state, instrument, side, again)))
            self._known[key] = rows[np.argsort(rows["unit"], kind="stable")]
        self._stale[key] = set()
        return self._known[key]


def _scan(state: State, instrument: int, side: int, units: Int32s) -> Rows:
    found = np.zeros(len(units), HOLDER)
    count = holders_kernel(instrument, side, units, state.tables(), found)
    return found[:count]


def _steepest(state: State, instrument: int) -> float:
    terms = state.universe.asset_rows[state.universe.instruments[instrument]["settle"]]
    start = int(terms["segment_start"])
    slopes = state.universe.segments["slope"][start : start + int(terms["segment_count"])]
    return max(1.0, float(slopes.max()))


def _lot_value(state: State, instrument: int) -> float:
    """Return the value of one lot at the mark, settle quanta, signed as `records` say."""
    row = state.universe.instruments[instrument]
    price = float(state.prices[row["mark_factor"]])
    scale = float(row["value_scale"])
    return -scale / price if row["inverse"] else scale * price


def is_open(state: State, unit: int) -> bool:
    """Whether a unit can still change."""
    return bool(state.book.units[unit]["status"] != UnitStatus.CLOSED)
