"""An independent look at a population: is every unit sound at the first mark?

Written apart from the generator's own sizing: maintenance is summed slice by slice, profit is
recomputed from lots and entry ticks, collateral from the posted quanta.
"""

from dataclasses import dataclass

import numpy as np

from keelmark.lab.arrays import Float64Array, Int64Array, totals
from keelmark.lab.population.brackets import Brackets
from keelmark.lab.population.values import Population


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartingMargin:
    """Margin of every unit at the first mark, settle asset, float64 (n_units,)."""

    equity: Float64Array
    initial: Float64Array
    maintenance: Float64Array


def starting_margin(population: Population) -> StartingMargin:
    """Return equity and requirements of each unit by the plain formulas.

    Equity: deposits at start price and weight, plus profit against entry. Initial margin: notional
    over the leverage set. Maintenance: each bracket's slice of the notional at its rate.
    """
    units = population.units.size
    rows = population.positions
    notional = np.abs(rows["lots"]) * population.opening.lot_notionals[rows["instrument"]]
    brackets = Brackets.of(population.opening.instruments)
    maintenance = brackets.maintenance_by_slices(_instruments(population), notional)
    initial = notional / (rows["leverage"] / 100.0)
    return StartingMargin(
        equity=collateral_values(population)
        + totals(rows["unit"], position_profits(population), units),
        initial=totals(rows["unit"], initial, units),
        maintenance=totals(rows["unit"], maintenance, units),
    )


def collateral_values(population: Population) -> Float64Array:
    """Return what each unit's deposits count for at the first mark, settle asset, (n_units,)."""
    opening = population.opening
    weights = {row.asset: row.weight for row in population.spec.collateral}
    per_quantum = np.array(
        [
            float(asset.quantum) * opening.asset_prices[asset.asset] * weights.get(asset.asset, 1.0)
            for asset in opening.assets
        ],
    )
    rows = population.deposits
    values = rows["quanta"] * per_quantum[rows["asset"]]
    return totals(rows["unit"], values, population.units.size)


def position_profits(population: Population) -> Float64Array:
    """Return unrealised profit of each position at the first mark, settle asset."""
    rows = population.positions
    moved = population.opening.ticks[rows["instrument"]] - rows["entry_ticks"]
    quanta = rows["lots"] * moved * population.unit_values()[rows["instrument"]]
    profits: Float64Array = quanta * float(population.opening.assets[0].quantum)
    return profits


def unsound_units(population: Population) -> Int64Array:
    """Return the units that start below initial or at maintenance margin, or over-leveraged."""
    margin = starting_margin(population)
    rows = population.positions
    notional = np.abs(rows["lots"]) * population.opening.lot_notionals[rows["instrument"]]
    allowed = Brackets.of(population.opening.instruments).leverage_max(
        _instruments(population), notional
    )
    excessive = np.zeros(population.units.size, dtype=bool)
    excessive[rows["unit"][rows["leverage"] > 100.0 * allowed]] = True
    held = margin.initial > 0.0
    below = (margin.equity < margin.initial) | (margin.equity <= margin.maintenance)
    return np.flatnonzero(excessive | (held & below))


def _instruments(population: Population) -> Int64Array:
    instruments: Int64Array = population.positions["instrument"].astype(np.int64)
    return instruments
