"""The units nearest to liquidation: screened by kernels, the head of the list by the exact core.

A unit loses no more than its exposure times a move of its prices, and while that is small its
distance is at least half of its excess over its exposure. So whoever stands behind the last one
looked at, by that share, is no nearer than whoever was found; where that cannot be shown, the
answer says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import Account
from keelmark.accounts.document import AccountDocument
from keelmark.accounts.unit_check import UnitCheck, check_unit
from keelmark.book.kernels.standing import STANDING, standing_kernel
from keelmark.book.kernels.subset import WHOLE, first_step_kernel
from keelmark.core.bound import Factor, FactorKind
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.margin import MarginReport
from keelmark.core.numbers import ZERO, exact
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.lab.fleet.questions import open_units
from keelmark.rulebooks.load import Rulebook
from keelmark.service.reading import Reader, Reading
from keelmark.service.views.accounts import missing_of
from keelmark.service.views.figures import Json, instant, text
from keelmark.service.views.maps import why_unknown
from keelmark.service.views.names import Roster, unit_id
from keelmark.service.views.stages import level_name, stage_of

Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

LIMIT, LIMIT_MAX = 20, 200
LOOKED_AT = 4
"""Units a search looks at for each that is asked for, at first; four times as many each time."""
LOOKED_AT_MAX = 4_096
FAR = 0.6
STEPS = 64
SURE = 0.15
"""Distance up to which half a share is a lower bound: 2 (1 - m) / (1 + m) is above 1.4 there."""


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """What the kernels found.

    Attributes:
        position: Of the fleet that was looked at.
        time_ms: When.
        units: Nearest first.
        asked: Units with a position.
        is_complete: Whether nobody left out can be nearer.
        notes: Why not, and who cannot be told of.
    """

    position: int | None
    time_ms: int
    units: tuple[int, ...]
    asked: int
    is_complete: bool
    notes: tuple[str, ...]


def riskiest(reader: Reader, roster: Roster, limit: int = LIMIT) -> Json:
    """Return the units nearest to liquidation, the nearest first.

    Raises:
        InvalidInput: The limit is none.
    """
    found = screened(reader.fleet(), limit)
    return Head.of(reader, roster, found).document()


def screened(glimpse: Glimpse, limit: int) -> Screened:
    """Return the nearest units by the kernels; see `riskiest`."""
    if not 1 <= limit <= LIMIT_MAX:
        msg = f"limit={limit}: 1 to {LIMIT_MAX} units are listed"
        raise InvalidInput(msg)
    units = open_units(glimpse)
    standing = np.zeros(len(units), STANDING)
    standing_kernel(units, glimpse.tables, standing)
    unknown = np.isnan(standing["excess"])
    units, standing = units[~unknown], standing[~unknown]
    shares = (standing["excess"] - standing["error"]) / np.maximum(standing["exposure"], 1e-300)
    chosen, far = _nearest(glimpse, units, shares, limit)
    lost = why_unknown(glimpse, np.flatnonzero(unknown).astype(np.int32))
    notes = [] if lost is None else [f"{int(unknown.sum())} units are not ranked: {lost}"]
    jumps = bool((glimpse.universe.instruments["rule_kind"] == WHOLE).any())
    if jumps:
        notes.append("requirements jump here: whoever is left out may be nearer than its share")
    is_sure = far and not jumps
    return Screened(
        position=glimpse.position,
        time_ms=glimpse.time_ms,
        units=tuple(units[chosen].tolist()),
        asked=len(units) + int(unknown.sum()),
        is_complete=is_sure and not unknown.any(),
        notes=tuple(notes),
    )


def _nearest(
    glimpse: Glimpse, units: Int32s, shares: Floats, limit: int
) -> tuple[npt.NDArray[np.int64], bool]:
    """Return the rows of the nearest units, and whether nobody left out can be nearer."""
    known: dict[int, float] = {}
    count = LOOKED_AT * limit
    while True:
        count = min(count, len(units))
        rows = _smallest(shares, count)
        for row in rows.tolist():
            if row not in known:
                known[row] = nearest_move(glimpse, int(units[row])) if shares[row] > 0 else 0.0
        ranked = sorted(known, key=lambda row: (known[row], shares[row], row))[:limit]
        if count == len(units):
            return np.array(ranked, np.int64), True
        edge = float(shares[rows].max()) / 2
        if known[ranked[-1]] <= min(edge, SURE):
            return np.array(ranked, np.int64), True
        if count >= LOOKED_AT_MAX:
            return np.array(ranked, np.int64), False
        count *= 4


def _smallest(shares: Floats, count: int) -> npt.NDArray[np.int64]:
    if count >= len(shares):
        return np.arange(len(shares))
    return np.argpartition(shares, count)[:count]


def nearest_move(glimpse: Glimpse, unit: int) -> float:
    """Return the smallest move, of all prices alike, of a coin or of a mark, that liquidates.

    To a thousandth of a step of the exact answer, as far as moves of six tenths; beyond, 1.
    """
    return min(_reach(glimpse, unit, factors) for factors in _moves_of(glimpse, unit))


def _moves_of(glimpse: Glimpse, unit: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the price rows that move together: all, those of each coin, each mark alone."""
    yield np.flatnonzero(glimpse.moving)
    universe, tables = glimpse.universe, glimpse.tables
    row = tables.units[unit]
    start = int(row["positions_start"])
    held = tables.positions["instrument"][start : start + int(row["positions_count"])].tolist()
    rows = {factor: place for place, factor in enumerate(universe.factors)}
    coins: dict[str, set[int]] = {}
    for instrument in dict.fromkeys(held):
        contract = universe.instruments[instrument]
        own = {int(contract["mark_factor"]), int(contract["margin_factor"])}
        coin = universe.instrument(instrument).base
        priced = rows.get(Factor(FactorKind.ASSET, coin))
        coins.setdefault(coin, set() if priced is None else {priced}).update(own)
        yield np.array(sorted(own))
    for factors in coins.values():
        yield np.array(sorted(factors))


