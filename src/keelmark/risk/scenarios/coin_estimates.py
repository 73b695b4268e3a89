"""How a table of coins is estimated from past returns: deviations, freedoms, correlations.

Deviation: the sample's, by day. Freedom of each coin: maximum likelihood of a Student t with its
scale free, held between 3 and 30. The t copula: `statistics.fit_t_copula`.
"""

from dataclasses import dataclass

import numpy as np

from keelmark.risk.returns import Array, Returns
from keelmark.risk.statistics import fit_t_copula
from keelmark.risk.statistics.library import scipy_module

FREEDOM_MIN = 3.0
FREEDOM_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoinEstimates:
    """What a table holds.

    Attributes:
        coins: Names.
        deviations: Of a day's log change.
        errors: Standard errors of the deviations, by resampling days.
        freedoms: Degrees of freedom of each coin's own law.
        correlation: Of the t copula.
        freedom: Of the t copula.
        rows: Days it was estimated from.
    """

    coins: tuple[str, ...]
    deviations: Array
    errors: Array
    freedoms: Array
    correlation: Array
    freedom: float
    rows: int


def coin_estimates(returns: Returns) -> CoinEstimates:
    """Return the estimates of daily returns."""
    logs = returns.logs - returns.logs.mean(axis=0)
    deviations = logs.std(axis=0, ddof=1)
    generator = np.random.default_rng(1)
    drawn = logs[generator.integers(0, len(logs), (400, len(logs)))]
    copula = fit_t_copula(logs).copula
    return CoinEstimates(
        coins=returns.coins,
        deviations=deviations,
        errors=drawn.std(axis=1).std(axis=0),
        freedoms=np.array([freedom_of(own) for own in (logs / deviations).T]),
        correlation=copula.correlation,
        freedom=copula.nu,
        rows=len(logs),
    )


def freedom_of(shocks: Array) -> float:
    """Return the degrees of freedom of a Student t of free scale, by maximum likelihood."""
    stats, optimize = scipy_module("stats"), scipy_module("optimize")
    expit = scipy_module("special").expit
    size = float(np.std(shocks))

    def loss(point: Array) -> float:
        freedom = FREEDOM_MIN + (FREEDOM_MAX - FREEDOM_MIN) * expit(point[0])
        scale = size * np.exp(point[1]) * np.sqrt((freedom - 2.0) / freedom)
        return float(-np.sum(stats.t.logpdf(shocks / scale, freedom) - np.log(scale)))

    found = optimize.minimize(loss, np.array([-1.5, 0.0]), method="Nelder-Mead")
    return float(FREEDOM_MIN + (FREEDOM_MAX - FREEDOM_MIN) * expit(found.x[0]))
