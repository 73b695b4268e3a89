"""Marks from bars by a named model that every report prints.

| name | mark |
|---|---|
| `ema:150s` | exact time-weighted average of the intrabar path (the default) |
| `last` | the intrabar path itself: what a venue without an averaged mark does |
| `reference` | a recorded mark or index series, where one exists |

Bars are trades, not marks: at 21:20 on 2025-10-10 the median instrument's low lies 18 % below its
bar's open and close. Marks are rounded to the instrument's price
unit before anything else sees them. Where a bar is missing there is no mark: the tick is not
trusted, the price is NaN, and `MarkSource.untrusted` says which instrument and when.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from keelmark.core.errors import InvalidInput, OutOfScale
from keelmark.market.bars import PRICES, Bars, Gap, grid, require_symbols
from keelmark.market.paths import Float64Array1D, Float64Array2D, PathChunk, PathSpec, iter_paths

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_EMA = re.compile(r"ema:(\d+(?:\.\d+)?)(ms|s|m|h)")
_TICKS_MAX = 2.0**53
_WARM_UP_TAUS = 12  # exp(-12) = 6e-6: what the first price still weighs when marks begin
_DECIMALS_MAX = 12
_LAST_BITS = 2.0**-51  # a price that went through arithmetic may be off in its last bits


@dataclass(frozen=True, slots=True, kw_only=True)
class EmaMark:
    """Time-weighted exponential average: `m += (1 - exp(-dt / tau)) * (p - m)`."""

    tau_ms: int
    kind: Literal["ema"] = "ema"

    def __post_init__(self) -> None:
        """Refuse an averaging time that is not positive."""
        if self.tau_ms <= 0:
            msg = f"ema: the averaging time is {self.tau_ms} ms; it must be positive"
            raise InvalidInput(msg)

    @property
    def name(self) -> str:
        """The name `parse` reads back."""
        whole = self.tau_ms % _UNIT_MS["s"] == 0
        return f"ema:{self.tau_ms // 1000}s" if whole else f"ema:{self.tau_ms}ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastMark:
    """The last trade: the intrabar path itself."""

    kind: Literal["last"] = "last"

    @property
    def name(self) -> str:
        """The name `parse` reads back."""
        return "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceMark:
    """A recorded mark or index series; its bars are bars of marks, so their path is the mark."""

    kind: Literal["reference"] = "reference"

    @property
    def name(self) -> str:
        """The name `parse` reads back."""
        return "reference"


MarkModel = EmaMark | LastMark | ReferenceMark
DEFAULT_MARK = EmaMark(tau_ms=150_000)


def parse(name: str) -> MarkModel:
    """Return the model called `name`: `ema:150s`, `ema:2m`, `last` or `reference`.

    Raises:
        InvalidInput: No such model.
    """
    if name == "last":
        return LastMark()
    if name == "reference":
        return ReferenceMark()
    match = _EMA.fullmatch(name)
    if match is None:
        msg = f"mark model {name!r} is not known; use ema:150s (ms, s, m, h), last or reference"
        raise InvalidInput(msg)
    tau = Decimal(match[1]) * _UNIT_MS[match[2]]
    if tau != int(tau):
        msg = f"mark model {name!r}: the averaging time is not a whole number of milliseconds"
        raise InvalidInput(msg)
    return EmaMark(tau_ms=int(tau))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarkChunk:
    """Marks of every instrument at every step of a stretch of time.

    Attributes:
        times_ms: int64 (n_times,).
        symbols: Column order.
        ticks: int64 (n_times, n_symbols), price units; zero where not trusted.
        trusted: bool (n_times, n_symbols); false where a bar is missing.
        price_units: float64 (n_symbols,), price per tick.
    """

    times_ms: npt.NDArray[np.int64]
    symbols: tuple[str, ...]
    ticks: npt.NDArray[np.int64]
    trusted: npt.NDArray[np.bool_]
    price_units: npt.NDArray[np.float64]

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """Times in seconds since 1970, float64 (n_times,)."""
        return self.times_ms / 1_000.0

    @property
    def prices(self) -> npt.NDArray[np.float64]:
        """Rounded prices, float64 (n_times, n_symbols); NaN where not trusted."""
        return np.where(self.trusted, _prices_of(self.ticks, self.price_units), np.nan)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarkSource:
    """Marks of a set of instruments by one model.

    Attributes:
        bars: Trades of the instruments to mark.
        price_units: Price per tick of every instrument, see `price_units_of`.
        model: How marks are made.
        spec: How the path inside a bar is drawn.
        reference: Recorded marks, for the `reference` model.
        references: Series in `reference` of a symbol, where the two names differ.
    """

    bars: Bars
    price_units: Mapping[str, Decimal]
    model: MarkModel = DEFAULT_MARK
    spec: PathSpec = field(default_factory=PathSpec)
    reference: Bars | None = None
    references: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a missing price unit or a missing reference series by name."""
        lacking = [name for name in self.symbols if name not in self.price_units]
        if lacking:
            msg = f"no price unit for {', '.join(lacking)}; add them or use price_units_of(bars)"
            raise InvalidInput(msg)
        for name in self.symbols:
            if self.price_units[name] <= 0:
                msg = f"{name}: the price unit is {self.price_units[name]}; it must be positive"
                raise InvalidInput(msg)
        if isinstance(self.model, ReferenceMark):
            require_symbols(_reference_of(self), self._reference_names)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Column order of every chunk."""
        return self.bars.symbols

    @property
    def name(self) -> str:
        """The model in one phrase, for reports."""
        if isinstance(self.model, ReferenceMark):
            return f"{self.model.name}: {_reference_of(self).source} by {self.spec.name}"
        return f"{self.model.name} of the {self.spec.name}"

    @property
    def _reference_names(self) -> tuple[str, ...]:
        return tuple(self.references.get(name, name) for name in self.symbols)

    def chunks(
        self,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        chunk_ms: int = 3_600_000,
    ) -> Iterator[MarkChunk]:
        """Yield marks over `[start_ms, end_ms)`; an average warms up on the bars before it."""
        series = _series(self)
        start = series.start_ms if start_ms is None else start_ms
        paths = iter_paths(
            series,
            self.spec,
            start_ms=_warm_start(self, series, start),
            end_ms=end_ms,
            chunk_ms=chunk_ms,
        )
        if isinstance(self.model, EmaMark):
            paths = ema_of(paths, tau_ms=self.model.tau_ms, step_ms=self.spec.step_ms)
        for chunk in paths:
            late = chunk.times_ms >= start
            if late.any():
                yield self._rounded(chunk.times_ms[late], chunk.prices[late])

    def marks(self, *, start_ms: int | None = None, end_ms: int | None = None) -> MarkChunk:
        """Return all marks at once; a day of 60 instruments at one second is 90 MB."""
        chunks = list(self.chunks(start_ms=start_ms, end_ms=end_ms))
        return MarkChunk(
            times_ms=np.concatenate([chunk.times_ms for chunk in chunks]),
            symbols=self.symbols,
            ticks=np.concatenate([chunk.ticks for chunk in chunks]),
            trusted=np.concatenate([chunk.trusted for chunk in chunks]),
            price_units=chunks[0].price_units,
        )

    def untrusted(
        self, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> tuple[Gap, ...]:
        """Return every stretch of the window in which an instrument has no bar, so no mark."""
        return missing_stretches(_series(self), start_ms=start_ms, end_ms=end_ms)

    def _rounded(
        self, times_ms: npt.NDArray[np.int64], prices: npt.NDArray[np.float64]
    ) -> MarkChunk:
        units = np.array([float(self.price_units[name]) for name in self.symbols])
        ticks, trusted = round_to_ticks(prices, units, self.symbols)
        return MarkChunk(
            times_ms=times_ms,
            symbols=self.symbols,
            ticks=ticks,
            trusted=trusted,
            price_units=units,
        )


def round_to_ticks(
    prices: npt.NDArray[np.float64],
    price_units: npt.NDArray[np.float64],
    symbols: tuple[str, ...],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Round prices to whole ticks, the nearest, a half to even.

    Returns:
        Ticks, and which are trusted. A NaN is not, nor is a price that rounds to zero ticks.

    Raises:
        OutOfScale: A price is infinite or above 2**53 ticks.
    """
    scaled = np.rint(prices / price_units)
    beyond = np.flatnonzero((scaled > _TICKS_MAX).any(axis=0)).tolist()
    if beyond:
        names = ", ".join(symbols[column] for column in beyond)
        msg = f"the price of {names} is above 2**53 ticks; use a larger price unit"
        raise OutOfScale(msg)
    trusted = scaled >= 1.0  # false for NaN
    return np.where(trusted, scaled, 0.0).astype(np.int64), trusted


