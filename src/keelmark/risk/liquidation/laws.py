"""Paths of a law of returns, history resampled through its filter say, instead of normal walks.

A law moves in steps of its own, an hour or a day. Between two of them the bridge has the covariance
that the law's changes have at that step over all paths.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.risk.liquidation.plans import Plan, root_of
from keelmark.risk.liquidation.simulation import Estimate
from keelmark.risk.liquidation.walks import Dues, Look, crossed, distances_of
from keelmark.risk.scenarios.model import ReturnModel

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LawWalk:
    """Units under the paths of a law.

    Attributes:
        look: Excess and slopes at prices.
        dues: What is paid as time passes.
        law: Of the returns.
        coins: Columns of the look, all of them columns of the law.
        days: Horizons, rising.
    """

    look: Look
    dues: Dues
    law: ReturnModel
    coins: tuple[str, ...]
    days: tuple[float, ...]

    @property
    def steps(self) -> int:
        """How many steps of the law the last horizon has."""
        return self.law.steps_of(self.days[-1])

    @property
    def ends(self) -> list[float]:
        """When each step ends."""
        return [self.law.days * (step + 1) for step in range(self.steps)]

    def estimate(self, paths: int, seed: int) -> Estimate:
        """Return the chance by each horizon from so many paths.

        Raises:
            InvalidInput: A horizon is no whole number of the law's steps.
        """
        at = [self.law.steps_of(days) - 1 for days in self.days]
        parts = list(self.shards(paths, seed))
        hits = np.concatenate(parts)
        chance = hits[:, at].mean(axis=0)
        error = hits[:, at].std(axis=0, ddof=1) / np.sqrt(paths)
        square = np.sum(hits[:, at] ** 2, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            sample = np.where(square > 0.0, (paths * chance) ** 2 / square, 0.0)
        return Estimate(
            probability=chance,
            error=error,
            sample=sample,
            curve=hits.mean(axis=0).T,
            paths=paths,
            gain=np.ones_like(chance),
        )

    def shards(self, paths: int, seed: int) -> Iterator[Array]:
        """Yield the chance up to each step, (rows, steps, units + 1), shard by shard."""
        columns = [self.law.coins.index(coin) for coin in self.coins]
        plans: list[Plan] = []
        for _, path in self.law.paths(steps=self.steps, count=paths, seed=seed):
            logs = np.log1p(path[:, :, columns])
            plans = plans or self.plans(np.diff(logs, axis=0, prepend=0.0))
            yield self.walked(logs, plans)

    def plans(self, changes: Array) -> list[Plan]:
        """Return how the coins move in each step, from the changes of the first shard."""
        found = []
        still = np.zeros(len(self.coins))
        days = np.array([self.law.days])
        for step in changes:
            covariance = step.T @ step / (len(step) * self.law.days)
            found.append(
                Plan(
                    days=days,
                    roots=np.sqrt(days),
                    near=days,
                    horizon=np.zeros(1, dtype=np.int64),
                    drift=still,
                    factor=root_of(covariance),
                    deviations=np.sqrt(np.diag(covariance)),
                )
            )
        return found

    def walked(self, logs: Array, plans: list[Plan]) -> Array:
        """Return the chance up to each step of paths of log prices (steps, rows, coins)."""
        ratios = np.ones((logs.shape[1], len(self.coins)))
        before = self.look(ratios)
        alive = np.ones_like(before[0])
        any_alive = np.ones(len(ratios))
        rate = self.dues.at(ratios)
        paid = np.zeros_like(rate)
        found = []
        for step, plan in zip(logs, plans, strict=True):
            ratios = np.exp(step)
            start = distances_of(before[0] - paid, before[1], plan)
            rate_now = self.dues.at(ratios)
            paid = paid + 0.5 * (rate + rate_now) * self.law.days
            rate, before = rate_now, self.look(ratios)
            end = distances_of(before[0] - paid, before[1], plan)
            chance = crossed(start, end, self.law.days)
            alive = alive * (1.0 - chance)
            any_alive = any_alive * np.prod(1.0 - chance, axis=1)
            found.append(1.0 - np.column_stack([alive, any_alive]))
        return np.stack(found, axis=1)
