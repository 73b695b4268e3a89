"""Loss policies: quanta sum to the loss, claims bound what is taken."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.allocation import largest_remainder
from keelmark.core.errors import InvalidInput
from keelmark.engine.losses import LOSS, Claims

quanta = st.one_of(st.integers(-100, 100), st.integers(-(2**61), 2**61))


@st.composite
def claims(draw: st.DrawFn) -> Claims:
    rows = draw(
        st.lists(
            st.tuples(quanta, st.integers(-(2**40), 2**40), quanta, quanta.map(abs)),
            min_size=1,
            max_size=8,
        )
    )
    profit, lots, balance, cap = np.array(rows, dtype=np.int64).T
    return Claims(
        unit=np.arange(len(rows), dtype=np.int64),
        profit=profit,
        open_interest=lots,
        withdrawable=balance,
        cap=cap,
    )


def profits(claim: Claims) -> tuple[list[int], list[int]]:
    weights = [max(profit, 0) for profit in claim.profit.tolist()]
    return weights, [min(w, cap) for w, cap in zip(weights, claim.cap.tolist(), strict=True)]


def lots(claim: Claims) -> tuple[list[int], list[int]]:
    return [abs(held) for held in claim.open_interest.tolist()], claim.cap.tolist()


def balances(claim: Claims) -> tuple[list[int], list[int]]:
    weights = [max(balance, 0) for balance in claim.withdrawable.tolist()]
    return weights, [min(w, cap) for w, cap in zip(weights, claim.cap.tolist(), strict=True)]


BOUNDS: dict[str, Callable[[Claims], tuple[list[int], list[int]]]] = {
    "per_open_interest": lots,
    "pro_rata_profit": profits,
    "withdrawal_haircut": balances,
}


def test_the_registry_names_every_form() -> None:
    assert list(LOSS) == sorted(BOUNDS)
    with pytest.raises(InvalidInput, match="no loss policy"):
        LOSS["everyone"]


@pytest.mark.parametrize("name", BOUNDS)
@given(claim=claims(), part=st.fractions(0, 2))
def test_a_loss_is_shared_to_the_quantum_as_defined(
    name: str,
    claim: Claims,
    part: float,
) -> None:
    weights, caps = BOUNDS[name](claim)
    room = sum(cap for weight, cap in zip(weights, caps, strict=True) if weight)
    needed = int(room * part)
    taken = LOSS[name](needed, claim).tolist()
    assert sum(taken) == min(needed, room)
    assert tuple(taken) == largest_remainder(min(needed, room), weights, caps)


def test_a_profit_haircut_leaves_principal_alone() -> None:
    claim = Claims(
        unit=np.array([1, 2, 3]),
        profit=np.array([90, -50, 10]),
        open_interest=np.array([1, 1, 1]),
        withdrawable=np.array([1_000, 1_000, 1_000]),
        cap=np.array([1_000, 1_000, 5]),
    )
    assert LOSS["pro_rata_profit"](50, claim).tolist() == [45, 0, 5]
    assert LOSS["pro_rata_profit"](500, claim).tolist() == [90, 0, 5]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cap": np.array([-1, 0])}, "is negative"),
        ({"unit": np.array([2, 1])}, "rising unit order"),
        ({"profit": np.array([1])}, "differ in length"),
    ],
)
def test_claims_that_contradict_themselves_are_refused(
    changes: dict[str, np.ndarray],
    words: str,
) -> None:
    columns = {
        name: np.array([1, 2], dtype=np.int64)
        for name in ("unit", "profit", "open_interest", "withdrawable", "cap")
    }
    with pytest.raises(InvalidInput, match=words):
        Claims(**(columns | changes))


def test_a_negative_loss_is_refused() -> None:
    nobody = Claims(
        **{
            name: np.array([], dtype=np.int64)
            for name in ("unit", "profit", "open_interest", "withdrawable", "cap")
        }
    )
    assert LOSS["pro_rata_profit"](3, nobody).tolist() == []
    with pytest.raises(InvalidInput, match="positive amount"):
        LOSS["pro_rata_profit"](-3, nobody)
