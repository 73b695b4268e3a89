import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.book.kernels.muldiv import (
    OVERFLOW,
    mul_div_fits,
    mul_div_kernel,
    product_kernel,
)
from keelmark.core.numbers import Rounding, mul_div

EDGES = sorted(
    {
        sign * (2**bits + step)
        for bits in (0, 1, 31, 32, 33, 52, 53, 61, 62, 63)
        for step in (-2, -1, 0, 1)
        for sign in (-1, 1)
        if abs(2**bits + step) < 2**63
    },
)
WORDS = st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from(EDGES))
DIVISORS = WORDS.filter(lambda number: number != 0)


def expected(a: int, b: int, c: int, rounding: Rounding) -> int:
    quotient = mul_div(a, b, c, rounding)
    return quotient if abs(quotient) < 2**63 else OVERFLOW


@given(a=WORDS, b=WORDS, c=DIVISORS, rounding=st.sampled_from(Rounding))
def test_the_kernel_is_the_definition_or_says_it_does_not_fit(
    a: int,
    b: int,
    c: int,
    rounding: Rounding,
) -> None:
    assert mul_div_kernel(a, b, c, int(rounding)) == expected(a, b, c, rounding)


@given(quotient=WORDS, b=DIVISORS, rest=st.integers(0, 2**63), rounding=st.sampled_from(Rounding))
def test_the_kernel_is_the_definition_where_the_quotient_nearly_fills_the_word(
    quotient: int,
    b: int,
    rest: int,
    rounding: Rounding,
) -> None:
    for c in (b, b - 1 if b > 1 else b + 1):
        for a in (quotient, quotient + rest % 3 - 1):
            if abs(a) < 2**63 and c != 0:
                assert mul_div_kernel(a, b, c, int(rounding)) == expected(a, b, c, rounding)


def test_every_pair_of_edges_and_divisor_agrees_with_the_definition() -> None:
    divisors = [edge for edge in EDGES if edge != 0][::5]
    for a in EDGES[::3]:
        for b in EDGES[::2]:
            for c in divisors:
                for rounding in Rounding:
                    assert mul_div_kernel(a, b, c, int(rounding)) == expected(a, b, c, rounding)


@given(a=WORDS, b=WORDS, c=DIVISORS, rounding=st.sampled_from(Rounding))
def test_the_python_behind_the_kernel_gives_the_same(
    a: int,
    b: int,
    c: int,
    rounding: Rounding,
) -> None:
    assert plain(mul_div_kernel)(a, b, c, int(rounding)) == expected(a, b, c, rounding)


@pytest.mark.parametrize("rounding", Rounding)
def test_a_zero_divisor_does_not_fit(rounding: Rounding) -> None:
    assert mul_div_kernel(1, 1, 0, int(rounding)) == OVERFLOW
    assert not mul_div_fits(1, 1, 0, int(rounding))


def test_fits_says_whether_the_rounded_quotient_is_within_63_bits() -> None:
    largest = 2**63 - 1
    assert mul_div_fits(largest, 7, 7, int(Rounding.CEILING))
    assert not mul_div_fits(largest, 7, 6, int(Rounding.FLOOR))
    assert mul_div_fits(largest, 2, 2, int(Rounding.AWAY_FROM_ZERO))
    assert not mul_div_fits(2**62, 4, 2, int(Rounding.TOWARD_ZERO))
    assert not mul_div_fits(largest, 2**62 + 1, 2**62, int(Rounding.FLOOR))


@given(a=WORDS, b=WORDS)
def test_a_product_is_exact_or_does_not_fit(a: int, b: int) -> None:
    exact = a * b
    assert product_kernel(a, b) == (exact if abs(exact) < 2**63 else OVERFLOW)
    assert plain(product_kernel)(a, b) == (exact if abs(exact) < 2**63 else OVERFLOW)
