"""VaR with the cost of getting out: half the spread, impact, and the days it takes.

    cost of a coin of notional N = half_spread * N + mean displacement * N    N in dollars
    displacement at the end      = Y sigma sqrt(N / V),  its mean on the way two thirds of that

with `sigma` a day's deviation and `V` a day's traded notional: the linear density of
`market.impact`. Both are in dollars, whatever the account counts in: the cost is a fraction of the
notional. Getting out takes `T = N / (participation V)` days; where that is longer than the
horizon, VaR and ES grow by `sqrt(T / horizon)`, T of the slowest coin.

Source: docs/model.md, "Market"; Bangia, Diebold, Schuermann, Stroughair, Risk 12
(1999) for adding half the spread; Alfonsi, Fruth, Schied, Quantitative Finance 10 (2010).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.market.impact import LinearDensity
from keelmark.risk.statistics import Unknown
from keelmark.risk.tail.measures import TailRisk

IMPACT = 0.9
"""Y of the square-root law."""

PARTICIPATION = 0.1
"""Share of what trades that one seller can be."""

HALF_MAX = 0.5
"""Half a spread of half the price: whoever writes more means a percentage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """What is known of how coins trade.

    Attributes:
        volumes: Notional traded in a day by coin, dollars.
        half_spreads: Fraction, by coin.
        half_spread: Of the others; `None` where nobody says.
        participation: Share of the volume one trades.
        source: Where the volumes come from.
    """

    volumes: Mapping[str, float] = field(default_factory=dict)
    half_spreads: Mapping[str, float] = field(default_factory=dict)
    half_spread: float | None = None
    participation: float = PARTICIPATION
    source: str = "as given"

    def __post_init__(self) -> None:
        if not 0.0 < self.participation <= 1.0:
            msg = f"a participation of {self.participation}; give a share above 0, up to 1"
            raise InvalidInput(msg)
        for coin, half in {"": self.half_spread, **self.half_spreads}.items():
            if half is not None and not 0.0 <= half < HALF_MAX:
                of = f" in {coin}" if coin else ""
                msg = f"half a spread of {half:g}{of}; give a fraction from 0 to {HALF_MAX}: 0.0002"
                raise InvalidInput(msg)
        for coin, volume in self.volumes.items():
            if not (np.isfinite(volume) and volume > 0.0):
                msg = f"a daily volume of {volume} in {coin}; give a notional above 0"
                raise InvalidInput(msg)

    def spread_of(self, coin: str) -> float | None:
        """Return half the spread of a coin; `None` where nobody says."""
        return self.half_spreads.get(coin, self.half_spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinCost:
    """What it costs to get out of a coin.

    Attributes:
        notional: Gross, valuation currency.
        spread: Half of it paid, valuation currency; `None` where nobody says what it is.
        impact: Paid to one's own impact.
        days: It takes.
    """

    notional: float
    spread: float | None
    impact: float
    days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityAdjusted:
    """VaR and ES with the cost of getting out.

    Attributes:
        var: With everything.
        es: With everything.
        cost: Of getting out of all coins.
        scale: What VaR and ES were multiplied by for the days it takes.
        days: That the slowest coin takes.
        slowest: Which one that is.
        coins: Costs by coin.
        notes: What was not known.
    """

    var: float
    es: float
    cost: float
    scale: float
    days: float
    slowest: str
    coins: Mapping[str, CoinCost]
    notes: tuple[str, ...]


def impact_fraction(notional: float, *, volume: float, deviation: float) -> float:
    """Return the mean displacement of an order, two thirds of that at its end."""
    scale = IMPACT * deviation / float(np.sqrt(volume))
    return LinearDensity(scale=scale).mean(0.0, notional, 1.0)


def liquidity_adjusted(
    risk: TailRisk,
    notionals: Mapping[str, float],
    deviations: Mapping[str, float],
    liquidity: Liquidity | None,
    *,
    days: float,
    dollars: Mapping[str, float] | None = None,
) -> LiquidityAdjusted | Unknown:
    """Return VaR and ES with the cost of getting out of these coins.

    Args:
        risk: As if out at once and for nothing.
        notionals: Gross, by coin, valuation currency.
        deviations: Of a day, by coin.
        liquidity: How coins trade; without, the answer is unknown.
        days: Horizon of the risk.
        dollars: The notionals in dollars; as they are where the currency is a dollar.
    """
    held = {coin: size for coin, size in notionals.items() if size > 0.0}
    if not held:
        return Unknown("it holds no position to get out of")
    if liquidity is None or not liquidity.volumes:
        return Unknown(
            "no volumes: give bars that have them (--returns), or --volume COIN=NOTIONAL"
        )
    lacking = [coin for coin in held if coin not in liquidity.volumes]
    if lacking:
        return Unknown(f"no volume of {', '.join(lacking)}: give --volume {lacking[0]}=NOTIONAL")
    costs = {}
    for coin, size in held.items():
        volume, half = liquidity.volumes[coin], liquidity.spread_of(coin)
        traded = size if dollars is None else dollars[coin]
        share = impact_fraction(traded, volume=volume, deviation=deviations[coin])
        costs[coin] = CoinCost(
            notional=size,
            spread=None if half is None else half * size,
            impact=share * size,
            days=traded / (liquidity.participation * volume),
        )
    slowest = max(costs, key=lambda coin: costs[coin].days)
    cost = sum(one.impact + (one.spread or 0.0) for one in costs.values())
    scale = float(np.sqrt(max(1.0, costs[slowest].days / days)))
    no_spread = [coin for coin, one in costs.items() if one.spread is None]
    notes = [f"volumes: {liquidity.source}"]
    if no_spread:
        notes.append(f"no spread of {', '.join(no_spread)} is known: impact alone (--half-spread)")
    return LiquidityAdjusted(
        var=risk.var * scale + cost,
        es=risk.es * scale + cost,
        cost=cost,
        scale=scale,
        days=costs[slowest].days,
        slowest=slowest,
        coins=costs,
        notes=tuple(notes),
    )
