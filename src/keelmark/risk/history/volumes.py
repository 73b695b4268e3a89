"""What trades of a coin in a day, from the volume of bars: quantity times close, by coin."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from keelmark.risk.history.closes import coin_named
from keelmark.risk.history.periods import DAY_MS

COLUMNS = ("ts_ms", "symbol", "close", "volume")


def daily_volumes(paths: Sequence[str | Path], *, until_ms: int | None = None) -> dict[str, float]:
    """Return the mean notional traded in a day by coin; files without volumes tell nothing.

    The contract's own quantity: bars of a contract of a thousand coins count a thousand in one.
    """
    found: dict[str, float] = {}
    for path in paths:
        file = Path(path)
        scan = pl.scan_csv(file) if file.suffix.lower() == ".csv" else pl.scan_parquet(file)
        if not set(scan.collect_schema().names()) >= set(COLUMNS):
            continue
        rows = scan.select(COLUMNS)
        if until_ms is not None:
            rows = rows.filter(pl.col("ts_ms") < until_ms)
        worth = (pl.col("volume") * pl.col("close")).sum()
        days = (pl.col("ts_ms").max() - pl.col("ts_ms").min()) / DAY_MS
        for symbol, notional, span in (
            rows.group_by("symbol").agg(worth.alias("worth"), days.alias("days")).collect().rows()
        ):
            if span and notional and notional > 0.0:
                found[coin_named(symbol)] = float(notional) / float(span)
    return found
