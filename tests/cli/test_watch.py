import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli.program import exit_code_of
from keelmark.cli.watch import watch
from keelmark.core.errors import KeelmarkError
from tests.widths import widest

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
CALM = {
    "venue": "generic",
    "collateral": [{"asset": "USDT", "balance": "10000"}],
    "positions": [
        {"instrument": "BTCUSDT", "size": "0.1", "entry_price": "50000", "mark_price": "50000"}
    ],
}


def run(
    tmp_path: Path, *accounts: str, more: str = "", options: tuple[str, ...] = ()
) -> tuple[int, str]:
    (tmp_path / "calm.json").write_text(json.dumps(CALM))
    rows = [
        f'[[accounts]]\nname = "{name}"\ndocument = "{home(tmp_path, name)}"\n' for name in accounts
    ]
    config = tmp_path / "watch.toml"
    config.write_text(f"{more}\n{''.join(rows)}")
    asked = [str(config), "--data", str(tmp_path / "kept"), *options]
    result = CliRunner().invoke(watch, asked, standalone_mode=False)
    if isinstance(result.exception, KeelmarkError):
        return exit_code_of(result.exception), str(result.exception)
    return result.exit_code or int(result.return_value or 0), result.output


def home(tmp_path: Path, name: str) -> Path:
    """Return where a document lies: beside the configuration, else among the examples."""
    return tmp_path / "calm.json" if name == "calm" else EXAMPLES / f"{name}.json"


@pytest.mark.parametrize(
    ("accounts", "code"),
    [(("calm",), 0), (("two_positions", "calm"), 1), (("two_positions", "absent"), 3)],
)
def test_one_look_leaves_with_the_worst_verdict(
    tmp_path: Path, accounts: tuple[str, ...], code: int
) -> None:
    found, output = run(tmp_path, *accounts, options=("--once",))
    assert found == code, output


def test_the_worst_account_stands_first_and_lines_fit(tmp_path: Path) -> None:
    _, output = run(tmp_path, "calm", "two_positions", "absent", options=("--once",))
    words = [line.split()[1] for line in output.splitlines() if not line.startswith(" ")]
    assert words == ["UNKNOWN", "RED", "GREEN"]
    assert "all together -7.7 % liquidates" in " ".join(output.split())
    assert widest(output) <= 80


def test_json_says_the_same_with_every_figure_as_text(tmp_path: Path) -> None:
    _, output = run(tmp_path, "two_positions", "absent", options=("--once", "--json"))
    rows = {row["account"]: row for row in json.loads(output)["accounts"]}
    assert rows["two_positions"]["level"] == "red"
    assert rows["two_positions"]["equity"] == "1030895.55638"
    assert rows["two_positions"]["residuals"] == {"compared": "2", "differ": []}
    assert rows["absent"]["level"] == "unknown"
    assert "cannot be read" in rows["absent"]["problem"]


def test_a_file_that_cannot_work_is_bad_input(tmp_path: Path) -> None:
    code, said = run(tmp_path, "calm", more="ambr = 0.3", options=("--once",))
    assert code == 64
    assert "ambr" in said
