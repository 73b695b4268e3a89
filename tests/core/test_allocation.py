"""The shared solvers: whole-number shares, filling under caps, least-cost reduction."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keelmark.core.allocation import (
    LeastCost,
    OutOfReach,
    Reducible,
    ReliefPiece,
    capped_pro_rata,
    largest_remainder,
    least_cost,
    water_fill,
)
from keelmark.core.errors import InvalidInput

weights_and_caps = st.lists(
    st.tuples(st.integers(1, 1_000), st.integers(0, 50)),
    min_size=1,
    max_size=8,
)
rates = st.integers(1, 40).map(lambda n: Decimal(n) / 1000)
impacts = st.integers(1, 50).map(lambda n: Decimal(n) / 100_000)


@st.composite
def budgets_under_caps(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    rows = draw(weights_and_caps)
    weights = [weight for weight, _ in rows]
    caps = [cap for _, cap in rows]
    return draw(st.integers(0, sum(caps))), weights, caps


def leg(rate: str, size: str, fee: str, impact: str = "0") -> Reducible:
    piece = ReliefPiece(size=Decimal(size), rate=Decimal(rate))
    return Reducible(pieces=(piece,), fee_rate=Decimal(fee), impact=Decimal(impact))


@given(budgets_under_caps())
def test_shares_sum_exactly_and_respect_caps(case: tuple[int, list[int], list[int]]) -> None:
    total, weights, caps = case
    parts = largest_remainder(total, weights, caps)
    assert sum(parts) == total
    assert all(0 <= part <= cap for part, cap in zip(parts, caps, strict=True))


@given(budgets_under_caps())
def test_a_share_is_within_one_of_its_exact_quota(case: tuple[int, list[int], list[int]]) -> None:
    total, weights, caps = case
    quotas = water_fill(total, weights, caps).amounts
    parts = largest_remainder(total, weights, caps)
    assert all(abs(part - quota) < 1 for part, quota in zip(parts, quotas, strict=True))


@given(budgets_under_caps(), st.integers(2, 9))
def test_the_scale_of_weights_does_not_matter(
    case: tuple[int, list[int], list[int]],
    scale: int,
) -> None:
    total, weights, caps = case
    scaled = [Fraction(weight, scale) for weight in weights]
    assert largest_remainder(total, weights, caps) == largest_remainder(total, scaled, caps)


@given(budgets_under_caps(), st.randoms(use_true_random=False))
def test_permuting_accounts_permutes_the_fill(
    case: tuple[int, list[int], list[int]],
    random: "st.random.Random",  # type: ignore[name-defined]  # Hypothesis names no public type
) -> None:
    total, weights, caps = case
    order = list(range(len(weights)))
    random.shuffle(order)
    straight = water_fill(total, weights, caps).amounts
    permuted = water_fill(total, [weights[i] for i in order], [caps[i] for i in order]).amounts
    assert permuted == tuple(straight[i] for i in order)


@given(budgets_under_caps())
def test_a_larger_budget_takes_less_from_nobody(case: tuple[int, list[int], list[int]]) -> None:
    budget, weights, caps = case
    assume(budget < sum(caps))
    less = water_fill(budget, weights, caps).amounts
    more = water_fill(budget + 1, weights, caps).amounts
    assert all(a <= b for a, b in zip(less, more, strict=True))


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=4),
    st.data(),
)
def test_filling_is_min_max_optimal_among_all_whole_allocations(
    rows: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    weights, caps = [w for w, _ in rows], [c for _, c in rows]
    budget = data.draw(st.integers(0, sum(caps)))
    filled = water_fill(budget, weights, caps)
    assert sum(filled.amounts) == budget
    worst = max(x / w for x, w in zip(filled.amounts, weights, strict=True))
    every = (x for x in product(*(range(c + 1) for c in caps)) if sum(x) == budget)
    best = min(max(Fraction(x, w) for x, w in zip(xs, weights, strict=True)) for xs in every)
    assert worst <= best
    assert worst <= filled.level


def test_filling_finds_the_published_capped_haircuts() -> None:
    # Five-account example of the ADL literature: profits 8, 4, 0.5; caps 50 %, none, none.
    filled = capped_pro_rata(
        Fraction(15, 2),
        [8, 4, Fraction(1, 2)],
        [Fraction(1, 2), 1, 1],
    )
    assert filled.amounts == (Fraction(4), Fraction(28, 9), Fraction(7, 18))
    assert [round(float(x), 5) for x in filled.amounts] == [4.0, 3.11111, 0.38889]


def test_equal_remainders_go_to_the_first_named() -> None:
    assert largest_remainder(2, [1, 1, 1]) == (1, 1, 0)
    assert largest_remainder(-2, [1, 1, 1]) == (-1, -1, 0)
    assert largest_remainder(7, [Decimal("0.5"), 0, Decimal("0.5")]) == (4, 0, 3)
    assert largest_remainder(0, []) == ()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: water_fill(11, [1, 0], [10, 10]), "exceeds the 10"),
        (lambda: water_fill(1, [0]), "no positive weight"),
        (lambda: water_fill(-1, [1]), "negative"),
        (lambda: water_fill(1, [-1]), "weight 0 is -1"),
        (lambda: water_fill(1, [1, 1], [1]), "2 weights but 1 caps"),
    ],
)
def test_what_cannot_be_divided_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        call()


# --- Least cost -----------------------------------------------------------------------------


def gain(legs: list[Reducible], amounts: tuple[Decimal, ...]) -> Decimal:
    """Relief less cost, piece by piece: the constraint as it is stated."""
    total = Decimal(0)
    for one, amount in zip(legs, amounts, strict=True):
        left = amount
        for piece in one.pieces:
            total += piece.rate * min(left, piece.size)
            left -= min(left, piece.size)
        total -= one.cost(amount)
    return total


@st.composite
def reducibles(draw: st.DrawFn, *, with_impact: bool = True) -> list[Reducible]:
    legs = []
    for _ in range(draw(st.integers(1, 4))):
        falling = sorted(draw(st.lists(rates, min_size=1, max_size=3)), reverse=True)
        pieces = tuple(
            ReliefPiece(size=Decimal(draw(st.integers(1, 20))), rate=rate) for rate in falling
        )
        impact = draw(impacts) if with_impact and draw(st.booleans()) else Decimal(0)
        legs.append(Reducible(pieces=pieces, fee_rate=draw(rates) / 4, impact=impact))
    return legs


@given(reducibles(), st.integers(1, 1_000))
def test_the_least_cost_plan_gains_exactly_what_is_needed(
    legs: list[Reducible],
    thousandths: int,
) -> None:
    needed = Decimal(thousandths) / 1_000
    plan = least_cost(legs, needed)
    gained = gain(legs, plan.amounts)
    sizes = [sum(piece.size for piece in one.pieces) for one in legs]
    assert all(0 <= x <= size for x, size in zip(plan.amounts, sizes, strict=True))
    if isinstance(plan, LeastCost):
        assert abs(gained - needed) < Decimal("1e-20")
        cost = sum(one.cost(x) for one, x in zip(legs, plan.amounts, strict=True))
        assert abs(plan.cost - cost) < Decimal("1e-20")
        assert 0 <= plan.weight <= 1
    else:
        assert abs(gained - plan.gain) < Decimal("1e-20")
        assert plan.gain + plan.missing == needed


@given(reducibles(), st.integers(1, 400))
def test_no_plan_on_a_grid_is_cheaper(legs: list[Reducible], thousandths: int) -> None:
    needed = Decimal(thousandths) / 1_000
    steps = 6
    sizes = [sum((piece.size for piece in one.pieces), Decimal(0)) for one in legs]
    grid = list(product(*([size * k / steps for k in range(steps + 1)] for size in sizes)))
    assert prod(steps + 1 for _ in sizes) == len(grid)
    plan = least_cost(legs, needed)
    for amounts in grid:
        reached = gain(legs, amounts)
        if isinstance(plan, OutOfReach):
            assert reached <= plan.gain + Decimal("1e-20")
        elif reached >= needed:
            cost = sum(one.cost(x) for one, x in zip(legs, amounts, strict=True))
            assert cost >= plan.cost - Decimal("1e-20")


@given(reducibles(with_impact=False), st.integers(1, 1_000))
def test_without_impact_the_plan_is_the_greedy_knapsack(
    legs: list[Reducible],
    thousandths: int,
) -> None:
    missing = Decimal(thousandths) / 1_000
    plan = least_cost(legs, missing)
    rows = [
        (one.fee_rate / piece.rate, piece.rate - one.fee_rate, one.fee_rate, piece.size)
        for one in legs
        for piece in one.pieces
        if piece.rate > one.fee_rate
    ]
    cost = Decimal(0)
    for _, net, fee, size in sorted(rows):
        amount = min(size, missing / net)
        cost += fee * amount
        missing -= net * amount
    if isinstance(plan, LeastCost):
        assert abs(plan.cost - cost) < Decimal("1e-20")
    else:
        assert abs(plan.missing - missing) < Decimal("1e-20")


@given(reducibles(), st.integers(1, 400))
def test_the_plan_satisfies_the_closed_form_of_its_multiplier(
    legs: list[Reducible],
    thousandths: int,
) -> None:
    plan = least_cost(legs, Decimal(thousandths) / 1_000)
    assume(isinstance(plan, LeastCost) and plan.weight < 1)
    assert isinstance(plan, LeastCost)
    multiplier = plan.weight / (1 - plan.weight)
    for one, amount in zip(legs, plan.amounts, strict=True):
        if len(one.pieces) == 1 and one.impact > 0:
            rate, size = one.pieces[0].rate, one.pieces[0].size
            net = multiplier * (rate - one.fee_rate) - one.fee_rate
            best = net / (2 * one.impact * (1 + multiplier))
            assert abs(amount - min(max(best, Decimal(0)), size)) < Decimal("1e-18")


def test_a_toxic_leg_is_never_touched() -> None:
    plan = least_cost([leg("0.01", "100", "0.01"), leg("0.02", "100", "0.01")], Decimal("0.5"))
    assert isinstance(plan, LeastCost)
    assert plan.amounts == (Decimal(0), Decimal(50))
    assert plan.cost == Decimal("0.5")


def test_what_no_close_can_gain_is_out_of_reach() -> None:
    plan = least_cost([leg("0.02", "100", "0.01", "0.001")], Decimal(1))
    assert plan == OutOfReach(
        amounts=(Decimal(5),),
        gain=Decimal("0.025"),
        missing=Decimal("0.975"),
    )


def test_nothing_needed_closes_nothing() -> None:
    plan = least_cost([leg("0.02", "100", "0.01")], Decimal(0))
    assert plan == LeastCost(amounts=(Decimal(0),), cost=Decimal(0), weight=Decimal(0))


def test_rising_relief_rates_are_refused() -> None:
    rising = tuple(ReliefPiece(size=Decimal(1), rate=Decimal(r)) for r in (1, 2))
    with pytest.raises(InvalidInput, match="rise while closing"):
        Reducible(pieces=rising, fee_rate=Decimal(0))
    with pytest.raises(InvalidInput, match="must not be negative"):
        Reducible(pieces=(), fee_rate=Decimal(-1))
