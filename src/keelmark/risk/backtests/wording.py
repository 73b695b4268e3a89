"""A backtest in words and figures, for every place that shows one."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from keelmark.accounts.figures import percent
from keelmark.risk.backtests.judged import (
    ALARM,
    EXPECTED_MIN,
    SIGNIFICANCE,
    Backtest,
    Judged,
    Level,
)
from keelmark.risk.backtests.rolling import Run
from keelmark.risk.backtests.scores import SET_LEVEL
from keelmark.risk.backtests.statistic import Statistic
from keelmark.risk.history.periods import DAY_MS

COLUMNS = ("model", "viol.", "light", "Kupiec", "cond.", "DQ", "Z2", "FZ0", "MCS")
"""Heads of the table; `row_of` fills it."""
HEADS = (
    "violations and their traffic light; p-values of Kupiec, of conditional coverage "
    "(Christoffersen) and of the dynamic quantile test, * below 5 %; Z2 of Acerbi and Szekely "
    "(below 0: losses larger than told, * where p < 5 % under the model's own distribution); mean "
    "FZ0 score (lower is better); p-value of the model confidence set of those scores (Hansen, "
    "Lunde and Nason), * where it leaves the set at 10 %: "
    "the others cannot be told from the lowest score"
)
UNKNOWN = "?"
SHOWN = 8
_NOTHING = 1e-12


def row_of(one: Judged) -> tuple[str, ...]:
    """Return a model's row."""
    z2 = one.tests["Z2"]
    mark = "*" if "Z2" in one.rejected else ""
    return (
        one.name,
        str(one.count) if one.periods else UNKNOWN,
        one.light.light.value if one.periods else UNKNOWN,
        p_text(one.tests["Kupiec"]),
        p_text(one.tests["coverage"]),
        p_text(one.tests["DQ"]),
        UNKNOWN if z2.value is None else f"{z2.value:+.2f}{mark}",
        UNKNOWN if one.score is None else f"{one.score:.3f}",
        set_text(one),
    )


def p_text(test: Statistic) -> str:
    """Return a p-value in two digits, marked where it rejects."""
    if test.p_value is None:
        return UNKNOWN
    if test.p_value < 0.01:  # noqa: PLR2004 two digits
        return "<0.01*"
    return f"{test.p_value:.2f}{'*' if test.p_value < 0.05 else ''}"  # noqa: PLR2004 five per cent


def set_text(one: Judged) -> str:
    """Return the p-value of the model in the confidence set, marked where it leaves."""
    if one.missing:
        return "unranked"
    if one.set_p_value is None:
        return UNKNOWN
    mark = "" if one.set_p_value > SET_LEVEL else "*"
    small = 0.01
    return f"<0.01{mark}" if one.set_p_value < small else f"{one.set_p_value:.2f}{mark}"


def level_text(tail: float) -> str:
    """Return `99 %` of a tail of 0.01."""
    return f"{float(f'{100 * (1 - tail):.6g}'):g} %"


def instant(run: Run, row: int) -> str:
    """Return the beginning of a period in UTC; its number where the history has no times."""
    days = run.holding.returns.days
    if run.times is None or days is None:
        return f"period {row + 1}"
    begun = datetime.fromtimestamp((int(run.times[row]) - days * DAY_MS) / 1000, tz=UTC)
    return begun.strftime("%Y-%m-%d" if days >= 1.0 else "%Y-%m-%d %H:%M")


def span_text(run: Run) -> str:
    """Return the first and the last period forecast."""
    return f"{instant(run, 0)} to {instant(run, len(run.profit) - 1)}"


def schedule_text(run: Run) -> str:
    """Return when models were fitted and on what."""
    plan = run.schedule
    return (
        f"each fitted on the {plan.window:,} periods before, again every {plan.refit}; filters "
        f"move every period, EWMA decay {plan.decay:g}, seed {plan.seed}"
    )


