"""Hedge legs at a venue that nets: refused by name, with the row that keeps the equity."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check, read_account
from keelmark.accounts.importers import import_account
from keelmark.core.errors import InvalidDocument
from tests.accounts.importers.reading import as_payload

D = Decimal


def leg(size: str, entry: str, **more: str) -> dict[str, Any]:
    row = {"instrument": "BTC", "size": size, "entry_price": entry, "mark_price": "51000"}
    return {**row, **more}


def document(*rows: dict[str, Any], balance: str = "10000", **more: object) -> str:
    collateral = [{"asset": "USDC", "balance": balance}]
    content = {"venue": "hyperliquid@2026-07", "collateral": collateral, "positions": rows, **more}
    return json.dumps(content)


def told(*rows: dict[str, Any]) -> str:
    with pytest.raises(InvalidDocument) as caught:
        read_account(document(*rows))
    (problem,) = caught.value.problems
    return problem


def test_two_legs_are_refused_with_the_row_that_keeps_the_equity() -> None:
    problem = told(leg("1", "50000"), leg("-0.4", "53000"))
    assert problem.startswith("positions[1].instrument: BTC is held on both sides and")
    assert "hyperliquid@2026-07 nets them" in problem
    said = "write one row with size 0.6 and entry_price 50000 and add 1200.0 USDC to `collateral`"
    assert said in problem
    # apart: 1 * 1000 of profit on the long, 0.4 * 2000 on the short
    (unit,) = check(read_account(document(leg("0.6", "50000"), balance="11200"))).units
    assert unit.report is not None
    assert unit.report.equity_raw == 10_000 + 1000 + 800


def test_legs_that_cancel_leave_cash() -> None:
    problem = told(leg("1", "50000"), leg("-1", "53000"))
    assert "they cancel: leave both rows out and add 3000 USDC to `collateral`" in problem
    assert "size 0" not in problem


@pytest.mark.parametrize(
    ("margins", "said"),
    [
        (("2000", "900"), "add 2100.0 USDC to its `isolated_margin`"),
        ((None, "900"), "add 2100.0 USDC to `collateral`"),
    ],
)
def test_margins_of_isolated_legs_come_along(margins: tuple[str | None, str], said: str) -> None:
    modes = [
        {} if m is None else {"margin_mode": "isolated", "isolated_margin": m} for m in margins
    ]
    assert said in told(leg("1", "50000", **modes[0]), leg("-0.4", "53000", **modes[1]))


def test_hedge_mode_and_orders_of_legs_are_refused_too() -> None:
    order = {"instrument": "BTC", "side": "sell", "size": "1", "price": "52000", "leg": "short"}
    with pytest.raises(InvalidDocument, match="no hedge mode") as caught:
        read_account(document(leg("1", "50000"), account_mode="hedge", orders=[order]))
    assert any("orders[0].leg" in problem for problem in caught.value.problems)


def test_imported_legs_of_both_sides_are_refused_where_they_are_checked() -> None:
    long = {
        "info": {"contract": "BTC_USDC"},
        "symbol": "BTC/USDC:USDC",
        "contracts": 1,
        "contractSize": 1,
        "side": "long",
        "hedged": True,
        "entryPrice": 50000,
        "markPrice": 51000,
        "marginMode": "cross",
    }
    short = {**long, "side": "short", "contracts": 0.4, "entryPrice": 53000}
    balance = {"info": {}, "free": {}, "used": {}, "total": {}, "USDC": {"total": 10000}}
    found = import_account([as_payload([long, short]), as_payload(balance)], venue="hyperliquid")
    with pytest.raises(InvalidDocument, match=re.escape("size 0.6 and entry_price 50000")):
        read_account(found.text)
