"""`keelmark venues`: what a rulebook says of itself."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli.venues import venues
from keelmark.core.errors import InvalidDocument, UnknownRulebook


def shown(*args: str) -> str:
    result = CliRunner().invoke(venues, args, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_every_rulebook_is_listed_with_its_source() -> None:
    rows = json.loads(shown("--json"))
    assert "generic@2025-10" in [row["name"] for row in rows]
    assert all(row["source"] and row["read"] for row in rows)


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
