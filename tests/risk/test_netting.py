"""Hedge legs at venues that keep one position an instrument: refused, or netted and said."""

import json
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import Account, check, read_account
from keelmark.core.errors import InvalidDocument
from keelmark.core.numbers import ZERO
from keelmark.risk.comparison import compare_venues
from keelmark.risk.what_if import whatif
from keelmark.rulebooks import load_rulebook

D = Decimal
NETTING = ("hyperliquid", "deribit-sm", "dydx-v4", "derive-sm", "paradex", "hyperliquid-unified")


def leg(size: str, entry: str, **more: object) -> dict[str, Any]:
    row = {"instrument": "BTC", "size": size, "entry_price": entry, "mark_price": "101000"}
    return {**row, "leverage": "20", **more}


def account(venue: str, *rows: dict[str, Any], **more: object) -> Account:
    content = {
        "venue": venue,
        "collateral": [{"asset": "USDC", "balance": "4000"}],
        "positions": list(rows),
        **more,
    }
    return read_account(json.dumps(content))


def binance(*rows: dict[str, Any]) -> Account:
    held = [{**row, "instrument": "BTCUSDT"} for row in rows]
    usdt = [{"asset": "USDT", "balance": "40000"}]
    return account("binance-usdm", *held, collateral=usdt)


@pytest.mark.parametrize("venue", NETTING)
def test_the_rulebooks_of_venues_that_net_say_so(venue: str) -> None:
    assert not load_rulebook(venue).document.hedge_mode


def test_two_legs_are_refused_where_the_venue_nets_them() -> None:
    with pytest.raises(InvalidDocument) as caught:
        account("hyperliquid@2026-07", leg("1", "100000"), leg("-0.4", "100000"))
    (problem,) = caught.value.problems
    assert "positions[1].instrument" in problem
    assert "hyperliquid@2026-07 nets them" in problem
    assert "size 0.6" in problem


def test_hedge_mode_itself_is_refused_there() -> None:
    with pytest.raises(InvalidDocument, match="account_mode"):
        account("hyperliquid@2026-07", leg("1", "100000"), account_mode="hedge")


@pytest.mark.parametrize(
    ("sizes", "entries"),
    [(("1", "-0.4"), ("100000", "99000")), (("0.4", "-1"), ("99000", "100000"))],
)
def test_legs_are_netted_on_the_way_there_and_equity_is_kept(
    sizes: tuple[str, str], entries: tuple[str, str]
) -> None:
    book = binance(*(leg(size, entry) for size, entry in zip(sizes, entries, strict=True)))
    found = whatif(book, "venue hyperliquid@2026-07")
    (unit,) = found.after.units
    (position,) = unit.unit.positions
    assert position.size == D(sizes[0]) + D(sizes[1])
    assert position.cost / position.size == D(100_000)
    now = found.now.units[0]
    assert unit.total("equity") == now.total("equity")
    assert unit.total("maintenance_margin") == abs(position.size) * D(101_000) * D("0.0125")
    assert any("2 legs net to" in note for note in found.notes)


def test_legs_of_one_size_net_to_nothing_and_leave_their_profit() -> None:
    book = binance(leg("1", "100000"), leg("-1", "102000"))
    found = whatif(book, "venue hyperliquid@2026-07")
    (unit,) = found.after.units
    assert unit.unit.positions == ()
    assert sum(unit.unit.balances.values(), ZERO) == D(42_000)


def test_isolated_legs_net_with_their_margins() -> None:
    isolated = {"margin_mode": "isolated", "isolated_margin": "5000"}
    book = binance(leg("1", "100000", **isolated), leg("-0.5", "102000", **isolated))
    found = whatif(book, "venue hyperliquid@2026-07")
    (held,) = [unit for unit in found.after.units if unit.unit.positions]
    assert dict(held.unit.balances) == {"USDC": D(11_000)}


def test_a_comparison_nets_them_and_says_so() -> None:
    book = binance(leg("1", "100000"), leg("-0.4", "100000"))
    (_, there) = compare_venues(book, ["hyperliquid@2026-07"]).alternatives
    assert there.check is not None
    assert [p.held.position.size for p in there.check.positions] == [D("0.6")]
    assert any("2 legs net to 0.6" in note for note in there.notes)


def test_venues_with_hedge_mode_keep_both_legs() -> None:
    book = binance(leg("1", "100000"), leg("-0.4", "100000"))
    assert len(list(check(book).positions)) == 2


def test_orders_have_no_leg_where_the_venue_nets() -> None:
    order = {"instrument": "BTCUSDT", "side": "sell", "size": "1", "price": "102000", "leg": "long"}
    held = {**leg("1", "100000"), "instrument": "BTCUSDT"}
    usdt = [{"asset": "USDT", "balance": "40000"}]
    book = account("binance-usdm", held, collateral=usdt, account_mode="hedge", orders=[order])
    assert book.units[0].orders == ()
    found = whatif(book, "venue hyperliquid@2026-07")
    (orders,) = found.after.units[0].unit.orders
    assert (orders.sell_size, orders.hedged) == (D(1), False)
