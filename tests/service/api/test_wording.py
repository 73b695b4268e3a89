"""Refusals of the engine, as they are told over HTTP."""

import pytest

from keelmark.core.errors import Rejected
from keelmark.engine import commands as c
from keelmark.service.api.wording import worded
from keelmark.service.views.names import Roster
from tests.engine.venue import Venue

STEPS = {"assets": {"USDT": {"quantum": "0.01"}}, "defaults": {"lot": "0.1", "price_unit": "0.5"}}

_BEYOND = (
    "5 lots at 201 ticks on leg 0 of instrument row 0, and order 3 of {unit} is -4 lots at 200 "
    "on leg -1 of row 0; fill it within that"
)


@pytest.fixture(scope="module")
def venue() -> Venue:
    made = Venue(STEPS)
    made.marks(A=100.0, B=100.0)
    made.open("alice", USDT=1000)
    return made


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("the transfer of 250 quanta of USDT; {unit} holds 75", "the transfer of 2.5 USDT; alice"),
        ("{unit} is being liquidated; wait", "alice is being liquidated; wait"),
        ("unit 1 to unit 999999", "{one} to unit 999999"),
        ("a deposit of -3 quanta; give a positive whole number", "a deposit of nothing or less;"),
        ("fees 9 and 0 on a notional of 8 quanta; at most", "fees of more than the notional; at"),
        (
            _BEYOND,
            "0.5 A at 100.5, and order 3 of alice is -0.4 A at 100 on the short leg; fill",
        ),
    ],
)
def test_a_refusal_is_told_in_names_and_decimals(venue: Venue, said: str, told: str) -> None:
    state = venue.state
    unit = state.book.cross_unit(state.names["alice"])
    one = state.book.unit_name(1)
    found = worded(said.format(unit=f"unit {unit}"), state, Roster())
    assert found.startswith(told.format(one=one))
    assert "quanta" not in found


def test_a_fill_beyond_its_order_is_told_in_sizes_and_prices(venue: Venue) -> None:
    state = venue.state
    unit = state.book.cross_unit(state.names["alice"])
    venue.engine.submit(c.ReserveOrder(unit=unit, order=3, instrument=0, lots=4, ticks=200))
    with pytest.raises(Rejected) as refused:
        venue.trade(unit, state.liquidity, "A", 5, 201, order=3)
    assert worded(str(refused.value), state, Roster()) == (
        "beyond_reservation: 0.5 A at 100.5, and order 3 of alice is 0.4 A at 100; fill it within "
        "that"
    )
