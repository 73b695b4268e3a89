"""Bars as closes on one clock: what is missing, doubled, still or a bad print is named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.core.errors import KeelmarkError, UnreadableData
from keelmark.risk.history.bad_prints import bad_prints
from keelmark.risk.history.periods import period_words
from keelmark.risk.history.times import Times
from keelmark.risk.symbols import coin_of
from keelmark.rulebooks import load_rulebook

STILL_SHARE = 0.2
"""Share of changes that are exactly nothing above which a coin is said to stand still."""

CLASHES_MAX = 10
"""Bars of one symbol and time with other closes, from which on there may be two markets in it."""

CLASH_SHARE = 0.01
"""Share of a symbol's bars above which there are."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closes:
    """Closing prices by the time they were made.

    Attributes:
        coins: Names of the columns.
        symbols: What the file calls them.
        times: End of each bar, ms since 1970, rising.
        values: (times, coins); NaN where a coin has no bar that ends then.
        steps: Length of each coin's bars, ms.
        notes: What was left out, with the symbol it is about, or nothing where it is about all.
        source: The files.
    """

    coins: tuple[str, ...]
    symbols: tuple[str, ...]
    times: Times
    values: Array
    steps: tuple[int, ...]
    notes: tuple[tuple[str, str], ...]
    source: str

    def only(self, coins: Sequence[str]) -> "Closes":
        """Return the columns of those of these coins that are here."""
        kept = [i for i, coin in enumerate(self.coins) if coin in coins]
        values = self.values[:, kept]
        rows = np.isfinite(values).any(axis=1)
        return replace(
            self,
            coins=tuple(self.coins[i] for i in kept),
            symbols=tuple(self.symbols[i] for i in kept),
            steps=tuple(self.steps[i] for i in kept),
            notes=tuple(n for n in self.notes if n[0] in ("", *(self.symbols[i] for i in kept))),
            times=self.times[rows],
            values=values[rows],
        )

    def until(self, end_ms: int) -> "Closes":
        """Return the bars that had ended by a time, which is noted."""
        is_past = self.times <= end_ms
        lost = int((~is_past).sum())
        if not lost:
            return self
        note = f"bars after {when(end_ms)} UTC are left out: nobody knew them then"
        return replace(
            self,
            times=self.times[is_past],
            values=self.values[is_past],
            notes=(*self.notes, ("", note)),
        )


def closes_of(frame: pl.DataFrame, source: str) -> Closes:
    """Return the closes of bars (`ts_ms` of the opening, `symbol`, `close`).

    A bar's price is that of its end: bars of different lengths meet where they end together.

    Args:
        frame: From `bars_in`.
        source: The files.

    Raises:
        UnreadableData: Two symbols are of one coin, a symbol is of two markets, or nothing is left.
    """
    placed = frame.drop_nulls(["ts_ms", "symbol"])
    usable = placed.filter(pl.col("close").is_finite() & (pl.col("close") > 0.0))
    if usable.is_empty():
        msg = f"{source}: no bar has a time, a symbol and a close above 0"
        raise UnreadableData(msg)
    once = usable.unique(maintain_order=True)
    single, clashes = _without_clashes(once, source)
    notes = [
        *_lost(frame, placed, "without a time or a symbol"),
        *_lost(placed, usable, "without a price above 0"),
        *_lost(usable, once, "doubled"),
        *clashes,
    ]
    named = named_once(single["symbol"].unique(maintain_order=True).to_list(), source)
    steps = {symbol: _step(single, symbol, source) for symbol in named.values()}
    ends = single.with_columns(
        (pl.col("ts_ms") + pl.col("symbol").replace_strict(steps, return_dtype=pl.Int64)).alias(
            "end"
        )
    )
    wide = ends.pivot(on="symbol", index="end", values="close").sort("end")
    values = wide.select(named.values()).to_numpy().astype(np.float64)
    bad, alone = bad_prints(values)
    closes = Closes(
        coins=tuple(named),
        symbols=tuple(named.values()),
        times=wide["end"].to_numpy(),
        values=np.where(bad, np.nan, values),
        steps=tuple(steps[symbol] for symbol in named.values()),
        notes=(),
        source=source,
    )
    notes += [*_prints(closes, bad, alone), *_still(closes)]
    return replace(closes, notes=tuple(notes))


