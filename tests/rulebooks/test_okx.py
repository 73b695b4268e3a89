"""OKX multi-currency margin: whole notionals, discount tiers, fees inside maintenance alone."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts.account import Account, build_account
from keelmark.accounts.document import read_document
from keelmark.core.explain import explain
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.model import Trigger
from keelmark.engine.reduce.sizing import sizing_policy
from keelmark.rulebooks import load_rulebook

D = Decimal
Json = Mapping[str, Any]


def account(venue: str = "okx-multi", balance: str = "1000", **changes: object) -> Account:
    row = {
        "instrument": "ETH-USDT-SWAP",
        "size": "2",
        "entry_price": "1000",
        "mark_price": "1000",
        "leverage": "10",
        "tier": {"maintenance_rate": "0.01"},
        **changes,
    }
    settle = "BTC" if "-USD-" in str(row["instrument"]) else "USDT"
    content = {
        "venue": venue,
        "collateral": [{"asset": settle, "balance": balance, "weight": "1"}],
        "prices": {"USDT": "1"},
        "positions": [{key: value for key, value in row.items() if value is not None}],
    }
    return build_account(read_document(content, title="account"))


def report_of(found: Account) -> MarginReport:
    return margin_report(found.units[0], found.market, found.model)


def test_maintenance_holds_the_fee_to_close_and_initial_margin_does_not() -> None:
    found = account()
    report = report_of(found)
    assert report.initial_margin == D(200)  # 2,000 at 10x
    assert report.maintenance_margin == D(21)  # 1 % and 0.05 %
    assert report.health.value is not None
    assert abs(report.health.value - D(1000) / D(21)) < D("1e-20")
    working = explain(found.units[0], found.market, found.model, "initial")
    (part,) = working.parts
    assert "close_fee" not in part.formula
    assert ("close_fee", D(0)) in part.inputs


@pytest.mark.parametrize(
    ("held", "worth"),
    [("5000000", "5000000"), ("7000000", "6950000"), ("11000000", "10825000")],
)
def test_usdt_counts_by_its_discount_tiers(held: str, worth: str) -> None:
    assert load_rulebook("okx-multi").model.asset("USDT").schedule.value(D(held)) == D(worth)


@pytest.mark.parametrize(
    ("contracts", "rate", "leverage"),
    [
        ("500", "0.004", "125"),
        ("501", "0.005", "100"),
        ("12000", "0.01", "66.66"),
        ("36000", "0.02", "40"),
        ("36001", "0.025", "33.33"),
    ],
)
def test_a_tier_of_contracts_takes_its_rate_on_the_whole_notional(
    contracts: str, rate: str, leverage: str
) -> None:
    changes = {"instrument": "BTC-USD-230331", "size": contracts, "leverage": None, "tier": None}
    (held,) = report_of(account("okx-multi@2022-12", "10000", **changes)).positions
    assert held.notional == D(contracts) * 100 / 1000  # 100 USD each, at 1,000
    assert held.maintenance.amount == held.notional * D(rate)
    rule = held.terms.maintenance
    assert rule.leverage_max(D(contracts), held.notional) == D(leverage)


def test_a_partial_liquidation_drops_two_tiers_and_a_ratio_of_one_liquidates() -> None:
    found = load_rulebook("okx-multi")
    assert found.model.trigger is Trigger.AT_OR_BELOW
    reduce = found.liquidation.reduce
    policy = sizing_policy(reduce.sizing, **reduce.sizing_settings)
    assert policy.keywords == {"tiers": 2}  # type: ignore[attr-defined]
    assert report_of(account(balance="21")).is_liquidatable
    assert not report_of(account(balance="21.000001")).is_liquidatable


def test_a_table_of_one_month_is_not_used_for_the_next() -> None:
    assert load_rulebook("okx-multi@2022-12").name == "okx-multi@2022-12"
    assert load_rulebook("okx-multi@2025-01").name == "okx-multi@2024-09"
