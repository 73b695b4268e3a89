"""What units can give up that no kernel can margin: the exact core, asked unit by unit.

Kernels answer NaN for rules without a kernel face: a cap on profit, orders that count in
maintenance, a close fee at a bankruptcy price. Such a unit is closed against and charged like
everybody else; only the answer takes longer.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.views import PositionView
from keelmark.core.codes import Leg
from keelmark.core.margin import maintenance_excess
from keelmark.core.model import HaircutBase
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.engine.state import State
from keelmark.engine.trial import after_fill

Rows = npt.NDArray[np.void]
Int64s = npt.NDArray[np.int64]

SPLIT = 3
"""Quanta by which a victim's part of a transfer value can be dearer than its share: roundings."""


def complete(state: State, instrument: int, rows: Rows) -> Rows:
    """Write what rows of `HOLDER` lack for want of a kernel face; leave out who has no room.

    Args:
        state: The state; every price these units read is trusted.
        instrument: Row of the instrument.
        rows: As `holders_kernel` writes them.
    """
    lacking = np.flatnonzero(rows["core"])
    if not len(lacking):
        return rows
    settle = state.settle_of(instrument)
    with exact():
        quantum = state.universe.quantum(settle) * state.price_of(settle)
        for at in lacking.tolist():
            report = state.report(int(rows["unit"][at]))
            spare = report.maintenance_excess if report.equity > ZERO else ZERO
            rows["equity"][at] = float(report.equity / quantum)
            rows["maintenance"][at] = float(report.maintenance_margin / quantum)
            rows["room"][at] = rounded_down(spare / quantum)
    return rows[rows["room"] > 0.0]


def closable(state: State, instrument: int, loss: float, row: Any) -> int:  # noqa: ANN401 a HOLDER
    """Return the most lots of a candidate that leave it at or above maintenance, by the core.

    Its orders in the instrument are cancelled before it is closed against, and count no more.

    Args:
        state: The state.
        instrument: Row of the instrument.
        loss: Settle quanta it loses against the mark on a lot.
        row: Of `HOLDER`, with room.
    """
    if not row["room"] > 0.0:
        return 0
    lots, ticks = int(row["lots"]), state.ticks(instrument)
    view, settle = state.book.unit_view(int(row["unit"])), state.settle_of(instrument)
    symbol = state.universe.symbols[instrument]
    per_lot = Fraction(math.nextafter(max(0.0, loss), math.inf))

    def bears(closed: int) -> bool:
        dlots = -closed if lots > 0 else closed
        value = state.value(instrument, dlots, ticks) + math.ceil(per_lot * closed) + SPLIT
        fill = PositionView(instrument, Leg(int(row["leg"])), dlots, value, 0)
        after = state.plain(after_fill(view, settle, fill, 0))
        others = tuple(o for o in after.orders if o.instrument != symbol)
        return maintenance_excess(replace(after, orders=others), state.market, state.model) > ZERO

    return _most(abs(lots), bears)


def realising_costs(state: State, instrument: int) -> bool:
    """Whether a profit counts for less once it is balance: haircuts are on the balance alone.

    Kernels search the lots that can be closed without what their profit becomes.
    """
    terms = state.model.asset(state.universe.assets[state.settle_of(instrument)])
    slopes = (segment.slope for segment in terms.schedule.segments)
    return terms.haircut_base is HaircutBase.BALANCE and any(slope < ONE for slope in slopes)


def free(state: State, asset: int, unit: int) -> float:
    """Return the excess of a unit over maintenance in quanta of an asset, rounded down."""
    with exact():
        quantum = state.universe.quantum(asset) * state.price_of(asset)
        return rounded_down(max(ZERO, state.report(unit).maintenance_excess) / quantum)


def rounded_down(amount: Decimal) -> float:
    """Return the largest float that is not above an amount."""
    near = float(amount)
    floor = Decimal.from_float(near)  # noqa: FURB164 the context traps floats otherwise
    return near if floor <= amount else math.nextafter(near, -math.inf)


def _most(whole: int, bears: Callable[[int], bool]) -> int:
    """Return the end of the interval, from zero, of what can be borne; the search of the kernel."""
    if bears(whole):
        return whole
    low, high = 0, whole
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bears(middle) else (low, middle)
    return low
