"""A root that is only the error of the last digits, or that no mark can reach, is no price."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keelmark.core.bankruptcy import bankruptcy_price
from keelmark.core.codes import Leg
from keelmark.core.explain import explain
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.joint_move import joint_moves
from keelmark.core.liquidation_price import (
    LEAST_SHARE,
    LiquidationPrices,
    PriceStatus,
    liquidation_prices,
)
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    InstrumentTerms,
    MarginModel,
    MarginPurpose,
    ProfitTerms,
    Trigger,
)
from keelmark.core.numbers import exact
from keelmark.core.rules import Tier, TieredRule, WholeNotionalRule, with_deductions
from keelmark.core.unit import MarginUnit, Position, TierRow

D = Decimal
BEYOND = D("1e-25")
TABLE = [(D(0), D("0.005")), (D(100_000), D("0.01")), (D(1_000_000), D("0.025"))]

sizes = st.decimals("0.0001", 1_000_000, places=4)
prices = st.integers(1, 10**13).map(lambda ticks: D(ticks).scaleb(-8))


def model(trigger: Trigger = Trigger.BELOW) -> MarginModel:
    rule = TieredRule(tiers=with_deductions(TABLE))
    linear = Instrument(
        symbol="ABCUSDT", kind=InstrumentKind.LINEAR_PERPETUAL, base="ABC", settle="USDT"
    )
    inverse = Instrument(
        symbol="ABCUSD", kind=InstrumentKind.INVERSE_PERPETUAL, base="ABC", settle="ABC"
    )
    terms = {i.symbol: InstrumentTerms(instrument=i, maintenance=rule) for i in (linear, inverse)}
    assets = {name: AssetTerms(asset=name) for name in ("USDT", "ABC")}
    return MarginModel(
        name="plain",
        instruments=terms,
        assets=assets,
        trigger=trigger,
        single_asset=True,
    )


def prices_of(unit: MarginUnit, mark: Decimal, rules: MarginModel) -> LiquidationPrices:
    symbol = unit.positions[0].instrument
    found = liquidation_prices(unit, symbol, Market(marks={symbol: mark}), rules)
    assert (found.reason is None) == bool(found.values)
    for price in found.values:
        assert_confirmed(unit, symbol, price, rules)
        assert price / mark >= LEAST_SHARE or unit.positions[0].instrument == "ABCUSD"
    return found


def assert_confirmed(unit: MarginUnit, symbol: str, price: Decimal, rules: MarginModel) -> None:
    """The exact margin says liquidatable on one side of a price, and not on the other."""
    with exact():
        sides = [
            margin_report(unit, Market(marks={symbol: price * share}), rules).is_liquidatable
            for share in (1 - BEYOND, 1 + BEYOND)
        ]
    assert sorted(sides) == [False, True], f"{price} is no flip"


def long_of(size: Decimal, entry: Decimal) -> MarginUnit:
    with exact():
        cost = size * entry
    held = Position(instrument="ABCUSDT", size=size, cost=cost)
    return MarginUnit(balances={"USDT": cost}, positions=(held,))


@given(sizes, prices, prices, st.sampled_from(Trigger))
def test_a_fully_funded_long_has_no_liquidation_price(
    size: Decimal, entry: Decimal, mark: Decimal, trigger: Trigger
) -> None:
    unit = long_of(size, entry)
    found = prices_of(unit, mark, model(trigger))
    assert (found.status, found.values) == (PriceStatus.NONE, ())
    assert "no positive price of ABCUSDT" in (found.reason or "")
    report = margin_report(unit, Market(marks={"ABCUSDT": mark}), model(trigger))
    assert bankruptcy_price(report, "ABCUSDT").status is PriceStatus.NONE


@given(st.integers(1, 10**9), prices, prices)
def test_a_short_of_one_times_in_coin_has_no_liquidation_price(
    contracts: int, entry: Decimal, mark: Decimal
) -> None:
    with exact():
        cost = contracts / entry
    held = Position(instrument="ABCUSD", size=D(-contracts), cost=cost)
    unit = MarginUnit(balances={"ABC": cost}, positions=(held,))
    assert prices_of(unit, mark, model()).status is PriceStatus.NONE
    report = margin_report(unit, Market(marks={"ABCUSD": mark}), model())
    assert bankruptcy_price(report, "ABCUSD").status is PriceStatus.NONE


@given(sizes, prices, prices, st.sampled_from(["1e-12", "1e-14", "1e-20"]))
def test_a_remainder_of_a_rounded_entry_price_is_no_price(
    size: Decimal, entry: Decimal, mark: Decimal, error: str
) -> None:
    assume(entry <= mark * 100)
    unit = long_of(size, entry)
    with exact():
        short = unit.balances["USDT"] * (1 - D(error))
    found = prices_of(replace(unit, balances={"USDT": short}), mark, model())
    assert found.status is PriceStatus.NONE
    assert "a billionth of its mark" in (found.reason or "")
    market = Market(marks={"ABCUSDT": mark})
    moves = joint_moves(replace(unit, balances={"USDT": short}), market, model())
    assert [move.status for move in moves] == [PriceStatus.NONE] * 2


@given(
    sizes,
    sizes,
    prices,
    prices,
    st.decimals("0", "3", places=3),
    st.sampled_from(["0", "0.01", "own"]),
)
def test_every_price_of_a_hedged_book_is_a_flip(
    long: Decimal, short: Decimal, entry: Decimal, mark: Decimal, share: Decimal, rate: str
) -> None:
    row = None if rate == "own" else TierRow(maintenance_rate=D(rate))
    with exact():
        legs = (
            Position(instrument="ABCUSDT", size=long, cost=long * entry, leg=Leg.LONG, tier=row),
            Position(
                instrument="ABCUSDT", size=-short, cost=-short * entry, leg=Leg.SHORT, tier=row
            ),
        )
        balance = long * entry * share
    for trigger in Trigger:
        prices_of(MarginUnit(balances={"USDT": balance}, positions=legs), mark, model(trigger))


@given(sizes, prices, st.sampled_from(Trigger))
def test_legs_that_cancel_without_margin_have_no_price(
    size: Decimal, entry: Decimal, trigger: Trigger
) -> None:
    row = TierRow(maintenance_rate=D(0))
    with exact():
        legs = tuple(
            Position(instrument="ABCUSDT", size=s, cost=s * entry, leg=leg, tier=row)
            for s, leg in ((size, Leg.LONG), (-size, Leg.SHORT))
        )
    unit = MarginUnit(balances={"USDT": D(1000)}, positions=legs)
    assert prices_of(unit, entry * 3, model(trigger)).status is PriceStatus.NONE


@pytest.mark.parametrize("mark", ["0.00000001", "0.0000000123", "0.00001"])
def test_a_coin_at_its_last_decimals_has_its_price(mark: str) -> None:
    # 1e12 coins bought at the mark with a tenth of their value: P - 0.9 m = 0.005 P
    unit = long_of(D(10**12), D(mark))
    with exact():
        unit = replace(unit, balances={"USDT": unit.balances["USDT"] / 10})
        rules = model()
        rule = TieredRule(tiers=with_deductions([(D(0), D("0.005"))]))
        terms = {s: replace(t, maintenance=rule) for s, t in rules.instruments.items()}
        found = prices_of(unit, D(mark), replace(rules, instruments=terms))
        assert abs(found.values[0] - D(mark) * D("0.9") / D("0.995")) < D("1e-50")


def test_a_far_price_is_still_a_price() -> None:
    # 1 coin at 100 on 99.9999: P - 0.0001 = 0.005 P, a millionth of the mark
    unit = replace(long_of(D(1), D(100)), balances={"USDT": D("99.9999")})
    found = prices_of(unit, D(100), model())
    with exact():
        assert found.value is not None
        assert abs(found.value - D("0.0001") / D("0.995")) < D("1e-40")


def test_the_working_says_none_too() -> None:
    unit = long_of(D("12.345"), D(108_200))
    working = explain(
        unit, Market(marks={"ABCUSDT": D(97_380)}), model(), "liquidation_price:ABCUSDT"
    )
    assert working.value is None
    assert "no positive price of ABCUSDT" in working.note


@pytest.mark.parametrize(
    ("trigger", "values"), [(Trigger.BELOW, (D(100),)), (Trigger.AT_OR_BELOW, ())]
)
def test_a_price_that_alone_is_safe_is_one_of_the_prices(
    trigger: Trigger, values: tuple[Decimal, ...]
) -> None:
    # no profit counts: the excess 0.5 + min(P - 100, 0) - 0.005 P is nothing at 100, else below it
    rules = replace(model(trigger), profit={MarginPurpose.MAINTENANCE: ProfitTerms(weight=D(0))})
    unit = replace(long_of(D(1), D(100)), balances={"USDT": D("0.5")})
    found = liquidation_prices(unit, "ABCUSDT", Market(marks={"ABCUSDT": D(90)}), rules)
    assert found.values == values


@pytest.mark.parametrize(("trigger", "count"), [(Trigger.BELOW, 1), (Trigger.AT_OR_BELOW, 2)])
def test_a_price_that_alone_liquidates_is_one_of_the_prices(trigger: Trigger, count: int) -> None:
    # short 1 at 100 on 10: nothing is left at 100, where the rate falls from 10 % to 1 %
    tiers = (Tier(floor=D(0), rate=D("0.1")), Tier(floor=D(100), rate=D("0.01")))
    plain = model(trigger)
    terms = replace(plain.instrument("ABCUSDT"), maintenance=WholeNotionalRule(tiers=tiers))
    held = Position(instrument="ABCUSDT", size=D(-1), cost=D(-100))
    found = liquidation_prices(
        MarginUnit(balances={"USDT": D(10)}, positions=(held,)),
        "ABCUSDT",
        Market(marks={"ABCUSDT": D(90)}),
        replace(plain, instruments={"ABCUSDT": terms}),
    )
    assert len(found.values) == count
    assert (D(100) in found.values) is (trigger is Trigger.AT_OR_BELOW)
