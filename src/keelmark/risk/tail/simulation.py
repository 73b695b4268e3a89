"""An account along drawn paths: profit at the end, profit with liquidations, and when they come."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.risk.returns import Array
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.tail.book import RiskBook
from keelmark.risk.tail.liquidated import Fate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """What became of an account on every path.

    Attributes:
        law: Where the paths come from.
        steps: Of each path.
        seed: Of the draws.
        legs: (paths, legs) profit at the end, as if nothing were liquidated.
        pnl: Their sum, (paths,).
        realised: (paths,) profit where units that are liquidated stop there.
        ended: (paths, units) step at which each was liquidated; 0 is now, -1 never.
        endings: How liquidation leaves each unit, in words.
        independent: Paths that tell anything of their own: no more than past shocks of one step.
    """

    law: ReturnModel
    steps: int
    seed: int
    legs: Array
    pnl: Array
    realised: Array
    ended: npt.NDArray[np.int32]
    endings: tuple[str, ...]
    independent: int

    @property
    def hits(self) -> npt.NDArray[np.bool_]:
        """Whether each unit is liquidated on each path, (paths, units)."""
        return self.ended >= 0

    @property
    def days(self) -> float:
        """The horizon."""
        return self.steps * self.law.days


def simulated(
    book: RiskBook, law: ReturnModel, *, days: float, count: int, seed: int
) -> Simulation:
    """Return an account along `count` paths of a law.

    A step of past shocks has no more outcomes than there were: where those are fewer, each is a
    path once, and nothing is drawn.

    Raises:
        InvalidInput: The horizon is no whole number of the law's steps, or a coin has no column.
    """
    steps = law.steps_of(days)
    count, paths = _paths(law, steps, count, seed)
    rules = book.account.rulebook.liquidation
    fates = [Fate.of(valuer, rules, count) for valuer in book.valuers]
    legs = np.empty((count, len(book.legs)))
    pnl = np.zeros(count)
    for rows, path in paths:
        for step in range(steps):
            scenarios = book.scenarios(law.coins, path[step], (step + 1) * law.days)
            values = [fate.after(step + 1, scenarios, rows) for fate in fates]
            if step + 1 == steps:
                legs[rows] = book.leg_pnl(scenarios)
                for unit in values:
                    pnl[rows] += unit.pnl
    return Simulation(
        law=law,
        steps=steps,
        seed=seed,
        legs=legs,
        pnl=pnl,
        realised=np.sum([fate.profit for fate in fates], axis=0),
        ended=np.column_stack([fate.step for fate in fates]),
        endings=tuple(dict.fromkeys(fate.ending.words() for fate in fates)),
        independent=min(count, law.outcomes_behind(steps) or count),
    )


def _paths(
    law: ReturnModel, steps: int, count: int, seed: int
) -> tuple[int, Iterator[tuple[slice, Array]]]:
    """Return how many paths there are, and these by shard."""
    every = law.outcomes(steps)
    if every is not None and len(every) <= count:
        return len(every), iter([(slice(0, len(every)), every[None])])
    return count, law.paths(steps=steps, count=count, seed=seed)