def _prices_of(
    ticks: npt.NDArray[np.int64], price_units: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the floats nearest to whole ticks: 0.1 is not a float, but 10 ticks a unit is."""
    per_unit = np.rint(1.0 / price_units)
    is_whole = np.abs(per_unit * price_units - 1.0) <= _LAST_BITS
    return np.where(is_whole, ticks / np.maximum(per_unit, 1.0), ticks * price_units)


def ema_of(paths: Iterator[PathChunk], *, tau_ms: int, step_ms: int) -> Iterator[PathChunk]:
    """Average a path chunk by chunk; the state crosses chunks and gaps.

    The mark starts at the first price. A price holds over the step that ends at it, so
    `m(t) = exp(-dt / tau) * m(t - dt) + (1 - exp(-dt / tau)) * p(t)`; across a gap `dt` is the
    whole gap, and inside it the mark is NaN.
    """
    decay = math.exp(-step_ms / tau_ms)
    mark, waited = np.empty(0), np.empty(0)
    for chunk in paths:
        if not len(mark):
            mark = np.full(chunk.prices.shape[1], np.nan)
            waited = np.zeros(chunk.prices.shape[1])
        averaged = np.empty_like(chunk.prices)
        ema_kernel(chunk.prices, decay, mark, waited, averaged)
        yield PathChunk(times_ms=chunk.times_ms, symbols=chunk.symbols, prices=averaged)


@njit(cache=True, error_model="numpy", fastmath=False)
def ema_kernel(
    prices: Float64Array2D,  # (n_times, n_symbols) price, NaN where missing
    decay: float,  # exp(-dt / tau) of one step
    mark: Float64Array1D,  # (n_symbols,) price, state, NaN before the first price, written
    waited: Float64Array1D,  # (n_symbols,) steps since the last price, state, written
    averaged: Float64Array2D,  # (n_times, n_symbols) price, written
) -> None:
    """Write the time-weighted average of each column. Definition: `ema_of`."""
    for row in range(prices.shape[0]):
        for symbol in range(prices.shape[1]):
            price = prices[row, symbol]
            waited[symbol] += 1.0
            if np.isnan(price):
                averaged[row, symbol] = np.nan
            else:
                if np.isnan(mark[symbol]):
                    mark[symbol] = price
                weight = decay if waited[symbol] == 1.0 else decay ** waited[symbol]
                mark[symbol] = price + weight * (mark[symbol] - price)
                waited[symbol] = 0.0
                averaged[row, symbol] = mark[symbol]


def missing_stretches(
    bars: Bars, *, start_ms: int | None = None, end_ms: int | None = None
) -> tuple[Gap, ...]:
    """Return every run of missing bars of `[start_ms, end_ms)`, before and after the data too."""
    layout = grid(bars, start_ms=start_ms, end_ms=end_ms)
    found = []
    for column, symbol in enumerate(layout.symbols):
        missing = np.concatenate(([False], np.isnan(layout.open[:, column]), [False]))
        edges = np.flatnonzero(missing[1:] != missing[:-1]).reshape(-1, 2)
        for first, last in edges.tolist():
            start = int(layout.times_ms[0]) + first * layout.interval_ms
            found.append(
                Gap(
                    symbol=symbol,
                    start_ms=start,
                    end_ms=start + (last - first) * layout.interval_ms,
                    bars_missing=last - first,
                )
            )
    return tuple(found)


def price_units_of(bars: Bars) -> Mapping[str, Decimal]:
    """Return the largest unit every price of an instrument is a multiple of.

    An estimate for data without a contract specification: with enough bars it is the tick.

    Raises:
        OutOfScale: An instrument's prices have more than 12 decimals.
    """
    units = {}
    for (symbol,), rows in bars.frame.group_by("symbol", maintain_order=True):
        prices = np.unique(rows.select(PRICES).to_numpy())
        units[str(symbol)] = _unit_of(prices, str(symbol))
    return MappingProxyType(units)


def _unit_of(prices: npt.NDArray[np.float64], symbol: str) -> Decimal:
    for decimals in range(_DECIMALS_MAX + 1):
        scaled = np.rint(prices * 10.0**decimals)
        fits = np.allclose(scaled / 10.0**decimals, prices, rtol=_LAST_BITS, atol=0.0)
        if fits and scaled.max() < _TICKS_MAX:
            return Decimal(int(np.gcd.reduce(scaled.astype(np.int64)))).scaleb(-decimals)
    msg = f"{symbol}: prices have more than {_DECIMALS_MAX} decimals; state its price unit"
    raise OutOfScale(msg)


def _reference_of(source: MarkSource) -> Bars:
    if source.reference is None:
        msg = "mark model reference: no reference bars given; pass reference= or use ema:150s"
        raise InvalidInput(msg)
    return source.reference


def _series(source: MarkSource) -> Bars:
    """Return the bars whose path is averaged, under the instruments' names."""
    if not isinstance(source.model, ReferenceMark):
        return source.bars
    reference = _reference_of(source).select(source._reference_names)  # noqa: SLF001 same module
    names = dict(zip(source._reference_names, source.symbols, strict=True))  # noqa: SLF001 ditto
    renamed = reference.frame.with_columns(pl.col("symbol").replace_strict(names))
    return Bars.from_frame(renamed, source=reference.source)


def _warm_start(source: MarkSource, series: Bars, start_ms: int) -> int:
    if not isinstance(source.model, EmaMark) or start_ms <= series.start_ms:
        return start_ms
    early = start_ms - _WARM_UP_TAUS * source.model.tau_ms
    steps = -(-(early - start_ms) // source.spec.step_ms)
    return max(series.start_ms, start_ms + steps * source.spec.step_ms)
