"""The program: exit codes, lazy loading, and what it never imports."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import keelmark.cli.check
from keelmark.cli import main
from keelmark.cli import program as program_module
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.program import ending, exit_code_of
from keelmark.cli.registry import COMMANDS, SUMMARIES, available_commands, is_available
from keelmark.core.errors import (
    CorruptJournal,
    InvalidDocument,
    InvariantViolated,
    KeelmarkError,
    MissingMarkPrice,
    Rejected,
    RejectionReason,
)

HEAVY = {"numpy", "numba", "polars", "scipy", "fastapi", "pydantic", "rich", "matplotlib"}
ACCOUNT = """{"venue": "generic", "collateral": [{"asset": "USDT", "balance": "100000"}],
 "positions": [{"instrument": "BTCUSDT", "size": "1", "entry_price": "60000",
                "mark_price": "60000"}]}"""


@pytest.fixture
def account(tmp_path: Path) -> str:
    path = tmp_path / "account.json"
    path.write_text(ACCOUNT)
    return str(path)


def run(*args: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own program
        [sys.executable, "-m", "keelmark", *args],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )


@pytest.mark.parametrize(
    "args",
    [[], ["nothing"], ["check"], ["check", "a", "b"], ["check", "--bogus", "a"], ["--bogus"]],
    ids=["none", "unknown_command", "no_file", "two_files", "unknown_option", "unknown_flag"],
)
def test_bad_usage_is_64_and_never_clicks_own_2(args: list[str]) -> None:
    done = CliRunner().invoke(main, args)
    assert done.exit_code == ExitCode.BAD_INPUT


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    done = CliRunner().invoke(main, ["chek", "account.json"])
    assert "no command 'chek'; did you mean 'check'?" in done.output


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_asking_for_help_is_done_well(flag: str) -> None:
    done = CliRunner().invoke(main, [flag])
    assert done.exit_code == ExitCode.OK


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidDocument("account", ["venue: is missing"]), ExitCode.BAD_INPUT),
        (Rejected(RejectionReason.ACCOUNT_CLOSED, "closed"), ExitCode.BAD_INPUT),
        (MissingMarkPrice("no price"), ExitCode.UNKNOWN),
        (InvariantViolated("INV-01"), ExitCode.OUR_ERROR),
        (CorruptJournal("torn"), ExitCode.OUR_ERROR),
    ],
)
def test_each_family_of_errors_has_its_code(error: KeelmarkError, code: ExitCode) -> None:
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InvalidDocument("account", ["venue: is missing"]), 64, "venue: is missing"),
        (click.UsageError("wrong"), 64, "wrong"),
        (click.Abort(), 130, "interrupted"),
        (ZeroDivisionError("our bug"), 70, "please report it"),
    ],
)
def test_what_went_wrong_is_said_on_standard_error(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing() -> None:
        raise error

    assert ending(failing) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_a_commands_own_code_is_kept(code: int) -> None:
    assert ending(lambda: code) == code
    assert ending(lambda: None) == ExitCode.OK


def test_a_reader_that_leaves_early_is_no_verdict(account: str) -> None:
    code = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'keelmark', 'check', {account!r}], "
        "stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "p.stdout.close()\n"
        "error = p.stderr.read()\n"
        "sys.exit(p.wait() if not error else 99)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 our own program
    assert done.returncode == ExitCode.READER_LEFT


def test_only_commands_that_exist_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"check", "explain"} <= set(available_commands())
    assert set(COMMANDS) == set(SUMMARIES)
    monkeypatch.setitem(COMMANDS, "ghost", "keelmark.cli.ghost:ghost")
    assert not is_available("ghost")
    assert "ghost" not in CliRunner().invoke(main, ["--help"]).output
    assert CliRunner().invoke(main, ["ghost"]).exit_code == ExitCode.BAD_INPUT


def test_listing_commands_imports_none_of_them() -> None:
    done = run_python("from keelmark.cli import main; main(['--help'])")
    assert "keelmark.cli.check" not in done
    assert "keelmark.cli.program" in done


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["check", "--json"],
        ["explain"],
        ["whatif"],
        ["whatif", "--json"],
        ["ladder"],
        ["compare"],
    ],
)
def test_reading_an_account_imports_nothing_heavy(command: list[str], account: str) -> None:
    loaded = run_python(f"from keelmark.cli import main; main({[*command, account]!r})")
    assert "keelmark.core.margin" in loaded
    assert loaded & HEAVY == set()


def run_python(code: str) -> set[str]:
    """Every module a run of the program has loaded."""
    ends = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    print('LOADED', *sys.modules)"
    done = subprocess.run(  # noqa: S603 our own interpreter and text
        [sys.executable, "-c", ends], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("LOADED ")[2].split())


def test_the_module_runs_as_a_program(account: str) -> None:
    done = run("check", account)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "100,000.00 USDT" in done.stdout


def test_without_standalone_mode_errors_are_the_callers() -> None:
    with pytest.raises(click.UsageError):
        main.main(["nothing"], standalone_mode=False)
    assert keelmark.cli.check.CODES
    assert program_module.main is main
