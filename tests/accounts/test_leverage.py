"""A leverage above the row's largest is said, and the row's largest is charged."""

import json
from typing import Any

import pytest

from keelmark.accounts import check, read_account
from keelmark.accounts.check_document import check_document


def document_of(leverage: str | None, **changes: object) -> dict[str, Any]:
    row = {
        "instrument": "BTCUSDT",
        "size": "1",
        "entry_price": "100000",
        "mark_price": "100000",
        "leverage": leverage,
        **changes,
    }
    content = {
        "venue": "generic@2025-10",
        "collateral": [{"asset": "USDT", "balance": "1000000"}],
        "positions": [{key: value for key, value in row.items() if value is not None}],
    }
    return dict(check_document(check(read_account(json.dumps(content)))))


def test_a_leverage_above_the_rows_largest_is_said_and_not_charged() -> None:
    found = document_of("1000")
    assert found["initial_margin"] == "1000"  # 100x is the first tier's largest
    assert found["notes"] == [
        "leverage 1000 of BTCUSDT is more than its row allows: initial margin is taken at 100x"
    ]


def test_a_notional_grown_into_a_dearer_row_is_charged_that_row() -> None:
    found = document_of("100", size="20")
    assert found["initial_margin"] == "40000"  # 2,000,000 lies where 50x is the largest
    assert "initial margin is taken at 50x" in found["notes"][0]


@pytest.mark.parametrize("leverage", ["1", "3", "99.99", "100"])
def test_a_leverage_that_is_allowed_needs_no_note(leverage: str) -> None:
    assert document_of(leverage)["notes"] == []


def test_the_venues_own_row_names_no_largest_leverage() -> None:
    found = document_of("1000", tier={"maintenance_rate": "0.004", "maintenance_amount": "0"})
    assert found["notes"] == []
    assert found["initial_margin"] == "100"
