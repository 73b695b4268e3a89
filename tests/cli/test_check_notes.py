"""What a check says beside its figures: what stands still, what is shared, what is tiny."""

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from keelmark.accounts.figures import figure
from keelmark.cli import main


def held(instrument: str, size: str, price: str) -> dict[str, Any]:
    row = {"instrument": instrument, "size": size, "entry_price": price, "mark_price": price}
    return {**row, "leverage": "1"}


def output(balances: dict[str, str], *positions: dict[str, Any]) -> str:
    content = {
        "venue": "generic@2025-10",
        "collateral": [{"asset": asset, "balance": text} for asset, text in balances.items()],
        "prices": {"BTC": "100000", "USDC": "1"},
        "positions": positions,
    }
    done = CliRunner().invoke(main, ["check", "-"], input=json.dumps(content))
    return " ".join(done.output.split())


STILL = "the price of USDC stands still in every move shown: it stands for the dollar"


def test_a_coin_that_no_move_moves_is_named() -> None:
    shown = output({"USDT": "-5000", "BTC": "0.5", "USDC": "10"}, held("ETHUSDT", "2", "4000"))
    assert STILL in shown
    # a fall of BTC too would take this account: it is solved, so it does not stand still
    assert "price of BTC" not in shown


@pytest.mark.parametrize(
    ("balances", "positions"),
    [
        ({"USDT": "9000", "BTC": "0.5"}, [held("BTCUSDT", "0.1", "100000")]),
        ({"USDT": "9000", "BTC": "5"}, [held("ETHUSDT", "2", "4000")]),
        ({"USDT": "9000", "BTC": "0.5"}, []),
    ],
    ids=["a contract on it is held", "it moves alone", "no move is shown"],
)
def test_where_no_price_stands_still_nothing_is_said(
    balances: dict[str, str], positions: list[dict[str, Any]]
) -> None:
    assert "stands still" not in output(balances, *positions)


def test_a_reason_that_several_positions_share_stands_once() -> None:
    rows = [held(f"C{letter}XUSDT", "10", "10") for letter in "ABCDE"]
    text = output({"USDT": "100000"}, *rows)
    assert text.count("none (1)") == 5
    assert "(1) no positive price of this instrument brings the unit to its maintenance" in text
    assert "(2)" not in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.00000000808080808", "0.000000008081"),
        ("0.00000000000301234567", "3.01235e-12"),
        ("-0.00000000000301234567", "-3.01235e-12"),
        ("1e-40", "0.00"),
        ("0", "0.00"),
    ],
)
def test_a_tiny_figure_is_not_shown_as_nothing(value: str, shown: str) -> None:
    assert figure(Decimal(value)) == shown
