"""The reduce stage: sizes, order and limit prices against brute force and published forms."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import exact
from keelmark.engine.reduce.legs import (
    Close,
    Outcome,
    ReducePlan,
    ReducibleLeg,
    Shortfall,
    TierRow,
)
from keelmark.engine.reduce.order import ORDER
from keelmark.engine.reduce.prices import PRICE, Slice, Unpriced, price_policy
from keelmark.engine.reduce.sizing import (
    SIZING,
    most_helpful,
    sizing_policy,
    smallest_reaching,
)

ZERO = Decimal(0)


def rows(*table: tuple[int, str, int]) -> tuple[TierRow, ...]:
    return tuple(TierRow(Decimal(f), Decimal(r), Decimal(d)) for f, r, d in table)


CONTINUOUS = rows((0, "0.01", 0), (1_000, "0.02", 10), (5_000, "0.05", 160))
JUMPING = rows((0, "0.01", 0), (1_000, "0.02", 0), (5_000, "0.05", 0))


def leg(lots: int, **changes: object) -> ReducibleLeg:
    """A leg of lots worth 100 each, its maintenance as its tiers say."""
    fields = {
        "instrument": "BTC",
        "leg": 0,
        "lots": lots,
        "lot_notional": Decimal(100),
        "maintenance": ZERO,
        "maintenance_rate": Decimal("0.01"),
    } | changes
    if "maintenance" not in changes:
        draft = ReducibleLeg(**fields)  # type: ignore[arg-type]  # fields by name
        fields["maintenance"] = draft.maintenance_of(draft.size)
    return ReducibleLeg(**fields)  # type: ignore[arg-type]  # fields by name


@st.composite
def legs(draw: st.DrawFn, instrument: str = "BTC") -> ReducibleLeg:
    tiers = draw(st.sampled_from([CONTINUOUS, JUMPING, ()]))
    return leg(
        draw(st.sampled_from([1, -1])) * draw(st.integers(1, 120)),
        instrument=instrument,
        tiers=tiers,
        edge_upper=draw(st.booleans()),
        fee_rate=Decimal(draw(st.integers(0, 15))) / 1_000,
        impact=Decimal(draw(st.integers(0, 30))) / 10_000_000,
        pnl=Decimal(draw(st.integers(-50, 50))),
    )


def units_of(*which: ReducibleLeg) -> Decimal:
    return sum((one.maintenance for one in which), ZERO)


def at(part: int, *which: ReducibleLeg, buffer: str = "0.1", other: int = 7) -> Shortfall:
    """A shortfall with equity at `part` percent of maintenance and another leg's `other`."""
    maintenance = units_of(*which) + other
    return Shortfall(
        equity=maintenance * part / 100,
        maintenance=maintenance,
        buffer=Decimal(buffer),
    )


def peak(one: ReducibleLeg) -> int:
    """Lots up to which closing more raises the margin excess."""
    bare = Shortfall(equity=ZERO, maintenance=one.maintenance)
    return min(range(one.size + 1), key=lambda x: bare.after(one, x).missing)


def lots_of(plan: ReducePlan) -> list[int]:
    return [close.lots for close in plan.closes]


# --- Legs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("edge_upper", "tier", "within"), [(False, 0, 10), (True, 1, 9)])
def test_a_notional_on_a_floor_is_in_the_bracket_its_rule_names(
    *,
    edge_upper: bool,
    tier: int,
    within: int,
) -> None:
    one = leg(20, tiers=CONTINUOUS, edge_upper=edge_upper)
    assert [one.tier_of(lots) for lots in (9, 10, 11)] == [0, tier, 1]
    assert one.lots_within(0) == within
    assert one.tier_of(one.lots_within(0)) == 0
    assert one.tier_of(one.lots_within(0) + 1) == 1


def test_a_leg_that_cannot_be_reduced_is_refused() -> None:
    with pytest.raises(InvalidInput, match="only open legs"):
        leg(0)
    with pytest.raises(InvalidInput, match="must rise from 0"):
        leg(1, tiers=CONTINUOUS[1:])


# --- Sizing ---------------------------------------------------------------------------------


@given(legs(), st.integers(-50, 150))
def test_the_smallest_number_of_lots_is_the_brute_force_one(one: ReducibleLeg, part: int) -> None:
    shortfall = at(part, one)
    reaching = [x for x in range(one.size + 1) if shortfall.after(one, x).missing <= 0]
    assert smallest_reaching(one, shortfall) == (reaching[0] if reaching else None)


