"""Array shares equal their definition in `core.allocation`, to the last unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.allocation import largest_remainder
from keelmark.engine.apportion import (
    TOTAL_LIMIT,
    WEIGHT_BITS,
    Int64Array,
    apportion,
    exact_sum,
    whole_weights,
)

amounts = st.one_of(
    st.integers(0, 5),
    st.integers(0, 10**6),
    st.integers(0, 2**46),
    st.sampled_from([0, 1, 2**46]),
)
caps = st.one_of(st.integers(0, 5), st.integers(0, 2**53), st.just(2**61))
rows = st.lists(st.tuples(amounts, caps), min_size=1, max_size=12)


def column(values: list[int]) -> Int64Array:
    return np.array(values, dtype=np.int64)


@given(rows, st.fractions(0, 1))
def test_array_shares_equal_the_definition(table: list[tuple[int, int]], part: float) -> None:
    weights, limits = [w for w, _ in table], [c for _, c in table]
    room = sum(cap for weight, cap in table if weight > 0)
    total = int(room * part)
    shares = apportion(total, column(weights), column(limits))
    assert tuple(shares.tolist()) == largest_remainder(total, weights, limits)


@given(rows)
def test_what_does_not_fit_is_not_given_out(table: list[tuple[int, int]]) -> None:
    weights, limits = column([w for w, _ in table]), column([c for _, c in table])
    shares = apportion(2**70, weights, limits)
    assert shares.tolist() == np.where(weights > 0, limits, 0).tolist()


@pytest.mark.parametrize("weight", [2**WEIGHT_BITS - 1, 2**WEIGHT_BITS, 2**61])
@pytest.mark.parametrize("total", [1, 7, TOTAL_LIMIT - 1, TOTAL_LIMIT])
def test_both_sides_of_every_arithmetic_bound_are_exact(weight: int, total: int) -> None:
    weights, limits = [weight - 3, 1, 2, weight], [2**62, 2**62, 2**62, 5]
    shares = apportion(total, column(weights), column(limits))
    assert tuple(shares.tolist()) == largest_remainder(total, weights, limits)


def test_a_geometric_ladder_of_caps_saturates_step_by_step() -> None:
    weights = [2**k for k in range(40)]
    limits = [2 ** (40 - k) for k in range(40)]
    for total in (1, sum(limits) // 3, sum(limits) // 2, sum(limits) - 1):
        shares = apportion(total, column(weights), column(limits))
        assert tuple(shares.tolist()) == largest_remainder(total, weights, limits)


def test_sums_beyond_64_bits_are_exact() -> None:
    assert exact_sum(column([2**62] * 9)) == 9 * 2**62
    assert exact_sum(column([-(2**62)] * 9)) == -9 * 2**62


@given(st.lists(st.floats(0, 1e300, allow_subnormal=False), min_size=1, max_size=20))
def test_whole_weights_keep_proportions(weights: list[float]) -> None:
    total = float(np.sum(weights))
    whole = whole_weights(np.array(weights))
    assert exact_sum(whole) < 2**WEIGHT_BITS
    if total > 0:
        error = whole / max(exact_sum(whole), 1) - np.array(weights) / total
        assert np.all(np.abs(error) < 1e-12)
    else:
        assert not whole.any()