def _reach(glimpse: Glimpse, unit: int, factors: npt.NDArray[np.intp]) -> float:
    """Return the smallest move of some prices, down or up, that liquidates a unit."""
    best = 1.0
    for sign in (-1.0, 1.0):
        low, high = 0.0, FAR
        for _ in range(2):
            grid = low + (high - low) * np.arange(1, STEPS + 1) / STEPS
            step = _first_step(glimpse, unit, factors, sign * grid)
            if step == STEPS:
                break
            low, high = (float(grid[step - 1]) if step else low), float(grid[step])
        else:
            best = min(best, high)
    return best


def _first_step(glimpse: Glimpse, unit: int, factors: npt.NDArray[np.intp], moves: Floats) -> int:
    prices = np.tile(glimpse.tables.prices, (len(moves), 1))
    prices[:, factors] *= 1.0 + moves[:, None]
    step = np.zeros(1, np.int64)
    first_step_kernel(np.array([unit], np.int32), 1.0, glimpse.tables, prices, step)
    return int(step[0])


# --- the head, exact ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Note:
    """What the state says of a unit."""

    account: int
    name: str | None
    unit_id: str
    stage: str
    level: str | None
    case: int | None
    is_held: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The head of the list, read and not yet worked out: `document` takes the time.

    `of` reads the state and belongs where the state is kept; `document` may run anywhere.
    """

    found: Screened
    reading: Reading
    notes: tuple[_Note, ...]
    rulebook: Rulebook

    @classmethod
    def of(cls, reader: Reader, roster: Roster, found: Screened) -> "Head":
        """Return the units that were found, as they are now."""
        state = reader.state
        reading = reader.read(found.units)
        names = roster.of(state)
        notes = []
        for view in reading.views:
            case = state.cases.get(view.unit)
            rows = missing_of(state, view)
            notes.append(
                _Note(
                    account=view.account,
                    name=names.get(view.account),
                    unit_id=unit_id(view, state),
                    stage=stage_of(state, view).value,
                    level=level_name(state, state.levels.get(view.unit, 0)),
                    case=None if case is None else case.case,
                    is_held=view.unit in state.held,
                    missing=tuple(state.universe.factors[row].name for row in rows),
                )
            )
        return cls(found, reading, tuple(notes), state.rulebook)

    def document(self) -> Json:
        """Return the list; every row is the exact core's, as `check` would tell it."""
        rows = [self._row(place) for place in range(len(self.notes))]
        rows.sort(key=_nearness)
        return {
            "position": self.reading.position,
            "time": instant(self.reading.time_ms),
            "valuation": self.reading.model.valuation,
            "screened": self.found.asked,
            "screened_position": self.found.position,
            "is_complete": self.found.is_complete,
            "notes": list(self.found.notes),
            "accounts": rows,
        }

    def _row(self, place: int) -> Json:
        view, note = self.reading.views[place], self.notes[place]
        try:
            report = self.reading.report(place)
        except (MissingNumber, InvalidInput) as error:
            return self._head(place) | _no_margin(str(error))
        if not view.positions:
            return self._head(place) | _no_distance(report, "it holds no position any more")
        if note.missing:
            reason = f"the price of {', '.join(note.missing)} is not trusted"
            return self._head(place) | _no_distance(report, reason)
        found = check_unit(self.reading.units[place], self._account(place))
        return self._head(place) | _totals(report) | _distance(found)

    def _head(self, place: int) -> Json:
        note = self.notes[place]
        return {
            "account": note.account,
            "name": note.name,
            "unit": self.reading.views[place].unit,
            "unit_id": note.unit_id,
            "stage": note.stage,
            "level": note.level,
            "case": note.case,
            "is_held": note.is_held,
            "positions": len(self.reading.views[place].positions),
        }

    def _account(self, place: int) -> Account:
        """Return a unit alone as an account: what its check reads."""
        return Account(
            document=AccountDocument(venue=self.rulebook.name),
            rulebook=self.rulebook,
            as_of=None,
            units=(self.reading.units[place],),
            market=self.reading.market,
            reported={},
            notes=(),
        )


