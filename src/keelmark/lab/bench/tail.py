"""VaR and ES of fifteen positions by filtered history, against the same in plain numpy."""

from dataclasses import replace

import numpy as np

from keelmark.accounts import Account
from keelmark.lab.bench.rescue import account_of
from keelmark.lab.bench.timing import Stopwatch, timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.returns import Array, Returns
from keelmark.risk.scenarios.filtered import filtered, filtered_historical
from keelmark.risk.scenarios.shards import shards_of
from keelmark.risk.statistics import fit_filter
from keelmark.risk.tail.book import RiskBook
from keelmark.risk.tail.contributions import contributions
from keelmark.risk.tail.measures import TailRisk, tail_risk

SEED = 20251010
COINS = 15
ROWS = 2_000
PATHS = 50_000
LEVEL = 0.99
DAYS = 10
DATA = f"{COINS} linear positions, {ROWS:,} daily changes drawn from a t of five, {PATHS:,} paths"


def tail_rows(size: Size) -> list[Row]:
    """Measure VaR and ES with their parts; the plain way finds the same from the same draws."""
    paths = size.times(PATHS, 2_000)
    ready = RiskBook.of(_account())
    returns = _history(ready.coins)
    slopes = ready.slopes(ready.coins)
    by_numpy, plain = Stopwatch(cold=1), (0.0, 0.0)
    for _ in range(size.times(5, 1) + 1):
        with by_numpy:
            plain = plain_figures(returns, slopes, paths)
    found = figures(ready, returns, 1, paths)
    near = np.array([found.var - plain[0], found.es - plain[1]])
    require(np.abs(near) <= 1e-6 * found.es, "VaR and ES by both ways")
    day = timed(lambda: figures(ready, returns, 1, paths), size.times(9, 2))
    days = timed(lambda: figures(ready, returns, DAYS, paths), size.times(5, 2))
    fit = timed(lambda: fit_filter(returns.logs - returns.logs.mean(axis=0)), size.times(3, 1))
    return [
        Row(
            name="tail_fhs",
            what="filter, draw, revalue, VaR, ES and Euler's parts by filtered history, one day",
            value=day.median,
            unit="s",
            bar=size.bar("<=", 1, units=None),
            ratio=by_numpy.median / day.median,
            against="numpy: a row of the filter at a time, slopes times returns, no parts",
            timings=day.timings(1.0),
            data=DATA,
            checked="VaR and ES of the plain way from the same draws; the parts sum to the ES",
        ),
        Row(
            name="tail_fhs_days",
            what=f"the same over {DAYS} days, variances following every draw",
            value=days.median,
            unit="s",
            timings=days.timings(1.0),
            data=DATA,
            checked="",
        ),
        Row(
            name="tail_fit",
            what="maximum likelihood of GJR-GARCH with t innovations, every coin",
            value=fit.median,
            unit="s",
            timings=fit.timings(1.0),
            data=f"{COINS} series of {ROWS:,}",
            checked="",
        ),
    ]


def figures(ready: RiskBook, returns: Returns, days: int, paths: int) -> TailRisk:
    """Return VaR and ES by filtered history, with their parts worked out."""
    law = filtered_historical(filtered(returns))
    legs = ready.leg_pnl(law.scenarios(steps=days, count=paths, seed=SEED))
    found = tail_risk(legs.sum(axis=1), LEVEL)
    parts = contributions(legs, ready.legs, LEVEL)
    require(abs(parts.es.sum() - found.es) <= 1e-6 * found.es, "the parts of the ES")
    return found


def plain_figures(returns: Returns, slopes: Array, paths: int) -> tuple[float, float]:
    """Return VaR and ES of linear positions in numpy, from the draws of the same seed."""
    logs = returns.logs - returns.logs.mean(axis=0)
    decay, tilt = 0.94, 0.25
    weights = decay ** np.arange(75)
    variance = (weights / weights.sum()) @ logs[:75] ** 2
    shocks = np.empty_like(logs)
    for row, change in enumerate(logs):
        shocks[row] = change / np.sqrt(variance)
        side = np.where(change < 0.0, 1.0 + tilt, 1.0 - tilt)
        variance = decay * variance + (1.0 - decay) * side * change**2
    pnl = np.empty(paths)
    for generator, rows in shards_of(SEED, paths):
        drawn = shocks[generator.integers(0, len(shocks), rows.stop - rows.start)]
        pnl[rows] = np.expm1(np.sqrt(variance) * drawn) @ slopes
    losses = np.sort(-pnl)
    beyond = losses[int(np.ceil(LEVEL * paths)) - 1 :]
    share = len(beyond) - 1 - (1.0 - LEVEL) * paths
    es = float((beyond[1:].sum() - share * beyond[0]) / ((1.0 - LEVEL) * paths))
    return float(beyond[0]), es


def _account() -> Account:
    """Return fifteen of the twenty positions that rescues are measured on."""
    whole = account_of(0)
    unit = replace(whole.units[0], positions=whole.units[0].positions[:COINS])
    return replace(whole, units=(unit,))


def _history(coins: tuple[str, ...]) -> Returns:
    """Return changes that cluster a little and fall together."""
    draw = np.random.default_rng(SEED)
    common, own = draw.standard_t(5, (ROWS, 1)), draw.standard_t(5, (ROWS, len(coins)))
    calm = np.exp(0.5 * np.sin(np.arange(ROWS) / 60.0))[:, None]
    values = np.expm1(0.02 * calm * (0.8 * common + 0.6 * own))
    return Returns(coins=coins, values=values, period="1 day", days=1.0, source="drawn")
