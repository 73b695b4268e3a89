"""The tripwire index: every unit that a price can liquidate is watched without being read.

The law: no unit at or below its watched level is ever outside the suspects or the unwatchables.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeVar, cast

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import (
    Floats,
    Rows,
    Tables,
    excess_pass,
    excess_pass_parallel,
)
from keelmark.book.records import WATCH, WIRE
from keelmark.book.tripwires import advance as follow
from keelmark.book.tripwires.audit import count_links, fresh_bounds
from keelmark.book.tripwires.cash import post
from keelmark.book.tripwires.net import (
    FACTOR,
    LEG,
    LISTS,
    PLAN,
    POOL,
    STATUS,
    TERM,
    Int32s,
    Net,
    Stream,
    Work,
)
from keelmark.book.tripwires.parameters import check_terms, jumping
from keelmark.book.tripwires.settle import NO_ROOM, STRANGE, replace, settle_touched
from keelmark.book.tripwires.store import CLASSES, NO_BLOCK
from keelmark.core.codes import WatchState
from keelmark.core.errors import InvalidInput, InvariantViolated, UnknownUnit

Int64s = npt.NDArray[np.int64]
Column = TypeVar("Column", Rows, Floats)

STATISTICS = (
    "snapshots",
    "evaluations",
    "placings",
    "corners",
    "visits",
    "relinked",
    "passes",
    "refused",
    "spent",
    "exhausted",
)


@dataclass(frozen=True, kw_only=True)
class TripwireSettings:
    """Choices of speed; none of them changes which units are reported.

    Attributes:
        slots: Buckets of a ladder, a power of two.
        price_shift: Bits of a float64 price that a bucket ignores.
        time_shift: The same for the time.
        hot_distance: Units whose wires would be nearer than this are evaluated at every move.
        reserve_share: Share of the excess kept for interest and cash.
        horizon: Longest time without a look at a unit that owes interest, seconds.
        pass_share: Wires visited in one snapshot, as a share of the units, before a straight pass
            over all wires takes over.
    """

    slots: int = 2**14
    price_shift: int = 39
    time_shift: int = 32
    hot_distance: float = 0.5e-4
    reserve_share: float = 0.02
    horizon: float = 8 * 3600.0
    pass_share: float = 0.05

    def __post_init__(self) -> None:
        if self.slots < 1 or self.slots & (self.slots - 1):
            msg = f"slots = {self.slots}: must be a power of two"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a stream stopped: after `snapshot`, with `units` to decide about (none at the end)."""

    snapshot: int
    units: Int32s


