"""Variances and correlations fitted to fifteen coins, beside `arch` and a likelihood by numpy."""

import math
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from keelmark.lab.bench.timing import Stopwatch, timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.statistics import GarchFilter, equicorrelation, fit_dcc, fit_filter
from keelmark.risk.statistics.dcc import dcc_log_likelihood
from keelmark.risk.statistics.garch import GarchFit, GarchModel, Innovations, Mean
from keelmark.risk.statistics.series import Array

COINS, DAYS, SEED = 15, 2_000, 20251010
NU, RHO = 5.0, 0.6
TRUTH = GarchFit(
    model=GarchModel.GJR,
    innovations=Innovations.STUDENT_T,
    mean_kind=Mean.ZERO,
    mean=0.0,
    omega=2e-5,
    alpha=0.05,
    gamma=0.05,
    beta=0.89,
    nu=NU,
    log_likelihood=math.nan,
    observations=0,
    converged=False,
)
"""What the returns are drawn from."""
A, B = 0.03, 0.95
LESS_LIKELY = 0.01
"""How far below the fit of `arch` a log likelihood may lie."""


def fits_rows(size: Size) -> list[Row]:
    """Fit every coin alone and all together; no fit is less likely than that of `arch`."""
    days = size.times(DAYS, 200)
    returns = simulated(days)
    runs = size.times(7, 1)
    watch = timed(lambda: fit_filter(returns), runs)
    found = fit_filter(returns)
    warm = timed(lambda: fit_filter(returns, warm=found), runs)
    theirs = arch_seconds(returns, found)
    data = f"{COINS} coins of {days:,} days, drawn from a GJR-GARCH with t innovations"
    return [
        Row(
            name="garch_fit",
            what=f"GJR-GARCH with t innovations fitted to {COINS} coins by maximum likelihood",
            value=1e3 * watch.median,
            unit="ms",
            ratio=None if theirs is None else theirs / watch.median,
            against="`arch`, not installed here"
            if theirs is None
            else "`arch`, one coin at a time",
            timings=watch.timings(1e3),
            data=data,
            checked="no log likelihood lies 0.01 below that of `arch`" if theirs else "",
        ),
        Row(
            name="garch_refit",
            what="the same from the fits of the day before",
            value=1e3 * warm.median,
            unit="ms",
            timings=warm.timings(1e3),
            data=data,
        ),
        dcc_row(returns, found, runs),
    ]


def dcc_row(returns: Array, found: GarchFilter, runs: int) -> Row:
    """Measure a likelihood of dynamic correlations against its definition by numpy."""
    z = np.ascontiguousarray(returns / np.sqrt(found.variances(returns)[:-1]))
    with (whole := Stopwatch()):
        fit = fit_dcc(z)
    watch = timed(lambda: dcc_log_likelihood(z, A, B, fit.target), 10 * runs)
    slow, by_numpy = math.nan, Stopwatch()
    for _ in range(runs):
        with by_numpy:
            slow = plain_likelihood(z, A, B, fit.target)
    wrong = abs(dcc_log_likelihood(z, A, B, fit.target) - slow)
    require(wrong <= 1e-8 * abs(slow), "the likelihood by kernel and by numpy")
    return Row(
        name="dcc_likelihood",
        what=f"one likelihood of dynamic conditional correlations of {COINS} coins",
        value=1e3 * watch.median,
        unit="ms",
        ratio=by_numpy.median / watch.median,
        against="its definition by numpy, a day at a time",
        timings=watch.timings(1e3),
        data=f"{len(z):,} days of standardised returns",
        checked="the definition, to 1e-8",
        note=f"the whole fit takes {1e3 * whole.median:.0f} ms",
    )


def simulated(days: int) -> Array:
    """Draw returns of coins that move together, each by its own variance, (days, coins)."""
    draw = np.random.default_rng(SEED)
    root = np.linalg.cholesky(equicorrelation(COINS, RHO))
    common = np.sqrt((NU - 2.0) / draw.chisquare(NU, (days, 1)))
    z = draw.standard_normal((days, COINS)) @ root.T * common
    level = TRUTH.long_run_variance
    require(isinstance(level, float), "the level of the variance drawn from")
    variance, returns = np.full(COINS, level), np.empty((days, COINS))
    for day in range(days):
        returns[day] = np.sqrt(variance) * z[day]
        variance = TRUTH.step(variance, returns[day])
    return returns


def arch_seconds(returns: Array, found: GarchFilter) -> float | None:
    """Return how long `arch` takes for the same fits; `None` where it is not installed."""
    if find_spec("arch") is None:
        return None
    arch: Any = import_module("arch")
    watch = Stopwatch()
    likelihoods = []
    with watch:
        for column in returns.T:
            model = arch.arch_model(100.0 * column, mean="Zero", o=1, dist="t", rescale=False)
            likelihoods.append(model.fit(disp="off", show_warning=False).loglikelihood)
    theirs = np.array(likelihoods) + len(returns) * math.log(100.0)
    ours = np.array([fit.log_likelihood for fit in found.fits])
    require(ours >= theirs - LESS_LIKELY, "the likelihood of each fit, not below that of arch")
    return watch.total


def plain_likelihood(z: Array, a: float, b: float, target: Array) -> float:
    """Return the log likelihood of the second step as Engle (2002) writes it."""
    q, total = target, 0.0
    for row in z:
        deviation = np.sqrt(np.diagonal(q))
        matrix = q / np.outer(deviation, deviation)
        total += float(
            np.linalg.slogdet(matrix)[1] + row @ np.linalg.solve(matrix, row) - row @ row
        )
        q = (1.0 - a - b) * target + a * np.outer(row, row) + b * q
    return -0.5 * total
