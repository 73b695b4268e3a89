"""A unit as plain Python values; the core decides on these."""

from collections.abc import Mapping
from dataclasses import dataclass

from keelmark.book.kernels.blocks import Record, Rows
from keelmark.core.codes import Leg, UnitKind, UnitStatus

LEGS = {int(leg): leg for leg in Leg}
KINDS = {int(kind): kind for kind in UnitKind}
STATUSES = {int(status): status for status in UnitStatus}
"""Codes by number: asking an enum takes ten times as long, once a row."""


@dataclass(frozen=True, slots=True)
class PositionView:
    """One position of a unit.

    Attributes:
        instrument: Instrument index.
        leg: `NET`, or the leg of a hedge-mode account.
        lots: Signed.
        cost: Signed, settle quanta.
        leverage: Hundredths; 0 is the tier's maximum.
    """

    instrument: int
    leg: Leg
    lots: int
    cost: int
    leverage: int


@dataclass(frozen=True, slots=True)
class UnitView:
    """Everything the book knows of a unit.

    Attributes:
        unit: Unit id.
        account: Account index; -1 for an in-house unit.
        kind: Cross, isolated or in-house.
        status: Where the unit stands.
        balances: Quanta by asset index, zero balances included.
        positions: By instrument and leg.
    """

    unit: int
    account: int
    kind: UnitKind
    status: UnitStatus
    balances: Mapping[int, int]
    positions: tuple[PositionView, ...]


def unit_view(units: Rows, positions: Rows, balances: Rows, unit: int) -> UnitView:
    """Return the rows of `unit` as plain values."""
    return rows_view(unit, units[unit], positions, balances)


def rows_view(unit: int, record: Record, positions: Rows, balances: Rows) -> UnitView:
    """Return a unit's record, and what it says of tables, as plain values."""
    account, start, cash_start, count, cash_count, _, _, kind, status = record.item()
    rows = positions[start : start + count].tolist()
    held = (
        PositionView(instrument, LEGS[leg], lots, cost, leverage)
        for lots, cost, instrument, leverage, leg, _ in rows
    )
    cash = balances[cash_start : cash_start + cash_count].tolist()
    return UnitView(
        unit=unit,
        account=account,
        kind=KINDS[kind],
        status=STATUSES[status],
        balances={asset: quanta for quanta, asset, _ in sorted(cash, key=lambda row: row[1])},
        positions=tuple(sorted(held, key=lambda row: (row.instrument, row.leg))),
    )
