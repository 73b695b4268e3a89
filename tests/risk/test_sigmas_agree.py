"""A sigma of `check` is a sigma of `joint`: no move shown is nearer than the nearest."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts import check, read_account
from keelmark.risk.reverse import find_reverse_stress
from tests.risk.reverse.test_nearest_joint_move import returns
from tests.risk.test_ladders import book


@settings(max_examples=25)
@given(
    btc=st.integers(-60, 60).filter(bool),
    eth=st.integers(-900, 900).filter(bool),
    held=st.integers(0, 200),
    usdt=st.integers(50_000, 900_000),
)
def test_all_together_is_never_nearer_than_the_nearest_joint_move(
    btc: int, eth: int, held: int, usdt: int
) -> None:
    rows = (("BTCUSDT", str(btc), "60000"), ("ETHUSDT", str(eth), "3000"))
    content = book(*rows, usdt=str(usdt))
    content["collateral"].append({"asset": "ETH", "balance": str(held)})
    content["prices"] = {"ETH": "3000"}
    account = read_account(json.dumps(content))
    past = returns()
    (unit,) = check(account, volatilities=past.volatilities(("BTC", "ETH"))).units
    if unit.is_liquidatable or unit.joint_move is None or unit.joint_move.signed is None:
        return
    assert unit.together is not None
    shown = abs(float(unit.joint_move.signed)) / unit.together
    nearest = find_reverse_stress(account, past)
    assert nearest.distance is not None
    assert shown >= nearest.distance * (1 - 1e-9)
