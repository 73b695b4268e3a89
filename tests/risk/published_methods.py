"""Published figures of the risk methods, beside what the public functions give now.

Figures are grouped as the literature gives them; each has a tolerance and the source it is of. The
page `docs/methods.md` is written from this list, and a test holds every row to its tolerance.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

from keelmark.market.impact import LinearDensity, exponential_memory
from keelmark.risk.backtests.coverage import Transitions, accepted_counts, independence, kupiec
from keelmark.risk.backtests.lights import traffic_light
from keelmark.risk.backtests.predictive import Normal, Predictive, StudentT
from keelmark.risk.backtests.shortfall import critical_values
from keelmark.risk.liquidation.barriers import (
    funding_drift,
    leverage_probability,
    linear_barrier,
)
from keelmark.risk.liquidation.monitored import (
    SHIFT,
    met_at_looks,
    met_at_looks_shifted,
    survivors,
)
from keelmark.risk.liquidation.normal import cumulative
from keelmark.risk.liquidation.one_barrier import Walk, distance_to, met_by, met_ever
from keelmark.risk.sizing.empirical import FallLimit, Outcomes, kelly_size
from keelmark.risk.sizing.kelly import Drift, fall_probability
from keelmark.risk.sizing.liquidation_leverage import (
    Bound,
    largest_leverage,
    largest_leverage_without_drift,
)
from keelmark.risk.statistics.copula import tail_dependence
from keelmark.risk.statistics.garch import GarchModel, Innovations, Mean
from keelmark.risk.statistics.garch_fit import fit_garch
from keelmark.risk.statistics.pareto import pot_figures
from keelmark.risk.statistics.tail_figures import normal_tail, student_tail

WEEK = 7 / 365
WALK = Walk.of_price(0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Figures of one source.

    Attributes:
        title: What they are of.
        source: Where they are published.
        tolerance: Largest absolute difference.
        rows: Name, published figure, ours.
        note: What a reader should know beside them.
    """

    title: str
    source: str
    tolerance: float
    rows: tuple[tuple[str, float, float], ...]
    note: str = ""


def one_barrier() -> Group:
    """Return the closed forms of one barrier."""
    ever = met_ever(Walk.of_price(0.6, growth=0.5), log(0.7))
    return Group(
        title="Probability of meeting one barrier",
        source="Karatzas, Shreve (3.5.C)",
        tolerance=1e-9,
        rows=(
            ("S 100, B 90, v 80 %, a week", 0.3597960480166813, met_by(WALK, log(0.9), WEEK)),
            ("S 1, B 0.7, growth 50 %, v 60 %, ever", 0.5304185914, ever),
        ),
    )


def funding() -> Group:
    """Return what funding adds to the probability of a long's liquidation."""
    barrier = linear_barrier(1.0, 100.0, 12.0, 0.01) or 0.0
    distance = distance_to(100.0, barrier)
    growth = funding_drift(100.0, 0.0003 * 3 * 365, barrier, 0.01)
    moved = met_by(Walk(0.8, WALK.drift - growth), distance, WEEK)
    return Group(
        title="A long of 1 at 100 with 12 of equity, maintenance 1 %, a week",
        source="closed form with an exponential barrier; simulated on a linear one 0.32566",
        tolerance=5e-7,
        rows=(
            ("no funding", 0.304917, met_by(WALK, distance, WEEK)),
            ("funding 0.03 % each 8 h", 0.325594, moved),
        ),
    )


def rare() -> Group:
    """Return a rare barrier's probability."""
    found = met_by(WALK, log(0.6), WEEK)
    return Group(
        title="A rare barrier",
        source="closed form; the simulation of it is in the benchmark `liquidation_probability`",
        tolerance=5e-11,
        rows=(("S 1, B 0.6, v 80 %, a week", 5.1701e-06, found),),
    )


def monitored() -> Group:
    """Return barriers that are looked at at times."""
    exact = {7: 0.266432, 50: 0.320186, 168: 0.337488}
    moved = {7: 0.257474, 50: 0.318911, 168: 0.337108}
    rows = [
        (f"{looks} looks", told, met_at_looks(WALK, log(0.9), WEEK, looks))
        for looks, told in exact.items()
    ]
    rows += [
        (f"{looks} looks, shifted", told, met_at_looks_shifted(WALK, log(0.9), WEEK, looks))
        for looks, told in moved.items()
    ]
    return Group(
        title="The barrier of 90 looked at a few times in a week",
        source="quadrature; shift of Broadie, Glasserman, Kou (1997)",
        tolerance=1e-5,
        rows=tuple(rows),
    )


