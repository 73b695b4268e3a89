"""Liquidation maps and the history of distances, as the report draws them."""

from decimal import Decimal

import numpy as np

from keelmark.lab.fleet.looks import DISTANCE_MOVES, MAP_MOVES, MapView
from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.names import rounded
from keelmark.lab.report.series import DistanceHistory, LiquidationMap

BEFORE = "before the crash"
WORST = "in the worst minute"


def maps_of(measures: Measures) -> tuple[LiquidationMap, ...]:
    """Return the maps of both moments, instrument by instrument."""
    replay = measures.replay
    moments = [(BEFORE, replay.maps_before), (WORST, replay.maps_worst)]
    shown = [(words, views) for words, views in moments if views]
    pairs = zip(*(views for _, views in shown), strict=True)
    return tuple(
        _map(measures, words, view)
        for views in pairs
        for (words, _), view in zip(shown, views, strict=True)
    )


def _map(measures: Measures, moment: str, view: MapView) -> LiquidationMap:
    """Return one map: bins of equal fractions of the present price, falls first."""
    moves = np.concatenate((-MAP_MOVES[::-1], [0.0], MAP_MOVES))
    none = np.zeros(len(MAP_MOVES))
    longs, shorts = view.notional * float(measures.money(1))
    long_units, short_units = view.units
    nobody = none.astype(np.int64)
    return LiquidationMap(
        instrument=measures.names.symbol(view.instrument),
        moment=moment,
        time_ms=view.time_ms,
        price=rounded(Decimal(repr(view.price))),
        edges=view.price * (1.0 + moves),
        long_notional=np.concatenate((longs[::-1], none)),
        short_notional=np.concatenate((none, shorts)),
        long_units=np.concatenate((long_units[::-1], nobody)),
        short_units=np.concatenate((nobody, short_units)),
    )


def distances_of(measures: Measures) -> DistanceHistory | None:
    """Return the distances over time; `None` if none were taken."""
    views = measures.replay.distances
    if not views:
        return None
    quantum = float(measures.money(1))
    accounts = np.array([view.accounts for view in views])
    notional = np.array([view.notional for view in views]) * quantum
    liquidated = np.array(measures.replay.liquidated, np.float64)
    return DistanceHistory(
        times_ms=np.array([view.time_ms for view in views], np.int64),
        edges=np.concatenate(([0.0], DISTANCE_MOVES)),
        accounts=np.rint(accounts[:, :-1]).astype(np.int64),
        notional=notional[:, :-1],
        unreachable_accounts=np.rint(accounts[:, -1]).astype(np.int64),
        unreachable_notional=notional[:, -1],
        liquidated_accounts=liquidated[:, 0].astype(np.int64),
        liquidated_notional=liquidated[:, 1] * quantum,
    )


def distances_note(measures: Measures) -> str:
    """Say whether everybody was asked for a distance, or a sample."""
    sampled = [view for view in measures.replay.distances if view.asked < view.open]
    if not sampled:
        return "Every account with a position was asked for its distance at each moment."
    first = sampled[0]
    return (
        f"Distances were asked of a sample of {first.asked:,} of {first.open:,} accounts with a "
        "position, the same draw at every moment, and scaled up to all of them; the picture is an "
        "estimate. Liquidations are never sampled."
    )
