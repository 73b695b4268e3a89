"""`summary.json`: what came of a replay, money as decimal strings, times ISO 8601 UTC."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

from keelmark.lab.replay.measures import Measures, share
from keelmark.lab.replay.memory import peak_memory_bytes

FORMAT = 1

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def summary(measures: Measures, comparisons: Mapping[str, Json]) -> dict[str, Json]:
    """Return the summary of a replay.

    Args:
        measures: Its figures.
        comparisons: What came of further runs, by what was changed in them.
    """
    replay = measures.replay
    result: dict[str, Json] = {
        "format": FORMAT,
        "keelmark": version("keelmark"),
        "scenario": replay.scenario.name,
        "title": replay.scenario.title,
        "start": instant(int(replay.feed.times_ms[0])),
        "end": instant(int(replay.feed.times_ms[-1])),
        "digest": replay.digest,
        "conservation_residual": {k: str(v) for k, v in replay.residuals.items()},
        "attribution_residual": str(measures.paid.residual),
        "mark_model": replay.mark_model,
        **_inputs(measures),
        **outcome(measures),
        "timings": {name: round(seconds, 3) for name, seconds in replay.timings.items()},
        "peak_memory_bytes": peak_memory_bytes(),
    }
    if replay.spec.feedback == "mark":
        result["displaced_by_liquidations"] = _displaced(measures)
    if comparisons:
        result["comparisons"] = dict(comparisons)
    return result


def outcome(measures: Measures) -> dict[str, Json]:
    """Return counts, notionals and who paid."""
    return {
        "currency": measures.replay.scenario.settle.asset,
        "counts": _counts(measures),
        "notionals": _notionals(measures),
        "fund": _fund(measures),
        "backstop": _backstop(measures),
        "attribution": _attribution(measures),
        "bad_debt": text(measures.bad_debt),
        "peak_minute": _when(measures.peak_minute_ms),
        "first_liquidation": _when(measures.first_ms("liquidation_started")),
        "first_deleverage": _when(measures.first_ms("deleverage")),
    }


def _displaced(measures: Measures) -> dict[str, Json]:
    """Return the largest part of each mark that the run's own liquidations added, as a fraction."""
    replay = measures.replay
    rows = enumerate(replay.endogenous.tolist())
    return {measures.names.symbol(row): f"{moved:.6f}" for row, moved in rows}


def _inputs(measures: Measures) -> dict[str, Json]:
    replay = measures.replay
    rules, spec = replay.state.rules, replay.spec
    return {
        "data": replay.scenario.statement,
        "data_recorded": spec.data is not None,
        "seed": spec.seed,
        "population": replay.population.spec.name,
        "rulebook": spec.rulebook,
        "feedback": spec.feedback,
        "policies": {
            "deleverage": rules.deleverage,
            "socialise": rules.socialise,
            "sizing": rules.reduce.sizing,
            "order": rules.reduce.order,
            "price_limit": rules.reduce.price_limit,
            "unit_order": rules.unit_order.value,
        },
        "assumptions": {
            "fund_share": text(spec.fund_share),
            "backstop_share": text(spec.backstop_share),
            "backstop_leverage": text(spec.backstop_leverage),
            "impact_prefactor": spec.execution.prefactor,
            "impact_half_life_s": spec.execution.half_life_s,
        },
    }


def _counts(measures: Measures) -> dict[str, Json]:
    recorder = measures.replay.recorder
    levels = Counter(recorder.warned.values())
    return {
        "accounts": measures.accounts,
        "units": len(measures.replay.population.units),
        "positions": len(measures.replay.population.positions),
        "marks": recorder.counts["marks"],
        "events": len(recorder.rows),
        "accounts_liquidated": measures.accounts_liquidated,
        "units_liquidated": len(measures.units_liquidated),
        "cases": len(recorder.cases),
        "cases_by_outcome": measures.outcomes,
        "units_warned": len(recorder.warned),
        "units_by_warning_level": {str(level): levels[level] for level in sorted(levels)},
        "reduce_fills": recorder.counts["fill:reduce"],
        "takeover_fills": recorder.counts["fill:takeover"],
        "deleverage_fills": recorder.counts["fill:deleverage"],
        "accounts_deleveraged": measures.accounts_deleveraged,
        "accounts_socialised": measures.accounts_socialised,
    }


def _notionals(measures: Measures) -> dict[str, Json]:
    stages = measures.by_stage
    return {
        "open_interest": text(measures.open_interest),
        "liquidated": text(measures.liquidated),
        "liquidated_long": text(measures.liquidated_long),
        "liquidated_short": text(measures.liquidated_short),
        "liquidated_long_share": text(share(measures.liquidated_long, measures.liquidated)),
        "liquidated_share_of_open_interest": text(
            share(measures.liquidated, measures.open_interest),
        ),
        "sold_in_the_market": text(stages["reduce"]),
        "taken_over": text(stages["takeover"]),
        "deleveraged": text(measures.deleveraged),
    }


def _fund(measures: Measures) -> dict[str, Json]:
    funds = measures.funds
    return {
        "start": text(measures.money(funds[0])),
        "end": text(measures.money(funds[-1])),
        "min": text(measures.money(min(funds))),
        "paid": text(measures.money(measures.paid.fund)),
    }


def _backstop(measures: Measures) -> dict[str, Json]:
    first, least, last = measures.backstop_equities
    return {
        "inventory_max": text(measures.backstop_inventory_max),
        "equity_start": text(first),
        "equity_min": text(least),
        "equity_end": text(last),
    }


def _attribution(measures: Measures) -> dict[str, Json]:
    paid = measures.paid
    parts = {
        "lost": paid.lost,
        "unit": paid.unit,
        "fee": paid.fee,
        "fund": paid.fund,
        "backstop": paid.backstop,
        "deleveraged": paid.deleveraged,
        "socialised": paid.socialised,
    }
    return {name: text(measures.money(quanta)) for name, quanta in parts.items()}


def text(value: Decimal) -> str:
    """Return a decimal without an exponent and without zeros at its end."""
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def instant(time_ms: int) -> str:
    """Return an instant as ISO 8601 UTC."""
    moment = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _when(time_ms: int | None) -> str | None:
    return None if time_ms is None else instant(time_ms)
