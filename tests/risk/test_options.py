"""What if, with options: premiums are cash, and a move of the underlying reprices them."""

from decimal import Decimal
from pathlib import Path

import pytest

from keelmark.accounts import Account
from keelmark.accounts.account import build_account
from keelmark.accounts.document import read_document
from keelmark.core.errors import InvalidInput
from keelmark.core.repricing import Repricer
from keelmark.risk.what_if import whatif
from keelmark.rulebooks import load_rulebook

D = Decimal
RULES = Path(__file__).parents[1] / "accounts" / "rulebooks" / "options.toml"
CALL = "BTC-27DEC24-60000-C"


def account(*, as_of: str | None = "2024-12-01T00:00:00Z") -> Account:
    content = {
        "venue": str(RULES),
        "as_of": as_of,
        "collateral": [{"asset": "BTC", "balance": "1"}],
        "prices": {"BTC": "50000", "BTC-27DEC24": "50500"},
        "positions": [
            {"instrument": CALL, "size": "-3", "entry_price": "0.012", "mark_price": "0.0105"},
            {
                "instrument": "BTC-PERPETUAL",
                "size": "1000",
                "entry_price": "50000",
                "mark_price": "50000",
            },
        ],
    }
    return build_account(
        read_document(content, title="account"), rulebook=load_rulebook(str(RULES))
    )


def test_buying_a_short_option_back_costs_its_premium() -> None:
    after = whatif(account(), f"close {CALL}=1", fee_rate=D(0)).after.account.document
    assert after.collateral["BTC"] == D("0.9895")
    assert [row.size for row in after.positions if row.instrument == CALL] == [D(-2)]


def test_the_fee_of_an_option_is_left_out_and_said() -> None:
    found = whatif(account(), f"close {CALL}=1", f"add {CALL}=-1")
    assert found.fees == {}
    assert f"no fee is counted for {CALL}: fees of options are not in the rulebook" in found.notes
    assert found.document.collateral["BTC"] == D(1)


def test_what_the_unit_is_worth_does_not_change_by_a_fill_at_the_mark() -> None:
    found = whatif(account(), f"add {CALL}=-2", fee_rate=D(0))
    (now,), (after,) = found.now.units, found.after.units
    assert now.report is not None
    assert after.report is not None
    assert after.report.equity_raw == now.report.equity_raw
    assert after.report.equity == now.report.equity + D("0.021")  # the premium received


def test_a_move_of_the_underlying_reprices_the_option() -> None:
    start = account()
    repricer = Repricer.of(start.model.instrument(CALL).instrument, start.market)
    after = whatif(start, "price BTC=+10%").after.account
    assert after.market.marks[CALL] == repricer.mark_at(D("55550"))
    assert after.market.forwards[CALL] == D("55550")
    assert after.market.marks["BTC-PERPETUAL"] == D(55000)


def test_a_move_to_a_price_is_one_of_the_coin() -> None:
    after = whatif(account(), "price BTC=40000").after.account
    assert after.market.marks["BTC-PERPETUAL"] == D(40000)
    assert after.market.forwards[CALL] == D(40400)


def test_an_option_that_cannot_be_repriced_stops_the_move_by_name() -> None:
    with pytest.raises(InvalidInput, match="BTC-27DEC24-60000-C cannot follow its underlying"):
        whatif(account(as_of=None), "price BTC=+10%")