def down_and_out(barrier: float) -> float:
    """Return Merton's price of the option in the paper of Broadie, Glasserman and Kou."""
    spread, power = 0.3 * sqrt(0.2), (0.1 + 0.045) / 0.09

    def parts(top: float) -> tuple[float, float]:
        high = log(top / 100.0) / spread + power * spread
        return cumulative(high), exp(-0.02) * cumulative(high - spread)

    plain, image = parts(100.0), parts(barrier**2 / 100.0)
    share = barrier / 100.0
    vanilla = 100.0 * (plain[0] - plain[1])
    wide, narrow = share ** (2 * power), share ** (2 * power - 2)
    return float(vanilla - 100.0 * (wide * image[0] - narrow * image[1]))


def down_and_out_looked_at(barrier: float) -> float:
    """Return its price with fifty looks, by quadrature."""
    walk = Walk.of_price(0.3, growth=0.1)
    points, mass = survivors(walk, log(barrier / 100), 0.2, 50, edges=[0.0])
    return exp(-0.02) * float(mass @ np.maximum(100 * np.exp(points) - 100, 0.0))


def continuity() -> Group:
    """Return the table of the down-and-out call."""
    told = {
        85: (6.3076, 6.3223, 6.3222),
        91: (5.8078, 5.9773, 5.9771),
        95: (4.3975, 4.9071, 4.9068),
        97: (3.0596, 3.8362, 3.8340),
        99: (1.1708, 2.2713, 2.3364),
    }
    rows = []
    for barrier, (always, shifted, looked) in told.items():
        moved = barrier * exp(-SHIFT * 0.3 * sqrt(0.2 / 50))
        rows += [
            (f"H {barrier}, watched always", always, down_and_out(barrier)),
            (f"H {barrier}, shifted", shifted, down_and_out(moved)),
            (f"H {barrier}, 50 looks", looked, down_and_out_looked_at(barrier)),
        ]
    return Group(
        title="Down-and-out call, S = K = 100, v 30 %, r 10 %, T 0.2, 50 looks",
        source="Broadie, Glasserman, Kou (1997), table 2.1",
        tolerance=5e-4,
        rows=tuple(rows),
    )


def leverages() -> Group:
    """Return how likely a long is wiped out in a week, by leverage."""
    published = {0.04: (0, 3.4, 32.4, 61, 86, 92), 0.08: (0, 27.4, 63, 80.8, 91, 94.8)}
    rows = [
        (
            f"{volatility:.0%} a day, {leverage}x",
            float(told),
            100 * leverage_probability(leverage, volatility, 7),
        )
        for volatility, column in published.items()
        for leverage, told in zip((2, 5, 10, 20, 50, 100), column, strict=True)
    ]
    return Group(
        title="Longs wiped out within seven days, per cent",
        source="in the manner of arXiv 2512.19113, read second-hand",
        tolerance=2.0,
        rows=tuple(rows),
        note="A simulated table; ours is the closed form without maintenance, drift or jumps.",
    )


def laws() -> Group:
    """Return value at risk and expected shortfall of known laws."""
    normal, tail = normal_tail, student_tail
    return Group(
        title="VaR and ES of the normal and of Student's t with 5 degrees",
        source="closed forms; t scaled to unit variance",
        tolerance=1e-4,
        rows=(
            ("normal VaR 99 %", 2.326348, _number(normal(0.99).var)),
            ("normal ES 97.5 %", 2.337803, _number(normal(0.975).es)),
            ("t5 VaR 99 %", 2.6065, _number(tail(0.99, 5.0).var)),
            ("t5 ES 97.5 %", 2.7278, _number(tail(0.975, 5.0).es)),
            ("t5 ES 99 %", 3.4488, _number(tail(0.99, 5.0).es)),
        ),
    )


