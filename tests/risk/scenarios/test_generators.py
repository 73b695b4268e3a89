"""Scenario generators: past stretches, filtered history, parametric laws and copulas."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array, Returns
from keelmark.risk.scenarios.draws import (
    Copula,
    Draw,
    Empirical,
    Gaussian,
    Resampled,
    Student,
    StudentMarginals,
)
from keelmark.risk.scenarios.filtered import filtered, filtered_historical, volatility_scaled
from keelmark.risk.scenarios.historical import historical
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.scenarios.shards import SHARD_ROWS
from keelmark.risk.statistics import Ewma, root_of

CORRELATION = np.array([[1.0, 0.7], [0.7, 1.0]])


def history(rows: int = 600, seed: int = 3, *, stormy: bool = False) -> Returns:
    generator = np.random.default_rng(seed)
    z = generator.standard_normal((rows, 2)) @ root_of(CORRELATION).T
    scale = np.where(np.arange(rows) > rows - 60, 3.0, 1.0)[:, None] if stormy else 1.0
    return Returns(
        coins=("BTC", "ETH"),
        values=np.expm1(0.02 * z * scale),
        period="1 day",
        days=1.0,
        source="made up",
        times=86_400_000 * np.arange(1, rows + 1),
    )


def model(draw: Draw, deviation: float = 0.02) -> ReturnModel:
    return ReturnModel(
        coins=("BTC", "ETH"),
        variance=np.full(2, deviation**2),
        draw=draw,
        recursion=None,
        days=1.0,
        source="made up",
    )


def test_one_period_of_history_is_the_history() -> None:
    returns = history()
    found = historical(returns)
    assert found.returns.values == pytest.approx(returns.values, abs=1e-15)
    assert found.labels is not None
    assert found.labels[0] == "1970-01-02 00:00"


@given(rows=st.integers(1, 9), at=st.integers(0, 500))
def test_a_stretch_is_its_changes_compounded(rows: int, at: int) -> None:
    returns = history()
    found = historical(returns, rows=rows)
    assert len(found) == 601 - rows
    expected = np.prod(1.0 + returns.values[at : at + rows], axis=0) - 1.0
    assert found.returns.values[at] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.days == rows


def test_no_stretch_runs_over_a_gap() -> None:
    returns = history(30)
    assert returns.times is not None
    returns.times[10:] += 5 * 86_400_000
    assert len(historical(returns, rows=3)) == 8 + 18


def test_young_stretches_weigh_more_where_a_half_life_is_given() -> None:
    found = historical(history(100), half_life=10.0)
    assert found.weights is not None
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.weights[-1] / found.weights[-11] == pytest.approx(2.0)
    with pytest.raises(InvalidInput, match="a half-life of 0"):
        historical(history(100), half_life=0.0)
    with pytest.raises(InvalidInput, match="hold no two stretches of 200"):
        historical(history(100), rows=200)


def test_filtered_history_has_the_deviation_of_today() -> None:
    calm, stormy = (filtered(history(stormy=s)) for s in (False, True))
    assert np.sqrt(calm.variances[-1]) == pytest.approx(0.02, rel=0.25)
    assert np.sqrt(stormy.variances[-1]) == pytest.approx(0.06, rel=0.25)
    drawn = filtered_historical(stormy).scenarios(steps=1, count=40_000, seed=5)
    own = np.log1p(drawn.returns.values).std(axis=0)
    assert own == pytest.approx(
        np.sqrt(stormy.variances[-1]) * stormy.residuals.std(axis=0), rel=0.02
    )


def test_every_draw_of_filtered_history_is_a_past_row_scaled() -> None:
    found = filtered(history())
    drawn = filtered_historical(found).scenarios(steps=1, count=500, seed=6).returns.values
    shocks = np.log1p(drawn) / np.sqrt(found.variances[-1])
    gaps = np.abs(shocks[:, None, :] - found.residuals[None]).max(axis=2)
    assert gaps.min(axis=1).max() < 1e-9


def test_variances_follow_what_was_drawn() -> None:
    past = filtered(history(), Ewma(decay=0.8))
    law = filtered_historical(past)
    ((_, path),) = law.paths(steps=2, count=16_000, seed=7)
    first, second = np.log1p(path[0, :, 0]), np.log1p(path[1, :, 0]) - np.log1p(path[0, :, 0])
    is_large = np.abs(first) > np.quantile(np.abs(first), 0.9)
    assert second[is_large].std() > 1.2 * second[~is_large].std()
    still = Resampled(residuals=past.residuals)
    flat = ReturnModel(
        coins=law.coins,
        variance=law.variance,
        draw=still,
        recursion=None,
        days=1.0,
        source="flat",
    )
    ((_, path),) = flat.paths(steps=2, count=16_000, seed=7)
    second = np.log1p(path[1, :, 0]) - np.log1p(path[0, :, 0])
    assert second[is_large].std() == pytest.approx(second[~is_large].std(), rel=0.1)


def test_scaled_history_is_history_at_the_deviation_of_today() -> None:
    past = filtered(history(stormy=True))
    scaled = volatility_scaled(past, rows=1).returns.values
    plain = past.returns.values
    ratio = np.log1p(scaled[100]) / np.log1p(plain[100])
    assert ratio == pytest.approx(np.sqrt(past.variances[-1] / past.variances[100]))


def test_a_peg_is_not_scaled_by_its_calm() -> None:
    base = history()
    peg = np.full(len(base.values), 1e-5) * np.where(np.arange(len(base.values)) % 2, 1, -1)
    peg[300] = -0.05
    wide = replace(base, coins=(*base.coins, "USDE"), values=np.column_stack([base.values, peg]))
    plain = filtered_historical(filtered(wide)).scenarios(steps=10, count=8_000, seed=1)
    found = filtered(wide, pegs=["USDE"])
    assert "USDE: shocks of a peg are drawn as they were" in found.returns.notes[-1]
    drawn = filtered_historical(found).scenarios(steps=10, count=8_000, seed=1)
    worst = drawn.returns.column("USDE")
    assert worst is not None
    assert np.expm1(np.log1p(worst)).min() > -0.16  # at most three such days of ten are drawn
    assert (worst < -0.04).mean() == pytest.approx(10 / 600, rel=0.3)
    assert drawn.returns.values[:, 0] == pytest.approx(plain.returns.values[:, 0])


def test_a_short_or_still_history_is_refused() -> None:
    with pytest.raises(InvalidInput, match="60 changes of 1 day; a filter takes 100"):
        filtered(history(60))
    still = history()
    still.values[:, 1] = 0.0
    with pytest.raises(InvalidInput, match="ETH never moves"):
        filtered(still)


@pytest.mark.parametrize(
    "draw",
    [
        Gaussian(correlation=CORRELATION),
        Student(correlation=CORRELATION, freedom=8.0),
        Copula(
            correlation=CORRELATION,
            freedom=5.0,
            marginal=StudentMarginals(freedom=np.array([5.0, 9.0])),
        ),
    ],
    ids=lambda draw: type(draw).__name__,
)
def test_drawn_laws_have_the_deviation_and_correlation_they_are_given(draw: Draw) -> None:
    values = np.log1p(model(draw).scenarios(steps=1, count=60_000, seed=8).returns.values)
    assert values.std(axis=0) == pytest.approx(0.02, rel=0.03)
    assert np.corrcoef(values.T)[0, 1] == pytest.approx(0.7, abs=0.03)


def test_a_t_copula_falls_together_as_its_closed_form_says() -> None:
    # lower tail dependence of nu 4, rho 0.8 is 0.4896; at finite levels it is a little above
    draw = Copula(
        correlation=np.array([[1.0, 0.8], [0.8, 1.0]]),
        freedom=4.0,
        marginal=StudentMarginals(freedom=np.array([4.0, 4.0])),
    )
    values = draw.shocks(np.random.default_rng(9), 400_000)
    low = values < np.quantile(values, 0.002, axis=0)
    assert (low.all(axis=1).sum() / low[:, 0].sum()) == pytest.approx(0.4896, abs=0.05)


def test_empirical_marginals_never_go_beyond_the_worst_seen() -> None:
    past = filtered(history())
    draw = Copula(
        correlation=CORRELATION,
        freedom=4.0,
        marginal=Empirical(sorted_shocks=np.sort(past.residuals, axis=0)),
    )
    values = draw.shocks(np.random.default_rng(10), 20_000)
    assert np.all(values.min(axis=0) >= past.residuals.min(axis=0))
    assert np.quantile(values, 0.3, axis=0) == pytest.approx(
        np.quantile(past.residuals, 0.3, axis=0), abs=0.03
    )


def test_a_seed_and_its_shards_tell_every_number() -> None:
    law = filtered_historical(filtered(history()))
    count = SHARD_ROWS + 100
    one, two = (law.scenarios(steps=3, count=count, seed=11).returns.values for _ in range(2))
    assert np.array_equal(one, two)
    shorter = law.scenarios(steps=3, count=SHARD_ROWS, seed=11).returns.values
    assert np.array_equal(one[:SHARD_ROWS], shorter)
    assert not np.array_equal(one, law.scenarios(steps=3, count=count, seed=12).returns.values)


@settings(max_examples=20)
@given(steps=st.integers(1, 6), count=st.integers(1, 300))
def test_paths_end_where_scenarios_are(steps: int, count: int) -> None:
    law = model(Student(correlation=CORRELATION, freedom=2.2), deviation=3.0)
    ends: Array = law.scenarios(steps=steps, count=count, seed=13).returns.values
    ((rows, path),) = law.paths(steps=steps, count=count, seed=13)
    assert rows == slice(0, count)
    assert np.array_equal(path[-1], ends)
    assert np.all(path > -1.0)
    assert np.isfinite(path).all()


def test_a_horizon_is_a_whole_number_of_steps() -> None:
    law = model(Gaussian(correlation=CORRELATION))
    assert law.steps_of(7.0) == 7
    with pytest.raises(InvalidInput, match="no whole number of steps of 1 days"):
        law.steps_of(0.5)
