"""Numbers and times as people read them; the exact value always travels with the short one."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from keelmark.accounts.markup import Html, element

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
HUNDRED = Decimal(100)
SCALES = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"))
COMPACT_FROM = Decimal(1_000_000)
SHORT_DIGITS = 3
PRECISION = 60
CENTS = 2


def all_digits(value: Decimal | int) -> str:
    """Return every digit there is, thousands separated: `-1,234.5000` is `-1,234.5`."""
    number = Decimal(value)
    whole = number == number.to_integral_value()
    text = f"{number:,.0f}" if whole else f"{number:,f}".rstrip("0")
    return _signed(text, number)


def aligned(value: Decimal, digits: int) -> str:
    """Return an exact value padded to `digits` decimals; zero is just `0`."""
    return rounded(value, digits) if value else "0"


def rounded(value: Decimal | int, digits: int = CENTS) -> str:
    """Return the value to `digits` decimals, half to even, thousands separated."""
    number = _quantized(Decimal(value), digits)
    return _signed(f"{number:,.{digits}f}", number)


def decimals_of(values: Iterable[Decimal]) -> int:
    """Return how many decimals show every one of the values in full, so that they line up."""
    return max((_decimals(value) for value in values), default=0)


def compact(value: Decimal | int) -> str:
    """Return about three digits and a scale: `61.3 M`, `1.84 B`; below a million all digits."""
    number = Decimal(value)
    size = abs(number)
    if size < COMPACT_FROM:
        return rounded(number, 0 if size >= HUNDRED or number == int(number) else CENTS)
    factor, letter = next(scale for scale in SCALES if size >= scale[0])
    return f"{_three_digits(number / factor)}{THIN}{letter}"


def signed(text: str, value: Decimal | int) -> str:
    """Return `text` with a plus if the value is positive: changes always carry their sign."""
    return f"+{text}" if value > 0 else text


def percent(fraction: Decimal | float, digits: int = 1) -> str:
    """Return a fraction as a percentage: 0.125 is `12.5 %`."""
    return f"{rounded(Decimal(str(fraction)) * HUNDRED, digits)}{THIN}%"


def share(part: Decimal | int, whole: Decimal | int) -> Decimal:
    """Return part over whole, zero of nothing."""
    return Decimal(part) / Decimal(whole) if whole else Decimal(0)


def clock(time_ms: int) -> str:
    """Return the time of day, with seconds where they are not zero: `21:19`, `21:19:04`."""
    moment = _moment(time_ms)
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def instant(time_ms: int) -> str:
    """Return date and time of day with the zone: `2025-10-10 21:19 UTC`."""
    return f"{_moment(time_ms):%Y-%m-%d} {clock(time_ms)} UTC"


def duration(span_ms: int) -> str:
    """Return a span in the two units that matter: `3 h 10 min`, `32 min`, `45 s`."""
    seconds = span_ms // 1000
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"


def data(value: Decimal | int, text: str) -> Html:
    """Return `text` that carries its exact value for machines, and shows it when pointed at."""
    return element("data", text, value=f"{Decimal(value):f}", title=all_digits(value))


def amount(value: Decimal | int) -> Html:
    """Return a short figure with its exact value behind it."""
    return data(value, compact(value))


def _decimals(value: Decimal) -> int:
    """Return the decimals of a value without trailing zeros."""
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _three_digits(number: Decimal) -> str:
    digits = max(SHORT_DIGITS - 1 - max(number.adjusted(), 0), 0)
    return rounded(number, digits)


def _quantized(number: Decimal, digits: int) -> Decimal:
    with localcontext(prec=PRECISION):
        result = number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    return result or abs(result)


def _signed(text: str, number: Decimal) -> str:
    return text.replace("-", MINUS) if number else text.replace("-", "")


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, tz=UTC)
