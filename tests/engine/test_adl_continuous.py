"""Research-form ADL policies: published figures and the laws they obey."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.allocation import water_fill
from keelmark.core.errors import InvalidInput
from keelmark.engine.adl.continuous import (
    CONTINUOUS,
    Winners,
    expected_overrun,
    fill,
    fill_level,
    leverage_weighted,
    loss_omega,
    smart_queue,
)
from keelmark.engine.apportion import Float64Array


def array(*values: float) -> Float64Array:
    return np.array(values, dtype=np.float64)


def published(cap: Float64Array) -> Winners:
    """The five-account example: three winners, two losers short by 3 and 12."""
    equity, profit, leverage = array(10, 5, 1), array(8, 4, 0.5), array(2, 10, 5)
    return Winners(
        endowment=profit,
        equity=equity,
        leverage=leverage,
        cap=cap,
        size=array(3, 2, 1),
        score=profit / (equity - profit) * leverage,  # profit share times leverage
    )


NO_CAP = array(1, 1, 1)
DEFICIT, BUDGET = 15.0, 7.5


@pytest.mark.parametrize(
    ("name", "cap", "taken"),
    [
        ("queue", NO_CAP, (3.5, 4, 0)),
        ("pro_rata", NO_CAP, (4.8, 2.4, 0.3)),
        ("capped_pro_rata", array(0.5, 1, 1), (4, 28 / 9, 7 / 18)),
        ("risk_aware", NO_CAP, (3, 4, 0.5)),
        ("full_closure", NO_CAP, (8, 4, 0)),
    ],
)
def test_the_published_example_is_reproduced(
    name: str,
    cap: Float64Array,
    taken: tuple[float, ...],
) -> None:
    winners = published(cap)
    found = CONTINUOUS[name](winners, BUDGET)
    assert found == pytest.approx(taken, abs=1e-12)


def test_the_published_equities_after_the_queue_and_pro_rata() -> None:
    winners = published(NO_CAP)
    after_queue = winners.equity - CONTINUOUS["queue"](winners, BUDGET)
    after_shares = winners.equity - CONTINUOUS["pro_rata"](winners, BUDGET)
    assert after_queue == pytest.approx((6.5, 1, 1), abs=1e-12)
    assert after_shares == pytest.approx((5.2, 2.6, 0.7), abs=1e-12)


def test_the_smart_queue_takes_no_more_than_the_deficit_or_all_profits() -> None:
    winners = published(NO_CAP)
    assert smart_queue(winners, BUDGET, DEFICIT).sum() == pytest.approx(BUDGET)
    assert smart_queue(winners, BUDGET, 5).tolist() == [1, 4, 0]
    assert smart_queue(winners, 99, 99).sum() == pytest.approx(12.5)


@st.composite
def winners(draw: st.DrawFn) -> Winners:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(1, 1_000),
                st.integers(0, 1_000),
                st.integers(1, 50),
                st.integers(0, 10),
                st.integers(1, 100),
            ),
            min_size=1,
            max_size=12,
        )
    )
    collateral, profit, leverage, tenths, size = np.array(rows, dtype=np.float64).T
    return Winners(
        endowment=profit,
        equity=collateral + profit,
        leverage=leverage,
        cap=tenths / 10,
        size=size,
        score=profit / collateral * leverage,
    )


UNCAPPED = {"pro_rata", "equity_pro_rata"}


@pytest.mark.parametrize("name", [name for name in CONTINUOUS if name != "full_closure"])
@given(who=winners(), part=st.floats(0, 1.5))
def test_a_policy_takes_its_budget_and_respects_its_caps(
    name: str,
    who: Winners,
    part: float,
) -> None:
    limit = who.endowment if name in UNCAPPED else who.limit
    budget = part * float(limit.sum())
    taken = CONTINUOUS[name](who, budget)
    assert np.all((taken >= 0) & (taken <= limit + 1e-9))
    assert taken.sum() == pytest.approx(min(budget, float(limit.sum())), rel=1e-9, abs=1e-9)


@given(who=winners(), part=st.floats(0, 1))
def test_full_closure_overshoots_by_less_than_its_last_position(who: Winners, part: float) -> None:
    budget = part * float(who.limit.sum())
    taken = CONTINUOUS["full_closure"](who, budget)
    over = taken.sum() - budget
    assert over >= -1e-9
    assert over <= taken.max(initial=0.0) + 1e-9


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=10),
    st.fractions(0, 1),
)
def test_filling_in_float_agrees_with_the_exact_definition(
    rows: list[tuple[int, int]],
    part: Fraction,
) -> None:
    weights, caps = [w for w, _ in rows], [c for _, c in rows]
    budget = part * sum(cap for weight, cap in rows if weight)
    exact = water_fill(budget, weights, caps)
    found = fill(float(budget), array(*weights), array(*caps))
    assert found == pytest.approx([float(x) for x in exact.amounts], abs=1e-9)


def test_no_weight_fills_nothing() -> None:
    assert fill_level(5.0, array(0, 0), array(1, 1)) == 0.0


def test_overrun_is_the_mean_loss_beyond_the_cushion() -> None:
    shocks = array(-0.5, 0.1, -0.2, 0.3)
    cushion = array(0.1, 0.3, 0.6, -0.05)
    direct = np.maximum(-(cushion[:, None] + shocks), 0).mean(axis=1)
    assert expected_overrun(cushion, shocks) == pytest.approx(direct, abs=1e-15)
    with pytest.raises(InvalidInput, match="no shocks"):
        expected_overrun(cushion, array())


def test_the_optimal_omega_spares_whom_no_shock_reaches() -> None:
    who = published(NO_CAP)
    omega = loss_omega(who.leverage, array(-0.15, 0.0, 0.15))
    assert omega == pytest.approx([0, 10 * 0.05 / 3, 0], abs=1e-15)
    assert leverage_weighted(who, 3.0, omega) == pytest.approx([0, 3, 0])
