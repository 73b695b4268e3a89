"""Which marks are believed: time that rises, prices inside their band, none too old.

A mark lands on its instrument's grid before it enters the state, so that kernels and core read the
same number. A price that is refused becomes a NaN in the stream: it clears nobody and liquidates
nobody, and an event says which price it was and why. A price outside its band is believed after all
once enough prices in a row have agreed with each other for long enough, where the rulebook says so
(docs/decisions/0014-refused-prices.md), or when an operator resumes it.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import Tables, excess, single_asset_price
from keelmark.book.records import SIZE_LIMIT
from keelmark.book.universe import Universe
from keelmark.core.errors import DuplicateId, InvalidInput, Rejected, RejectionReason
from keelmark.engine.entries import PRICE_KINDS
from keelmark.engine.events import Event, MarkConfirmed, MarkDoubted, MarkRefused, MarksSet
from keelmark.engine.protections import first_price_trigger, has_kind
from keelmark.engine.state import State

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]
Int8s = npt.NDArray[np.int8]
Int32s = npt.NDArray[np.int32]

TIME_MAX_MS = 253_402_300_800_000
"""The year 10000."""

STEP_MAX_MS = 366 * 86_400_000
"""Farthest the clock moves at once, after it has been set."""

GOOD, NOT_A_PRICE, OUT_OF_BAND, CONFIRMED = 0, 1, 2, 3

CHUNK = 512
"""Snapshots looked through at once for the backstop's own trigger."""

ONE_OVER = 1e-15
"""How far from one a whole number of units may be and still be one: the rounding of the unit."""

REASONS = {NOT_A_PRICE: "not a positive number", OUT_OF_BAND: "outside its band"}


class Bands(NamedTuple):
    """What a price is judged against, by price row; read and written by the kernel."""

    banded: Int8s  # 0 where the next price is believed
    last: Floats  # last believed price, NaN if none
    doubted: Floats  # last price outside the band
    marks: Int64s  # such prices in a row, each within the band of the one before; 0 for none
    since_ms: Int64s  # when the first of them came


class Confirmation(NamedTuple):
    """When prices outside the band are believed after all; no marks for never."""

    marks: int
    span_ms: int


@njit
def band_kernel(
    rows: tuple[Int64s, Int32s, Floats],  # time, factor and price of each row
    band: float,  # largest believed relative step, 0 for none
    confirmation: Confirmation,
    bands: Bands,
    verdict: Int8s,  # (rows,) written
    doubts: Int64s,  # (rows, 2) marks in a row and since when, written where in doubt
) -> None:
    """Judge prices one after the other against the last one believed of their factor."""
    times, factors, prices = rows
    for row in range(factors.shape[0]):
        factor = factors[row]
        price, before = prices[row], bands.last[factor]
        marks = bands.marks[factor]
        bands.marks[factor] = 0
        if not 0.0 < price < np.inf:
            verdict[row] = NOT_A_PRICE
            continue
        verdict[row] = GOOD
        if band > 0.0 and bands.banded[factor] and abs(price - before) > band * before:
            doubted = bands.doubted[factor]
            if marks == 0 or abs(price - doubted) > band * doubted:
                marks, bands.since_ms[factor] = 0, times[row]
            marks += 1
            doubts[row, 0], doubts[row, 1] = marks, bands.since_ms[factor]
            long_enough = times[row] - bands.since_ms[factor] >= confirmation.span_ms
            if not (0 < confirmation.marks <= marks and long_enough):
                verdict[row] = OUT_OF_BAND
                bands.doubted[factor], bands.marks[factor] = price, marks
                continue
            verdict[row] = CONFIRMED
        bands.last[factor] = price
        bands.banded[factor] = 1


@njit
def first_repeated(offsets: Int64s, factors: Int32s, named: Int64s) -> int:
    """Return the first row whose factor its snapshot has named before, -1 if none has.

    Args:
        offsets: First row of each snapshot, and where the last ends.
        factors: Factor of each row.
        named: (n_factors,) -1 each; written: the last snapshot that names a factor.
    """
    for snapshot in range(offsets.shape[0] - 1):
        for row in range(offsets[snapshot], offsets[snapshot + 1]):
            if named[factors[row]] == snapshot:
                return row
            named[factors[row]] = snapshot
    return -1


