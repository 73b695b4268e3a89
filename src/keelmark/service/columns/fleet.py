"""A reader's own copy of every unit, brought up to a moment where units have changed."""

import numpy as np

from keelmark.book.kernels.margin import Tables
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.book.tables import resized
from keelmark.book.universe import Universe
from keelmark.lab.fleet.glimpse import Glimpse, moving_factors
from keelmark.service.columns.kernels import NEVER, Columns, refresh_kernel
from keelmark.service.columns.layout import Field, Moment, Shape

INFINITE = float("inf")
SPARE = 8
"""A table grows by one part in so many more than is needed."""


class FleetCopy:
    """Every unit as of one moment.

    It is brought up in passes: one that meets no unit changed since its moment is whole. A pass
    over what has changed meanwhile is shorter than the one before, so they end between two groups
    of the writer.
    """

    def __init__(self, shape: Shape, first_unit: int) -> None:
        """Begin with nothing.

        Args:
            shape: Of the moments.
            first_unit: The first unit that is not in-house.
        """
        self._moment = Moment(shape)
        self._first_unit = first_unit
        self._since = -1
        self._taken_s = -INFINITE
        self._head = np.zeros(1, UNIT)
        nothing = np.zeros(0, np.int64)
        self._kept = Columns(
            np.zeros(0, UNIT), np.zeros(0, POSITION), np.zeros(0, BALANCE), nothing, nothing
        )
        self._glimpse: Glimpse | None = None

    @property
    def glimpse(self) -> Glimpse:
        """The copy; there is one when `refresh` has succeeded."""
        assert self._glimpse is not None  # noqa: S101 the caller has refreshed it
        return self._glimpse

    def age_s(self, now_s: float) -> float:
        """Return how long ago the copy's moment was read."""
        return now_s - self._taken_s

    def refresh(self, shared: Columns, moment: Moment, universe: Universe, now_s: float) -> bool:
        """Copy what has changed up to a moment; return whether the copy is that of the moment.

        Args:
            shared: The writer's columns, mapped as far as the moment reaches.
            moment: Read before the columns are.
            universe: Rows of prices and instruments there.
            now_s: When it was read.
        """
        numbers = moment.numbers
        units, position = int(numbers[Field.UNITS]), int(numbers[Field.POSITION])
        self._make_room(units, int(numbers[Field.POSITIONS]), int(numbers[Field.BALANCES]))
        late = refresh_kernel(shared, self._kept, self._since, position, units, self._head)
        if late:
            return False
        self._since, self._taken_s = position, now_s
        self._glimpse = self._of(moment, universe)
        return True

    def _of(self, moment: Moment, universe: Universe) -> Glimpse:
        kept, units = self._kept, int(moment.numbers[Field.UNITS])
        return Glimpse(
            time_ms=int(moment.numbers[Field.TIME_MS]),
            tables=Tables(
                units=kept.units[:units],
                positions=kept.positions,
                balances=kept.balances,
                instruments=universe.instruments,
                tiers=universe.tiers,
                assets=universe.asset_rows,
                segments=universe.segments,
                prices=moment.prices.copy(),
            ),
            universe=universe,
            moving=moving_factors(universe),
            first_unit=self._first_unit,
            units=units,
            positions=int(moment.numbers[Field.POSITIONS]),
            position=int(moment.numbers[Field.POSITION]),
            vault=moment.vault_quanta(),
        )

    def _make_room(self, units: int, positions: int, balances: int) -> None:
        kept = self._kept
        if units > len(kept.units):
            wanted = units + units // SPARE
            stamps = np.full(wanted, NEVER)
            stamps[: len(kept.stamps)] = kept.stamps
            kept = kept._replace(units=resized(kept.units, wanted), stamps=stamps)
        if positions > len(kept.positions):
            kept = kept._replace(positions=resized(kept.positions, positions + positions // SPARE))
        if balances > len(kept.balances):
            kept = kept._replace(balances=resized(kept.balances, balances + balances // SPARE))
        self._kept = kept
