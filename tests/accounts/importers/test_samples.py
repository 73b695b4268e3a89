"""Every sample answer is imported; their figures are illustrative and are not compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.check import Verdict
from keelmark.accounts.importers import import_account, read_payload
from keelmark.rulebooks import load_rulebook

pytestmark = pytest.mark.real_data


def document(samples: Path, *names: str) -> dict[str, Any]:
    found = import_account([read_payload(samples / f"{name}.json") for name in names])
    return dict(json.loads(found.text))


def test_every_sample_is_of_a_known_kind(samples: Path) -> None:
    for file in sorted(samples.glob("*.json")):
        found = import_account([read_payload(file)])
        assert len(found.kinds) == 1, file.name


def test_binance_balance_and_position_risk(samples: Path) -> None:
    found = document(samples, "binance_usdm_balance", "binance_usdm_position_risk")

    assert found["collateral"] == [{"asset": "USDT", "balance": "122.12345678"}]
    assert found["positions"][0]["mark_price"] == "51000"
    assert found["venue_reported"] == {"liquidation_price": {"BTCUSDT": "45000"}}


def test_binance_account_without_positions(samples: Path) -> None:
    found = document(samples, "binance_usdm_account_info_v2")

    assert found["collateral"] == [{"asset": "USDT", "balance": "23.72469206"}]
    assert found["positions"] == []
    assert [row["what"] for row in found["unknown"]] == ["orders"]


def test_bybit_wallet_and_positions_can_be_checked(samples: Path) -> None:
    names = ("bybit_http_get_wallet_balance", "bybit_http_get_positions")
    found = import_account([read_payload(samples / f"{name}.json") for name in names])
    checked = check(found.account(load_rulebook("generic")))

    assert [float(p.held.position.size) for p in checked.positions] == [0.5, -5.0]
    assert checked.verdict is not Verdict.UNKNOWN
