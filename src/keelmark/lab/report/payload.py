"""What the pictures draw, as plain JSON, rounded to what a picture and its table can show."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from keelmark.lab.report.minutes import MINUTE_MS, worst_minute
from keelmark.lab.report.model import ReplayReport
from keelmark.lab.report.series import (
    DistanceHistory,
    Float64Array,
    Int64Array,
    LiquidationMap,
    Timeline,
)
from keelmark.lab.report.words import stage_label

CENTS = 2
PRICE_DIGITS = 8

Json = None | bool | int | float | str | Sequence["Json"] | dict[str, "Json"]


def payload(report: ReplayReport) -> dict[str, Json]:
    """Return everything the scripts of the page read."""
    return {
        "currency": report.headline.currency,
        "timeline": _timeline(report.timeline),
        "maps": _maps(report.maps) if report.maps else None,
        "distances": _distances(report.distances, report.timeline) if report.distances else None,
    }


def worst_step(timeline: Timeline) -> int:
    """Return the step of the worst minute in which most was liquidated; the last if none was."""
    liquidated = timeline.liquidated_long + timeline.liquidated_short
    if not liquidated.any():
        return int(liquidated.size - 1)
    minutes = timeline.times_ms // MINUTE_MS
    worst = worst_minute(timeline).minute
    return int(np.argmax(np.where(minutes == worst, liquidated, -1.0)))


def _timeline(timeline: Timeline) -> dict[str, Json]:
    return {
        "t": integers(timeline.times_ms),
        "end": timeline.end_ms,
        "focus": list(timeline.focus_ms) if timeline.focus_ms else None,
        "worst": worst_step(timeline),
        "prices": [
            {"name": line.name, "unit": line.unit, "v": significant(line.values)}
            for line in timeline.prices
        ],
        "long": cents(timeline.liquidated_long),
        "short": cents(timeline.liquidated_short),
        "deleveraged": cents(timeline.deleveraged),
        "fund": cents(timeline.fund),
        "backstop": cents(timeline.backstop),
        "stages": [
            {
                "stage": activity.stage,
                "label": stage_label(activity.stage),
                "units": integers(activity.units),
            }
            for activity in timeline.stages
        ],
    }


def _maps(maps: Sequence[LiquidationMap]) -> dict[str, Json]:
    instruments = list(dict.fromkeys(item.instrument for item in maps))
    moments = list(dict.fromkeys(item.moment for item in maps))
    return {
        "instruments": list[Json](instruments),
        "moments": list[Json](moments),
        "items": [
            {
                "instrument": instruments.index(item.instrument),
                "moment": moments.index(item.moment),
                "time": item.time_ms,
                "price": float(item.price),
                "edges": significant(item.edges),
                "longNotional": whole(item.long_notional),
                "shortNotional": whole(item.short_notional),
                "longUnits": integers(item.long_units),
                "shortUnits": integers(item.short_units),
            }
            for item in maps
        ],
    }


def _distances(history: DistanceHistory, timeline: Timeline) -> dict[str, Json]:
    worst = timeline.times_ms[worst_step(timeline)]
    line = timeline.prices[0]
    places = np.clip(np.searchsorted(_ends(timeline), history.times_ms), 0, line.values.size - 1)
    return {
        "t": integers(history.times_ms),
        "start": int(np.argmin(np.abs(history.times_ms - worst))),
        "price": significant(line.values[places]),
        "edges": significant(history.edges),
        "accounts": [integers(row) for row in history.accounts],
        "notional": [whole(row) for row in history.notional],
        "unreachableAccounts": integers(history.unreachable_accounts),
        "unreachableNotional": whole(history.unreachable_notional),
        "liquidatedAccounts": integers(history.liquidated_accounts),
        "liquidatedNotional": whole(history.liquidated_notional),
    }


def _ends(timeline: Timeline) -> Int64Array:
    return np.append(timeline.times_ms[1:], timeline.end_ms)


def integers(values: Int64Array) -> list[Json]:
    """Return whole numbers."""
    return [int(value) for value in values]


def whole(values: Float64Array) -> list[Json]:
    """Return amounts to the unit."""
    return [_short(value) for value in np.round(values)]


def cents(values: Float64Array) -> list[Json]:
    """Return amounts to two decimals."""
    return [_short(value) for value in np.round(values, CENTS)]


def significant(values: npt.NDArray[np.float64]) -> list[Json]:
    """Return prices to eight digits."""
    return [_short(float(f"{value:.{PRICE_DIGITS}g}")) for value in values]


def _short(value: float) -> int | float | None:
    """Return what JSON writes shortest: no `.0`, and `null` for what is not known."""
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else float(value)
