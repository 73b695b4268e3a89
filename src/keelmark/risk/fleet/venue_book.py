"""A venue's whole book with its prices: the columns, and any unit of them as `core` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt

from keelmark.book.book import Book
from keelmark.book.kernels.margin import Tables
from keelmark.book.universe import Universe
from keelmark.core.codes import UnitKind, UnitStatus
from keelmark.core.coins import stands_for_the_dollar
from keelmark.core.errors import InvalidInput
from keelmark.core.market import Market
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit, Position
from keelmark.risk.symbols import coin_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FUND = "fund:"
"""How the names of insurance funds begin."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VenueBook:
    """A book of columns at one snapshot; of an engine, its state's universe, book and prices.

    Attributes:
        universe: Rows of instruments, assets and prices.
        book: The book of record.
        prices: Price of every factor, then seconds since interest was posted.
    """

    universe: Universe
    book: Book
    prices: Floats

    def __post_init__(self) -> None:
        """Refuse prices of another shape, or some that are no prices."""
        count = len(self.universe.factors) + 1
        if self.prices.shape != (count,):
            msg = f"prices of shape {self.prices.shape}; one a factor and one for time: ({count},)"
            raise InvalidInput(msg)

    @property
    def tables(self) -> Tables:
        """The columns as kernels take them."""
        return Tables(
            units=self.book.units,
            positions=self.book.positions.rows,
            balances=self.book.balances.rows,
            instruments=self.universe.instruments,
            tiers=self.universe.tiers,
            assets=self.universe.asset_rows,
            segments=self.universe.segments,
            prices=self.prices,
        )

    @cached_property
    def held(self) -> Bools:
        """Which units are accounts' own and open, shape (units,)."""
        units = self.book.units
        is_open: Bools = (units["kind"] != UnitKind.IN_HOUSE) & (
            units["status"] != UnitStatus.CLOSED
        )
        return is_open

    @cached_property
    def instrument_coins(self) -> tuple[str, ...]:
        """The coin of each instrument row."""
        rows = range(len(self.universe.symbols))
        return tuple(coin_of(self.universe.instrument(row).base)[0] for row in rows)

    @cached_property
    def coins(self) -> tuple[str, ...]:
        """Coins that contracts or collateral of the book are on, each once."""
        assets = [a for a in self.priced_assets if a not in self.dollars]
        return tuple(dict.fromkeys((*self.instrument_coins, *(coin_of(a)[0] for a in assets))))

    @cached_property
    def priced_assets(self) -> tuple[str, ...]:
        """Assets whose price a margin reads."""
        return tuple(a for a in self.universe.assets if self.universe.model.reads_price_of(a))

    @cached_property
    def dollars(self) -> tuple[str, ...]:
        """Those of them that stand for the dollar."""
        model = self.universe.model
        return tuple(a for a in self.priced_assets if stands_for_the_dollar(a, model))

    @cached_property
    def market(self) -> Market:
        """The snapshot as `core` reads it."""
        return self.universe.market(self.prices, "book")

    @property
    def fund_units(self) -> tuple[int, ...]:
        """Units of the insurance funds."""
        return tuple(u for name, u in self.book.in_house.items() if name.startswith(FUND))

    def unit(self, unit: int) -> MarginUnit:
        """Return a unit as `core` reads it."""
        view = self.book.unit_view(unit)
        universe = self.universe
        with exact():
            return MarginUnit(
                unit_id=self.book.unit_name(unit),
                kind=view.kind,
                balances={
                    universe.assets[asset]: quanta * universe.quantum(asset)
                    for asset, quanta in view.balances.items()
                },
                positions=tuple(
                    Position(
                        instrument=universe.symbols[row.instrument],
                        size=row.lots * universe.instrument(row.instrument).lot,
                        cost=row.cost * universe.quantum(self._settle(row.instrument)),
                        leg=row.leg,
                        leverage=Decimal(row.leverage) / 100 if row.leverage else None,
                    )
                    for row in view.positions
                ),
                accrued_interest=self._accrued(view.balances),
            )

    def _settle(self, instrument: int) -> int:
        return int(self.universe.instruments[instrument]["settle"])

    def _accrued(self, balances: Mapping[int, int]) -> dict[str, Decimal]:
        """Return interest owed since the last posting on debts that count it before."""
        seconds = Decimal(repr(float(self.prices[-1])))
        owed = {}
        for row, quanta in balances.items():
            rate = Decimal(repr(float(self.universe.asset_rows[row]["borrow_rate"])))
            if quanta < 0 and rate > ZERO and seconds > ZERO:
                debt = -quanta * self.universe.quantum(row)
                owed[self.universe.assets[row]] = debt * rate * seconds
        return owed
