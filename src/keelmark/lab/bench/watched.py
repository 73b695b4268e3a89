"""A fleet under watch, and what must be equal between its index and the plain method."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.tripwires import TripwireIndex
from keelmark.core.codes import UnitKind, UnitStatus
from keelmark.core.errors import InvariantViolated
from keelmark.engine.state import State
from keelmark.lab.bench.fleet import fleet_state, positions_count
from keelmark.lab.bench.plain import Layout, layout, plain_excess
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.venue import Shape

Bools = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False, kw_only=True)
class Watched:
    """A fleet and its index.

    Attributes:
        shape: What it looks like.
        state: Book, prices and terms; nobody journals.
        index: Every unit wired.
        where: Rows of everything, for the plain method.
        wiring: How long it took to wire everybody from nothing.
    """

    shape: Shape
    state: State
    index: TripwireIndex
    where: Layout
    wiring: Stopwatch

    @property
    def data(self) -> str:
        """The shape of the data, in words."""
        return f"{self.shape}; {positions_count(self.state):,} positions"

    @property
    def alive(self) -> Bools:
        """Units that can be liquidated: clients that have not been ended."""
        units = self.state.book.units
        alive: Bools = (units["kind"] != UnitKind.IN_HOUSE) & (units["status"] != UnitStatus.CLOSED)
        return alive

    def rewire(self) -> None:
        """Give everybody new wires at the present prices."""
        with self.wiring:
            self.index = TripwireIndex.build(self.state.tables())

    def plain(self) -> npt.NDArray[np.float64]:
        """Return every excess by the plain method."""
        return plain_excess(self.state, self.where)


def watched(shape: Shape, state: State | None = None) -> Watched:
    """Draw a fleet and wire it."""
    state = state or fleet_state(shape)
    wiring = Stopwatch()
    with wiring:
        index = TripwireIndex.build(state.tables())
    where = layout(state.tables())
    return Watched(shape=shape, state=state, index=index, where=where, wiring=wiring)


def require_equal_suspects(fleet: Watched) -> str:
    """Compare the index with the plain method over the whole fleet; return what was compared.

    Raises:
        InvariantViolated: An excess differs by more than the stated error, a unit below its
            maintenance is not a suspect, or a suspect is above it.
    """
    plain = fleet.plain()
    excess, error = fleet.index.full_pass()
    require(np.abs(plain - excess) <= 2.0 * error, "excess by the kernel and by numpy")
    suspect = np.zeros(len(plain), np.bool_)
    suspect[fleet.index.suspects()] = True
    alive = fleet.alive
    require(~alive | suspect | (plain >= -2.0 * error), "units below maintenance, not suspects")
    require(~suspect | (plain <= 2.0 * error), "suspects above maintenance")
    return f"excess and suspects of {np.count_nonzero(alive):,} units against numpy: 0 missed"


def require(holds: Bools | np.bool_ | bool, what: str) -> None:  # noqa: FBT001 a claim
    """Refuse figures of results that are wrong.

    Raises:
        InvariantViolated: Naming what differs and the first few places.
    """
    if not np.all(holds):
        places = np.flatnonzero(~np.atleast_1d(holds))
        msg = f"{what}: {len(places)} differ, first at {places[:5].tolist()}; the seed is fixed"
        raise InvariantViolated(msg)