@dataclass
class TripwireIndex:
    """Watches the units of a book.

    The book writes its columns and the index its own; both see the same prices, which the index
    writes (`tables.prices`). After each change of the book the index is told by `replace` (fills,
    orders, collateral moves, parameters) or `post` (cash).
    """

    tables: Tables
    settings: TripwireSettings = field(default_factory=TripwireSettings)
    volatility: Floats | None = None
    net: Net = field(init=False)
    work: Work = field(init=False)

    def __post_init__(self) -> None:
        check_terms(self.tables)
        self.net = new_net(self.tables, self.settings, self.volatility)
        self.work = new_work(self.tables)

    @classmethod
    def build(
        cls,
        tables: Tables,
        settings: TripwireSettings | None = None,
        volatility: Floats | None = None,
    ) -> Self:
        """Return an index with every unit wired.

        Args:
            tables: The book.
            settings: Choices of speed.
            volatility: Standard deviation of each factor over a tick, any unit; equal if absent.
        """
        index = cls(tables, settings or TripwireSettings(), volatility)
        index.replace(np.arange(tables.units.shape[0], dtype=np.int32))
        return index

    def advance(self, stream: Stream, first: int = 0) -> Stop:
        """Apply snapshots from `first` on until one leaves units that need a decision.

        A batch of prices is one snapshot; a bad price (NaN, infinite, zero, negative) is refused
        and its factor is untrusted until a good one comes.

        Suspects need one at every snapshot, unwatchable units when a number they read moves, units
        that read an untrusted price once, and again when trust changes.
        """
        stream = Stream(
            np.ascontiguousarray(stream.offsets, np.int64),
            np.ascontiguousarray(stream.factors, np.int32),
            np.ascontiguousarray(stream.prices, np.float64),
        )
        while True:
            why, snapshot = follow.advance(stream, first, self.tables, self.net, self.work)
            if why == STRANGE:
                msg = (
                    f"snapshot {snapshot}: its rows must lie inside the stream and its factors be "
                    f"0 to {self.net.factors.shape[0] - 1}; nothing of it was applied"
                )
                raise InvalidInput(msg)
            if why != NO_ROOM:
                return Stop(snapshot, self._decisions() if why == follow.DECISIONS else NOBODY)
            first = snapshot
            self._grow()

    def apply_snapshot(self, factors: npt.ArrayLike, prices: npt.ArrayLike) -> Int32s:
        """Apply one snapshot; return the units that need a decision."""
        rows = np.asarray(factors, np.int32)
        offsets = np.array([0, rows.shape[0]])
        return self.advance(Stream(offsets, rows, np.asarray(prices, np.float64))).units

    def replace(self, units: npt.ArrayLike) -> Int32s:
        """Look again at units whose book has changed; return those that need a decision."""
        rows = np.asarray(units, np.int32)
        return self._settle(replace(rows, self.tables, self.net, self.work), rows)

    def post(self, units: npt.ArrayLike, assets: npt.ArrayLike, amounts: npt.ArrayLike) -> Int32s:
        """Take amounts (positive: received) that the book has already posted to balance rows.

        Most are paid out of the reserves in constant time. Returns the units that need a decision.
        """
        rows = np.ascontiguousarray(units, np.int32)  # columns of records have a stride
        kinds = np.ascontiguousarray(assets, np.int32)
        quanta = np.ascontiguousarray(amounts, np.int64)
        if not rows.shape == kinds.shape == quanta.shape:
            msg = f"{rows.shape[0]} units, {kinds.shape[0]} assets, {quanta.shape[0]} amounts"
            raise InvalidInput(msg)
        return self._settle(post(rows, kinds, quanta, self.tables, self.net, self.work), rows)

    def debit(self, unit: int, asset: int, quanta: int) -> Int32s:
        """Take one debit the book has posted; see `post`."""
        return self.post([unit], [asset], [-quanta])

    def credit(self, unit: int, asset: int, quanta: int) -> Int32s:
        """Take one credit the book has posted; see `post`."""
        return self.post([unit], [asset], [quanta])

    def set_level(self, units: npt.ArrayLike, level: float) -> Int32s:
        """Watch units at another multiple of maintenance; return those that need a decision."""
        rows = np.asarray(units, np.int32)
        self.net.watch["level"][rows] = level
        return self.replace(rows)

    def rebind(self, tables: Tables) -> None:
        """Follow the book into larger or other tables; new and changed units are then replaced."""
        check_terms(tables)
        self.tables = tables
        self.net = grown_net(self.net, tables)
        self.work = new_work(tables)

    def suspects(self) -> Int32s:
        """Return the units at or below their level or within the error of it, sorted."""
        return np.sort(self.net.lists["suspect"][: self._count("suspects")])

    def unknowns(self) -> Int32s:
        """Return the units last looked at while a price they read was untrusted, sorted."""
        return np.sort(self.net.lists["unknown"][: self._count("unknowns")])

    def unwatchables(self) -> Int32s:
        """Return the units without a bound, sorted."""
        return np.flatnonzero(self.net.watch["state"] == WatchState.UNWATCHABLE).astype(np.int32)

    @property
    def untrusted(self) -> npt.NDArray[np.bool_]:
        """Which factors have a last price that was refused."""
        return self.net.factors["untrusted"].astype(np.bool_)

    def states(self) -> dict[WatchState, int]:
        """Return how many units are in each state."""
        counts = np.bincount(self.net.watch["state"], minlength=len(WatchState))
        return {state: int(counts[state]) for state in WatchState}

    def full_pass(self, *, level: float = 1.0, parallel: bool = False) -> tuple[Floats, Floats]:
        """Return the excess of every unit and the bound of its error, reading everything."""
        count = self.tables.units.shape[0]
        result, error = np.empty(count), np.empty(count)
        if parallel:
            excess_pass_parallel(self.tables, level, result, error)
        else:
            excess_pass(self.tables, level, result, error, 0, count)
        return result, error

    def statistics(self) -> dict[str, int]:
        """Return what the index has done since it was built."""
        return {name: self._count(name) for name in STATISTICS}

    def memory(self) -> dict[str, int]:
        """Return the bytes of each array of the index; untouched pages of them cost nothing."""
        return {name: array.nbytes for name, array in self.net._asdict().items()}

    def check(self) -> None:
        """Raise if a wire is out of place, a reserve is not covered or a state is not one.

        Raises:
            InvariantViolated: Naming what does not hold.
        """
        watch = self.net.watch
        linked, faults = count_links(self.tables.prices, self.net)
        bounds = np.empty(watch.shape[0])
        fresh_bounds(self.tables, self.net, self.work, bounds)
        wired = watch["state"] == WatchState.WIRED
        _, error = self.full_pass()
        slack = 1e-9 * np.abs(watch["reserve"]) + 1e-3 * error
        uncovered = wired & ~((bounds + slack >= watch["reserve"]) & (watch["reserve"] >= 0.0))
        listed = np.concatenate([self.suspects(), self.unknowns()])
        suspects = np.flatnonzero(watch["state"] == WatchState.SUSPECT)
        bare = np.isin(watch["state"], (WatchState.EMPTY, WatchState.SUSPECT))
        problems = {
            "wires out of place": faults,
            "wires not linked": int(watch["wires_count"].sum()) - linked,
            "units with an uncovered reserve": int(uncovered.sum()),
            "suspects not listed once": int(not np.array_equal(np.sort(listed), suspects)),
            "units that should have no wires": int(np.sum(watch["wires_count"][bare] != 0)),
        }
        found = {what: count for what, count in problems.items() if count}
        if found:
            msg = f"tripwire index: {found}; rebuild it from the book and report the seed"
            raise InvariantViolated(msg)

    def _settle(self, missing: int, units: Int32s) -> Int32s:
        """Grow until every listed unit is settled; return those that need a decision."""
        if missing == STRANGE:
            last = self.net.watch.shape[0] - 1
            msg = f"units {units.min()} to {units.max()}: the index knows 0 to {last}; rebind it"
            raise UnknownUnit(msg)
        if missing == NO_ROOM:
            self._grow()
            while not settle_touched(self.tables, self.net, self.work):
                self._grow()
        return self._decisions()

    def _decisions(self) -> Int32s:
        return np.sort(self.net.lists["decision"][: self._count("decisions")])

    def _count(self, name: str) -> int:
        return int(self.net.status[name][0])

    def _grow(self) -> None:
        """Make room for the largest unit of the book, or for more wires."""
        rows, work = self.tables.units, self.work
        if (
            rows["positions_count"].max(initial=0) > work.legs.shape[0]
            or rows["balances_count"].max(initial=0) > work.pools.shape[0]
        ):
            self.work = new_work(self.tables)
            return
        size = self.net.wires.shape[0]
        wires = np.zeros(size + size // 2 + 4 * work.plan.shape[0], WIRE)
        wires[:size] = self.net.wires
        self.net = self.net._replace(wires=wires)


NOBODY: Int32s = np.zeros(0, np.int32)


def new_net(tables: Tables, settings: TripwireSettings, volatility: Floats | None) -> Net:
    """Return the arrays of an index in which every unit is empty."""
    units, count = tables.units.shape[0], tables.prices.shape[0]
    good = np.isfinite(tables.prices) & (tables.prices > 0.0)
    good[-1] = tables.prices[-1] >= 0.0
    sigma = np.ones(count) if volatility is None else np.asarray(volatility, np.float64)
    factors = np.zeros(count, FACTOR)
    factors["volatility"] = np.cbrt(sigma * sigma)
    factors["shift"] = settings.price_shift
    factors["shift"][-1] = settings.time_shift
    factors["untrusted"] = ~good
    status = np.zeros(1, STATUS)
    status["hot_distance"], status["reserve_share"] = settings.hot_distance, settings.reserve_share
    status["horizon"], status["slots"] = settings.horizon, settings.slots
    status["visits_limit"] = int(settings.pass_share * units)
    status["untrusted"] = np.sum(~good)
    return Net(
        watch=new_watch(units),
        lists=np.zeros(units, LISTS),
        worst=np.zeros(tables.balances.shape[0]),
        wires=np.zeros(4 * units + 64, WIRE),
        heads=np.zeros(2 * count * (settings.slots + 1), np.int32),
        free=np.zeros(CLASSES, np.int32),
        factors=factors,
        jumps=jumping(tables),
        status=status,
    )


def new_watch(units: int) -> Rows:
    """Return rows of units that are watched for liquidation and hold no wires."""
    watch = np.zeros(units, WATCH)
    watch["level"], watch["wires_class"] = 1.0, NO_BLOCK
    return watch


def grown_net(net: Net, tables: Tables) -> Net:
    """Return the arrays for tables of another size; what was known is kept."""
    units = tables.units.shape[0]
    return net._replace(
        watch=_stretched(net.watch, units, new_watch),
        lists=_stretched(net.lists, units, lambda count: np.zeros(count, LISTS)),
        worst=_stretched(net.worst, tables.balances.shape[0], np.zeros),
        jumps=jumping(tables),
    )


def _stretched(rows: Column, length: int, new: Callable[[int], Column]) -> Column:
    """Return a column of another length: a longer view of its own memory where that reaches."""
    whole = rows if rows.base is None else cast("Column", rows.base)
    if whole.shape[0] < length:
        whole = new(length + length // 2)
        whole[: rows.shape[0]] = rows
    return whole[:length]


def new_work(tables: Tables) -> Work:
    """Return room for the largest unit of the book."""
    legs = max(1, int(tables.units["positions_count"].max(initial=1)))
    pools = max(1, int(tables.units["balances_count"].max(initial=1)))
    return Work(
        legs=np.zeros(legs, LEG),
        terms=np.zeros(2 * legs, TERM),
        pools=np.zeros(pools, POOL),
        plan=np.zeros(4 * legs + pools + 1, PLAN),
        lookup=np.zeros(2 * tables.prices.shape[0], np.int32),
    )
