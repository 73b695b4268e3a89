"""Risk-constrained Kelly of several positions against plain gradient ascent, and a whole report."""

import numpy as np

from keelmark.lab.bench.rescue import account_of
from keelmark.lab.bench.timing import Stopwatch, timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.returns import Array, Returns
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.risk_report import ReportOptions, risk_report
from keelmark.risk.sizing.empirical import FallLimit, Outcomes
from keelmark.risk.sizing.several import kelly_sizes
from keelmark.risk.tail.account_risk import RiskOptions

SEED = 20251010
POSITIONS = 10
OUTCOMES = 20_000
LIMIT = FallLimit(part=0.7, probability=0.1)
NEAR = 1e-5
"""Growth a period by which both ways may differ."""

STEP = 2.0
ASCENTS = 400
HALVINGS = 12
DAYS = 500


def sizing_rows(size: Size) -> list[Row]:
    """Measure sizes within a limit of falls, and the risk report of twenty positions."""
    count = size.times(OUTCOMES, 2_000)
    outcomes = _outcomes(count)
    found = kelly_sizes(outcomes, limit=LIMIT, smallest=0.0)
    by_numpy, plain = Stopwatch(cold=0), 0.0
    with by_numpy:
        plain = plain_growth(outcomes)
    require(abs(found.growth - plain) <= NEAR, "growth by both ways")
    require(found.gap <= NEAR, "the bound on what could be better")
    solved = timed(lambda: kelly_sizes(outcomes, limit=LIMIT, smallest=0.0), size.times(9, 2))
    days = tuple(sorted({1.0, float(size.times(30, 1))}))
    written = timed(lambda: _page(size.times(50_000, 1_000), days), size.times(2, 1))
    return [
        Row(
            name="sizing_constrained",
            what="risk-constrained Kelly of ten positions, with a bound on what could be better",
            value=1e3 * solved.median,
            unit="ms",
            ratio=by_numpy.median / solved.median,
            against="numpy: gradient ascent of the Lagrangian, its price by bisection, no bound",
            timings=solved.timings(1e3),
            data=f"{POSITIONS} positions, {count:,} joint outcomes of a t of five",
            checked="growth of the plain way; the bound is below a hundred-thousandth",
        ),
        Row(
            name="risk_report",
            what="the whole risk report of one account, from history to HTML",
            value=written.median,
            unit="s",
            timings=written.timings(1.0),
            data="20 linear positions, 500 days, 50,000 paths",
            checked="",
        ),
    ]


def plain_growth(outcomes: Outcomes) -> float:
    """Return the growth of the sizes that steps up the Lagrangian lead to."""
    gains = outcomes.returns
    low, high = 0.0, 1.0
    best = 0.0
    for _ in range(HALVINGS):
        price = (low + high) / 2.0
        sizes = np.zeros(gains.shape[1])
        for _ in range(ASCENTS):
            sizes = np.maximum(0.0, sizes + STEP * _slope(gains, sizes, price))
        if outcomes.fall(sizes, LIMIT.exponent) > 0.0:
            low = price
        else:
            high, best = price, max(best, outcomes.growth(sizes))
    return best


def _slope(gains: Array, sizes: Array, price: float) -> Array:
    """Return the slope of growth less `price` times the limit."""
    wealth = 1.0 + gains @ sizes
    shares = wealth**-LIMIT.exponent
    lean = LIMIT.exponent * ((shares / wealth) @ gains) / shares.sum()
    found: Array = (1.0 / wealth) @ gains / len(gains) + price * lean
    return found


def _outcomes(count: int) -> Outcomes:
    draw = np.random.default_rng([SEED, 1])
    common = draw.standard_t(5, (count, 1)) * 0.02
    own = draw.standard_t(5, (count, POSITIONS)) * 0.02
    drift = np.linspace(0.0005, 0.003, POSITIONS)
    return Outcomes.of(np.maximum(common + own + drift, -0.95))


def _page(paths: int, days: tuple[float, ...]) -> str:
    account = account_of(1)
    coins = UnitValuer.of(account, account.units[0]).coins
    draw = np.random.default_rng([SEED, 2])
    moves = draw.standard_t(5, (DAYS, 1)) * 0.02 + draw.normal(0.0, 0.02, (DAYS, len(coins)))
    returns = Returns(
        coins=coins, values=np.maximum(moves, -0.9), period="a day", days=1.0, source="drawn days"
    )
    asked = ReportOptions(horizons=days, risk=RiskOptions(paths=paths))
    return risk_report(account, returns, asked)