def coin_named(symbol: str) -> str:
    """Return the coin a symbol of bars is about, `1000PEPE` and `kPEPE` being `PEPE`."""
    try:
        base = load_rulebook("generic").terms_for(symbol).instrument.base
    except KeelmarkError:
        base = symbol
    return coin_of(base)[0]


def named_once(symbols: Sequence[str], source: str) -> Mapping[str, str]:
    """Return symbols by coin; two symbols of one coin are refused."""
    found: dict[str, str] = {}
    for symbol in symbols:
        coin = coin_named(symbol)
        if coin in found:
            msg = f"{source}: {found[coin]} and {symbol} are both {coin}; keep one of them"
            raise UnreadableData(msg)
        found[coin] = symbol
    return found


def _lost(before: pl.DataFrame, after: pl.DataFrame, why: str) -> Iterator[tuple[str, str]]:
    count = len(before) - len(after)
    if count:
        yield "", f"{count:,} bars {why}: left out"


def _without_clashes(
    frame: pl.DataFrame, source: str
) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Return the bars whose symbol and time come once, and what is said of the others.

    Which of two closes is right is not known, so that none is taken.

    Raises:
        UnreadableData: There are so many that a symbol is of two markets.
    """
    is_clash = frame.select("ts_ms", "symbol").is_duplicated()
    if not is_clash.any():
        return frame, []
    apart = (pl.col("close").max() / pl.col("close").min() - 1.0).alias("apart")
    clashes = frame.filter(is_clash).group_by("symbol", "ts_ms").agg(apart).sort("symbol", "ts_ms")
    notes = []
    for (symbol,), own in clashes.group_by("symbol", maintain_order=True):
        size = cast("float", own["apart"].max()) * 100
        first = when(cast("int", own["ts_ms"].min()))
        count = len(own)
        told = f"{count:,} times twice with other closes, up to {size:.2g} % apart (first {first})"
        if count > max(CLASHES_MAX, CLASH_SHARE * frame["symbol"].eq(symbol).sum()):
            msg = f"{source}: {symbol} is there {told}; are these two markets? Keep one of them"
            raise UnreadableData(msg)
        notes.append((str(symbol), f"{symbol}: {told}: none of them is taken"))
    return frame.filter(~is_clash), sorted(notes)


def _step(frame: pl.DataFrame, symbol: str, source: str) -> int:
    """Return the usual distance between the bars of a symbol."""
    times = np.sort(frame.filter(pl.col("symbol") == symbol)["ts_ms"].to_numpy())
    if len(times) < 2:  # noqa: PLR2004 a change has two ends
        msg = f"{source}: {symbol} has a single bar; give a history or leave it out"
        raise UnreadableData(msg)
    lengths, counts = np.unique(np.diff(times), return_counts=True)
    return int(lengths[np.argmax(counts)])


def _prints(
    closes: Closes, bad: npt.NDArray[np.bool_], alone: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, str]]:
    for mask, what in (
        (bad, "away for one bar while the others stand: left out as bad prints"),
        (alone, "away for one bar, with no other coin to compare with: kept"),
    ):
        for column in np.flatnonzero(mask.any(axis=0)):
            rows = np.flatnonzero(mask[:, column])
            first = when(closes.times[rows[0]])
            name = closes.symbols[column]
            count = "one close jumps" if len(rows) == 1 else f"{len(rows):,} closes jump"
            yield name, f"{name}: {count} {what} (first {first})"


def _still(closes: Closes) -> Iterator[tuple[str, str]]:
    for column, symbol in enumerate(closes.symbols):
        own = closes.values[:, column]
        changes = np.diff(own[np.isfinite(own)])
        share = float(np.mean(changes == 0.0)) if len(changes) else 1.0
        if share == 1.0:
            yield symbol, f"{symbol}: its price never changes"
        elif share > STILL_SHARE:
            runs = np.diff(np.flatnonzero(np.concatenate(([True], changes != 0.0, [True]))))
            longest = period_words(int(runs.max() - 1) * closes.steps[column])
            part = f"{share * 100:.0f} % of its bars do not change, {longest} the longest"
            yield symbol, f"{symbol}: {part}; kept"


def when(time_ms: int | np.int64) -> str:
    """Return a time as people read it, UTC."""
    moment = datetime.fromtimestamp(int(time_ms) / 1_000, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M")
