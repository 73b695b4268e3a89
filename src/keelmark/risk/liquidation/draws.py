"""Normals of paths: pseudo-random by shard, with fat tails by step, or scrambled Sobol points."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.plans import Plan
from keelmark.risk.liquidation.walks import Draws
from keelmark.risk.scenarios import generator_of, shards_of
from keelmark.risk.statistics.library import scipy_module

Array = npt.NDArray[np.float64]

REPLICATIONS = 16
"""Scrambles that an error of Sobol points is taken over."""

CHUNK = 256
"""Pairs drawn at a time: what fits a cache."""

_EDGE = 1e-16


class Points(StrEnum):
    """Where draws come from."""

    RANDOM = "random"
    SOBOL = "sobol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How draws are made.

    Attributes:
        seed: Of everything.
        pairs: Pairs of paths, each a draw and its opposite.
        points: Pseudo-random numbers or scrambled Sobol points.
        degrees: Degrees of freedom of Student's t by step; `None` for normal steps.
    """

    seed: int
    pairs: int
    points: Points = Points.RANDOM
    degrees: float | None = None

    def __post_init__(self) -> None:
        if self.degrees is not None and not self.degrees > 2.0:  # noqa: PLR2004 variance is finite
            msg = f"{self.degrees} degrees of freedom; above 2, or steps have no variance"
            raise InvalidInput(msg)
        if self.points is Points.SOBOL and self.degrees is not None:
            msg = "Sobol points are for normal steps; draw Student's t at random"
            raise InvalidInput(msg)

    def shards(self) -> list["Shard"]:
        """Return what is drawn apart: rows of a seed, or one scramble each."""
        if self.points is Points.SOBOL:
            each = 1 << max(0, round(np.log2(max(1.0, self.pairs / REPLICATIONS))))
            return [
                Shard(source=self, number=number, rows=slice(number * each, (number + 1) * each))
                for number in range(REPLICATIONS)
            ]
        return [
            Shard(source=self, number=number, rows=rows)
            for number, (_, rows) in enumerate(shards_of(self.seed, self.pairs))
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Rows that one generator draws."""

    source: Source
    number: int
    rows: slice

    @property
    def pairs(self) -> int:
        """How many pairs."""
        return int(self.rows.stop) - int(self.rows.start)

    def draws(self, plan: Plan) -> Iterator[Draws]:
        """Yield the draws of the shard, some pairs at a time."""
        if self.source.points is Points.SOBOL:
            yield Draws(normals=self._sobol(plan), first=self.rows.start)
            return
        generator = generator_of(self.source.seed, self.number)
        shape = len(plan.days), len(plan.drift)
        degrees = self.source.degrees
        for start in range(self.rows.start, self.rows.stop, CHUNK):
            count = min(CHUNK, self.rows.stop - start)
            normals = generator.standard_normal((count, *shape))
            stretches = None
            if degrees is not None:
                squares = generator.chisquare(degrees, (count, shape[0]))
                stretches = np.sqrt((degrees - 2.0) / squares)
            yield Draws(normals=normals, stretches=stretches, first=start)

    def _sobol(self, plan: Plan) -> Array:
        """Return normals from one scramble; the first points' coordinates move a path the most.

        Time goes by main components of the walk, largest first, and within each the coins by
        those of the covariance.
        """
        steps, coins = len(plan.days), len(plan.drift)
        points = sobol_points(
            steps * coins, self.pairs, generator_of(self.source.seed, self.number)
        )
        inside = np.clip(points, _EDGE, 1.0 - _EDGE)
        normals = scipy_module("special").ndtri(inside).reshape(self.pairs, steps, coins)
        return np.ascontiguousarray(np.einsum("st,ntc->nsc", time_rotation(plan), normals))


def sobol_points(dimensions: int, count: int, generator: np.random.Generator) -> Array:
    """Return scrambled points (count, dimensions), `count` a power of two."""
    qmc = scipy_module("stats.qmc")
    try:
        engine = qmc.Sobol(dimensions, scramble=True, rng=generator)
    except TypeError:  # before scipy 1.15
        engine = qmc.Sobol(dimensions, scramble=True, seed=generator)
    except ValueError as error:
        msg = f"{dimensions} coordinates a path are more than Sobol points have; take fewer steps"
        raise InvalidInput(msg) from error
    found: Array = engine.random(count)
    return found


def time_rotation(plan: Plan) -> Array:
    """Return the rotation from main components of a walk in time to normals of its steps."""
    ends = np.cumsum(plan.days)
    values, vectors = np.linalg.eigh(np.minimum(ends[:, None], ends[None, :]))
    order = np.argsort(values)[::-1]
    walks = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
    steps = np.diff(np.vstack([np.zeros(len(ends)), walks]), axis=0)
    return np.asarray(steps / plan.roots[:, None])
