"""How much coins usually move: what a distance is divided by to be told in standard deviations.

Nothing is assumed: volatilities come from the document, from the caller or from past returns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import sqrt

from keelmark.accounts.account import Account

A_DAY = "a day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Volatilities:
    """Standard deviations of relative changes over one span, fractions.

    Attributes:
        by_coin: Of each coin.
        covariance: Of each pair of coins; empty where it is not known.
        horizon: The span, in words.
        source: Where they come from.
    """

    by_coin: Mapping[str, float]
    covariance: Mapping[tuple[str, str], float] = field(default_factory=dict)
    horizon: str = A_DAY
    source: str = "as given"

    def of_coin(self, coin: str) -> float | None:
        """Return the deviation of a coin; `None` where it is not at hand."""
        return self.by_coin.get(coin)

    def together(self, coins: Sequence[str]) -> float | None:
        """Return the deviation of the mean change of coins; `None` where one of them has none.

        Where it is not known how they move together, as if they moved as one: their mean deviation,
        the largest it can be, so that a distance is never told in too many sigmas.
        """
        if not coins or any(coin not in self.by_coin for coin in coins):
            return None
        if not self.covariance:
            return sum(self.by_coin[coin] for coin in coins) / len(coins)
        spread = sum(self.covariance[one, other] for one in coins for other in coins)
        return sqrt(max(0.0, spread)) / len(coins)

    @property
    def is_as_one(self) -> bool:
        """Whether coins are taken to move as one."""
        return not self.covariance


def volatilities_of(account: Account) -> Volatilities | None:
    """Return the volatilities that the document gives; `None` where it gives none."""
    given = account.document.volatilities
    if not given:
        return None
    by_coin = {coin: float(deviation) for coin, deviation in given.items()}
    return Volatilities(by_coin=by_coin, source="the document")


def coins_held(account: Account) -> tuple[str, ...]:
    """Return the coins an account has contracts on, or holds."""
    held = [p.instrument for unit in account.units for p in unit.positions]
    bases = [account.model.instrument(symbol).instrument.base for symbol in held]
    return tuple(dict.fromkeys((*bases, *account.document.collateral)))


def in_sigmas(distance: Decimal | None, deviation: float | None) -> float | None:
    """Return a distance in standard deviations, unsigned; `None` where either is not at hand."""
    if distance is None or not deviation:
        return None
    return abs(float(distance)) / deviation


def sigmas_text(sigmas: float | None) -> str:
    """Return standard deviations as people read them; nothing where there are none."""
    return "" if sigmas is None else f"{sigmas:,.1f}"


def beside(distance: str, sigmas: float | None) -> str:
    """Return a distance with its standard deviations, where they are at hand."""
    return distance if sigmas is None else f"{distance} ({sigmas_text(sigmas)} sigma)"
