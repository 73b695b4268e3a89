"""Writes docs/backtests.md from runs over the recorded bars: `python -m scripts.backtests_page`.

Needs the recorded market data (KEELMARK_DATA). Only figures are carried over, no bars.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from keelmark.core.errors import InvalidInput
from keelmark.market.bars import read_bars
from keelmark.market.datasets import dataset_path
from keelmark.risk.backtests.coverage import accepted_counts
from keelmark.risk.backtests.holding import of_weights
from keelmark.risk.backtests.judged import Backtest, Judged, Level
from keelmark.risk.backtests.models import MODELS
from keelmark.risk.backtests.pages import LIMITS, markdown, markdown_table
from keelmark.risk.backtests.rolling import Schedule
from keelmark.risk.backtests.run import backtest
from keelmark.risk.backtests.wording import HEADS, instant, level_text, loss_text
from keelmark.risk.history.periods import HOUR_MS, milliseconds
from keelmark.risk.returns import Returns, read_returns
from keelmark.risk.statistics import Unknown, fit_pot
from keelmark.risk.statistics.library import scipy_module

PAGE = Path(__file__).resolve().parents[1] / "docs" / "backtests.md"
HEAD = """# Backtests

How good forecasts of losses are on recorded bars: every model forecasts the value at risk and the
expected shortfall of the next period from the periods before it, and the forecasts are tested.
This page is written by `python -m scripts.backtests_page` from the recorded data; only figures are
carried over. `keelmark risk backtest BARS` makes the same tables for any bars.

"""
SPOT_AHEAD = 8 * HOUR_MS
"""The long hourly file's clock runs eight hours ahead of UTC, as its crashes beside those of the
minute bars and the swaps show."""
TEN = ("BTC", "ETH", "SOL", "BNB", "XRP", "DOGE", "ADA", "LINK", "LTC", "AVAX")
ALTS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "SUI", "ENA", "AVAX", "LINK", "WIF")
SPOT_TEN = ("BTC", "ETH", "XRP", "DOGE", "ADA", "LINK", "LTC", "DOT", "BCH", "EOS")
SWAPS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "LINK", "LTC", "UNI")
HOURS, LAST_YEAR = 24, 2020
DAILY = Schedule()
HOURLY = Schedule(window=2000, refit=168)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run.

    Attributes:
        title: Its heading.
        dataset: Where bars come from.
        coins: Held in equal parts.
        every: Period.
        schedule: Window and refits.
        span: First day and the day after the last; empty for all that can be forecast.
        why: What to know of the choice.
    """

    title: str
    dataset: str
    coins: tuple[str, ...]
    every: str
    schedule: Schedule
    span: tuple[str, str] = ("", "")
    why: str = ""


def cases() -> Iterator[Case]:
    """Yield what is run."""
    for coin in ("BTC", "ETH"):
        for year in ("2021", "2022"):
            span = (f"{year}-01-01", f"{int(year) + 1}-01-01")
            for every, schedule in (("1d", DAILY), ("1h", HOURLY)):
                word = "daily" if every == "1d" else "hourly"
                yield Case(
                    title=f"{coin} {year}, {word}",
                    dataset="spot-hourly",
                    coins=(coin,),
                    every=every,
                    schedule=schedule,
                    span=span,
                    why="The file ends on 2022-10-24." if year == "2022" else "",
                )
    yield Case(
        title="BTC and ETH 2019 to 2022, daily",
        dataset="spot-hourly",
        coins=("BTC", "ETH"),
        every="1d",
        schedule=DAILY,
        why="Four years, March 2020 among them.",
    )
    yield Case(
        title="Ten coins May 2021, hourly",
        dataset="crash-2021-05",
        coins=SPOT_TEN,
        every="1h",
        schedule=Schedule(window=150, refit=24),
        why="Sixteen days of bars: a short window, so that 19 May is forecast.",
    )
    yield Case(
        title="Eight swaps May to December 2022, hourly",
        dataset="luna-ftx-2022",
        coins=SWAPS,
        every="1h",
        schedule=Schedule(window=200, refit=48),
        why="A short window, so that Terra's fall from 9 May is forecast. OP is left out: it "
        "starts in June.",
    )
    yield Case(
        title="Ten perpetuals second half of 2025, eight hours",
        dataset="majors-2025h2",
        coins=TEN,
        every="8h",
        schedule=Schedule(window=250, refit=15),
        why="180 days are too few for daily forecasts: eight-hour periods.",
    )
    yield Case(
        title="Ten perpetuals second half of 2025, hourly",
        dataset="majors-2025h2",
        coins=TEN,
        every="1h",
        schedule=Schedule(window=1000, refit=168),
    )
    yield Case(
        title="BTC second half of 2025, hourly",
        dataset="majors-2025h2",
        coins=("BTC",),
        every="1h",
        schedule=Schedule(window=1000, refit=168),
    )
    yield Case(
        title="Ten perpetuals October 2025, hourly",
        dataset="crash-2025-10",
        coins=ALTS,
        every="1h",
        schedule=Schedule(window=200, refit=24),
        why="Twenty-six days around 10 October, smaller coins among them.",
    )


