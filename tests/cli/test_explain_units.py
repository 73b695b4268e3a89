"""`keelmark explain` finds the unit a number is of, and needs no price that it does not read."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode


def invoke(content: dict[str, Any], *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", "-", *arguments], input=json.dumps(content))


def isolated(instrument: str, size: str) -> dict[str, Any]:
    row = {"instrument": instrument, "size": size, "entry_price": "4000", "mark_price": "4000"}
    return {**row, "margin_mode": "isolated", "isolated_margin": "9000"}


def content(*positions: dict[str, Any], **balances: str) -> dict[str, Any]:
    collateral = [{"asset": asset, "balance": text} for asset, text in balances.items()]
    return {"venue": "generic@2025-10", "collateral": collateral, "positions": positions}


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("position:ETHUSDT/long.notional", "40000"),
        ("position:ETHUSDT/short.notional", "24000"),
        ("position:ETHUSDT/short.maintenance", "120"),
        ("position:DOGE/USDT.notional", "4000"),
    ],
)
def test_a_leg_is_found_in_its_own_isolated_unit(number: str, value: str) -> None:
    rows = (isolated("ETHUSDT", "10"), isolated("ETHUSDT", "-6"), isolated("DOGE/USDT", "1"))
    done = invoke(content(*rows, USDT="500"), number, "--json")
    assert done.exit_code == ExitCode.OK, done.output
    assert json.loads(done.output)["value"] == value


def test_a_position_is_explained_without_the_price_of_another_coin() -> None:
    held = {**isolated("ETHUSDT", "10"), "margin_mode": "cross"}
    del held["isolated_margin"]
    account = content(held, USDT="500", FOO="1")
    done = invoke(account, "position:ETHUSDT.maintenance", "--json")
    assert (done.exit_code, json.loads(done.output)["value"]) == (ExitCode.OK, "200")
    assert "FOO" not in done.output
    assert invoke(account, "equity").exit_code == ExitCode.UNKNOWN
