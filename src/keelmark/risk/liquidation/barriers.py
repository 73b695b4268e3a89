"""The price at which one contract liquidates, as a barrier of a walk.

Maintenance is a rate of the notional; `e` equity and `P` the price now, `q` a signed size.

    linear     E + q (S - P) = m |q| S     S = (q P - e) / (q - |q| m)
    inverse    e + N (1/P - 1/S) = m |N| / S   S = (N + m |N|) / (e + N / P)   e coin, N dollars

Accounts of several coins have the same barrier for one coin while the others stand still, `e` less
the maintenance of the others. Funding paid at a flat rate moves the barrier of a long up.

Source: docs/model.md, "Probability of liquidation".
"""

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.one_barrier import Walk, distance_to, met_by


def linear_barrier(
    size: float, price: float, equity: float, maintenance_rate: float
) -> float | None:
    """Return the price at which a linear contract liquidates; `None` where no price does.

    Args:
        size: Signed amount, base.
        price: Mark now.
        equity: At that price, quote.
        maintenance_rate: Fraction of the notional.

    Raises:
        InvalidInput: The size is zero, or the price not above it.
    """
    _require(size, price)
    slope = size - abs(size) * maintenance_rate
    barrier = (size * price - equity) / slope
    return barrier if barrier > 0.0 else None


def inverse_barrier(
    size: float, price: float, equity: float, maintenance_rate: float
) -> float | None:
    """Return the price at which an inverse contract liquidates; `None` where no price does.

    Args:
        size: Signed amount, quote (dollars).
        price: Mark now.
        equity: At that price, coin.
        maintenance_rate: Fraction of the notional.

    Raises:
        InvalidInput: As `linear_barrier`.
    """
    _require(size, price)
    worth = equity + size / price
    top = size + maintenance_rate * abs(size)
    if worth == 0.0 or top / worth <= 0.0:
        return None
    return top / worth


def funding_drift(price: float, rate: float, barrier: float, maintenance_rate: float) -> float:
    """Return how fast the log barrier of a long rises that pays flat funding on its entry notional.

    The barrier rises by `price * rate / (1 - m)` a unit of time; taken as a growth of that over
    the barrier, it becomes a drift: `Walk(v, n - drift)`. A short's is minus this with `1 + m`.

    Args:
        price: Entry.
        rate: Paid by longs in one unit of time, fraction of the notional.
        barrier: Liquidation price now.
        maintenance_rate: Fraction of the notional.
    """
    return price * rate / (1.0 - maintenance_rate) / barrier


def leverage_probability(leverage: float, volatility: float, time: float) -> float:
    """Return how likely a long without maintenance at a leverage is wiped out by a time.

    `2 Phi(ln(1 - 1/L) / (v sqrt(t)))`: the log price without drift, the barrier at bankruptcy.

    Raises:
        InvalidInput: The leverage is not above one.
    """
    if leverage <= 1.0:
        msg = f"a leverage of {leverage}: a long at one or less is never wiped out"
        raise InvalidInput(msg)
    return met_by(Walk(volatility), distance_to(1.0, 1.0 - 1.0 / leverage), time)


def _require(size: float, price: float) -> None:
    if size == 0.0 or not price > 0.0:
        msg = f"a size of {size} at {price}: the size is not 0 and the price above it"
        raise InvalidInput(msg)
