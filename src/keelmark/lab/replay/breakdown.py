"""What happened by instrument, and in the worst minutes."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.timeline import MINUTE_MS, Floats, index_path, mark_paths
from keelmark.lab.report.model import InstrumentRow, PeakRow

PEAKS = 12


@dataclass(slots=True)
class _Minute:
    long: int = 0
    short: int = 0
    deleveraged: int = 0
    fund_paid: int = 0
    units: set[int] = field(default_factory=set)


def instrument_rows(measures: Measures) -> tuple[InstrumentRow, ...]:
    """Return a row per instrument, the one with most liquidated first."""
    replay = measures.replay
    marks = mark_paths(measures)
    times = [sample.time_ms for sample in replay.samples]
    moves = marks / marks[0] - 1.0
    furthest = np.argmax(np.abs(moves), axis=0)
    sums = replay.recorder.instruments
    order = sorted(range(marks.shape[1]), key=lambda row: (-_liquidated(measures, row), row))
    return tuple(
        InstrumentRow(
            instrument=measures.names.symbol(row),
            move=_fraction(moves[furthest[row], row]),
            move_ms=times[int(furthest[row])],
            accounts=measures.accounts_of(sums[row].units) if row in sums else 0,
            liquidated_long=measures.money(sums[row].liquidated_long if row in sums else 0),
            liquidated_short=measures.money(sums[row].liquidated_short if row in sums else 0),
            deleveraged=measures.money(sums[row].deleveraged if row in sums else 0),
            fund_paid=measures.money(sums[row].fund_paid if row in sums else 0),
        )
        for row in order
    )


def _liquidated(measures: Measures, row: int) -> int:
    sums = measures.replay.recorder.instruments
    return sums[row].liquidated if row in sums else 0


def peak_rows(measures: Measures) -> tuple[PeakRow, ...]:
    """Return the minutes in which most was liquidated, the worst first."""
    minutes: defaultdict[int, _Minute] = defaultdict(_Minute)
    for second, moment in measures.replay.recorder.seconds.items():
        minute = minutes[second // 60]
        minute.long += moment.liquidated_long
        minute.short += moment.liquidated_short
        minute.deleveraged += moment.deleveraged
        minute.fund_paid += moment.fund_paid
        minute.units |= moment.started
    worst = sorted(minutes, key=lambda key: (-minutes[key].long - minutes[key].short, key))
    moves = minute_moves(measures)
    return tuple(
        PeakRow(
            time_ms=key * MINUTE_MS,
            move=_fraction(moves.get(key, 0.0)),
            accounts=measures.accounts_of(minutes[key].units),
            liquidated_long=measures.money(minutes[key].long),
            liquidated_short=measures.money(minutes[key].short),
            deleveraged=measures.money(minutes[key].deleveraged),
            fund_paid=measures.money(minutes[key].fund_paid),
        )
        for key in worst[:PEAKS]
        if minutes[key].long + minutes[key].short
    )


def minute_moves(measures: Measures) -> dict[int, float]:
    """Return the move of the market index within each minute, by minute since the epoch."""
    index: Floats = index_path(measures)
    minutes = np.array([sample.time_ms for sample in measures.replay.samples]) // MINUTE_MS
    last = np.append(np.flatnonzero(np.diff(minutes)), len(minutes) - 1)
    before = np.concatenate(([index[0]], index[last[:-1]]))
    moves = index[last] / before - 1.0
    return dict(zip(minutes[last].tolist(), moves.tolist(), strict=True))


def _fraction(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")
