"""The columns a revaluation kernel reads: one unit, its positions, its assets, flat.

Values and notionals are those of now; a scenario multiplies them. A requirement is a row of
`rate * n + curve * n**2 - deduction`, with what stands still beside it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]
Rows = npt.NDArray[np.void]

LINEAR = 0
INVERSE = 1
OPTION = 2

ON_MARK = 0
ON_INDEX = 1
AT_ENTRY = 2

LEG = np.dtype(
    [
        ("value", "f8"),  # signed, at the mark now, settle asset
        ("cost", "f8"),  # signed, settle asset
        ("notional", "f8"),  # unsigned, at the margin price now, settle asset
        ("constant", "f8"),  # requirement that no price moves, settle asset
        ("funding", "f8"),  # what a funding of one takes, settle asset
        ("coin", "i4"),
        ("row_start", "i4"),
        ("row_count", "i4"),
        ("row_now", "i4"),  # row of the notional now: where a search starts
        ("option", "i4"),  # row of `options`, -1 for every other kind
        ("position", "i4"),  # of the unit: legs lie by asset, parts are told by position
        ("group", "i4"),  # row of `groups`, -1 for none
        ("kind", "i1"),  # LINEAR, INVERSE, OPTION
        ("margin", "i1"),  # ON_MARK, ON_INDEX, AT_ENTRY
        ("edge_upper", "i1"),  # 1: a notional on a floor belongs to the upper row
    ],
)
ROW = np.dtype([("floor", "f8"), ("rate", "f8"), ("curve", "f8"), ("deduction", "f8")])
OPTION_ROW = np.dtype(
    [
        ("units", "f8"),  # signed size in units of the underlying
        ("forward", "f8"),  # now
        ("strike", "f8"),
        ("deviation", "f8"),  # volatility * sqrt(years), now
        ("difference", "f8"),  # mark less model now, settle asset per unit
        ("counts", "f8"),  # 1 where the value counts in equity, else 0
        ("share", "f8"),  # of a short, settle asset per unit now
        ("of_mark", "f8"),  # of a short: share of the mark, where that is more
        ("factor", "f8"),  # by size
        ("fee", "f8"),  # settle asset per unit now
        ("is_call", "i1"),
        ("in_coin", "i1"),  # premium in coin: the underlying is one unit of it
        ("is_short", "i1"),  # whether it is asked for anything
    ],
)
ASSET = np.dtype(
    [
        ("price", "f8"),  # now, valuation currency
        ("cash", "f8"),  # balance less accrued interest
        ("gross", "f8"),  # margin on the gross loan
        ("loan_rate", "f8"),
        ("ask", "f8"),
        ("coin", "i4"),  # that its price moves with, -1 for none
        ("leg_start", "i4"),
        ("leg_end", "i4"),
        ("segment_start", "i4"),
        ("segment_end", "i4"),
        ("apart", "i1"),  # 1: weights apply to the balance alone
    ],
)
SEGMENT = np.dtype([("slope", "f8"), ("intercept", "f8")])
GROUP = np.dtype([("loss", "f8"), ("naked", "f8"), ("coin", "i4")])  # naked: now, settle asset


class Tables(NamedTuple):
    """One unit; legs of an asset lie together, and those of a group within it."""

    legs: Rows
    rows: Rows
    options: Rows
    groups: Rows
    assets: Rows
    segments: Rows
    weight: float  # of positive profit
    cap: float  # of counted positive profit, valuation currency; infinite for none


class Moves(NamedTuple):
    """Shocks of scenarios, and the column of each coin or asset in them; -1 stands still."""

    returns: Floats  # (n, .) fractions
    basis: Floats  # (n, .) fractions
    volatility: Floats  # (n, .) fractions
    funding: Floats  # (n, .) fractions
    collateral: Floats  # (n, .) fractions
    return_of: Columns  # (coins,)
    basis_of: Columns  # (coins,)
    volatility_of: Columns  # (coins,)
    funding_of: Columns  # (coins,)
    collateral_of: Columns  # (assets,)
