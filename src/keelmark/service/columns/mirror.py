"""A state whose units lie in another process.

`MirrorState` is a `State` in everything but the columns of its book: what reads one unit asks the
source, what would read the fleet's columns is refused (`Reader.fleet` has them).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from keelmark.book.book import NO_ACCOUNT, Book
from keelmark.book.kernels.blocks import Rows
from keelmark.book.kernels.margin import Tables
from keelmark.book.kernels.wide import wide_value
from keelmark.book.parameters import Parameters
from keelmark.book.tables import BlockTable
from keelmark.book.views import UnitView, rows_view
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput, OtherTerms
from keelmark.core.margin import MarginReport, margin_report
from keelmark.engine.state import State
from keelmark.engine.working import WorkingOrders
from keelmark.rulebooks.load import Rulebook, read_rulebook
from keelmark.service.columns.layout import Field, Moment
from keelmark.service.columns.notes import (
    AnyNote,
    OrderNote,
    OrdersNote,
    RulebookNote,
    SharedNote,
    UnitNote,
    WorkingNote,
)

Int32s = npt.NDArray[np.int32]
UnitRows = tuple[Rows, Rows, Rows]
"""A unit's record, alone and with its blocks at row 0; its positions; its balances."""

Source = Callable[[int], UnitRows]


class MirrorBook(Book):
    """A book that asks a source for each unit and has no columns."""

    def __init__(
        self,
        parameters: Parameters,
        in_house: Mapping[str, int],
        source: Source,
    ) -> None:
        """Begin without units; `Book` would allocate tables."""
        self.parameters = parameters
        self.vault = [0] * len(parameters.assets)
        self.in_house = MappingProxyType(dict(in_house))
        self.units_count = 0
        self.accounts_count = 0
        self._cross = np.zeros(0, np.int32)
        self._owners = np.zeros(0, np.int32)
        self._more = {}
        self._source = source

    @property
    def units(self) -> Rows:
        """Refused: there are no columns here."""
        _refuse()

    @property
    def positions(self) -> BlockTable:  # type: ignore[override]
        """Refused: there are no columns here."""
        _refuse()

    @property
    def balances(self) -> BlockTable:  # type: ignore[override]
        """Refused: there are no columns here."""
        _refuse()

    def rows(self, unit: int) -> UnitRows:
        """Return the rows of a unit."""
        return self._source(self.known(unit))

    def account_of(self, unit: int) -> int:
        """Return the account of a unit, `NO_ACCOUNT` of an in-house one."""
        return int(self._owners[self.known(unit)])

    def unit_view(self, unit: int) -> UnitView:
        """Return a unit as plain Python values."""
        head, positions, balances = self.rows(unit)
        return rows_view(unit, head[0], positions, balances)

    def balance(self, unit: int, asset: int) -> int:
        """Return the quanta a unit holds of an asset."""
        return self.unit_view(unit).balances.get(asset, 0)

    def lots(self, unit: int, instrument: int, leg: Leg = Leg.NET) -> int:
        """Return the signed lots a unit holds of an instrument."""
        held = self.unit_view(unit).positions
        return next((p.lots for p in held if (p.instrument, p.leg) == (instrument, leg)), 0)

    def position_row(self, unit: int, instrument: int, leg: Leg = Leg.NET) -> int | None:  # noqa: ARG002 refused
        """Refused: there are no columns here."""
        _refuse()

    def opened(self, owners: Int32s) -> None:
        """Take note of further units, by their accounts, in the order of opening."""
        first, end = self.units_count, self.units_count + len(owners)
        self._owners = _with_room(self._owners, first, end)
        self._owners[first:end] = owners
        before = np.maximum.accumulate(np.concatenate(([self.accounts_count - 1], owners[:-1])))
        is_cross = owners > before
        cross = (first + np.flatnonzero(is_cross)).astype(np.int32)
        accounts = self.accounts_count + len(cross)
        self._cross = _with_room(self._cross, self.accounts_count, accounts)
        self._cross[self.accounts_count : accounts] = cross
        self.accounts_count = accounts
        for place in np.flatnonzero(~is_cross & (owners != NO_ACCOUNT)).tolist():
            self._more.setdefault(int(owners[place]), []).append(first + place)
        self.units_count = end


def _with_room(column: Int32s, used: int, wanted: int) -> Int32s:
    """Return a column with room for so many rows: itself, or a larger copy of what is used."""
    if wanted <= len(column):
        return column
    grown = np.zeros(max(wanted, 2 * len(column)), np.int32)
    grown[:used] = column[:used]
    return grown


