"""A contract without a bracket table: its requirements are unknown, what it is worth is not."""

import json
from decimal import Decimal
from typing import Any

from click.testing import CliRunner

from keelmark.accounts import AccountCheck, check, read_account
from keelmark.accounts.check_document import check_document
from keelmark.cli.program import main
from keelmark.core.liquidation_price import PriceStatus

D = Decimal
SHORT = {
    "instrument": "BTC-USDT-SWAP",
    "size": "-1",
    "entry_price": "100000",
    "mark_price": "101000",
    "leverage": "10",
}
BOOK: dict[str, Any] = {
    "venue": "okx-multi@2024-09",
    "collateral": [{"asset": "USDT", "balance": "20000"}],
    "prices": {"USDT": "1"},
    "positions": [SHORT],
    "orders": [{"instrument": "BTC-USDT-SWAP", "side": "buy", "size": "1", "price": "90000"}],
}


def checked(**changes: object) -> AccountCheck:
    return check(read_account(json.dumps(BOOK | changes)))


def test_equity_and_leverage_need_no_table() -> None:
    (unit,) = (found := checked()).units
    assert unit.report is None
    assert unit.known.equity == D(19_000)
    leverage = unit.known.effective_leverage
    assert leverage is not None
    assert abs(leverage - D(101_000) / D(19_000)) < D("1e-20")
    document = check_document(found)
    assert document["equity"] == "19000"
    assert document["maintenance_margin"] is None
    assert "tier" in str(document["maintenance_margin_reason"])


def test_the_bankruptcy_price_needs_no_table_and_the_liquidation_price_does() -> None:
    (position,) = checked().positions
    assert position.bankruptcy.value == D(120_000)
    assert position.liquidation.status is PriceStatus.UNKNOWN
    assert position.maintenance_margin is None
    assert position.held.unrealized_pnl == D(-1_000)


def test_what_is_known_is_compared_and_the_rest_says_what_is_missing() -> None:
    reported = {
        "equity": "19000",
        "maintenance_margin": "404",
        "margin_ratio": "0.1",
        "liquidation_price": {"BTC-USDT-SWAP": "118000"},
        "bankruptcy_price": {"BTC-USDT-SWAP": "120000"},
    }
    by_name = {r.number: r for r in checked(venue_reported=reported).residuals}
    assert by_name["equity"].matches
    assert by_name["bankruptcy_price:BTC-USDT-SWAP"].matches
    for name in ("maintenance_margin", "margin_ratio", "liquidation_price:BTC-USDT-SWAP"):
        assert "tier" in (by_name[name].reason or "")
        assert by_name[name].likely_reason == by_name[name].reason


def test_a_price_that_is_missing_too_leaves_equity_unknown() -> None:
    collateral = [{"asset": "USDT", "balance": "20000"}, {"asset": "BTC", "balance": "1"}]
    found = checked(collateral=collateral, prices={}, positions=[SHORT])
    assert found.units[0].known.equity is None
    assert next(found.positions).bankruptcy.status is PriceStatus.UNKNOWN


def test_the_terminal_shows_the_equity() -> None:
    done = CliRunner().invoke(main, ["check", "-"], input=json.dumps(BOOK))
    assert "equity 19,000.00 USD" in done.output
    assert "maintenance unknown" in done.output
