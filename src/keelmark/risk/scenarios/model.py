"""A law of returns over many steps: shocks of a draw, scaled by variances that follow them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array
from keelmark.risk.scenarios.draws import Copula, Draw, Empirical, Pegged, Resampled
from keelmark.risk.scenarios.scenarios import Scenarios, Shocks
from keelmark.risk.scenarios.shards import shards_of

LOG_MAX = 20.0
"""Largest sum of log changes that is kept: a price half a billion times itself, or its inverse."""


class Recursion(Protocol):
    """How a variance follows the change that came: the part of a filter that runs ahead."""

    @property
    def name(self) -> str:
        """The recursion in a phrase."""

    def step(self, variance: Array, shock: Array) -> Array:
        """Return (count, coins) variances of the next step."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReturnModel:
    """Log changes `x = sqrt(v) z` a step, `z` of a draw, `v` following by a recursion.

    Without a recursion variances stay. No drift: a horizon is too short to know one.

    Attributes:
        coins: Names of the columns.
        variance: (coins,) of the first step.
        draw: Law of the standardised shocks.
        recursion: How variances follow; `None` where they stay.
        days: Length of a step.
        source: Where it comes from, in words.
        notes: What was done to fit it.
    """

    coins: tuple[str, ...]
    variance: Array
    draw: Draw
    recursion: Recursion | None
    days: float
    source: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        still = [c for c, v in zip(self.coins, self.variance, strict=True) if not np.isfinite(v)]
        if still:
            msg = f"{self.source}: no variance of {', '.join(still)}; leave it out"
            raise InvalidInput(msg)

    def steps_of(self, days: float) -> int:
        """Return how many steps span a horizon.

        Raises:
            InvalidInput: It is no whole number of steps, at least one.
        """
        steps = round(days / self.days)
        if steps < 1 or abs(steps * self.days - days) > 1e-6 * days:
            msg = (
                f"a horizon of {days:g} days is no whole number of steps of {self.days:g} days; "
                "give a longer horizon, or changes of a shorter period (--every)"
            )
            raise InvalidInput(msg)
        return steps

    def paths(self, *, steps: int, count: int, seed: int) -> Iterator[tuple[slice, Array]]:
        """Yield the rows and the returns since now of each shard: (steps, rows, coins)."""
        for generator, rows in shards_of(seed, count):
            size = rows.stop - rows.start
            path = np.empty((steps, size, len(self.coins)))
            variance = np.broadcast_to(self.variance, (size, len(self.coins)))
            for step in range(steps):
                change = np.sqrt(variance) * self.draw.shocks(generator, size)
                path[step] = change
                if self.recursion is not None and step + 1 < steps:
                    variance = self.recursion.step(variance, change)
            if steps > 1:
                np.cumsum(path, axis=0, out=path)
            np.clip(path, -LOG_MAX, LOG_MAX, out=path)
            yield rows, np.expm1(path, out=path)

    def outcomes(self, steps: int) -> Array | None:
        """Return every return there can be, (outcomes, coins), each as likely as another.

        One step of past shocks alone has as many as there were shocks: draws of them tell no more
        than each taken once. `None` of any other law or length.
        """
        if steps != 1 or not isinstance(self.draw, Resampled):
            return None
        change = np.sqrt(self.variance) * self.draw.residuals
        found: Array = np.expm1(np.clip(change, -LOG_MAX, LOG_MAX))
        return found

    def outcomes_behind(self, steps: int) -> int | None:
        """Return how many past shocks of one step stand behind its draws; `None` where no limit is.

        Of pegs beside coins, the coins' own; of a copula, each coin's own.
        """
        if steps != 1:
            return None
        draw = self.draw.base if isinstance(self.draw, Pegged) else self.draw
        if isinstance(draw, Resampled):
            return len(draw.residuals)
        if isinstance(draw, Copula) and isinstance(draw.marginal, Empirical):
            return len(draw.marginal.sorted_shocks)
        return None

    def scenarios(self, *, steps: int, count: int, seed: int) -> Scenarios:
        """Return the returns at the end of so many steps."""
        values = np.empty((count, len(self.coins)))
        for rows, path in self.paths(steps=steps, count=count, seed=seed):
            values[rows] = path[-1]
        return Scenarios(
            returns=Shocks(names=self.coins, values=values),
            days=steps * self.days,
            source=f"{count:,} draws of {self.source}",
            seed=seed,
            notes=self.notes,
        )
