"""What is refused is refused before anything is run, with exit code 64 and nothing written."""

import re
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli import main
from keelmark.core.errors import InvalidInput
from keelmark.lab.replay import outputs
from keelmark.lab.replay.run import draw_world
from keelmark.lab.replay.spec import ReplaySpec

BAD = {
    "an unknown scenario": ("nov31", "--built-in"),
    "no accounts": ("oct10", "--built-in", "--accounts", "0"),
    "fewer accounts than none": ("oct10", "--built-in", "--accounts", "-5"),
    "more accounts than a machine holds": ("oct10", "--built-in", "--accounts", "1000000000"),
    "an absurd number of accounts": ("oct10", "--built-in", "--accounts", "9" * 30),
    "an unknown population": ("oct10", "--built-in", "--population", "nobody"),
    "an unknown rulebook": ("oct10", "--built-in", "--rulebook", "nowhere"),
    "an unknown policy": ("oct10", "--built-in", "--deleverage", "queue"),
    "an unknown loss policy": ("oct10", "--built-in", "--socialise", "nobody"),
    "an unknown policy to compare": ("oct10", "--built-in", "--compare-policies", "a,b"),
    "an empty name of a policy": ("oct10", "--built-in", "--compare-policies", "per_contract,"),
    "an unknown mark model": ("oct10", "--built-in", "--mark-model", "ema:soon"),
    "an unknown feedback": ("oct10", "--built-in", "--feedback", "yes"),
    "a data folder that is not there": ("oct10", "--data", "no/such/folder"),
    "a seed that is no number": ("oct10", "--seed", "x"),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_it_is_refused_by_name(arguments: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["replay", *arguments, "--out", str(out)])
    assert result.exit_code == 64, result.output
    assert result.stderr.strip()
    assert not out.exists()


def test_a_population_file_lists_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "people.toml"
    file.write_text('name = "p"\naccounts = 0\nwhales = 3\n', encoding="utf-8")
    arguments = ["replay", "oct10", "--built-in", "--population", str(file)]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 64
    assert "accounts" in result.stderr
    assert "whales" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_data_folder_without_the_files_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    arguments = ["replay", "oct10", "--data", str(tmp_path / "data")]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 64
    assert "data folder" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_variable_that_names_no_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEELMARK_DATA", str(tmp_path / "gone"))
    result = CliRunner().invoke(main, ["replay", "oct10", "--out", str(tmp_path / "out")])
    assert result.exit_code == 64
    assert "KEELMARK_DATA" in result.stderr


def test_a_file_in_the_way_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("mine", encoding="utf-8")
    arguments = ["replay", "oct10", "--built-in", "--out"]
    for place in (file, file / "below"):
        result = CliRunner().invoke(main, [*arguments, str(place)])
        assert result.exit_code == 64
        assert "is a file" in result.stderr
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_population_file_with_too_many_accounts_is_refused(tmp_path: Path) -> None:
    text = (resources.files("keelmark.lab.population") / "default.toml").read_text("utf-8")
    file = tmp_path / "people.toml"
    many = re.sub(r"(?m)^accounts = .*$", "accounts = 10_000_000_000", text)
    assert many != text
    file.write_text(many, encoding="utf-8")
    with pytest.raises(InvalidInput, match="10,000,000,000 accounts"):
        draw_world(ReplaySpec(population=str(file), accounts=None))


def test_a_place_that_may_not_be_written_to_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(outputs, "TemporaryDirectory", refuse)
    arguments = ["replay", "oct10", "--built-in", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 64
    assert "Permission denied" in result.stderr
    assert "--out" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_the_files_must_be_named() -> None:
    result = CliRunner().invoke(main, ["replay", "oct10"])
    assert result.exit_code == 64
    assert "--out" in result.stderr
