"""Acerbi and Szekely's statistics, scores, comparisons and the monitor."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pytest
from arch.bootstrap import MCS
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests import (
    Told,
    confidence_set,
    critical_values,
    diebold_mariano,
    fz0,
    monitor,
    shortfall_tests,
    z1,
    z2,
    zmb,
)
from keelmark.risk.backtests.predictive import (
    CornishFisher,
    Empirical,
    Normal,
    Pareto,
    Predictive,
    Scaled,
    StudentT,
)
from keelmark.risk.backtests.scores import bootstrap_rows, long_run_variance

TAIL = 0.025


def told_by(model: Predictive, profit: np.ndarray, scale: float = 1.0) -> Told:
    ones = np.ones(len(profit)) * scale
    return Told(
        profit=profit,
        value_at_risk=model.value_at_risk(TAIL) * ones,
        shortfall=model.shortfall(TAIL) * ones,
        tail=TAIL,
    )


@lru_cache(maxsize=4)
def drawn_by(model: Predictive, count: int, seed: int = 1) -> np.ndarray:
    return model.quantiles(np.random.default_rng(seed).random(count))


@pytest.mark.parametrize(
    ("model", "risk", "mean"),
    [(Normal(), 2.326348, None), (StudentT(5.0), 2.6065, 3.4488)],
)
def test_value_at_risk_and_shortfall_at_one_per_cent(
    model: Predictive, risk: float, mean: float | None
) -> None:
    assert model.value_at_risk(0.01) == pytest.approx(risk, abs=1e-4)
    assert mean is None or model.shortfall(0.01) == pytest.approx(mean, abs=1e-4)


def test_shortfall_at_two_and_a_half_per_cent() -> None:
    assert Normal().shortfall(TAIL) == pytest.approx(2.337803, abs=1e-6)
    assert StudentT(5.0).shortfall(TAIL) == pytest.approx(2.7278, abs=1e-4)


@pytest.mark.parametrize(
    ("tail", "risk", "mean"),
    [(0.01, 0.049721, 0.079628), (0.005, 0.066697, 0.102262), (0.001, 0.119549, 0.172732)],
)
def test_peaks_over_a_threshold_are_the_published_figures(
    tail: float, risk: float, mean: float
) -> None:
    model = Pareto(threshold=0.02, share=0.05, shape=0.25, scale=0.015)
    assert model.value_at_risk(tail) == pytest.approx(risk, abs=1e-6)
    assert model.shortfall(tail) == pytest.approx(mean, abs=1e-6)


def test_a_tail_wider_than_the_modelled_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="wider than the share"):
        Pareto(threshold=0.02, share=0.05, shape=0.25, scale=0.015).value_at_risk(0.1)
    with pytest.raises(InvalidInput, match="no mean"):
        Pareto(threshold=0.02, share=0.05, shape=1.0, scale=0.015).shortfall(0.01)


MODELS = [
    Normal(),
    StudentT(3.5),
    Pareto(threshold=1.0, share=0.1, shape=0.2, scale=0.6),
    Pareto(threshold=1.0, share=0.1, shape=0.0, scale=0.6),
    CornishFisher(-0.3, 2.0),
    Scaled(StudentT(6.0), 0.03, -0.001),
    Empirical(np.random.default_rng(2).standard_t(4, 700)),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("tail", [0.01, 0.0333, 0.05])
def test_shortfall_is_the_mean_of_the_quantiles_of_the_tail(model: Predictive, tail: float) -> None:
    edges = np.linspace(0.0, 1.0, 400_001) ** 3  # fine where quantiles are far
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    mean = -float(np.sum(model.quantiles(tail * middles) * widths))
    assert model.shortfall(tail) == pytest.approx(mean, rel=2e-4)
    assert -model.quantiles(np.array([tail]))[0] == pytest.approx(model.value_at_risk(tail))


@pytest.mark.parametrize(
    ("model", "five", "rare"),
    [
        (Normal(), -0.70, -1.8),
        (StudentT(10.0), -0.71, None),
        (StudentT(5.0), -0.73, None),
        (StudentT(3.0), -0.81, -4.2),
    ],
)
def test_critical_values_of_z2_are_the_published_ones(
    model: Predictive, five: float, rare: float | None
) -> None:
    found = critical_values(model, periods=250, tail=TAIL, level=0.05, draws=200_000)
    assert found["Z2"] == pytest.approx(five, abs=0.02)
    if rare is not None:
        found = critical_values(model, periods=250, tail=TAIL, level=1e-4, draws=200_000)
        assert found["Z2"] == pytest.approx(rare, rel=0.12)  # twenty draws beyond it


def test_the_statistics_are_their_definitions() -> None:
    profit = np.array([0.5, -2.5, -1.0, -4.0])
    told = Told(
        profit=profit,
        value_at_risk=np.array([2.0, 2.0, 2.0, 3.0]),
        shortfall=np.array([3.0, 2.5, 3.0, 5.0]),
        tail=0.25,
    )
    assert z1(told).value == pytest.approx((-1.0 - 0.8) / 2 + 1)
    assert z2(told).value == pytest.approx(-1.0 - 0.8 + 1)
    parts = [1 / 3, (0.5 - 0.5 / 0.25) / 2.5, 1 / 3, (2.0 - 1.0 / 0.25) / 5.0]
    assert zmb(told).value == pytest.approx(np.mean(parts))


def test_the_first_is_unknown_without_a_violation() -> None:
    told = told_by(Normal(), np.zeros(50))
    found = shortfall_tests(told, [Normal()] * 50, seed=1, draws=200)
    assert found["Z1"].value is None
    assert "no violation" in (found["Z1"].reason or "")
    assert found["Z2"].value == 1.0
    assert found["Z2"].p_value == 1.0


def test_p_values_of_right_forecasts_are_even_and_of_small_ones_low() -> None:
    model = StudentT(4.0)
    p_values = []
    for seed in range(60):
        told = told_by(model, drawn_by(model, 250, seed))
        p_values.append(shortfall_tests(told, [model] * 250, seed=seed, draws=1000)["Z2"].p_value)
    even = np.array(p_values, dtype=np.float64)
    assert 0.35 < float(even.mean()) < 0.65
    small = told_by(model, drawn_by(model, 2000), scale=0.7)
    worse = shortfall_tests(small, [Scaled(model, 0.7)] * 2000, seed=1, draws=2000)
    for name in ("Z1", "Z2", "ZMB"):
        p_value = worse[name].p_value
        assert p_value is not None
        assert (p_value < 0.01) == (name != "Z1"), name  # shape is right: sizes given hits fit


def test_the_ridge_statistic_is_least_moved_by_a_wrong_value_at_risk() -> None:
    model = StudentT(5.0)
    profit = drawn_by(model, 400_000)
    right = told_by(model, profit)
    off = Told(
        profit=profit,
        value_at_risk=0.9 * right.value_at_risk,
        shortfall=right.shortfall,
        tail=TAIL,
    )
    moved = {f.__name__: (f(off).value or 0.0) - (f(right).value or 0.0) for f in (z1, z2, zmb)}
    assert abs(moved["zmb"]) < 0.05 * abs(moved["z2"])
    assert abs(moved["zmb"]) < 0.2 * abs(moved["z1"])


def test_the_score_at_the_truth_is_the_logarithm_of_the_shortfall() -> None:
    model = StudentT(5.0)
    profit = drawn_by(model, 1_000_000)
    assert np.log(model.shortfall(TAIL)) == pytest.approx(1.00350, abs=5e-6)
    scores = fz0(told_by(model, profit))
    error = float(scores.std() / np.sqrt(len(scores)))
    assert float(scores.mean()) == pytest.approx(1.00350, abs=4 * error)


@pytest.mark.parametrize("part", ["value_at_risk", "shortfall", "both"])
@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_a_forecast_a_tenth_off_scores_higher(part: str, scale: float) -> None:
    model = StudentT(5.0)
    profit = drawn_by(model, 1_000_000)
    right = told_by(model, profit)
    value_at_risk, shortfall = right.value_at_risk, right.shortfall
    off = Told(
        profit=profit,
        value_at_risk=value_at_risk * (1.0 if part == "shortfall" else scale),
        shortfall=shortfall * (1.0 if part == "value_at_risk" else scale),
        tail=TAIL,
    )
    rise = float(np.mean(fz0(off) - fz0(right)))
    assert 0.002 < rise < 0.022


@given(st.floats(0.01, 100.0), st.integers(0, 1000))
def test_the_unit_of_money_moves_every_score_alike(unit: float, seed: int) -> None:
    profit = np.random.default_rng(seed).normal(size=40)
    one, other = told_by(Normal(), profit), told_by(Normal(), profit, 1.3)
    plain = fz0(one) - fz0(other)
    in_units = [
        fz0(
            Told(
                profit=t.profit * unit,
                value_at_risk=t.value_at_risk * unit,
                shortfall=t.shortfall * unit,
                tail=TAIL,
            )
        )
        for t in (one, other)
    ]
    assert np.allclose(in_units[0] - in_units[1], plain, atol=1e-9)


def test_a_long_run_variance_without_lags_is_the_variance() -> None:
    series = np.random.default_rng(4).normal(size=500)
    assert long_run_variance(series, 0) == pytest.approx(series.var())
    weights = [1.0 - lag / 4.0 for lag in (1, 2, 3)]
    centred = series - series.mean()
    expected = series.var() + sum(
        2 * w * float(centred[lag:] @ centred[:-lag]) / 500
        for lag, w in zip((1, 2, 3), weights, strict=True)
    )
    assert long_run_variance(series, 3) == pytest.approx(expected)


def test_comparison_is_the_same_from_both_sides_and_unknown_without_variance() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=300), draw.normal(size=300) + 0.4
    there, back = diebold_mariano(one, other), diebold_mariano(other, one)
    assert there.value == pytest.approx(-(back.value or 0.0))
    assert there.p_value is not None
    assert there.p_value < 0.01
    assert there.p_value == pytest.approx(back.p_value or 0.0)
    assert "no variance" in (diebold_mariano(one, one).reason or "")
    assert "at least 20" in (diebold_mariano(one[:5], other[:5]).reason or "")


def scores_of(shifts: Mapping[str, float]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(8)
    shared = draw.normal(size=400)
    return {name: shared + 0.5 * draw.normal(size=400) + up for name, up in shifts.items()}


def test_the_confidence_set_is_that_of_an_oracle() -> None:
    scores = scores_of({"a": 0.0, "b": 0.02, "c": 0.06, "d": 0.35, "e": 0.5})
    ours = confidence_set(scores, seed=1, draws=2000)
    table = np.column_stack(list(scores.values()))
    oracle = MCS(table, size=0.1, reps=2000, block_size=7, method="R", seed=1)
    oracle.compute()
    names = list(scores)
    assert set(ours.kept) == {name for i, name in enumerate(names) if i in oracle.included}
    p_values = oracle.pvalues["Pvalue"]
    for row, name in enumerate(names):
        assert ours.p_values[name] == pytest.approx(float(p_values.loc[row]), abs=0.06)


def test_the_best_model_never_leaves_and_the_worst_does() -> None:
    found = confidence_set(scores_of({"good": 0.0, "bad": 1.0}), seed=3, draws=500)
    assert found.kept == ("good",)
    assert found.p_values["bad"] < 0.01
    with pytest.raises(InvalidInput, match="at least two"):
        confidence_set({"one": np.ones(50)}, seed=1)


def test_bootstrap_rows_come_in_blocks_and_wrap() -> None:
    rows = bootstrap_rows(100, 200, block=10, seed=2)
    follows = (rows[:, 1:] == (rows[:, :-1] + 1) % 100).mean()
    assert float(follows) == pytest.approx(0.9, abs=0.01)
    assert np.bincount(rows.ravel(), minlength=100).min() > 0


def test_wealth_against_right_forecasts_rarely_reaches_twenty() -> None:
    model = StudentT(5.0)
    reached = [
        monitor(told_by(model, drawn_by(model, 500, seed))).alarm(20.0) is not None
        for seed in range(400)
    ]
    assert float(np.mean(reached)) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_wealth_against_small_forecasts_raises_the_alarm() -> None:
    model = StudentT(5.0)
    alarms = [
        monitor(told_by(model, drawn_by(model, 1500, seed), scale=0.65)).alarm(20.0)
        for seed in range(20)
    ]
    assert sum(alarm is not None for alarm in alarms) >= 18


def test_what_is_bet_is_known_before() -> None:
    profit = drawn_by(StudentT(3.0), 300)
    changed = profit.copy()
    changed[200:] -= 5.0
    one, other = monitor(told_by(Normal(), profit)), monitor(told_by(Normal(), changed))
    assert np.array_equal(one.shares[:201], other.shares[:201])
    assert not np.array_equal(one.shares, other.shares)
    assert one.highest >= 1.0


def test_a_shortfall_below_the_value_at_risk_is_refused() -> None:
    with pytest.raises(InvalidInput, match="period 0: a shortfall of 1"):
        Told(profit=np.zeros(2), value_at_risk=2 * np.ones(2), shortfall=np.ones(2), tail=TAIL)


def test_cornish_fisher_bent_by_nothing_is_normal_and_too_far_is_refused() -> None:
    plain = CornishFisher(0.0, 0.0)
    assert plain.value_at_risk(TAIL) == pytest.approx(Normal().value_at_risk(TAIL))
    assert plain.shortfall(TAIL) == pytest.approx(Normal().shortfall(TAIL))
    with pytest.raises(InvalidInput, match="domain of Cornish-Fisher"):
        CornishFisher(0.0, 9.0)
    with pytest.raises(InvalidInput, match="domain of Cornish-Fisher"):
        CornishFisher(-2.0, 3.0)
