"""The numeric traps of box certificates, one directed case each.

Random books have no power against jumps and last digits, so each trap a naive wire falls into is
written out: the excess at the trap is checked to the digit, and the bound must lie below it.
"""

from decimal import Decimal
from fractions import Fraction

import pytest

from keelmark.core.bound import Factor, FactorKind, Interval, excess_bound
from keelmark.core.codes import Leg
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.excess import price_of
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    CloseFee,
    CloseFeeBasis,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    ProfitTerms,
)
from keelmark.core.numbers import exact
from keelmark.core.rules import (
    MaintenanceRule,
    RowRule,
    SizeScaledRule,
    Tier,
    TieredRule,
    WholeNotionalRule,
    with_deductions,
)
from keelmark.core.unit import MarginUnit, OpenOrders, Position
from tests.core import reference

D = Decimal
MARK = Factor(FactorKind.MARK, "BTCUSDT")
INDEX = Factor(FactorKind.INDEX, "BTC")


def terms(rule: MaintenanceRule, **changes: object) -> InstrumentTerms:
    instrument = Instrument(
        symbol="BTCUSDT",
        kind=InstrumentKind.LINEAR_PERPETUAL,
        base="BTC",
        settle="USDT",
        index="BTC",
    )
    return InstrumentTerms(instrument=instrument, maintenance=rule, **changes)  # type: ignore[arg-type]  # test shorthand


def model(rule: MaintenanceRule, **changes: object) -> MarginModel:
    return MarginModel(
        name="trap",
        instruments={"BTCUSDT": terms(rule, **changes)},
        assets={"USDT": AssetTerms(asset="USDT"), "BTC": AssetTerms(asset="BTC")},
        valuation="USDT",
    )


def tiers(*rows: tuple[str, str]) -> TieredRule:
    return TieredRule(tiers=with_deductions((D(floor), D(rate)) for floor, rate in rows))


def jumps(*rows: tuple[str, str], edge_upper: bool = False) -> WholeNotionalRule:
    table = tuple(Tier(floor=D(floor), rate=D(rate)) for floor, rate in rows)
    return WholeNotionalRule(tiers=table, edge_upper=edge_upper)


def unit_with_excess(excess: str, size: str, mark: str, rules: MarginModel) -> MarginUnit:
    """A single position opened at the mark, with the cash that leaves this excess."""
    with exact():
        held = Position(instrument="BTCUSDT", size=D(size), cost=D(size) * D(mark))
        bare = MarginUnit(balances={"USDT": D(0)}, positions=(held,))
        cash = D(excess) - maintenance_excess(bare, market(mark), rules)
    return MarginUnit(balances={"USDT": cash}, positions=(held,))


def market(mark: str, index: str | None = None, **asset_prices: str) -> Market:
    return Market(
        marks={"BTCUSDT": D(mark)},
        indices={"BTC": D(index or mark)},
        asset_prices={name: D(price) for name, price in asset_prices.items()},
    )


def bound_on(unit: MarginUnit, rules: MarginModel, low: str, high: str) -> Decimal:
    found = excess_bound(unit, {MARK: Interval(D(low), D(high))}, market(low), rules)
    assert found is not None
    return found


STEPS = tiers(("0", "0.005"), ("1000000", "0.025"), ("5000000", "0.125"))


@pytest.mark.parametrize(
    ("size", "excess", "delta", "naive", "there"),
    [
        ("100", "3000000", "87.5", "25714.28571428571428571429", "-242857.1428571428571428"),
        ("-80", "800000", "-82", "69756.0975609756097560975", "-58048.78048780487804878"),
    ],
    ids=["long_100_btc", "short_80_btc"],
)
def test_a_trip_from_the_local_delta_lies_beyond_liquidation(
    size: str, excess: str, delta: str, naive: str, there: str
) -> None:
    rules = model(STEPS)
    unit = unit_with_excess(excess, size, "60000", rules)
    with exact():
        assert abs(D(60000) - D(excess) / D(delta) - D(naive)) < D("1e-15")
        found = maintenance_excess(unit, market(naive), rules)
        assert abs(found - D(there)) < D("1e-14")
    low, high = sorted((naive, "60000"), key=D)
    assert bound_on(unit, rules, low, high) == found
    root = liquidation_prices(unit, "BTCUSDT", market("60000"), rules).value
    assert root is not None
    assert D(low) < root < D(high)


