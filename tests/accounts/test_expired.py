"""A contract that has ended is refused by name; without a time that cannot be told."""

import json

import pytest

from keelmark.accounts import Account, read_account
from keelmark.core.errors import InvalidDocument


def account(row: dict[str, str], as_of: str | None) -> Account:
    content = {
        "venue": "deribit-sm@2023-08",
        "collateral": [{"asset": "BTC", "balance": "1"}],
        "prices": {"BTC": "95000"},
        "positions": [row],
    }
    return read_account(json.dumps(content if as_of is None else {**content, "as_of": as_of}))


OPTION = {
    "instrument": "BTC-27DEC24-100000-C",
    "size": "-3",
    "entry_price": "0.045",
    "mark_price": "0.04",
    "underlying_price": "96000",
}
FUTURE = {
    "instrument": "BTC-27DEC24",
    "size": "5000",
    "leverage": "10",
    "entry_price": "94000",
    "mark_price": "95000",
}
BOTH = pytest.mark.parametrize("row", [OPTION, FUTURE], ids=["option", "future"])


@BOTH
def test_a_contract_past_its_expiry_is_refused(row: dict[str, str]) -> None:
    with pytest.raises(InvalidDocument) as error:
        account(row, "2024-12-28T08:00:00Z")
    (problem,) = error.value.problems
    assert problem.startswith(f"positions[0].instrument: {row['instrument']} expired at 2024-12-27")
    assert "before as_of 2024-12-28T08:00:00Z" in problem
    assert "leave the position out" in problem


@BOTH
def test_until_its_expiry_it_is_margined(row: dict[str, str]) -> None:
    found = account(row, "2024-12-27T08:00:00Z")
    assert not any("expired" in note for note in found.notes)


@BOTH
def test_without_a_time_it_is_said_that_nobody_can_tell(row: dict[str, str]) -> None:
    (note,) = (note for note in account(row, None).notes if "expired" in note)
    text = 'has expired cannot be told: add "as_of" to the document'
    assert note == f"whether {row['instrument']} {text}"
