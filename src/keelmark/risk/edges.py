"""Where the formula of a margin changes along an axis: floors of tables and haircuts, entries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from keelmark.core.bound import is_fixed, margin_factor, mark_factor
from keelmark.core.excess import maintenance_rule, value_and_notional
from keelmark.core.margin import margin_report
from keelmark.core.model import HaircutBase, Trigger
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.risk.axes import Axis
from keelmark.risk.crossing import crossing


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One place where a formula changes.

    Attributes:
        move: Where along the axis.
        what: What changes, in words.
    """

    move: Decimal
    what: str


def edges(axis: Axis, low: Decimal, high: Decimal) -> tuple[Edge, ...]:
    """Return every edge between two moves, rising.

    At a move `x` a linear contract is worth `1 + d x` of what it is worth now, an inverse one the
    reciprocal; a floor is reached where that is the floor over the notional of now.
    """
    with exact():
        found = [edge for edge in _of_positions(axis) if low < edge.move < high]
        places = sorted({low, high, *(edge.move for edge in found)})
        found += _of_collateral(axis, places)
    return tuple(sorted(found, key=lambda edge: edge.move))


def _of_collateral(axis: Axis, places: Sequence[Decimal]) -> Iterator[Edge]:
    """Return where the counted amount of an asset crosses a floor of its haircut table."""
    path = axis.path
    held = [path.model.instrument(p.instrument).instrument.settle for p in path.unit.positions]
    for asset in dict.fromkeys(held):
        terms = path.model.asset_in(path.unit.kind, asset)
        if terms.haircut_base is HaircutBase.BALANCE or terms.schedule.is_identity:
            continue
        for knot in terms.schedule.knots:
            for move, falls in _crossings(axis, asset, knot, places):
                side = "falls below" if falls else "rises above"
                debt = "turns into a debt" if falls else "is no longer a debt"
                what = f"{side} haircut floor {knot:,f}" if knot else debt
                yield Edge(move=move, what=f"{asset} {what}")


def _crossings(
    axis: Axis, asset: str, knot: Decimal, places: Sequence[Decimal]
) -> Iterator[tuple[Decimal, bool]]:
    """Return where the counted amount crosses a floor, and whether it falls there going from now.

    Words follow the reader, who goes from present prices outwards, up or down.
    """

    def beyond(move: Decimal) -> Decimal:
        report = margin_report(axis.path.unit, axis.path.at(move), axis.path.model)
        return next(a.counted for a in report.assets if a.asset == asset) - knot

    for low, high in pairwise(places):
        first, last = beyond(low), beyond(high)
        if (first < ZERO) != (last < ZERO):
            good, bad = (high, low) if first < ZERO else (low, high)
            move = crossing(beyond, Trigger.BELOW, good, bad)
            outwards = last if move > ZERO else first
            yield move, outwards < ZERO


def _of_positions(axis: Axis) -> list[Edge]:
    path = axis.path
    found: list[Edge] = []
    for position in path.unit.positions:
        terms = path.model.instrument(position.instrument)
        if terms.option is not None:
            continue  # its value bends everywhere
        symbol = position.instrument
        value, notional = value_and_notional(position, terms, path.market)
        if not (value and notional):
            continue  # so little that the venue rounds it to nothing
        rule = maintenance_rule(position, terms)
        floors = () if is_fixed(terms) else rule.breakpoints(abs(position.size))
        shares = [
            (margin_factor(terms), floor / notional, f"{symbol} at tier floor {floor:,.0f}")
            for floor in floors
        ]
        shares.append((mark_factor(terms), position.cost / value, f"{symbol} at entry"))
        for factor, share, what in shares:
            slope = path.slopes.get(factor, ZERO)
            if slope != ZERO and share > ZERO:
                reached = ONE / share if terms.instrument.is_inverse else share
                found.append(Edge(move=(reached - ONE) / slope, what=what))
    return found
