"""What backs one isolated position counts in full where the venue's rulebook says so.

Collateral ratios and discount rates are of shared collateral. Bybit's help article on isolated mode
gives the price of an inverse contract from margin and value in coin; OKX's ratio of an isolated
position is margin and profit over maintenance and fees in the settle coin.
"""

from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts.account import Account, build_account
from keelmark.accounts.check import check
from keelmark.accounts.document import MarginMode, read_document
from keelmark.core.codes import UnitKind
from keelmark.core.explain import explain
from keelmark.risk import SetMarginMode, compare_modes, whatif
from keelmark.rulebooks import load_rulebook

D = Decimal
TINY = D("1e-20")


def account(venue: str, symbol: str, **changes: object) -> Account:
    row: dict[str, Any] = {
        "instrument": symbol,
        "size": "100",
        "entry_price": "50000",
        "mark_price": "50000",
        "leverage": "10",
        "margin_mode": "isolated",
        "isolated_margin": "0.02",
        "tier": {"maintenance_rate": "0.01"},
        **changes,
    }
    content = {"venue": venue, "collateral": [], "positions": [row]}
    return build_account(read_document(content, title="account"))


def okx() -> Account:
    """10,000 USD long at 50,000 with 0.02 BTC of its own."""
    return account("okx-multi", "BTC-USD-SWAP")


def bybit(size: str = "-60000", margin: str = "0.120594") -> Account:
    """The example of the help article, its fee to close in the margin."""
    tier = {"maintenance_rate": "0.005"}
    return account("bybit-uta@2024-01", "BTCUSD", size=size, isolated_margin=margin, tier=tier)


def test_an_okx_coin_margined_isolated_position_counts_in_coin_without_a_discount() -> None:
    found = okx()
    (unit,) = check(found).units
    report = unit.report
    assert report is not None
    assert report.equity == report.equity_initial == D("0.02") * 50_000
    assert abs(report.maintenance_margin - D("0.0105") * 10_000) < TINY
    (position,) = unit.positions
    liquidation, bankruptcy = position.liquidation.value, position.bankruptcy.value
    assert liquidation is not None
    assert bankruptcy is not None
    # margin + Q/entry = Q/P * (1 + rate + fee), in coin
    assert abs(liquidation - D(10_000) * D("1.0105") / D("0.22")) < TINY * 50_000
    assert abs(bankruptcy - D(10_000) / D("0.22")) < TINY * 50_000
    assert not any("collateral weight" in note for note in found.notes)


def test_bybits_own_example_of_an_isolated_inverse_short_comes_out() -> None:
    # 60,000 USD short at 50,000, 10x, maintenance 0.5 %: 1.2 / 10 = 0.12 BTC of margin. The fee to
    # close at the bankruptcy price is in margin and in maintenance alike.
    (unit,) = check(bybit()).units
    assert unit.report is not None
    assert unit.report.equity == D("0.120594") * 50_000
    (position,) = unit.positions
    price = position.liquidation.value
    assert price is not None
    assert abs(price - D(60_000) / (D("1.2") - (D("0.12") - D("0.006")))) < D("1e-20")


def test_a_coin_without_a_known_weight_is_known_alone_and_unknown_shared() -> None:
    # no discount rate of BTC is built in: alone it needs none
    row = {
        "instrument": "BTC-USD-SWAP",
        "size": "100",
        "entry_price": "50000",
        "mark_price": "50000",
        "tier": {"maintenance_rate": "0.01"},
    }
    content = {
        "venue": "okx-multi",
        "collateral": [{"asset": "BTC", "balance": "0.02"}],
        "positions": [row],
    }
    shared = build_account(read_document(content, title="account"))
    assert check(shared).is_liquidatable is None
    assert check(okx()).is_liquidatable is False


def test_shared_collateral_of_the_same_coin_keeps_its_weight() -> None:
    row = {
        "instrument": "BTCUSD",
        "size": "60000",
        "entry_price": "50000",
        "mark_price": "50000",
        "tier": {"maintenance_rate": "0.005"},
    }
    content = {
        "venue": "bybit-uta",
        "collateral": [{"asset": "BTC", "balance": "1"}],
        "positions": [row],
    }
    found = build_account(read_document(content, title="account"))
    (unit,) = check(found).units
    assert unit.report is not None
    assert unit.report.equity == D("0.98") * 50_000


def test_the_working_of_an_isolated_margin_names_the_weight_that_counts() -> None:
    found = bybit()
    working = explain(found.units[0], found.market, found.model, "equity")
    assert working.value == D("0.120594") * 50_000
    assert working.parts[0].note == "weights by quantity: 1 above 0"


def test_making_a_shared_leg_isolated_frees_it_of_its_weight() -> None:
    row = {
        "instrument": "BTCUSD",
        "size": "-60000",
        "entry_price": "50000",
        "mark_price": "50000",
        "leverage": "10",
        "tier": {"maintenance_rate": "0.005"},
    }
    content = {
        "venue": "bybit-uta@2024-01",
        "collateral": [{"asset": "BTC", "balance": "1"}],
        "positions": [row],
    }
    found = build_account(read_document(content, title="account"))
    changed = whatif(found, SetMarginMode(leg="BTCUSD", mode=MarginMode.ISOLATED))
    alone = next(u for u in changed.after.units if u.unit.kind is UnitKind.ISOLATED)
    assert alone.report is not None
    assert alone.report.equity == alone.unit.balances["BTC"] * 50_000
    isolated = next(a for a in compare_modes(found).alternatives if a.name == "isolated")
    assert isolated.check is not None
    prices = [p.liquidation.value for p in isolated.check.positions]
    assert prices == [alone.positions[0].liquidation.value]


@pytest.mark.parametrize("name", ["okx-multi", "bybit-uta"])
def test_an_engine_keeps_one_schedule_an_asset(name: str) -> None:
    # the book's columns have no other: kernels and core must agree there
    rulebook = load_rulebook(name)
    assert not rulebook.model.isolated_in_full
    assert rulebook.for_documents().model.isolated_in_full
    assert any("in an engine: the book keeps one" in text for text in rulebook.document.not_covered)