@pytest.mark.parametrize(
    ("size", "mark", "rise", "there"),
    [("999.99", "1000", "1000.011", "-19389.0747"), ("999.9", "1000", "1001", "-18423.0975")],
    ids=["eleven_dollars_of_notional", "ten_basis_points"],
)
@pytest.mark.parametrize("edge_upper", [False, True])
def test_a_long_is_liquidated_by_a_rise_over_a_jump(
    size: str, mark: str, rise: str, there: str, *, edge_upper: bool
) -> None:
    rules = model(jumps(("0", "0.005"), ("1000000", "0.025"), edge_upper=edge_upper))
    unit = unit_with_excess("600", size, mark, rules)
    found = maintenance_excess(unit, market(rise), rules)
    assert abs(found - D(there)) < D("0.01")
    worst = bound_on(unit, rules, mark, rise)
    assert worst <= found < 0
    with exact():
        floor = D(1_000_000) / abs(D(size))
        above = reference.excess(unit, market(f"{floor * (1 + D('1e-30'))}"), rules)
        below = reference.excess(unit, market(f"{floor * (1 - D('1e-30'))}"), rules)
        assert floor in {round_trip(p) for p in prices_of(unit, rules, mark)}
    assert above < 0 < below
    assert Fraction(worst) <= above


def prices_of(unit: MarginUnit, rules: MarginModel, mark: str) -> tuple[Decimal, ...]:
    return liquidation_prices(unit, "BTCUSDT", market(mark), rules).values


def round_trip(price: Decimal) -> Decimal:
    """The price at core's precision."""
    with exact():
        return +price


def test_a_floor_between_the_ends_of_a_box_is_seen() -> None:
    # floors closer together than the slack: both ends of the box are fine, the middle is not
    rules = model(jumps(("0", "0.01"), ("1000000", "0.05"), ("1001000", "0.01")))
    unit = unit_with_excess("30000", "1000", "999", rules)
    assert maintenance_excess(unit, market("999"), rules) > 0
    assert maintenance_excess(unit, market("1002"), rules) > 0
    assert maintenance_excess(unit, market("1000.5"), rules) < 0
    assert bound_on(unit, rules, "999", "1002") < 0
    assert len(prices_of(unit, rules, "999")) == 2 + 1  # in, out, and the fall that liquidates


def test_a_floor_is_seen_where_size_times_floor_over_size_is_not_the_floor() -> None:
    rules = model(jumps(("0", "0.005"), ("100", "0.5")))
    unit = unit_with_excess("1", "3", "33.3333", rules)
    with exact():
        assert D(3) * (D(100) / D(3)) != D(100)
    assert bound_on(unit, rules, "33.3", "33.34") < -40


def test_a_rate_above_one_turns_the_adverse_side_of_a_long() -> None:
    rules = model(SizeScaledRule(base=D("0.01"), slope=D("0.00005")))
    unit = unit_with_excess("1000000", "25000", "60000", rules)
    assert margin_report(unit, market("60000"), rules).positions[0].maintenance.rate == D("1.26")
    assert maintenance_excess(unit, market("59000"), rules) > D(1_000_000)
    assert maintenance_excess(unit, market("61000"), rules) < 0
    assert bound_on(unit, rules, "50000", "60000") == D(1_000_000)
    assert excess_bound(unit, {MARK: Interval(D(60000), None)}, market("60000"), rules) is None
    (root,) = prices_of(unit, rules, "60000")
    assert root > 60_000


def test_an_index_liquidates_while_the_mark_stands_still() -> None:
    rules = model(tiers(("0", "0.06")), margin_price=MarginPrice.INDEX)
    unit = unit_with_excess("10000", "1000", "60000", rules)
    assert maintenance_excess(unit, market("60000", "60600"), rules) == D(-26_000)
    box = {INDEX: Interval(D(60000), D(60600))}
    assert excess_bound(unit, box, market("60000"), rules) == D(-26_000)
    both = {MARK: Interval(D(59000), D(60000)), INDEX: Interval(D(60000), D(60600))}
    assert excess_bound(unit, both, market("60000"), rules) == D(-26_000 - 1_000_000)


