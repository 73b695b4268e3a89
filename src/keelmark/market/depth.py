"""Recorded book depth: cumulative size within given percentages of the recorder's mid price.

The recording of BTCUSDT on 2025-10-10 has a defect that also distorts the side it does not sit
on. Bids of 17.654 BTC near 121,363 stayed in the recorder's book after the price fell through
them. The recorder's best bid, hence its mid, then lies far above the market: at 21:24 the price
was near 108,000 and the mid near 115,000. Its "+1 %" therefore counts every ask up to 7 % above
the market, and its bids within 3 % are the frozen ones alone. Taking the ask side as it stands
overstates depth several times just when it matters, and subtracting the frozen size does not
move the limits back. `frozen_level` finds the stale bids, `corrected` removes them and restates
every limit as a distance from a price given by the caller.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.market.bars import Bars, require_symbols
from keelmark.market.files import read_table

Float64Array = npt.NDArray[np.float64]
_COLUMNS = ("ts_ms", "percent", "depth", "notional")
_REPEATS_MIN = 20  # a living book does not show the same size and money that often
_SIZE_TOLERANCE = 1e-3  # the frozen size differed by 0.002 BTC between snapshots


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedDepth:
    """Cumulative depth at fixed percentages around a recorded mid.

    Attributes:
        source: Where the rows come from.
        times_ms: int64 (n,).
        percents: float64 (k,), ascending, negative for bids.
        size: float64 (n, k), base units between the mid and the limit.
        notional: float64 (n, k), quote units.
    """

    source: str
    times_ms: npt.NDArray[np.int64]
    percents: Float64Array
    size: Float64Array
    notional: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenLevel:
    """Stale bids a recorder kept: their size, their mean price and when they were seen alone."""

    size: float
    price: float
    first_ms: int
    last_ms: int
    snapshots: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorrectedDepth:
    """Depth around the market price, without frozen bids.

    Attributes:
        times_ms: int64 (n,).
        distances: float64 (n, k), signed fraction of the market price at each limit; NaN where a
            bid limit lies above the market, so that it holds frozen bids only.
        size: float64 (n, k), base units up to the limit; NaN in the same places.
        is_corrected: bool (n,), whether the recorder's mid was distorted.
    """

    times_ms: npt.NDArray[np.int64]
    distances: Float64Array
    size: Float64Array
    is_corrected: npt.NDArray[np.bool_]


def read_recorded_depth(path: Path | str) -> RecordedDepth:
    """Read a recording with columns ts_ms, percent, depth and notional.

    Raises:
        UnreadableData: Unreadable, columns missing, or a snapshot without all percentages.
    """
    place = Path(path)
    table = read_table(place, _COLUMNS)
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        msg = f"{place}: no column {', '.join(missing)}; found {', '.join(table.columns)}"
        raise UnreadableData(msg)
    percents = np.sort(table["percent"].unique().to_numpy())
    ordered = table.select(_COLUMNS).sort("ts_ms", "percent")
    times = ordered["ts_ms"].unique().sort().to_numpy()
    if ordered.height != len(times) * len(percents) or ordered.null_count().sum_horizontal()[0]:
        msg = f"{place}: not every snapshot holds the {len(percents)} percentages"
        raise UnreadableData(msg)
    shape = (len(times), len(percents))
    return RecordedDepth(
        source=str(place),
        times_ms=times,
        percents=percents,
        size=ordered["depth"].to_numpy().reshape(shape),
        notional=ordered["notional"].to_numpy().reshape(shape),
    )


def frozen_level(depth: RecordedDepth) -> FrozenLevel | None:
    """Find bids that never change: the same size and money again and again nearest to the mid.

    Returns:
        The level, or `None` when no snapshot repeats: there is nothing to correct.
    """
    nearest = int(np.flatnonzero(depth.percents < 0.0)[-1])
    column = pl.DataFrame(
        {
            "ts_ms": depth.times_ms,
            "size": depth.size[:, nearest],
            "notional": depth.notional[:, nearest],
        }
    )
    repeated = (
        column.group_by("size", "notional")
        .agg(pl.len().alias("count"))
        .filter(pl.col("count") >= _REPEATS_MIN)
        .sort("count", descending=True)
    )
    if repeated.is_empty():
        return None
    size, notional, _ = repeated.row(0)
    alone = column.filter((pl.col("size") / size - 1.0).abs() <= _SIZE_TOLERANCE)
    return FrozenLevel(
        size=float(repeated["size"].max()),  # type: ignore[arg-type]  # a float column
        price=notional / size,
        first_ms=int(alone["ts_ms"].min()),  # type: ignore[arg-type]  # an int column
        last_ms=int(alone["ts_ms"].max()),  # type: ignore[arg-type]  # an int column
        snapshots=alone.height,
    )


def prices_at(bars: Bars, symbol: str, times_ms: npt.NDArray[np.int64]) -> Float64Array:
    """Return the market price at given times, straight from open to close inside each bar.

    NaN where no bar holds the time.
    """
    require_symbols(bars, (symbol,))
    rows = bars.frame.filter(pl.col("symbol") == symbol)
    opens = rows["ts_ms"].to_numpy()
    place = np.searchsorted(opens, times_ms, side="right") - 1
    inside = (place >= 0) & (times_ms < opens[place] + bars.interval_ms)
    share = (times_ms - opens[place]) / bars.interval_ms
    start, end = rows["open"].to_numpy()[place], rows["close"].to_numpy()[place]
    return np.where(inside, start + share * (end - start), np.nan)


def corrected(
    depth: RecordedDepth, market_prices: Float64Array, level: FrozenLevel | None
) -> CorrectedDepth:
    """Restate depth as size up to a distance from the market price, without frozen bids.

    While the market is below a frozen bid, the recorder's mid is the middle of that bid and the
    market; otherwise it is the market.

    Args:
        depth: The recording.
        market_prices: float64 (n,), the market price at each snapshot, see `prices_at`.
        level: What `frozen_level` found.

    Raises:
        InvalidInput: Not one price per snapshot.
    """
    if market_prices.shape != depth.times_ms.shape:
        msg = f"{len(market_prices)} prices for {len(depth.times_ms)} snapshots; one each wanted"
        raise InvalidInput(msg)
    distorted = np.zeros(len(market_prices), dtype=np.bool_)
    mids, size = market_prices, depth.size
    if level is not None:
        distorted = (depth.times_ms >= level.first_ms) & (market_prices < level.price)
        mids = np.where(distorted, (level.price + market_prices) / 2.0, market_prices)
        is_bid = depth.percents < 0.0
        size = np.where(distorted[:, None] & is_bid, np.maximum(size - level.size, 0.0), size)
    limits = mids[:, None] * (1.0 + depth.percents / 100.0)
    distances = limits / market_prices[:, None] - 1.0
    sees_book = np.sign(distances) == np.sign(depth.percents)
    return CorrectedDepth(
        times_ms=depth.times_ms,
        distances=np.where(sees_book, distances, np.nan),
        size=np.where(sees_book, size, np.nan),
        is_corrected=distorted,
    )
