"""Numbers as people read them: thousands separated, digits by size, signs on profit."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_MILLION = Decimal(1_000_000)
_TEN_THOUSAND = Decimal(10_000)
_THOUSAND = Decimal(1_000)
_HUNDRED = Decimal(100)
_BRIEF_DIGITS = 3
_DIGITS = 6
_DECIMALS_MIN = 2
_DECIMALS_MAX = 12
_EXACT_DECIMALS = 18
_PLAIN_MAX = 24
_PLAIN_TINY = 10


def figure(value: Decimal, *, signed: bool = False, digits: int = _DIGITS) -> str:
    """Return about six significant digits, at least two decimals; powers of ten at the extremes.

    What is smaller than eighteen decimals is the last digit of a solved number, and reads 0.
    """
    is_tiny = bool(value) and -_EXACT_DECIMALS <= value.adjusted() < -_PLAIN_TINY
    if value.adjusted() > _PLAIN_MAX or is_tiny:
        return f"{value:{'+' if signed else ''}.5e}"
    whole = value.adjusted() + 1 if value else 1
    decimals = min(_DECIMALS_MAX, max(_DECIMALS_MIN, digits - whole))
    rounded = value.quantize(Decimal(1).scaleb(-decimals), context=_WIDE)
    text = f"{rounded:{'+' if signed else ''},f}"
    return _without_idle_zeros(text)


def compact(value: Decimal, *, signed: bool = False, digits: int = _DIGITS) -> str:
    """Return millions as `4.919 M`; smaller numbers as `figure` does."""
    if abs(value) < _MILLION:
        return figure(value, signed=signed, digits=digits)
    millions = value / _MILLION
    return f"{millions:{'+' if signed else ''},.3f} M"


def brief(value: Decimal, *, signed: bool = False) -> str:
    """Return four digits as `4.919 M` or `356.5 k`, for tables that must be narrow."""
    sign = "+" if signed else ""
    if abs(value) >= _MILLION:
        return f"{value / _MILLION:{sign},.3f} M"
    if abs(value) >= _TEN_THOUSAND:
        return f"{value / _THOUSAND:{sign},.1f} k"
    return figure(value, signed=signed, digits=_BRIEF_DIGITS)


def terse(value: Decimal, *, signed: bool = False) -> str:
    """Return about three digits as `4.92 M`, `2.1 k` or `646`, where `brief` is too wide."""
    sign = "+" if signed else ""
    if abs(value) >= _MILLION:
        return f"{value / _MILLION:{sign},.2f} M"
    if abs(value) >= _THOUSAND:
        return f"{value / _THOUSAND:{sign},.1f} k"
    if abs(value) >= _HUNDRED:
        return f"{value:{sign},.0f}"
    return figure(value, signed=signed, digits=_BRIEF_DIGITS)


def percent(fraction: Decimal, *, signed: bool = False, digits: int = 1) -> str:
    """Return a fraction in per cent, with one decimal unless told otherwise."""
    return f"{fraction * 100:{'+' if signed else ''},.{digits}f} %"


def exactly(value: Decimal) -> str:
    """Return every digit that matters, thousands separated: eighteen, and eighteen decimals.

    What is smaller is the last digit of a solved price, and reads 0.
    """
    rounded = Context(prec=18).plus(value)
    if rounded.adjusted() < -_EXACT_DECIMALS:
        return "0"
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _without_idle_zeros(text: str) -> str:
    """Drop zeros beyond the second decimal."""
    whole, _, decimals = text.partition(".")
    kept = decimals.rstrip("0").ljust(_DECIMALS_MIN, "0")
    return f"{whole}.{kept}"
