"""What a probability stands on, said beside it."""

from collections.abc import Mapping, Sequence

from keelmark.risk.liquidation.inputs import ProbabilityOptions
from keelmark.risk.liquidation.result import days_text
from keelmark.risk.liquidation.units import UnitCase
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.symbols import coin_of

_DAY = 86_400.0


def assumptions(
    cases: Sequence[UnitCase],
    asked: ProbabilityOptions,
    *,
    is_drawn: bool,
    law: ReturnModel | None = None,
) -> tuple[str, ...]:
    """Return the assumptions, one sentence each."""
    if not cases:
        return ()
    walk = [_steps(asked), _growth(asked)]
    if law is not None:
        walk = [f"log prices move by steps of {days_text(law.days)}: {law.draw.name}"]
    found = [*walk, "positions, cash and orders stay as they are", *_standing(cases)]
    found += _paid("funding", asked.funding) + _paid("interest on debts", asked.borrow)
    if any(_has_options(case) for case in cases):
        found.append(f"options keep {_implied(asked)}their time to expiry")
    if is_drawn:
        found.append("between two looks the excess is a walk with the spread it has at either end")
    found += [
        f"implied volatilities on {coin} follow its price to the power {power:+.3g}"
        for coin, power in asked.implied.items()
        if power
    ]
    if is_drawn and len(cases) > 1:
        found.append("within one step units are liquidated independently of each other")
    return tuple(found)


def _standing(cases: Sequence[UnitCase]) -> list[str]:
    """Return which assets are read at a price that does not move."""
    read: dict[str, None] = {}
    for case in cases:
        if case.valuer is not None:
            moving = {coin_of(asset)[0]: asset for asset in case.valuer.assets}
            still = (a for coin, a in moving.items() if coin not in case.valuer.coins)
            read.update(dict.fromkeys(still))
    return [f"{asset} keeps its price: a broken peg is not counted" for asset in read]


def _implied(asked: ProbabilityOptions) -> str:
    if not any(asked.implied.values()):
        return "their implied volatility and "
    return ""


def _steps(asked: ProbabilityOptions) -> str:
    if asked.degrees is None:
        return "log prices move by normal steps of one covariance: no jumps, no clusters of them"
    return f"log prices move by steps of Student's t with {asked.degrees:g} degrees of freedom"


def _growth(asked: ProbabilityOptions) -> str:
    if not any(asked.growth.values()):
        return "mean prices stay where they are"
    rates = ", ".join(f"{coin} {rate:+.3g}" for coin, rate in asked.growth.items())
    return f"mean prices grow by a day: {rates}"


def _paid(what: str, rates: Mapping[str, float]) -> list[str]:
    if not any(rates.values()):
        return [f"{what} is taken as nothing"]
    told = ", ".join(f"{name} {rate:+.3g}" for name, rate in rates.items())
    return [f"{what} by the day as given: {told}"]


def expiring(cases: Sequence[UnitCase], days: float) -> tuple[str, ...]:
    """Return notes on contracts that expire before the last horizon and are kept all the same."""
    found = []
    for case in cases:
        if case.valuer is None or case.valuer.market.time is None:
            continue
        now, model = case.valuer.market.time, case.valuer.model
        for position in case.unit.positions:
            expiry = model.instrument(position.instrument).instrument.expiry
            if expiry is not None and (expiry - now).total_seconds() < days * _DAY:
                found.append(f"{position.instrument} expires before the last horizon, and is kept")
    return tuple(found)


def _has_options(case: UnitCase) -> bool:
    tables = None if case.valuer is None else case.valuer.tables
    return tables is not None and len(tables.options) > 0