def verdict(level: Level) -> Iterator[str]:
    """Yield which model has the lowest score, what cannot be told from it, and what rejects it."""
    lowest = level.lowest
    if lowest is None:
        is_none = not any(one.periods for one in level.judged.values())
        told = "unknown: no model has a forecast" if is_none else "no model forecast every period"
        yield told if is_none else f"{told}: none is ranked"
        return
    expected = level.tail * lowest.periods
    if level.needed is not None:
        yield (
            f"too few to tell models apart: {lowest.periods:,} forecasts, {expected:.1f} "
            f"violations expected; at least {level.needed:,} are needed, {EXPECTED_MIN:g} "
            "violations expected or more: take a longer history or shorter periods (--every)"
        )
    else:
        told = f"{lowest.count} violations where {expected:.1f} were expected"
        yield f"lowest score: {lowest.name}, {told}; {rejected_text(lowest)}"
        yield from _standing(level)
    unsound = [name for name in level.ranked if level.judged[name].rejected]
    if unsound and len(unsound) == len(level.ranked):
        yield "every model is rejected by some test at 5 %"


def _standing(level: Level) -> Iterator[str]:
    """Yield what the model confidence set keeps, and where pairs would tell more."""
    if level.chosen is None:
        return
    rule = f"in the model confidence set at {100 * SET_LEVEL:g} %"
    if len(level.chosen.kept) == len(level.ranked):
        yield f"none is told to be best: all {len(level.ranked)} are {rule}"
    elif level.alike:
        yield f"cannot be told from it, for they are {rule} too: {', '.join(level.alike)}"
    else:
        yield f"it is told from all others: alone {rule}"
    told = [_against_words(level.judged[name]) for name in level.alike]
    pairs = [words for words in told if words]
    if pairs:
        yield (
            "Diebold and Mariano, each beside the lowest score alone, would tell at 5 %: "
            f"{', '.join(pairs)}; the set counts that many are compared"
        )


def _against_words(one: Judged) -> str:
    """Return a model with its p-value against the lowest score where that is below 5 %."""
    p_value = None if one.against is None else one.against.p_value
    return "" if p_value is None or p_value >= SIGNIFICANCE else f"{one.name} {p_value:.2g}"


def rejected_text(one: Judged) -> str:
    """Return which tests reject a model."""
    if not one.rejected:
        return "no test rejects it at 5 %"
    return f"rejected at 5 % by {', '.join(one.rejected)}"


def missing_words(level: Level, run: Run) -> Iterator[str]:
    """Yield which models lack forecasts, how many and why."""
    for name, one in level.judged.items():
        if one.missing:
            reasons = "; ".join(run.forecasts[name].reasons)
            yield f"{name}: no forecast of {one.missing:,} of {len(run.profit):,} ({reasons})"


def alarm_words(level: Level, run: Run) -> Iterator[str]:
    """Yield against which models evidence was enough at some time, and when first."""
    found = [
        f"{name} {instant(run, one.alarm)}"
        for name, one in level.judged.items()
        if one.alarm is not None
    ]
    if found:
        yield f"evidence of {ALARM:g} against its shortfall, first: {', '.join(found)}"


def words_of(level: Level, run: Run) -> tuple[str, ...]:
    """Return all that is said of a level below its table."""
    return (
        *verdict(level),
        *([fail_words(level, run)] if any(one.periods for one in level.judged.values()) else ()),
        *alarm_words(level, run),
        *missing_words(level, run),
    )


def fail_words(level: Level, run: Run) -> str:
    """Return where every model was violated, clusters as spans."""
    if not level.all_hit:
        return "all fail together: never"
    found = [_cluster(run, *cluster) for cluster in level.clusters]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    worst = sorted(level.clusters, key=lambda c: -_worst(run, c))[:SHOWN]
    shown = [_cluster(run, *cluster) for cluster in sorted(worst)]
    count = len(level.all_hit)
    many = "1 period" if count == 1 else f"{count} periods"
    return f"all fail together in {many}: {', '.join(shown)}{more}"


def summary(done: Backtest) -> Iterator[str]:
    """Yield what to know of the run beside the tables."""
    run = done.run
    yield schedule_text(run)
    yield from (*run.holding.notes, *run.holding.returns.notes)


def loss_text(value: float) -> str:
    """Return a profit or a loss in per cent of worth, with a sign."""
    return percent(Decimal(repr(value)), signed=abs(value) > _NOTHING)


def _cluster(run: Run, first: int, last: int, count: int) -> str:
    loss = loss_text(float(run.profit[first : last + 1].min()))
    if first == last:
        return f"{instant(run, first)} ({loss})"
    return f"{instant(run, first)} to {instant(run, last)} ({count} times, worst {loss})"


def _worst(run: Run, cluster: tuple[int, int, int]) -> float:
    return -float(run.profit[cluster[0] : cluster[1] + 1].min())
