"""Marks of a path that does not come from bars, by the same named models as `market.marks`."""

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.lab.arrays import Float64Array, Int64Array
from keelmark.market.marks import EmaMark, ReferenceMark, ema_of, parse
from keelmark.market.paths import PathChunk

SECOND_MS = 1_000


def marks_of_path(
    path: Float64Array,
    seconds: Int64Array,
    *,
    model: str,
    times: Int64Array,
) -> Float64Array:
    """Return marks at `times` of a path known once a second.

    Args:
        path: (n_seconds, n) prices.
        seconds: (n_seconds,) epoch seconds, one apart.
        model: `ema:150s`, `last`; `reference` needs recorded data.
        times: (n_times,) epoch seconds, all among `seconds`.

    Returns:
        (n_times, n) prices, unrounded.

    Raises:
        InvalidInput: An unknown model, one that needs recorded data, or a time off the path.
    """
    rows = times - seconds[0]
    if times.size and not (rows[0] >= 0 and rows[-1] < seconds.size):
        msg = (
            f"marks wanted from {times[0]} to {times[-1]}, the prices cover {seconds[0]} to "
            f"{seconds[-1]} (epoch seconds); shorten the scenario's windows"
        )
        raise InvalidInput(msg)
    wanted = parse(model)
    if isinstance(wanted, ReferenceMark):
        msg = "mark model reference: the built-in prices have no recorded marks; use ema:150s"
        raise InvalidInput(msg)
    if isinstance(wanted, EmaMark):
        path = _averaged(path, seconds, wanted)
    marks: Float64Array = path[rows]
    return marks


def _averaged(path: Float64Array, seconds: Int64Array, model: EmaMark) -> Float64Array:
    symbols = tuple(str(column) for column in range(path.shape[1]))
    chunk = PathChunk(times_ms=seconds * SECOND_MS, symbols=symbols, prices=path)
    averaged = ema_of(iter([chunk]), tau_ms=model.tau_ms, step_ms=SECOND_MS)
    return np.concatenate([part.prices for part in averaged])
