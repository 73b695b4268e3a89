"""Kelly: the leverage at which capital grows fastest, and what a share of it gives and risks.

A position of `f` times the equity, kept at that leverage, in a price with drift `mu` and volatility
`sigma` grows at

    g(f) = rate + f (mu - funding) - f^2 sigma^2 / 2,    f* = (mu - funding) / sigma^2,

and a share `c` of Kelly, `f = c f*`, at `rate + c (2 - c) (g* - rate)`. It ever falls to the part
`b` of what it has with probability `b^(2 / c - 1)`. Rates are by year, funding is what longs pay: a
short has a negative leverage and is paid it.

Source: Kelly (1956), A new interpretation of information rate; Thorp (2006), The Kelly criterion in
blackjack, sports betting and the stock market. docs/model.md, "Sizing".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keelmark.core.errors import InvalidInput

SHARES = (1.0, 0.5, 0.25)
"""Shares of Kelly that are shown beside each other: full, half, quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How one price is expected to move, by year.

    Attributes:
        mean: Expected relative change, fraction.
        volatility: Standard deviation of it, fraction.
        funding: What longs pay, fraction of notional; negative where longs are paid.
    """

    mean: float
    volatility: float
    funding: float = 0.0

    def __post_init__(self) -> None:
        for name in ("mean", "volatility", "funding"):
            if not math.isfinite(getattr(self, name)):
                msg = f"{name} is {getattr(self, name)}; it must be a finite number by year"
                raise InvalidInput(msg)
        if self.volatility <= 0.0:
            msg = (
                f"volatility is {self.volatility}; it must be above 0: where nothing moves, "
                "no size is too large"
            )
            raise InvalidInput(msg)

    @property
    def edge(self) -> float:
        """What a long earns beyond its funding, by year."""
        return self.mean - self.funding


@dataclass(frozen=True, slots=True, kw_only=True)
class KellyShare:
    """A share of Kelly.

    Attributes:
        share: Of the full Kelly leverage.
        leverage: Signed, notional over equity; negative is short.
        growth: Expected logarithmic growth by year.
        growth_share: Growth over that of full Kelly, beyond the rate on idle capital; `None` where
            full Kelly has none.
        fall: Part of the equity that is fallen to, fraction.
        fall_probability: Of ever having no more than that part.
    """

    share: float
    leverage: float
    growth: float
    growth_share: float | None
    fall: float
    fall_probability: float


def kelly_leverage(drift: Drift) -> float:
    """Return the leverage of fastest growth; negative is short, zero where nothing is earned."""
    return drift.edge / drift.volatility**2


def growth(leverage: float, drift: Drift, *, rate: float = 0.0) -> float:
    """Return the logarithmic growth by year of a leverage that is kept.

    Args:
        leverage: Notional over equity, signed.
        drift: Of the price.
        rate: What equity earns by year.
    """
    return rate + leverage * drift.edge - (leverage * drift.volatility) ** 2 / 2.0


def growth_share(share: float) -> float:
    """Return the growth of a share of Kelly over that of full Kelly: `c (2 - c)`."""
    return share * (2.0 - share)


def fall_probability(share: float, part: float) -> float:
    """Return the probability that a share of Kelly ever falls to a part of its capital.

    `b^(2 / c - 1)`: half for a fall to half at full Kelly, one from twice Kelly on.

    Args:
        share: Of Kelly, above 0.
        part: What is left, fraction of what there was.

    Raises:
        InvalidInput: The share is not positive or the part is no fraction.
    """
    if not (share > 0.0 and 0.0 < part <= 1.0):
        msg = f"a share {share} of Kelly that falls to {part}: a share above 0, a part of 0 to 1"
        raise InvalidInput(msg)
    return float(min(1.0, part ** (2.0 / share - 1.0)))


def share_for_fall(part: float, probability: float) -> float:
    """Return the largest share of Kelly that falls to a part with this probability at most.

    Raises:
        InvalidInput: Either is no fraction between 0 and 1.
    """
    if not (0.0 < part < 1.0 and 0.0 < probability < 1.0):
        msg = f"a fall to {part} with probability {probability}: both lie between 0 and 1"
        raise InvalidInput(msg)
    return 2.0 / (1.0 + math.log(probability) / math.log(part))


def kelly_shares(
    drift: Drift,
    shares: Sequence[float] = SHARES,
    *,
    fall: float = 0.5,
    rate: float = 0.0,
) -> tuple[KellyShare, ...]:
    """Return shares of Kelly beside each other: leverage, growth, and the risk of a fall."""
    full = kelly_leverage(drift)
    best = growth(full, drift, rate=rate) - rate
    found = []
    for share in shares:
        leverage = share * full
        own = growth(leverage, drift, rate=rate)
        found.append(
            KellyShare(
                share=share,
                leverage=leverage,
                growth=own,
                growth_share=(own - rate) / best if best > 0.0 else None,
                fall=fall,
                fall_probability=fall_probability(share, fall) if full else 0.0,
            )
        )
    return tuple(found)


def bet_fraction(probability: float, odds: float) -> float:
    """Return the Kelly fraction of a bet that pays `odds` to one; 0 where it is not worth taking.

    Raises:
        InvalidInput: The probability is no fraction or the odds are not positive.
    """
    if not (0.0 <= probability <= 1.0 and odds > 0.0):
        msg = f"a bet won with {probability} at {odds} to one: a fraction and odds above 0"
        raise InvalidInput(msg)
    return max(0.0, probability - (1.0 - probability) / odds)
