"""How much coins usually move: what a distance is divided by to be told in standard deviations.

Nothing is assumed: volatilities come from the document, from the caller or from past returns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import sqrt

from keelmark.accounts.account import Account

A_DAY = "a day"

_ONE_COIN = 1e-12
"""Share of a coin's variance that others leave open, below which it moves as one with them."""


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

    def unit_of(self, moves: Mapping[str, float]) -> float | None:
        """Return how much of a move is one standard deviation; `None` where that is not known.

        Of one coin that is its own deviation over its step. Of several it is one over the length of
        the move, `sqrt(d' S^-1 d)`, as `risk.reverse` measures every move: no move that
        liquidates is nearer than the nearest. That takes the covariance `S`, with coins that do not
        move as one.
        """
        coins = tuple(moves)
        if not any(moves.values()) or any(not self.by_coin.get(coin) for coin in coins):
            return None
        if len(coins) == 1:
            return self.by_coin[coins[0]] / abs(moves[coins[0]])
        if any((one, other) not in self.covariance for one in coins for other in coins):
            return None
        square = _length_squared(self, moves)
        return None if square is None else 1.0 / sqrt(square)

    @property
    def has_covariance(self) -> bool:
        """Whether it is known how coins move together."""
        return bool(self.covariance)


def _length_squared(known: Volatilities, moves: Mapping[str, float]) -> float | None:
    """Return `d' S^-1 d`, each coin by its own deviation; `None` where `S` has no inverse.

    A row of Cholesky's triangle at a time: of each coin's step what those before it do not tell.
    """
    rows: list[list[float]] = []
    solved: list[float] = []
    coins = tuple(moves)
    for i, coin in enumerate(coins):
        row: list[float] = []
        for j, other in enumerate(coins[: i + 1]):
            scale = known.by_coin[coin] * known.by_coin[other]
            rest = known.covariance[coin, other] / scale
            rest -= sum(row[k] * (rows[j] if j < i else row)[k] for k in range(j))
            if j < i:
                row.append(rest / rows[j][j])
            elif rest <= _ONE_COIN:
                return None
            else:
                row.append(sqrt(rest))
        step = moves[coin] / known.by_coin[coin]
        solved.append((step - sum(row[k] * solved[k] for k in range(i))) / row[i])
        rows.append(row)
    return sum(part * part for part in solved)


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


def beside(distance: str, sigmas: float | None, coin: str | None = None) -> str:
    """Return a distance with its standard deviations, where they are at hand, and whose they are.

    Without a coin they are those of all that moves, as `joint` counts them.
    """
    of = "" if coin is None else f" of {coin}"
    return distance if sigmas is None else f"{distance} ({sigmas_text(sigmas)} sigma{of})"
