"""The crash from recorded bars: intrabar paths and marks by `market`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from keelmark.core.errors import UnknownAsset, UnreadableData, nearest
from keelmark.lab.arrays import Float64Array, Int64Array
from keelmark.lab.scenarios.model import SECOND_MS
from keelmark.lab.scenarios.values import PriceHistory, ScenarioAsset, ScenarioInstrument
from keelmark.market.bars import Bars, grid
from keelmark.market.marks import DEFAULT_MARK, MarkModel, MarkSource, ReferenceMark, parse
from keelmark.market.paths import PathSpec

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedPrices:
    """A `PriceSource` from bars.

    Attributes:
        instruments: Column order.
        bars: Trades of every instrument, before and during the crash.
        assets: Trades of collateral assets that no instrument prices, each its only series.
        references: Recorded marks or indices of some instruments, each its only series.
        start: First mark, epoch seconds.
        history_days: How far back entries may lie.
        seed: Of the path inside the bars.
    """

    instruments: tuple[ScenarioInstrument, ...]
    bars: Bars
    assets: Mapping[ScenarioAsset, Bars]
    references: Mapping[str, Bars]
    start: int
    history_days: int
    seed: int

    @property
    def statement(self) -> str:
        """One plain sentence for reports: which prices these are."""
        minutes = self.bars.interval_ms / 60_000
        return (
            f"Prices are recorded: {minutes:g}-minute bars of {len(self.instruments)} instruments "
            f"({Path(self.bars.source).stem}); what happens inside a bar is drawn "
            f"(seed {self.seed})."
        )

    def marks(self, model: str, times: Int64Array) -> Float64Array:
        """Return marks by a named model, unrounded, (n_times, n_instruments).

        `reference` uses a recorded series for the instruments that have one, and the default
        model for the others.

        Raises:
            UnreadableData: A bar is missing within the window.
        """
        wanted = parse(model)
        if not isinstance(wanted, ReferenceMark):
            return self._marks(self.bars, wanted, times)
        marks = self._marks(self.bars, DEFAULT_MARK, times)
        for column, instrument in enumerate(self.instruments):
            if instrument.symbol in self.references:
                marks[:, column] = self._reference_marks(instrument, times)
        return marks

    def asset_marks(self, asset: str, model: str, times: Int64Array) -> Float64Array:
        """Return prices of an asset that no instrument prices, unrounded, (n_times,).

        Raises:
            UnknownAsset: There are no bars of it.
            UnreadableData: A bar is missing within the window.
        """
        for one, bars in self.assets.items():
            if one.asset == asset:
                wanted = parse(model)
                recorded = DEFAULT_MARK if isinstance(wanted, ReferenceMark) else wanted
                units = dict.fromkeys(bars.symbols, one.price_unit)
                source = MarkSource(bars=bars, price_units=units, model=recorded, spec=self._spec)
                return _at(source, times)[:, 0]
        known = [one.asset for one in self.assets]
        msg = f"no recorded prices of {asset!r}; {nearest(asset, known)}"
        raise UnknownAsset(msg)

    def history(self) -> PriceHistory:
        """Return hourly opening trades before the start; NaN before an instrument was listed."""
        start_ms = self.start * SECOND_MS
        first = max(start_ms - self.history_days * DAY_MS, self._first_on_the_hour_of(start_ms))
        layout = grid(self.bars, start_ms=first, end_ms=start_ms + 1)
        every = HOUR_MS // layout.interval_ms
        return PriceHistory(
            times=layout.times_ms[::every] // SECOND_MS,
            prices=layout.open[::every][:, self._columns],
        )

    def _first_on_the_hour_of(self, start_ms: int) -> int:
        hours = (start_ms - self.bars.start_ms) // HOUR_MS
        return start_ms - hours * HOUR_MS

    @property
    def _spec(self) -> PathSpec:
        return PathSpec(seed=self.seed)

    @cached_property
    def _columns(self) -> list[int]:
        """Where each instrument stands in the sorted columns of `market`."""
        symbols = self.bars.symbols
        return [symbols.index(instrument.symbol) for instrument in self.instruments]

    def _marks(self, bars: Bars, model: MarkModel, times: Int64Array) -> Float64Array:
        units = {one.symbol: one.contract.price_unit for one in self.instruments}
        source = MarkSource(bars=bars, price_units=units, model=model, spec=self._spec)
        return _at(source, times)[:, self._columns]

    def _reference_marks(self, instrument: ScenarioInstrument, times: Int64Array) -> Float64Array:
        reference = self.references[instrument.symbol]
        source = MarkSource(
            bars=self.bars.select([instrument.symbol]),
            price_units={instrument.symbol: instrument.contract.price_unit},
            model=ReferenceMark(),
            spec=self._spec,
            reference=reference,
            references={instrument.symbol: reference.symbols[0]},
        )
        return _at(source, times)[:, 0]


def _at(source: MarkSource, times: Int64Array) -> Float64Array:
    """Return the marks at `times`, refusing a window with missing bars."""
    start_ms, end_ms = int(times[0]) * SECOND_MS, int(times[-1]) * SECOND_MS + SECOND_MS
    chunk = source.marks(start_ms=start_ms, end_ms=end_ms)
    if not chunk.trusted.all():
        gap = source.untrusted(start_ms=start_ms, end_ms=end_ms)[0]
        msg = (
            f"{source.bars.source}: {gap.symbol} misses {gap.bars_missing} bar(s) from "
            f"{gap.start_ms} ms; leave the instrument out or choose another window"
        )
        raise UnreadableData(msg)
    rows = np.searchsorted(chunk.times_ms, times * SECOND_MS)
    return chunk.prices[rows]
