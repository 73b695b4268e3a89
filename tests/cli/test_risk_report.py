"""`keelmark risk FILE --report`: one page, and what is said of it."""

from pathlib import Path

from click.testing import CliRunner

from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode

BOOK = Path(__file__).parents[2] / "docs" / "examples" / "two_positions.json"
FEW = ("--paths", "1000")


def test_the_page_is_written_and_named(tmp_path: Path) -> None:
    path = tmp_path / "risk.html"
    done = CliRunner().invoke(main, ["risk", str(BOOK), *FEW, "--report", str(path)])
    assert done.exit_code == ExitCode.WARNING, done.output
    assert "one file; open it in a browser" in done.output
    page = path.read_text(encoding="utf-8")
    assert "<h1>Risk of two_positions</h1>" in page
    assert "unknown: " not in page.partition("What contributes")[0]


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "risk.html"
    done = CliRunner().invoke(main, ["risk", str(BOOK), *FEW, "--report", str(path)])
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "folder that exists" in done.output
