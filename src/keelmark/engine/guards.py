"""Which marks are believed: time that rises, prices inside their band, none too old.

A price that is refused becomes a NaN in the stream: it clears nobody and liquidates nobody, and an
event says which price it was and why.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.core.errors import InvalidInput, Rejected, RejectionReason
from keelmark.engine.events import MarkRefused, MarksSet
from keelmark.engine.protections import first_price_trigger
from keelmark.engine.state import State

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int8s = npt.NDArray[np.int8]

GOOD, NOT_A_PRICE, OUT_OF_BAND = 0, 1, 2
REASONS = {NOT_A_PRICE: "not a positive number", OUT_OF_BAND: "outside its band"}


@njit
def band_kernel(
    factors: Int32s,  # (rows,)
    prices: Floats,  # (rows,)
    band: float,  # largest believed relative step, 0 for none
    banded: Int8s,  # (n_factors,) 1 where the band applies
    last: Floats,  # (n_factors,) last believed price, read and written
    verdict: Int8s,  # (rows,) written
) -> None:
    """Judge prices one after the other against the last one believed of their factor."""
    for row in range(factors.shape[0]):
        factor = factors[row]
        price = prices[row]
        verdict[row] = GOOD
        if not 0.0 < price < np.inf:
            verdict[row] = NOT_A_PRICE
            continue
        before = last[factor]
        if band > 0.0 and banded[factor] and abs(price - before) > band * before:
            verdict[row] = OUT_OF_BAND
            continue
        last[factor] = price


@dataclass(slots=True)
class Refusals:
    """Refused prices of a stream, by snapshot."""

    rows: list[tuple[int, MarkRefused]]

    def pop_until(self, snapshot: int) -> list[MarkRefused]:
        """Take out the refusals up to a snapshot."""
        now = [event for at, event in self.rows if at <= snapshot]
        self.rows = [(at, event) for at, event in self.rows if at > snapshot]
        return now


class Guards:
    """Judges streams of marks before they are applied."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rebased: set[int] = set()

    def believe_next(self, factor: int) -> None:
        """Take the next price of a factor whatever its step: an operator has resumed it."""
        self._rebased.add(factor)

    def checked(self, marks: MarksSet) -> tuple[MarksSet, Refusals]:
        """Return the stream with refused prices as NaN, and the refusals.

        Raises:
            InvalidInput: The columns do not fit together, or name an unknown factor.
            Rejected: Time runs backwards.
        """
        self._require_shape(marks)
        if len(marks.times_ms) == 0:
            return marks, Refusals([])
        rising = np.all(marks.times_ms[1:] >= marks.times_ms[:-1])
        if not rising or int(marks.times_ms[0]) < self._state.time_ms:
            raise self.backwards(int(marks.times_ms[0]))
        verdict = self._judge(marks)
        bad = np.flatnonzero(verdict)
        if not len(bad):
            return marks, Refusals([])
        prices = marks.prices.copy()
        prices[bad] = np.nan
        return replace(marks, prices=prices), self._refusals(marks, bad, verdict)

    def horizon(self, marks: MarksSet, first: int, wake_ms: int) -> int:
        """Return the last snapshot that may be applied before something else must be looked at."""
        last = int(np.searchsorted(marks.times_ms, wake_ms)) - 1
        last = min(max(last, first), len(marks.times_ms) - 1)
        if self._state.has_equity_floors:
            return first
        if self._state.has_price_triggers:
            return first_price_trigger(self._state, marks, first, last)
        return last

    def backwards(self, time_ms: int) -> Rejected:
        """Return the rejection of a time before the clock's."""
        return Rejected(
            RejectionReason.TIME_RUNS_BACKWARDS,
            f"{time_ms} ms comes before the clock's {self._state.time_ms} ms; send marks in order",
        )

    def _judge(self, marks: MarksSet) -> Int8s:
        factors = len(self._state.universe.factors)
        banded = np.ones(factors + 1, np.int8)
        banded[list(self._rebased)] = 0
        banded[~np.isfinite(self._state.prices)] = 0
        banded[-1] = 0
        verdict = np.zeros(len(marks.factors), np.int8)
        last = self._state.prices.copy()
        band_kernel(
            marks.factors,
            marks.prices,
            float(self._state.rules.guards.band),
            banded,
            last,
            verdict,
        )
        self._rebased -= set(np.unique(marks.factors[verdict == GOOD]).tolist())
        return verdict

    def _refusals(self, marks: MarksSet, bad: npt.NDArray[np.intp], verdict: Int8s) -> Refusals:
        """Return one event a factor and snapshot at which trust is lost."""
        rows = []
        lost = set(self._state.untrusted)
        for row in bad.tolist():
            factor = int(marks.factors[row])
            if factor in lost:
                continue
            lost.add(factor)
            snapshot = int(np.searchsorted(marks.offsets, row, side="right")) - 1
            event = MarkRefused(
                factor=factor,
                price=repr(float(marks.prices[row])),
                time_ms=int(marks.times_ms[snapshot]),
                reason=REASONS[int(verdict[row])],
            )
            rows.append((snapshot, event))
        return Refusals(rows)

    def _require_shape(self, marks: MarksSet) -> None:
        count = len(self._state.universe.factors)
        if len(marks.offsets) != len(marks.times_ms) + 1 or len(marks.factors) != len(marks.prices):
            msg = (
                f"marks of {len(marks.times_ms)} snapshots with {len(marks.offsets)} offsets, "
                f"{len(marks.factors)} factors and {len(marks.prices)} prices do not fit together"
            )
            raise InvalidInput(msg)
        wrong = np.flatnonzero((marks.factors < 0) | (marks.factors >= count))
        if len(wrong):
            msg = f"marks row {wrong[0]}: factor {marks.factors[wrong[0]]}; rows are 0..{count - 1}"
            raise InvalidInput(msg)
