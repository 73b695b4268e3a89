"""Derive (Lyra v2) portfolio margin: options under shocks of forward and volatility.

Amounts are in USDC, plain floats: they come from Black-76 values. The page states one discount and
its example computes another; both are here, by name.

Source: docs.derive.xyz reference/portfolio-margin (mirror codetodamoon/binance_deribit_derive_docs
at c34217b6), portfolio-margin-parameters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keelmark.core.black76 import EuropeanOption, undiscounted
from keelmark.rulebooks.formulas.volatility import VegaPowers, volatility_shock

DAYS_IN_YEAR = 365.0
POWERS = VegaPowers(short=0.3, long=0.13)


class VolatilityMove(StrEnum):
    """Which way a scenario moves volatilities."""

    UP = "up"
    STATIC = "static"
    DOWN = "down"


class Discounting(StrEnum):
    """How gains of an expiry are discounted."""

    STATED = "stated"
    """The rule of the page: a positive shocked value of an expiry counts
    `0.95 exp(-(rate + 0.12) years)`, a negative one in full."""
    EXAMPLE = "example"
    """The figures of the page's example: legs times `exp(-rate years)`, and their sum times
    `0.95 exp(-(rate years + 0.12))` whatever its sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLeg:
    """Options of one strike.

    Attributes:
        is_call: Call or put.
        strike: USD.
        volatility: Marked implied volatility, annual fraction.
        size: Signed contracts.
    """

    is_call: bool
    strike: float
    volatility: float
    size: float

    def value(self, forward: float, years: float, multiplier: float = 1.0) -> float:
        """Return what it is worth, undiscounted, with its volatility times a multiplier."""
        option = EuropeanOption(
            is_call=self.is_call, forward=forward, strike=self.strike, years=years
        )
        return self.size * undiscounted(option, self.volatility * multiplier)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionExpiry:
    """Options of one expiry.

    Attributes:
        forward: Forward price, USD.
        days: Days to expiry.
        legs: Options held.
        rate: Risk-free rate, annual fraction.
    """

    forward: float
    days: float
    legs: tuple[OptionLeg, ...]
    rate: float = 0.0

    @property
    def years(self) -> float:
        """Years to expiry."""
        return self.days / DAYS_IN_YEAR

    def values(self, move: float = 0.0, multiplier: float = 1.0) -> tuple[float, ...]:
        """Return what each leg is worth after a move of the forward."""
        forward = self.forward * (1.0 + move)
        return tuple(leg.value(forward, self.years, multiplier) for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioMark:
    """What a portfolio is worth.

    Attributes:
        legs: Value of each leg, undiscounted.
        total: With its cash.
    """

    legs: tuple[float, ...]
    total: float


def portfolio_mark(cash: float, expiry: OptionExpiry) -> PortfolioMark:
    """Return the mark-to-market value of cash and the options of one expiry."""
    legs = expiry.values()
    return PortfolioMark(legs=legs, total=cash + math.fsum(legs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A shock.

    Attributes:
        move: Of the forward, fraction.
        volatility: Which way volatilities go.
    """

    move: float
    volatility: VolatilityMove = VolatilityMove.STATIC


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioTerms:
    """Parameters of the scenarios; the defaults are those the page names.

    Attributes:
        step: Step of the moves; there are four of them on each side.
        range_up: Rise of volatility at 30 days, fraction.
        range_down: Fall of it, fraction.
        powers: Growth towards expiry.
        discount_rate: Added to the rate.
        discount_scale: Share of a positive value that counts.
        discounting: Which convention.
    """

    step: float = 0.045
    range_up: float = 0.5
    range_down: float = 0.275
    powers: VegaPowers = POWERS
    discount_rate: float = 0.12
    discount_scale: float = 0.95
    discounting: Discounting = Discounting.STATED

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The 23 shocks, highest first: at the ends volatility only rises."""
        found = []
        for count in range(4, -5, -1):
            is_end = abs(count) == 4  # noqa: PLR2004 the ends
            ways = [VolatilityMove.UP] if is_end else list(VolatilityMove)
            found += [Scenario(move=self.step * count, volatility=way) for way in ways]
        return tuple(found)


TERMS = ScenarioTerms()
"""The terms the page names."""


def volatility_multiplier(days: float, way: VolatilityMove, terms: ScenarioTerms = TERMS) -> float:
    """Return what volatilities are multiplied with: `1 + range (30 / max(1, days))^p`.

    Args:
        days: Days to expiry.
        way: Up, down or static.
        terms: Ranges and powers.
    """
    if way is VolatilityMove.STATIC:
        return 1.0
    size = terms.range_up if way is VolatilityMove.UP else -terms.range_down
    return 1.0 + volatility_shock(size, days, terms.powers, days_min=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioChange:
    """What a scenario does to one expiry.

    Attributes:
        legs: Change of each leg.
        total: Change of the expiry with its discount.
    """

    legs: tuple[float, ...]
    total: float


def scenario_change(
    expiry: OptionExpiry, scenario: Scenario, terms: ScenarioTerms = TERMS
) -> ScenarioChange:
    """Return what a shock of forward and volatility does to the options of one expiry."""
    multiplier = volatility_multiplier(expiry.days, scenario.volatility, terms)
    shocked = expiry.values(scenario.move, multiplier)
    changes = [new - old for new, old in zip(shocked, expiry.values(), strict=True)]
    if terms.discounting is Discounting.EXAMPLE:
        legs = tuple(change * math.exp(-expiry.rate * expiry.years) for change in changes)
        scale = terms.discount_scale * math.exp(-(expiry.rate * expiry.years + terms.discount_rate))
        return ScenarioChange(legs=legs, total=scale * math.fsum(legs))
    worth = math.fsum(shocked)
    rate = (expiry.rate + terms.discount_rate) * expiry.years
    counted = worth * terms.discount_scale * math.exp(-rate) if worth > 0.0 else worth
    return ScenarioChange(legs=tuple(changes), total=counted - math.fsum(expiry.values()))


def scenario_loss(
    expiries: Sequence[OptionExpiry], terms: ScenarioTerms = TERMS, linear: float = 0.0
) -> float:
    """Return the worst change of a portfolio over the scenarios, not above zero.

    Args:
        expiries: Its options by expiry.
        terms: Shocks and discounts.
        linear: Signed value of its base asset and perpetuals, which move with the forwards, USDC.
    """
    totals = (
        math.fsum(scenario_change(expiry, scenario, terms).total for expiry in expiries)
        + linear * scenario.move
        for scenario in terms.scenarios
    )
    return min(0.0, *totals)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardTerms:
    """Parameters of the forward contingency.

    Attributes:
        move: Of the forward, either way.
        base: Share of the loss that counts at any expiry.
        slope: Share per year to expiry.
    """

    move: float = 0.05
    base: float = 0.5
    slope: float = 2.0


def forward_contingency(
    expiry: OptionExpiry,
    terms: ScenarioTerms = TERMS,
    forward: ForwardTerms = ForwardTerms(),
) -> float:
    """Return the charge on a forward that moves against the options of one expiry, not above zero.

    `(0.5 + 2 years) * min(0, change up, change down)` at moves of 5 %.
    """
    moves = (forward.move, -forward.move)
    changes = [scenario_change(expiry, Scenario(move=move), terms).total for move in moves]
    return (forward.base + forward.slope * expiry.years) * min(0.0, *changes)
