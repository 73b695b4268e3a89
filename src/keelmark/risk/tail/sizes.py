"""How large each leg is: in the account's own currency, and in dollars, in which coins trade."""

from dataclasses import dataclass

import numpy as np

from keelmark.core.excess import price_of
from keelmark.core.margin import PositionMargin, margin_report
from keelmark.core.numbers import exact
from keelmark.risk.returns import Array
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.statistics import Unknown
from keelmark.risk.symbols import DOLLARS, coin_of
from keelmark.risk.tail.book import RiskBook


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sizes:
    """Gross notionals by leg, nothing for collateral.

    Attributes:
        own: Valuation currency.
        dollars: The same in dollars; NaN where nothing tells what it is in dollars.
        coins: Coin of each leg.
        options: Legs that are options: they trade in books of their own.
    """

    own: Array
    dollars: Array
    coins: tuple[str, ...]
    options: tuple[str, ...]

    def by_coin(self) -> tuple[dict[str, float], dict[str, float]] | Unknown:
        """Return notionals by coin, in the own currency and in dollars."""
        if self.options:
            names = ", ".join(self.options[:3]) + (" and more" if len(self.options) > 3 else "")  # noqa: PLR2004
            return Unknown(
                f"{names}: an option trades in a book of its own, of which nothing tells"
            )
        own: dict[str, float] = {}
        dollars: dict[str, float] = {}
        for coin, size, worth in zip(self.coins, self.own, self.dollars, strict=True):
            if np.isnan(worth):
                return Unknown(f"nothing tells what a contract on {coin} is worth in dollars")
            own[coin] = own.get(coin, 0.0) + float(size)
            dollars[coin] = dollars.get(coin, 0.0) + float(worth)
        return own, dollars


def sizes_of(book: RiskBook) -> Sizes:
    """Return how large each leg of an account is."""
    own: list[float] = []
    dollars: list[float] = []
    options: list[str] = []
    with exact():
        for valuer in book.valuers:
            held = margin_report(valuer.unit, valuer.market, valuer.model).positions
            rest = [0.0] * (len(valuer.legs) - len(held))
            both = [_size(one, valuer) for one in held]
            own += [*(size for size, _ in both), *rest]
            dollars += [*(worth for _, worth in both), *rest]
            options += [p.terms.instrument.symbol for p in held if p.terms.option is not None]
    return Sizes(
        own=np.array(own),
        dollars=np.array(dollars),
        coins=tuple(coin_of(coin)[0] for coin in book.leg_coins),
        options=tuple(options),
    )


def _size(held: PositionMargin, valuer: UnitValuer) -> tuple[float, float]:
    """Return the notional of a position in the unit's currency, and in dollars."""
    instrument = held.terms.instrument
    size = float(held.notional * price_of(instrument.settle, valuer.market, valuer.model))
    if instrument.is_inverse:  # so many dollars of the coin
        return size, float(abs(held.value) * held.mark_price)
    is_dollar = "USD" in valuer.currency or valuer.currency in DOLLARS
    return size, size if is_dollar else float("nan")
