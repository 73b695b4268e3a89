"""A backtest as JSON: statistics are text of a float, what is unknown is null with its reason."""

from typing import Any

from keelmark.accounts.check_document import statistic_text
from keelmark.risk.backtests.judged import ALARM, Backtest, Judged, Level
from keelmark.risk.backtests.rolling import Run
from keelmark.risk.backtests.wording import instant, verdict


def document(done: Backtest) -> dict[str, Any]:
    """Return the whole result."""
    run, plan = done.run, done.run.schedule
    returns = run.holding.returns
    return {
        "portfolio": run.holding.name,
        "coins": list(run.holding.coins),
        "period": returns.period,
        "source": returns.source,
        "first": instant(run, 0),
        "last": instant(run, len(run.profit) - 1),
        "forecasts": len(run.profit),
        "window": plan.window,
        "refit": plan.refit,
        "decay": statistic_text(plan.decay),
        "seed": plan.seed,
        "notes": [*run.holding.notes, *returns.notes],
        "levels": [_level(run, level) for level in done.levels],
    }


def _level(run: Run, level: Level) -> dict[str, Any]:
    chosen = level.chosen
    return {
        "tail": statistic_text(level.tail),
        "best": None if level.best is None else level.best.name,
        "lowest_score": None if level.lowest is None else level.lowest.name,
        "verdict": list(verdict(level)),
        "forecasts_needed": level.needed,
        "ranked": list(level.ranked),
        "confidence_set": None
        if chosen is None
        else {
            "kept": list(chosen.kept),
            "p_values": {name: statistic_text(p) for name, p in chosen.p_values.items()},
            "note": chosen.note,
        },
        "all_fail": [instant(run, row) for row in level.all_hit],
        "models": {name: _model(run, one) for name, one in level.judged.items()},
    }


def _model(run: Run, one: Judged) -> dict[str, Any]:
    forecasts = run.forecasts[one.name]
    return {
        "words": forecasts.model.words,
        "forecasts": one.periods,
        "missing": one.missing,
        "missing_reasons": forecasts.reasons,
        "violations": one.count if one.periods else None,
        "violated": [instant(run, int(row)) for row in one.hits.nonzero()[0]],
        "light": one.light.light.value if one.periods else None,
        "light_cumulative": statistic_text(one.light.cumulative) if one.periods else None,
        "tests": {name: test.document() for name, test in one.tests.items()},
        "rejected_by": list(one.rejected),
        "fz0": statistic_text(one.score),
        "confidence_set_p_value": statistic_text(one.set_p_value),
        "against_lowest": None if one.against is None else one.against.document(),
        "monitor": {
            "highest": statistic_text(one.evidence),
            "level": statistic_text(ALARM),
            "alarm": None if one.alarm is None else instant(run, one.alarm),
        },
    }
