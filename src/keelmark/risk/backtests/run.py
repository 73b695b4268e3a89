"""The whole of a backtest in one call."""

from collections.abc import Sequence

from keelmark.risk.backtests.holding import Holding
from keelmark.risk.backtests.judged import Backtest, judge
from keelmark.risk.backtests.models import models_named
from keelmark.risk.backtests.rolling import Schedule, Tell, roll, silent

DEFAULT = Schedule()


def backtest(
    holding: Holding,
    models: Sequence[str] | None = None,
    schedule: Schedule = DEFAULT,
    *,
    rows: slice = slice(None),
    tell: Tell = silent,
) -> Backtest:
    """Forecast the losses of every period from those before, and test the forecasts.

    Args:
        holding: What is held: `of_weights` or `of_account`.
        models: Names; all that say something of so many coins where none is given, without joint
            ones where valuing what is held is slow.
        schedule: When they are fitted and on what.
        rows: Periods to forecast, of the history's.
        tell: Told how far it is.

    Raises:
        InvalidInput: A name nobody knows, or too little history.
    """
    coins = len(holding.coins) if models is not None or holding.slow is None else 1
    chosen = models_named(models, coins)
    return judge(roll(holding, chosen, schedule, rows=rows, tell=tell), tell=tell)