def test_an_inverse_short_is_convex_and_an_inverse_long_concave() -> None:
    def at(size: str, mark: str) -> Fraction:
        held = Position(instrument="BTCUSD", size=D(size), cost=D(0))
        unit = MarginUnit(balances={"BTC": D(10)}, positions=(held,))
        return Fraction(maintenance_excess(unit, Market(marks={"BTCUSD": D(mark)}), rules))

    contract = Instrument(
        symbol="BTCUSD",
        kind=InstrumentKind.INVERSE_PERPETUAL,
        base="BTC",
        settle="BTC",
        contract_size=D(100),
    )
    rules = MarginModel(
        name="trap",
        instruments={
            "BTCUSD": InstrumentTerms(instrument=contract, maintenance=tiers(("0", "0.01"))),
        },
        assets={"BTC": AssetTerms(asset="BTC")},
        single_asset=True,
    )
    for size, sign in (("-1000", 1), ("1000", -1)):
        second = at(size, "40000") - 2 * at(size, "60000") + at(size, "80000")
        assert second * sign > 0
        box = {Factor(FactorKind.MARK, "BTCUSD"): Interval(D(40000), D(80000))}
        unit = MarginUnit(
            balances={"BTC": D(10)},
            positions=(Position(instrument="BTCUSD", size=D(size), cost=D(0)),),
        )
        bound = excess_bound(unit, box, Market(), rules)
        assert bound is not None
        ends = min(at(size, "40000"), at(size, "80000"))
        assert abs(Fraction(bound) - ends) < Fraction(1, 10**40)


def hedge(long: str, short: str) -> tuple[Position, ...]:
    return (
        Position(instrument="BTCUSDT", size=D(long), cost=D(long) * 60_000, leg=Leg.LONG),
        Position(instrument="BTCUSDT", size=D(short), cost=D(short) * 60_000, leg=Leg.SHORT),
    )


def test_hedge_legs_can_fall_on_both_sides() -> None:
    # gross margin on both legs: the long leg loses on a fall, the dearer bracket on a rise
    rules = model(tiers(("0", "0.004"), ("50000", "0.01"), ("62000", "0.1")))
    unit = MarginUnit(balances={"USDT": D(5_000)}, positions=hedge("1.00", "-0.98"))
    now = maintenance_excess(unit, market("60000"), rules)
    up = maintenance_excess(unit, market("72000"), rules)
    level = model(tiers(("0", "0")))
    down = maintenance_excess(unit, market("48000"), level)
    assert up < now
    assert down < maintenance_excess(unit, market("60000"), level)
    assert bound_on(unit, rules, "60000", "72000") == up


def test_a_net_long_hedge_is_hurt_by_a_rise_only() -> None:
    rules = model(tiers(("0", "0.01")))
    unit = MarginUnit(balances={"USDT": D(5_000)}, positions=hedge("1.00", "-0.99"))
    now = maintenance_excess(unit, market("60000"), rules)
    assert maintenance_excess(unit, market("48000"), rules) > now
    assert maintenance_excess(unit, market("72000"), rules) < now
    (root,) = prices_of(unit, rules, "60000")
    assert root > 60_000


def test_profit_beyond_the_last_haircut_is_worth_nothing_while_margin_grows() -> None:
    cap = CollateralSchedule(
        tiers=(HaircutTier(floor=D(0), weight=D(1)), HaircutTier(floor=D(50_000), weight=D(0)))
    )
    base = model(tiers(("0", "0.025")))
    rules = MarginModel(
        name="trap",
        instruments=base.instruments,
        assets={"USDT": AssetTerms(asset="USDT", schedule=cap)},
        valuation="USDT",
    )
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(100_000))
    unit = MarginUnit(balances={"USDT": D(50_000)}, positions=(held,))
    assert maintenance_excess(unit, market("100000"), rules) == D(47_500)
    assert maintenance_excess(unit, market("160000"), rules) == D(46_000)
    assert bound_on(unit, rules, "100000", "160000") == D(46_000)
    roots = prices_of(unit, rules, "100000")
    assert max(roots) == D(2_000_000)


def test_a_settle_asset_that_gets_dearer_liquidates_its_debtor() -> None:
    rules = model(tiers(("0", "0.01")))
    in_dollars = MarginModel(
        name="trap", instruments=rules.instruments, assets=rules.assets, valuation="USD"
    )
    unit = MarginUnit(balances={"BTC": D(1), "USDT": D(-90_000)})
    now, then = market("1", BTC="100000", USDT="1"), market("1", BTC="100000", USDT="1.12")
    assert maintenance_excess(unit, now, in_dollars) == D(10_000)
    assert maintenance_excess(unit, then, in_dollars) == D(-800)
    assert margin_report(unit, then, in_dollars).is_liquidatable
    box = {Factor(FactorKind.ASSET, "USDT"): Interval(D("0.9"), D("1.12"))}
    assert excess_bound(unit, box, now, in_dollars) == D(-800)
    assert price_of("USDT", then, in_dollars) == D("1.12")


