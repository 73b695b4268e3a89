"""The built-in crash: cited figures joined by a seeded bridge, no data folder needed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keelmark.core.errors import UnknownAsset, nearest
from keelmark.lab.arrays import Float64Array, Int64Array
from keelmark.lab.scenarios.bridge import Knots, bridge, brownian
from keelmark.lab.scenarios.document import BridgeTable
from keelmark.lab.scenarios.figures import AssetFigures, FiguresDocument
from keelmark.lab.scenarios.model import marks_of_path
from keelmark.lab.scenarios.values import PriceHistory

HOUR_SECONDS = 3_600
_COMMON, _HISTORY, _ASSETS, _INSTRUMENTS = range(4)  # independent streams of one seed


@dataclass(frozen=True, kw_only=True, eq=False)
class BuiltInPrices:
    """A `PriceSource` from figures.

    Attributes:
        figures: Cited prices, volumes and volatilities.
        bridge: How the path moves between its knots.
        seed: Of the bridge; the knots do not depend on it.
    """

    figures: FiguresDocument
    bridge: BridgeTable
    seed: int

    @property
    def statement(self) -> str:
        """One plain sentence for reports: which prices these are."""
        knots = sum(self.figures.crash_knots(row).times.size for row in self.figures.instrument)
        return (
            f"Prices are built in: {knots} cited trades of {len(self.figures.instrument)} "
            f"instruments, joined by a random bridge (seed {self.seed}) that hits each of them and "
            "never falls below the recorded low; not a recording."
        )

    @cached_property
    def seconds(self) -> Int64Array:
        """The one-second grid from the first to the last knot, int64 (n_seconds,)."""
        knots = [self.figures.crash_knots(row).times for row in self.figures.instrument]
        first = min(int(times[0]) for times in knots)
        last = max(int(times[-1]) for times in knots)
        return np.arange(first, last + 1, dtype=np.int64)

    @cached_property
    def path(self) -> Float64Array:
        """Trades once a second, float64 (n_seconds, n_instruments)."""
        knots = [self.figures.crash_knots(row) for row in self.figures.instrument]
        return self._joined(knots, self.seconds, _INSTRUMENTS, self.bridge.volatility_multiple)

    def marks(self, model: str, times: Int64Array) -> Float64Array:
        """Return marks by a named model, unrounded, (n_times, n_instruments)."""
        return marks_of_path(self.path, self.seconds, model=model, times=times)

    def asset_marks(self, asset: str, model: str, times: Int64Array) -> Float64Array:
        """Return prices of an asset that no instrument prices, unrounded, (n_times,).

        Raises:
            UnknownAsset: There are no figures of it.
        """
        path = self.asset_path(asset)
        return marks_of_path(path[:, None], self.seconds, model=model, times=times)[:, 0]

    def asset_path(self, asset: str) -> Float64Array:
        """Return trades of an asset once a second, (n_seconds,); raises as `asset_marks`."""
        row, figures = self._asset_figures(asset)
        noise = brownian(self._stream(_ASSETS, row), self.seconds)
        sigma = figures.daily_sigma * self.bridge.volatility_multiple
        return bridge(self.figures.asset_knots(figures), self.seconds, sigma * noise)

    def history(self) -> PriceHistory:
        """Return hourly prices before the start; NaN before an instrument was listed."""
        knots = [self.figures.history_knots(row) for row in self.figures.instrument]
        first = min(int(one.times[0]) for one in knots)
        start = int(knots[0].times[-1])
        hours = np.arange(first, start + 1, HOUR_SECONDS, dtype=np.int64)
        prices = self._joined(knots, hours, _HISTORY, 1.0)
        for column, one in enumerate(knots):
            prices[hours < one.times[0], column] = np.nan
        return PriceHistory(times=hours, prices=prices)

    def _joined(
        self,
        knots: list[Knots],
        seconds: Int64Array,
        stream: int,
        multiple: float,
    ) -> Float64Array:
        """Return one bridge a column; part of every column's noise is common to all."""
        common = brownian(self._stream(_COMMON, stream), seconds)
        shared, own = np.sqrt(self.bridge.common_share), np.sqrt(1 - self.bridge.common_share)
        paths = np.empty((seconds.size, len(knots)))
        for column, (one, row) in enumerate(zip(knots, self.figures.instrument, strict=True)):
            noise = shared * common + own * brownian(self._stream(stream, column), seconds)
            paths[:, column] = bridge(one, seconds, row.daily_sigma * multiple * noise)
        return paths

    def _asset_figures(self, asset: str) -> tuple[int, AssetFigures]:
        for row, figures in enumerate(self.figures.asset):
            if figures.asset == asset:
                return row, figures
        known = [figures.asset for figures in self.figures.asset]
        msg = f"no built-in prices of {asset!r}; {nearest(asset, known)}"
        raise UnknownAsset(msg)

    def _stream(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.seed, *key]))
