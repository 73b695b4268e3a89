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
from keelmark.book.kernels.reach import NO_COIN, reach_kernel
from keelmark.book.kernels.standing import STANDING, standing_kernel
from keelmark.book.kernels.subset import WHOLE
from keelmark.core.bound import FactorKind
from keelmark.core.coins import stands_for_the_dollar
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.margin import MarginReport
from keelmark.core.numbers import ZERO, exact
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.lab.fleet.questions import open_units
from keelmark.rulebooks.load import Rulebook
from keelmark.service.reading import Reader, Reading
from keelmark.service.views.accounts import missing_of
from keelmark.service.views.figures import Json, maybe_instant, text
from keelmark.service.views.maps import why_unknown
from keelmark.service.views.names import Roster, unit_id
from keelmark.service.views.stages import level_name, stage_of

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LIMIT, LIMIT_MAX = 20, 200
LOOKED_AT, LOOKED_AT_EACH = 2_000, 20
"""Units a search looks at first, and for each that is asked for; then eight times as many."""
LOOKED_AT_MAX = 100_000
FAR = 0.6
SURE = 0.15
"""Distance up to which half a share is a lower bound: 2 (1 - m) / (1 + m) is above 1.4 there."""

NO_MOVE, NO_POSITION = "no move liquidates", "it holds no position any more"
_NOBODY = (NO_MOVE, NO_POSITION)


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
    lost = why_unknown(glimpse, units[unknown])
    units, standing = units[~unknown], standing[~unknown]
    shares = (standing["excess"] - standing["error"]) / np.maximum(standing["exposure"], 1e-300)
    chosen, far = _nearest(glimpse, units, shares, limit)
    notes = [] if lost is None else [f"{int(unknown.sum())} units are not ranked: {lost}"]
    notes += list(_bends(glimpse))
    return Screened(
        position=glimpse.position,
        time_ms=glimpse.time_ms,
        units=tuple(units[chosen].tolist()),
        asked=len(units) + int(unknown.sum()),
        is_complete=far and not notes,
        notes=tuple(notes),
    )


def _bends(glimpse: Glimpse) -> Iterator[str]:
    """Yield why a search by halving may miss somebody here."""
    contracts = glimpse.universe.instruments
    if bool((contracts["rule_kind"] == WHOLE).any()):
        yield "requirements jump here: who is left out may be nearer than its share says"
    if bool(contracts["inverse"].any()) and not bool(contracts["inverse"].all()):
        yield "inverse contracts beside linear ones bend margins: a dip that ends may be missed"


def _nearest(glimpse: Glimpse, units: Int32s, shares: Floats, limit: int) -> tuple[Int64s, bool]:
    """Return the rows of the nearest units, and whether nobody left out can be nearer."""
    count = max(LOOKED_AT, LOOKED_AT_EACH * limit)
    while True:
        count = min(count, len(units))
        rows = _smallest(shares, count)
        reach = reaches(glimpse, units[rows])
        order = np.lexsort((rows, shares[rows], reach))[:limit]
        ranked = rows[order]
        if count == len(units):
            return ranked, True
        edge = float(shares[rows].max()) / 2
        if float(reach[order[-1]]) <= min(edge, SURE):
            return ranked, True
        if count >= LOOKED_AT_MAX:
            return ranked, False
        count *= 8


def _smallest(shares: Floats, count: int) -> Int64s:
    if count >= len(shares):
        return np.arange(len(shares))
    return np.argpartition(shares, count)[:count]


def reaches(glimpse: Glimpse, units: Int32s) -> Floats:
    """Return the smallest move that liquidates each unit: of all, of a coin, or of a mark.

    Within 1e-7; `FAR` where none up to it does, 0 where it is due.
    """
    base = glimpse.tables.prices
    tables = glimpse.tables._replace(prices=base.copy())
    found = np.zeros(len(units))
    reach_kernel(units, FAR, tables, base, glimpse.moving, _coins(glimpse), found)
    return found


def _coins(glimpse: Glimpse) -> Int32s:
    """Return the coin of each price row; what stands for the dollar is on none."""
    universe, model = glimpse.universe, glimpse.universe.model
    numbers: dict[str, int] = {}
    coins = np.full(len(universe.factors) + 1, NO_COIN, np.int32)
    for row, factor in enumerate(universe.factors):
        if factor.kind is FactorKind.ASSET and not stands_for_the_dollar(factor.name, model):
            coins[row] = numbers.setdefault(factor.name, len(numbers))
    for place, contract in enumerate(universe.instruments):
        number = numbers.setdefault(universe.instrument(place).base, len(numbers))
        for name in ("mark_factor", "margin_factor"):
            coins[contract[name]] = number
    return coins


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
            "time": maybe_instant(self.reading.time_ms),
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
            return self._head(place) | _no_distance(report, NO_POSITION)
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
        why = "some move is unknown" if found.is_unsettled else NO_MOVE
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


def _nearness(row: Json) -> tuple[int, float, float, int]:
    """Sort key: what is unknown first, then the nearest; whom nothing liquidates stands last."""
    far, notional = row["distance"], float(row["notional"] or 0)
    if far is not None:
        return (1, float(far), -notional, row["unit"])
    return (2 if row["distance_reason"] in _NOBODY else 0, 0.0, -notional, row["unit"])


__all__ = ["Head", "Screened", "reaches", "riskiest", "screened"]
