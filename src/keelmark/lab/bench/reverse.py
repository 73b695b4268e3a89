"""The least unusual liquidating move of twenty positions, against sequential quadratic programs."""

import numpy as np

from keelmark.lab.bench.rescue import DATA, account_of
from keelmark.lab.bench.revaluation import numpy_excess
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.returns import Returns
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.revaluation.tables import Floats
from keelmark.risk.reverse import find_reverse_stress
from keelmark.risk.statistics.library import scipy_module

SEED = 20251010
DAYS = 500
COMMON = 0.7
"""Correlation of any two coins."""

DAILY = 0.045
CLOSE = 1e-6


def reverse_rows(size: Size) -> list[Row]:
    """Find the move of several accounts, with its proof and every sensitivity, and by SLSQP."""
    watch, plain = Stopwatch(cold=1), Stopwatch(cold=1)
    proved = nearer = 0
    count = size.times(10, 1)
    for number in (0, *range(count)):
        account = account_of(number)
        valuer = UnitValuer.of(account, account.units[0])
        past = returns_of(valuer.coins, number)
        with watch:
            found = find_reverse_stress(account, past)
        require(found.distance is not None, "a move that liquidates")
        with plain:
            other = by_slsqp(valuer, past.covariance_of(valuer.coins))
        if found.distance is not None:
            require(found.distance <= other * (1 + CLOSE), "no move of SLSQP is nearer")
            nearer += found.distance < other * (1 - CLOSE)
            proved += found.is_proved
    return [
        Row(
            name="reverse_stress",
            what="the least unusual liquidating move of 20 positions, its bound, sensitivities",
            value=1e3 * watch.median,
            unit="ms",
            bar=size.bar("<=", 20, units=None),
            ratio=plain.median / watch.median,
            against="scipy's SLSQP on the excess by numpy, the move alone: no bound, no core",
            timings=watch.timings(1e3),
            data=f"{DATA}; daily returns of {DAILY:.1%}, correlations of {COMMON}",
            checked="on the trigger by core; no move of SLSQP nearer",
            note=f"{proved} of {count + 1} proved the nearest; SLSQP ended farther in {nearer}",
        )
    ]


def returns_of(coins: tuple[str, ...], seed: int) -> Returns:
    """Return seeded daily returns of coins that move together."""
    draw = np.random.default_rng([SEED, seed])
    common = draw.standard_normal((DAYS, 1))
    own = draw.standard_normal((DAYS, len(coins)))
    values = DAILY * (np.sqrt(COMMON) * common + np.sqrt(1.0 - COMMON) * own)
    return Returns(
        coins=coins, values=np.expm1(values), period="1 day", days=1.0, source="seeded returns"
    )


def by_slsqp(valuer: UnitValuer, covariance: Floats) -> float:
    """Return the least distance that scipy finds: `x' S^-1 x` on an excess of nothing."""
    optimize = scipy_module("optimize")
    root = np.linalg.cholesky(covariance)

    def excess(point: Floats) -> float:
        return float(numpy_excess(valuer, (root @ point)[None, :])[0])

    start = excess(np.zeros(len(covariance)))
    found = optimize.minimize(
        lambda u: float(u @ u),
        np.zeros(len(covariance)),
        constraints=[{"type": "eq", "fun": lambda u: excess(u) / start}],
        method="SLSQP",
    )
    return float(np.sqrt(found.fun)) if found.success else np.inf