def run_case(case: Case) -> Backtest:
    """Run one case."""
    returns = returns_of(case.dataset, case.every, case.coins)
    holding = of_weights(returns, dict.fromkeys(case.coins, 1.0 / len(case.coins)))
    return backtest(holding, None, case.schedule, rows=rows_of(returns, case.span))


def returns_of(dataset: str, every: str, coins: Sequence[str]) -> Returns:
    """Return the changes of some coins of a dataset, on the clock of UTC."""
    ahead = SPOT_AHEAD if dataset == "spot-hourly" else 0
    return read_returns(dataset_path(dataset), every=every, coins=coins, ahead_ms=ahead)


def rows_of(returns: Returns, span: tuple[str, str]) -> slice:
    """Return the rows of periods that begin in a span of days."""
    assert returns.times is not None  # noqa: S101 bars have times
    assert returns.days is not None  # noqa: S101 as above
    begun = returns.times - round(returns.days * milliseconds("1d"))
    places = [
        int(begun.searchsorted(_day_ms(day))) if day else default
        for day, default in zip(span, (0, len(begun)), strict=True)
    ]
    return slice(*places)


def _day_ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def page(done: Sequence[tuple[Case, Backtest]]) -> str:
    """Return the whole page."""
    parts = [HEAD, "## In short\n", *_short(done), "\n## By case\n", *_by_case(done)]
    parts += ["\n## By model\n", *_by_model(done), "\n## Published figures\n", *published()]
    parts += ["\n## How to read the tables\n", f"{HEADS[0].upper()}{HEADS[1:]}.\n"]
    parts += [*(f"- {text}" for text in LIMITS), "\n## Every case\n"]
    for case, one in done:
        text = markdown(one, depth=3)
        head, _, rest = text.partition("\n")
        held = head.removeprefix("### ")
        why = f" {case.why}" if case.why else ""
        parts += [f"### {case.title}\n\n{held}.{why}{rest}"]
    return "\n".join(parts).rstrip() + "\n"


def _short(done: Sequence[tuple[Case, Backtest]]) -> Iterator[str]:
    """Yield which models are best, and where all fail, counted over all cases and levels."""
    levels = [level for _, one in done for level in one.levels]
    for kind, is_kind in (("hourly", True), ("daily and eight hours", False)):
        own = [lv for case, one in done if (case.every == "1h") == is_kind for lv in one.levels]
        enough = [level for level in own if level.ranked and level.needed is None]
        firsts = [level.ranked[0] for level in enough]
        wins = sorted(set(firsts), key=lambda name: (-firsts.count(name), name))
        told = ", ".join(f"{name} {firsts.count(name)}" for name in wins)
        apart = sum(level.best is not None for level in enough)
        alone = sum(level.best is not None and not level.alike for level in enough)
        few = f"; {len(own) - len(enough)} have too few forecasts" if len(own) > len(enough) else ""
        yield (
            f"- Lowest mean score, {kind}, of {len(own)} cases and levels: {told}{few}. In "
            f"{apart} it is told from some model by the model confidence set at 10 %, "
            f"in {alone} from all."
        )
    seen = {name: _models(levels, name) for name in MODELS}
    sound = {name: sum(not one.rejected for one in ones) for name, ones in seen.items()}
    order = sorted(sound, key=lambda name: -sound[name] / max(len(seen[name]), 1))
    told = ", ".join(f"{name} {sound[name]} of {len(seen[name])}" for name in order[:4])
    yield f"- Rejected by no test at 5 %, most often: {told}."
    last = order[-1]
    yield (
        f"- Least often: {last}, {sound[last]} of {len(seen[last])}; at 99 % it was violated "
        f"{_excess(done, last)} times as often as it said."
    )
    yield from _windows(done)
    yield f"- Worst periods in which every model failed: {', '.join(_worst(done))}."
    yield (
        "- No model foresees the first period of a crash: every filter learns of it from its first "
        "loss."
    )


