"""`keelmark venues`: what a rulebook says of itself."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli.venues import venues
from keelmark.core.errors import InvalidDocument, UnknownRulebook
from keelmark.rulebooks import load_rulebook


def shown(*args: str) -> str:
    result = CliRunner().invoke(venues, args, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_every_rulebook_is_listed_with_its_source() -> None:
    rows = json.loads(shown("--json"))
    assert "generic@2025-10" in [row["name"] for row in rows]
    assert all(row["source"] for row in rows)
    assert next(row["read"] for row in rows if row["name"] == "generic@2025-10") is None
    listed = shown()
    assert "own figures" in listed
    assert "None" not in listed


def test_figures_of_our_own_were_read_nowhere_and_what_they_leave_out_is_named() -> None:
    page = shown("generic")
    assert "(read" not in page
    for gap in load_rulebook("generic").document.not_covered:
        assert f"    - {gap}" in page.splitlines()
    assert "options and portfolio margin" in page


def own_book(folder: Path, *, gaps: str = "") -> str:
    path = folder / "own.toml"
    path.write_text(
        'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "me"\n'
        f"{gaps}[assets.USDT]\n",
    )
    return str(path)


def test_a_file_says_when_its_source_was_read_and_what_it_leaves_out(tmp_path: Path) -> None:
    silent = shown(own_book(tmp_path))
    assert "  source: me (read 2026-01-02)" in silent
    assert "    - the file does not say; its key `not_covered` is for that" in silent
    telling = shown(own_book(tmp_path, gaps='not_covered = ["options", "loans"]\n'))
    assert telling.endswith("  not covered:\n    - options\n    - loans\n")


def test_a_rulebook_says_which_tables_kernels_screen() -> None:
    assert "BTCUSDT, ETHUSDT: screened by kernels" in shown("generic")


def test_orders_inside_maintenance_leave_a_table_to_core(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "me"\n'
        "orders_in_maintenance = true\n"
        '[assets.USDT]\n[tables.all]\nrows = [{ floor = "0", rate = "0.01" }]\n'
        '[instruments.XUSDT]\nkind = "linear_perpetual"\nbase = "X"\nsettle = "USDT"\n'
        'table = "all"\n',
    )
    assert "XUSDT: core alone" in shown(str(path))


def test_an_unknown_venue_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownRulebook, match="generic"):
        shown("genric")


def test_a_rulebook_that_names_no_such_table_is_refused_by_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "me"\n'
        '[assets.USDT]\n[tables.all]\nrows = [{ floor = "0", rate = "0.01" }]\n'
        '[instruments.XUSDT]\nkind = "linear_perpetual"\nbase = "X"\nsettle = "USDT"\n'
        'table = "al"\n',
    )
    with pytest.raises(InvalidDocument, match="did you mean 'all'"):
        shown(str(path))