@given(legs(), st.integers(-50, 150))
def test_the_most_helpful_lots_are_the_brute_force_ones(one: ReducibleLeg, part: int) -> None:
    shortfall = at(part, one)
    best = min(shortfall.after(one, x).missing for x in range(one.size + 1))
    assert shortfall.after(one, most_helpful(one, shortfall)).missing == best


@given(
    st.integers(10, 10**6),
    st.integers(1, 50),
    st.integers(0, 40),
    st.integers(0, 100),
    st.integers(0, 30),
)
def test_with_one_flat_rate_the_closed_form_holds(
    size: int,
    rate: int,
    fee: int,
    part: int,
    buffer: int,
) -> None:
    m, phi, g = Decimal(rate) / 1_000, Decimal(fee) / 1_000, Decimal(buffer) / 100
    one = leg(size, maintenance_rate=m, fee_rate=phi, lot_notional=Decimal(1))
    shortfall = at(part, one, buffer=str(g), other=0)
    assume(shortfall.missing > 0)
    lots = smallest_reaching(one, shortfall)
    if phi >= (1 + g) * m:
        assert lots is None  # toxic
        return
    with exact():
        fraction = ((1 + g) * m * size - shortfall.equity) / (((1 + g) * m - phi) * size)
        if fraction > 1:
            assert lots is None
        else:
            assert lots is not None
            assert -Decimal("1e-40") < lots - fraction * size < 1 + Decimal("1e-40")


SIZINGS = (
    sizing_policy("to_target"),
    sizing_policy("tier_drop"),
    sizing_policy("tier_drop", tiers=2),
    sizing_policy("fraction_then_cooldown", threshold=Decimal(3_000)),
    sizing_policy("whole"),
    sizing_policy("least_cost"),
)


@pytest.mark.parametrize("policy", SIZINGS)
@given(first=legs("A"), second=legs("B"), part=st.integers(-50, 150))
def test_every_plan_raises_the_excess_and_says_what_it_reaches(
    policy: Callable[..., ReducePlan],
    first: ReducibleLeg,
    second: ReducibleLeg,
    part: int,
) -> None:
    shortfall = at(part, first, second)
    plan = policy((first, second), shortfall)
    left = shortfall
    for close in plan.closes:
        one = {"A": first, "B": second}[close.instrument]
        assert 0 < close.lots <= one.size
        after = left.after(one, close.lots)
        assert after.equity - after.maintenance > left.equity - left.maintenance
        left = after
    assert (left.missing <= 0) is (plan.outcome is Outcome.REACHES_TARGET)
    assert bool(plan.closes) or plan.outcome is not Outcome.FALLS_SHORT
    assert plan.closes == () or shortfall.missing > 0


@given(legs("A"), legs("B"), st.integers(60, 109))
def test_to_target_takes_from_the_second_leg_only_what_the_first_cannot_give(
    first: ReducibleLeg,
    second: ReducibleLeg,
    part: int,
) -> None:
    shortfall = at(part, first, second)
    plan = sizing_policy("to_target")((first, second), shortfall)
    if [close.instrument for close in plan.closes] == ["A", "B"]:
        assert smallest_reaching(first, shortfall) is None


@given(legs("A"), legs("B"), st.integers(60, 109))
def test_least_cost_is_within_a_lot_of_each_leg_of_the_cheapest_grid_point(
    first: ReducibleLeg,
    second: ReducibleLeg,
    part: int,
) -> None:
    assume(JUMPING not in {first.tiers, second.tiers})
    shortfall = at(part, first, second)
    plan = sizing_policy("least_cost")((first, second), shortfall)
    grid = product(range(0, peak(first) + 1, 3), range(0, peak(second) + 1, 3))
    reaching = [
        first.cost(x) + second.cost(y)
        for x, y in grid
        if shortfall.after(first, x).after(second, y).missing <= 0
    ]
    if plan.outcome is not Outcome.REACHES_TARGET:
        assert not reaching
        return
    closed = {close.instrument: close.lots for close in plan.closes}
    x, y = closed.get("A", 0), closed.get("B", 0)
    one_lot_less = first.cost(max(x - 1, 0)) + second.cost(max(y - 1, 0))
    assert all(one_lot_less <= cost for cost in reaching)


def test_tier_drop_stops_on_the_next_lower_floor() -> None:
    one = leg(80, tiers=CONTINUOUS)
    shortfall = at(90, one)
    assert lots_of(sizing_policy("tier_drop")((one,), shortfall)) == [30]
    assert lots_of(sizing_policy("tier_drop", tiers=2)((one,), shortfall)) == [70]
    upper = leg(80, tiers=CONTINUOUS, edge_upper=True)
    assert lots_of(sizing_policy("tier_drop")((upper,), shortfall)) == [31]


