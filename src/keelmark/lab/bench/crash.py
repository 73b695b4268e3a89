"""A crash that liquidates a fifth of a fleet: the index alone, and with the exact decision."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.tripwires import Stream
from keelmark.core.codes import UnitStatus
from keelmark.engine.state import State
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Bar, Row, Size
from keelmark.lab.bench.venue import Shape
from keelmark.lab.bench.walk import close, crash, stream_of
from keelmark.lab.bench.watched import (
    Watched,
    require,
    require_equal_suspects,
    watched,
)

Int32s = npt.NDArray[np.int32]

CHECKS = 8
"""How often on the way everybody is compared with the plain method, outside the clock."""


@dataclass(frozen=True, slots=True, eq=False)
class Fall:
    """What a crash did.

    Attributes:
        marks: In the stream.
        watch: Of each stretch up to a mark at which somebody fell, that mark included.
        ended: Units in the order in which they fell.
        evaluations: Units the index looked at.
        checked: What was compared on the way.
    """

    marks: int
    watch: Stopwatch
    ended: Int32s
    evaluations: int
    checked: str


def crash_rows(size: Size) -> list[Row]:
    """Measure the same crash twice."""
    fleet = watched(Shape(units=size.units))
    prices = fleet.state.prices.copy()
    stream = stream_of(fleet.state, crash(size))
    screened = fall(fleet, stream, is_exact=False)
    fleet.state.prices[:] = prices
    fleet.state.book.units["status"] = UnitStatus.ACTIVE
    fleet.rewire()
    exact = fall(fleet, stream, is_exact=True)
    require(np.isin(exact.ended, screened.ended), "units ended by core that the screen let pass")
    what = "one mark of a crash: index and evaluation"
    return [
        _row("crash_mark", what, fleet, screened, size.bar("<=", 100)),
        _row("crash_mark_exact", f"{what}, exact decision", fleet, exact, size.bar("<=", 200)),
    ]


def fall(fleet: Watched, stream: Stream, *, is_exact: bool) -> Fall:
    """Follow a crash; whoever falls is ended, at once or on the word of the exact core."""
    watch, ended = Stopwatch(), []
    first, count = 0, len(stream.factors)
    due = count // CHECKS
    before = fleet.index.statistics()["evaluations"]
    while first < count:
        with watch:
            stop = fleet.index.advance(stream, first)
            units = decided(fleet.state, stop.units) if is_exact else stop.units
            close(fleet.index, units)
        ended.append(units)
        if len(stop.units) == 0:
            break
        first = stop.snapshot + 1
        if first >= due:
            require_equal_suspects(fleet)
            due += count // CHECKS
    checked = require_equal_suspects(fleet)
    looked_at = fleet.index.statistics()["evaluations"] - before
    return Fall(count, watch, np.concatenate(ended), looked_at, checked)


def decided(state: State, units: Int32s) -> Int32s:
    """Return the units that the exact core ends."""
    state.prices_changed()
    at_trigger = [u for u in units.tolist() if state.report(u).is_liquidatable]
    return np.array(at_trigger, np.int32)


def _row(name: str, what: str, fleet: Watched, done: Fall, bar: Bar | None) -> Row:
    marks = done.marks
    share = len(done.ended) / fleet.shape.units
    return Row(
        name=name,
        what=what,
        value=1e6 * done.watch.total / marks,
        unit="us",
        bar=bar,
        timings=done.watch.timings(1e6, of="up to and with a mark at which somebody falls"),
        data=f"{fleet.data}; {share:.1%} fall in {marks:,} marks",
        checked=f"{done.checked}, {CHECKS} times on the way",
        note=f"{done.evaluations / marks:.1f} units looked at and "
        f"{len(done.ended) / marks:.2f} ended a mark",
    )
