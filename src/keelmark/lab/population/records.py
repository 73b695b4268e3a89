"""The rows a population is made of: what bulk posting reads."""

from enum import IntEnum

import numpy as np


class AccountKind(IntEnum):
    """What an account does."""

    DIRECTIONAL = 0
    """One way per instrument, long or short."""
    HEDGED = 1
    """Long one instrument, short another for as much."""
    HEDGE_MODE = 2
    """Both legs of the same instrument."""
    DELTA_NEUTRAL = 3
    """Holds the coin and is short its perpetual for as much."""
    WHALE = 4
    """Named in the specification."""
    MARKET_MAKER = 5
    """Takes the other side of the imbalance; well capitalised."""


ACCOUNT = np.dtype([("id", "i4"), ("kind", "i1")])  # id is the row; AccountKind
UNIT = np.dtype([("account", "i4"), ("kind", "i1")])  # UnitKind; an account's cross unit first
DEPOSIT = np.dtype([("quanta", "i8"), ("unit", "i4"), ("asset", "i4")])
POSITION = np.dtype(
    [
        ("lots", "i8"),  # signed
        ("entry_ticks", "i8"),
        ("unit", "i4"),
        ("instrument", "i4"),
        ("leverage", "u2"),  # hundredths, the setting the user chose
        ("leg", "i1"),  # Leg: 0 net, 1 long, -1 short
    ],
)
