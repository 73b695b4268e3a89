"""The models that are run against each other, by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput, nearest
from keelmark.risk.backtests.blocks import Block, Filtered
from keelmark.risk.backtests.predictive import (
    CornishFisher,
    Empirical,
    Normal,
    Pareto,
    Predictive,
    Scaled,
)
from keelmark.risk.backtests.statistic import Array
from keelmark.risk.backtests.t_copula import joint_draws, standard_t
from keelmark.risk.statistics import CornishFisher as MatchedLaw
from keelmark.risk.statistics import Unknown, fit_pot, fit_t_copula

Forecast = Predictive | InvalidInput
"""A distribution, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A way to forecast.

    Attributes:
        name: What it is called.
        words: What it does.
        forecast: One distribution, or a reason, for each forecast row of a block.
        coins_min: Of fewer coins it is another model of the list.
    """

    name: str
    words: str
    forecast: Callable[[Block], Sequence[Forecast]]
    coins_min: int = 1


def historical(block: Block) -> Sequence[Forecast]:
    """The profits of the window, equally likely."""
    return [Empirical(block.pool(block.profit, row)) for row in range(block.rows)]


def ewma_normal(block: Block) -> Sequence[Forecast]:
    """Normal with the EWMA variance of the portfolio, which is `w' S w` of an EWMA covariance."""
    return _scaled(block, block.ewma, Normal())


def ewma_residuals(block: Block) -> Sequence[Forecast]:
    """Residuals of the window times the EWMA deviation."""
    return _resampled(block, block.ewma)


def asymmetric_residuals(block: Block) -> Sequence[Forecast]:
    """Residuals of the window times the asymmetric EWMA deviation."""
    return _resampled(block, block.asymmetric_ewma)


def gjr_t(block: Block) -> Sequence[Forecast]:
    """The fitted t times the GJR-GARCH deviation."""
    return _scaled(block, block.gjr, standard_t(block.gjr.recursion.fits[0].nu))


def gjr_residuals(block: Block) -> Sequence[Forecast]:
    """Residuals of the window times the GJR-GARCH deviation."""
    return _resampled(block, block.gjr)


def pareto_tail(block: Block) -> Sequence[Forecast]:
    """A generalised Pareto tail of EWMA residuals of the window, fitted once a block."""
    tail = fit_pot(-block.ewma.residual[: block.window, 0])
    standard = Pareto(
        threshold=tail.threshold, share=tail.share, shape=tail.law.xi, scale=tail.law.beta
    )
    return _scaled(block, block.ewma, standard)


def cornish_fisher(block: Block) -> Sequence[Forecast]:
    """Normal bent to the moments of EWMA residuals of the window, matched once a block."""
    residual = block.ewma.residual[: block.window, 0]
    spread = float(residual.std())
    moments = [float(np.mean(((residual - residual.mean()) / spread) ** n)) for n in (3, 4)]
    law = MatchedLaw.matched(moments[0], moments[1] - 3.0)
    if isinstance(law, Unknown):
        msg = "no Cornish-Fisher expansion that rises has the moments of the residuals"
        raise InvalidInput(msg)
    bent = Scaled(CornishFisher(law.s, law.k), spread / law.deviation)
    return _scaled(block, block.ewma, bent)


def joint_residuals(block: Block) -> Sequence[Forecast]:
    """Joint residuals of all coins of the window, each coin times its EWMA deviation."""
    filtered = block.joint_ewma
    return [
        Empirical(block.profit_of(_possible(block.pool(filtered.residual, row) * deviation)))
        for row, deviation in enumerate(filtered.deviation[block.window :])
    ]


def copula_gjr_t(block: Block) -> Sequence[Forecast]:
    """GJR-GARCH-t coins joined by a t copula fitted once a block, drawn and revalued."""
    filtered = block.joint_gjr
    freedoms = np.array([fit.nu for fit in filtered.recursion.fits])
    fitted = fit_t_copula(filtered.residual[: block.window])
    draws = joint_draws(fitted.copula, freedoms, seed=block.seed)
    return [
        Empirical(block.profit_of(_possible(draws * deviation)))
        for deviation in filtered.deviation[block.window :]
    ]


def _resampled(block: Block, filtered: Filtered) -> Sequence[Forecast]:
    residual, deviation = filtered.residual[:, 0], filtered.deviation[:, 0]
    return [
        Scaled(Empirical(block.pool(residual, row)), float(deviation[block.window + row]))
        for row in range(block.rows)
    ]


def _scaled(block: Block, filtered: Filtered, standard: Predictive) -> Sequence[Forecast]:
    return [Scaled(standard, float(d)) for d in filtered.deviation[block.window :, 0]]


def _possible(moves: Array) -> Array:
    """Return moves no lower than what takes a price to nothing."""
    found: Array = np.maximum(moves, _WORST)
    return found


_WORST = -1.0 + 1e-9

_TABLE = (
    Model(name="historical", words="profits of the window", forecast=historical),
    Model(name="ewma-normal", words="RiskMetrics: EWMA, normal", forecast=ewma_normal),
    Model(
        name="cornish-fisher",
        words="EWMA, normal bent to skewness and kurtosis of residuals",
        forecast=cornish_fisher,
    ),
    Model(name="ewma-fhs", words="filtered historical, EWMA", forecast=ewma_residuals),
    Model(
        name="asymmetric-ewma-fhs",
        words="filtered historical, falls weigh more",
        forecast=asymmetric_residuals,
    ),
    Model(name="ewma-pot", words="EWMA, Pareto tail of residuals", forecast=pareto_tail),
    Model(name="gjr-t", words="GJR-GARCH with t innovations", forecast=gjr_t),
    Model(name="gjr-t-fhs", words="filtered historical, GJR-GARCH", forecast=gjr_residuals),
    Model(
        name="joint-ewma-fhs",
        words="filtered historical of all coins jointly, EWMA",
        forecast=joint_residuals,
        coins_min=2,
    ),
    Model(
        name="t-copula-gjr-t",
        words="GJR-GARCH-t coins in a t copula, drawn",
        forecast=copula_gjr_t,
        coins_min=2,
    ),
)
MODELS: Mapping[str, Model] = {model.name: model for model in _TABLE}


def models_named(names: Sequence[str] | None, coins: int) -> tuple[Model, ...]:
    """Return models by name; all that say something of so many coins where none is named.

    Raises:
        InvalidInput: A name nobody knows, or a joint model of one coin.
    """
    if names is None:
        return tuple(model for model in _TABLE if model.coins_min <= coins)
    for name in names:
        if name not in MODELS:
            msg = f"no model {name!r}; {nearest(name, MODELS)}"
            raise InvalidInput(msg)
        if MODELS[name].coins_min > coins:
            msg = f"{name} joins several coins and there is one; leave it out"
            raise InvalidInput(msg)
    return tuple(MODELS[name] for name in dict.fromkeys(names))
