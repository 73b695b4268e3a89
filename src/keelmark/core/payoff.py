"""What an option pays: a value of its own, so that further payoffs need no further instruments.

A payoff says what it is worth at a forward, a volatility and a time, where its worth at expiry
changes its formula, and what it would pay now. A barrier option carries its barrier and whether it
was touched; a lookback carries the extreme so far: they are further values of `Payoff`.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from keelmark.core.black76 import EuropeanOption, undiscounted
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO


class Right(StrEnum):
    """Whether an option buys or sells."""

    CALL = "call"
    PUT = "put"


class Payoff(Protocol):
    """What `core` asks of an option."""

    def value(self, forward: float, volatility: float, years: float) -> float:
        """Return the undiscounted value per unit of the underlying, quote."""

    def breakpoints(self) -> tuple[Decimal, ...]:
        """Return the prices of the underlying at which the payoff changes its formula."""

    def intrinsic(self, price: Decimal) -> Decimal:
        """Return what exercise would pay per unit at a price of the underlying, exact."""

    def out_of_the_money(self, price: Decimal) -> Decimal:
        """Return how far the price must move before exercise pays; zero in the money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanilla:
    """A European call or put.

    Attributes:
        right: Call or put.
        strike: Quote per unit of the underlying.
    """

    right: Right
    strike: Decimal

    def __post_init__(self) -> None:
        if not (self.strike.is_finite() and self.strike > ZERO):
            msg = f"option: strike is {self.strike}; it must be a positive number"
            raise InvalidInput(msg)

    @property
    def is_call(self) -> bool:
        """Whether it is a call."""
        return self.right is Right.CALL

    def at(self, forward: float, years: float) -> EuropeanOption:
        """Return the option where it stands, for `core.black76`."""
        return EuropeanOption(
            is_call=self.is_call, forward=forward, strike=float(self.strike), years=years
        )

    def value(self, forward: float, volatility: float, years: float) -> float:
        """Return the Black-76 value."""
        return undiscounted(self.at(forward, years), volatility)

    def breakpoints(self) -> tuple[Decimal, ...]:
        """Return the strike."""
        return (self.strike,)

    def intrinsic(self, price: Decimal) -> Decimal:
        """Return `max(0, price - strike)`, of a put `max(0, strike - price)`."""
        gain = price - self.strike
        return max(ZERO, gain if self.is_call else -gain)

    def out_of_the_money(self, price: Decimal) -> Decimal:
        """Return `max(0, strike - price)`, of a put `max(0, price - strike)`."""
        gap = self.strike - price
        return max(ZERO, gap if self.is_call else -gap)
