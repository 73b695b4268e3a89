"""The layout of every column table, as numpy record types.

`rows["lots"]` is a column; one row is one cache line, so a kernel that visits a unit at random
touches few lines and takes one argument a table (docs/decisions/0002-records.md).
"""

import numpy as np

UNIT = np.dtype(
    [
        ("account", "i4"),  # index of the account the unit belongs to
        ("positions_start", "i4"),  # first row of the unit's block
        ("balances_start", "i4"),
        ("positions_count", "i2"),  # rows in use
        ("balances_count", "i2"),
        ("positions_class", "i1"),  # block capacity is 2**class, -1 is no block
        ("balances_class", "i1"),
        ("kind", "i1"),  # UnitKind
        ("status", "i1"),  # UnitStatus
    ],
)
POSITION = np.dtype(
    [
        ("lots", "i8"),  # signed
        ("cost", "i8"),  # signed, settle quanta
        ("instrument", "i4"),
        ("leverage", "u2"),  # hundredths, 0 is the tier's maximum
        ("leg", "i1"),  # 0 net, 1 long, -1 short
        ("spare", "i1"),
    ],
)
BALANCE = np.dtype([("quanta", "i8"), ("asset", "i4"), ("spare", "i4")])

INSTRUMENT = np.dtype(
    [
        ("unit_value", "i8"),  # linear: quanta per lot and tick; inverse: quanta * ticks per lot
        ("settle", "i4"),  # asset index
        ("mark_factor", "i4"),
        ("margin_factor", "i4"),  # equals mark_factor where margin is taken on the mark
        ("tier_start", "i4"),
        ("tier_count", "i4"),
        ("inverse", "i1"),
        ("rule_kind", "i1"),  # RuleKind
        ("edge_upper", "i1"),  # 1: a notional on a floor belongs to the upper bracket
        ("spare", "i1"),
        ("price_unit", "f8"),  # price per tick
        ("value_scale", "f8"),  # linear: quanta per lot and price; inverse: quanta * price per lot
        ("pnl_weight", "f8"),  # weight of positive unrealised PnL in maintenance
        ("size_slope", "f8"),  # SCALED: rate per lot
    ],
)
TIER = np.dtype([("floor", "f8"), ("rate", "f8"), ("deduction", "f8")])
ASSET = np.dtype(
    [
        ("price_factor", "i4"),  # -1: the price is one and not a variable
        ("segment_start", "i4"),
        ("segment_count", "i4"),
        ("spare", "i4"),
        ("value_scale", "f8"),  # valuation units per quantum and 1.0 of price
        ("borrow_rate", "f8"),  # per second on a negative balance, 0 where it counts only if posted
    ],
)
SEGMENT = np.dtype([("slope", "f8"), ("intercept", "f8")])  # intercept in quanta

WATCH = np.dtype(
    [
        ("reserve", "f8"),  # unspent corner value, valuation units
        ("level", "f8"),  # multiple of maintenance that is watched
        ("wires_start", "i4"),
        ("stamp", "i4"),
        ("wires_count", "i2"),
        ("wires_class", "i1"),
        ("state", "i1"),  # WatchState
        ("spare", "i4"),
    ],
)
WIRE = np.dtype(
    [
        ("trip", "f8"),
        ("unit", "i4"),
        ("next", "i4"),
        ("previous", "i4"),
        ("ladder", "i4"),  # 2 * factor + side, side 0 fires downwards, 1 upwards
    ],
)

SIZE_LIMIT = 2**53
"""Largest stored |lots| and price in ticks: beyond it a float no longer holds every integer."""

AMOUNT_LIMIT = 2**62
"""Largest stored |cost| and |balance|: a sum of two still fits in 64 bits."""

POSTING = np.dtype(
    [
        ("lots", "i8"),  # fill: signed change of the unit's position, the counterparty's negated
        ("value", "i8"),  # fill: signed settle quanta of `lots`; transfer: quanta `unit` gives
        ("fee", "i8"),  # settle quanta the unit pays to the fees unit; a rebate is negative
        ("counterparty_fee", "i8"),
        ("unit", "i4"),  # OUTSIDE: the vault's other side, transfers only
        ("counterparty", "i4"),
        ("subject", "i4"),  # fill: instrument; transfer: asset
        ("leverage", "u2"),  # of the unit's position from now on, hundredths; 0 leaves it
        ("counterparty_leverage", "u2"),
        ("leg", "i1"),
        ("counterparty_leg", "i1"),
        ("kind", "i1"),  # FILL or TRANSFER
        ("reducing", "i1"),  # bits of REDUCING_UNIT, REDUCING_COUNTERPARTY
        ("spare", "i4"),
    ],
)
"""One row of an atomic batch: a fill between two units, or cash from one to another."""

UNDO = np.dtype(
    [
        ("lots", "i8"),  # or quanta
        ("cost", "i8"),
        ("unit", "i4"),
        ("slot", "i4"),  # row within the unit's block
        ("instrument", "i4"),
        ("leverage", "u2"),
        ("leg", "i1"),
        ("kind", "i1"),
    ],
)
"""What a row was before a batch changed it; independent of where its block lies."""

CASH = np.dtype([("delta", "i8"), ("unit", "i4"), ("asset", "i4")])
"""A unit's balance moved and nothing else of it."""

FILL = 0
TRANSFER = 1

OUTSIDE = -1
"""In a transfer: the owner's pocket; the vault changes by the amount."""

REDUCING_UNIT = 1
"""Refuse the row unless it only shrinks the unit's position."""

REDUCING_COUNTERPARTY = 2
"""Refuse the row unless it only shrinks the counterparty's position."""
