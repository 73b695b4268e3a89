"""Within how many standard deviations nothing liquidates: a bound, where one can be had.

Where the excess is a sum of functions of one shock each, each is its own mean slope times its
shock, the slope within bounds that hold on the box around all moves of that length. So the excess
falls by at most the length times the largest `sqrt(s' S s)` of those slopes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from keelmark.risk.revaluation.tables import AT_ENTRY, LINEAR, Tables
from keelmark.risk.reverse.boundary import Boundary
from keelmark.risk.reverse.covariance import ShockKind
from keelmark.risk.scenarios.scenarios import Array

PROVED = 1.0 - 1e-9
"""A bound this close to what was found proves it."""

HALVINGS = 10
CORNERS_MAX = 12
WIDE = 1e-9
"""Bounds closer than this, of their size, are one slope but for rounding."""

TINY = 1e-300
BESIDE = 1e-12
"""Both sides of an edge are looked at this far from it."""

ALMOST_ALL = 0.999
"""Bounds are not asked of falls beyond this."""

ROUNDING = 1e-14
"""Error of the excess as a share of the sum of its absolute terms."""


def proved_distance(boundary: Boundary, distance: float, *, is_last: bool) -> float | None:
    """Return a distance up to `distance` within which nothing liquidates; `None` without proof.

    With `s(r)` the steepest slope within `r` and `e` the excess now, `r s(r) < e` clears `r`. As
    `s` grows with `r`, `e / s(distance)` is cleared, and what is sought lies between it and
    `e / s` of it.

    Args:
        boundary: Of the unit.
        distance: Of a liquidating move.
        is_last: Whether the largest such distance is wanted: a first one decides what to search.
    """
    tables = boundary.valuer.tables
    if tables is None or not is_separable(boundary, tables):
        return None
    proof = _Proof.of(boundary, tables)
    farthest = float(ALMOST_ALL / boundary.deviations.max())
    length = min(distance, farthest * PROVED)
    low = min(length, boundary.start / proof.steepest_within(length))
    if low >= distance * PROVED:
        return distance
    if not is_last:
        return low
    high = min(length, boundary.start / proof.steepest_within(low))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        clears = boundary.start > middle * proof.steepest_within(middle)
        low, high = (middle, high) if clears else (low, middle)
    return low


def is_separable(boundary: Boundary, tables: Tables) -> bool:
    """Whether the excess is a sum of functions of one shock each, straight between edges."""
    shocks, valuer = boundary.shocks, boundary.valuer
    if any(shock.kind is ShockKind.VOLATILITY for shock in shocks) or np.isfinite(tables.cap):
        return False
    straight = (tables.legs["kind"] == LINEAR) & (tables.legs["option"] < 0)
    if not np.all(straight) or np.any(tables.rows["curve"] != 0.0):
        return False
    if any(valuer.model.instrument(p.instrument).whole_quanta for p in valuer.unit.positions):
        return False
    pegs = {shock.name for shock in shocks if shock.kind is ShockKind.COLLATERAL}
    for name, asset in zip(valuer.asset_order, tables.assets, strict=True):
        moves, has_peg = bool(asset["coin"] >= 0), name in pegs
        if asset["leg_start"] == asset["leg_end"]:
            if moves and has_peg:
                return False  # a product of two shocks
            continue
        lines = tables.segments[asset["segment_start"] : asset["segment_end"]]
        whole = len(lines) == 1 and lines[0]["slope"] == 1.0 and lines[0]["intercept"] == 0.0
        if moves or has_peg or not (whole or asset["apart"]):
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Proof:
    """A boundary with where its formulas change, and the error of its floats."""

    boundary: Boundary
    edges: tuple[Array, ...]
    gross: float

    @classmethod
    def of(cls, boundary: Boundary, tables: Tables) -> "_Proof":
        """Find the edges of every shock, and what lies beside them."""
        count = len(boundary.shocks)
        edges = [np.array(list(_edges(boundary, tables, number))) for number in range(count)]
        beside = [np.concatenate([e - BESIDE, e, e + BESIDE]) for e in edges]
        return cls(boundary, tuple(beside), gross_of(tables))

    def steepest_within(self, length: float) -> float:
        """Return the largest slope per standard deviation on the box around moves of a length."""
        bounds = self.slope_bounds(length * self.boundary.deviations)
        return max(TINY, steepest(self.boundary.covariance, bounds))

    def slope_bounds(self, reach: Array) -> list[tuple[float, float]]:
        """Return bounds of the mean slope from now to any move of one shock within its reach.

        Between edges a mean slope rises or falls all the way, so the ends and the edges hold them.
        """
        moves = []
        for edges, limit in zip(self.edges, reach, strict=True):
            inside = edges[(np.abs(edges) > BESIDE) & (np.abs(edges) < limit)]
            moves.append(np.concatenate([[-limit, limit], inside]))
        of = np.repeat(np.arange(len(moves)), [len(own) for own in moves])
        moved = np.concatenate(moves)
        points = np.zeros((len(moved), len(moves)))
        points[np.arange(len(moved)), of] = moved
        slopes = (self.boundary.excess(points) - self.boundary.start) / moved
        error = ROUNDING * self.gross / np.abs(moved)
        starts = np.searchsorted(of, np.arange(len(moves)))
        low = np.minimum.reduceat(slopes - error, starts)
        high = np.maximum.reduceat(slopes + error, starts)
        return list(zip(low.tolist(), high.tolist(), strict=True))


def _edges(boundary: Boundary, tables: Tables, number: int) -> Iterator[float]:
    """Return the moves of a shock at which a formula changes."""
    shock = boundary.shocks[number]
    if shock.kind is not ShockKind.RETURN:
        return
    coin = boundary.valuer.coins.index(shock.name)
    for leg in tables.legs[tables.legs["coin"] == coin]:
        if tables.weight < 1.0 and leg["value"]:
            yield float(leg["cost"] / leg["value"]) - 1.0
        if leg["margin"] == AT_ENTRY or not leg["notional"]:
            continue
        start = leg["row_start"]
        for row in tables.rows[start + 1 : start + leg["row_count"]]:
            yield float(row["floor"] / leg["notional"]) - 1.0


def gross_of(tables: Tables) -> float:
    """Return the sum of the absolute terms of the excess now, valuation currency."""
    total = 0.0
    for asset in tables.assets:
        legs = tables.legs[asset["leg_start"] : asset["leg_end"]]
        terms = np.abs(legs["value"]) * 2 + np.abs(legs["cost"]) + legs["constant"]
        total += float(asset["price"] * (abs(asset["cash"]) + asset["gross"] + terms.sum()))
    return total


def steepest(covariance: Array, bounds: Sequence[tuple[float, float]]) -> float:
    """Return the largest `sqrt(s' S s)` over slopes within bounds, or a bound of it.

    It is at a corner of the box. Where the corners are too many, it is no more than that of the
    middle and that of half the widths together, every covariance counted against the unit.
    """
    wide = [i for i, (low, high) in enumerate(bounds) if high - low > WIDE * abs(high)]
    if len(wide) > CORNERS_MAX:
        box = np.array(bounds)
        middle, half = box.mean(axis=1), (box[:, 1] - box[:, 0]) / 2
        spread = float(np.sqrt(max(0.0, middle @ covariance @ middle)))
        return spread + float(np.sqrt(half @ np.abs(covariance) @ half))
    corners = np.tile([high for _, high in bounds], (2 ** len(wide), 1))
    if wide:
        sides = np.array(list(product((0, 1), repeat=len(wide))))
        corners[:, wide] = np.array([bounds[i] for i in wide])[np.arange(len(wide)), sides]
    spreads = ((corners @ covariance) * corners).sum(axis=1)
    return float(np.sqrt(spreads.max()))
