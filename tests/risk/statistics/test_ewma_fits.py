"""Fitted decays and tilts against `arch`, against simulated series, and on recorded coins."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics import AsymmetricEwma, Innovations, fit_ewma
from keelmark.risk.statistics.ewma_fit import _loss
from keelmark.risk.statistics.filters import start_of
from keelmark.risk.statistics.series import Array


def simulated(decay: float, tilt: float, rows: int, columns: int, seed: int) -> Array:
    """Draw t returns whose variances follow the recursion."""
    draw = np.random.default_rng(seed)
    filter_ = AsymmetricEwma(decay=decay, tilt=tilt)
    z = draw.standard_t(8.0, (rows, columns)) * math.sqrt(6 / 8)
    variance, returns = np.ones((1, columns)), np.empty((rows, columns))
    for row in range(rows):
        returns[row] = np.sqrt(variance[0]) * z[row]
        variance = filter_.step(variance, returns[row : row + 1])
    return returns


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_decay_is_the_one_arch_finds(seed: int) -> None:
    univariate = pytest.importorskip("arch.univariate")
    returns = simulated(0.93, 0.0, 500, 1, seed)[:, 0]
    model = univariate.ZeroMean(returns, volatility=univariate.EWMAVariance(None), rescale=False)
    theirs = model.fit(disp="off")
    ours = fit_ewma(returns[:, None], Innovations.NORMAL, tilt=0.0)
    assert ours.converged
    assert ours.filter.decay == pytest.approx(float(theirs.params["lam"]), abs=1e-3)
    assert ours.log_likelihood == pytest.approx(theirs.loglikelihood, abs=1e-3)


def test_a_panel_of_simulated_series_gives_decay_and_tilt_back() -> None:
    fit = fit_ewma(simulated(0.92, 0.5, 400, 60, seed=4))
    assert fit.converged
    assert fit.filter.decay == pytest.approx(0.92, abs=0.01)
    assert fit.filter.tilt == pytest.approx(0.5, abs=0.1)
    assert fit.nu == pytest.approx(8.0, abs=1.5)


@pytest.mark.parametrize("tail", [0.0, 0.2])
def test_the_gradient_is_that_of_the_loss(tail: float) -> None:
    columns = list(simulated(0.9, 0.2, 300, 2, seed=5).T.copy())
    starts = [float(start_of(column[:, None], 2)[0]) for column in columns]
    point = np.array([0.9, 0.3, tail])
    slopes = _loss(point, columns, starts)[1]
    for place in range(3 if tail else 2):
        step = np.zeros(3)
        step[place] = 1e-6
        above, below = (_loss(point + sign * step, columns, starts)[0] for sign in (1, -1))
        assert slopes[place] == pytest.approx((above - below) / 2e-6, rel=1e-5, abs=1e-7)


def test_a_fit_does_not_mind_units_and_the_order_of_columns() -> None:
    returns = simulated(0.94, 0.1, 800, 3, seed=6)
    fit, other = fit_ewma(returns), fit_ewma(returns[:, [2, 0, 1]] * 0.01)
    assert other.filter.decay == pytest.approx(fit.filter.decay, abs=1e-4)
    assert other.filter.tilt == pytest.approx(fit.filter.tilt, abs=1e-3)
    assert other.log_likelihood == pytest.approx(fit.log_likelihood + 2_400 * math.log(100))


def test_a_variance_that_never_moves_is_at_the_edge() -> None:
    fit = fit_ewma(np.random.default_rng(7).standard_normal((4_000, 2)), Innovations.NORMAL)
    assert fit.filter.decay > 0.99
    few = fit_ewma(np.random.default_rng(8).standard_normal((400, 1)).repeat(2, axis=1) ** 3)
    assert few.observations == 400
    with pytest.raises(InvalidInput, match="50 observations, 100 are needed"):
        fit_ewma(np.random.default_rng(9).standard_normal((50, 2)))


def mean_score(returns: Array, tilt: float, side: int) -> float:
    """FZ0 at 2.5 % of an equally weighted book, filtered history one step ahead."""
    level, window = 0.025, min(1_000, len(returns) // 3)
    variance = AsymmetricEwma(tilt=tilt).variances(returns)
    z = returns / np.sqrt(variance[:-1])
    scores = []
    for row in range(window, len(returns)):
        book = np.sort(side * (z[row - window : row] * np.sqrt(variance[row])).mean(axis=1))
        count = int(level * window)
        v, e, y = book[count], book[:count].mean(), side * returns[row].mean()
        scores.append(-max(v - y, 0.0) / (level * e) + v / e + math.log(-e) - 1.0)
    return float(np.mean(scores))


def bars(name: str, every_ms: int) -> Array:
    """Log returns of every symbol of a recording at a coarser step."""
    pl = pytest.importorskip("polars")
    folder = Path(os.environ.get("KEELMARK_DATA", "../shared/data")) / "bars"
    if not (folder / name).exists():
        pytest.skip(f"no {name} under KEELMARK_DATA")
    frame = pl.read_parquet(folder / name).sort("ts_ms")
    frame = frame.with_columns((pl.col("ts_ms") // every_ms).alias("step"))
    last = frame.group_by("symbol", "step", maintain_order=True).agg(pl.col("close").last())
    wide = last.pivot(on="symbol", index="step", values="close").sort("step").drop("step")
    return np.diff(np.log(wide.drop_nulls().to_numpy()), axis=0)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("binance_usdm_5m_2025H2_majors.parquet", 1),
        ("okx_swap_5m_2022-05_12_luna_ftx.parquet", 4),
        ("binance_usdm_5m_2025-10_crash.parquet", 1),
    ],
)
def test_the_tilt_lowers_tail_scores_of_long_books_of_coins(name: str, hours: int) -> None:
    returns = bars(name, hours * 3_600_000)
    assert mean_score(returns, 0.25, side=1) < mean_score(returns, 0.0, side=1) - 1e-3
