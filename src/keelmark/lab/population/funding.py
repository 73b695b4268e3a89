"""Deposits: what every unit must hold to start sound, in the assets its account prefers."""

from dataclasses import dataclass

import numpy as np

from keelmark.core.codes import UnitKind
from keelmark.lab.arrays import Float64Array, Int64Array, Records, totals
from keelmark.lab.population.brackets import Brackets
from keelmark.lab.population.fleet import Held, Holders
from keelmark.lab.population.records import DEPOSIT, UNIT, AccountKind
from keelmark.lab.population.spec import PopulationSpec
from keelmark.lab.scenarios.values import Opening

INITIAL_CUSHION = 1.02
"""Equity at the start over initial margin, at least: room for rounding of coins and quanta."""
LEAST_DEPOSIT = 0.1
"""Deposits over initial margin, at least: nobody trades on unrealised profit alone."""
WALLET_SHARE = 0.5
"""Spare settle asset of accounts that trade isolated: up to this part of their margin."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Margined:
    """Positions with what margin needs of them, settle asset.

    Attributes:
        unit: (n,) index.
        notional: (n,) at the first mark.
        profit: (n,) against entry.
        leverage: (n,) leverage the user set, hundredths.
    """

    unit: Int64Array
    notional: Float64Array
    profit: Float64Array
    leverage: Int64Array


def lay_out_units(holders: Holders, held: Held) -> tuple[Records, Int64Array]:
    """Return `UNIT` rows, an account's cross unit before its isolated ones, and each position's.

    Every account has a cross unit; an isolated account's positions have one unit each.
    """
    accounts = holders.kind.size
    alone = holders.isolated[held.account]
    isolated = totals(held.account, alone, accounts).astype(np.int64)
    cross = np.concatenate([[0], np.cumsum(1 + isolated)[:-1]])
    units = np.zeros(accounts + int(isolated.sum()), dtype=UNIT)
    units["account"] = np.repeat(np.arange(accounts), 1 + isolated)
    units["kind"] = UnitKind.ISOLATED
    units["kind"][cross] = UnitKind.CROSS
    before: Int64Array = np.cumsum(alone) - alone
    nth: Int64Array = before - before[np.searchsorted(held.account, held.account)]
    return units, np.where(alone, cross[held.account] + 1 + nth, cross[held.account])


def leverage_settings(
    spec: PopulationSpec,
    wanted: Float64Array,
    allowed: Float64Array,
) -> Int64Array:
    """Return the setting a user picks in hundredths: the next above `wanted`, if allowed."""
    settings = np.array(spec.leverage.settings)
    above = np.minimum(np.searchsorted(settings, wanted), settings.size - 1)
    hundredths: Int64Array = np.rint(100.0 * np.minimum(settings[above], allowed)).astype(np.int64)
    return hundredths


def equity_wanted(
    holders: Holders,
    units: Records,
    margined: Margined,
    maintenance: Float64Array,
) -> Float64Array:
    """Return the equity each unit starts with, settle asset, (n_units,).

    Notional over the account's leverage, but never less than initial margin with a cushion, and
    for market makers half as much again.
    """
    count = units.size
    notional = totals(margined.unit, margined.notional, count)
    initial = totals(margined.unit, margined.notional / (margined.leverage / 100.0), count)
    kept = totals(margined.unit, maintenance, count)
    account = units["account"]
    makers = holders.kind[account] == AccountKind.MARKET_MAKER
    cushion = np.where(makers, 1.5, INITIAL_CUSHION)
    required = cushion * np.maximum(initial, kept)
    wanted: Float64Array = np.maximum(notional / holders.leverage[account], required)
    return wanted


def position_maintenance(
    opening: Opening,
    instrument: Int64Array,
    notional: Float64Array,
) -> Float64Array:
    """Return maintenance margin by rate and deduction, settle asset."""
    brackets = Brackets.of(opening.instruments)
    row = brackets.row(instrument, notional)
    return notional * brackets.rates[instrument, row] - brackets.deductions[instrument, row]


def settle_values(
    holders: Holders,
    units: Records,
    margined: Margined,
    equity: Float64Array,
) -> Float64Array:
    """Return what each unit's deposits must count for, settle asset, (n_units,).

    The equity wanted less the profit it already has; plus the wallet of isolated accounts in
    their cross unit.
    """
    count = units.size
    profit = totals(margined.unit, margined.profit, count)
    initial = totals(margined.unit, margined.notional / (margined.leverage / 100.0), count)
    values: Float64Array = np.maximum(equity - profit, LEAST_DEPOSIT * initial)
    account = units["account"]
    isolated = units["kind"] == UnitKind.ISOLATED
    margin = totals(account[isolated], values[isolated], holders.kind.size)
    cross = np.flatnonzero(~isolated)
    values[cross] += WALLET_SHARE * (holders.wallet * margin)[account[cross]]
    return values


def deposits(
    spec: PopulationSpec,
    opening: Opening,
    holders: Holders,
    units: Records,
    values: Float64Array,
    coins: Float64Array,
) -> Records:
    """Return `DEPOSIT` rows worth at least `values`, sorted by unit, then asset.

    Args:
        spec: Which assets, which portion, which weight.
        opening: Starting prices.
        holders: Which collateral each account prefers.
        units: `UNIT` rows.
        values: (n_units,) what the deposits must count for, settle asset.
        coins: (n_units,) whole coins a delta-neutral account holds against its short, or 0.
    """
    names = [asset.asset for asset in opening.assets]
    asset_of_row = np.array([names.index(row.asset) for row in spec.collateral])
    row = np.where(units["kind"] == UnitKind.CROSS, holders.collateral[units["account"]], 0)
    asset = np.where(units["kind"] == UnitKind.CROSS, asset_of_row[row], 0)
    portion = np.array([one.portion for one in spec.collateral])[row]
    weight = np.array([one.weight for one in spec.collateral])[row]
    price = np.array([opening.asset_prices[name] for name in names])[asset]
    quantum = np.array([float(one.quantum) for one in opening.assets])
    amount = np.where(coins > 0, coins, values * portion / (price * weight))
    other = asset != 0
    quanta = np.where(other, np.ceil(amount / quantum[asset]), 0).astype(np.int64)
    counted = quanta * quantum[asset] * price * weight
    settle = np.maximum(np.ceil((values - np.where(other, counted, 0.0)) / quantum[0]), 0)
    return _rows(settle.astype(np.int64), quanta, asset)


def _rows(settle: Int64Array, other: Int64Array, asset: Int64Array) -> Records:
    """Return the two deposits of each unit, leaving out the empty ones."""
    count = settle.size
    rows = np.zeros(2 * count, dtype=DEPOSIT)
    rows["unit"] = np.repeat(np.arange(count), 2)
    rows["quanta"][0::2] = settle
    rows["quanta"][1::2] = other
    rows["asset"][1::2] = asset
    kept: Records = rows[rows["quanta"] > 0]
    return kept
