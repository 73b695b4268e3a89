"""The arrays of the tripwire index, as bundles that kernels take.

Wires are derived from the book: they are outside digest, journal and snapshot.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Floats, Rows

Int32s = npt.NDArray[np.int32]
Int8s = npt.NDArray[np.int8]

LEG = np.dtype(
    [
        ("q", "f8"),  # value of the position is q * x
        ("cost", "f8"),
        ("weight", "f8"),  # of a positive profit
        ("lots", "i8"),
        ("instrument", "i4"),
        ("next_gain", "i4"),  # next leg of the same term, -1 ends
        ("next_need", "i4"),
        ("spare", "i4"),
    ],
)
"""One position of the unit at hand."""

TERM = np.dtype(
    [
        ("price", "f8"),  # present price of the factor
        ("x", "f8"),  # present abscissa
        ("near", "f8"),  # interval of x: the end on the side of zero
        ("far", "f8"),  # and the other, infinite where no wire is needed
        ("gain_near", "f8"),  # counted profit and requirement at the ends, settle quanta
        ("need_near", "f8"),
        ("gain_far", "f8"),
        ("need_far", "f8"),
        ("turn", "f8"),  # present slope times price: of the counted profit, without signs,
        ("gross", "f8"),
        ("need", "f8"),  # and present requirement
        ("weight", "f8"),  # relative distance of the wires per unit of lambda
        ("factor", "i4"),
        ("gains", "i4"),  # first leg whose profit reads the factor, -1 none
        ("needs", "i4"),  # first leg whose requirement reads it
        ("inverse", "i1"),
        ("jumps", "i1"),  # has a requirement that jumps or is not convex
        ("near_wire", "i1"),
        ("far_wire", "i1"),  # NEEDED or WANTED
    ],
)
"""All of one pool that reads one price in one form: a function of that price alone."""

POOL = np.dtype(
    [
        ("amount", "f8"),  # balance, quanta
        ("accrual", "f8"),  # interest a second, at most zero
        ("here", "f8"),  # present total with interest and counted profit
        ("scale", "f8"),  # valuation units per quantum and price
        ("price", "f8"),  # present price, one where it is not read
        ("low", "f8"),  # interval of the price
        ("high", "f8"),
        ("weight", "f8"),
        ("slope", "f8"),  # of the collateral line in use
        ("flattest", "f8"),  # smallest and largest slope that profits meet
        ("steepest", "f8"),
        ("worst", "f8"),  # least total inside the box less the bound of its error, quanta
        ("asset", "i4"),
        ("factor", "i4"),  # -1: the price is not read
        ("first_term", "i4"),
        ("end_term", "i4"),
        ("apart", "i4"),  # 1: the haircut applies to the balance alone
        ("spare", "i4"),
    ],
)
"""One balance row of the unit at hand with all that settles in its asset."""

PLAN = np.dtype([("trip", "f8"), ("ladder", "i4"), ("slot", "i4")])

STATUS = np.dtype(
    [
        ("hot_distance", "f8"),  # settings
        ("reserve_share", "f8"),
        ("horizon", "f8"),
        ("slots", "i8"),
        ("visits_limit", "i8"),  # wires visited in one snapshot before a pass takes over
        ("stamp", "i8"),  # of the snapshot at hand
        ("pending", "i8"),  # 1: collected and not yet settled
        ("moved", "i8"),  # counts of the lists
        ("touched", "i8"),
        ("settled", "i8"),
        ("decisions", "i8"),
        ("suspects", "i8"),
        ("unknowns", "i8"),
        ("untrusted", "i8"),
        ("trust_changed", "i8"),
        ("pools", "i8"),  # of the unit at hand
        ("terms", "i8"),
        ("planned", "i8"),
        ("wires_end", "i8"),  # wires ever handed out
        ("ahead", "i8"),  # what `read_ahead` has read, of no meaning
        ("snapshots", "i8"),  # statistics
        ("evaluations", "i8"),
        ("placings", "i8"),
        ("corners", "i8"),
        ("visits", "i8"),
        ("relinked", "i8"),
        ("passes", "i8"),
        ("refused", "i8"),
        ("spent", "i8"),
        ("exhausted", "i8"),
    ],
)


FACTOR = np.dtype(
    [
        ("volatility", "f8"),  # sigma ** (2/3)
        ("before", "f8"),  # price before the snapshot
        ("moved", "i4"),  # list of the factors of the snapshot
        ("shift", "i1"),  # bits dropped from a price to get its bucket
        ("untrusted", "i1"),  # 1: the last price offered was refused
        ("moving", "i1"),  # 1: in the list
        ("spare", "i1"),
    ],
)

LISTS = np.dtype(
    [
        ("touched", "i4"),  # four lists of units, side by side
        ("decision", "i4"),
        ("suspect", "i4"),
        ("unknown", "i4"),
        ("place", "i4"),  # of this row's unit: its place among the suspects or the unknown
        ("pools", "i4"),  # of this row's unit: balance rows at the placement
    ],
)


class Net(NamedTuple):
    """What the index keeps between calls. Few arrays: every call of a kernel copies their heads."""

    watch: Rows  # (n_units,)
    lists: Rows  # (n_units,)
    worst: Floats  # (n_balances,) least total of the asset inside the box, quanta
    wires: Rows
    heads: Int32s  # (2 * n_factors * (slots + 1),) wire + 1; the extra slot holds hot wires
    free: Int32s  # (classes,) first freed block of wires + 1
    factors: Rows  # (n_factors,)
    jumps: Int8s  # (n_instruments,)
    status: Rows  # (1,)


class Work(NamedTuple):
    """Room for the unit at hand."""

    legs: Rows
    terms: Rows
    pools: Rows
    plan: Rows
    lookup: Int32s  # (2 * n_factors,) latest term of a factor and form


class Stream(NamedTuple):
    """Snapshots one after the other: snapshot `s` is the rows `offsets[s]` to `offsets[s + 1]`."""

    offsets: npt.NDArray[np.int64]
    factors: Int32s
    prices: Floats
