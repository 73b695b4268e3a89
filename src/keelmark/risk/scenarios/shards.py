"""Randomness by shard: one process, a pool and a cluster draw the same numbers."""

from collections.abc import Iterator

import numpy as np

from keelmark.core.errors import InvalidInput

SHARD_ROWS = 16_384
"""Rows a shard draws; part of what a seed means, so it changes with a version only."""


def generator_of(seed: int, shard: int = 0) -> np.random.Generator:
    """Return the generator of a shard of a seed.

    Raises:
        InvalidInput: The seed or the shard is negative.
    """
    if seed < 0 or shard < 0:
        msg = f"seed {seed}, shard {shard}: both are whole numbers from 0"
        raise InvalidInput(msg)
    return np.random.default_rng(np.random.SeedSequence([seed, shard]))


def shards_of(seed: int, count: int) -> Iterator[tuple[np.random.Generator, slice]]:
    """Yield the generator and the rows of each shard of `count` rows, in order.

    Raises:
        InvalidInput: As `generator_of`, or there is no row to draw.
    """
    if count < 1:
        msg = f"{count} rows to draw; ask for at least one"
        raise InvalidInput(msg)
    for shard, start in enumerate(range(0, count, SHARD_ROWS)):
        yield generator_of(seed, shard), slice(start, min(start + SHARD_ROWS, count))
