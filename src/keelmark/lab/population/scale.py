"""Scale drawn sizes so that the open interest is the one wanted."""

from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidDocument
from keelmark.lab.arrays import Float64Array, Int64Array, totals

_HALVINGS = 48
_DOUBLINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Demand:
    """Positions before scaling.

    Attributes:
        instrument: (n,) index.
        side: (n,) +1 or -1.
        notional: (n,) drawn sizes, any scale.
        smallest: No position is made smaller.
        largest: (n_instruments,) no position is made larger.
        fixed_long: (n_instruments,) long notional that does not scale (whales).
        fixed_short: (n_instruments,) short notional that does not scale.
    """

    instrument: Int64Array
    side: Int64Array
    notional: Float64Array
    smallest: float
    largest: Float64Array
    fixed_long: Float64Array
    fixed_short: Float64Array

    def scaled(self, factor: float) -> Float64Array:
        """Return the notionals times `factor`, within their bounds."""
        bounded = np.maximum(self.notional * factor, self.smallest)
        return np.minimum(bounded, self.largest[self.instrument])

    def open_interest(self, factor: float) -> float:
        """Return the open interest at `factor`: the larger side of each instrument, summed.

        Market makers take the difference, so the larger side is what is open.
        """
        notional = self.scaled(factor)
        count = self.largest.size
        long = totals(self.instrument, np.where(self.side > 0, notional, 0.0), count)
        short = totals(self.instrument, np.where(self.side < 0, notional, 0.0), count)
        return float(np.maximum(long + self.fixed_long, short + self.fixed_short).sum())


def scale_to(demand: Demand, wanted: float) -> Float64Array:
    """Return notionals whose open interest is `wanted`.

    Raises:
        InvalidDocument: It lies below what the smallest positions make, or above what the
            bounds on single positions allow.
    """
    low = 0.0
    high = 1.0
    for _ in range(_DOUBLINGS):
        if demand.open_interest(high) >= wanted:
            break
        high *= 2.0
    reached = demand.open_interest(high)
    if reached < wanted or demand.open_interest(low) > wanted:
        msg = "impossible population"
        raise InvalidDocument(msg, [_problem(demand, wanted, reached)])
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if demand.open_interest(middle) < wanted:
            low = middle
        else:
            high = middle
    return demand.scaled(high)


def _problem(demand: Demand, wanted: float, reached: float) -> str:
    least = demand.open_interest(0.0)
    if least > wanted:
        return (
            f"open_interest: {wanted:,.0f} wanted, but the smallest positions and the whales alone "
            f"make {least:,.0f}; raise daily_volume_share or lower size.smallest"
        )
    return (
        f"open_interest: {wanted:,.0f} wanted, but {reached:,.0f} is all that "
        "size.largest_share lets these accounts hold; raise it or add accounts"
    )
