"""A backtest of every model of one coin, against filtered historical simulation by plain numpy."""

import numpy as np

from keelmark.lab.bench.timing import timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.backtests import MODELS, Holding, Schedule, judge, models_named, of_weights, roll
from keelmark.risk.backtests.statistic import Array
from keelmark.risk.returns import Returns

SEED = 20251010
FORECASTS = 1_500
PLAIN = Schedule(refit=1)
START_ROWS, START_DECAY = 75, 0.94


def backtest_rows(size: Size) -> list[Row]:
    """Forecast and judge; the filtered historical one is compared period by period."""
    count = size.times(FORECASTS, 40)
    held = holding(count)
    schedule = Schedule()
    models = models_named(None, 1)
    whole = timed(lambda: roll(held, models, schedule), size.times(5, 1))
    run = roll(held, models, schedule)
    judged = timed(lambda: judge(run), size.times(3, 1))
    one = [MODELS["ewma-fhs"]]
    filtered = timed(lambda: roll(held, one, PLAIN), size.times(5, 1))
    told = roll(held, one, PLAIN).forecasts["ewma-fhs"].value_at_risk[:, 0]
    plain = numpy_forecasts(held.profit, PLAIN)
    require(np.allclose(told, plain, rtol=1e-9), "forecasts by kernel and by numpy")
    by_numpy = timed(lambda: numpy_forecasts(held.profit, PLAIN), size.times(3, 1))
    data = f"{count:,} periods of one coin, volatility in spells, t of 4; window {schedule.window}"
    checked = "the filtered historical model against numpy, every period"
    return [
        Row(
            name="backtest",
            what=f"{count:,} forecasts of {len(models)} models, refitted every {schedule.refit}",
            value=whole.median,
            unit="s",
            bar=size.bar("<=", 5.0, units=None),
            timings=whole.timings(1.0),
            data=data,
            checked=checked,
        ),
        Row(
            name="backtest_fhs",
            what="the same by filtered historical simulation alone, its filter anew every period",
            value=filtered.median,
            unit="s",
            ratio=by_numpy.median / filtered.median,
            against="numpy: the recursion and the quantile of every period from its window",
            timings=filtered.timings(1.0),
            data=data,
            checked=checked,
        ),
        Row(
            name="backtest_tests",
            what="every test, score and comparison of those forecasts, 2,000 histories a p-value",
            value=judged.median,
            unit="s",
            timings=judged.timings(1.0),
            data=data,
            checked=checked,
        ),
    ]


def holding(count: int) -> Holding:
    """Return one coin with a window before `count` periods."""
    draw = np.random.default_rng(SEED)
    rows = count + Schedule().window
    spells = 0.02 * np.exp(0.5 * np.sin(np.arange(rows) / 40.0))
    moves = np.clip(spells * draw.standard_t(4, rows), -0.9, None)[:, None]
    returns = Returns(coins=("BTC",), values=moves, period="1 day", days=1.0, source="drawn")
    return of_weights(returns, {"BTC": 1.0})


def numpy_forecasts(profit: Array, schedule: Schedule) -> Array:
    """Return the value at risk of each period after the window, written out."""
    tail, window, decay = schedule.tails[0], schedule.window, schedule.decay
    place = int(np.ceil(tail * window - 1e-9)) - 1
    weights = START_DECAY ** np.arange(START_ROWS)
    weights /= weights.sum()
    found = np.empty(len(profit) - window)
    for row in range(len(found)):
        past = profit[row : row + window]
        variance = np.empty(window + 1)
        variance[0] = weights @ past[:START_ROWS] ** 2
        for at, move in enumerate(past.tolist()):
            variance[at + 1] = decay * variance[at] + (1.0 - decay) * move * move
        residual = np.sort(past / np.sqrt(variance[:-1]))
        found[row] = -residual[place] * np.sqrt(variance[-1])
    return found