def test_tier_drop_leaves_a_leg_in_the_lowest_brackets_to_the_takeover() -> None:
    low, middle = leg(8, tiers=CONTINUOUS), leg(40, tiers=CONTINUOUS, instrument="ETH")
    shortfall = at(90, low, middle)
    assert sizing_policy("tier_drop")((low,), shortfall).outcome is Outcome.EXHAUSTED
    plan = sizing_policy("tier_drop")((low, middle), shortfall)
    assert plan.closes == (Close(instrument="ETH", leg=0, lots=30),)
    two = sizing_policy("tier_drop", tiers=2)((low, middle), shortfall)
    assert two == ReducePlan(closes=(), outcome=Outcome.EXHAUSTED)


def test_a_large_position_is_closed_by_a_fifth_and_then_whole() -> None:
    policy = sizing_policy("fraction_then_cooldown")
    large, small = leg(1_001), leg(1_000, instrument="ETH")
    plan = policy((large,), at(-100, large))
    assert (lots_of(plan), plan.cooldown_seconds) == ([201], 30)
    plan = policy((small,), at(-100, small))
    assert (lots_of(plan), plan.cooldown_seconds) == ([1_000], 0)
    waiting = at(-100, large)
    waiting = Shortfall(
        equity=waiting.equity,
        maintenance=waiting.maintenance,
        in_cooldown=True,
    )
    plan = policy((large,), waiting)
    assert (lots_of(plan), plan.cooldown_seconds) == ([1_001], 0)


def test_a_toxic_leg_is_left_alone() -> None:
    toxic = leg(50, fee_rate=Decimal("0.02"))
    for name in SIZING:
        plan = sizing_policy(name)((toxic,), at(50, toxic, buffer="0"))
        assert plan == ReducePlan(closes=(), outcome=Outcome.EXHAUSTED), name


def test_sizing_registry_and_settings_are_named() -> None:
    assert list(SIZING) == [
        "fraction_then_cooldown",
        "least_cost",
        "tier_drop",
        "to_target",
        "whole",
    ]
    with pytest.raises(InvalidInput, match="did you mean 'tiers'"):
        sizing_policy("tier_drop", tier=2)
    with pytest.raises(InvalidInput, match="did you mean 'to_target'"):
        sizing_policy("to_targets")


# --- Order ----------------------------------------------------------------------------------

BOOK = (
    leg(10, instrument="A", pnl=Decimal(5)),
    leg(-30, instrument="B", pnl=Decimal(-9), maintenance=Decimal(50)),
    leg(20, instrument="C", leg=1, pnl=Decimal(1), maintenance=Decimal(8), hedged_lots=20),
    leg(-25, instrument="C", leg=-1, pnl=Decimal(-2), maintenance=Decimal(9), hedged_lots=20),
)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("largest_maintenance", ["B0", "A0", "C-1", "C1"]),
        ("worst_pnl", ["B0", "C-1", "C1", "A0"]),
        ("largest_notional", ["B0", "C-1", "C1", "A0"]),
        ("hedged_first", ["C-1", "C1", "B0", "A0"]),
    ],
)
def test_legs_are_ordered_as_named(name: str, names: list[str]) -> None:
    ordered = ORDER[name](BOOK, 0)
    assert [f"{one.instrument}{one.leg}" for one in ordered] == names


@pytest.mark.parametrize("name", list(ORDER))
@given(order=st.permutations(BOOK), seed=st.integers())
def test_the_order_legs_are_listed_in_does_not_matter(
    name: str,
    order: list[ReducibleLeg],
    seed: int,
) -> None:
    ordered = ORDER[name](order, seed)
    assert ordered == ORDER[name](BOOK, seed)
    assert sorted(ordered, key=id) == sorted(BOOK, key=id)


def test_the_seed_alone_decides_a_random_order() -> None:
    orders = {ORDER["seeded_random"](BOOK, seed) for seed in range(200)}
    assert len(orders) == 24


# --- Prices ---------------------------------------------------------------------------------

positive = st.integers(1, 10**6).map(Decimal)


@st.composite
def slices(draw: st.DrawFn) -> Slice:
    maintenance = draw(positive)
    return Slice(
        mark=draw(positive) / 100,
        size=draw(st.sampled_from([1, -1])) * draw(positive) / 1_000,
        equity=draw(st.integers(-(10**5), 10**5)) / Decimal(100),
        maintenance=maintenance,
        maintenance_freed=maintenance * draw(st.integers(0, 100)) / 100,
        inverse=draw(st.booleans()),
    )