def pareto() -> Group:
    """Return a Pareto tail's figures."""
    told = {0.99: (0.049721, 0.079628), 0.995: (0.066697, 0.102262), 0.999: (0.119549, 0.172732)}
    rows = []
    for level, (var, es) in told.items():
        found = pot_figures(0.02, 0.25, 0.015, 0.05, level)
        rows.append((f"VaR {level:.1%}", var, _number(found.var)))
        rows.append((f"ES {level:.1%}", es, _number(found.es)))
    return Group(
        title="Peaks over 2 %, xi 0.25, beta 1.5 %, a twentieth beyond",
        source="McNeil, Frey, Embrechts, 'Quantitative Risk Management', 5.2",
        tolerance=1e-6,
        rows=tuple(rows),
    )


def dependence() -> Group:
    """Return how often coins crash together under a t copula."""
    told = {(4.0, 0.8): 0.4896, (4.0, 0.5): 0.2532, (10.0, 0.8): 0.2925}
    rows = [(f"nu {nu:g}, rho {rho}", v, tail_dependence(nu, rho)) for (nu, rho), v in told.items()]
    return Group(
        title="Lower tail dependence of the t copula",
        source="Demarta, McNeil (2005)",
        tolerance=5e-5,
        rows=tuple(rows),
    )


def coverage() -> Group:
    """Return tests of violations."""
    apart = independence(Transitions(calm_calm=230, calm_hit=8, hit_calm=8, hit_hit=4))
    seven, none = kupiec(7, 250, 0.01), kupiec(0, 250, 0.01)
    return Group(
        title="Kupiec and Christoffersen",
        source="Kupiec (1995), Christoffersen (1998)",
        tolerance=5e-6,
        rows=(
            ("7 of 250 at 1 %", 5.49699, seven.value or 0.0),
            ("its p", 0.019049, seven.p_value or 0.0),
            ("0 of 250 at 1 %", 5.02517, none.value or 0.0),
            ("independence of (230, 8, 8, 4)", 11.00222, apart.value or 0.0),
            ("its p", 9.10e-4, apart.p_value or 0.0),
        ),
    )


def accepted() -> Group:
    """Return the counts that Kupiec accepts."""
    told = {
        (255, 0.01): (1, 6),
        (510, 0.01): (2, 10),
        (1000, 0.01): (5, 16),
        (255, 0.05): (7, 20),
        (510, 0.05): (17, 35),
        (1000, 0.05): (38, 64),
    }
    rows = []
    for (periods, tail), (low, high) in told.items():
        fewest, most = accepted_counts(periods, tail)
        rows.append((f"{periods} periods at {tail:.0%}: fewest", float(low), float(fewest)))
        rows.append((f"{periods} periods at {tail:.0%}: most", float(high), float(most)))
    return Group(
        title="Counts of violations that are accepted",
        source="Jorion, 'Value at Risk', table 6-2",
        tolerance=0.0,
        rows=tuple(rows),
    )


def lights() -> Group:
    """Return the cumulative probabilities of the traffic lights."""
    told = dict(zip(range(4, 10), (89.22, 95.88, 98.63, 99.60, 99.89, 99.97), strict=True))
    rows = [
        (f"{count} violations, per cent", v, 100 * traffic_light(count, 250, 0.01).cumulative)
        for count, v in told.items()
    ]
    return Group(
        title="Traffic lights: 250 days at 99 %",
        source="Basel Committee (1996)",
        tolerance=0.005 + 1e-9,
        rows=tuple(rows),
    )


def shortfalls() -> Group:
    """Return critical values of the test of expected shortfall."""
    told = {"normal": -0.70, "t10": -0.71, "t5": -0.73, "t3": -0.81}
    models: dict[str, Predictive] = {
        "normal": Normal(),
        "t10": StudentT(10.0),
        "t5": StudentT(5.0),
        "t3": StudentT(3.0),
    }
    rows = [
        (
            f"{name}, 5 % level",
            value,
            critical_values(models[name], periods=250, tail=0.025, level=0.05, draws=50_000)["Z2"],
        )
        for name, value in told.items()
    ]
    return Group(
        title="Critical values of Z2, 250 periods, tail 2.5 %",
        source="Acerbi, Szekely (2014)",
        tolerance=0.02,
        rows=tuple(rows),
        note="50,000 histories here; the tests draw 200,000 and look at the 0.01 % level too.",
    )


