"""Rows inside events: the working of a decision, bills, and the lines of a statement."""

import msgspec


class HoldingRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A position at the moment of a decision; decimals as text."""

    instrument: int
    leg: int
    lots: int
    cost: int
    mark: str
    notional: str
    maintenance: str
    tier: int


class AssetRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """An asset of a unit at the moment of a decision; decimals as text.

    Attributes:
        counted: Balance, interest and counted profit before haircuts.
        value: What that counts for, in the asset.
        maintenance: Requirements settled in it, loan margin included.
        price: Valuation currency per unit.
    """

    asset: int
    counted: str
    value: str
    maintenance: str
    price: str


class BillRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Who paid the deficit in one settle asset; fields as those of `events.LiquidationEnded`."""

    asset: int
    deficit: int
    fund: int
    deleveraged: int
    socialised: int
    backstop: int
    surplus: int


class Payment(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A line of a closing statement."""

    payee: str
    asset: int
    quanta: int
