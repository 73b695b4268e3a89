"""dYdX v4 in whole quantums: the edges that no published figure shows."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.rulebooks.formulas.dydx import (
    PPM,
    QuantumAccount,
    QuantumFill,
    QuantumPosition,
    bankruptcy_quote,
    bankruptcy_rating,
    insurance_payment,
)


def account(size: int, quote: int, maintenance_ppm: int = PPM // 5) -> QuantumAccount:
    position = QuantumPosition(
        size=size, subprice=Fraction(PPM), initial_ppm=PPM, maintenance_ppm=maintenance_ppm
    )
    return QuantumAccount(quote=quote, positions={"X": position})


@pytest.mark.parametrize("delta", [0, 1, -6])
def test_growing_a_position_has_no_bankruptcy_price(delta: int) -> None:
    with pytest.raises(InvalidInput, match="does not reduce"):
        bankruptcy_quote(account(5, 95 * PPM), "X", delta)


def test_liquidation_needs_maintenance_strictly_above_equity() -> None:
    at_the_line = account(500, -400 * PPM)
    assert at_the_line.equity == at_the_line.maintenance
    assert not at_the_line.is_liquidatable
    assert account(500, -400 * PPM - 1).is_liquidatable


def test_closing_the_whole_account_at_its_bankruptcy_price_leaves_nothing() -> None:
    for size, quote in ((500, -490 * PPM), (-500, 510 * PPM), (500, -520 * PPM)):
        assert quote + bankruptcy_quote(account(size, quote), "X", -size) == 0


@given(st.fractions(0, 3), st.fractions(-5, 5), st.fractions(min_value=Fraction(1, 9), max_value=5))
def test_the_rating_is_one_at_no_equity_and_none_at_maintenance(
    adjustment: Fraction, equity: Fraction, maintenance: Fraction
) -> None:
    rating = bankruptcy_rating(adjustment, equity, maintenance)
    assert 0 <= rating <= 1
    assert bankruptcy_rating(adjustment, maintenance, maintenance) == 0
    assert bankruptcy_rating(max(adjustment, Fraction(1)), Fraction(0), maintenance) == 1


def test_a_fill_in_subticks_is_rounded_down_in_size_on_both_sides() -> None:
    sell = QuantumFill(market="X", size=-3, subticks=5, exponent=-1)
    buy = QuantumFill(market="X", size=3, subticks=5, exponent=-1)
    assert (sell.quote, buy.quote) == (1, -1)
    assert QuantumFill(market="X", size=-3, subticks=5, exponent=2).quote == 1500


def test_the_fund_pays_nothing_for_a_fill_better_than_the_bankruptcy_price() -> None:
    assert insurance_payment(Decimal(-500), Decimal("1.1"), Decimal("1.2")) == 0
    assert insurance_payment(Decimal(-500), Decimal("1.3"), Decimal("1.2")) == 50
