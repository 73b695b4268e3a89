"""`keelmark whatif`: exit codes, the view side by side, the JSON, the saved document."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from keelmark.accounts import read_account
from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.whatif_table import whatif_lines
from keelmark.risk.what_if import whatif

ROW = {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"}
BOOK: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "5000"}],
    "positions": [{**ROW, "leverage": "20"}],
}


def invoke(*options: str, content: object = BOOK) -> Result:
    return CliRunner().invoke(main, ["whatif", "-", *options], input=json.dumps(content))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), ExitCode.WARNING),
        (("--deposit", "USDT=900000"), ExitCode.OK),
        (("--price", "BTC=-8%"), ExitCode.LIQUIDATABLE),
        (("--close", "all", "--price", "BTC=1"), ExitCode.OK),
        (("--deposit", "SOL=1"), ExitCode.UNKNOWN),
        (("--venue", "nowhere"), ExitCode.BAD_INPUT),
        (("--close", "ETHUSDT"), ExitCode.BAD_INPUT),
        (("--close", "BTCUSDT=0"), ExitCode.BAD_INPUT),
        (("--fee", "x"), ExitCode.BAD_INPUT),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_the_exit_code_is_the_verdict_after(
    options: tuple[str, ...], code: ExitCode, form: tuple[str, ...]
) -> None:
    assert invoke(*options, *form).exit_code == code


def test_edits_are_applied_in_the_order_of_the_command_line() -> None:
    # half the position rides the fall, or all of it does
    first = invoke("--close", "BTCUSDT=50%", "--price", "BTC=-5%", "--fee", "0", "--json")
    second = invoke("--price", "BTC=-5%", "--close", "BTCUSDT=50%", "--fee", "0", "--json")
    equities = [
        json.loads(done.output)["difference"]["units"][0]["equity"]["after"]
        for done in (first, second)
    ]
    assert equities == ["3500", "2000"]
    words = json.loads(second.output)["edits"]
    assert words == ["BTC -5 %", "close 50 % of BTCUSDT"]


def test_an_option_may_be_given_many_times_among_others() -> None:
    done = invoke(
        *("--deposit", "USDT=1", "--price", "BTC=+1%", "--deposit", "USDT=2"),
        *("--price", "BTCUSDT=-1%", "--deposit", "USDT=4", "--json"),
    )
    assert json.loads(done.output)["edits"] == [
        "deposit 1 USDT",
        "BTC +1 %",
        "deposit 2 USDT",
        "BTCUSDT -1 %",
        "deposit 4 USDT",
    ]


def test_the_table_shows_now_and_after_side_by_side() -> None:
    done = invoke("--close", "BTCUSDT=50%", "--deposit", "USDT=1000")
    assert done.output == (
        "generic@2025-10  what if: close 50 % of BTCUSDT, deposit 1,000 USDT\n"
        "\n"
        "  cross, in USDT\n"
        "  now   [#-----------------------------]   6.0 %  RED  nearest 7.9 %\n"
        "  after [------------------------------]   2.5 %  AMBER  nearest 19.5 %\n"
        "        -3.5 points of equity used by maintenance\n"
        "\n"
        "                       now     after  difference\n"
        "  equity          5,000.00  5,985.00     +985.00\n"
        "  initial margin  3,000.00  1,500.00   -1,500.00\n"
        "  maintenance       300.00    150.00     -150.00\n"
        "  excess          4,700.00  5,835.00   +1,135.00\n"
        "  available       2,000.00  4,485.00   +2,485.00\n"
        "  leverage           12.0x      5.0x       -7.0x\n"
        "\n"
        "  instrument  side  size  -> after  liq. price   -> after  distance  -> after\n"
        "  BTCUSDT     long  1.00      0.50   55,276.38  48,271.36    -7.9 %   -19.5 %\n"
        "\n"
        "  note: fees of fills at 0.05 % of notional: 15.00 USDT\n"
        "  next: `keelmark check -` - keep it: `--save after.json`\n"
    )


def test_the_same_words_stand_with_and_without_colour() -> None:
    options = ["whatif", "-", "--close", "BTCUSDT=50%"]
    done = CliRunner().invoke(main, options, input=json.dumps(BOOK), color=True)
    assert "\x1b[" in done.output
    assert click.unstyle(done.output) == invoke("--close", "BTCUSDT=50%").output


@pytest.mark.parametrize("scale", ["1", "1000", "0.00001"])
def test_no_line_is_wider_than_eighty_columns(scale: str) -> None:
    rows = [
        {**ROW, "size": scale},
        {**ROW, "instrument": "1000000MOGUSDT", "size": f"-{scale}"},
        {
            **ROW,
            "instrument": "ETHUSDT",
            "size": scale,
            "margin_mode": "isolated",
            "isolated_margin": "123456.789",
        },
    ]
    book = read_account(json.dumps({**BOOK, "positions": rows}))
    edits = ("price all=-1%", "mode ETHUSDT=cross", "resize BTCUSDT=-0.00001")
    for line in whatif_lines(whatif(book, *edits), "account.json"):
        assert len(click.unstyle(line)) <= 80, line


def test_a_unit_that_comes_or_goes_is_said_to_not_exist() -> None:
    output = invoke("--mode", "BTCUSDT=isolated").output
    assert "isolated:BTCUSDT, in USDT" in output
    assert "now   does not exist" in output


def test_both_documents_are_in_the_json_and_mean_what_is_shown() -> None:
    found = json.loads(invoke("--price", "BTC=-5%", "--json").output)
    for when in ("now", "after"):
        again = read_account(json.dumps(found[when]["document"]))
        mark = found[when]["check"]["positions"][0]["mark_price"]
        assert again.document.positions[0].mark_price == Decimal(mark)
    unit = found["difference"]["units"][0]
    assert unit["equity"] == {"now": "5000", "after": "2000", "difference": "-3000"}
    assert found["verdict"] == {"now": "warning", "after": "warning"}


def test_the_document_after_can_be_saved_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "after.json"
    done = invoke("--deposit", "USDT=5", "--price", "BTC=-1%", "--save", str(path))
    assert f"next: `keelmark check {path}`" in done.output
    checked = CliRunner().invoke(main, ["check", str(path), "--json"])
    assert json.loads(checked.output)["equity"] == "4405"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = invoke("--save", str(tmp_path / "no" / "after.json"))
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "choose another place for --save" in done.output
