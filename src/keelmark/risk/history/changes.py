"""Changes between closes on one clock: by bar, or by a longer period on the clock of UTC."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.risk.history.closes import Array, Closes, when
from keelmark.risk.history.periods import DAY_MS, HOUR_MS, SECOND_MS, period_words
from keelmark.risk.history.times import Times

ROWS_MIN = 20
"""Changes without which there is no statistic at all."""

ENOUGH = 500
"""Changes at which a period is long enough to be chosen by itself."""

PERIODS = (DAY_MS, 8 * HOUR_MS, 4 * HOUR_MS, HOUR_MS)
"""Periods that are tried, the longest first."""

PERIODS_MAX = 10_000_000
"""Nineteen years of minutes: a history with more has a stray time in it."""

LATE_SHARE = 0.01
"""Share of rows one coin lacks above which it is named."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """Relative changes of all coins over one period each.

    Attributes:
        values: (changes, coins), fractions.
        times: End of each, ms since 1970.
        step_ms: The period.
        notes: What was left out or taken as it is.
    """

    values: Array
    times: Times
    step_ms: int
    notes: tuple[str, ...]


def changes_of(closes: Closes, every_ms: int | None = None) -> Changes:
    """Return the changes between closes a period apart, at times at which every coin has one.

    Args:
        closes: Prices.
        every_ms: The period; the longest bar where it is not given. Periods start at whole
            multiples since 1970, so days are those of UTC.

    Raises:
        InvalidInput: The period is not a whole number of bars.
        UnreadableData: The coins' clocks never meet, or too little is left.
    """
    bar = max(closes.steps)
    period = bar if every_ms is None else every_ms
    for symbol, step in zip(closes.symbols, closes.steps, strict=True):
        if period % step:
            msg = (
                f"{closes.source}: bars of {symbol} are {period_words(step)}, of which "
                f"{period_words(period)} is no whole number; give another --every"
            )
            raise InvalidInput(msg)
    notes = [text for _, text in closes.notes]
    if every_ms is None:
        times, values = _on_one_clock(closes)
    else:
        times, values = _at_boundaries(closes, period)
        notes += _offsets(closes)
    notes += _missing(closes, values)
    is_whole = np.isfinite(values).all(axis=1)
    times, values = times[is_whole], values[is_whole]
    is_step = np.diff(times) == period
    gaps = int((~is_step).sum())
    if gaps:
        notes.append(f"{gaps:,} changes over gaps: left out")
    if int(is_step.sum()) < ROWS_MIN:
        msg = (
            f"{closes.source}: {int(is_step.sum())} changes of {period_words(period)}; at least "
            f"{ROWS_MIN} are needed at which every symbol has a positive close"
        )
        raise UnreadableData(msg)
    changes = (values[1:] / values[:-1] - 1.0)[is_step]
    return Changes(values=changes, times=times[1:][is_step], step_ms=period, notes=tuple(notes))


def period_for(closes: Closes) -> int:
    """Return the longest period up to a day that leaves five hundred changes; else the bars'."""
    span = int(closes.times[-1] - closes.times[0]) if len(closes.times) else 0
    return longest_period(max(closes.steps), span)


def longest_period(bar: int, span: int) -> int:
    """Return the longest period up to a day of which a span holds five hundred; else the bar."""
    for period in PERIODS:
        if period >= bar and period % bar == 0 and span // period >= ENOUGH:
            return period
    return bar


def _on_one_clock(closes: Closes) -> tuple[Times, Array]:
    """Return the closes at which the longest bars end; refuses bars that never end with them."""
    phases = _phases(closes)
    slowest = int(np.argmax(closes.steps))
    for symbol, step, phase in zip(closes.symbols, closes.steps, phases, strict=True):
        if phases[slowest] % step != phase:
            apart = abs(phases[slowest] % step - phase) / SECOND_MS
            msg = (
                f"{closes.source}: the clocks differ: bars of {closes.symbols[slowest]} and "
                f"{symbol} end {apart:g} s apart; give --every with a longer period"
            )
            raise UnreadableData(msg)
    if len(set(closes.steps)) == 1:
        return closes.times, closes.values
    is_end = closes.times % closes.steps[slowest] == phases[slowest]
    return closes.times[is_end], closes.values[is_end]


def _phases(closes: Closes) -> list[int]:
    """Return where most of each coin's bars end within their own length, ms."""
    found = []
    for column, step in enumerate(closes.steps):
        own = closes.times[np.isfinite(closes.values[:, column])] % step
        values, counts = np.unique(own, return_counts=True)
        found.append(int(values[np.argmax(counts)]) if len(values) else 0)
    return found


def _at_boundaries(closes: Closes, period: int) -> tuple[Times, Array]:
    """Return each coin's last close up to each boundary, if it is less than a bar old."""
    first, last = int(closes.times[0]), int(closes.times[-1])
    if (last - first) // period > PERIODS_MAX:
        msg = (
            f"{closes.source}: from {when(first)} to {when(last)} are {(last - first) // period:,} "
            f"times {period_words(period)}; are these times right?"
        )
        raise UnreadableData(msg)
    times = np.arange(-(-first // period) * period, last + 1, period, dtype=np.int64)
    values = np.full((len(times), len(closes.coins)), np.nan)
    for column, step in enumerate(closes.steps):
        own = np.isfinite(closes.values[:, column])
        at, price = closes.times[own], closes.values[own, column]
        place = np.searchsorted(at, times, side="right") - 1
        is_fresh = (place >= 0) & (times - at[np.maximum(place, 0)] < step)
        values[is_fresh, column] = price[place[is_fresh]]
    return times, values


def _offsets(closes: Closes) -> Iterator[str]:
    for symbol, phase in zip(closes.symbols, _phases(closes), strict=True):
        if phase:
            yield (
                f"{symbol}: its bars end {phase / SECOND_MS:g} s past whole bars; its last close "
                "before each period's end is taken"
            )


def _missing(closes: Closes, values: Array) -> Iterator[str]:
    """Name the coins without which rows would have been whole."""
    lacks = ~np.isfinite(values)
    count = int(lacks.any(axis=1).sum())
    if not count:
        return
    shares = lacks.mean(axis=0)
    worst = [i for i in np.argsort(-shares) if shares[i] > LATE_SHARE][:3]
    names = ", ".join(f"{closes.symbols[i]} lacks {shares[i] * 100:.1f} %" for i in worst)
    yield f"{count:,} times at which a coin has no bar: left out{names and f' ({names})'}"
