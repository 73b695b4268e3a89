"""The book of record: who holds what, in integers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from keelmark.book.kernels.blocks import NO_BLOCK, Int32s, Rows, release
from keelmark.book.kernels.rows import find_balance, find_position
from keelmark.book.parameters import Parameters
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.book.tables import BlockTable, resized
from keelmark.book.views import UnitView, unit_view
from keelmark.core.codes import Leg, UnitKind, UnitStatus
from keelmark.core.errors import InvalidInput, UnknownAccount, UnknownUnit

RESIDUE = 0
"""Unit that takes the remainder of every division."""

FEES = 1
"""Unit that takes the fees of fills."""

LIQUIDITY = 2
"""The rest of the market: counterparty of executed orders; its balances may be negative."""

NO_ACCOUNT = -1
"""`account` of an in-house unit; its kind says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InHouse:
    """The venue's own units, which obey the laws of every unit.

    Attributes:
        funds: Market groups that have an insurance fund of their own.
        backstops: Names of the backstops that take positions over.
    """

    funds: tuple[str, ...] = ("main",)
    backstops: tuple[str, ...] = ("main",)

    @property
    def names(self) -> tuple[str, ...]:
        """Unit names; a name's place is the unit's id."""
        fixed = ("residue", "fees", "liquidity")
        funds = tuple(f"fund:{name}" for name in self.funds)
        return fixed + funds + tuple(f"backstop:{name}" for name in self.backstops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Rows to allocate at once; tables double beyond it."""

    units: int = 1024
    positions: int = 4096
    balances: int = 2048


class Book:
    """Units, positions and balances as record tables, and the vault that backs them.

    Read anything; change it through `keelmark.book.postings` and `keelmark.book.fleet`.

    Attributes:
        parameters: Instrument and asset tables.
        in_house: Unit id of each in-house unit, by name.
        positions: Table of `POSITION` records.
        balances: Table of `BALANCE` records.
        vault: Quanta the outside has paid in less what it has taken out, per asset.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        in_house: InHouse | None = None,
        capacity: Capacity | None = None,
    ) -> None:
        room = capacity or Capacity()
        self.parameters = parameters
        self.positions = BlockTable(POSITION, link="instrument", capacity=room.positions)
        self.balances = BlockTable(BALANCE, link="asset", capacity=room.balances)
        self.vault = [0] * len(parameters.assets)
        self.accounts_count = 0
        self.units_count = 0
        self._units: Rows = np.zeros(room.units, dtype=UNIT)
        self._view: Rows | None = None
        self._cross: Int32s = np.zeros(room.units, dtype=np.int32)
        self._more: dict[int, list[int]] = {}
        names = (in_house or InHouse()).names
        self.in_house: Mapping[str, int] = MappingProxyType(
            {name: self._add_units(1, NO_ACCOUNT, UnitKind.IN_HOUSE) for name in names},
        )

    @property
    def units(self) -> Rows:
        """The `UNIT` records, one a unit; a view that ends with the last unit opened.

        The same view until one is opened, so whoever holds it sees by identity that it stands.
        """
        if self._view is None:
            self._view = self._units[: self.units_count]
        return self._view

    def open_account(self) -> int:
        """Open an account with one cross unit; return the account."""
        return self.open_accounts(1)

    def open_accounts(self, count: int) -> int:
        """Open `count` accounts with one cross unit each; return the first account."""
        first, accounts = self.accounts_count, self.accounts_count + count
        if accounts > len(self._cross):
            self._cross = np.resize(self._cross, max(accounts, 2 * len(self._cross)))
        unit = self._add_units(count, first, UnitKind.CROSS)
        self._cross[first:accounts] = np.arange(unit, unit + count)
        self.units["account"][unit:] = np.arange(first, accounts)
        self.accounts_count = accounts
        return first

    def open_unit(self, account: int, kind: UnitKind = UnitKind.ISOLATED) -> int:
        """Open a further unit of an account: an isolated position, or a cross unit of its own."""
        self.cross_unit(account)
        unit = self._add_units(1, account, kind)
        self._more.setdefault(account, []).append(unit)
        return unit

    def cross_unit(self, account: int) -> int:
        """Return the unit an account was opened with."""
        if not 0 <= account < self.accounts_count:
            msg = f"account {account} was never opened; accounts are 0..{self.accounts_count - 1}"
            raise UnknownAccount(msg)
        return int(self._cross[account])

    def units_of(self, account: int) -> tuple[int, ...]:
        """Return the units of an account, closed ones included, in the order of opening."""
        return (self.cross_unit(account), *self._more.get(account, ()))

    def account_of(self, unit: int) -> int:
        """Return the account of a unit, `NO_ACCOUNT` of an in-house one."""
        return int(self.units["account"][self.known(unit)])

    def unit_view(self, unit: int) -> UnitView:
        """Return a unit as plain Python values."""
        return unit_view(self.units, self.positions.rows, self.balances.rows, self.known(unit))

    def balance(self, unit: int, asset: int) -> int:
        """Return the quanta a unit holds of an asset."""
        row = find_balance(self.units, self.balances.rows, self.known(unit), asset)
        return int(self.balances.rows[row]["quanta"]) if row >= 0 else 0

    def lots(self, unit: int, instrument: int, leg: Leg = Leg.NET) -> int:
        """Return the signed lots a unit holds of an instrument."""
        row = self.position_row(unit, instrument, leg)
        return int(self.positions.rows[row]["lots"]) if row is not None else 0

    def position_row(self, unit: int, instrument: int, leg: Leg = Leg.NET) -> int | None:
        """Return the table row of a position; the next posting may move it."""
        rows = self.positions.rows
        row = find_position(self.units, rows, self.known(unit), instrument, int(leg))
        return row if row >= 0 else None

    def set_leverage(
        self,
        unit: int,
        instrument: int,
        hundredths: int,
        *,
        leg: Leg = Leg.NET,
    ) -> None:
        """Set the leverage of a held position, in hundredths; 0 is its tier's maximum."""
        row = self.position_row(unit, instrument, leg)
        if row is None or not 0 <= hundredths < 2**16:
            msg = (
                f"unit {unit}: leverage {hundredths}/100 of instrument {instrument}, leg {leg}; "
                "name a held position and 0..65535 hundredths"
            )
            raise InvalidInput(msg)
        self.positions.rows["leverage"][row] = hundredths

    def set_status(self, unit: int, status: UnitStatus) -> None:
        """Move a unit to another status; a closed one stays closed (INV-11)."""
        record = self.units[self.known(unit)]
        if status is UnitStatus.CLOSED:
            self._close(unit)
        elif record["status"] == UnitStatus.CLOSED:
            msg = f"unit {unit} is closed and stays closed; open another account"
            raise InvalidInput(msg)
        record["status"] = status

    def known(self, unit: int) -> int:
        """Return `unit`, or refuse an id that was never opened."""
        if not 0 <= unit < self.units_count:
            msg = f"unit {unit} was never opened; units are 0..{self.units_count - 1}"
            raise UnknownUnit(msg)
        return unit

    def unit_name(self, unit: int) -> str:
        """Return what messages call a unit: its in-house name, or its number."""
        for name, number in self.in_house.items():
            if number == unit:
                return name
        return f"unit {unit}"

    def restore(self, units: Rows, vault: Iterable[int]) -> None:
        """Take over a loaded unit table and vault; `positions` and `balances` are loaded apart."""
        self._units, self._view = units, None
        self.units_count = len(units)
        self.vault = list(vault)
        self._index_accounts()

    def _index_accounts(self) -> None:
        owners = self.units["account"]
        held = np.flatnonzero(owners != NO_ACCOUNT)
        accounts, first = np.unique(owners[held], return_index=True)
        self.accounts_count = len(accounts)
        self._cross = held[first].astype(np.int32)
        self._more = {}
        for unit in np.delete(held, first):
            self._more.setdefault(int(owners[unit]), []).append(int(unit))

    def _add_units(self, count: int, account: int, kind: UnitKind) -> int:
        first = self.units_count
        if first + count > len(self._units):
            self._units = resized(self._units, max(first + count, 2 * len(self._units)))
        self.units_count, self._view = first + count, None
        added = self.units[first:]
        added["account"] = account
        added["kind"] = kind
        added["positions_class"] = NO_BLOCK
        added["balances_class"] = NO_BLOCK
        return first

    def _close(self, unit: int) -> None:
        view = self.unit_view(unit)
        if view.positions or any(view.balances.values()):
            msg = (
                f"unit {unit} still holds {len(view.positions)} positions and {view.balances}; "
                "close and pay out first"
            )
            raise InvalidInput(msg)
        record = self.units[unit]
        for name, table in (("positions", self.positions), ("balances", self.balances)):
            size = int(record[f"{name}_class"])
            release(table.next_free, table.heads, int(record[f"{name}_start"]), size)
            record[f"{name}_class"] = NO_BLOCK
            record[f"{name}_count"] = 0
