"""How each unit stands just now, and how much of it can move: what a search for the nearest reads.

Definitions: `core.margin.margin_report` for equity and excess; the exposure is the sum of the
notionals with their largest requirement, and of the balances that have a price.
"""

import numpy as np

from keelmark.book.kernels.jit import njit, njit_unlocked
from keelmark.book.kernels.margin import (
    SCALED,
    Record,
    Rows,
    Tables,
    abscissa,
    coefficient,
    constant_rate,
    excess,
    single_asset_price,
)
from keelmark.book.kernels.subset import Int32s

STANDING = np.dtype(
    [
        ("equity", "f8"),  # valuation currency, as all of them; NaN where `core` alone can tell
        ("excess", "f8"),
        ("error", "f8"),  # bound of the error of the excess
        ("notional", "f8"),  # of all its positions at their marks
        ("exposure", "f8"),  # the most that a move of any of its prices by a fraction moves
    ],
)


@njit
def rate_max(contract: Record, lots: int, tables: Tables) -> float:
    """Return the largest rate a position can be asked for."""
    if contract["rule_kind"] == SCALED:
        return constant_rate(contract, abs(float(lots)), tables.tiers)
    found = 0.0
    for row in range(contract["tier_start"], contract["tier_start"] + contract["tier_count"]):
        found = max(found, tables.tiers[row]["rate"])
    return found


@njit
def asset_price(asset: int, tables: Tables) -> float:
    """Return the value of one quantum of an asset, valuation currency."""
    terms = tables.assets[asset]
    price = terms["value_scale"]
    if terms["price_factor"] >= 0:
        price *= tables.prices[terms["price_factor"]]
    return float(price)


@njit_unlocked
def spare_kernel(
    units: Int32s,  # (n,)
    tables: Tables,
    standing: Rows,  # (n,) STANDING, its excess and error written
) -> None:
    """Write the excess of units and its error alone. Definition: `core.maintenance_excess`."""
    for index in range(units.shape[0]):
        unit = units[index]
        price = single_asset_price(unit, tables)
        spare, error = excess(unit, 1.0, tables)
        standing[index]["excess"] = spare * price
        standing[index]["error"] = error * price


@njit_unlocked
def standing_kernel(
    units: Int32s,  # (n,)
    tables: Tables,
    standing: Rows,  # (n,) STANDING, written
) -> None:
    """Write how units stand. Definitions as above."""
    for index in range(units.shape[0]):
        unit = units[index]
        row = tables.units[unit]
        price = single_asset_price(unit, tables)
        spare, error = excess(unit, 1.0, tables)
        equity, _ = excess(unit, 0.0, tables)
        notional = 0.0
        exposure = 0.0
        for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
            contract = tables.instruments[tables.positions[at]["instrument"]]
            lots = tables.positions[at]["lots"]
            x = abscissa(contract, tables.prices[contract["mark_factor"]])
            held = abs(coefficient(contract, lots)) * x * asset_price(contract["settle"], tables)
            notional += held
            exposure += held * (1.0 + rate_max(contract, lots, tables))
        for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
            asset = tables.balances[at]["asset"]
            if tables.assets[asset]["price_factor"] >= 0:
                held = abs(float(tables.balances[at]["quanta"])) * asset_price(asset, tables)
                exposure += held
        standing[index]["equity"] = equity * price
        standing[index]["excess"] = spare * price
        standing[index]["error"] = error * price
        standing[index]["notional"] = notional
        standing[index]["exposure"] = exposure
