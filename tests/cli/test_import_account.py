"""`keelmark import`, and answers given to `check` as they are."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli.check import check
from keelmark.cli.import_account import import_files
from keelmark.cli.program import exit_code_of
from keelmark.core.errors import InvalidInput, KeelmarkError
from tests.accounts.importers.answers import BINANCE_ACCOUNT, BINANCE_BALANCE, BINANCE_RISK


@pytest.fixture
def answers(tmp_path: Path) -> dict[str, str]:
    named = {"account": BINANCE_ACCOUNT, "balance": BINANCE_BALANCE, "risk": BINANCE_RISK}
    paths = {name: tmp_path / f"{name}.json" for name in named}
    for name, content in named.items():
        paths[name].write_text(json.dumps(content))
    return {name: str(path) for name, path in paths.items()}


def test_answers_become_a_document_on_the_screen(answers: dict[str, str]) -> None:
    result = CliRunner().invoke(import_files, [answers["balance"], answers["risk"]])

    assert result.exit_code == 0
    assert json.loads(result.stdout)["account_mode"] == "hedge"


def test_a_written_document_says_what_is_unknown_and_what_is_next(
    answers: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "made.json"
    args = [answers["balance"], "--out", str(out), "--venue", "generic"]
    result = CliRunner().invoke(import_files, args)

    assert result.exit_code == 0
    assert "read binance-usdm:balance" in result.stdout
    assert "positions unknown:" in result.stdout
    assert f"keelmark check {out}" in result.stdout
    assert json.loads(out.read_text())["venue"] == "generic"

    again = CliRunner().invoke(import_files, args)
    assert isinstance(again.exception, InvalidInput)
    assert "exists already" in str(again.exception)


def test_an_empty_answer_is_named_on_the_command_line(
    answers: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "none.json").write_text("[]")
    named = f"binance-usdm:positions={tmp_path / 'none.json'}"
    result = CliRunner().invoke(import_files, [answers["balance"], named])

    assert [row["what"] for row in json.loads(result.stdout)["unknown"]] == ["orders"]


def test_prices_are_given_by_name(answers: dict[str, str]) -> None:
    result = CliRunner().invoke(import_files, [answers["account"], "--price", "BNB=600"])
    assert json.loads(result.stdout)["prices"] == {"BNB": "600"}

    wrong = CliRunner().invoke(import_files, [answers["account"], "--price", "BNB=cheap"])
    assert "write it as BTC=31967.27" in wrong.stderr


def test_known_kinds_are_listed() -> None:
    result = CliRunner().invoke(import_files, ["--kinds"])

    assert "bybit:wallet" in result.stdout
    assert "GET /v5/account/wallet-balance" in result.stdout


def test_check_takes_an_answer_as_it_is(answers: dict[str, str]) -> None:
    result = CliRunner().invoke(
        check, [answers["balance"], "--json", "--rulebook", "generic"], standalone_mode=False
    )
    found = json.loads(result.stdout)

    assert found["verdict"] == "unknown"
    assert "binance-usdm:balance does not hold it" in found["reason"]


def test_a_venues_error_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "error.json").write_text('{"code": -2015, "msg": "Invalid API-key"}')
    result = CliRunner().invoke(import_files, [str(tmp_path / "error.json")])

    assert isinstance(result.exception, KeelmarkError)
    assert exit_code_of(result.exception) == 64
    assert "Invalid API-key" in str(result.exception)
