"""Multiply-divide on int64 through a 128-bit product in two limbs.

Every `a * b / c` of a posting goes through `mul_div_kernel`. What does not fit comes back as
`OVERFLOW`, which no posting can store, and is refused by name; nothing wraps.
"""

import math

import numpy as np

from keelmark.book.kernels.jit import njit

OVERFLOW = -(2**63)
"""Returned when a result is not within +-(2**63 - 1), or a divisor is zero."""

HALF = np.uint64(32)
LOW_HALF = np.uint64(2**32 - 1)
ONE = np.uint64(1)
TOP_BIT = np.uint64(2**63)
ALL_BITS = np.uint64(2**64 - 1)
WORD = 64


@njit
def magnitude(number: int) -> np.uint64:
    """Return `|number|`; `number` is not `OVERFLOW`."""
    return np.uint64(abs(number))


@njit
def multiply_wide(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the high and the low limb of `a * b`."""
    a_low, a_high = a & LOW_HALF, a >> HALF
    b_low, b_high = b & LOW_HALF, b >> HALF
    lowest = a_low * b_low
    middle = a_high * b_low + (lowest >> HALF)
    cross = a_low * b_high + (middle & LOW_HALF)
    high = a_high * b_high + (middle >> HALF) + (cross >> HALF)
    return high, (cross << HALF) | (lowest & LOW_HALF)


@njit
def divide_step(
    partial: np.uint64,
    digit: np.uint64,
    divisor: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Divide `partial * 2**32 + digit` by a divisor whose top bit is set: one digit, remainder."""
    top, bottom = divisor >> HALF, divisor & LOW_HALF
    quotient = partial // top
    rest = partial - quotient * top
    while quotient > LOW_HALF or quotient * bottom > ((rest << HALF) | digit):
        quotient -= ONE
        rest += top
        if rest > LOW_HALF:
            break
    product = quotient * bottom
    if rest > LOW_HALF:  # the minuend has 65 bits; the difference has 64
        above = rest - LOW_HALF - ONE
        return quotient, (above << HALF) + digit + (ALL_BITS - product) + ONE
    return quotient, ((rest << HALF) | digit) - product


@njit
def divide_wide(
    high: np.uint64,
    low: np.uint64,
    divisor: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Divide two limbs by one, `high < divisor`: quotient and remainder (Knuth, algorithm D)."""
    if high == 0:
        quotient = low // divisor
        return quotient, low - quotient * divisor
    shift = np.uint64(WORD - math.frexp(float(divisor))[1])
    if (divisor << shift) < TOP_BIT:  # the float was rounded up to the next power of two
        shift += ONE
    scaled = divisor << shift
    if shift > 0:
        high = (high << shift) | (low >> (np.uint64(WORD) - shift))
        low = low << shift
    first, partial = divide_step(high, low >> HALF, scaled)
    second, remainder = divide_step(partial, low & LOW_HALF, scaled)
    return (first << HALF) | second, remainder >> shift


@njit
def rounds_away(
    quotient: np.uint64,
    remainder: np.uint64,
    divisor: np.uint64,
    negative: bool,  # noqa: FBT001 kernels take positional arguments
    rounding: int,
) -> bool:
    """Whether a truncated magnitude moves one away from zero; `rounding` is a `Rounding`."""
    if remainder == 0:
        return False
    if rounding == 0:
        return negative
    if rounding == 1:
        return not negative
    if rounding == 2:  # noqa: PLR2004 Rounding.TOWARD_ZERO
        return False
    if rounding == 3:  # noqa: PLR2004 Rounding.AWAY_FROM_ZERO
        return True
    rest = divisor - remainder
    return bool(remainder > rest or (remainder == rest and (quotient & ONE) == ONE))


@njit
def signed(size: np.uint64, negative: bool) -> int:  # noqa: FBT001 positional in kernels
    """Return `size` with its sign, or `OVERFLOW` where it needs more than 63 bits."""
    if size >= TOP_BIT:
        return OVERFLOW
    return int(-np.int64(size)) if negative else int(np.int64(size))


@njit
def product_kernel(a: int, b: int) -> int:
    """Return `a * b`, or `OVERFLOW`."""
    if a in (0, OVERFLOW) or b in (0, OVERFLOW):
        return OVERFLOW if OVERFLOW in (a, b) else 0
    high, low = multiply_wide(magnitude(a), magnitude(b))
    return OVERFLOW if high > 0 else signed(low, (a < 0) != (b < 0))


@njit
def mul_div_kernel(a: int, b: int, c: int, rounding: int) -> int:
    """Return `a * b / c` rounded once, or `OVERFLOW`. Definition: `core.numbers.mul_div`."""
    if c in (0, OVERFLOW) or OVERFLOW in (a, b):
        return OVERFLOW
    divisor = magnitude(c)
    high, low = multiply_wide(magnitude(a), magnitude(b))
    if high >= divisor:
        return OVERFLOW
    quotient, remainder = divide_wide(high, low, divisor)
    negative = ((a < 0) != (b < 0)) != (c < 0)
    if quotient < TOP_BIT and rounds_away(quotient, remainder, divisor, negative, rounding):
        quotient += ONE
    return signed(quotient, negative)


@njit
def mul_div_fits(a: int, b: int, c: int, rounding: int) -> bool:
    """Whether `a * b / c`, rounded, is within +-(2**63 - 1)."""
    return mul_div_kernel(a, b, c, rounding) != OVERFLOW
