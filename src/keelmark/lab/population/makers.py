"""Market makers: the accounts that hold the other side of the traders' imbalance."""

import numpy as np

from keelmark.core.errors import InvalidDocument
from keelmark.lab.arrays import Float64Array, Int64Array
from keelmark.lab.population.brackets import Brackets
from keelmark.lab.scenarios.values import Opening


def share_out(imbalance: Int64Array, makers: int) -> Int64Array:
    """Return lots a maker and instrument, (makers, n_instruments): they cancel the imbalance.

    Whole lots, as equal as can be; the makers that hold one lot more rotate with the instrument.
    """
    lots, left = np.divmod(np.abs(imbalance), makers)
    turn = (np.arange(makers)[:, None] - np.arange(imbalance.size)) % makers
    shares: Int64Array = -np.sign(imbalance) * (lots + (turn < left))
    return shares


def require_room(lots: Int64Array, lot_notionals: Float64Array, opening: Opening) -> None:
    """Refuse makers whose positions lie beyond a bracket table.

    Raises:
        InvalidDocument: Naming every instrument.
    """
    ends = Brackets.of(opening.instruments).ends
    largest = np.abs(lots).max(axis=0) * lot_notionals
    problems = [
        f"market_makers.count: {opening.instruments[i].symbol} leaves {largest[i]:,.0f} to each, "
        f"its bracket table ends at {ends[i]:,.0f}; use more makers"
        for i in np.flatnonzero(largest > ends)
    ]
    if problems:
        msg = "impossible population"
        raise InvalidDocument(msg, problems)
