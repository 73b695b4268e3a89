"""Volatility shocks that grow towards expiry, as Deribit, Derive and Paradex scale them.

Source: deribit.com portfolio margin page (2019 text: one power), private/pme/simulate model
parameters; docs.derive.xyz portfolio margin; docs.paradex.trade/risk/portfolio-margin.
"""

from dataclasses import dataclass

from keelmark.core.errors import InvalidInput

HORIZON_DAYS = 30.0
"""Days to expiry at which a shock has its stated size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VegaPowers:
    """How fast a shock grows as expiry comes near.

    Attributes:
        short: Power below 30 days to expiry.
        long: Power from 30 days on.
    """

    short: float
    long: float

    def at(self, days: float) -> float:
        """Return the power at so many days to expiry."""
        return self.short if days < HORIZON_DAYS else self.long


def volatility_shock(
    size: float, days: float, powers: VegaPowers, *, days_min: float = 0.0
) -> float:
    """Return the relative change of volatility, `size * (30 / max(days_min, days)) ** power`.

    Args:
        size: Shock at 30 days, fraction of the volatility, signed.
        days: Days to expiry.
        powers: Powers below and from 30 days.
        days_min: Days below which the shock grows no more.

    Raises:
        InvalidInput: No days are left and no floor is given: the shock has no end.
    """
    counted = max(days_min, days)
    if counted <= 0:
        msg = f"{days} days to expiry give no volatility shock; leave expired options out"
        raise InvalidInput(msg)
    return float(size * (HORIZON_DAYS / counted) ** powers.at(days))