def value_at(part: Slice, price: Decimal) -> Decimal:
    return -part.size / price if part.inverse else part.size * price


@given(slices())
def test_closing_at_the_bankruptcy_price_leaves_no_equity(part: Slice) -> None:
    price = PRICE["bankruptcy"](part)
    with exact():
        if isinstance(price, Decimal):
            loss = part.value - value_at(part, price)
            assert abs(part.equity - loss) < Decimal("1e-30")
        elif price is Unpriced.ANY_PRICE:
            assert part.equity >= abs(part.value)
        else:
            assert part.equity <= -abs(part.value)


@given(slices())
def test_the_zero_loss_price_leaves_the_ratio_as_it_is(part: Slice) -> None:
    price = PRICE["zero_loss"](part)
    assume(isinstance(price, Decimal))
    assert isinstance(price, Decimal)
    with exact():
        equity = part.equity - (part.value - value_at(part, price))
        maintenance = part.maintenance - part.maintenance_freed
        assert abs(equity * part.maintenance - part.equity * maintenance) < Decimal("1e-25")


def test_the_published_deleveraging_example_has_its_bankruptcy_price() -> None:
    # docs.dydx.xyz, contract loss mechanism: 100 deposited, short 500 at 1, mark 2.
    part = Slice(
        mark=Decimal(2),
        size=Decimal(-500),
        equity=Decimal(-400),
        maintenance=Decimal(30),
        maintenance_freed=Decimal(30),
    )
    assert PRICE["bankruptcy"](part) == Decimal("1.2")
    assert PRICE["zero_loss"](part) == Decimal("1.2")


@pytest.mark.parametrize(
    ("equity", "adjustment", "price"),
    [
        ("499", "2", "49998"),  # rating 2 * (1 - 499/500) = 0.004, spread 0.1 of 500
        ("499", "4294.967295", "49500"),
        ("0", "1", "49500"),
        ("-500", "1", "49500"),
        ("600", "1", "50000"),
    ],
)
def test_the_fillable_price_is_the_published_one(equity: str, adjustment: str, price: str) -> None:
    # dydxprotocol/v4-chain liquidations_test.go TestGetFillablePrice: 0.1 BTC at 50,000.
    part = Slice(
        mark=Decimal(50_000),
        size=Decimal("0.1"),
        equity=Decimal(equity),
        maintenance=Decimal(500),
        maintenance_freed=Decimal(500),
    )
    policy = price_policy(
        "fillable",
        bankruptcy_adjustment=Decimal(adjustment),
        spread_to_maintenance=Decimal("0.1"),
    )
    assert policy(part) == Decimal(price)


def test_bounded_slippage_is_on_the_bad_side_of_the_mark() -> None:
    part = Slice(
        mark=Decimal(100),
        size=Decimal(1),
        equity=Decimal(1),
        maintenance=Decimal(1),
        maintenance_freed=Decimal(1),
    )
    short = Slice(
        mark=Decimal(100),
        size=Decimal(-1),
        equity=Decimal(1),
        maintenance=Decimal(1),
        maintenance_freed=Decimal(1),
    )
    policy = price_policy("bounded_slippage", slippage=Decimal("0.02"))
    assert (policy(part), policy(short)) == (Decimal(98), Decimal(102))
    assert PRICE["no_limit"](part) is Unpriced.ANY_PRICE


def test_prices_without_meaning_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no limit price"):
        Slice(
            mark=ZERO,
            size=Decimal(1),
            equity=Decimal(1),
            maintenance=Decimal(1),
            maintenance_freed=Decimal(1),
        )
    with pytest.raises(InvalidInput, match="has no setting 'slip'"):
        price_policy("bounded_slippage", slip=Decimal(1))
    assert list(PRICE) == ["bankruptcy", "bounded_slippage", "fillable", "no_limit", "zero_loss"]


@pytest.mark.parametrize("name", ["tier_drop", "fraction_then_cooldown"])
def test_a_setting_that_counts_is_taken_from_a_decimal_and_must_be_whole(name: str) -> None:
    setting = {"tier_drop": "tiers", "fraction_then_cooldown": "cooldown_seconds"}[name]
    policy = sizing_policy(name, **{setting: Decimal(2)})
    assert isinstance(policy, partial)
    assert policy.keywords == {setting: 2}
    assert isinstance(policy.keywords[setting], int)
    with pytest.raises(InvalidInput, match="whole number"):
        sizing_policy(name, **{setting: Decimal("1.5")})
