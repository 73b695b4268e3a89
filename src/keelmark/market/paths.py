"""Intrabar paths: what the price may have done inside a bar, second by second.

A bar says four prices, not when they were seen. A path visits the open at the first step, both
extremes at seeded steps in an order set by a rule, and the close at the last step, each exactly.
In between it is a Brownian bridge folded at the extremes, so it never leaves [low, high]. The
step deviation is that of a driftless walk whose expected range is the bar's (Feller 1951:
range = sqrt(8 / pi) * deviation). Every bar draws from its own key (seed, symbol, open time):
a window, a chunk or the other instruments never change a path.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from numba import njit

from keelmark.core.errors import InvalidInput
from keelmark.market.bars import BarGrid, Bars, grid
from keelmark.market.noise import bell, mix, stream_key, uniform

Float64Array1D = npt.NDArray[np.float64]
Float64Array2D = npt.NDArray[np.float64]
_STEPS_MIN = 4  # open, two extremes, close


class PathRule(StrEnum):
    """Which extreme a path visits first."""

    NEARER_FIRST = "nearer_first"  # the extreme nearer to the open; a tie goes against the close
    SEEDED = "seeded"  # a fair coin of the bar's own key
    LOW_FIRST = "low_first"
    HIGH_FIRST = "high_first"


_RULE_CODES = {rule: code for code, rule in enumerate(PathRule)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSpec:
    """How paths are drawn; a report prints it."""

    step_ms: int = 1_000
    seed: int = 0
    rule: PathRule = PathRule.NEARER_FIRST

    def __post_init__(self) -> None:
        """Refuse a step that is not positive."""
        if self.step_ms <= 0:
            msg = f"step_ms is {self.step_ms}; it must be positive"
            raise InvalidInput(msg)

    @property
    def name(self) -> str:
        """The specification in one phrase."""
        return f"{self.step_ms / 1000:g} s intrabar path, {self.rule.value}, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathChunk:
    """Prices of every instrument at every step of a stretch of time.

    Attributes:
        times_ms: int64 (n_times,), `step_ms` apart.
        symbols: Column order of `prices`.
        prices: float64 (n_times, n_symbols); NaN through a missing bar.
    """

    times_ms: npt.NDArray[np.int64]
    symbols: tuple[str, ...]
    prices: npt.NDArray[np.float64]


def iter_paths(
    bars: Bars,
    spec: PathSpec | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    chunk_ms: int = 3_600_000,
) -> Iterator[PathChunk]:
    """Yield the path over `[start_ms, end_ms)` in chunks of whole bars, trimmed at both ends.

    Args:
        bars: Bars of one interval; the path of an instrument does not depend on the others.
        spec: Step, seed and rule; one second by default.
        start_ms: First time, the first bar by default. The path starts on the step grid.
        end_ms: End, exclusive, the close of the last bar by default.
        chunk_ms: Length of a chunk; memory is proportional to it.

    Raises:
        InvalidInput: The step does not divide the bar into four steps or more.
    """
    spec = spec or PathSpec()
    layout = grid(bars, start_ms=start_ms, end_ms=end_ms)
    steps = _steps_per_bar(layout, spec)
    keys = np.array([stream_key(name, spec.seed) for name in layout.symbols], dtype=np.uint64)
    bars_per_chunk = max(1, chunk_ms // layout.interval_ms)
    for first in range(0, len(layout.times_ms), bars_per_chunk):
        rows = slice(first, first + bars_per_chunk)
        chunk = _draw(layout, rows, keys, spec, steps)
        trimmed = _trim(chunk, start_ms, end_ms)
        if len(trimmed.times_ms):
            yield trimmed


def intrabar_path(
    bars: Bars,
    spec: PathSpec | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> PathChunk:
    """Return the whole path at once; see `iter_paths`."""
    chunks = list(iter_paths(bars, spec, start_ms=start_ms, end_ms=end_ms))
    return PathChunk(
        times_ms=np.concatenate([chunk.times_ms for chunk in chunks]),
        symbols=chunks[0].symbols,
        prices=np.concatenate([chunk.prices for chunk in chunks]),
    )


def _steps_per_bar(layout: BarGrid, spec: PathSpec) -> int:
    steps, rest = divmod(layout.interval_ms, spec.step_ms)
    if rest or steps < _STEPS_MIN:
        msg = (
            f"a step of {spec.step_ms} ms must divide the {layout.interval_ms} ms bar into "
            f"{_STEPS_MIN} steps or more: a path visits open, both extremes and close"
        )
        raise InvalidInput(msg)
    return steps


def _draw(
    layout: BarGrid, rows: slice, keys: npt.NDArray[np.uint64], spec: PathSpec, steps: int
) -> PathChunk:
    opens = layout.times_ms[rows]
    prices = np.empty((len(opens) * steps, len(layout.symbols)))
    with np.errstate(over="ignore"):  # hashing wraps around 2**64
        path_kernel(
            layout.open[rows],
            layout.high[rows],
            layout.low[rows],
            layout.close[rows],
            opens.astype(np.uint64),
            keys,
            _RULE_CODES[spec.rule],
            steps,
            prices,
        )
    times = (opens[:, None] + spec.step_ms * np.arange(steps, dtype=np.int64)).reshape(-1)
    return PathChunk(times_ms=times, symbols=layout.symbols, prices=prices)


def _trim(chunk: PathChunk, start_ms: int | None, end_ms: int | None) -> PathChunk:
    times = chunk.times_ms
    first = 0 if start_ms is None else int(np.searchsorted(times, start_ms))
    last = len(times) if end_ms is None else int(np.searchsorted(times, end_ms))
    return PathChunk(
        times_ms=times[first:last], symbols=chunk.symbols, prices=chunk.prices[first:last]
    )


@njit(cache=True, error_model="numpy", fastmath=False)
def fold(price: float, low: float, high: float) -> float:
    """Reflect `price` at both extremes until it lies in [low, high]."""
    width = high - low
    if width <= 0.0:
        return low
    distance = (price - low) % (2.0 * width)
    if distance > width:
        distance = 2.0 * width - distance
    return min(max(low + distance, low), high)


@njit(cache=True, error_model="numpy", fastmath=False)
def bridge(
    path: Float64Array1D,  # (n_steps,) price, written after `first` up to and with `last`
    first: int,
    last: int,
    target: float,  # price at `last`
    low: float,
    high: float,
    deviation: float,  # price per square root of a step
    key: np.uint64,
) -> None:
    """Write a folded Brownian bridge from `path[first]` to `target` at step `last`."""
    walk = path[first]
    for step in range(first + 1, last):
        left = last - step + 1  # steps from the previous point to the target
        walk += (target - walk) / left
        walk += deviation * ((left - 1) / left) ** 0.5 * bell(key, step)
        path[step] = fold(walk, low, high)
    path[last] = target


@njit(cache=True, error_model="numpy", fastmath=False)
def low_is_first(
    rule: int, open_price: float, high: float, low: float, close: float, draw: float
) -> bool:
    """Whether the path visits the low before the high under a `PathRule` code."""
    if rule == 1:
        return draw < 0.5  # noqa: PLR2004 a fair coin
    if rule == 0:
        down, up = open_price - low, high - open_price
        return down < up or (down == up and close >= open_price)
    return rule == 2  # noqa: PLR2004 the code of LOW_FIRST


@njit(cache=True, error_model="numpy", fastmath=False)
def path_kernel(
    open_prices: Float64Array2D,  # (n_bars, n_symbols) price, NaN where missing
    highs: Float64Array2D,  # (n_bars, n_symbols) price
    lows: Float64Array2D,  # (n_bars, n_symbols) price
    closes: Float64Array2D,  # (n_bars, n_symbols) price
    times: npt.NDArray[np.uint64],  # (n_bars,) open time, ms
    keys: npt.NDArray[np.uint64],  # (n_symbols,) stream of the instrument
    rule: int,
    steps: int,
    prices: Float64Array2D,  # (n_bars * steps, n_symbols) price, written
) -> None:
    """Write the path of every bar. Definition: the module's docstring, tested as properties."""
    path = np.empty(steps)
    for bar in range(open_prices.shape[0]):
        for symbol in range(open_prices.shape[1]):
            start, close = open_prices[bar, symbol], closes[bar, symbol]
            high, low = highs[bar, symbol], lows[bar, symbol]
            if np.isnan(start):
                path[:] = np.nan
            else:
                key = mix(keys[symbol] ^ mix(times[bar]))
                earlier = int(uniform(key, steps) * (steps - 2))
                later = int(uniform(key, steps + 1) * (steps - 3))
                later += 1 if later >= earlier else 0  # two distinct steps, each pair as likely
                visits = (1 + min(earlier, later), 1 + max(earlier, later))
                low_first = low_is_first(rule, start, high, low, close, uniform(key, steps + 2))
                deviation = (high - low) * (np.pi / (8.0 * steps)) ** 0.5
                path[0] = start
                nearest = low if low_first else high
                farthest = high if low_first else low
                bridge(path, 0, visits[0], nearest, low, high, deviation, key)
                bridge(path, visits[0], visits[1], farthest, low, high, deviation, key)
                bridge(path, visits[1], steps - 1, close, low, high, deviation, key)
            prices[bar * steps : (bar + 1) * steps, symbol] = path
