"""What trades of a coin in a day, from the volume of bars: quantity times close, by coin."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from keelmark.core.errors import UnreadableData
from keelmark.risk.history.closes import coin_named
from keelmark.risk.history.files import bars_in, frame_of
from keelmark.risk.history.periods import DAY_MS

COLUMNS = ("ts_ms", "symbol", "close", "volume")


def daily_volumes(paths: Sequence[str | Path], *, until_ms: int | None = None) -> dict[str, float]:
    """Return the mean notional traded in a day by coin; files without volumes tell nothing.

    The contract's own quantity: bars of a contract of a thousand coins count a thousand in one.

    Raises:
        UnreadableData: A file cannot be read, or a column holds no numbers.
    """
    found: dict[str, float] = {}
    for path in paths:
        whole = frame_of(path)
        if not set(whole.columns) >= set(COLUMNS):
            continue
        if not whole["volume"].dtype.is_numeric():
            msg = f"{path}: column volume holds {whole['volume'].dtype}; give numbers, or drop it"
            raise UnreadableData(msg)
        rows = bars_in(whole, str(path)).with_columns(whole["volume"])
        rows = rows.unique(["ts_ms", "symbol"], keep="last")  # a bar twice did not trade twice
        if until_ms is not None:
            rows = rows.filter(pl.col("ts_ms") < until_ms)
        worth = (pl.col("volume") * pl.col("close")).sum()
        days = (pl.col("ts_ms").max() - pl.col("ts_ms").min()) / DAY_MS
        for symbol, notional, span in (
            rows.group_by("symbol").agg(worth.alias("worth"), days.alias("days")).rows()
        ):
            if span and notional and notional > 0.0:
                found[coin_named(symbol)] = float(notional) / float(span)
    return found
