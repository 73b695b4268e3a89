"""What a probability stands on, said beside it."""

from collections.abc import Mapping, Sequence

from keelmark.risk.liquidation.inputs import ProbabilityOptions
from keelmark.risk.liquidation.units import UnitCase


def assumptions(
    cases: Sequence[UnitCase], asked: ProbabilityOptions, *, is_drawn: bool
) -> tuple[str, ...]:
    """Return the assumptions, one sentence each."""
    if not cases:
        return ()
    found = [_steps(asked), _growth(asked), "positions, cash and orders stay as they are"]
    found.append("assets that stand for the dollar keep their price")
    found += _paid("funding", asked.funding) + _paid("interest on debts", asked.borrow)
    if any(_has_options(case) for case in cases):
        found.append("options keep their implied volatility and their time to expiry")
    if is_drawn:
        found.append("between two looks the excess is a walk with the spread it has at either end")
    if is_drawn and len(cases) > 1:
        found.append("within one step units are liquidated independently of each other")
    return tuple(found)


def _steps(asked: ProbabilityOptions) -> str:
    if asked.degrees is None:
        return "log prices move by normal steps of one covariance at all times"
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


def _has_options(case: UnitCase) -> bool:
    tables = None if case.valuer is None else case.valuer.tables
    return tables is not None and len(tables.options) > 0
