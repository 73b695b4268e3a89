"""Bracket tables of all instruments as one padded array, and what they ask of positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keelmark.lab.arrays import Float64Array, Int64Array
from keelmark.lab.scenarios.values import ScenarioInstrument


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Brackets:
    """Padded tables, (n_instruments, rows of the longest); floors beyond a table are infinite.

    Attributes:
        floors: Lower edges, settle asset.
        rates: Maintenance rate of the row.
        deductions: Maintenance amount of the row, settle asset.
        leverages: Largest leverage of the row.
        ends: (n_instruments,) where each table ends, settle asset.
    """

    floors: Float64Array
    rates: Float64Array
    deductions: Float64Array
    leverages: Float64Array
    ends: Float64Array

    @classmethod
    def of(cls, instruments: Sequence[ScenarioInstrument]) -> "Brackets":
        """Build the arrays."""
        shape = (len(instruments), max(len(one.tiers) for one in instruments))
        floors, leverages = np.full(shape, np.inf), np.ones(shape)
        rates, deductions = np.zeros(shape), np.zeros(shape)
        for row, one in enumerate(instruments):
            used = slice(0, len(one.tiers))
            floors[row, used] = [float(tier.floor) for tier in one.tiers]
            rates[row, used] = [float(tier.rate) for tier in one.tiers]
            deductions[row, used] = [float(tier.deduction) for tier in one.tiers]
            leverages[row, used] = [float(tier.leverage or 1) for tier in one.tiers]
        ends = np.array([float(one.largest_notional) for one in instruments])
        return cls(
            floors=floors, rates=rates, deductions=deductions, leverages=leverages, ends=ends
        )

    def row(self, instrument: Int64Array, notional: Float64Array) -> Int64Array:
        """Return the row each notional falls in; an edge belongs to the row above it."""
        row = np.zeros(notional.size, dtype=np.int64)
        for edge in self.floors.T[1:]:
            row += notional >= edge[instrument]
        return row

    def leverage_max(self, instrument: Int64Array, notional: Float64Array) -> Float64Array:
        """Return the largest leverage allowed at each notional."""
        return self.leverages[instrument, self.row(instrument, notional)]

    def maintenance_by_slices(
        self,
        instrument: Int64Array,
        notional: Float64Array,
    ) -> Float64Array:
        """Return maintenance margin as the sum of each row's slice at its rate, settle asset.

        The same number as `notional * rate - deduction`, without using the deductions.
        """
        total = np.zeros(notional.size)
        edges = np.concatenate([self.floors, np.full((self.floors.shape[0], 1), np.inf)], axis=1)
        for column in range(self.floors.shape[1]):
            low, high = edges[instrument, column], edges[instrument, column + 1]
            inside = notional > low
            slices = np.minimum(notional[inside], high[inside]) - low[inside]
            total[inside] += slices * self.rates[instrument[inside], column]
        return total
