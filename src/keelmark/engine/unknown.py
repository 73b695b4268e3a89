"""Who cannot be decided about, because a price that its margin reads is missing, and is told once.

The list follows from the book and the prices that are not trusted, so it is derived: outside digest
and snapshot, and made anew at load. It is kept up with what changes: a price that gains or loses
trust asks about everybody at once, in columns; a unit that was touched is asked about alone.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from keelmark.book.views import UnitView
from keelmark.core.codes import UnitKind, UnitStatus
from keelmark.engine.apply import Touched
from keelmark.engine.events import Event, HealthKnown, HealthUnknown
from keelmark.engine.state import State

Bools = npt.NDArray[np.bool_]
Int32s = npt.NDArray[np.int32]
Rows = npt.NDArray[np.void]

ALONE = 64
"""So many touched units are asked about one by one; more of them with everybody, in columns."""


class Unknowns:
    """The units with something at risk that read a price nobody trusts."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._touched: list[Int32s] = []
        self._untrusted = set(state.untrusted)
        self._units = set(everybody(state).tolist()) if state.time_ms else set()

    def note(self, touched: Touched) -> None:
        """Remember what an event touched, where it can matter."""
        if self._untrusted or self._state.untrusted:
            self._touched.append(touched.units)
            if touched.cash is not None:
                self._touched.append(touched.cash["unit"])

    def forget(self) -> None:
        """Ask about everybody again: the terms have changed."""
        self._untrusted = {-1}

    def read(self) -> dict[int, tuple[str, ...]]:
        """Return the missing prices of each unit that cannot be decided, by unit."""
        return {unit: self._names(missing(self._state, unit)) for unit in sorted(self._units)}

    def told(self) -> list[Event]:
        """Return what has to be said since the last time, and take it as said."""
        state = self._state
        changed = self._untrusted != state.untrusted
        units = {unit for rows in self._touched for unit in rows.tolist()}
        self._touched.clear()
        if not state.time_ms or not (changed or units):
            return []
        self._untrusted = set(state.untrusted)
        if changed or len(units) > ALONE:
            now = set(everybody(state).tolist())
        else:
            now = self._units - units | {unit for unit in units if missing(state, unit)}
        new, back = sorted(now - self._units), sorted(self._units - now)
        self._units = now
        events: list[Event] = [
            HealthUnknown(units=tuple(group), factors=factors)
            for factors, group in _by_factors(state, new)
        ]
        return [*events, HealthKnown(units=tuple(back))] if back else events

    def _names(self, factors: Iterable[int]) -> tuple[str, ...]:
        known = self._state.universe.factors
        return tuple(f"{known[row].kind.value} {known[row].name}" for row in factors)


def missing(state: State, unit: int) -> tuple[int, ...]:
    """Return the price rows a unit lacks, rising; none where nothing of a client is at risk."""
    view = state.book.unit_view(unit)
    if view.kind is UnitKind.IN_HOUSE or view.status is UnitStatus.CLOSED or not _at_risk(view):
        return ()
    rows = {int(state.universe.asset_rows[asset]["price_factor"]) for asset in view.balances}
    for position in view.positions:
        rows |= state.factors_of(position.instrument)
    return tuple(sorted(rows & state.untrusted))


def everybody(state: State) -> Int32s:
    """Return every unit that `missing` names a price for, in columns."""
    if not state.untrusted:
        return np.zeros(0, np.int32)
    units = state.book.units
    found = units["kind"] != UnitKind.IN_HOUSE
    found &= units["status"] != UnitStatus.CLOSED
    balances = state.book.balances.rows[: state.book.balances.used]
    in_debt = _owners(units, "balances", balances["quanta"] < 0)
    found &= (units["positions_count"] > 0) | in_debt
    return np.flatnonzero(found & _readers(state, state.untrusted)).astype(np.int32)


def _readers(state: State, factors: Iterable[int]) -> Bools:
    """Return which units hold what is valued or margined on one of the price rows."""
    bad, universe = set(factors), state.universe
    contracts = [bool(bad & state.factors_of(row)) for row in range(len(universe.symbols))]
    assets = [int(row["price_factor"]) in bad for row in universe.asset_rows]
    positions = state.book.positions.rows[: state.book.positions.used]
    balances = state.book.balances.rows[: state.book.balances.used]
    units = state.book.units
    # rows of no block hold anything at all
    contract = np.array(contracts, np.bool_).take(positions["instrument"], mode="clip")
    asset = np.array(assets, np.bool_).take(balances["asset"], mode="clip")
    return _owners(units, "positions", contract) | _owners(units, "balances", asset)


def _owners(units: Rows, table: str, chosen: Bools) -> Bools:
    """Return which units have a chosen row in their block of a table."""
    ahead = np.concatenate(([0], np.cumsum(chosen)))
    starts = units[f"{table}_start"]
    return np.asarray(ahead[starts + units[f"{table}_count"]] > ahead[starts])


def _by_factors(state: State, units: list[int]) -> list[tuple[tuple[int, ...], list[int]]]:
    """Return the units by what they lack, in the order of that."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for unit in units:
        groups.setdefault(missing(state, unit), []).append(unit)
    return sorted(groups.items())


def _at_risk(view: UnitView) -> bool:
    return bool(view.positions) or any(quanta < 0 for quanta in view.balances.values())
