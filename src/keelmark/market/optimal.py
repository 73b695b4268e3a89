"""The cheapest way to trade a size in a given time against a book that recovers exponentially.

Both books have the same form of optimum: a first block, a rate that trades exactly what recovers,
and a last block (Obizhaeva and Wang 2013; Alfonsi, Fruth and Schied 2010). Between the blocks the
displaced volume stays at the first block `x0`, so the cost is `x(x0) rho T x0 + Phi(X - rho T x0)`
with `Phi` the integral of the displacement. Setting its derivative to zero gives

- flat density, `x(E) = kappa E`: `x0 = X / (rho T + 2)`, `xN = x0`, cost `kappa X^2 / (rho T + 2)`;
- linear density, `x(E) = s sqrt(E)`: `x0 = X / (rho T + 9/4)`, `xN = 5/4 x0`,
  cost `s X^(3/2) / sqrt(rho T + 9/4)`.
"""

from dataclasses import dataclass

from keelmark.core.errors import InvalidInput
from keelmark.market.impact import FlatDensity, LinearDensity


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An optimal schedule.

    Attributes:
        first_block: Lots traded at the start.
        rate: Lots per second in between.
        last_block: Lots traded at the end.
        cost: Impact cost in lots times fraction of the price.
    """

    first_block: float
    rate: float
    last_block: float
    cost: float


def optimal_schedule(
    shape: FlatDensity | LinearDensity, *, size: float, resilience: float, seconds: float
) -> Schedule:
    """Return the cheapest schedule for `size` lots in `seconds`.

    Args:
        shape: Density of an undisturbed book.
        size: Lots, positive; a sale mirrors a purchase.
        resilience: Rate `rho` per second at which displaced volume fades.
        seconds: Time allowed.

    Raises:
        InvalidInput: An argument is negative, or `size` is zero.
    """
    if size <= 0.0 or resilience < 0.0 or seconds < 0.0:
        msg = f"size {size} must be positive, resilience {resilience} and seconds {seconds} >= 0"
        raise InvalidInput(msg)
    recovered = resilience * seconds
    blocks = 2.0 if isinstance(shape, FlatDensity) else 2.25
    first = size / (recovered + blocks)
    return Schedule(
        first_block=first,
        rate=resilience * first,
        last_block=(blocks - 1.0) * first,
        cost=shape.displacement(first, 1.0) * size,
    )