def _totals(report: MarginReport) -> Json:
    with exact():
        prices = {asset.asset: asset.price for asset in report.assets}
        notional = sum((p.notional * prices[p.settle] for p in report.positions), ZERO)
        ratio = report.margin_ratio
        return {
            "equity": text(report.equity),
            "maintenance_margin": text(report.maintenance_margin),
            "margin_ratio": None if ratio.value is None else text(ratio.value),
            "margin_ratio_reason": ratio.reason,
            "notional": text(notional),
        }


def _distance(found: UnitCheck) -> Json:
    """Return the nearest liquidating move, or why there is none; 0 where it is due."""
    move = found.nearest
    if move is None:
        why = "some move is unknown" if found.is_unsettled else "no move liquidates"
        return {"distance": None, "distance_reason": why, "direction": None, "moves": None}
    far = move.distance
    return {
        "distance": text(abs(far)),
        "distance_reason": "at these prices" if not far else None,
        "direction": ("down" if far < ZERO else "up") if far else None,
        "moves": move.coin or move.instrument or "all",
    }


def _no_distance(report: MarginReport, reason: str) -> Json:
    nothing = {"distance": None, "distance_reason": reason, "direction": None, "moves": None}
    return _totals(report) | nothing


def _no_margin(reason: str) -> Json:
    names = ("equity", "maintenance_margin", "margin_ratio", "notional", "distance")
    nothing: Json = dict.fromkeys((*names, "direction", "moves"))
    return nothing | {"margin_ratio_reason": reason, "distance_reason": reason}


def _nearness(row: Json) -> tuple[int, float, int]:
    """Sort key: what is unknown first, then the nearest."""
    far = row["distance"]
    known = far is not None
    return (int(known), float(far) if known else 0.0, row["unit"])


__all__ = ["Head", "Screened", "nearest_move", "riskiest", "screened"]
