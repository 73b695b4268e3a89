"""Distributions of a population, by their quantiles."""

from statistics import NormalDist

import numpy as np

from keelmark.lab.arrays import Float64Array, Int64Array
from keelmark.lab.population.spec import SizeTable

_GRID = np.linspace(-8.0, 8.0, 16_001)
_GRID_PROBABILITY = np.array([NormalDist().cdf(float(z)) for z in _GRID])
_KRONECKER = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)
"""Powers of the root of x**4 = x + 1: three sequences that are even together (R3 of Roberts)."""


def normal_quantiles(probability: Float64Array) -> Float64Array:
    """Return standard normal quantiles, to 1e-6."""
    return np.interp(probability, _GRID_PROBABILITY, _GRID)


def size_quantiles(table: SizeTable, probability: Float64Array) -> Float64Array:
    """Return account notionals: a lognormal body, and a Pareto tail cut at the largest.

    The tail starts at the body's quantile `tail_from`, so the distribution has no gap.
    """
    body = table.median * np.exp(
        table.body_sigma * normal_quantiles(np.minimum(probability, table.tail_from)),
    )
    edge = table.median * np.exp(
        table.body_sigma * NormalDist().inv_cdf(table.tail_from),
    )
    if edge >= table.largest:
        return np.minimum(body, table.largest)
    cut = (table.largest / edge) ** -table.tail_index
    depth = np.clip((probability - table.tail_from) / (1.0 - table.tail_from), 0.0, 1.0)
    tail = edge * (1.0 - depth * (1.0 - cut)) ** (-1.0 / table.tail_index)
    return np.where(probability > table.tail_from, tail, np.minimum(body, table.largest))


def stratified(generator: np.random.Generator, count: int) -> Float64Array:
    """Return one uniform draw from each of `count` equal strata, in random order.

    The tail of a population is a handful of accounts: drawing it freely would make its total a
    matter of luck.
    """
    strata: Int64Array = generator.permutation(count)
    return (strata + generator.random(count)) / count


def even_draws(
    generator: np.random.Generator,
    sizes: Float64Array,
    dimensions: int,
) -> Float64Array:
    """Return uniform draws that are even along the order of size, (dimensions, n).

    A shared attribute (kind, side, mode) drawn with them has its share among the large as among
    the small, so that it does not hang on the side a few large accounts happen to take.
    """
    rank = np.empty(sizes.size)
    rank[np.argsort(sizes, kind="stable")] = np.arange(sizes.size)
    steps = np.array(_KRONECKER[:dimensions])[:, None]
    return (generator.random((dimensions, 1)) + steps * rank) % 1.0


def choose(shares: Float64Array, draws: Float64Array) -> Int64Array:
    """Return the index each uniform draw falls on when the unit interval is cut by `shares`."""
    edges = np.cumsum(shares) / np.sum(shares)
    found = np.searchsorted(edges, draws, side="right")
    return np.minimum(found, shares.size - 1).astype(np.int64)