def _windows(done: Sequence[tuple[Case, Backtest]], edge: int = 500) -> Iterator[str]:
    """Yield what a short window does to fitted laws, and to residuals, at 99 %."""
    kinds = (
        (f"fewer than {edge}", [one for case, one in done if case.schedule.window < edge]),
        (f"{edge} or more", [one for case, one in done if case.schedule.window >= edge]),
    )
    told = []
    for words, ones in kinds:
        ratios = []
        for name in ("gjr-t", "t-copula-gjr-t", "gjr-t-fhs", "ewma-fhs"):
            own = _models([one.levels[0] for one in ones], name)
            expected = sum(j.periods for j in own) * done[0][1].levels[0].tail
            ratios.append(f"{name} {sum(j.count for j in own) / expected:.2f}")
        told.append(f"{words} periods: {', '.join(ratios)}")
    yield f"- Violations over expected at 99 % by window, {'; '.join(told)}."


def _models(levels: Sequence[Level], name: str) -> list[Judged]:
    found = [level.judged[name] for level in levels if name in level.judged]
    return [one for one in found if one.periods and not one.missing]


def _excess(done: Sequence[tuple[Case, Backtest]], name: str) -> str:
    ones = _models([one.levels[0] for _, one in done], name)
    expected = sum(one.periods for one in ones) * done[0][1].levels[0].tail
    return f"{sum(one.count for one in ones) / expected:.1f}"


def _worst(done: Sequence[tuple[Case, Backtest]], most: int = 8) -> list[str]:
    """Return the largest losses in which all failed at 99 %, one a day."""
    found: dict[str, tuple[float, str]] = {}
    for case, one in done:
        for row in one.levels[0].all_hit:
            loss, begun = float(one.run.profit[row]), instant(one.run, row)
            words = f"{begun} ({case.title.split(',')[0]} {loss_text(loss)})"
            day = begun[:10]
            if day not in found or loss < found[day][0]:
                found[day] = (loss, words)
    return [words for _, words in sorted(found.values())[:most]]


def _by_case(done: Sequence[tuple[Case, Backtest]]) -> Iterator[str]:
    head = ["case", "level", "forecasts", "lowest score", "viol.", "expected", "FZ0", "rejected by"]
    head += ["not told from it", "all fail"]
    rows = []
    for case, one in done:
        for level in one.levels:
            lowest = level.lowest
            if lowest is None:
                continue
            rows.append(
                (
                    case.title,
                    level_text(level.tail),
                    f"{len(one.run.profit):,}",
                    lowest.name,
                    str(lowest.count),
                    f"{level.tail * lowest.periods:.1f}",
                    f"{lowest.score:.3f}",
                    ", ".join(lowest.rejected) or "none",
                    _told_apart(level),
                    str(len(level.all_hit)),
                )
            )
    return markdown_table(head, rows)


def _told_apart(level: Level) -> str:
    """Return how many others the model confidence set keeps, or that there are too few to tell."""
    if level.needed is not None:
        return f"too few: {level.needed:,} needed"
    return f"{len(level.alike)} of {len(level.ranked) - 1}"


def _by_model(done: Sequence[tuple[Case, Backtest]]) -> Iterator[str]:
    """Yield a table of models over all cases: how often each is rejected, and how it ranks."""
    head = ["model", "cases", "viol. / expected 99 %", "97.5 %", "rejected by Kupiec", "cond."]
    head += ["DQ", "Z2", "by none", "in the confidence set", "mean rank"]
    levels = [level for _, one in done for level in one.levels]
    rows = []
    for name in MODELS:
        ones = _models(levels, name)
        ratios = []
        for column in (0, 1):
            own = _models([one.levels[column] for _, one in done], name)
            expected = sum(j.periods for j in own) * done[0][1].levels[column].tail
            ratios.append(f"{sum(j.count for j in own) / expected:.2f}")
        tests = ("Kupiec", "coverage", "DQ", "Z2")
        ranked = [lv for lv in levels if name in lv.ranked and lv.needed is None]
        kept = sum(level.chosen is not None and name in level.chosen.kept for level in ranked)
        rank = sum(level.ranked.index(name) + 1 for level in ranked) / len(ranked)
        rows.append(
            (
                f"{name} ({MODELS[name].words})",
                str(len(ones)),
                *ratios,
                *(str(sum(test in j.rejected for j in ones)) for test in tests),
                str(sum(not j.rejected for j in ones)),
                f"{kept} of {len(ranked)}",
                f"{rank:.1f}",
            )
        )
    return markdown_table(head, rows)


def published() -> Iterator[str]:
    """Yield what was published of such data, beside ours."""
    yield from _ranking()
    yield ""
    yield from _margins()


