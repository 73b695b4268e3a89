"""What a source left out of an account makes its totals unknown, never zero."""

import json
from typing import Any

import pytest

from keelmark.accounts.account import read_account
from keelmark.accounts.check import Verdict, check
from keelmark.accounts.check_document import check_document
from keelmark.core.errors import InvalidDocument

ACCOUNT: dict[str, Any] = {
    "venue": "generic",
    "collateral": [{"asset": "USDT", "balance": "1000"}],
    "positions": [
        {
            "instrument": "BTCUSDT",
            "size": "0.1",
            "entry_price": "30000",
            "mark_price": "30000",
            "leverage": "10",
        },
    ],
}


def checked(**changes: object) -> dict[str, Any]:
    found = check(read_account(json.dumps(ACCOUNT | changes)))
    return dict(check_document(found))


def missing(what: str) -> list[dict[str, str]]:
    return [{"what": what, "why": "the balance was asked for alone"}]


@pytest.mark.parametrize("what", ["collateral", "positions"])
def test_totals_of_an_account_with_an_unknown_part_are_unknown(what: str) -> None:
    document = checked(unknown=missing(what))

    assert document["verdict"] == Verdict.UNKNOWN
    assert document["is_liquidatable"] is None
    assert document["equity"] is None
    assert "the balance was asked for alone" in document["reason"]
    assert f"{what} unknown: the balance was asked for alone" in document["notes"]
    (position,) = document["positions"]
    assert position["maintenance_margin"] is not None
    assert position["liquidation_price"]["status"] == "unknown"


def test_an_empty_account_whose_positions_are_unknown_is_not_healthy() -> None:
    document = checked(collateral=[], positions=[], unknown=missing("positions"))

    assert document["verdict"] == Verdict.UNKNOWN


def test_unknown_orders_are_said_and_decide_nothing() -> None:
    document = checked(unknown=missing("orders"))

    assert document["verdict"] == checked()["verdict"]
    assert "orders unknown: the balance was asked for alone" in document["notes"]


def test_an_isolated_position_is_known_without_the_rest() -> None:
    row = ACCOUNT["positions"][0] | {"margin_mode": "isolated", "isolated_margin": "300"}
    document = checked(positions=[row], unknown=missing("collateral"))

    (position,) = document["positions"]
    assert position["liquidation_price"]["status"] == "price"


def test_what_is_unknown_is_one_of_a_closed_list() -> None:
    with pytest.raises(InvalidDocument) as caught:
        checked(unknown=[{"what": "position", "why": "x"}, {"why": "y"}])

    assert "unknown[0].what: found 'position'" in str(caught.value)
    assert "unknown[1].what: is missing; one of collateral, positions, orders" in str(caught.value)