def fits() -> Group | None:
    """Return likelihoods of fits to a published sample; `None` where `arch` is not installed."""
    try:
        from arch.data import sp500  # noqa: PLC0415 only tests have it
    except ImportError:
        return None
    returns = 100 * sp500.load()["Adj Close"].pct_change().dropna().to_numpy()
    normal, student = Innovations.NORMAL, Innovations.STUDENT_T

    def fit(model: GarchModel, law: Innovations) -> float:
        return fit_garch(returns, model, law, mean=Mean.CONSTANT).log_likelihood

    return Group(
        title="Log-likelihoods on the S&P 500 sample of the `arch` package",
        source="documentation of `arch`",
        tolerance=0.01,
        rows=(
            ("GARCH(1,1), normal", -6936.718, fit(GarchModel.GARCH, normal)),
            ("GJR, normal", -6822.883, fit(GarchModel.GJR, normal)),
            ("TARCH, normal", -6799.179, fit(GarchModel.TARCH, normal)),
            ("TARCH, t", -6722.151, fit(GarchModel.TARCH, student)),
        ),
    )


def impact() -> Group:
    """Return the impact of an order of a hundredth of the day's volume."""
    shape = LinearDensity(scale=0.9 * 0.04 / sqrt(1e6))
    memory = exponential_memory(half_life_s=log(2.0))
    left = sum(memory.fade((1e4,), 1.0))
    peak = shape.displacement(1e4, 1.0)
    return Group(
        title="Impact of 1 % of the day's volume, basis points",
        source="Alfonsi, Fruth, Schied (2010), linear density; Y 0.9, volatility 4 % a day",
        tolerance=5e-4,
        rows=(
            ("at its peak", 36.0, 1e4 * peak),
            ("after one relaxation time", 21.835, 1e4 * shape.displacement(left, 1.0)),
            ("mean over peak", 2 / 3, shape.mean(0.0, 1e4, 1.0) / peak),
        ),
    )


def sizes() -> Group:
    """Return the largest leverage for a probability of liquidation."""
    volatility = 0.04 * sqrt(365)
    rows: list[tuple[str, float, float]] = []
    for probability, plain, drifting in ((0.05, 5.22, 5.12), (0.01, 4.13, 4.06)):
        bound = Bound(probability=probability, days=7, maintenance_rate=0.005)
        rows += [
            (
                f"largest leverage, {probability:.0%} in a week",
                plain,
                largest_leverage_without_drift(volatility, bound),
            ),
            (
                f"the same, price without growth, {probability:.0%}",
                drifting,
                largest_leverage(Drift(mean=0.0, volatility=volatility), bound),
            ),
        ]
    bound = Bound(probability=0.001, days=7, maintenance_rate=0.005)
    rows.append(
        (
            "largest leverage, 0.1 % in a week",
            3.36,
            largest_leverage_without_drift(volatility, bound),
        )
    )
    return Group(
        title="Largest leverage of a long: 4 % a day, maintenance 0.5 %, a week",
        source="closed forms",
        tolerance=5.1e-3,
        rows=tuple(rows),
    )


def kelly() -> Group:
    """Return Kelly's sizes and how far they fall."""
    limit = FallLimit(part=0.7, probability=0.1)
    bet = Outcomes(returns=np.array([[1.0], [-1.0]]), weights=np.array([0.6, 0.4]))
    shares = ((1.0, 0.5), (0.5, 0.125), (0.25, 0.0078))
    return Group(
        title="Kelly",
        source="closed forms; Busseti, Ryu, Boyd (2016)",
        tolerance=5e-5,
        rows=(
            *((f"{c} of it ever falls to half", v, fall_probability(c, 0.5)) for c, v in shares),
            ("lambda of a fall to 0.7 at 10 %", 6.4557, limit.exponent),
            ("60 % at even odds", 0.2, kelly_size(bet).sizes[0]),
            ("the same within that limit", 0.05426, kelly_size(bet, limit=limit).sizes[0]),
        ),
    )


GROUPS: tuple[Callable[[], Group | None], ...] = (
    one_barrier,
    funding,
    rare,
    monitored,
    continuity,
    leverages,
    laws,
    pareto,
    dependence,
    fits,
    coverage,
    accepted,
    lights,
    shortfalls,
    impact,
    sizes,
    kelly,
)


def groups() -> Iterator[Group]:
    """Yield every group that can be computed here."""
    for make in GROUPS:
        found = make()
        if found is not None:
            yield found


def _number(value: object) -> float:
    """Return a figure that is known; a `TypeError` names one that is not."""
    if isinstance(value, int | float):
        return float(value)
    msg = f"{value} is no number"
    raise TypeError(msg)
