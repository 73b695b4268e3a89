"""ADL metrics and severity controllers on figures that can be checked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.engine.adl.metrics import (
    Base,
    Haircut,
    MeanRatio,
    fairness,
    fairness_two_sided,
    gini,
    haircut_max,
    herfindahl,
    inversion_rate,
    next_deficit,
    overshoot,
    rank_stability,
    top_profit_ratio,
    tracking,
    undershoot,
    users_touched,
)
from keelmark.engine.adl.severity import (
    ExponentialBackoff,
    OnlineGradient,
    StaticSeverity,
    regret_bound,
    tracking_gradient,
)
from keelmark.engine.apportion import Float64Array

amounts = st.lists(st.integers(0, 1_000), min_size=1, max_size=20).map(
    lambda values: np.array(values, dtype=np.float64)
)


def array(*values: float) -> Float64Array:
    return np.array(values, dtype=np.float64)


def test_tracking_is_overshoot_plus_undershoot() -> None:
    taken, needed = array(10, 2, 5), array(4, 5, 5)
    assert overshoot(taken, needed) == 6
    assert undershoot(taken, needed) == 3
    assert tracking(taken, needed) == 9


def test_the_largest_haircut_names_its_denominator() -> None:
    seized = array(3, 1, 0)
    assert haircut_max(seized, array(6, 4, 0), Base.PROFIT) == Haircut(value=0.5, base=Base.PROFIT)
    assert haircut_max(seized, array(30, 4, 9), Base.EQUITY).value == 0.25
    with pytest.raises(InvalidInput, match="without profit lost"):
        haircut_max(seized, array(6, 0, 0), Base.PROFIT)


def test_one_sided_fairness_does_not_charge_a_fairer_policy() -> None:
    budget, haircut, reference = array(100, 100), array(0.1, 0.5), array(0.3, 0.3)
    assert fairness(budget, haircut, reference) == pytest.approx(20)
    assert fairness_two_sided(budget, haircut, reference) == pytest.approx(40)


def test_a_ratio_without_denominator_is_counted_not_invented() -> None:
    ratio = top_profit_ratio(array(6, 9, 1), array(3, 0, 1))
    assert ratio == MeanRatio(total=3.0, defined=2, undefined=1)
    assert ratio.mean == 1.5
    with pytest.raises(InvalidInput, match="undefined in all 1 waves"):
        _ = top_profit_ratio(array(1), array(0)).mean


def test_inversions_count_adjacent_survivors_only() -> None:
    before = array(8, 6, 4, 2)
    assert inversion_rate(before, array(4, 3, 2, 1)) == 0
    assert inversion_rate(before, array(1, 2, 3, 4)) == 1
    assert inversion_rate(before, array(1, 2, 0, 1)) == 0.5
    assert inversion_rate(before, array(0, 0, 0, 1)) == 0


def test_rank_stability_is_a_rank_correlation() -> None:
    first = array(0.1, 0.2, 0.3)
    assert rank_stability(first, first**2) == pytest.approx(1)
    assert rank_stability(first, -first) == pytest.approx(-1)
    assert rank_stability(array(1, 1, 2), array(1, 1, 2)) == pytest.approx(1)
    assert rank_stability(array(1, 1), array(2, 2)) == 1
    assert rank_stability(array(1, 1), array(1, 2)) == 0


def test_the_next_deficit_is_the_expected_loss_beyond_equity() -> None:
    notional, equity = array(100, 100), array(10, 40)
    assert next_deficit(notional, equity, array(-0.5, 0.5)) == pytest.approx((40 + 10) / 2)


@given(amounts)
def test_gini_is_the_mean_difference_over_twice_the_mean(values: Float64Array) -> None:
    differences = np.abs(values[:, None] - values).mean()
    expected = differences / (2 * values.mean()) if values.any() else 0.0
    assert gini(values) == pytest.approx(expected, abs=1e-12)


@given(amounts)
def test_concentration_lies_between_equal_shares_and_one(values: Float64Array) -> None:
    if values.any():
        assert 1 / len(values) - 1e-12 <= herfindahl(values) <= 1 + 1e-12
    else:
        assert herfindahl(values) == 0


def test_users_touched_counts_losses() -> None:
    assert users_touched(array(0, 0.1, 2)) == 2


def test_controllers_move_severity_as_stated() -> None:
    assert StaticSeverity(severity=0.4).after(9.0).severity == 0.4
    backoff = ExponentialBackoff(severity=0.8, decay=0.5, floor=0.3)
    assert [backoff.after(0).severity, backoff.after(0).after(0).severity] == [0.4, 0.3]
    learner = OnlineGradient(severity=0.5, rate=0.2)
    second = learner.after(1.0)
    assert second.severity == pytest.approx(0.3)
    assert second.after(1.0).severity == pytest.approx(0.3 - 0.2 / np.sqrt(2))
    assert second.after(-99.0).severity == 1.0
    assert second.after(99.0).severity == 0.0


def test_the_learner_finds_the_severity_that_is_needed() -> None:
    learner = OnlineGradient(severity=0.0, rate=0.2)
    for _ in range(2_000):
        learner = learner.after(tracking_gradient(learner.severity, 1.0, 0.37))
    assert learner.severity == pytest.approx(0.37, abs=0.01)
    assert tracking_gradient(0.37, 1.0, 0.37) == 0.0


def test_the_regret_bound_grows_with_the_path_of_what_is_needed() -> None:
    assert regret_bound([3.0, 4.0], [0.5, 0.5]) == 5.0
    assert regret_bound([3.0, 4.0], [0.0, 1.0]) == pytest.approx(5 * np.sqrt(3))


@pytest.mark.parametrize("severity", [-0.1, 1.1])
def test_a_severity_outside_the_unit_interval_is_refused(severity: float) -> None:
    with pytest.raises(InvalidInput, match="fraction between 0 and 1"):
        StaticSeverity(severity=severity)
    with pytest.raises(InvalidInput, match="fraction between 0 and 1"):
        ExponentialBackoff(severity=0.5, decay=severity, floor=0)
    with pytest.raises(InvalidInput, match="fraction between 0 and 1"):
        OnlineGradient(severity=severity, rate=1)
