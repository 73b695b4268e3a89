"""What a group has changed, collected event by event until it is durable."""

from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.apply import Touched
from keelmark.engine.apply_orders import APPLY_ORDERS
from keelmark.engine.state import State
from keelmark.service.columns.notes import (
    AnyNote,
    OrderNote,
    OrdersNote,
    RulebookNote,
    WorkingNote,
    is_noted,
    unit_note,
    units_noted,
)

Int32s = npt.NDArray[np.int32]
NOBODY: Int32s = np.zeros(0, np.int32)


class Changes:
    """Follows an engine: units whose rows moved, and notes that are out of date."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._in_house = np.arange(len(state.book.in_house), dtype=np.int32)
        self._noted = units_noted(state)
        self._text = state.rulebook_text
        self.clear()

    def clear(self) -> None:
        """Forget: everything has been published."""
        self.has_facts = False
        self.names: list[tuple[str, int]] = []
        self._filled: list[Int32s] = []
        self._paid: list[Int32s] = []
        self._units: set[int] = set()
        self._books: set[int] = set()
        self._orders: set[tuple[int, int]] = set()
        self._working: dict[int, None] = {}  # in the order of closing, for those that closed

    def note(self, event: Any, touched: Touched) -> None:  # noqa: ANN401 an event
        """Take note of an event that has been applied."""
        if isinstance(event, e.MarksSet):
            return
        self.has_facts = True
        if len(touched.units):
            self._filled.append(touched.units)
        if touched.cash is not None:
            self._paid.append(touched.cash["unit"])
        if touched.standing:
            self._filled.append(np.array(touched.standing, np.int32))
        self._units.update(touched.levels)
        unit = getattr(event, "unit", None)
        if unit is not None:
            self._units.add(unit)
        self._note_kind(event, touched)

    def _note_kind(self, event: Any, touched: Touched) -> None:  # noqa: ANN401 an event
        """Take note of what is beside the columns and does not go by unit alone."""
        if type(event) in APPLY_ORDERS:
            self._note_working(event)
        elif isinstance(event, e.OrderReserved | e.OrderReleased):
            self._orders.add((event.unit, event.order))
        elif isinstance(event, e.OrdersCancelled):
            self._books.add(event.unit)
        elif isinstance(event, e.ProtectionSet | e.ProtectionRemoved):
            self._working |= dict.fromkeys(row.order for row in self._state.working.of(event.unit))
        elif isinstance(event, e.AccountClosed):
            self._books.update(touched.levels)
        elif isinstance(event, e.AccountOpened):
            self.names.append((event.name, self._state.names[event.name]))

    def _note_working(self, event: Any) -> None:  # noqa: ANN401 an event
        """Take note of the orders of an event of executions outside."""
        if isinstance(event, oe.OrderClosed):
            self._working.pop(event.order, None)
        if isinstance(event, oe.OrdersPassed):
            self._working |= dict.fromkeys(event.orders)
        elif not isinstance(event, oe.RoundPlanned):
            self._working[event.order] = None

    @property
    def filled(self) -> Int32s:
        """Units whose rows may have changed, repeats included; in-house units always.

        Fees and remainders go to in-house units that no event names.
        """
        return np.concatenate((self._in_house, *self._filled)) if self.has_facts else NOBODY

    @property
    def paid(self) -> Int32s:
        """Units of which balances may have changed, and nothing else."""
        return np.concatenate(self._paid) if self._paid else NOBODY

    def notes(self) -> list[AnyNote]:
        """Return notes of what has changed, at its present value."""
        state, found = self._state, list[AnyNote]()
        if state.rulebook_text != self._text:
            self._text = state.rulebook_text
            found.append(RulebookNote(self._text))
        for unit in self._books:
            found.append(OrdersNote(unit, state.orders.get(unit, {})))
        for unit, number in self._orders:
            if unit not in self._books:
                order = state.orders.get(unit, {}).get(number)
                found.append(OrderNote(unit, number, order))
        for unit in self._units:
            if is_noted(state, unit):
                self._noted.add(unit)
            elif unit in self._noted:
                self._noted.discard(unit)
            else:
                continue
            found.append(unit_note(state, unit))
        rows = (state.working.find(order) for order in self._working)
        found.extend(WorkingNote(row) for row in rows if row is not None)
        return found
