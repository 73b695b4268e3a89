"""A missing price makes unknown what needs it, and nothing else."""

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from keelmark.accounts import check, read_account
from keelmark.accounts.check import AccountCheck
from keelmark.accounts.check_document import check_document
from keelmark.accounts.known import KnownMargin, known_margin
from keelmark.cli import main
from keelmark.core.collateral import CollateralSchedule
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, MarginModel
from keelmark.core.unit import MarginUnit

BTC = {"instrument": "BTCUSDT", "size": "1", "entry_price": "117000", "mark_price": "108200"}
ISOLATED = {**BTC, "margin_mode": "isolated", "leverage": "10"}


def content(*collateral: tuple[str, str], **changes: object) -> dict[str, Any]:
    return {
        "venue": "generic@2025-10",
        "collateral": [{"asset": asset, "balance": balance} for asset, balance in collateral],
        "positions": [BTC],
        **changes,
    }


def checked(*collateral: tuple[str, str], **changes: object) -> AccountCheck:
    return check(read_account(json.dumps(content(*collateral, **changes))))


def test_requirements_that_need_no_missing_price_are_given() -> None:
    found = checked(("FOO", "1"), ("USDT", "99999"))
    document = check_document(found)
    known = ("initial_margin", "maintenance_margin", "liquidation_end_margin")
    assert [document[name] for name in known] == ["1082", "541", "595.1"]
    assert not any(f"{name}_reason" in document for name in known)
    assert document["is_liquidatable"] is None
    assert found.is_liquidatable is None


def test_every_null_total_has_its_reason() -> None:
    document = check_document(checked(("FOO", "1"), ("USDT", "99999")))
    unknown = (
        "equity",
        "excess",
        "margin_ratio",
        "health",
        "utilisation",
        "effective_leverage",
        "available",
        "withdrawable",
        "is_liquidatable",
    )
    for name in unknown:
        assert document[name] is None
        assert str(document[f"{name}_reason"]).startswith("no price for FOO")


def test_a_unit_known_to_be_liquidatable_decides_alone() -> None:
    sunk = {**ISOLATED, "isolated_margin": "1"}
    found = checked(("FOO", "1"), positions=[sunk])
    document = check_document(found)
    assert document["is_liquidatable"] is True
    assert "is_liquidatable_reason" not in document
    assert document["equity"] is None


def test_a_unit_that_is_unknown_beside_a_healthy_one_is_named() -> None:
    safe = {**ISOLATED, "isolated_margin": "50000"}
    document = check_document(checked(("FOO", "1"), positions=[safe]))
    assert document["is_liquidatable"] is None
    assert "FOO" in str(document["is_liquidatable_reason"])
    units = document["units"]
    assert isinstance(units, list)
    assert [isinstance(u, dict) and u["is_liquidatable"] for u in units] == [None, False]


@pytest.mark.parametrize("balance", ["0", "0.000", "-0"])
def test_a_balance_of_nothing_needs_no_price(balance: str) -> None:
    found = checked(("FOO", balance), ("USDT", "99999"))
    assert found.verdict.value == "healthy"
    assert check_document(found)["equity"] == "91199"


def test_a_debt_without_a_price_is_unknown() -> None:
    assert checked(("FOO", "-0.0001"), ("USDT", "99999")).is_liquidatable is None


def test_what_the_venue_reports_of_a_known_requirement_is_compared() -> None:
    reported = {"maintenance_margin": "541.00", "equity": "91199.00"}
    found = checked(("FOO", "1"), ("USDT", "99999"), venue_reported=reported)
    by_name = {residual.number: residual for residual in found.residuals}
    assert by_name["maintenance_margin"].matches
    assert by_name["equity"].computed is None
    assert (by_name["equity"].reason or "").startswith("no price for FOO")


def test_the_terminal_gives_what_is_known() -> None:
    text = json.dumps(content(("FOO", "1"), ("USDT", "99999")))
    done = CliRunner().invoke(main, ["check", "-"], input=text)
    assert done.exit_code == 3
    assert "equity unknown  maintenance 541.00 USDT" in done.output


def test_a_requirement_in_the_unpriced_asset_is_unknown() -> None:
    lent = AssetTerms(asset="FOO", schedule=CollateralSchedule(loan_rate=Decimal("0.05")))
    model = MarginModel(name="lent", instruments={}, assets={"FOO": lent})
    held = MarginUnit(balances={"FOO": Decimal(1)})
    owed = MarginUnit(balances={"FOO": Decimal(-1)})
    assert known_margin(held, Market(), model).maintenance_margin == 0
    assert known_margin(owed, Market(), model) == KnownMargin()
