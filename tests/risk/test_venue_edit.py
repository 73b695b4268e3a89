"""The same book under another rulebook: what maps, what is converted, what is unknown."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keelmark.accounts import Account, read_account
from keelmark.accounts.check import Verdict
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.risk.edits import SetVenue
from keelmark.risk.symbols import coin_of, counterpart
from keelmark.risk.what_if import WhatIf, whatif
from keelmark.rulebooks import load_rulebook
from keelmark.rulebooks.load import read_rulebook
from tests.risk.venues import CONTRACTS, PERPS

MULTI: dict[str, Any] = {
    "venue": "binance-usdm-multi@2025-06",
    "collateral": [{"asset": "BTC", "balance": "1", "weight": "0.8"}],
    "prices": {"BTC": "60000", "USDT": "1"},
    "ask_buffers": {"USDT": "0.01"},
    "open_interest": {"ETHUSDT": "1000000"},
    "positions": [
        {"instrument": "ETHUSDT", "size": "1", "entry_price": "2000", "mark_price": "1500"}
    ],
}


def test_another_date_of_a_venue_keeps_what_the_venue_said_of_the_account() -> None:
    account = read_account(json.dumps(MULTI))
    there = whatif(account, SetVenue(reference="binance-usdm-multi@2025-12"))
    for name in ("weights", "ask_buffers", "open_interest"):
        assert getattr(there.document, name) == getattr(account.document, name)
    (unit,) = there.after.units
    assert unit.report is not None
    assert unit.report.equity == 48_000 - 505
    elsewhere = whatif(account, SetVenue(reference="generic"))
    assert not elsewhere.document.ask_buffers
    said = "weights, asks and open interest that the document gives are left out there"
    assert said in elsewhere.notes


BOOK: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "10000"}],
    "positions": [
        {
            "instrument": "BTCUSDT",
            "size": "1",
            "entry_price": "58000",
            "mark_price": "60000",
            "leverage": "20",
            "tier": {"maintenance_rate": "0.1"},
        },
        {
            "instrument": "1000PEPEUSDT",
            "size": "-1000",
            "entry_price": "0.02",
            "mark_price": "0.01",
        },
    ],
    "venue_reported": {"equity": "12010"},
}


@pytest.fixture
def perps(tmp_path: Path) -> str:
    path = tmp_path / "perps.toml"
    path.write_text(PERPS)
    return str(path)


@pytest.fixture
def contracts(tmp_path: Path) -> str:
    path = tmp_path / "contracts.toml"
    path.write_text(CONTRACTS)
    return str(path)


def account_of(**changes: object) -> Account:
    return read_account(json.dumps(BOOK | changes))


def held(found: WhatIf) -> dict[str, tuple[Decimal, Decimal]]:
    return {
        p.held.position.instrument: (p.held.position.size, p.held.unrealized_pnl)
        for p in found.after.positions
    }


def test_contracts_are_found_by_what_they_are(perps: str) -> None:
    found = whatif(account_of(), f"venue {perps}")
    assert held(found) == {
        "BTC": (Decimal(1), Decimal(2000)),
        "kPEPE": (Decimal(-1000), Decimal(10)),
    }
    report = found.after.units[0].report
    assert report is not None
    assert (report.equity, report.maintenance_margin) == (Decimal(12010), Decimal("1200.2"))
    assert set(found.notes) == {
        "BTCUSDT is BTC there",
        "1000PEPEUSDT is kPEPE there",
        "USDT counts one to one as USDC",
        "the venue's own tier of BTCUSDT is left out: the table there applies",
    }


def test_sizes_are_told_in_the_contracts_of_the_venue(contracts: str) -> None:
    found = whatif(account_of(), f"venue {contracts}")
    # one bitcoin is 100 contracts of 0.01; a million PEPE are 100 million contracts of 0.01
    assert held(found) == {
        "BTC-USDT-SWAP": (Decimal(100), Decimal(2000)),
        "PEPE-USDT-SWAP": (Decimal(-100_000_000), Decimal(10)),
    }


def test_a_dollar_that_is_priced_there_is_one_and_said(contracts: str) -> None:
    found = whatif(account_of(), f"venue {contracts}")
    assert found.after.account.market.asset_prices["USDT"] == 1
    assert "USDT is one USD there" in found.notes
    priced = whatif(account_of(prices={"USDT": "0.98"}), f"venue {contracts}")
    assert priced.after.account.market.asset_prices["USDT"] == Decimal("0.98")


def test_there_and_back_is_the_same_book(contracts: str) -> None:
    there = whatif(account_of(), f"venue {contracts}").after.account
    back = whatif(there, "venue generic")
    assert held(back)["BTCUSDT"] == (Decimal(1), Decimal(2000))


def test_what_has_no_counterpart_is_named_and_makes_the_account_unknown(perps: str) -> None:
    inverse = {"instrument": "BTCUSD", "size": "1", "entry_price": "5", "mark_price": "5"}
    coin = {"asset": "SOL", "balance": "3"}
    book = account_of(
        positions=[*BOOK["positions"], inverse],
        collateral=[*BOOK["collateral"], coin],
        prices={"SOL": "150"},
    )
    found = whatif(book, f"venue {perps}")
    assert found.after.verdict is Verdict.UNKNOWN
    assert found.after.units[0].reason == (
        "positions: perps@2025-06 has no BTC inverse perpetual in BTC for BTCUSD; "
        "collateral: perps@2025-06 has no asset SOL"
    )


def test_all_contracts_of_a_dollar_move_to_one_dollar_the_one_with_the_tables() -> None:
    rows = [
        {"instrument": symbol, "size": "1", "entry_price": "9", "mark_price": "9"}
        for symbol in ("BTC", "ETH", "SOL", "XRP")
    ]
    book = account_of(
        venue="hyperliquid@2026-07",
        positions=rows,
        collateral=[{"asset": "USDC", "balance": "100"}],
    )
    found = whatif(book, "venue binance-usdm@2026-05")
    symbols = [row.instrument for row in found.document.positions]
    assert symbols == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    assert found.document.collateral == {"USDT": Decimal(100)}
    assert found.after.units[0].report is not None


def test_orders_move_along(contracts: str) -> None:
    order = {"instrument": "ETHUSDT", "side": "buy", "size": "2", "price": "3000"}
    book = account_of(orders=[order], prices={"ETHUSDT": "3100"})
    found = whatif(book, f"venue {contracts}")
    (moved,) = found.document.orders
    assert (moved.instrument, moved.size) == ("ETH-USDT-SWAP", Decimal(200))


def test_a_book_older_than_every_table_takes_the_nearest_and_says_so() -> None:
    book = account_of(as_of="2023-01-05T00:00:00Z", venue="generic@2025-10")
    found = whatif(book, "venue generic")
    assert "no generic table of 2023-01 is known: generic@2025-10 is used" in found.notes


@pytest.mark.parametrize(
    ("month", "chosen"),
    [("2023-05", "hyperliquid@2023-03"), ("2025-10", "hyperliquid@2026-07")],
)
def test_between_a_table_that_ended_and_the_next_the_nearer_is_taken_and_said(
    month: str, chosen: str
) -> None:
    found = whatif(account_of(as_of=f"{month}-05T00:00:00Z"), "venue hyperliquid")
    assert f"no hyperliquid table of {month} is known: {chosen} is used" in found.notes


def test_another_date_keeps_the_venues_own_contracts() -> None:
    spec = {"kind": "linear_perpetual", "base": "X", "settle": "USDT", "contract_size": "10"}
    row = {"instrument": "ODD", "size": "3", "entry_price": "2", "mark_price": "2", "spec": spec}
    found = whatif(account_of(positions=[row]), "date 2025-10")
    assert found.after.account.document.venue == "generic@2025-10"
    (position,) = found.after.positions
    assert position.held.notional == Decimal(60)


@pytest.mark.parametrize(
    ("base", "coin", "bundle"),
    [
        ("BTC", "BTC", 1),
        ("1000PEPE", "PEPE", 1_000),
        ("1000000MOG", "MOG", 1_000_000),
        ("1MBABYDOGE", "BABYDOGE", 1_000_000),
        ("kPEPE", "PEPE", 1_000),
        ("1INCH", "1INCH", 1),
        ("10SET", "10SET", 1),
        ("KAVA", "KAVA", 1),
    ],
)
def test_a_bundle_is_told_from_a_name(base: str, coin: str, bundle: int) -> None:
    assert coin_of(base) == (coin, Decimal(bundle))


def test_a_dated_future_is_never_mapped_to_a_perpetual() -> None:
    generic = load_rulebook("generic")
    perpetual = generic.terms_for("BTCUSDT").instrument
    coin = Instrument(symbol="BTC", kind=InstrumentKind.INVERSE_PERPETUAL, base="BTC", settle="BTC")
    rulebook = read_rulebook(PERPS, title="perps")
    assert counterpart(perpetual, rulebook, "USDC") is not None
    assert counterpart(perpetual, rulebook, "USDT") is None
    assert counterpart(coin, rulebook, "BTC") is None
