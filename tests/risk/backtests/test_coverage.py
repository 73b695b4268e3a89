"""Counting violations: published figures, tables, and what cannot be had."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests import (
    Light,
    Transitions,
    accepted_counts,
    conditional_coverage,
    dynamic_quantile,
    independence,
    kupiec,
    traffic_light,
    violations,
)


@pytest.mark.parametrize(("count", "ratio"), [(7, 5.49699), (0, 5.02517)])
def test_kupiec_is_the_published_ratio(count: int, ratio: float) -> None:
    assert kupiec(count, 250, 0.01).value == pytest.approx(ratio, abs=1e-5)


def test_kupiec_has_the_published_p_value() -> None:
    assert kupiec(7, 250, 0.01).p_value == pytest.approx(0.019049, abs=1e-6)


@pytest.mark.parametrize(
    ("periods", "tail", "band"),
    [
        (255, 0.01, (1, 6)),
        (510, 0.01, (2, 10)),
        (1000, 0.01, (5, 16)),
        (255, 0.05, (7, 20)),
        (510, 0.05, (17, 35)),
        (1000, 0.05, (38, 64)),
    ],
)
def test_kupiec_accepts_the_counts_of_jorions_table(
    periods: int, tail: float, band: tuple[int, int]
) -> None:
    assert accepted_counts(periods, tail) == band


def test_christoffersen_is_the_published_ratio() -> None:
    found = independence(Transitions(calm_calm=230, calm_hit=8, hit_calm=8, hit_hit=4))
    assert found.value == pytest.approx(11.00222, abs=1e-4)
    assert found.p_value == pytest.approx(9.10e-4, abs=1e-6)


def test_conditional_coverage_is_the_sum_of_both_ratios() -> None:
    hits = np.zeros(250, dtype=bool)
    hits[[20, 21, 100, 180]] = True
    whole = conditional_coverage(hits, 0.01)
    parts = kupiec(4, 250, 0.01), independence(Transitions.of(hits))
    assert whole.value == pytest.approx(sum(part.value or 0.0 for part in parts), abs=1e-12)
    assert whole.p_value == pytest.approx(np.exp(-(whole.value or 0.0) / 2), abs=1e-12)


@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_pairs_are_counted_once_each(flags: list[bool]) -> None:
    pairs = Transitions.of(np.array(flags))
    assert pairs.calm_calm + pairs.calm_hit + pairs.hit_calm + pairs.hit_hit == len(flags) - 1
    assert pairs.calm_hit + pairs.hit_hit == sum(flags[1:])


@given(st.integers(2, 400), st.data())
def test_kupiec_is_nothing_only_at_the_promised_share(periods: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, periods // 2))
    value = kupiec(count, periods, min(count / periods, 0.499999)).value
    assert value is not None
    assert value == pytest.approx(0.0, abs=1e-6)
    assert (kupiec(count, periods, count / periods / 2).value or 0.0) > 0.0


@pytest.mark.parametrize("hits", [np.zeros(250, dtype=bool), np.eye(1, 250, 249, dtype=bool)[0]])
def test_independence_without_a_violation_to_follow_is_unknown(hits: np.ndarray) -> None:
    for found in (independence(Transitions.of(hits)), conditional_coverage(hits, 0.01)):
        assert found.value is None
        assert found.p_value is None
        assert "no violation" in (found.reason or "")


@pytest.mark.parametrize(
    ("count", "cumulative", "light"),
    [
        (4, 0.8922, Light.GREEN),
        (5, 0.9588, Light.YELLOW),
        (6, 0.9863, Light.YELLOW),
        (7, 0.9960, Light.YELLOW),
        (8, 0.9989, Light.YELLOW),
        (9, 0.9997, Light.YELLOW),
    ],
)
def test_traffic_lights_are_those_of_basel(count: int, cumulative: float, light: Light) -> None:
    found = traffic_light(count, 250, 0.01)
    assert found.cumulative == pytest.approx(cumulative, abs=5e-5)
    assert found.light is light


def test_ten_violations_in_a_year_are_red() -> None:
    assert traffic_light(10, 250, 0.01).light is Light.RED


def test_a_loss_of_exactly_the_value_at_risk_is_no_violation() -> None:
    assert violations(np.array([-1.0, -1.01, 5.0]), np.ones(3)).tolist() == [False, True, False]


def test_dynamic_quantile_is_the_regression_written_out() -> None:
    draw = np.random.default_rng(3)
    profit, risk = draw.normal(size=400), 1.4 + 0.3 * draw.random(400)
    hits = (profit < -risk) - 0.1
    rows = range(4, 400)
    design = np.array([[1.0, *(hits[t - lag] for lag in (1, 2, 3, 4)), risk[t]] for t in rows])
    y = hits[4:]
    slopes = np.linalg.solve(design.T @ design, design.T @ y)
    expected = slopes @ design.T @ design @ slopes / (0.1 * 0.9)
    assert dynamic_quantile(profit, risk, 0.1).value == pytest.approx(expected, rel=1e-10)


def test_dynamic_quantile_rejects_as_often_as_it_says() -> None:
    draw = np.random.default_rng(5)
    found = [
        dynamic_quantile(draw.normal(size=500), 1.2815515655 + 0.1 * draw.random(500), 0.1).p_value
        for _ in range(300)
    ]
    rejected = np.mean([p is not None and p < 0.1 for p in found])
    assert 0.05 < float(rejected) < 0.22  # the value at risk varies a little: nearly right


def test_dynamic_quantile_names_the_columns_that_others_tell() -> None:
    profit = np.random.default_rng(1).normal(size=300)
    found = dynamic_quantile(profit, np.full(300, 1.6), 0.05)
    assert found.p_value is not None
    assert any("value at risk" in note and "left out" in note for note in found.notes)


def test_dynamic_quantile_without_violations_or_periods_is_unknown() -> None:
    assert "no violation" in (dynamic_quantile(np.ones(50), np.ones(50), 0.01).reason or "")
    assert "too few" in (dynamic_quantile(-np.ones(6), 0.5 * np.ones(6), 0.01).reason or "")


def test_forecasts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="shapes"):
        dynamic_quantile(np.ones(5), np.ones(4), 0.01)
    with pytest.raises(InvalidInput, match="period 1 holds nan"):
        dynamic_quantile(np.array([0.0, np.nan]), np.ones(2), 0.01)
    with pytest.raises(InvalidInput, match="a tail of 1"):
        kupiec(1, 10, 1.0)
    with pytest.raises(InvalidInput, match="11 violations in 10"):
        kupiec(11, 10, 0.01)
