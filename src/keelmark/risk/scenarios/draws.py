"""How one step's shocks are drawn, in units of each coin's own deviation."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keelmark.risk.returns import Array
from keelmark.risk.statistics import root_of
from keelmark.risk.statistics.library import scipy_module

PEG_FREEDOM = 3.0
"""Degrees of freedom of a peg's own law."""

PEG_WORDS = "a Student t of 3 degrees of freedom, by itself: independent of coins"


class Draw(Protocol):
    """A law of standardised shocks of all coins at one step, independent of other steps."""

    @property
    def name(self) -> str:
        """The law in a phrase."""

    def shocks(self, generator: np.random.Generator, count: int) -> Array:
        """Return (count, coins) shocks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resampled:
    """Whole past rows, drawn with replacement: what happened together stays together.

    Attributes:
        residuals: (past, coins) standardised shocks.
    """

    residuals: Array

    @property
    def name(self) -> str:
        """The law in a phrase."""
        return f"{len(self.residuals):,} past shocks, all coins of one time together"

    def shocks(self, generator: np.random.Generator, count: int) -> Array:
        """Return (count, coins) shocks."""
        return self.residuals[generator.integers(0, len(self.residuals), count)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gaussian:
    """A joint normal law of unit variances.

    Attributes:
        correlation: (coins, coins).
    """

    correlation: Array

    @property
    def name(self) -> str:
        """The law in a phrase."""
        return "normal shocks"

    def shocks(self, generator: np.random.Generator, count: int) -> Array:
        """Return (count, coins) shocks."""
        plain = generator.standard_normal((count, len(self.correlation)))
        found: Array = plain @ root_of(self.correlation).T
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Student:
    """A joint Student law of unit variances: one divisor for all coins, so they jump together.

    Attributes:
        correlation: (coins, coins).
        freedom: Degrees of freedom, above two.
    """

    correlation: Array
    freedom: float

    @property
    def name(self) -> str:
        """The law in a phrase."""
        return f"Student t shocks, {self.freedom:.3g} degrees of freedom"

    def shocks(self, generator: np.random.Generator, count: int) -> Array:
        """Return (count, coins) shocks."""
        normal = Gaussian(correlation=self.correlation).shocks(generator, count)
        return (
            normal
            * np.sqrt((self.freedom - 2.0) / generator.chisquare(self.freedom, count))[:, None]
        )


class Marginal(Protocol):
    """The law of each coin's own shock."""

    @property
    def name(self) -> str:
        """The law in a phrase."""

    def shocks_at(self, variates: Array, freedom: float) -> Array:
        """Return the shocks as likely as (count, coins) Student variates of some freedom."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Empirical:
    """Each coin's own past shocks; nothing lies beyond the worst one seen.

    Attributes:
        sorted_shocks: (past, coins), rising.
    """

    sorted_shocks: Array

    @property
    def name(self) -> str:
        """The law in a phrase."""
        return "past shocks, none beyond the worst seen"

    def shocks_at(self, variates: Array, freedom: float) -> Array:
        """Return the shocks as likely as Student variates, between neighbours by a line.

        The line is drawn over variates: as many quantiles as there are past shocks are worked out,
        and none for each draw.
        """
        past = len(self.sorted_shocks)
        levels = (np.arange(past) + 0.5) / past
        at = scipy_module("special").stdtrit(freedom, levels)
        columns = [np.interp(own, at, self.sorted_shocks[:, i]) for i, own in enumerate(variates.T)]
        return np.column_stack(columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudentMarginals:
    """A Student law of unit variance for each coin.

    Attributes:
        freedom: (coins,) degrees of freedom, above two.
    """

    freedom: Array

    @property
    def name(self) -> str:
        """The law in a phrase."""
        return "a Student t of its own for each coin"

    def shocks_at(self, variates: Array, freedom: float) -> Array:
        """Return the shocks as likely as Student variates of some freedom."""
        scale = np.sqrt((self.freedom - 2.0) / self.freedom)
        levels = scipy_module("special").stdtr(freedom, variates)
        found: Array = scipy_module("special").stdtrit(self.freedom, levels) * scale
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Copula:
    """A t copula: coins fall together in the tail, and each has a law of its own.

    Attributes:
        correlation: (coins, coins) of the copula.
        freedom: Its degrees of freedom.
        marginal: The coins' own laws.
    """

    correlation: Array
    freedom: float
    marginal: Marginal

    @property
    def name(self) -> str:
        """The law in a phrase."""
        return f"t copula, {self.freedom:.3g} degrees of freedom; {self.marginal.name}"

    def shocks(self, generator: np.random.Generator, count: int) -> Array:
        """Return (count, coins) shocks."""
        normal = Gaussian(correlation=self.correlation).shocks(generator, count)
        divisor = np.sqrt(generator.chisquare(self.freedom, count) / self.freedom)[:, None]
        return self.marginal.shocks_at(normal / divisor, self.freedom)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pegged:
    """Shocks of coins as they are drawn, then of pegs and of volatilities, each by itself.

    Attributes:
        base: Of the coins.
        is_normal: Of each column after theirs: whether it is normal, as volatilities are.
    """

    base: Draw
    is_normal: tuple[bool, ...]

    @property
    def name(self) -> str:
        """The law in a phrase."""
        pegs = f"; pegs by {PEG_WORDS}" if not all(self.is_normal) else ""
        return self.base.name + pegs + ("; volatilities normal" if any(self.is_normal) else "")

    def shocks(self, generator: np.random.Generator, count: int) -> Array:
        """Return (count, coins and what stands beside them) shocks."""
        size = np.sqrt((PEG_FREEDOM - 2.0) / PEG_FREEDOM)
        own = [
            generator.standard_normal(count)
            if normal
            else generator.standard_t(PEG_FREEDOM, count) * size
            for normal in self.is_normal
        ]
        return np.column_stack([self.base.shocks(generator, count), *own])