@njit
def first_below(
    snapshots: tuple[Int64s, Int64s, Int32s, Floats],  # times, offsets, factors, prices
    span: tuple[int, int],  # first and last snapshot to look at
    posted_ms: int,
    unit: int,
    limit: float,
    tables: Tables,  # its prices are a copy, written
) -> int:
    """Return the first snapshot at which a unit's equity is below a limit, the last if none is.

    Where no kernel can tell what the unit is worth, the first: the core is then asked at each.
    """
    times, offsets, factors, prices = snapshots
    for snapshot in range(span[0], span[1]):
        for row in range(offsets[snapshot], offsets[snapshot + 1]):
            if 0.0 < prices[row] < np.inf:
                tables.prices[factors[row]] = prices[row]
        tables.prices[tables.prices.shape[0] - 1] = (times[snapshot] - posted_ms) / 1000
        value, _ = excess(unit, 0.0, tables)
        if not value * single_asset_price(unit, tables) >= limit:
            return snapshot
    return span[1]


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
        doubts: (rows, 2) prices in a row outside the band, and since when.
    """

    marks: MarksSet
    offered: Floats
    verdict: Int8s
    doubts: Int64s

    @property
    def is_bad(self) -> Bools:
        """Which prices are not believed."""
        return np.isin(self.verdict, (NOT_A_PRICE, OUT_OF_BAND))


class Guards:
    """Judges streams of marks before they are applied."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._unit = grid(state.universe)

    def checked(self, marks: MarksSet) -> Judged:
        """Return the stream with marks on their grids and refused prices as NaN.

        Raises:
            InvalidInput: The columns do not fit together, or name an unknown factor, or one twice
                in a snapshot: prints of one instant would confirm each other.
            Rejected: Time runs backwards.
        """
        self._require_shape(marks)
        if len(marks.times_ms) == 0:
            return Judged(marks, marks.prices, np.zeros(0, np.int8), np.zeros((0, 2), np.int64))
        rising = np.all(marks.times_ms[1:] >= marks.times_ms[:-1])
        if not rising:
            raise self.backwards(int(marks.times_ms[0]))
        self.require_time(int(marks.times_ms[0]))
        self.require_time(int(marks.times_ms[-1]))
        prices = on_grid(marks.prices, self._unit[marks.factors])
        judged = self._judge(marks, prices)
        prices[judged.is_bad] = np.nan
        return judged

    def told(self, judged: Judged, first: int, last: int) -> list[Event]:
        """Return what is to be said of the prices of snapshots `first` to `last`.

        Ask before they are applied.
        """
        return [*self.refused(judged, first, last), *self._doubted(judged, first, last)]

    def refused(self, judged: Judged, first: int, last: int) -> list[MarkRefused]:
        """Return one event for each time snapshots `first` to `last` lose the trust in a factor.

        Ask before they are applied: what is untrusted already is no news.
        """
        marks = judged.marks
        start, end = int(marks.offsets[first]), int(marks.offsets[last + 1])
        is_bad = judged.is_bad[start:end]
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

    def _doubted(self, judged: Judged, first: int, last: int) -> list[Event]:
        """Return an event for each price outside its band that may be, or has been, confirmed."""
        if not self._state.rules.guards.confirm_marks:
            return []
        marks = judged.marks
        start, end = int(marks.offsets[first]), int(marks.offsets[last + 1])
        told: list[Event] = []
        for row in (start + np.flatnonzero(judged.verdict[start:end] >= OUT_OF_BAND)).tolist():
            factor, price = int(marks.factors[row]), self._on_grid(judged, row)
            time_ms = int(marks.times_ms[_snapshot_of(marks, row)])
            count, since_ms = judged.doubts[row].tolist()
            if judged.verdict[row] == CONFIRMED:
                told.append(MarkConfirmed(factor=factor, price=price, time_ms=time_ms, marks=count))
            else:
                told.append(
                    MarkDoubted(
                        factor=factor, price=price, time_ms=time_ms, marks=count, since_ms=since_ms
                    )
                )
        return told

    def _on_grid(self, judged: Judged, row: int) -> float:
        """Return the price of a row as it was judged."""
        unit = self._unit[judged.marks.factors[row : row + 1]]
        return float(on_grid(judged.offered[row : row + 1], unit)[0])

    def horizon(self, judged: Judged, first: int, wake_ms: int) -> int:
        """Return the last snapshot that may be applied before something else must be looked at."""
        marks = judged.marks
        last = int(np.searchsorted(marks.times_ms, wake_ms)) - 1
        last = min(max(last, first), len(marks.times_ms) - 1)
        state = self._state
        if has_kind(state, {"equity_floor"}) or state.model.orders_in_maintenance:
            return first
        if state.cases.keys() - state.held:  # whoever recovers is let go at that very snapshot
            return first
        last = self._first_change_of_trust(judged, first, last)
        last = self._first_below_trigger(marks, first, last)
        if has_kind(self._state, PRICE_KINDS):
            return first_price_trigger(self._state, marks, first, last)
        return last

    def _first_change_of_trust(self, judged: Judged, first: int, last: int) -> int:
        """Return the first snapshot at which a price gains or loses trust, or is in doubt."""
        marks, state = judged.marks, self._state
        start, end = int(marks.offsets[first]), int(marks.offsets[last + 1])
        is_bad = judged.is_bad[start:end]
        special = judged.verdict[start:end] == CONFIRMED
        if state.rules.guards.confirm_marks:
            special |= judged.verdict[start:end] == OUT_OF_BAND
        was_bad = np.zeros(len(state.prices), np.bool_)
        was_bad[list(state.untrusted)] = True
        changed = special | (is_bad != was_bad[marks.factors[start:end]])
        if not changed.any():
            return last
        return _snapshot_of(marks, start + int(np.argmax(changed)))

    def _first_below_trigger(self, marks: MarksSet, first: int, last: int) -> int:
        """Return the first snapshot at which the backstop falls below its own trigger.

        Looks a stretch ahead; where that ends is only where the next look begins.
        """
        state = self._state
        limit = state.backstop_trigger()
        if limit is None or first == last:
            return last
        last = min(last, first + CHUNK)
        tables = state.tables()._replace(prices=state.prices.copy())
        stream = (marks.times_ms, marks.offsets, marks.factors, marks.prices)
        return int(
            first_below(stream, (first, last), state.posted_ms, state.backstop, limit, tables)
        )

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

    def _judge(self, marks: MarksSet, prices: Floats) -> Judged:
        """Return the stream with its prices judged in order; those refused still stand in it."""
        state, count = self._state, len(self._state.prices)
        bands = Bands(
            np.ones(count, np.int8),
            state.prices.copy(),
            np.full(count, np.nan),
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
        )
        bands.banded[list(state.rebased)] = 0
        for factor, doubt in state.doubts.items():
            bands.doubted[factor], bands.marks[factor] = doubt.price, doubt.marks
            bands.since_ms[factor] = doubt.since_ms
        verdict = np.zeros(len(prices), np.int8)
        doubts = np.zeros((len(prices), 2), np.int64)
        times = np.repeat(marks.times_ms, np.diff(marks.offsets))
        guards = state.rules.guards
        band_kernel(
            (times, marks.factors, prices),
            float(guards.band),
            Confirmation(guards.confirm_marks, 1000 * guards.confirm_s),
            bands,
            verdict,
            doubts,
        )
        return Judged(replace(marks, prices=prices), marks.prices, verdict, doubts)

    def _refusal(self, judged: Judged, row: int) -> MarkRefused:
        marks = judged.marks
        return MarkRefused(
            factor=int(marks.factors[row]),
            price=repr(float(judged.offered[row])),
            time_ms=int(marks.times_ms[_snapshot_of(marks, row)]),
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
        row = int(first_repeated(starts, marks.factors, np.full(count, -1, np.int64)))
        if row >= 0:
            factor = self._state.universe.factors[int(marks.factors[row])]
            msg = (
                f"marks row {row}: {factor.kind.value} {factor.name} is named twice in snapshot "
                f"{_snapshot_of(marks, row)}; send one price each, or a snapshot for each print"
            )
            raise DuplicateId(msg)


def _snapshot_of(marks: MarksSet, row: int) -> int:
    """Return the snapshot that a row belongs to."""
    return int(np.searchsorted(marks.offsets, row, side="right")) - 1
