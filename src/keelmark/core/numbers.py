"""Exact numbers: the decimal context of `core`, and whole-number multiply-divide.

Requirements are exact decimals, money that moves is a whole number of quanta. Both round only at
named points, with a stated direction.
"""

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    getcontext,
    setcontext,
)
from enum import IntEnum
from threading import local

from keelmark.core.errors import InvalidInput

ZERO = Decimal(0)
ONE = Decimal(1)

CORE_CONTEXT = Context(
    prec=60,
    rounding=ROUND_HALF_EVEN,
    traps=[FloatOperation, InvalidOperation, DivisionByZero],
)


class _Exact:
    """Switches to the core's context of this thread; inside it, switching again costs nothing."""

    __slots__ = ("_outer",)

    def __enter__(self) -> None:
        self._outer = getcontext()
        own = getattr(_LOCAL, "context", None)
        if own is None:
            own = _LOCAL.context = CORE_CONTEXT.copy()
        if self._outer is not own:
            setcontext(own)

    def __exit__(self, *_: object) -> None:
        if getcontext() is not self._outer:
            setcontext(self._outer)


_LOCAL = local()


def exact() -> _Exact:
    """Compute in core's own decimal context; every public function of `core` enters it."""
    return _Exact()


class Rounding(IntEnum):
    """Direction of a division in a posting; the kernels use the numbers."""

    FLOOR = 0
    CEILING = 1
    TOWARD_ZERO = 2
    AWAY_FROM_ZERO = 3
    HALF_EVEN = 4


def mul_div(a: int, b: int, c: int, rounding: Rounding) -> int:
    """Return `a * b / c` rounded once, exactly.

    This is the definition of the 128-bit kernel `book.kernels.muldiv`.

    Args:
        a: First factor.
        b: Second factor.
        c: Divisor, not zero.
        rounding: Direction of the one rounding.

    Raises:
        InvalidInput: `c` is zero.
    """
    if c == 0:
        msg = f"mul_div({a}, {b}, 0): division by zero; the divisor must be a size, price or total"
        raise InvalidInput(msg)
    quotient, remainder = divmod(a * b, c)  # floor; remainder has the sign of c
    if remainder == 0 or rounding is Rounding.FLOOR:
        return quotient
    negative = (a * b < 0) != (c < 0)
    if rounding is Rounding.CEILING:
        return quotient + 1
    if rounding is Rounding.TOWARD_ZERO:
        return quotient + 1 if negative else quotient
    if rounding is Rounding.AWAY_FROM_ZERO:
        return quotient if negative else quotient + 1
    twice = 2 * abs(remainder) - abs(c)
    return quotient + 1 if twice > 0 or (twice == 0 and quotient % 2 == 1) else quotient


def to_units(amount: Decimal, unit: Decimal) -> int | None:
    """Return `amount / unit` as a whole number, or `None` when `amount` is off the grid."""
    with exact():
        count = amount / unit
        whole = count.to_integral_value(rounding=ROUND_FLOOR)
        return int(whole) if whole == count else None


def round_to(amount: Decimal, unit: Decimal, *, up: bool) -> Decimal:
    """Return `amount` rounded to a multiple of `unit`, upwards or downwards."""
    with exact():
        rounding = ROUND_CEILING if up else ROUND_FLOOR
        return (amount / unit).to_integral_value(rounding=rounding) * unit


def round_half_even(amount: Decimal, unit: Decimal) -> Decimal:
    """Return the multiple of `unit` nearest to `amount`, of two the even one."""
    with exact():
        return (amount / unit).to_integral_value(rounding=ROUND_HALF_EVEN) * unit
