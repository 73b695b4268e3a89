"""Fit an impact model to bars before a crash, or to recorded depth.

From bars: `x = Y sigma sqrt(E / V)` with V the volume of a day and sigma its volatility. From
depth: least squares of cumulative size on distance, for both densities, with their errors: a
visible book is usually nearer to flat than to linear, while realised impact follows the square
root because most liquidity is not shown (Donier and Bonart 2015). The two calibrations
therefore answer different questions and neither replaces the other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.core.errors import InvalidInput
from keelmark.market.bars import Bars
from keelmark.market.impact import FlatDensity, LinearDensity

DAY_MS = 86_400_000
PREFACTOR = 0.9  # Y of the square-root law; near one in every market measured
_POINTS_MIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyActivity:
    """How much an instrument trades and moves in a day.

    Attributes:
        symbol: The instrument.
        volume: Base units traded a day, the mean.
        volatility: Standard deviation of a day's log return, from squared bar returns.
        days: Days it was measured on.
        until_ms: End of the measurement.
    """

    symbol: str
    volume: float
    volatility: float
    days: float
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityFit:
    """Both densities fitted to one side of a book.

    Attributes:
        linear: AFS density; `linear_error` is its root mean square error over the mean size.
        flat: Obizhaeva-Wang density; `flat_error` likewise.
    """

    linear: LinearDensity
    linear_error: float
    flat: FlatDensity
    flat_error: float


def daily_activity(bars: Bars, symbol: str, *, until_ms: int, days: int = 7) -> DailyActivity:
    """Measure volume and volatility over the `days` before `until_ms`.

    Raises:
        InvalidInput: Under two bars, no volume or no move in the window.
    """
    start = until_ms - days * DAY_MS
    rows = bars.select([symbol], start_ms=start, end_ms=until_ms).frame
    span_days = rows.height * bars.interval_ms / DAY_MS
    returns = np.diff(np.log(rows["close"].to_numpy()))
    volume = float(rows["volume"].sum()) / span_days
    variance = float(np.square(returns).sum())
    if volume <= 0.0 or variance <= 0.0:
        msg = f"{bars.source}: {symbol} has no volume or never moves before {until_ms} ms"
        raise InvalidInput(msg)
    per_day = len(returns) * bars.interval_ms / DAY_MS
    return DailyActivity(
        symbol=symbol,
        volume=volume,
        volatility=float(np.sqrt(variance / per_day)),
        days=span_days,
        until_ms=until_ms,
    )


def linear_density(
    activity: DailyActivity, *, lot_size: float, prefactor: float = PREFACTOR
) -> LinearDensity:
    """Return the AFS density in lots: one lot displaces `Y sigma / sqrt(V / lot_size)`.

    Args:
        activity: From `daily_activity`.
        lot_size: Base units per lot.
        prefactor: Y.
    """
    daily_lots = activity.volume / lot_size
    return LinearDensity(scale=prefactor * activity.volatility / float(np.sqrt(daily_lots)))


def flat_density(
    activity: DailyActivity,
    *,
    lot_size: float,
    prefactor: float = PREFACTOR,
    share: float = 0.01,
) -> FlatDensity:
    """Return the flat density that moves the price as the square-root law at one size.

    Args:
        activity: From `daily_activity`.
        lot_size: Base units per lot.
        prefactor: Y.
        share: The size, as a share of the daily volume, where both laws agree.
    """
    lots = share * activity.volume / lot_size
    moved = linear_density(activity, lot_size=lot_size, prefactor=prefactor).displacement(lots, 1.0)
    return FlatDensity(density=lots / moved)


def fit_density(
    distances: npt.NDArray[np.float64], size: npt.NDArray[np.float64], *, lot_size: float
) -> DensityFit:
    """Fit cumulative size to distance: `q x` (flat) and `(x / scale)^2` (linear density).

    Args:
        distances: Fractions from the market price, any sign; NaN points are left out.
        size: Base units up to each distance; NaN points are left out.
        lot_size: Base units per lot.

    Raises:
        InvalidInput: Under two usable points, or no size at all.
    """
    usable = np.isfinite(distances) & np.isfinite(size)
    away, lots = np.abs(distances[usable]), size[usable] / lot_size
    if len(away) < _POINTS_MIN or not (lots > 0.0).any():
        msg = f"{len(away)} usable points of depth; two with some size are needed to fit a density"
        raise InvalidInput(msg)
    flat = float(away @ lots / (away @ away))
    square = np.square(away)
    linear = float(square @ lots / (square @ square))
    mean = float(lots.mean())
    return DensityFit(
        linear=LinearDensity(scale=1.0 / float(np.sqrt(linear))),
        linear_error=_rms(lots - linear * square) / mean,
        flat=FlatDensity(density=flat),
        flat_error=_rms(lots - flat * away) / mean,
    )


def _rms(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(values).mean()))


def activities(bars: Bars, *, until_ms: int, days: int = 7) -> tuple[DailyActivity, ...]:
    """Measure every instrument that trades before `until_ms`; see `daily_activity`."""
    traded = bars.select(end_ms=until_ms).frame.filter(pl.col("volume") > 0.0)
    symbols = traded["symbol"].unique().sort()
    return tuple(daily_activity(bars, name, until_ms=until_ms, days=days) for name in symbols)
