"""The bound of a box lies below the excess everywhere in it, and no lower than it must."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.bound import Box, Factor, FactorKind, Interval, excess_bound, reads
from keelmark.core.bound import factor_price as price_of_factor
from keelmark.core.excess import maintenance_rule
from keelmark.core.market import Market
from keelmark.core.numbers import exact
from tests.core import reference
from tests.strategies import HELD, PLAIN, Situation, on_grid, situations

TINY = Fraction(1, 10**45)
SHARES = on_grid(0, 1000, "0.001")
REACHES = st.one_of(on_grid(0, 20, "0.000001"), SHARES)
"""Half of the boxes are narrow: that is where a jump at a floor outweighs the profit."""


@st.composite
def boxes(draw: st.DrawFn, situation: Situation) -> Box:
    """Intervals around the present prices; some without an upper end, some down to zero."""
    found: dict[Factor, Interval] = {}
    for factor in sorted(reads(situation.unit, situation.model), key=str):
        if draw(st.integers(0, 4)) == 0:
            continue
        price = price_of_factor(factor, situation.market, situation.model)
        high = draw(st.none() | REACHES | on_grid(0, 3000, "0.001"))
        with exact():
            low = price * (1 - draw(REACHES))
            found[factor] = Interval(low, None if high is None else price * (1 + high))
    return found


def moved(market: Market, prices: dict[Factor, Decimal]) -> Market:
    """The market with some factors at other prices."""
    by_kind = {k: {f.name: p for f, p in prices.items() if f.kind is k} for k in FactorKind}
    return replace(
        market,
        marks={**market.marks, **by_kind[FactorKind.MARK]},
        indices={**market.indices, **by_kind[FactorKind.INDEX]},
        asset_prices={**market.asset_prices, **by_kind[FactorKind.ASSET]},
    )


def edges_of(situation: Situation, factor: Factor) -> list[Decimal]:
    """Prices at which a position's notional stands on a floor of its table."""
    found: list[Decimal] = []
    for position in situation.unit.positions:
        terms = situation.model.instruments[position.instrument]
        if factor.name not in {terms.instrument.symbol, terms.instrument.index}:
            continue
        size = abs(position.size)
        with exact():
            for notional in maintenance_rule(position, terms).breakpoints(size):
                per_size = notional / size * (-1 if terms.instrument.is_inverse else 1)
                price = terms.instrument.price_at(per_size)
                if price is not None:
                    found += [price, price * Decimal("0.9999999"), price * Decimal("1.0000001")]
    return found


@st.composite
def points(draw: st.DrawFn, situation: Situation, box: Box) -> dict[Factor, Decimal]:
    """A point of the box: ends, floors and anything between."""
    found: dict[Factor, Decimal] = {}
    for factor, side in box.items():
        price = price_of_factor(factor, situation.market, situation.model)
        with exact():
            high = side.high if side.high is not None else max(price, side.low) * 50
            inner = side.low + (high - side.low) * draw(SHARES)
        edges = [e for e in edges_of(situation, factor) if side.low <= e <= high]
        found[factor] = draw(st.sampled_from([side.low, high, inner, *edges]))
    return {f: p for f, p in found.items() if p > 0}


@given(situations(), st.data())
def test_no_point_of_a_box_lies_below_its_bound(situation: Situation, data: st.DataObject) -> None:
    box = data.draw(boxes(situation))
    level = data.draw(st.sampled_from([1, 2]))
    unit, market, model = situation.unit, situation.market, situation.model
    bound = excess_bound(unit, box, market, model, Decimal(level))
    if bound is None:
        assert any(side.high is None or side.low == 0 for side in box.values())
        return
    for _ in range(4):
        there = moved(market, data.draw(points(situation, box)))
        found = reference.excess(unit, there, model, level)
        room = (reference.scale(unit, there, model) + abs(Fraction(bound))) * TINY
        assert Fraction(bound) <= found + room


@given(situations(HELD))
def test_the_bound_of_a_point_is_the_excess_there(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    bound = excess_bound(unit, {}, market, model)
    assert bound is not None
    found = reference.excess(unit, market, model)
    on_an_edge = any(
        price_of_factor(f, market, model) in edges_of(situation, f) for f in reads(unit, model)
    ) or any(
        abs(p.cost) in maintenance_rule(p, model.instruments[p.instrument]).breakpoints(abs(p.size))
        for p in unit.positions
    )
    room = reference.scale(unit, market, model) * TINY
    assert Fraction(bound) <= found + room
    assert on_an_edge or Fraction(bound) >= found - room


@given(situations(PLAIN), st.data())
def test_the_bound_is_met_in_the_box_when_the_formula_is_a_sum(
    situation: Situation, data: st.DataObject
) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    box = {
        f: replace(side, high=side.high if side.high is not None else side.low * 3)
        for f, side in data.draw(boxes(situation)).items()
    }
    box = {f: s for f, s in box.items() if s.low > 0 and s.high is not None and s.high >= s.low}
    plain = {name: replace(a, schedule=type(a.schedule)()) for name, a in model.assets.items()}
    model = replace(model, assets=plain)
    bound = excess_bound(unit, box, market, model)
    assert bound is not None
    corners = [
        [(f, p) for p in (s.low, s.high, *zero_profits(situation, f, s)) if p is not None]
        + [(f, e) for e in edges_of(situation, f) if s.low <= e <= (s.high or e)]
        for f, s in box.items()
    ]
    there = [moved(market, dict(corner)) for corner in product(*corners)]
    least = min(reference.excess(unit, m, model) for m in there)
    room = max(reference.scale(unit, m, model) for m in there) * TINY
    assert abs(Fraction(bound) - least) <= room


def zero_profits(situation: Situation, factor: Factor, side: Interval) -> list[Decimal]:
    """Entry prices inside the interval: where a profit changes its weight."""
    found = []
    for position in situation.unit.positions:
        instrument = situation.model.instruments[position.instrument].instrument
        if instrument.symbol == factor.name:
            with exact():
                entry = instrument.price_at(position.cost / position.size)
            if entry is not None and side.low <= entry <= (side.high or entry):
                found.append(entry)
    return found
