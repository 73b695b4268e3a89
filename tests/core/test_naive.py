"""The price a calculator for one position shows, and how far it is from the truth."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.accounts import check, load_account, read_account
from keelmark.core.errors import UnknownInstrument
from keelmark.core.margin import margin_report
from keelmark.core.naive import naive_price

D = Decimal
EXAMPLE = "docs/examples/naive.json"


def test_the_naive_room_is_eight_times_the_true_one() -> None:
    """Equity 5, one unit at 100, 0.4 % maintenance, 4 of maintenance elsewhere."""
    found = check(load_account(EXAMPLE))
    alpha = next(p for p in found.positions if p.held.position.instrument == "ALPHAUSDT")
    assert alpha.naive_distance is not None
    assert alpha.distance is not None
    assert round(alpha.naive_distance, 4) == D("-0.0462")  # (5 - 0.4) / (100 - 0.4)
    assert round(alpha.distance, 4) == D("-0.0060")  # (5 - 4.4) / (100 - 0.4)
    assert alpha.is_misleading


@given(
    size=st.sampled_from(["1", "-1", "12", "-40"]),
    balance=st.integers(10, 5000),
    symbol=st.sampled_from(["XUSDT", "BTCUSD"]),
)
def test_of_one_position_on_one_row_the_naive_price_is_the_true_one(
    size: str, balance: int, symbol: str
) -> None:
    row = (
        f'{{"instrument": "{symbol}", "size": "{size}", "entry_price": "90", "mark_price": "100",'
        ' "tier": {"maintenance_rate": "0.02"}, "margin_mode": "isolated",'
        f' "isolated_margin": "{balance}"}}'
    )
    text = (
        f'{{"venue": "generic", "collateral": [], "positions": [{row}], "prices": {{"BTC": "1"}}}}'
    )
    account = read_account(text)
    report = margin_report(account.units[-1], account.market, account.model)
    (position,) = check(account).positions
    naive = naive_price(report, symbol)
    if symbol == "XUSDT" and position.liquidation.value is not None:
        assert naive is not None
        assert abs(naive - position.liquidation.value) < D("1e-30") * naive
    assert position.naive is None  # alone, it misleads nobody


def test_legs_that_cancel_and_instruments_not_held_have_none() -> None:
    row = '{"instrument": "XUSDT", "size": "%s", "entry_price": "100", "mark_price": "100"}'
    rows = ", ".join([row % "1", row % "-1"])
    text = (
        '{"venue": "generic", "collateral": [{"asset": "USDT", "balance": "9"}], "positions": [%s]}'
    )
    account = read_account(text % rows)
    report = margin_report(account.units[0], account.market, account.model)
    assert naive_price(report, "XUSDT") is None
    with pytest.raises(UnknownInstrument, match="holds no ZUSDT"):
        naive_price(report, "ZUSDT")
