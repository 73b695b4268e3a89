"""Deleverage policies: sums, caps, order, and the definitions they implement."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.allocation import largest_remainder
from keelmark.core.errors import DuplicateId, InvalidInput, OutOfScale
from keelmark.engine.adl import scores
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.adl.policies import DELEVERAGE, drain_level
from keelmark.engine.apportion import Int64Array, whole_weights
from tests.engine.adl_candidates import candidate_rows, candidates, scaled

NAMES = tuple(DELEVERAGE)
QUEUES = ("queue_leverage_profit", "queue_price_ratio", "queue_leverage_pnl")
parts_of_all = st.fractions(0, 1)


def need(which: Candidates, part: Fraction) -> int:
    return int(which.closable.sum() * part)


def test_the_registry_names_every_policy() -> None:
    assert NAMES == (
        "equity_min_max",
        "lazy_open_interest",
        "leverage_drain",
        "per_contract",
        "pro_rata_profit",
        "queue_full_closure",
        "queue_leverage_pnl",
        "queue_leverage_profit",
        "queue_price_ratio",
    )
    with pytest.raises(InvalidInput, match="did you mean 'per_contract'"):
        DELEVERAGE["per_contracts"]


@pytest.mark.parametrize("name", NAMES)
@given(which=candidate_rows(), part=parts_of_all)
def test_lots_sum_to_the_need_and_stay_closable(
    name: str,
    which: Candidates,
    part: Fraction,
) -> None:
    lots = DELEVERAGE[name](need(which, part), which)
    assert lots.dtype == np.int64
    assert lots.sum() == need(which, part)
    assert np.all((lots >= 0) & (lots <= which.closable))


@pytest.mark.parametrize("name", NAMES)
@given(which=candidate_rows(), beyond=st.integers(0, 100))
def test_a_need_beyond_what_is_closable_takes_all_of_it(
    name: str,
    which: Candidates,
    beyond: int,
) -> None:
    lots = DELEVERAGE[name](int(which.closable.sum()) + beyond, which)
    assert lots.tolist() == which.closable.tolist()


@pytest.mark.parametrize("name", NAMES)
@given(which=candidate_rows(), part=parts_of_all, data=st.data())
def test_the_order_in_which_candidates_are_listed_does_not_matter(
    name: str,
    which: Candidates,
    part: Fraction,
    data: st.DataObject,
) -> None:
    order = np.array(data.draw(st.permutations(range(len(which)))), dtype=np.int64)
    straight = DELEVERAGE[name](need(which, part), which)
    permuted = DELEVERAGE[name](need(which, part), which.take(order))
    assert permuted.tolist() == straight[order].tolist()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "queue_leverage_pnl"])
@given(which=candidate_rows(), part=parts_of_all, power=st.integers(-20, 20))
def test_the_settle_unit_does_not_matter(
    name: str,
    which: Candidates,
    part: Fraction,
    power: int,
) -> None:
    # LeveragePnl is left out: the venue floors its wallet balance at one unit of money.
    lots = DELEVERAGE[name](need(which, part), which)
    other = DELEVERAGE[name](need(which, part), scaled(which, 2.0**power))
    assert other.tolist() == lots.tolist()


@pytest.mark.parametrize("name", [*QUEUES])
@given(which=candidate_rows(), part=parts_of_all)
def test_a_larger_need_takes_less_from_nobody(
    name: str,
    which: Candidates,
    part: Fraction,
) -> None:
    fewer = DELEVERAGE[name](need(which, part), which)
    more = DELEVERAGE[name](need(which, part) + 1, which)
    assert np.all(fewer <= more)


@pytest.mark.parametrize("name", ["pro_rata_profit", "equity_min_max", "per_contract"])
@given(which=candidate_rows(), part=parts_of_all)
def test_a_larger_need_takes_at_most_one_lot_less_from_anyone(
    name: str,
    which: Candidates,
    part: Fraction,
) -> None:
    fewer = DELEVERAGE[name](need(which, part), which)
    more = DELEVERAGE[name](need(which, part) + 1, which)
    assert np.all(fewer <= more + 1)  # largest remainders may move one lot (Alabama paradox)


WEIGHTS: dict[str, Callable[[Candidates], list[float]]] = {
    "pro_rata_profit": lambda which: np.maximum(which.pnl, 0).tolist(),
    "equity_min_max": lambda which: which.equity.tolist(),
    "per_contract": lambda which: np.abs(which.lots).tolist(),
}


@pytest.mark.parametrize("name", WEIGHTS)
@given(which=candidate_rows(), part=parts_of_all)
def test_shares_are_the_exact_largest_remainders(
    name: str,
    which: Candidates,
    part: Fraction,
) -> None:
    order = np.argsort(which.unit)
    ordered = which.take(order)
    weights = WEIGHTS[name](ordered)
    caps = ordered.closable.tolist()
    room = sum(cap for weight, cap in zip(weights, caps, strict=True) if weight > 0)
    total = min(need(which, part), room)
    whole = whole_weights(np.array(weights, dtype=np.float64)).tolist()
    expected = largest_remainder(total, whole, caps)
    assert expected == largest_remainder(total, [Fraction(w) for w in weights], caps)
    lots = DELEVERAGE[name](total, ordered)
    assert tuple(lots.tolist()) == expected


@pytest.mark.parametrize("name", QUEUES)
@given(which=candidate_rows(), part=parts_of_all)
def test_in_a_queue_nobody_gives_before_those_ahead_have_given_all(
    name: str,
    which: Candidates,
    part: Fraction,
) -> None:
    score = {
        "queue_leverage_profit": scores.leverage_times_profit,
        "queue_price_ratio": scores.price_ratio_times_leverage,
        "queue_leverage_pnl": scores.leverage_pnl,
    }[name](which)
    lots = DELEVERAGE[name](need(which, part), which)
    for row in np.flatnonzero(lots):
        ahead = (score > score[row]) | ((score == score[row]) & (which.unit < which.unit[row]))
        assert np.all(lots[ahead] == which.closable[ahead])


@given(which=candidate_rows(), part=parts_of_all)
def test_losers_are_touched_only_after_every_winner(which: Candidates, part: Fraction) -> None:
    lots = DELEVERAGE["pro_rata_profit"](need(which, part), which)
    is_winner = which.pnl > 0
    if lots[~is_winner].any():
        assert np.all(lots[is_winner] == which.closable[is_winner])


@given(which=candidate_rows(), part=parts_of_all)
def test_full_closure_leaves_at_most_one_position_that_could_have_been_closed_whole_in_part(
    which: Candidates,
    part: Fraction,
) -> None:
    lots = DELEVERAGE["queue_full_closure"](need(which, part), which)
    closes_whole = which.closable == np.abs(which.lots)
    in_part = (lots > 0) & (lots < np.abs(which.lots)) & closes_whole
    assert np.count_nonzero(in_part) <= 1


def test_full_closure_passes_over_a_position_that_does_not_fit() -> None:
    which = candidates(
        [
            # unit, closable, lots, pnl, equity, notional, entry, mark, maintenance
            (1, 5, 5, 50, 10, 100, 10, 20, 1),
            (2, 9, 9, 40, 10, 90, 11, 20, 1),
            (3, 2, 2, 10, 10, 40, 15, 20, 1),
        ]
    )
    assert scores.leverage_times_profit(which).argsort().tolist() == [2, 1, 0]
    lots = DELEVERAGE["queue_full_closure"](8, which)
    assert lots.tolist() == [5, 1, 2]


# --- Leverage draining ----------------------------------------------------------------------


def brute_force_level(which: Candidates, need_value: Fraction) -> Fraction:
    """Try every breakpoint exactly and interpolate between two of them."""
    value = Fraction(which.mark_value[0])
    legs = [
        (Fraction(n), Fraction(e), c * value)
        for n, e, c in zip(
            which.notional_total.tolist(),
            which.equity.tolist(),
            which.closable.tolist(),
            strict=True,
        )
    ]

    def cut(level: Fraction) -> Fraction:
        return sum((min(max(n - level * e, Fraction(0)), c) for n, e, c in legs), Fraction(0))

    points = sorted({p for n, e, c in legs for p in (n / e, (n - c) / e)}, reverse=True)
    for above, below in pairwise(points):
        if cut(above) <= need_value <= cut(below) and cut(above) < cut(below):
            part = (need_value - cut(above)) / (cut(below) - cut(above))
            return above + part * (below - above)
    return points[0]


@given(which=candidate_rows(), part=st.fractions(Fraction(1, 50), Fraction(49, 50)))
def test_draining_finds_the_leverage_that_meets_the_need(
    which: Candidates,
    part: Fraction,
) -> None:
    value = which.mark_value[0]
    wanted = part * int(which.closable.sum()) * Fraction(value)
    level = drain_level(
        which.notional_total,
        which.equity,
        which.closable * value,
        float(wanted),
    )
    cuts = np.clip(which.notional_total - level * which.equity, 0, which.closable * value)
    assert cuts.sum() == pytest.approx(float(wanted), rel=1e-9)
    if wanted > 0:
        assert level == pytest.approx(float(brute_force_level(which, wanted)), rel=1e-6)


@given(which=candidate_rows(), part=parts_of_all)
def test_draining_cuts_nobody_below_the_common_leverage_by_more_than_a_lot(
    which: Candidates,
    part: Fraction,
) -> None:
    lots = DELEVERAGE["leverage_drain"](need(which, part), which)
    value = which.mark_value[0]
    after = which.notional_total - lots * value
    has_given, can_give = lots > 0, lots < which.closable
    if has_given.any() and can_give.any() and lots.sum() < which.closable.sum():
        lot = 2 * value / which.equity
        lowest_cut = (after / which.equity + lot)[has_given].min()
        highest_left = (after / which.equity - lot)[can_give].max()
        assert highest_left <= lowest_cut * (1 + 1e-9)


# --- Scores ---------------------------------------------------------------------------------


def one(**changes: float) -> Candidates:
    row = {
        "unit": 1,
        "closable": 1,
        "lots": 1,
        "pnl": 0,
        "equity": 1,
        "notional_total": 1,
        "entry_value": 1,
        "mark_value": 1,
        "maintenance": 0,
    }
    return candidates([tuple((row | changes).values())])


def test_leverage_pnl_reproduces_the_venue_example() -> None:
    # dev.binance.vision topic 17801: pnl 40.2, wallet 4.27, margin ratio 0.1342
    # gives LeveragePnl 1.26.
    equity = 40.2 + 4.27
    which = one(pnl=40.2, equity=equity, maintenance=0.1342 * equity)
    assert scores.leverage_pnl(which)[0] == pytest.approx(1.26, abs=0.01)


def test_a_loss_is_divided_by_leverage() -> None:
    gain = one(lots=10, pnl=20, entry_value=10, equity=50, notional_total=200)
    loss = one(lots=10, pnl=-20, entry_value=10, equity=50, notional_total=200)
    assert scores.leverage_times_profit(gain)[0] == pytest.approx(0.2 * 4)
    assert scores.leverage_times_profit(loss)[0] == pytest.approx(-0.2 / 4)


@pytest.mark.parametrize(
    ("lots", "entry_value", "mark_value", "ratio"),
    [
        (1, 100, 125, Decimal("1.25")),  # linear long, price up a quarter
        (-1, 100, 80, Decimal("1.25")),  # linear short, price down a fifth
        (1, -1 / 100, -1 / 125, Decimal("1.25")),  # inverse long, price up a quarter
        (-1, -1 / 100, -1 / 80, Decimal("1.25")),  # inverse short, price down a fifth
    ],
)
def test_the_price_ratio_rises_with_profit_on_every_side(
    lots: int,
    entry_value: float,
    mark_value: float,
    ratio: Decimal,
) -> None:
    which = one(
        lots=lots,
        entry_value=entry_value,
        mark_value=mark_value,
        equity=2,
        notional_total=6,
    )
    assert scores.price_ratio_times_leverage(which)[0] == pytest.approx(float(ratio) * 3)


# --- Refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"equity": 0}, InvalidInput, "only solvent units"),
        ({"closable": -1}, InvalidInput, "negative"),
        ({"closable": 2}, InvalidInput, "exceeds the position"),
        ({"pnl": float("nan")}, InvalidInput, "not finite"),
        ({"mark_value": 0}, InvalidInput, "mark value is zero"),
        ({"lots": 2**62}, OutOfScale, "limit is 2\\*\\*62"),
    ],
)
def test_a_row_that_is_no_candidate_is_refused(
    changes: dict[str, float],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        one(**changes)


def test_columns_of_different_length_are_refused() -> None:
    which = one()
    columns = {name: getattr(which, name) for name in which.__dataclass_fields__}
    empty: Int64Array = np.array([], dtype=np.int64)
    with pytest.raises(InvalidInput, match="differ in length"):
        Candidates(**(columns | {"closable": empty}))


def test_a_unit_listed_twice_is_refused() -> None:
    row = (1, 5, 5, 1, 1, 1, 1, 1, 0)
    with pytest.raises(DuplicateId, match="unit 1 is listed twice"):
        DELEVERAGE["per_contract"](3, candidates([row, row]))


def test_a_negative_need_is_refused() -> None:
    with pytest.raises(InvalidInput, match="absolute number"):
        DELEVERAGE["per_contract"](-1, one())


def test_nobody_to_deleverage_gives_nothing() -> None:
    assert DELEVERAGE["per_contract"](5, candidates([])).tolist() == []
