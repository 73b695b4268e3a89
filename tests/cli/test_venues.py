"""`keelmark venues`: what a rulebook says of itself."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from keelmark.cli.venues import venues
from keelmark.core.errors import InvalidDocument, InvalidInput, UnknownRulebook
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
    assert max(map(len, listed.splitlines()[:-2])) <= 80


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


def test_a_page_names_dates_formulas_sources_and_what_it_is_made_from() -> None:
    page = shown("binance-usdm@2025-12")
    assert "binance-usdm@2023-08, binance-usdm@2025-06" in page
    assert "  made from: binance-usdm@2025-06, parts/binance-usdm, parts/binance\n" in page
    assert "  maintenance: notional * rate - amount by bracket\n" in page
    assert "  units: one per settle asset\n" in page
    assert "  engine: can run it\n" in page
    assert "in force in December 2025 (read 2026-11-21): tables (15)" in page
    facts = json.loads(shown("binance-usdm@2025-12", "--json"))
    assert facts == json.loads(shown("--json", "binance-usdm@2025-12"))
    assert {"source", "read", "entries"} == set(facts["sources"][0])


def test_a_page_says_why_an_engine_cannot_run_a_rulebook() -> None:
    page = shown("binance-pm")
    assert "liquidates at_or_below 1.05 times maintenance" in page
    assert "  loans: margin on all that is borrowed\n" in page
    assert "so an engine cannot run it" in page


def test_thresholds_of_the_auto_exchange_are_shown() -> None:
    assert "auto-exchange below: -5000 USDT, -5000 USDC, -0.1 BTC" in shown("binance-usdm-multi")


BRACKETS = [
    {
        "symbol": "NEWUSDT",
        "brackets": [
            {"notionalFloor": 0, "maintMarginRatio": 0.01, "cum": 0, "initialLeverage": 50},
            {"notionalFloor": 1000, "maintMarginRatio": 0.02, "cum": 10, "initialLeverage": 25},
        ],
    }
]


def imports(folder: Path, content: object, *options: str) -> tuple[int, str]:
    file = folder / "brackets.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    args = ["import", str(file), "--venue", "binance-usdm", "--date", "2025-06", *options]
    result = CliRunner().invoke(venues, args, standalone_mode=False, catch_exceptions=False)
    return result.return_value, result.output


def test_a_full_table_is_imported_and_used(tmp_path: Path) -> None:
    out = tmp_path / "my.toml"
    code, said = imports(tmp_path, BRACKETS, "--out", str(out), "--read", "2025-06-30")
    assert code == 0
    assert "contracts 1, tables 1, rows read 2" in said
    assert "maintenance is taken as notional * rate - amount" in said
    assert "NEWUSDT" in load_rulebook(str(out)).model.instruments
    assert "(read 2025-06-30)" in shown(str(out))


def test_a_row_that_does_not_continue_is_named_and_its_contract_left_out(tmp_path: Path) -> None:
    broken = json.loads(json.dumps(BRACKETS))
    broken[0]["brackets"][1]["cum"] = 11
    out = tmp_path / "my.toml"
    code, said = imports(tmp_path, broken, "--out", str(out))
    assert code == 64
    assert "left out: NEWUSDT: row 2: amount 11; floors and rates give 10" in said
    assert not out.exists()


@pytest.mark.parametrize("out", ["my.json", "taken.toml"])
def test_a_file_is_never_written_over(tmp_path: Path, out: str) -> None:
    (tmp_path / "taken.toml").write_text("mine")
    with pytest.raises(InvalidInput, match="not taken"):
        imports(tmp_path, BRACKETS, "--out", str(tmp_path / out))
    assert (tmp_path / "taken.toml").read_text() == "mine"


@pytest.mark.parametrize("option", [("--date", "2025-6"), ("--read", "June")])
def test_a_day_of_another_form_is_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    with pytest.raises(click.BadParameter, match="not of the form"):
        imports(tmp_path, BRACKETS, "--out", str(tmp_path / "my.toml"), *option)


@pytest.mark.parametrize("venue", ["okx-multi", "paradex"])
def test_a_rulebook_without_tables_says_that_an_engine_needs_one(venue: str) -> None:
    assert "  engine: no instrument with a table: load one" in shown(venue)
