"""Forecasts of every period from the periods before it, by several models on one schedule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.blocks import Block
from keelmark.risk.backtests.holding import Holding
from keelmark.risk.backtests.models import Forecast, Model
from keelmark.risk.backtests.statistic import Array, require_tail
from keelmark.risk.statistics import GarchFilter

WINDOW = 500
REFIT = 20
WINDOW_MIN = 100
ROWS_MIN = 20

Tell = Callable[[str, int, int], None]


def silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody how far the work is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When models are fitted and on what.

    Attributes:
        tails: Probabilities of a violation, one forecast each.
        window: Periods fitted on and kept as residuals.
        refit: Periods between fits; filters move every period.
        decay: Of exponentially weighted filters.
        seed: Of what models draw.
    """

    tails: tuple[float, ...] = (0.01, 0.025)
    window: int = WINDOW
    refit: int = REFIT
    decay: float = 0.94
    seed: int = 1

    def __post_init__(self) -> None:
        for tail in self.tails:
            require_tail(tail)
            if tail * self.window < 1.0:
                msg = (
                    f"a window of {self.window} periods has no value at risk at {tail:g}; take at "
                    f"least {int(np.ceil(1.0 / tail))}"
                )
                raise InvalidInput(msg)
        if not 0.0 < self.decay < 1.0:
            msg = f"a decay of {self.decay:g}; take one between 0 and 1, as 0.94"
            raise InvalidInput(msg)
        if self.window < WINDOW_MIN or self.refit < 1:
            msg = (
                f"a window of {self.window} periods fitted every {self.refit}; take at least "
                f"{WINDOW_MIN} and 1"
            )
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecasts:
    """One model's forecasts, rows as the periods forecast.

    Attributes:
        model: Which.
        predicted: A distribution each, or why there is none.
        value_at_risk: Shape (periods, tails), NaN where there is none.
        shortfall: As the value at risk.
    """

    model: Model
    predicted: Sequence[Forecast]
    value_at_risk: Array
    shortfall: Array

    @property
    def reasons(self) -> dict[str, int]:
        """Why forecasts are missing, and how many each."""
        told = [str(one) for one in self.predicted if isinstance(one, InvalidInput)]
        return {reason: told.count(reason) for reason in dict.fromkeys(told)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What every model said of every period, beside what came.

    Attributes:
        holding: What is held.
        schedule: When models were fitted.
        profit: Of the periods forecast.
        times: End of each, ms since 1970; `None` where the history does not tell.
        forecasts: By model, in the order asked.
    """

    holding: Holding
    schedule: Schedule
    profit: Array
    times: npt.NDArray[np.int64] | None
    forecasts: Mapping[str, Forecasts] = field(default_factory=dict)


def roll(
    holding: Holding,
    models: Sequence[Model],
    schedule: Schedule,
    *,
    rows: slice = slice(None),
    tell: Tell = silent,
) -> Run:
    """Return the forecasts of all models.

    Args:
        holding: What is held.
        models: Which ones.
        schedule: When they are fitted.
        rows: Periods to forecast, of the history's; those a window before cannot be.
        tell: Told how far it is.

    Raises:
        InvalidInput: Too little history, or a model cannot be fitted at all.
    """
    first, last, _ = rows.indices(len(holding.profit))
    first = max(first, schedule.window)
    if last - first < ROWS_MIN:
        msg = (
            f"{holding.returns.source}: {max(last - first, 0)} periods can be forecast after a "
            f"window of {schedule.window} of {len(holding.profit)}; at least {ROWS_MIN} are "
            f"needed: {_way_out(last, schedule)}"
        )
        raise InvalidInput(msg)
    predicted: dict[str, list[Forecast]] = {model.name: [] for model in models}
    fits: dict[str, GarchFilter] = {}
    for start in range(first, last, schedule.refit):
        block = _block(holding, schedule, start, min(start + schedule.refit, last), fits)
        for model in models:
            predicted[model.name] += _forecast(model, block)
        fits = {**fits, **block.fits}
        tell("forecasts", start - first + block.rows, last - first)
    times = holding.returns.times
    return Run(
        holding=holding,
        schedule=schedule,
        profit=holding.profit[first:last],
        times=None if times is None else times[first:last],
        forecasts={m.name: _measured(m, predicted[m.name], schedule.tails) for m in models},
    )


def window_for(before: int, tails: Sequence[float]) -> int:
    """Return how many periods to fit on of so many: as usual, or as few as the tails let."""
    least = max(WINDOW_MIN, *(ceil(round(1.0 / tail, 6)) for tail in tails))
    return min(max(before, least), WINDOW)


def _way_out(last: int, schedule: Schedule) -> str:
    """Say what to ask for instead."""
    window = window_for((last - ROWS_MIN) // 2, schedule.tails)
    if window + ROWS_MIN <= last and window < schedule.window:
        return f"take a shorter window (--window {window}) or shorter periods (--every)"
    return "take shorter periods (--every) or a longer history"


def _block(
    holding: Holding, schedule: Schedule, start: int, stop: int, fits: dict[str, GarchFilter]
) -> Block:
    begin = start - schedule.window
    return Block(
        profit=holding.profit[begin:stop],
        returns=holding.returns.values[begin:stop],
        profit_of=holding.profit_of,
        coins=holding.coins,
        window=schedule.window,
        decay=schedule.decay,
        seed=schedule.seed,
        before=fits,
    )


def _forecast(model: Model, block: Block) -> Sequence[Forecast]:
    """Return a model's forecasts of a block; a fit that is refused is the reason of each."""
    try:
        return model.forecast(block)
    except InvalidInput as refused:
        return [refused] * block.rows


def _measured(model: Model, predicted: list[Forecast], tails: tuple[float, ...]) -> Forecasts:
    """Return value at risk and shortfall of each distribution; one that refuses has none."""
    risk = np.full((len(predicted), len(tails)), np.nan)
    mean = np.full_like(risk, np.nan)
    told = list(predicted)
    for row, one in enumerate(predicted):
        if isinstance(one, InvalidInput):
            continue
        try:
            risk[row] = [one.value_at_risk(tail) for tail in tails]
            mean[row] = [one.shortfall(tail) for tail in tails]
            _require_loss(mean[row])
        except InvalidInput as refused:
            told[row] = refused
            risk[row] = mean[row] = np.nan
    return Forecasts(model=model, predicted=told, value_at_risk=risk, shortfall=mean)


def _require_loss(shortfalls: Array) -> None:
    """Refuse a distribution whose worst share is no loss: nothing is told of one.

    Raises:
        InvalidInput: As said.
    """
    if not bool(np.all(shortfalls > 0.0)):
        msg = "the worst periods of the window are no losses"
        raise InvalidInput(msg)