def test_the_end_of_a_priced_settle_asset_follows_the_worst_total_and_not_todays() -> None:
    rules = model(tiers(("0", "0.01")))
    in_dollars = MarginModel(
        name="trap", instruments=rules.instruments, assets=rules.assets, valuation="USD"
    )
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(60_000))
    unit = MarginUnit(balances={"BTC": D(1), "USDT": D(1_000)}, positions=(held,))
    box = {
        MARK: Interval(D(50_000), D(60_000)),
        Factor(FactorKind.ASSET, "USDT"): Interval(D("0.9"), D("1.1")),
    }
    worst = maintenance_excess(unit, market("50000", BTC="60000", USDT="1.1"), in_dollars)
    other = maintenance_excess(unit, market("50000", BTC="60000", USDT="0.9"), in_dollars)
    assert worst < other
    found = excess_bound(unit, box, market("60000", BTC="60000", USDT="1"), in_dollars)
    assert found == worst


def test_a_weight_on_profit_bends_the_excess_at_the_entry_price() -> None:
    base = model(tiers(("0", "0.01")))
    rules = MarginModel(
        name="trap",
        instruments=base.instruments,
        assets=base.assets,
        valuation="USDT",
        profit={MarginPurpose.MAINTENANCE: ProfitTerms(weight=D("0.005"))},
    )
    unit = unit_with_excess("1000", "10", "60000", rules)
    assert maintenance_excess(unit, market("61000"), rules) < D(1_000)  # weight below the rate
    assert bound_on(unit, rules, "60000", "61000") < D(1_000)


def test_profit_that_counts_for_initial_margin_only_never_reaches_maintenance() -> None:
    base = model(tiers(("0", "0.01")))
    rules = MarginModel(
        name="trap",
        instruments=base.instruments,
        assets=base.assets,
        valuation="USDT",
        profit={MarginPurpose.INITIAL: ProfitTerms(weight=D(0), cap=D(0))},
    )
    unit = unit_with_excess("1000", "10", "60000", rules)
    report = margin_report(unit, market("61000"), rules)
    with exact():
        assert report.equity - report.equity_initial == D(10_000)
        assert report.excess(MarginPurpose.MAINTENANCE) == D(1_000 + 10_000 - 100)


@pytest.mark.parametrize("basis", CloseFeeBasis)
def test_a_fee_to_close_is_part_of_the_bound(basis: CloseFeeBasis) -> None:
    rules = model(tiers(("0", "0.01")), close_fee=CloseFee(rate=D("0.001"), basis=basis))
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(60_000), leverage=D(10))
    unit = MarginUnit(balances={"USDT": D(6_000)}, positions=(held,))
    fee = D(50) if basis is CloseFeeBasis.MARK else D(54)
    there = maintenance_excess(unit, market("50000"), rules)
    assert there == D(6_000) - D(10_000) - D(500) - fee
    assert bound_on(unit, rules, "50000", "60000") == there


def test_open_orders_inside_maintenance_have_no_bound_and_no_closed_form() -> None:
    base = model(tiers(("0", "0.01")))
    rules = MarginModel(
        name="trap",
        instruments=base.instruments,
        assets=base.assets,
        valuation="USDT",
        orders_in_maintenance=True,
    )
    held = Position(instrument="BTCUSDT", size=D(1), cost=D(60_000))
    unit = MarginUnit(
        balances={"USDT": D(6_000)},
        positions=(held,),
        orders=(OpenOrders(instrument="BTCUSDT", buy_size=D(1), buy_value=D(60_000)),),
    )
    assert excess_bound(unit, {MARK: Interval(D(1), D(2))}, market("60000"), rules) is None
    assert liquidation_prices(unit, "BTCUSDT", market("60000"), rules).status == "unknown"
    assert maintenance_excess(unit, market("60000"), rules) == D(6_000 - 1_200)


def test_interest_accrued_beyond_the_balance_is_a_debt_to_liquidate() -> None:
    rules = model(tiers(("0", "0.01")))
    unit = MarginUnit(balances={"USDT": D(1)}, accrued_interest={"USDT": D(2)})
    assert margin_report(unit, market("1"), rules).is_liquidatable
    assert not margin_report(MarginUnit(), market("1"), rules).is_liquidatable


@pytest.mark.parametrize(
    ("rate", "deduction"), [("0", "-100"), ("0", "100"), ("0.01", "50"), ("0.01", "0")]
)
def test_a_venue_row_keeps_its_amount_in_its_kernel_face(rate: str, deduction: str) -> None:
    rule = RowRule(rate=D(rate), deduction=D(deduction))
    face = rule.parameters()
    for notional in (D(0), D(4_999), D(5_000), D(5_001), D(10**9)):
        row = sum(notional > floor for floor in face.floors[1:])
        found = notional * face.rates[row] - face.deductions[row]
        assert found == rule.amount(D(1), notional) == rule.requirement(D(1), notional).amount
        assert rule.requirement(D(1), notional).amount >= 0
