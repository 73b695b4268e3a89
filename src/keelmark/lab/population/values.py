"""A generated population: rows ready for bulk posting, and the market they were made for."""

from dataclasses import dataclass

import numpy as np

from keelmark.lab.arrays import Float64Array, Int64Array, Records, totals
from keelmark.lab.population.records import AccountKind
from keelmark.lab.population.spec import PopulationSpec
from keelmark.lab.scenarios.values import Opening


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """Accounts, units, deposits and positions at the first mark of a scenario.

    Attributes:
        spec: What it was generated from.
        seed: With the specification and the opening it determines every row.
        opening: The market it was generated against; instruments and assets give the indices.
        accounts: `ACCOUNT` rows; `id` is the row.
        units: `UNIT` rows by account, its cross unit first, then its isolated units.
        deposits: `DEPOSIT` rows by unit; asset is an index into `opening.assets`.
        positions: `POSITION` rows by unit; instrument is an index into `opening.instruments`.
    """

    spec: PopulationSpec
    seed: int
    opening: Opening
    accounts: Records
    units: Records
    deposits: Records
    positions: Records

    def account_name(self, account: int) -> str:
        """Return a readable name: the kind and the id."""
        kind = AccountKind(int(self.accounts["kind"][account]))
        return f"{kind.name.lower().replace('_', '-')}-{account}"

    def unit_values(self) -> Int64Array:
        """Return settle quanta per lot and tick of each instrument, int64 (n_instruments,)."""
        quantum = self.opening.assets[0].quantum
        values = [one.unit_value(quantum) for one in self.opening.instruments]
        return np.array(values, dtype=np.int64)

    def costs(self) -> Int64Array:
        """Return the signed cost of each position at its entry, settle quanta, int64."""
        rows = self.positions
        costs: Int64Array = (
            rows["lots"] * rows["entry_ticks"] * self.unit_values()[rows["instrument"]]
        )
        return costs

    def vaults(self) -> dict[str, int]:
        """Return what the venue's vault holds of each asset: deposits, less the cost of positions.

        Entries were at different prices, so what traders had paid each other by the start is in
        their deposits; the vault is what makes INV-01 hold from the first posting on.
        """
        vaults = {}
        for index, asset in enumerate(self.opening.assets):
            held = self.deposits["quanta"][self.deposits["asset"] == index]
            vaults[asset.asset] = exact_sum(held)
        vaults[self.opening.assets[0].asset] -= exact_sum(self.costs())
        return vaults

    def open_interest(self) -> Float64Array:
        """Return the open interest of each instrument, one side, settle asset, (n_instruments,)."""
        long = np.maximum(self.positions["lots"], 0)
        lots = totals(self.positions["instrument"], long, len(self.opening.instruments))
        return lots * self.opening.lot_notionals


def exact_sum(quanta: Int64Array) -> int:
    """Return a sum beyond 64 bits: high and low halves are added apart."""
    return (int((quanta >> 32).sum()) << 32) + int((quanta & 0xFFFF_FFFF).sum())
