"""Bybit's unified account: collateral tiers, unknown weights, the ladder's end."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.account import Account, build_account
from keelmark.accounts.check import Verdict
from keelmark.accounts.document import read_document
from keelmark.accounts.written import written
from keelmark.core.errors import InvalidDocument, MissingTable
from keelmark.core.margin import margin_report
from keelmark.core.model import MarginPrice, Trigger
from keelmark.rulebooks import load_rulebook

D = Decimal
Json = Mapping[str, Any]
BTC = {"instrument": "BTCUSDT", "size": "1", "entry_price": "50000", "leverage": "10"}


def account(*collateral: Json, venue: str = "bybit-uta@2025-09", **more: object) -> Account:
    content = {
        "venue": venue,
        "collateral": list(collateral),
        "positions": [{**BTC, "mark_price": "50000"}],
        "prices": {"USDT": "1"},
        **more,
    }
    return build_account(read_document(content, title="account"))


@pytest.mark.parametrize(
    ("date", "name", "price"),
    [
        ("2024-06", "bybit-uta@2024-01", MarginPrice.ENTRY),
        ("2025-10", "bybit-uta@2025-09", MarginPrice.MARK),
        ("2026-11", "bybit-uta@2026-08", MarginPrice.MARK),
    ],
)
def test_requirements_are_at_entry_before_the_new_calculation_and_at_the_mark_since(
    date: str, name: str, price: MarginPrice
) -> None:
    found = load_rulebook(f"bybit-uta@{date}")
    assert found.name == name
    assert found.model.instrument("BTCUSDT").margin_price is price
    assert found.model.trigger is Trigger.AT_OR_BELOW


@pytest.mark.parametrize(
    ("held", "worth"),
    [  # marginal tiers of the published example, by hand
        ("10", "9.8"),
        ("15", "14.55"),
        ("20", "19.3"),
        ("35", "32.55"),
        ("50", "44.8"),
        ("80", "44.8"),
    ],
)
def test_coins_count_by_the_tiers_of_the_published_example(held: str, worth: str) -> None:
    schedule = load_rulebook("bybit-uta").model.asset("BTC").schedule
    assert schedule.value(D(held)) == D(worth)


def test_the_printed_deductions_are_those_of_the_table() -> None:
    rule = load_rulebook("bybit-uta@2025-09").model.instrument("BTCUSDT").maintenance
    assert rule.amount(D(1), D(2_600_000)) == D(2_600_000) * D("0.0056") - 1_200
    assert rule.amount(D(1), D(90_000_000)) == D(90_000_000) * D("0.045") - 1_482_000


def test_a_coin_without_a_weight_is_unknown_until_the_document_gives_it() -> None:
    found = check(account({"asset": "ETH", "balance": "10"}, prices={"USDT": "1", "ETH": "2000"}))
    assert found.verdict is Verdict.UNKNOWN
    assert "no collateral weight of ETH" in (found.units[0].reason or "")
    row = {"asset": "ETH", "balance": "10", "weight": "0.95"}
    known = account(row, prices={"USDT": "1", "ETH": "2000"})
    report = margin_report(known.units[0], known.market, known.model)
    assert report.equity == D(19_000)


def test_an_empty_balance_and_a_debt_need_no_weight() -> None:
    schedule = load_rulebook("bybit-uta").with_terms(assets=("ETH",)).model.asset("ETH").schedule
    assert schedule.value(D(0)) == 0
    assert schedule.value(D(-3)) == -3
    assert schedule.marginal_weight(D(-3)) == 1
    with pytest.raises(MissingTable, match="ETH"):
        schedule.value(D(1))
    with pytest.raises(MissingTable, match="ETH"):
        schedule.marginal_weight(D(1))
    with pytest.raises(MissingTable):
        _ = schedule.segments


@pytest.mark.parametrize("weight", ["1.2", "-0.1", "most"])
def test_a_weight_is_a_fraction(weight: str) -> None:
    with pytest.raises(InvalidDocument) as error:
        account({"asset": "ETH", "balance": "10", "weight": weight})
    assert [p for p in error.value.problems if "weight" in p]
    assert len(error.value.problems) == len(set(error.value.problems))


def test_a_documents_weight_stands_for_the_rulebooks_tiers_and_is_written_back() -> None:
    found = account({"asset": "BTC", "balance": "100", "weight": "0.5"})
    assert found.model.asset("BTC").schedule.value(D(100)) == 50
    text = written(found.document)
    assert text["collateral"] == [{"asset": "BTC", "balance": "100", "weight": "0.5"}]


def test_a_stablecoin_without_a_price_is_taken_at_par_and_that_is_said() -> None:
    found = account({"asset": "USDT", "balance": "10000"}, prices={})
    assert found.market.asset_prices["USDT"] == 1
    assert any("no price for USDT: taken as one USD" in note for note in found.notes)
    given = account({"asset": "USDT", "balance": "10000"}, prices={"USDT": "0.98"})
    assert given.market.asset_prices["USDT"] == D("0.98")
    assert not any("taken as one" in note for note in given.notes)


def test_a_liquidation_ends_at_a_rate_of_ninety_per_cent() -> None:
    found = account({"asset": "USDT", "balance": "10000"})
    report = margin_report(found.units[0], found.market, found.model)
    assert abs(report.maintenance_margin / report.liquidation_end_margin - D("0.9")) < D("1e-20")


def test_unrealised_profit_takes_the_haircut_of_its_coin() -> None:
    rows = [{"asset": "USDT", "balance": "10000", "weight": "0.84"}]
    found = account(*rows, positions=[{**BTC, "mark_price": "51000"}])
    report = margin_report(found.units[0], found.market, found.model)
    assert report.equity == D("0.84") * 11_000


def test_a_table_that_may_not_have_been_in_force_says_so() -> None:
    gaps = load_rulebook("bybit-uta@2024-01").document.not_covered
    assert any("may not have been in force in 2024" in gap for gap in gaps)
    assert any(gap.startswith("hedge mode") for gap in gaps)
