"""The liquidation prices of a unit are exactly the prices at which its status flips."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given

from keelmark.core.excess import maintenance_rule
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.line import SAME
from keelmark.core.liquidation_price import LEAST_SHARE, PriceStatus, liquidation_prices
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, InstrumentTerms, MarginModel, Trigger
from keelmark.core.numbers import exact
from keelmark.core.rules import Tier, TieredRule, WholeNotionalRule, with_deductions
from keelmark.core.unit import MarginUnit, Position
from tests.core import reference
from tests.strategies import HELD, Shape, Situation, situations

D = Decimal
ON_MARK = replace(HELD, index=False)
STEP = D("1e-20")


def at(market: Market, symbol: str, price: Decimal) -> Market:
    return replace(market, marks={**market.marks, symbol: price})


def is_liquidatable(situation: Situation, symbol: str, price: Decimal) -> bool:
    there = at(situation.market, symbol, price)
    return reference.is_liquidatable(situation.unit, there, situation.model)


def edges_of(situation: Situation, symbol: str) -> list[Decimal]:
    """Prices at which a leg stands on a floor or at its entry, and both sides of them."""
    found: list[Decimal] = []
    for position in situation.unit.positions:
        terms = situation.model.instruments[position.instrument]
        if position.instrument != symbol:
            continue
        size = abs(position.size)
        sign = -1 if terms.instrument.is_inverse else 1
        values = [n / size * sign for n in maintenance_rule(position, terms).breakpoints(size)]
        for value in (*values, position.cost / position.size):
            price = terms.instrument.price_at(value)
            if price is not None:
                found += [price * (1 - STEP), price, price * (1 + STEP)]
    return found


def scan(low: Decimal | None, high: Decimal | None, edges: list[Decimal]) -> list[Decimal]:
    """Prices strictly between two neighbouring roots, well away from both."""
    if low is None and high is None:
        inside = [D("1e-9"), D(1), D(1000), D("1e9")]
    elif low is None:
        assert high is not None
        inside = [high * share for share in (D("1e-12"), D("0.01"), D("0.5"), D("0.999999"))]
    elif high is None:
        inside = [low * share for share in (D("1.000001"), D("1.5"), D(100), D("1e12"))]
    else:
        inside = [low + (high - low) * share for share in (D("0.01"), D("0.5"), D("0.99"))]
    near = [
        e
        for e in edges
        if (low is None or e > low * (1 + STEP * 2)) and (high is None or e < high * (1 - STEP * 2))
    ]
    return [*inside, *near]


@given(situations(ON_MARK))
def test_the_prices_are_exactly_the_flips_of_the_status(situation: Situation) -> None:
    for symbol in dict.fromkeys(p.instrument for p in situation.unit.positions):
        found = liquidation_prices(situation.unit, symbol, situation.market, situation.model)
        assert found.status in {PriceStatus.PRICE, PriceStatus.NONE}
        check_flips(situation, symbol, sorted(found.values))


def check_flips(situation: Situation, symbol: str, roots: list[Decimal]) -> None:
    with exact():
        edges = edges_of(situation, symbol)
        between: list[bool | None] = []
        for low, high in pairwise([None, *roots, None]):
            seen = {
                p: is_liquidatable(situation, symbol, p)
                for p in scan(low, high, edges)
                if is_followed(situation, symbol, p) and is_something(situation, symbol, p)
            }
            assert len(set(seen.values())) <= 1, f"a flip in ({low}, {high}) is missing: {seen}"
            between.append(next(iter(seen.values()), None))
        for root, (before, after) in zip(roots, pairwise(between), strict=True):
            assert before != after or touches(situation, symbol, root), f"no flip at {root}"


def is_followed(situation: Situation, symbol: str, price: Decimal) -> bool:
    """Whether a contract is worth at least a billionth of what it is at its mark."""
    share = price / situation.market.mark(symbol)
    is_inverse = situation.model.instruments[symbol].instrument.is_inverse
    return (1 / share if is_inverse else share) >= LEAST_SHARE


def is_something(situation: Situation, symbol: str, price: Decimal) -> bool:
    """Whether the excess at a price can be told from nothing in the digits of the context."""
    there = at(situation.market, symbol, price)
    room = reference.scale(situation.unit, there, situation.model) * Fraction(SAME)
    return abs(reference.excess(situation.unit, there, situation.model)) > room


def touches(situation: Situation, symbol: str, root: Decimal) -> bool:
    """Whether the excess is nothing at a price without changing its sign there."""
    unit, model = situation.unit, situation.model
    near = [at(situation.market, symbol, root * (1 + step)) for step in (0, STEP, -STEP)]
    least = min(abs(reference.excess(unit, market, model)) for market in near)
    return least <= reference.scale(unit, near[0], model) * Fraction(STEP) * 10


@given(situations(ON_MARK))
def test_the_nearest_price_comes_first(situation: Situation) -> None:
    for symbol in dict.fromkeys(p.instrument for p in situation.unit.positions):
        found = liquidation_prices(situation.unit, symbol, situation.market, situation.model)
        mark = situation.market.mark(symbol)
        with exact():
            distances = [abs(price - mark) for price in found.values]
        assert distances == sorted(distances)
        assert (found.value is None) == (found.status is not PriceStatus.PRICE)
        assert (found.reason is None) == (found.status is PriceStatus.PRICE)


@given(situations(Shape(positions_min=1, inverse=False)))
def test_an_index_moves_in_proportion_to_the_mark(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    first = unit.positions[0]
    alone = replace(
        situation,
        unit=replace(
            unit, positions=tuple(p for p in unit.positions if p.instrument == first.instrument)
        ),
    )
    found = liquidation_prices(alone.unit, first.instrument, market, model)
    base = model.instruments[first.instrument].instrument.base
    with exact():
        for root in found.values:
            share = root / market.mark(first.instrument)
            there = replace(
                at(market, first.instrument, root),
                indices={**market.indices, base: market.index(base) * share},
            )
            jumps = isinstance(model.instruments[first.instrument].maintenance, WholeNotionalRule)
            left = abs(reference.excess(alone.unit, there, model))
            far = max(Fraction(1), Fraction(share) / 10**20)  # a slope is known to sixty digits
            room = reference.scale(alone.unit, there, model) * far * Fraction(1, 10**40)
            assert jumps or left <= room


def book(rule: TieredRule | WholeNotionalRule, **changes: object) -> MarginModel:
    instrument = Instrument(
        symbol="BTCUSDT", kind=InstrumentKind.LINEAR_PERPETUAL, base="BTC", settle="USDT"
    )
    return MarginModel(
        name="edges",
        instruments={"BTCUSDT": InstrumentTerms(instrument=instrument, maintenance=rule)},
        assets={"USDT": AssetTerms(asset="USDT")},
        valuation="USDT",
        **changes,  # type: ignore[arg-type]  # test shorthand
    )


@pytest.mark.parametrize("edge_upper", [False, True])
@pytest.mark.parametrize("trigger", Trigger)
def test_both_sides_of_an_edge_belong_to_the_row_the_rulebook_names(
    trigger: Trigger, *, edge_upper: bool
) -> None:
    # 1 BTC long; above the floor of 100,000 the rate rises from 1 % to 10 %
    tiers = (Tier(floor=D(0), rate=D("0.01")), Tier(floor=D(100_000), rate=D("0.10")))
    model = book(WholeNotionalRule(tiers=tiers, edge_upper=edge_upper), trigger=trigger)
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(99_000))
    unit = MarginUnit(balances={"USDT": D(5_000)}, positions=(held,))
    situation = Situation(unit=unit, market=Market(marks={"BTCUSDT": D(99_000)}), model=model)
    found = liquidation_prices(unit, "BTCUSDT", situation.market, model)
    assert D(100_000) in found.values
    tick = D("0.01")
    assert not is_liquidatable(situation, "BTCUSDT", D(100_000) - tick)
    assert is_liquidatable(situation, "BTCUSDT", D(100_000)) is edge_upper
    assert is_liquidatable(situation, "BTCUSDT", D(100_000) + tick)
    check_flips(situation, "BTCUSDT", sorted(found.values))


@pytest.mark.parametrize("edge_upper", [False, True])
def test_the_bracket_itself_is_chosen_by_the_edge_owner(*, edge_upper: bool) -> None:
    rows = ((D(0), D("0.01")), (D(100_000), D("0.02")), (D(200_000), D("0.05")))
    rule = TieredRule(tiers=with_deductions(rows), edge_upper=edge_upper)
    for number, floor in enumerate((D(100_000), D(200_000)), start=1):
        tick = D("0.01")
        assert rule.requirement(D(1), floor - tick).tier == number - 1
        assert rule.requirement(D(1), floor).tier == (number if edge_upper else number - 1)
        assert rule.requirement(D(1), floor + tick).tier == number


@pytest.mark.parametrize(
    ("trigger", "at_the_root"), [(Trigger.BELOW, False), (Trigger.AT_OR_BELOW, True)]
)
def test_the_trigger_says_whether_the_price_itself_liquidates(
    trigger: Trigger, *, at_the_root: bool
) -> None:
    # 1 BTC at 100, cash 21, rate 20 %: equity P - 79 meets 0.2 P at 98.75
    model = book(TieredRule(tiers=with_deductions([(D(0), D("0.2"))])), trigger=trigger)
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(100))
    unit = MarginUnit(balances={"USDT": D(21)}, positions=(held,))
    situation = Situation(unit=unit, market=Market(marks={"BTCUSDT": D(100)}), model=model)
    found = liquidation_prices(unit, "BTCUSDT", situation.market, model)
    assert found.values == (D("98.75"),)
    tick = D("0.01")
    assert not is_liquidatable(situation, "BTCUSDT", D("98.75") + tick)
    assert is_liquidatable(situation, "BTCUSDT", D("98.75")) is at_the_root
    assert is_liquidatable(situation, "BTCUSDT", D("98.75") - tick)


def test_a_covered_long_has_no_price_and_says_why() -> None:
    model = book(TieredRule(tiers=with_deductions([(D(0), D("0.01"))])))
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(100))
    market = Market(marks={"BTCUSDT": D(100)})
    covered = MarginUnit(balances={"USDT": D(200)}, positions=(held,))
    found = liquidation_prices(covered, "BTCUSDT", market, model)
    assert (found.status, found.value) == (PriceStatus.NONE, None)
    assert "no positive price of BTCUSDT" in (found.reason or "")
    short = replace(held, size=D(-1), cost=D(-100))
    lost = MarginUnit(balances={"USDT": D(-200)}, positions=(short,))
    found = liquidation_prices(lost, "BTCUSDT", market, model)
    assert "liquidatable at every price" in (found.reason or "")


def test_a_missing_price_is_unknown_and_never_an_estimate() -> None:
    model = book(TieredRule(tiers=with_deductions([(D(0), D("0.01"))])))
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(100))
    unit = MarginUnit(balances={"USDT": D(20)}, positions=(held,))
    found = liquidation_prices(unit, "BTCUSDT", Market(), model)
    assert (found.status, found.value) == (PriceStatus.UNKNOWN, None)
    assert "BTCUSDT" in (found.reason or "")
