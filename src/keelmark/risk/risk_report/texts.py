"""Numbers of the report as people read them; floats are statistics, so digits are few."""

import math
from decimal import Decimal

from keelmark.accounts.figures import brief, percent
from keelmark.risk.risk_report.model import Chance

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
_RARE = 1e-4
_NEVER = 1e-9
_TENTH = 0.001
_FEW = 0.1
_SHOWN = 0.95
_HOUR = 1.0 / 24.0
_TWO = 2


def money(value: float | None, *, signed: bool = False) -> str:
    """Return an amount as `1.031 M`; `unknown` without one."""
    if value is None or not math.isfinite(value):
        return "unknown"
    return _typeset(brief(Decimal(repr(float(value))), signed=signed))


def share(value: float, *, signed: bool = False, digits: int = 1) -> str:
    """Return a fraction in per cent."""
    return _typeset(percent(Decimal(repr(float(value))), signed=signed, digits=digits))


def chance(probability: float) -> str:
    """Return a probability: per cent, and one in so many where it is rare."""
    if probability <= 0.0:
        return f"0{THIN}%"
    if probability < _NEVER:
        return "under 1 in a billion"
    if probability < _RARE:
        return f"1 in {_rounded(1.0 / probability):,.0f}"
    digits = 1 if probability >= _FEW else _TWO if probability >= _TENTH else _TWO + 1
    return share(probability, digits=digits)


def chance_of(found: Chance) -> str:
    """Return a chance, or the bound that it lies below."""
    return f"below {chance(found.high)}" if found.is_bound else chance(found.probability)


def chance_span(low: float, high: float) -> str:
    """Return an interval of probabilities."""
    one, other = chance(low), chance(high)
    return one if one == other else f"{one} to {other}"


def times(value: float) -> str:
    """Return a leverage."""
    return f"{value:,.2f}x"


def sigmas(value: float) -> str:
    """Return standard deviations."""
    return f"{value:.1f} sigma" if value >= _SHOWN else f"{value:.2f} sigma"


def span(days: float) -> str:
    """Return a time: hours below a day, minutes below an hour."""
    number, unit = days, "day"
    if days < _HOUR * (1.0 - 1e-9):
        number, unit = days * 1440.0, "minute"
    elif days < 1.0:
        number, unit = days * 24.0, "hour"
    text = f"{number:,.3g}"
    return f"{text} {unit}" if text == "1" else f"{text} {unit}s"


def coins(value: float, *, signed: bool = True) -> str:
    """Return an amount of coins, about four digits."""
    if value == 0.0:
        return "0"
    decimals = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:{'+' if signed else ''},.{min(decimals, 8)}f}"
    return _typeset(text)


def _rounded(number: float) -> float:
    """Return a number at two significant digits."""
    size = 10.0 ** (math.floor(math.log10(number)) - 1)
    return round(number / size) * size


def _typeset(text: str) -> str:
    """Return a number with a true minus and a space that does not break."""
    return text.replace("-", MINUS).replace(" ", THIN)
