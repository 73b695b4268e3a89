"""Funding rates: what longs paid shorts, as a fraction of notional per interval."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.core.errors import UnknownInstrument, UnreadableData, nearest
from keelmark.market.files import read_table

_COLUMNS = ("ts_ms", "symbol", "funding_rate")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Funding:
    """Funding rates sorted by symbol and time.

    Attributes:
        frame: `ts_ms` (when it was charged), `symbol`, `funding_rate` (longs pay when positive).
        source: Where the rows come from.
    """

    frame: pl.DataFrame
    source: str

    @property
    def symbols(self) -> tuple[str, ...]:
        """The instruments, sorted."""
        return tuple(self.frame["symbol"].unique().sort())

    def rates(self, symbol: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return times in ms and rates of one instrument, ascending.

        Raises:
            UnknownInstrument: It has no rates here.
        """
        if symbol not in self.symbols:
            msg = f"{self.source}: no funding of {symbol!r}; {nearest(symbol, self.symbols)}"
            raise UnknownInstrument(msg)
        rows = self.frame.filter(pl.col("symbol") == symbol)
        return rows["ts_ms"].to_numpy(), rows["funding_rate"].to_numpy()


def read_funding(path: Path | str) -> Funding:
    """Read funding rates from Parquet, Feather or CSV with ts_ms, symbol and funding_rate.

    Raises:
        UnreadableData: Unreadable, a column missing, a rate not finite, or a time given twice.
    """
    place = Path(path)
    table = read_table(place, _COLUMNS)
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        msg = f"{place}: no column {', '.join(missing)}; found {', '.join(table.columns)}"
        raise UnreadableData(msg)
    frame = table.select(_COLUMNS).sort("symbol", "ts_ms")
    bad = frame.filter(~pl.col("funding_rate").is_finite().fill_null(value=False))
    twice = frame.filter(pl.struct("symbol", "ts_ms").is_duplicated())
    for rows, problem in ((bad, "no finite rate"), (twice, "two rates")):
        if not rows.is_empty():
            ts_ms, symbol, _ = rows.row(0)
            msg = f"{place}: {rows.height} row(s) with {problem}; the first: {symbol} at {ts_ms}"
            raise UnreadableData(msg)
    return Funding(frame=frame, source=str(place))