def _ranking() -> Iterator[str]:
    """Yield violations of a BTC and ETH book beside Chen and So (2020)."""
    theirs = {
        "historical": "24 / 7",
        "ewma-normal": "39 / 19",
        "gjr-t": "28 / 7 (GARCH-t)",
        "t-copula-gjr-t": "16 / 3 (t-copula-GARCH-t)",
    }
    returns = returns_of("spot-hourly", "1d", ("BTC", "ETH"))
    tails = (0.05, 0.01)
    short = Schedule(tails=tails, window=225)
    last = rows_of(returns, ("", "2019-03-12")).stop
    long = Schedule(tails=tails)
    found = []
    for schedule, part in ((short, slice(last - 337, last)), (long, slice(None))):
        holding = of_weights(returns, {"BTC": 0.5, "ETH": 0.5})
        found.append(backtest(holding, list(theirs), schedule, rows=part))
    counts = [
        [" / ".join(str(lev.judged[name].count) for lev in one.levels) for name in theirs]
        for one in found
    ]
    bands = []
    for one in found:
        each = (accepted_counts(len(one.run.profit), tail) for tail in tails)
        bands.append(", ".join(f"{low} to {high}" for low, high in each))
    yield (
        "Chen and So, Journal of Mathematical Finance 10 (2020), BTC and ETH, 337 days to March "
        "2019: violations at 95 % / 99 %. Theirs has a longer history of ETH than the recorded, "
        "which begins in August 2017: a window of 225 days is what it leaves. Beside it all days "
        "from 2019 on that the recorded history gives, with a window of 500."
    )
    yield ""
    sizes = [f"{len(one.run.profit):,} days" for one in found]
    head = ("model", "theirs", f"ours, the same {sizes[0]}", f"ours, {sizes[1]} to 2022")
    rows = [(n, theirs[n], counts[0][i], counts[1][i]) for i, n in enumerate(theirs)]
    yield from markdown_table(head, [*rows, ("accepted", "10 to 25, 1 to 9", *bands)])
    yield ""
    yield from (_order_words(one, size) for one, size in zip(found, sizes, strict=True))


def _order_words(one: Backtest, size: str) -> str:
    """Say whether the published order shows: the copula inside both bands, EWMA outside."""
    periods = len(one.run.profit)

    def inside(name: str) -> bool:
        bands = [accepted_counts(periods, level.tail) for level in one.levels]
        counts = [level.judged[name].count for level in one.levels]
        return all(low <= count <= high for (low, high), count in zip(bands, counts, strict=True))

    copula, ewma = inside("t-copula-gjr-t"), inside("ewma-normal")
    verdict = "as published" if copula and not ewma else "not as published"
    words = [f"t-copula {'inside' if copula else 'outside'}"]
    words.append(f"EWMA-normal {'inside' if ewma else 'outside'}")
    return f"- {size}: {', '.join(words)} the bands of Kupiec: {verdict}."


def _margins() -> Iterator[str]:
    """Yield the margin that one day in a hundred exceeds, beside Cheng et al. (2021)."""
    genextreme = scipy_module("stats").genextreme
    bars = read_bars(dataset_path("spot-hourly")).frame.filter(pl.col("symbol") == "BTCUSDT")
    time = pl.from_epoch(pl.col("ts_ms") - SPOT_AHEAD, time_unit="ms")
    days = bars.with_columns(time=time).sort("time").group_by_dynamic("time", every="1d")
    table = days.agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), count=pl.len()
    ).filter((pl.col("count") == HOURS) & (pl.col("time").dt.year() <= LAST_YEAR))
    opened = table["open"].to_numpy()
    moves = {
        "long": (1.0 - table["low"].to_numpy() / opened, 0.33),
        "short": (table["high"].to_numpy() / opened - 1.0, 0.20),
    }
    rows = []
    for side, (worst, theirs) in moves.items():
        blocks = worst[: len(worst) // 5 * 5].reshape(-1, 5).max(axis=1)
        law = genextreme.ppf(0.99, *genextreme.fit(blocks))
        tail = fit_pot(worst).tail(0.99).var
        if isinstance(tail, Unknown):
            raise InvalidInput(str(tail))
        shares = (theirs, float(np.quantile(worst, 0.99)), tail, float(law))
        rows.append((side, *(f"{100 * share:.1f} %" for share in shares)))
    yield (
        "Cheng, Deng, Wang and Yu, arXiv 2102.04591, margins of BTC futures for a margin call on "
        f"one day in a hundred, BitMEX to 2020. Ours: {len(table):,} whole days of BTC spot, "
        "August 2017 to 2020, the farthest the price went from the day's open. One day in a "
        "hundred needs less than they say; a generalised extreme value law of the worst of five "
        "days, read as theirs may be, gives about their figure for longs and more for shorts. Not "
        "reproduced: the paper's blocks and days are not in what we could read."
    )
    yield ""
    head = ("side", "theirs", "99 % of days, as they came", "99 %, Pareto tail")
    yield from markdown_table((*head, "99 % of worst of five days, GEV"), rows)


def main() -> None:
    """Run every case and write the page."""
    done = []
    for case in cases():
        done.append((case, run_case(case)))
        print(case.title, file=sys.stderr)
    PAGE.write_text(page(done), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