class MirrorState(State):
    """A state that follows another one: the same rules and memory, units from a source."""

    def __init__(self, rulebook: Rulebook, source: Source) -> None:
        super().__init__(rulebook)
        self._longs = np.zeros(2 * len(self.universe.symbols), np.int64)
        self.book: Book
        self.mirror = MirrorBook(self.parameters(), self.book.in_house, source)
        self.book = self.mirror

    def take_moment(self, moment: Moment, owners: Int32s) -> None:
        """Become the state of a moment, notes aside.

        Args:
            moment: Copied from.
            owners: Accounts of the units opened since the last one.
        """
        numbers = moment.numbers
        self.time_ms = int(numbers[Field.TIME_MS])
        self.posted_ms = int(numbers[Field.POSTED_MS])
        self.rechecked_ms = int(numbers[Field.RECHECKED_MS])
        self.disposed_ms = int(numbers[Field.DISPOSED_MS])
        self.deleveraged_ms = int(numbers[Field.DELEVERAGED_MS])
        self.cases_count = int(numbers[Field.CASES_COUNT])
        self.prices = moment.prices.copy()
        self.seen_ms = moment.seen_ms[:-1].copy()
        self._longs = moment.longs.copy()
        self.book.vault = list(moment.vault_quanta())
        if len(owners):
            self.mirror.opened(owners)
        self.prices_changed()

    def forget_notes(self) -> None:
        """Forget what notes said: all of them follow anew."""
        for table in (self.orders, self.protections, self.cases, self.grace, self.levels):
            table.clear()
        self.held.clear()
        self.working = WorkingOrders()

    def take_note(self, note: AnyNote) -> None:
        """Become the state after what a note says."""
        if isinstance(note, OrderNote):
            self._take_order(note)
        elif isinstance(note, OrdersNote):
            _put(self.orders, note.unit, dict(note.orders))
        elif isinstance(note, UnitNote):
            self._take_unit(note)
        elif isinstance(note, WorkingNote):
            self.working.put(note.row)
        elif isinstance(note, SharedNote):
            self._take_shared(note)
        elif isinstance(note, RulebookNote) and note.text != self.rulebook_text:
            self.set_rulebook(read_rulebook(note.text, title="of the writer"), note.text)

    def report(self, unit: int) -> MarginReport:
        """Return a unit's margin at the present snapshot, exact; made anew at each call."""
        return margin_report(self.unit(unit), self.market, self.model)

    def longs(self) -> tuple[int, ...]:
        """Return the lots held long of every instrument, where initial margins read them."""
        if not self.universe.scales_with_open_interest:
            _refuse()
        return tuple(wide_value(self._longs, row) for row in range(len(self.universe.symbols)))

    def in_house_tables(self) -> Tables:
        """Return tables with the in-house units alone."""
        units: list[Rows] = []
        positions: list[Rows] = []
        balances: list[Rows] = []
        ends = [0, 0]
        for unit in range(len(self.book.in_house)):
            head, held, cash = self.mirror.rows(unit)
            head["positions_start"], head["balances_start"] = ends
            ends = [ends[0] + len(held), ends[1] + len(cash)]
            units.append(head)
            positions.append(held)
            balances.append(cash)
        return Tables(
            units=np.concatenate(units),
            positions=np.concatenate(positions),
            balances=np.concatenate(balances),
            instruments=self.universe.instruments,
            tiers=self.universe.tiers,
            assets=self.universe.asset_rows,
            segments=self.universe.segments,
            prices=self.prices,
        )

    def _take_order(self, note: OrderNote) -> None:
        if note.order is not None:
            self.orders[note.unit][note.number] = note.order
        elif note.unit in self.orders:
            self.orders[note.unit].pop(note.number, None)
            _put(self.orders, note.unit, self.orders[note.unit])

    def _take_unit(self, note: UnitNote) -> None:
        _put(self.protections, note.unit, note.protections)
        _put(self.cases, note.unit, note.case)
        _put(self.grace, note.unit, note.grace)
        _put(self.levels, note.unit, note.level)
        _put(self.working.retry_ms, note.unit, note.retry_ms)
        if note.held:
            self.held.add(note.unit)
        else:
            self.held.discard(note.unit)

    def _take_shared(self, note: SharedNote) -> None:
        if note.terms != self.terms:
            msg = (
                f"the writer runs under terms {note.terms}, {self.rulebook.name} has {self.terms}; "
                "name the rulebook that the journal was begun under"
            )
            raise OtherTerms(msg)
        self.paused, self.untrusted = set(note.paused), set(note.untrusted)
        self.rebased, self.doubts = set(note.rebased), dict(note.doubts)
        self.fund_windows = {(unit, asset): window for unit, asset, window in note.funds}
        self.sold_window, self.loss_window = note.sold, note.loss
        self.external, self.working.sent = note.external, note.sent


def _put(table: dict[int, Any], unit: int, value: Any) -> None:  # noqa: ANN401 any part of a state
    """Give a unit its value; nothing where there is none."""
    if value is None or value == {}:
        table.pop(unit, None)
    else:
        table[unit] = value


def _refuse() -> NoReturn:
    msg = (
        "the columns of the fleet are in another process: read one unit (`unit_view`, `balance`, "
        "`lots`), or every unit of one moment by `Reader.fleet`"
    )
    raise InvalidInput(msg)
