"""`keelmark explain`: the working of any number, or the list of them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keelmark.accounts.figures import compact, exactly, figure, percent
from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode

D = Decimal


def row(instrument: str, **changes: object) -> dict[str, Any]:
    base = {"instrument": instrument, "size": "1", "entry_price": "60000", "mark_price": "61000"}
    return {**base, "leverage": "10", **changes}


ACCOUNT = {
    "venue": "generic",
    "collateral": [{"asset": "USDT", "balance": "10000"}],
    "positions": [
        row("BTCUSDT"),
        row("ETHUSDT", margin_mode="isolated", isolated_margin="9000"),
    ],
}


def invoke(*args: str, content: object = ACCOUNT) -> Result:
    return CliRunner().invoke(main, ["explain", "-", *args], input=json.dumps(content))


def test_a_number_is_shown_with_formula_inputs_row_rounding_and_source() -> None:
    done = invoke("position:BTCUSDT.maintenance")
    assert done.exit_code == ExitCode.OK
    for line in (
        "position:BTCUSDT.maintenance = 305 USDT",
        "  = notional * rate - deduction",
        "  notional = 61,000",
        "  tier 1 (0 to 1,000,000; edge: lower row): rate 0.005, deduction 0",
        "  rounding: none: exact decimals of 60 digits",
    ):
        assert line in done.output.splitlines()
    assert "source: Keelmark" in done.output


@pytest.mark.parametrize("number", ["value", "notional", "unrealized_pnl"])
def test_the_accounts_own_numbers_cite_the_account_document(number: str) -> None:
    done = invoke(f"position:BTCUSDT.{number}", "--json")
    assert json.loads(done.output)["source"].startswith("the account document")


def test_the_other_units_are_named_beside_the_list() -> None:
    assert "other units, by --unit: isolated:ETHUSDT" in invoke().output
    alone = {**ACCOUNT, "positions": [row("BTCUSDT")]}
    assert "--unit" not in invoke(content=alone).output


def test_the_joint_move_explained_is_the_one_check_shows() -> None:
    short = {**ACCOUNT, "positions": [row("BTCUSDT", size="-1")]}
    explained = json.loads(invoke("joint_move", "--json", content=short).output)
    shown = CliRunner().invoke(main, ["check", "-", "--json"], input=json.dumps(short)).output
    assert explained["value"] == json.loads(shown)["joint_move"]["size"]
    assert not explained["value"].startswith("-")
    assert explained["note"].startswith("every contract and every coin held or owed rises")


def test_a_symbol_finds_the_unit_that_holds_it() -> None:
    isolated = json.loads(invoke("liquidation_price:ETHUSDT", "--json").output)
    assert isolated["name"] == "liquidation_price:ETHUSDT"
    named = json.loads(invoke("equity", "--unit", "isolated:ETHUSDT", "--json").output)
    first = json.loads(invoke("equity", "--json").output)
    assert (named["value"], first["value"]) == ("10000", "11000")


def test_without_a_number_everything_that_can_be_explained_is_listed() -> None:
    listed = invoke()
    assert listed.exit_code == ExitCode.OK
    for name in ("equity", "joint_move", "liquidation_price:BTCUSDT", "position:BTCUSDT.initial"):
        assert f"  {name}" in listed.output
    names = json.loads(invoke("--json").output)["numbers"]
    for name in names:
        found = invoke(name, "--json")
        assert found.exit_code == ExitCode.OK
        assert json.loads(found.output)["formula"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("maintenanse",), "did you mean 'maintenance_margin'?"),
        (("equity", "--unit", "isolated:ETH"), "did you mean 'isolated:ETHUSDT'?"),
        (("position:SOLUSDT.maintenance",), "no number"),
    ],
)
def test_what_does_not_exist_is_64_with_a_hint(args: tuple[str, ...], said: str) -> None:
    done = invoke(*args)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert said in done.output


def test_a_missing_price_is_unknown() -> None:
    lacking = {**ACCOUNT, "collateral": [{"asset": "SOL", "balance": "1"}]}
    assert invoke("equity", content=lacking).exit_code == ExitCode.UNKNOWN


def test_an_empty_account_has_nothing_to_explain() -> None:
    empty = {"venue": "generic", "collateral": [], "positions": []}
    done = invoke("equity", content=empty)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "holds nothing" in done.output


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("4918775.08122", "4,918,775.08"),
        ("1153.25646", "1,153.26"),
        ("12.314277", "12.3143"),
        ("0.19059204", "0.190592"),
        ("0.00001234567", "0.0000123457"),
        ("0", "0.00"),
        ("-5", "-5.00"),
    ],
)
def test_figures_show_about_six_digits(value: str, text: str) -> None:
    assert figure(D(value)) == text


def test_figures_of_every_kind() -> None:
    assert figure(D(5), signed=True) == "+5.00"
    assert compact(D("4918775.08")) == "4.919 M"
    assert compact(D("-918775.08"), signed=True) == "-918,775.08"
    assert percent(D("-0.0769"), signed=True) == "-7.7 %"
    assert exactly(D("1234.50")) == "1,234.5"
    assert exactly(D("1e-50")) == "0"
    assert exactly(D(1) / D(3)) == "0.333333333333333333"


HEDGED = {**ACCOUNT, "positions": [row("BTCUSDT"), row("ETHUSDT", size="-0.5")]}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("liquidation_price", "BTCUSDT"), "liquidation_price:BTCUSDT"),
        (("liq", "ETHUSDT"), "liquidation_price:ETHUSDT"),
        (("distance", "BTCUSDT"), "distance:BTCUSDT"),
        (("distance",), "nearest_move"),
        (("naive", "BTCUSDT"), "naive_price:BTCUSDT"),
        (("upnl", "ETHUSDT"), "position:ETHUSDT.unrealized_pnl"),
        (("maintenance", "ETHUSDT"), "position:ETHUSDT.maintenance"),
        (("maintenance_rate:ETHUSDT",), "position:ETHUSDT.maintenance"),
        (("notional", "ETHUSDT"), "position:ETHUSDT.notional"),
        (("maintenance",), "maintenance_margin"),
        (("withdrawable",), "withdrawable"),
    ],
)
def test_a_number_can_be_asked_for_as_it_is_said(words: tuple[str, ...], name: str) -> None:
    done = invoke(*words, "--json", content=HEDGED)
    assert done.exit_code == ExitCode.OK, done.output
    assert json.loads(done.output)["name"] == name


def test_every_number_of_a_position_that_check_shows_is_the_one_explained() -> None:
    shown = json.loads(
        CliRunner().invoke(main, ["check", "-", "--json"], input=json.dumps(HEDGED)).output
    )
    for position in shown["positions"]:
        wanted = {
            "notional": position["notional"],
            "unrealized_pnl": position["unrealized_pnl"],
            "maintenance": position["maintenance_margin"],
            "initial": position["initial_margin"],
            "liquidation_price": position["liquidation_price"]["value"],
            "bankruptcy_price": position["bankruptcy_price"]["value"],
            "distance": position["distance"],
            "naive_price": position["naive_price"],
        }
        for name, value in wanted.items():
            done = invoke(name, position["instrument"], "--json", content=HEDGED)
            assert json.loads(done.output)["value"] == value, name
    nearest = json.loads(invoke("nearest_move", "--json", content=HEDGED).output)
    assert nearest["value"] == shown["nearest_move"]["distance"]
    assert nearest["note"].startswith("it is ")


def test_the_naive_price_says_what_it_leaves_out() -> None:
    done = invoke("naive_price", "BTCUSDT", content=HEDGED)
    assert "misleads: the other positions' maintenance must be kept too" in done.output
    assert "maintenance of all" in done.output
    assert "liquidation_price:BTCUSDT" in done.output


REPORTED = {**HEDGED, "venue_reported": {"equity": "1", "unrealized_pnl": {"ETHUSDT": "500"}}}


def test_a_difference_from_the_venue_opens_to_its_reason_and_our_working() -> None:
    done = invoke("residual", "unrealized_pnl:ETHUSDT", content=REPORTED)
    assert done.exit_code == ExitCode.OK, done.output
    assert "residual:unrealized_pnl:ETHUSDT = 1,000 as reported" in done.output
    assert "reported = 500" in done.output
    assert "matches to the printed digits" in done.output
    assert "position:ETHUSDT.unrealized_pnl = -500 USDT" in done.output
    assert invoke("residual", "equity", content=REPORTED).exit_code == ExitCode.OK
    listed = invoke(content=REPORTED).output
    assert "  residual:equity" in listed
    assert "  residual:unrealized_pnl:ETHUSDT" in listed


def test_a_figure_the_venue_does_not_report_is_64_with_a_hint() -> None:
    done = invoke("residual", "equiti", content=REPORTED)
    assert (done.exit_code, "did you mean 'equity'?" in done.output) == (ExitCode.BAD_INPUT, True)
    done = invoke("residual", "equity")
    assert "the document reports no figure of the venue" in done.output


def test_requirements_that_break_their_order_say_so_where_they_are_shown() -> None:
    """A liquidation ends at 1.1 times maintenance here, above what the leverage asks."""
    high = {"maintenance_rate": "0.095"}
    content = {**ACCOUNT, "positions": [row("BTCUSDT", tier=high)]}
    assert "(INV-05)" in invoke("initial_margin", content=content).output
    assert "more than the initial margin" in invoke("liquidation_end", content=content).output
    assert "(INV-05)" in invoke("available", content=content).output
    assert "INV-05" not in invoke("initial_margin").output


def test_a_working_ends_with_the_rulebook_its_source_and_the_next_command() -> None:
    last = invoke("equity").output.splitlines()[-2:]
    assert last[0].startswith("rulebook generic@2025-10: Keelmark, docs/model.md")
    assert last[1] == "next: `keelmark explain -`"
    account = {"venue": "hyperliquid@2026-07", "positions": [row("BTC")]}
    account["collateral"] = [{"asset": "USDC", "balance": "9000"}]
    text = invoke("equity", content=account).output
    assert "read 2026-" in text
    assert json.loads(invoke("equity", "--json", content=account).output)["rules_source"]
