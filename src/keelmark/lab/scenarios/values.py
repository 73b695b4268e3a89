"""A scenario as one value: what trades, when marks are taken, and where prices come from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import numpy as np

from keelmark.core.errors import InvalidInput, UnknownAsset, UnknownInstrument, nearest
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import exact, to_units
from keelmark.core.rules import Tier
from keelmark.lab.arrays import Float64Array, Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioAsset:
    """What an account can hold as collateral.

    Attributes:
        asset: Name.
        quantum: Smallest amount.
        price_unit: Smallest step of its price in the settle asset.
        instrument: Instrument whose mark is its price; `None` where the scenario has a series of
            its own, and for the settle asset, whose price is one.
    """

    asset: str
    quantum: Decimal
    price_unit: Decimal
    instrument: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioInstrument:
    """A contract, its bracket table, and how it traded before.

    Attributes:
        contract: Contract terms.
        tiers: Bracket rows: floor and deduction in settle asset, largest leverage of the row.
        largest_notional: Where the bracket table ends, settle asset.
        brackets_as_of: Month of the bracket table.
        daily_volume: Notional traded a day, settle asset.
        daily_sigma: Volatility of log returns over a day.
    """

    contract: Instrument
    tiers: tuple[Tier, ...]
    largest_notional: Decimal
    brackets_as_of: str
    daily_volume: float
    daily_sigma: float

    @property
    def symbol(self) -> str:
        """The venue's name of the contract."""
        return self.contract.symbol

    @property
    def price_unit(self) -> float:
        """Smallest step of price."""
        return float(self.contract.price_unit)

    @property
    def lot(self) -> float:
        """Smallest step of size."""
        return float(self.contract.lot)

    def unit_value(self, quantum: Decimal) -> int:
        """Return the settle quanta that one lot gains when the price rises by one tick.

        Raises:
            InvalidInput: It is not a whole number of quanta.
        """
        with exact():
            step = self.contract.lot * self.contract.price_unit * self.contract.contract_size
            quanta = to_units(step, quantum)
        if quanta is None or quanta == 0:
            msg = (
                f"{self.symbol}: lot {self.contract.lot} times price unit "
                f"{self.contract.price_unit} is not a whole number of {quantum}; refine the quantum"
            )
            raise InvalidInput(msg)
        return quanta


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """Marks every `step` seconds in `[start, end)`, seconds since the Unix epoch."""

    start: int
    end: int
    step: int

    @property
    def seconds(self) -> Int64Array:
        """The instants, int64."""
        return np.arange(self.start, self.end, self.step, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceHistory:
    """Prices before the scenario starts, for entries at prices that were there.

    Attributes:
        times: int64 (n,), seconds since the epoch, rising; the last one is the start.
        prices: float64 (n, n_instruments); NaN before an instrument was listed.
    """

    times: Int64Array
    prices: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opening:
    """The market at the first mark: what a population is generated against.

    Attributes:
        ticks: int64 (n_instruments,), starting marks.
        asset_prices: Starting price of each collateral asset, in settle asset.
        history: Earlier prices.
    """

    instruments: tuple[ScenarioInstrument, ...]
    assets: tuple[ScenarioAsset, ...]
    ticks: Int64Array
    asset_prices: dict[str, float]
    history: PriceHistory

    @property
    def lot_notionals(self) -> Float64Array:
        """Notional of one lot of each instrument, settle asset, float64 (n_instruments,)."""
        steps = np.array([one.lot * one.price_unit for one in self.instruments])
        notionals: Float64Array = steps * self.ticks
        return notionals


class PriceSource(Protocol):
    """Where the prices of a scenario come from."""

    @property
    def statement(self) -> str:
        """One plain sentence for reports: which prices these are."""

    def marks(self, model: str, times: Int64Array) -> Float64Array:
        """Return marks by a named model, unrounded, (n_times, n_instruments)."""

    def asset_marks(self, asset: str, model: str, times: Int64Array) -> Float64Array:
        """Return prices of an asset that no instrument prices, unrounded, (n_times,)."""

    def history(self) -> PriceHistory:
        """Return the prices before the start."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """One crash, ready to be replayed.

    Attributes:
        name: Short name, also in file names.
        title: Title for reports.
        instruments: Column order of every matrix.
        assets: Collateral assets; the first is the settle asset.
        times: int64 (n_times,): instants at which marks are taken, seconds since the epoch.
        mark_model: The mark model used where none is named.
        source: Where prices come from.
        depth: Recorded order-book depth by instrument, for `market.depth`; empty when built in.
    """

    name: str
    title: str
    instruments: tuple[ScenarioInstrument, ...]
    assets: tuple[ScenarioAsset, ...]
    times: Int64Array
    mark_model: str
    source: PriceSource
    depth: Mapping[str, Path] = field(default_factory=dict)

    @property
    def statement(self) -> str:
        """One plain sentence for reports: which prices these are."""
        return self.source.statement

    @property
    def settle(self) -> ScenarioAsset:
        """The asset that profit and margin are in."""
        return self.assets[0]

    def asset(self, name: str) -> ScenarioAsset:
        """Return a collateral asset.

        Raises:
            UnknownAsset: The scenario does not hold it.
        """
        for asset in self.assets:
            if asset.asset == name:
                return asset
        known = [asset.asset for asset in self.assets]
        msg = f"scenario {self.name} has no asset {name!r}; {nearest(name, known)}"
        raise UnknownAsset(msg)

    def column(self, symbol: str) -> int:
        """Return the column of an instrument.

        Raises:
            UnknownInstrument: The scenario does not hold it.
        """
        return instrument_column(self.instruments, symbol)

    def mark_ticks(self, model: str | None = None) -> Int64Array:
        """Return marks in ticks, int64 (n_times, n_instruments), at least one tick each."""
        units = np.array([instrument.price_unit for instrument in self.instruments])
        return to_ticks(self.source.marks(model or self.mark_model, self.times), units)

    def asset_prices(self, asset: str, model: str | None = None) -> Float64Array:
        """Return the price of a collateral asset in settle asset at each instant, (n_times,)."""
        wanted = self.asset(asset)
        if wanted is self.settle:
            return np.ones(self.times.size)
        if wanted.instrument is not None:
            column = self.column(wanted.instrument)
            unit = self.instruments[column].price_unit
            return self.mark_ticks(model)[:, column].astype(np.float64) * unit
        prices = self.source.asset_marks(asset, model or self.mark_model, self.times)
        unit = float(wanted.price_unit)
        return to_ticks(prices, np.array(unit)).astype(np.float64) * unit

    def opening(self, model: str | None = None) -> Opening:
        """Return the market at the first instant."""
        first = replace(self, times=self.times[:1])
        names = [asset.asset for asset in self.assets]
        return Opening(
            instruments=self.instruments,
            assets=self.assets,
            ticks=first.mark_ticks(model)[0],
            asset_prices={name: float(first.asset_prices(name, model)[0]) for name in names},
            history=self.source.history(),
        )


def instrument_column(instruments: Iterable[ScenarioInstrument], symbol: str) -> int:
    """Return the place of `symbol`.

    Raises:
        UnknownInstrument: It is not among them.
    """
    symbols = [instrument.symbol for instrument in instruments]
    if symbol not in symbols:
        msg = f"no instrument {symbol!r} in the scenario; {nearest(symbol, symbols)}"
        raise UnknownInstrument(msg)
    return symbols.index(symbol)


def to_ticks(prices: Float64Array, units: Float64Array) -> Int64Array:
    """Round prices to the nearest tick, never below one tick."""
    return np.maximum(np.rint(prices / units), 1.0).astype(np.int64)
