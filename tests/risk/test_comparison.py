"""The same book by venue, and cross against isolated."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from keelmark.accounts import Account, check, read_account
from keelmark.accounts.check import Verdict
from keelmark.cli.compare_table import comparison_lines
from keelmark.risk.comparison import (
    Alternative,
    Comparison,
    compare_modes,
    compare_venues,
    venue_names,
)
from tests.risk.strategies import documents
from tests.risk.test_ladders import book
from tests.risk.venues import CONTRACTS, PERPS

ROWS = (("BTCUSDT", "1", "61000"), ("ETHUSDT", "-10", "2900"))


def account_of(**changes: object) -> Account:
    return read_account(json.dumps({**book(*ROWS), **changes}))


def by_name(found: Comparison) -> dict[str, Any]:
    return {a.name: a for a in found.alternatives}


@pytest.fixture
def venues(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "perps.toml", tmp_path / "contracts.toml"]
    for path, text in zip(paths, (PERPS, CONTRACTS), strict=True):
        path.write_text(text)
    return [str(path) for path in paths]


def test_the_cheapest_venue_is_named(venues: list[str]) -> None:
    found = compare_venues(account_of(), venues)
    rows = by_name(found)
    assert list(rows) == ["generic@2025-10", "perps@2025-06", "contracts@2025-06"]
    # 60000 and 30000 at 0.5 %, at 2 %, at 0.4 %
    totals = [a.total("maintenance_margin") for a in rows.values()]
    assert totals == [Decimal(450), Decimal(1800), Decimal(360)]
    assert found.cheapest["maintenance_margin"] == ("contracts@2025-06",)
    assert found.cheapest["initial_margin"] == ("contracts@2025-06",)
    assert found.cheapest["distance"] == ("contracts@2025-06",)


def test_prices_of_other_venues_are_those_of_a_check_there(venues: list[str]) -> None:
    (_, perps, _) = compare_venues(account_of(), venues).alternatives
    assert perps.check is not None
    again = check(perps.check.account)
    assert [p.liquidation for p in again.positions] == list(perps.prices.values())
    assert list(perps.prices) == ["BTC long", "ETH short"]


def test_what_a_venue_cannot_margin_is_unknown_and_never_cheapest(venues: list[str]) -> None:
    inverse = {"instrument": "BTCUSD", "size": "1", "entry_price": "5", "mark_price": "5"}
    content = book(*ROWS)
    content["positions"].append(inverse)
    found = compare_venues(read_account(json.dumps(content)), [*venues, "nowhere"])
    rows = by_name(found)
    for name in ("perps@2025-06", "contracts@2025-06"):
        assert rows[name].verdict is Verdict.UNKNOWN
        assert rows[name].total("initial_margin") is None
        assert "has no BTC inverse perpetual in BTC for BTCUSD" in rows[name].reason
    assert "no rulebook 'nowhere'" in rows["nowhere"].reason
    assert found.cheapest == {}


def test_a_long_reason_is_told_in_short() -> None:
    reason = "positions: a has no X; positions: a has no Y; collateral: a has no asset Z"
    row = Alternative(name="a", check=None, reason=reason)
    assert row.reason_in_short == "positions: a has no X, and 2 more"
    lacking = "no bracket table for X; give a row; no bracket table for Y; give a row"
    assert (
        Alternative(name="a", check=None, reason=lacking).reason_in_short
        == "no bracket table for X, and 1 more"
    )
    assert Alternative(name="a", check=None).reason_in_short is None


def test_every_built_in_venue_is_asked_once() -> None:
    found = compare_venues(account_of())
    names = [a.name.partition("@")[0] for a in found.alternatives]
    assert sorted(names) == sorted(venue_names())


def test_isolated_legs_get_their_initial_margin_or_all_of_it() -> None:
    rows = by_name(compare_modes(account_of()))
    assert list(rows) == ["as it is", "cross", "isolated", "split"]
    isolated = {p.instrument: p for p in rows["isolated"].check.account.document.positions}
    # largest leverage of the tier, and the losses of 1000 and of 1000
    assert isolated["BTCUSDT"].isolated_margin == 60000 / Decimal(100) + 1000
    assert isolated["ETHUSDT"].isolated_margin == 30000 / Decimal(100) + 1000
    split = [p.isolated_margin for p in rows["split"].check.account.document.positions]
    assert sum(split) == 20000
    rest = 20000 - 1600 - 1300
    assert split[0] == 1600 + (Decimal(rest) * 300 / 450).quantize(
        Decimal("0.000001"), "ROUND_DOWN"
    )
    assert rows["split"].at_stake < rows["cross"].at_stake == 18000
    assert rows["isolated"].distance < rows["split"].distance < rows["cross"].distance


def test_an_isolated_book_is_compared_from_shared_collateral() -> None:
    content = book(*ROWS)
    content["positions"][0] |= {"margin_mode": "isolated", "isolated_margin": "5000"}
    rows = by_name(compare_modes(read_account(json.dumps(content))))
    assert rows["as it is"].total("equity") == rows["cross"].total("equity")
    assert len(rows["cross"].holders) == 1


def test_collateral_that_no_leg_settles_in_cannot_be_split() -> None:
    found = compare_modes(account_of(collateral=[{"asset": "BTC", "balance": "1"}]))
    rows = by_name(found)
    assert rows["cross"].verdict is Verdict.HEALTHY
    assert "deposit USDT first" in rows["split"].reason
    assert rows["split"].total("equity") is None


@settings(max_examples=20)
@given(content=documents(inverse=False))
def test_requirements_of_cross_and_isolated_are_alike(content: dict[str, Any]) -> None:
    rows = by_name(compare_modes(read_account(json.dumps(content))))
    totals = {
        rows[name].total("maintenance_margin")
        for name in ("cross", "isolated", "split")
        if rows[name].reason is None
    }
    assert len(totals) == 1


def test_a_frame_and_a_document_hold_every_alternative(venues: list[str]) -> None:
    found = compare_venues(account_of(), venues)
    assert found.to_polars().height == 3
    document: Any = found.document()
    assert document["alternatives"][1]["maintenance_margin"] == "1800"
    assert document["cheapest"]["maintenance_margin"] == ["contracts@2025-06"]
    assert "perps@2025-06" in found._repr_html_()


def _of(balance: str, venue: str = "binance-usdm@2025-12", **more: object) -> Account:
    row = {
        "instrument": "BTCUSDT",
        "size": "1",
        "entry_price": "100000",
        "mark_price": "100000",
        "leverage": "20",
    }
    collateral = [{"asset": "USDT", "balance": balance}]
    content = {"venue": venue, "collateral": collateral, "positions": [row], **more}
    return read_account(json.dumps(content))


def test_a_venue_that_would_liquidate_the_book_is_not_the_cheapest() -> None:
    found = compare_venues(_of("900"), ["hyperliquid@2026-07"])
    own, there = found.alternatives
    assert own.verdict is Verdict.WARNING
    assert there.verdict is Verdict.LIQUIDATABLE
    assert set(found.cheapest["initial_margin"]) == {own.name}
    lines = " ".join(comparison_lines(found, compare_modes(_of("900")), "a.json"))
    assert f"only {own.name} margins this book" in lines
    assert "all alike" not in lines.partition("cross against isolated")[0]


def test_a_book_that_every_venue_would_liquidate_has_no_cheapest() -> None:
    found = compare_venues(_of("10"), ["hyperliquid@2026-07"])
    assert found.cheapest == {}


def test_a_credit_that_backs_nothing_there_is_said() -> None:
    collateral = [{"asset": "USDT", "balance": "9000"}, {"asset": "BTC", "balance": "1"}]
    mixed = _of("0", "binance-usdm-multi@2025-12", collateral=collateral, prices={"USDT": "1"})
    (_, there) = compare_venues(mixed, ["binance-usdm@2025-12"]).alternatives
    assert any(note.startswith("1 BTC backs nothing at binance-usdm") for note in there.notes)


def _hedged(**more: object) -> Account:
    """Both legs of an inverse contract at 62 000: short 12 M, long 4 M USD, 20 BTC beside them."""
    row = {"instrument": "BTCUSD_PERP", "leverage": "10", "mark_price": "62000"}
    legs = [
        {**row, "size": "-120000", "entry_price": "66000"},
        {**row, "size": "40000", "entry_price": "60000"},
    ]
    collateral = [{"asset": "BTC", "balance": "20"}]
    content = {"venue": "binance-coinm@2025-09", "collateral": collateral, "positions": legs}
    return read_account(json.dumps({**content, "as_of": "2025-10-10T00:00:00Z", **more}))


def test_an_inverse_book_is_compared_in_dollars_at_its_marks_and_generic_is_no_venue() -> None:
    found = compare_venues(_hedged(), ["binance-pm@2025-12", "deribit-sm", "generic"])
    rows = by_name(found)
    assert found.conversions == {"BTC": Decimal(62000)}
    # Deribit nets to 8 M USD, 129.032 BTC: maintenance 1 % + 0.005 % a BTC, initial 1 % more
    held = Decimal(8_000_000) / 62000
    rate = Decimal("0.01") + held * Decimal("0.00005")
    deribit = rows["deribit-sm@2023-08"]
    assert abs(deribit.in_dollars("maintenance_margin") - 8_000_000 * rate) < Decimal("0.01")
    assert deribit.currency == "BTC"
    for name in ("initial_margin", "maintenance_margin", "distance"):
        assert found.cheapest[name] == ("deribit-sm@2023-08",)
    assert not rows["generic@2025-10"].is_ranked
    assert found.document()["conversions"] == {"BTC": "62000"}


def test_the_view_of_an_inverse_book_says_what_it_converts_and_leaves_out() -> None:
    account = _hedged()
    found = compare_venues(account, ["deribit-sm", "generic"])
    lines = list(comparison_lines(found, compare_modes(account), "a.json"))
    text = " ".join(" ".join(lines).split())
    assert lines[0] == "the same book by venue, in USD: BTC at 62,000.00"
    assert "211,612.90 131,612.90 33.6 % USD" in text
    assert "generic@2025-10 (rules)" in text
    assert "a set of rules, not a venue" in text
    assert "could not be opened as it stands at binance-coinm@2025-09" in text
    assert "at the leverage the document sets" in text


def test_a_note_of_a_comparison_has_no_endless_digits() -> None:
    rows = by_name(compare_modes(_hedged()))
    assert "would take 38.7097 BTC of shared collateral" in rows["isolated"].reason


def test_a_book_in_several_coins_is_added_up_in_dollars() -> None:
    content = {
        "venue": "deribit-sm@2023-08",
        "collateral": [{"asset": "BTC", "balance": "1"}, {"asset": "USDC", "balance": "9000"}],
    }
    rows = [("BTC-PERPETUAL", "-50000", "61000"), ("BTC_USDC-PERPETUAL", "1", "60000")]
    positions = [
        {"instrument": symbol, "size": size, "entry_price": entry, "mark_price": "62000"}
        for symbol, size, entry in rows
    ]
    (here, _) = compare_venues(
        read_account(json.dumps({**content, "positions": positions})), ["generic"]
    ).alternatives
    assert here.currency == "USD"
    # 1 % of each, and 0.005 % a BTC of it
    inverse = 50_000 * (Decimal("0.01") + Decimal(50_000) / 62000 * Decimal("0.00005"))
    linear = 62_000 * (Decimal("0.01") + Decimal("0.00005"))
    found = here.total("maintenance_margin")
    assert found is not None
    assert abs(found - inverse - linear) < Decimal("0.01")


def test_a_venue_at_which_no_move_liquidates_is_the_farthest() -> None:
    found = compare_venues(_of("200000"), ["hyperliquid@2026-07"])
    assert [a.distance for a in found.alternatives] == [None, None]
    assert found.cheapest["distance"] == tuple(a.name for a in found.alternatives)
