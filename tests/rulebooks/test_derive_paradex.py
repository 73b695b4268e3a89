"""Derive and Paradex: what is margined position by position, and what is said to be missing."""

from decimal import Decimal

import pytest

from keelmark.accounts import check
from keelmark.accounts.account import build_account
from keelmark.accounts.check import AccountCheck, Verdict
from keelmark.accounts.document import read_document
from keelmark.core.model import Trigger
from keelmark.rulebooks import load_rulebook, rulebook_names

D = Decimal


def checked(venue: str, symbol: str, **more: object) -> AccountCheck:
    row = {"instrument": symbol, "size": "10", "entry_price": "2000", "mark_price": "2000", **more}
    content = {
        "venue": venue,
        "collateral": [{"asset": "USDC", "balance": "3000"}],
        "positions": [row],
    }
    return check(build_account(read_document(content, title="account")))


def test_a_perpetual_of_derive_asks_ten_per_cent_and_keeps_six_and_a_half() -> None:
    found = checked("derive-sm", "ETH-PERP")
    report = found.units[0].report
    assert report is not None
    assert (report.initial_margin, report.maintenance_margin) == (D(2_000), D(1_300))
    # the venue's maintenance margin is signed: 3,000 - 1,300 now, nothing at the price
    (position,) = found.positions
    assert position.liquidation.value is not None
    price = position.liquidation.value
    assert abs(3_000 + 10 * (price - 2_000) - D("0.65") * price) < D("1e-40")


def test_a_coin_of_derive_needs_its_discount() -> None:
    content = {
        "venue": "derive-sm",
        "collateral": [{"asset": "ETH", "balance": "1"}],
        "prices": {"ETH": "2000"},
        "positions": [],
    }
    found = check(build_account(read_document(content, title="account")))
    assert found.verdict is Verdict.UNKNOWN


def test_paradex_is_unknown_until_the_account_gives_a_rate() -> None:
    assert checked("paradex", "ETH-USD-PERP").verdict is Verdict.UNKNOWN
    found = checked("paradex", "ETH-USD-PERP", tier={"maintenance_rate": "0.02"}, leverage="20")
    report = found.units[0].report
    assert report is not None
    assert (report.initial_margin, report.maintenance_margin) == (D(1_000), D(400))


@pytest.mark.parametrize("venue", ["derive-sm", "paradex", "okx-multi", "deribit-sm", "dydx-v4"])
def test_what_is_not_covered_is_said_in_words(venue: str) -> None:
    found = load_rulebook(venue).document
    assert len(found.not_covered) >= 4
    assert found.read == "2026-11-21"


def test_venues_that_liquidate_below_and_at_maintenance_are_told_apart() -> None:
    below = {n for n in rulebook_names() if load_rulebook(n).model.trigger is Trigger.BELOW}
    venues = {name.partition("@")[0] for name in below}
    expected = {"hyperliquid", "hyperliquid-unified", "dydx-v4", "deribit-sm", "derive-sm"}
    assert expected <= venues
    assert not {"bybit-uta", "okx-multi"} & venues
