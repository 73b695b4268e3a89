"""Which marks are believed: time that rises, prices inside their band, none too old.

A mark lands on its instrument's grid before it enters the state, so that kernels and core read the
same number. A price that is refused becomes a NaN in the stream: it clears nobody and liquidates
nobody, and an event says which price it was and why.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.book.records import SIZE_LIMIT
from keelmark.book.universe import Universe
from keelmark.core.errors import InvalidInput, Rejected, RejectionReason
from keelmark.engine.entries import PRICE_KINDS
from keelmark.engine.events import MarkRefused, MarksSet
from keelmark.engine.protections import first_price_trigger, has_kind
from keelmark.engine.state import State

Floats = npt.NDArray[np.float64]
Int8s = npt.NDArray[np.int8]
Int32s = npt.NDArray[np.int32]

TIME_MAX_MS = 253_402_300_800_000
"""The year 10000."""

STEP_MAX_MS = 366 * 86_400_000
"""Farthest the clock moves at once, after it has been set."""

GOOD, NOT_A_PRICE, OUT_OF_BAND = 0, 1, 2

ONE_OVER = 1e-15
"""How far from one a whole number of units may be and still be one: the rounding of the unit."""

REASONS = {NOT_A_PRICE: "not a positive number", OUT_OF_BAND: "outside its band"}


@njit
def band_kernel(
    factors: Int32s,  # (rows,)
    prices: Floats,  # (rows,)
    band: float,  # largest believed relative step, 0 for none
    banded: Int8s,  # (n_factors,) 0 where the next price is believed, read and written
    last: Floats,  # (n_factors,) last believed price, NaN if none, read and written
    verdict: Int8s,  # (rows,) written
) -> None:
    """Judge prices one after the other against the last one believed of their factor."""
    for row in range(factors.shape[0]):
        factor = factors[row]
        price, before = prices[row], last[factor]
        if not 0.0 < price < np.inf:
            verdict[row] = NOT_A_PRICE
        elif band > 0.0 and banded[factor] and abs(price - before) > band * before:
            verdict[row] = OUT_OF_BAND
        else:
            verdict[row] = GOOD
            last[factor] = price
            banded[factor] = 1


def grid(universe: Universe) -> Floats:
    """Return the price unit of each price row; zero where a price has no grid."""
    result = np.zeros(len(universe.factors))
    for row in universe.instruments:
        result[row["mark_factor"]] = row["price_unit"]
    return result


def on_grid(prices: Floats, units: Floats) -> Floats:
    """Return prices as the nearest float of a whole number of units; infinite beyond the columns.

    A unit of a tenth or a quarter is divided by as the whole number it is one over: multiplying by
    it would miss the nearest float.
    """
    result = prices.copy()
    has_grid = (units > 0.0) & np.isfinite(prices)
    unit = units[has_grid]
    ticks = np.rint(prices[has_grid] / unit)
    parts = np.rint(1.0 / unit)
    exact_parts = (parts > 1.0) & (np.abs(parts * unit - 1.0) <= ONE_OVER)
    priced = np.where(exact_parts, ticks / np.maximum(parts, 1.0), ticks * unit)
    result[has_grid] = np.where(ticks <= SIZE_LIMIT, priced, np.inf)
    return result


@dataclass(frozen=True, slots=True)
class Judged:
    """A stream of marks after judgement.

    Attributes:
        marks: The stream with refused prices as NaN.
        offered: Its prices as they came.
        verdict: Of each price.
    """

    marks: MarksSet
    offered: Floats
    verdict: Int8s


class Guards:
    """Judges streams of marks before they are applied."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._unit = grid(state.universe)

    def checked(self, marks: MarksSet) -> Judged:
        """Return the stream with marks on their grids and refused prices as NaN.

        Raises:
            InvalidInput: The columns do not fit together, or name an unknown factor.
            Rejected: Time runs backwards.
        """
        self._require_shape(marks)
        if len(marks.times_ms) == 0:
            return Judged(marks, marks.prices, np.zeros(0, np.int8))
        rising = np.all(marks.times_ms[1:] >= marks.times_ms[:-1])
        if not rising:
            raise self.backwards(int(marks.times_ms[0]))
        self.require_time(int(marks.times_ms[0]))
        self.require_time(int(marks.times_ms[-1]))
        prices = on_grid(marks.prices, self._unit[marks.factors])
        verdict = self._judge(marks.factors, prices)
        prices[verdict != GOOD] = np.nan
        return Judged(replace(marks, prices=prices), marks.prices, verdict)

    def refused(self, judged: Judged, first: int, last: int) -> list[MarkRefused]:
        """Return one event for each time snapshots `first` to `last` lose the trust in a factor.

        Ask before they are applied: what is untrusted already is no news.
        """
        marks = judged.marks
        start, end = int(marks.offsets[first]), int(marks.offsets[last + 1])
        is_bad = judged.verdict[start:end] != GOOD
        if not is_bad.any():
            return []
        factors = marks.factors[start:end]
        rows: list[int] = []
        for factor in np.unique(factors[is_bad]).tolist():
            at = np.flatnonzero(factors == factor)
            bad = is_bad[at]
            before = np.concatenate(([factor in self._state.untrusted], bad[:-1]))
            rows += (start + at[bad & ~before]).tolist()
        return [self._refusal(judged, row) for row in sorted(rows)]

    def horizon(self, marks: MarksSet, first: int, wake_ms: int) -> int:
        """Return the last snapshot that may be applied before something else must be looked at."""
        last = int(np.searchsorted(marks.times_ms, wake_ms)) - 1
        last = min(max(last, first), len(marks.times_ms) - 1)
        state = self._state
        if has_kind(state, {"equity_floor"}) or state.model.orders_in_maintenance:
            return first
        if state.cases.keys() - state.held:  # whoever recovers is let go at that very snapshot
            return first
        if has_kind(self._state, PRICE_KINDS):
            return first_price_trigger(self._state, marks, first, last)
        return last

    def require_time(self, time_ms: int) -> None:
        """Refuse a time before the clock's, or so far ahead that it must be a mistake.

        Raises:
            Rejected: With both times.
        """
        now = self._state.time_ms
        if time_ms < now:
            raise self.backwards(time_ms)
        if time_ms > TIME_MAX_MS or (now > 0 and time_ms - now > STEP_MAX_MS):
            raise Rejected(
                RejectionReason.TIME_OUT_OF_RANGE,
                f"{time_ms} ms is more than a year after the clock's {now} ms; times are "
                "milliseconds since 1970, and a clock that ran ahead cannot be moved back",
            )

    def backwards(self, time_ms: int) -> Rejected:
        """Return the rejection of a time before the clock's."""
        return Rejected(
            RejectionReason.TIME_RUNS_BACKWARDS,
            f"{time_ms} ms comes before the clock's {self._state.time_ms} ms; send marks in order",
        )

    def _judge(self, factors: Int32s, prices: Floats) -> Int8s:
        banded = np.ones(len(self._state.prices), np.int8)
        banded[list(self._state.rebased)] = 0
        verdict = np.zeros(len(factors), np.int8)
        last = self._state.prices.copy()
        band_kernel(
            factors,
            prices,
            float(self._state.rules.guards.band),
            banded,
            last,
            verdict,
        )
        return verdict

    def _refusal(self, judged: Judged, row: int) -> MarkRefused:
        marks = judged.marks
        snapshot = int(np.searchsorted(marks.offsets, row, side="right")) - 1
        return MarkRefused(
            factor=int(marks.factors[row]),
            price=repr(float(judged.offered[row])),
            time_ms=int(marks.times_ms[snapshot]),
            reason=REASONS[int(judged.verdict[row])],
        )

    def _require_shape(self, marks: MarksSet) -> None:
        count = len(self._state.universe.factors)
        if len(marks.offsets) != len(marks.times_ms) + 1 or len(marks.factors) != len(marks.prices):
            msg = (
                f"marks of {len(marks.times_ms)} snapshots with {len(marks.offsets)} offsets, "
                f"{len(marks.factors)} factors and {len(marks.prices)} prices do not fit together"
            )
            raise InvalidInput(msg)
        starts = marks.offsets
        if starts[0] != 0 or starts[-1] != len(marks.factors) or np.any(np.diff(starts) < 0):
            msg = f"marks offsets must rise from 0 to the {len(marks.factors)} rows there are"
            raise InvalidInput(msg)
        wrong = np.flatnonzero((marks.factors < 0) | (marks.factors >= count))
        if len(wrong):
            msg = f"marks row {wrong[0]}: factor {marks.factors[wrong[0]]}; rows are 0..{count - 1}"
            raise InvalidInput(msg)
