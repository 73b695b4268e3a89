"""`keelmark simulate`: one seed, one file, one line to see a failure again."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli import main
from keelmark.lab.simulation import run

SMALL = """
title = "small"
extends = "crash"
minutes = 2
accounts = 4
commands = 2
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL, "utf-8")
    return path


def test_runs_that_hold_end_with_0_and_say_which_branches_were_reached(config: Path) -> None:
    result = CliRunner().invoke(main, ["simulate", "--config", str(config), "--shards", "2"])
    assert result.exit_code == 0, result.output
    assert "2 runs held every law" in result.output


def test_json_names_runs_probes_and_what_was_never_reached(config: Path) -> None:
    result = CliRunner().invoke(main, ["simulate", "--config", str(config), "--json"])
    answer = json.loads(result.stdout)
    assert len(answer["runs"]) == 1
    assert answer["failures"] == []
    assert "adl" in {*answer["probes"], *answer["silent"]}


def test_a_failure_ends_with_70_and_prints_the_line_that_shows_it_again(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run, "check_all", broken)
    arguments = ["simulate", "--seed", "7", "--config", str(config)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 70
    assert f"keelmark simulate --seed 7 --config {config}\n" in result.stderr


def test_a_branch_that_was_never_reached_fails_the_run_if_that_is_asked_for(config: Path) -> None:
    arguments = ["simulate", "--config", str(config), "--require-probes"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 70
    assert "never reached" in result.stderr


@pytest.mark.parametrize("text", ["minutes = 2", 'title = "a"\nminuts = 3', "title = "])
def test_a_wrong_file_ends_with_64(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, "utf-8")
    result = CliRunner().invoke(main, ["simulate", "--config", str(path)])
    assert result.exit_code == 64
